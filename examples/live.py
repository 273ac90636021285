"""Class probabilities while videos play at their own speed.

Run ``python examples/live.py``. It trains a small model on generated clips and plays three
held-out clips one after the other.
"""

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np

from skvideo_gru import LiveClassifier, make_order_videos, make_video_classifier


def play(paths: list[str]) -> Iterator[tuple[float, np.ndarray]]:
    """Yield the frames of files at their own speed, with their times in seconds.

    For a camera, use the frames of ``av.open("/dev/video0", format="v4l2")`` and do not sleep.
    """
    begin = time.monotonic()
    offset = 0.0
    for path in paths:
        with av.open(path) as container:
            for frame in container.decode(video=0):
                shown = offset + frame.time
                time.sleep(max(0.0, begin + shown - time.monotonic()))
                yield shown, frame.to_ndarray(format="rgb24")
        offset = shown + 1 / 12


def main() -> None:
    """Train, and predict the windows of a playing video."""
    with tempfile.TemporaryDirectory() as folder:
        data = make_order_videos(Path(folder, "clips"), n_per_class=8, random_state=0)
        pipe = make_video_classifier(random_state=0, gru__max_epochs=5)
        pipe["features"].set_params(max_epochs=0, n_frames=6, frame_size=32)
        train = data.split == "train"
        pipe.fit([data.data[row] for row in np.flatnonzero(train)], data.target[train])

        live = LiveClassifier(pipe, window=2.0, step=0.5)  # the clips have 2 seconds
        n_predicted = 0
        for shown, frame in play([data.data[row] for row in np.flatnonzero(~train)[:3]]):
            for row in live.push(shown, frame):
                label = pipe.classes_[row.proba.argmax()]
                print(f"{row.start:.1f}-{row.end:.1f} s: {label} {row.proba.max():.2f}")
                n_predicted += 1
        print(f"{n_predicted} windows predicted, {live.n_dropped} dropped")


if __name__ == "__main__":
    main()
