"""The figure of the README: class probabilities of two clips after each frame.

Run ``python examples/film_strip.py [FILE]``.
"""

import sys
import tempfile
from pathlib import Path

from matplotlib.figure import Figure
from sklearn.decomposition import PCA

from skvideo_gru import FilmStripDisplay, FrameWise, make_order_videos, make_video_classifier


def main(file: str = "film_strip.png") -> None:
    """Train on generated clips and plot one held-out clip of each class."""
    with tempfile.TemporaryDirectory() as folder:
        data = make_order_videos(Path(folder) / "clips", n_per_class=24, random_state=2)
        # The classes differ only in the order of frames. Four principal components of the
        # features of an untrained backbone are sufficient.
        pipe = make_video_classifier(random_state=0, gru__max_epochs=40, gru__lr=0.01).set_params(
            scale=FrameWise(PCA(4, whiten=True))
        )
        pipe["features"].set_params(n_frames=6, max_epochs=0)
        held_out = [data.target.tolist().index(label) for label in data.target_names]
        rest = [row for row in range(len(data.data)) if row not in held_out]
        pipe.fit([data.data[row] for row in rest], data.target[rest])

        figure = Figure(figsize=(8, 7), layout="constrained")
        for part, row in zip(figure.subfigures(2), held_out, strict=True):
            FilmStripDisplay.from_estimator(pipe, data.data[row], data.target[row], figure=part)
    figure.savefig(file, dpi=120)


if __name__ == "__main__":
    main(*sys.argv[1:])
