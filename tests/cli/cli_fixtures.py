"""Fixtures that the tests of the command line share."""

import csv

import mlflow
import numpy as np
import pytest

from skvideo_gru import cli, make_video_classifier
from skvideo_gru.datasets.generated import write_video

FAST = [
    "--frame-size",
    "32",
    "--n-frames",
    "3",
    "--backbone-epochs",
    "0",
    "--epochs",
    "5",
    "--lr",
    "0.01",
]


@pytest.fixture(scope="module")
def tracking(tmp_path_factory, make_store):
    """A folder with an MLflow store, in which the commands run."""
    folder = tmp_path_factory.mktemp("mlflow")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.delenv("MLFLOW_RUN_ID", raising=False)
        patch.setenv("MLFLOW_TRACKING_URI", make_store(folder))
        patch.delenv("MLFLOW_EXPERIMENT_NAME", raising=False)
        yield folder


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    """A folder of 40 clips of two classes, and a manifest of them with groups."""
    folder = tmp_path_factory.mktemp("data") / "clips"
    rng = np.random.default_rng(0)
    rows = []
    for number in range(40):
        label = ("dark", "bright")[number % 2]
        frames = rng.normal((60, 190)[number % 2], 20, (6, 32, 32, 3)).clip(0, 255)
        (folder / label).mkdir(parents=True, exist_ok=True)
        write_video(folder / label / f"{number}.mp4", frames.astype(np.uint8))
        rows.append((f"{label}/{number}.mp4", label, f"camera{number // 10}"))
    with (folder / "manifest.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("path", "label", "group"), *rows])
    return folder


def quick_pipeline():
    return make_video_classifier(
        random_state=0, features__n_frames=2, features__frame_size=32, features__max_epochs=0
    )


def newest_runs(n=1):
    return mlflow.search_runs(search_all_experiments=True, output_format="list")[:n]


@pytest.fixture(scope="module")
def trained(tracking, clips):
    """The file of a model, and the run that made it."""
    assert cli.main(["train", "--data", str(clips), "--output", "model.skops", *FAST]) == 0
    return tracking / "model.skops", newest_runs()[0]


@pytest.fixture
def model(trained):
    return trained[0]


@pytest.fixture
def run(trained):
    return trained[1]
