"""Time per video on one core, decoding included, without and with the cache; time of training.

Run ``python benchmarks/cost.py MANIFEST [VIDEOS] [NAME=VALUE ...]``, where NAME=VALUE are
parameters of the featurizer. A pipeline with these parameters predicts the videos one by one.
Its backbone is untrained, which does not change the cost of prediction. The featurizer then
transforms all videos twice with a cache.

With ``--fit`` as the first argument, the script fits the pipeline on VIDEOS videos instead, with
all threads that torch uses by default.
"""

import sys
import tempfile
import time
from collections.abc import Callable
from statistics import median

import numpy as np
import torch

from skvideo_gru import load_video_manifest, make_video_classifier
from skvideo_gru.cli.parameters import settings


def seconds(work: Callable[[], object]) -> float:
    """Time one call."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def sample(manifest: str, n_videos: str = "60") -> tuple[list[object], np.ndarray]:
    """Draw videos and their labels."""
    data = load_video_manifest(manifest)
    rows = np.random.default_rng(0).choice(len(data.data), int(n_videos), replace=False)
    return [data.data[row] for row in rows], data.target[rows]


def features_options(texts: tuple[str, ...]) -> dict[str, object]:
    """Parse ``NAME=VALUE`` texts into parameters of the pipeline step ``features``."""
    return {f"features__{name}": value for name, value in settings(",".join(texts)).items()}


def time_fit(manifest: str, n_videos: str = "60", *options: str) -> None:
    """Measure one fit of the pipeline and print."""
    videos, labels = sample(manifest, n_videos)
    pipe = make_video_classifier(random_state=0, verbose=1, **features_options(options))
    elapsed = seconds(lambda: pipe.fit(videos, labels))
    print(f"fit on {len(videos)} videos, {torch.get_num_threads()} threads: {elapsed:.0f} s")


def time_prediction(manifest: str, n_videos: str = "60", *options: str) -> None:
    """Measure predictions and the cache and print."""
    torch.set_num_threads(1)
    videos, labels = sample(manifest, n_videos)
    # As a trained backbone by default; an untrained one sees colour frames.
    parameters = {"features__max_epochs": 0, "features__modality": "motion", "gru__max_epochs": 1}
    pipe = make_video_classifier(random_state=0, **parameters | features_options(options))
    pipe.fit(videos, labels)
    times = [seconds(lambda v=v: pipe.predict([v])) for v in videos]
    print(f"predict one video: median {median(times):.3f} s, slowest {max(times):.3f} s")
    with tempfile.TemporaryDirectory() as memory:
        features = pipe["features"].set_params(memory=memory)
        first, second = (seconds(lambda: features.transform(videos)) for _ in range(2))
    print(f"transform of {len(videos)} videos: {first:.2f} s, cached {second:.2f} s,", end=" ")
    print(f"{second / first:.1%} of the first time")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--fit"]:
        time_fit(*sys.argv[2:])
    else:
        time_prediction(*sys.argv[1:])
