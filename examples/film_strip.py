"""Draw the README's picture: what a model makes of two clips, frame after frame.

Run it as ``python examples/film_strip.py [PICTURE]``.
"""

import sys
import tempfile
from pathlib import Path

from matplotlib.figure import Figure
from sklearn.decomposition import PCA

from skvideo_gru import FilmStripDisplay, FrameWise, make_order_videos, make_video_classifier


def main(picture: str = "film_strip.png") -> None:
    """Train on generated clips and draw one that was held out of each class."""
    with tempfile.TemporaryDirectory() as folder:
        data = make_order_videos(Path(folder) / "clips", n_per_class=24, random_state=2)
        # No single frame tells these classes apart: an untrained backbone does, and four
        # directions of its features are enough.
        pipe = make_video_classifier(
            random_state=0, gru__frame_dim=4, gru__max_epochs=40, gru__lr=0.01
        ).set_params(scale=FrameWise(PCA(4, whiten=True)))
        pipe["features"].set_params(n_frames=6, max_epochs=0)
        held_out = [data.target.tolist().index(label) for label in data.target_names]
        rest = [row for row in range(len(data.data)) if row not in held_out]
        pipe.fit([data.data[row] for row in rest], data.target[rest])

        figure = Figure(figsize=(8, 5.6), layout="constrained")
        for part, row in zip(figure.subfigures(2), held_out, strict=True):
            FilmStripDisplay.from_estimator(pipe, data.data[row], data.target[row], figure=part)
    figure.savefig(picture, dpi=120)


if __name__ == "__main__":
    main(*sys.argv[1:])
