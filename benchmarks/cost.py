"""Seconds that a video costs on one core, decoding included, and what the cache leaves of them.

Run it as ``python benchmarks/cost.py MANIFEST [VIDEOS] [NAME=VALUE ...]``: a pipeline with
the default settings but for these parameters of the featurizer, whose backbone is as large
untrained as it is trained, predicts one video after the other, as one who waits for each; then
it transforms them all, twice, with a cache.
"""

import sys
import tempfile
import time
from collections.abc import Callable
from statistics import median

import numpy as np
import torch
from options import features_options

from skvideo_gru import load_video_manifest, make_video_classifier


def seconds(work: Callable[[], object]) -> float:
    """Time one call."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def main(manifest: str, n_videos: str = "60", *options: str) -> None:
    """Measure and print."""
    torch.set_num_threads(1)
    data = load_video_manifest(manifest)
    rows = np.random.default_rng(0).choice(len(data.data), int(n_videos), replace=False)
    videos = [data.data[row] for row in rows]
    untrained = {"features__max_epochs": 0, "gru__max_epochs": 1}
    pipe = make_video_classifier(random_state=0, **untrained, **features_options(options))
    pipe.fit(videos, data.target[rows])
    times = [seconds(lambda v=v: pipe.predict([v])) for v in videos]
    print(f"predict one video: median {median(times):.3f} s, slowest {max(times):.3f} s")
    with tempfile.TemporaryDirectory() as memory:
        features = pipe["features"].set_params(memory=memory)
        first, second = (seconds(lambda: features.transform(videos)) for _ in range(2))
    print(f"transform of {len(videos)} videos: {first:.2f} s, again {second:.2f} s,", end=" ")
    print(f"{second / first:.1%} of the first time")


if __name__ == "__main__":
    main(*sys.argv[1:])
