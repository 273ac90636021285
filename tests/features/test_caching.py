"""The cache with killed processes, concurrent processes and a full disk."""

import os
import resource
import signal
import subprocess
import sys
import time
from datetime import timedelta

import numpy as np
import pytest
from conftest import largest_error
from joblib import Memory

from skvideo_gru import ResNet50FrameFeaturizer
from skvideo_gru.datasets.generated import write_video
from skvideo_gru.features import reading
from skvideo_gru.features.caching import cache_contents, prune, remove_unfinished
from skvideo_gru.video.decoding import read_frames

MODEL = {"n_frames": 2, "frame_size": 64, "random_state": 0}
SCRIPT = """
import os, sys
import numpy as np
from skvideo_gru import ResNet50FrameFeaturizer
n_videos = int(sys.argv[1])
cache, videos, outputs = sys.argv[2], sys.argv[3:3 + n_videos], sys.argv[3 + n_videos:]
model = ResNet50FrameFeaturizer(n_frames=2, frame_size=64, random_state=0, memory=cache)
# One process per output, forked after the imports and before any computation.
children = []
for rows in outputs[1:]:
    children.append(os.fork())
    if not children[-1]:
        np.save(rows, model.fit_transform(videos))
        os._exit(0)
np.save(outputs[0], model.fit_transform(videos))
sys.exit(any(os.waitpid(child, 0)[1] for child in children))
"""


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("videos")
    rng = np.random.default_rng(0)
    paths = [str(folder / f"{number}.mp4") for number in range(60)]
    for path in paths:
        write_video(path, rng.integers(0, 256, (2, 32, 32, 3), dtype=np.uint8))
    return paths


def start(cache, videos, outputs):
    arguments = [sys.executable, "-c", SCRIPT, str(len(videos)), cache, *videos, *outputs]
    return subprocess.Popen(arguments)


def n_features(cache):
    return len(list(cache.glob("joblib/skvideo_gru/features/caching/features/*/output.pkl")))


def test_after_a_kill_only_unfinished_videos_are_computed(videos, tmp_path, monkeypatch):
    process = start(tmp_path, videos, [tmp_path / "rows.npy"])
    while n_features(tmp_path) < 10:
        assert process.poll() is None
        time.sleep(0.01)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    n_kept = n_features(tmp_path)
    assert 10 <= n_kept < 60
    decoded = []
    monkeypatch.setattr(
        reading, "read_frames", lambda v, **r: decoded.append(v) or read_frames(v, **r)
    )
    rows = ResNet50FrameFeaturizer(**MODEL, memory=tmp_path).fit_transform(videos)
    assert len(decoded) == 60 - n_kept
    alone = ResNet50FrameFeaturizer(**MODEL).fit_transform(videos)
    assert largest_error(rows, alone) < 1e-5


def test_processes_share_a_cache(videos, tmp_path):
    outputs = [tmp_path / f"{number}.npy" for number in range(4)]
    assert start(tmp_path / "cache", videos[:12], outputs).wait() == 0
    alone = ResNet50FrameFeaturizer(**MODEL).fit_transform(videos[:12])
    for output in outputs:
        assert largest_error(np.load(output), alone) < 1e-5
    assert n_features(tmp_path / "cache") == 12


def test_a_full_disk_costs_the_cache_not_the_rows(videos, tmp_path):
    model = ResNet50FrameFeaturizer(**MODEL).fit(videos[:4])
    expected = model.transform(videos[:4])
    model.set_params(memory=tmp_path)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))  # like a disk of 4 KiB
    try:
        with pytest.warns(Warning, match="Unable to cache to disk.*File too large"):
            rows = model.transform(videos[:4])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert largest_error(rows, expected) < 1e-5
    assert n_features(tmp_path) == 0
    assert (
        remove_unfinished(Memory(str(tmp_path), verbose=0), older_than=3600) == 0
    )  # may still be written
    assert remove_unfinished(Memory(str(tmp_path), verbose=0), older_than=0) == 4
    assert largest_error(model.transform(videos[:4]), expected) < 1e-5
    assert n_features(tmp_path) == 4


def test_contents_are_counted(videos, tmp_path):
    ResNet50FrameFeaturizer(**MODEL, memory=tmp_path).fit_transform(videos[:3])
    contents = cache_contents(Memory(str(tmp_path), verbose=0))
    assert [n for n, _ in contents.values()] == [3, 1, 0]  # features, backbones, interrupted
    files = list(tmp_path.glob("joblib/skvideo_gru/features/caching/features/*/*"))
    assert contents["features"][1] == sum(file.stat().st_size for file in files)


def test_pruning_counts_interrupted_trainings(tmp_path):
    memory = Memory(str(tmp_path), verbose=0)
    folder = tmp_path / "joblib" / "interrupted"
    folder.mkdir(parents=True)
    for number, age in enumerate((10, 100, 1000)):
        (folder / f"{number}.pt").write_bytes(bytes(1000))
        os.utime(folder / f"{number}.pt", (time.time() - age,) * 2)
    (folder / ".unfinished-1").mkdir()
    (folder / ".unfinished-1" / "part").touch()
    assert remove_unfinished(memory, older_than=0) == 1
    assert not (folder / ".unfinished-1").exists()
    prune(memory, None, timedelta(seconds=500))
    assert cache_contents(memory)["interrupted"] == (2, 2000)
    prune(memory, 1500, None)
    assert [file.name for file in folder.glob("*.pt")] == ["0.pt"]
