"""Every example runs by itself, says what it should, and leaves nothing behind."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[1] / "examples"
EXAMPLES = sorted(file.name for file in FOLDER.glob("*.py"))

# What it prints, as a regular expression. An example that is not named here has to end well
# and print nothing but what it likes.
EXPECTED = {
    "dask_cluster.py": r"^2 workers; best: \{'gru__hidden_size': \d+\}$",
    "groups.py": r"^learnt from camera-\d, camera-\d, camera-\d; camera-\d: (1\.00|0\.[7-9]\d)$",
    "own_embeddings.py": r"^test accuracy: (1\.000|0\.[89]\d\d) on 30 sequences$",
    "pretrained_weights.py": r"^read: 318 arrays, frames of \(32, 32\)$",
    "quickstart.py": r"^test accuracy: (1\.000|0\.[7-9]\d\d) on 15 videos$",
    "read_model_back.py": r"^joblib, \d+ MB: the same .*\nskops, \d+ MB: the same probabilities$",
    "tuning.py": r"^9 fits of 40 videos: 40 videos decoded, 1 backbone made$",
}

# What it writes into the working directory, because that is what it is for.
WRITTEN = {"film_strip.py": {"film_strip.png"}}


def test_there_are_examples():
    assert set(EXPECTED) | set(WRITTEN) <= set(EXAMPLES)


@pytest.mark.parametrize("name", EXAMPLES)
def test_example(name, tmp_path):
    work, temporary = tmp_path / "work", tmp_path / "temporary"
    work.mkdir()
    temporary.mkdir()
    done = subprocess.run(
        [sys.executable, FOLDER / name],
        cwd=work,
        env={**os.environ, "TMPDIR": str(temporary), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert re.search(EXPECTED.get(name, ""), done.stdout, re.MULTILINE), done.stdout
    assert {file.name for file in work.iterdir()} == WRITTEN.get(name, set())
    assert not list(temporary.glob("tmp*"))  # torch and dask keep folders of other names there
