"""Each example runs, prints the expected output, and removes its temporary files."""

import re
import runpy
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace

import mlflow
import numpy as np
import pytest
import skops.io

from skvideo_gru import read_frames

FOLDER = Path(__file__).parents[1] / "examples"
# test_dask.py runs the cluster example on its own cluster.
EXAMPLES = sorted({file.name for file in FOLDER.glob("*.py")} - {"dask_cluster.py"})

# Expected output as a regular expression. Examples that are not listed must only succeed.
EXPECTED = {
    "groups.py": r"^trained on camera-\d, camera-\d, camera-\d; camera-\d: (1\.00|0\.[7-9]\d)$",
    "onnx_opencv.py": r"^rgb, the same frames: equal within \de-0[5-9]\n(.*\n){2}"
    r"motion, the same frames: equal within \de-0[5-9]\n"
    r"motion, red-blue-green: Python (0\.\d+), OpenCV \2\n.*\n"
    r"changes, the same frames: equal within \de-0[5-9]\n"
    r"changes, red-blue-green: Python (0\.\d+), OpenCV \3\n",
    "live.py": r"^\d+ windows predicted, \d+ dropped$",
    "own_embeddings.py": r"^test accuracy: (1\.000|0\.[89]\d\d) on 30 sequences$",
    "pretraining.py": r"^saved: .*motion\.pth\nstarted from motion\.pth, trained on 12 clips$",
    "pretrained_weights.py": r"^loaded: 318 arrays, frame size \(32, 32\)$",
    "quickstart.py": r"^test accuracy: (1\.000|0\.[7-9]\d\d) on 15 videos$",
    "read_model_back.py": r"^joblib, \d+ MB: identical .*\nskops, \d+ MB: identical",
    "serving.py": r"^(\S+ \{.*\} None)\n\1\nNone None .*/truncated\.mp4: .*\nNone None .*may read",
    "tracking.py": r"^(hidden_size=\d+ [01]\.\d\d\n){3}"
    r"artifacts: .*cv_results.csv .*report.html search.png training.png\ntest accuracy: [01]",
    "tuning.py": r"^9 fits of 40 videos: 40 videos decoded, 1 backbone computed$",
}

# Files that an example writes to the working directory.
WRITTEN = {"film_strip.py": {"film_strip.png"}, "quickstart.py": {"model.joblib"}}


def test_the_live_example_with_a_file_as_the_camera(
    order_data, order_model, tmp_path, monkeypatch, capsys
):
    example = runpy.run_path(str(FOLDER / "live.py"))
    video = order_data.data[0]
    times, frames = zip(*example["film"](video), strict=True)
    assert times == tuple(sorted(times)) and times[0] < 1
    expected = read_frames(video, sampling="all").astype(float)
    assert np.abs(np.stack(frames) - expected).mean() < 3  # the colours are RGB
    with pytest.raises(SystemExit, match="cannot open the camera 'missing.mp4'"):
        next(example["film"]("missing.mp4"))
    skops.io.dump(order_model, tmp_path / "model.skops")
    # A clock on which the 24 frames come at 1/12, 2/12, ... 2 s: ten windows, the last at 1.98 s.
    clock = SimpleNamespace(monotonic=(number / 12 for number in range(25)).__next__)
    monkeypatch.setitem(example["film"].__globals__, "time", clock)
    example["main_camera"](str(tmp_path / "model.skops"), "1.0", video)
    *rows, last = capsys.readouterr().out.splitlines()
    n_predicted, n_dropped = map(int, re.findall(r"\d+", last))
    assert len(rows) == n_predicted and n_predicted + n_dropped == 10
    assert all(re.fullmatch(r"\d\.\d-\d\.\d s: red-\S+ 0\.\d\d", row) for row in rows)


def test_listed_examples_exist():
    assert set(EXPECTED) | set(WRITTEN) <= set(EXAMPLES)


@pytest.mark.parametrize("name", EXAMPLES)
def test_example(name, tmp_path, make_store, monkeypatch, capsys):
    work, temporary = tmp_path / "work", tmp_path / "temporary"
    work.mkdir()
    temporary.mkdir()
    monkeypatch.chdir(work)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", make_store(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    monkeypatch.setattr(sys, "argv", [str(FOLDER / name)])
    try:
        runpy.run_path(str(FOLDER / name), run_name="__main__")
    finally:
        mlflow.set_tracking_uri(None)  # back to the environment variable
    printed = capsys.readouterr().out
    assert re.search(EXPECTED.get(name, ""), printed, re.MULTILINE), printed
    assert {file.name for file in work.iterdir()} == WRITTEN.get(name, set())
    assert not list(temporary.glob("tmp*"))  # folders of torch and dask have other names
