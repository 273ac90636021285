"""Features and searches on a Dask cluster of two worker processes."""

import io
import os
import runpy
import signal
import sys
from pathlib import Path

import joblib
import numpy as np
import pytest
from conftest import largest_error
from distributed import Client, LocalCluster
from sklearn.model_selection import GridSearchCV

from skvideo_gru import ResNet50FrameFeaturizer, make_video_classifier
from skvideo_gru.features import embedding, extraction

EXAMPLE = Path(__file__).parents[1] / "examples" / "dask_cluster.py"


@pytest.fixture(scope="module")
def client():
    with (
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster,
        Client(cluster) as client,
    ):
        yield client


@pytest.fixture(scope="module")
def featurizer():
    model = ResNet50FrameFeaturizer(n_frames=2, frame_size=32, random_state=0)
    return model.fit([np.zeros((2, 8, 8, 3), np.uint8)])


def test_a_cluster_computes_the_same_rows(client, featurizer, colour_clips, monkeypatch):
    videos = colour_clips[0]
    expected = featurizer.transform(videos)
    monkeypatch.setattr(extraction, "_CHUNK", 1)
    sent = []
    reduce = embedding.FrameEmbedder.__reduce__
    monkeypatch.setattr(
        embedding.FrameEmbedder, "__reduce__", lambda self: sent.append(1) or reduce(self)
    )
    with joblib.parallel_config(backend="dask"):
        rows = featurizer.transform(videos)
    assert largest_error(rows, expected) < 1e-5
    # For the key and to send it once or twice, not with each of the twelve tasks.
    assert len(sent) <= 4


def test_the_example_searches_on_a_cluster(client, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", [str(EXAMPLE), client.scheduler.address])
    runpy.run_path(str(EXAMPLE), run_name="__main__")
    out = capsys.readouterr().out
    assert out.startswith("GPUs of the workers: ")
    assert "2 workers; best: {'gru__hidden_size': " in out


def test_each_worker_of_the_example_sees_another_gpu():
    names = runpy.run_path(str(EXAMPLE))
    with names["start_workers"](2) as cluster, Client(cluster) as client:
        seen = client.run(lambda: os.environ.get("CUDA_VISIBLE_DEVICES"))
    assert sorted(seen.values()) == ["0", "1"]


def test_a_cluster_searches(client, colour_clips, tmp_path):
    videos, y = colour_clips
    pipe = make_video_classifier(
        random_state=0,
        memory=str(tmp_path),
        features__n_frames=2,
        features__frame_size=32,
        features__max_epochs=0,
        gru__max_epochs=3,
    )
    search = GridSearchCV(pipe, {"gru__hidden_size": [4, 8]}, cv=2, error_score="raise")
    with joblib.parallel_config(backend="dask"):
        search.fit(videos, y)
    alone = GridSearchCV(pipe, {"gru__hidden_size": [4, 8]}, cv=2, error_score="raise")
    alone.fit(videos, y)
    for name in ("mean_test_score", "std_test_score"):
        np.testing.assert_array_equal(search.cv_results_[name], alone.cv_results_[name])


class DeadlyFile(io.BytesIO):
    """A video whose first reader is killed."""

    def __init__(self, content, killed):
        super().__init__(content)
        self.content, self.killed = content, killed

    def __reduce__(self):
        return DeadlyFile, (self.content, self.killed)

    def read(self, *args):
        if not os.path.exists(self.killed):
            open(self.killed, "w").close()
            os.kill(os.getpid(), signal.SIGKILL)
        return super().read(*args)


def test_rows_are_complete_after_a_worker_is_killed(
    client, featurizer, colour_clips, tmp_path, monkeypatch
):
    videos = list(colour_clips[0])
    expected = featurizer.transform(videos)
    with open(videos[5], "rb") as file:
        videos[5] = DeadlyFile(file.read(), str(tmp_path / "killed"))
    monkeypatch.setattr(extraction, "_CHUNK", 1)
    with joblib.parallel_config(backend="dask"):
        rows = featurizer.transform(videos)
    assert os.path.exists(tmp_path / "killed")
    assert largest_error(rows, expected) < 1e-5
