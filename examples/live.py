"""Class probabilities while a video plays or a camera films.

Run ``python examples/live.py``. It trains a small model on generated clips and plays three
held-out clips one after the other, at their own speed. For a camera, run
``python examples/live.py MODEL WINDOW [CAMERA]``: MODEL is a file saved by ``skvideo-gru train``
with the extension .skops, WINDOW the length of the training clips in seconds, and CAMERA the
number of the camera for OpenCV (default 0), or an address or a file.
"""

import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import av
import numpy as np
import skops.io

from skvideo_gru import (
    SKOPS_TRUSTED_TYPES,
    LiveClassifier,
    make_order_videos,
    make_video_classifier,
)


def play(paths: list[str]) -> Iterator[tuple[float, np.ndarray]]:
    """Yield the RGB frames of files at their own speed, with their times in seconds."""
    begin = time.monotonic()
    offset = 0.0
    for path in paths:
        with av.open(path) as container:
            for frame in container.decode(video=0):
                shown = offset + frame.time
                time.sleep(max(0.0, begin + shown - time.monotonic()))
                yield shown, frame.to_ndarray(format="rgb24")
        offset = shown + 1 / 12


def film(camera: str) -> Iterator[tuple[float, np.ndarray]]:
    """Yield the RGB frames of a camera as they come, with their times in seconds."""
    import cv2

    capture = cv2.VideoCapture(int(camera) if camera.isdecimal() else camera)
    try:
        if not capture.isOpened():
            raise SystemExit(f"OpenCV cannot open the camera {camera!r}.")
        begin = time.monotonic()
        while True:
            captured, bgr = capture.read()
            if not captured:
                return
            yield time.monotonic() - begin, bgr[..., ::-1]
    finally:
        capture.release()


def predict(live: LiveClassifier, classes: np.ndarray, frames: Iterator) -> None:
    """Print the most probable class of each window."""
    n_predicted = 0
    with suppress(KeyboardInterrupt):
        for shown, frame in frames:
            for row in live.push(shown, frame):
                label = classes[row.proba.argmax()]
                print(
                    f"{row.start:.1f}-{row.end:.1f} s: {label} {row.proba.max():.2f}", flush=True
                )
                n_predicted += 1
    print(f"{n_predicted} windows predicted, {live.n_dropped} dropped")


def main() -> None:
    """Train, and predict the windows of playing videos."""
    with tempfile.TemporaryDirectory() as folder:
        data = make_order_videos(Path(folder, "clips"), n_per_class=8, random_state=0)
        pipe = make_video_classifier(random_state=0, gru__max_epochs=5)
        pipe["features"].set_params(max_epochs=0, n_frames=6, frame_size=32)
        train = data.split == "train"
        pipe.fit([data.data[row] for row in np.flatnonzero(train)], data.target[train])

        live = LiveClassifier(pipe, window=2.0, step=0.5)  # the clips have 2 seconds
        predict(live, pipe.classes_, play([data.data[row] for row in np.flatnonzero(~train)[:3]]))


def main_camera(path: str, window: str, camera: str = "0") -> None:
    """Load a model, and predict the windows of a camera until it ends or Ctrl+C."""
    model = skops.io.load(path, trusted=SKOPS_TRUSTED_TYPES)
    predict(LiveClassifier(model, window=float(window)), model.classes_, film(camera))


if __name__ == "__main__":
    main_camera(*sys.argv[1:]) if sys.argv[1:] else main()
