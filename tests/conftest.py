"""Clips, labels and helpers that the tests share; every clip is generated."""

import contextlib
import copy
import functools
import os
import shutil
import sqlite3
import sys
from itertools import pairwise

# Tests run in parallel processes: one thread each avoids oversubscription. It must be
# set before torch is imported.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ["OMP_NUM_THREADS"] = "1"
os.environ["MPLBACKEND"] = "agg"  # no windows

import av
import joblib
import numpy as np
import pytest
import torch

from skvideo_gru import make_order_videos, make_video_classifier
from skvideo_gru.datasets.generated import write_video
from skvideo_gru.features import fitting
from skvideo_gru.inspection.evaluation import Evaluation
from skvideo_gru.networks import initial_weights
from skvideo_gru.video import check_videos

needs_gpu = pytest.mark.skipif(
    not torch.cuda.is_available(), reason="torch sees no GPU on this machine"
)


def make_frames(n_frames, height=48, width=64, seed=0):
    """Random frames of large blocks, which differ and survive lossy encoding."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (n_frames, height // 16, width // 16, 3), dtype=np.uint8)
    return coarse.repeat(16, axis=1).repeat(16, axis=2)


def break_video(path, first):
    """Overwrite the packets of a file from number `first` to the end."""
    with av.open(str(path)) as container:
        packets = [(p.pos, p.size) for p in container.demux(video=0) if p.size]
    content = bytearray(path.read_bytes())
    for position, size in packets[first:]:
        content[position : position + size] = bytes([255]) * size
    path.write_bytes(content)


def check_video(video):
    """The report of one video."""
    return next(check_videos([video]))


def largest_error(rows, expected):
    """Compute the largest relative error of a row."""
    return (np.linalg.norm(rows - expected, axis=-1) / np.linalg.norm(expected, axis=-1)).max()


def outcome_of(target, predicted, confidence=0.8, classes=("a", "b")):
    """Make an evaluation with the given predictions and confidence."""
    rest = (1 - np.broadcast_to(confidence, len(target))) / (len(classes) - 1)
    probabilities = np.repeat(rest[:, None], len(classes), axis=1)
    columns = [classes.index(label) for label in predicted]
    probabilities[np.arange(len(target)), columns] = confidence
    return Evaluation(np.array(target), probabilities, np.array(classes))


def texts(axes):
    """Return the texts in axes by position."""
    return {tuple(map(float, text.get_position())): text.get_text() for text in axes.texts}


def overlaps(labels):
    """The number of pairs of adjacent horizontal labels that overlap."""
    boxes = [label.get_window_extent() for label in labels]
    return sum(a.overlaps(b) for a, b in pairwise(boxes))


def pictures(axes):
    """The frames of a film strip."""
    return [inset.images[0].get_array() for inset in axes.child_axes]


@pytest.fixture(autouse=True)
def ordinary_priority():
    """Reset the real-time priority that SVT-AV1 sets if the user is root.

    With that priority an encoder that waits for its threads blocks them.
    """
    yield
    if os.sched_getscheduler(0) != os.SCHED_OTHER:
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))


@pytest.fixture(scope="session", autouse=True)
def random_weights_are_drawn_once():
    """Draw and hash the initial weights of a seed once, which takes most of a small fit."""

    @functools.lru_cache(3)
    def draw(seed):
        weights = initial_weights(seed)
        return weights, joblib.hash(weights)

    def initialise(fitter):
        weights, digest = draw(fitter._definite_seed())
        return fitting.Backbone(copy.deepcopy(weights), [], digest)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fitting.BackboneFitter, "_initialise", initialise)
        yield


@pytest.fixture(scope="session")
def make_store(tmp_path_factory):
    """Return a function that makes an MLflow store in a folder and returns its address.

    MLflow takes seconds to create the tables. Here they are created once and copied.
    """
    import mlflow  # it takes seconds, which tests without a store need not wait

    folder = tmp_path_factory.mktemp("store")
    tables = folder / "mlflow.db"
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        mlflow.MlflowClient(f"sqlite:///{tables}").search_experiments()
    with contextlib.closing(sqlite3.connect(tables)) as database, database:
        database.execute("DELETE FROM experiments")  # their artifacts are in this folder

    def copy_to(folder):
        shutil.copy(tables, folder / "mlflow.db")
        return f"sqlite:///{folder}/mlflow.db"

    return copy_to


@pytest.fixture(autouse=True)
def closed_figures():
    """Close the figures that a test opens with pyplot."""
    yield
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")


@pytest.fixture(scope="session")
def clip(tmp_path_factory):
    """An H.264 clip of 30 frames, 64 x 48, 25 frames a second."""
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    write_video(path, make_frames(30), options={"g": "10", "bf": "2"})
    return path


@pytest.fixture(scope="session")
def colour_clips(tmp_path_factory):
    """Twelve clips of 12 frames of 32 x 32: six dark ones, six bright ones."""
    folder = tmp_path_factory.mktemp("colours")
    rng = np.random.default_rng(0)
    paths, labels = [], []
    for number in range(12):
        label = ("dark", "bright")[number % 2]
        base = (60, 190)[number % 2]
        frames = rng.normal(base, 20, (12, 32, 32, 3)).clip(0, 255).astype(np.uint8)
        (folder / label).mkdir(exist_ok=True)
        path = folder / label / f"{number}.mp4"
        write_video(path, frames)
        paths.append(str(path))
        labels.append(label)
    return paths, np.array(labels)


@pytest.fixture
def broken_clip(clip, tmp_path):
    """A truncated file: the first half, without its index."""
    path = tmp_path / "broken.mp4"
    content = clip.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    return path


@pytest.fixture(scope="session")
def order_data(tmp_path_factory):
    """Eight generated clips of two classes."""
    return make_order_videos(
        tmp_path_factory.mktemp("order") / "clips", n_per_class=4, frame_size=32, random_state=0
    )


@pytest.fixture(scope="session")
def order_model(order_data):
    """A pipeline trained on them for two epochs, which misclassifies some."""
    pipe = make_video_classifier(
        random_state=0,
        features__n_frames=6,
        features__frame_size=32,
        features__max_epochs=0,
        gru__max_epochs=2,
    )
    return pipe.fit(order_data.data, order_data.target)
