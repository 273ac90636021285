"""Draw the film strips of the README: one clip of each class of the generated data set.

Run it as ``python examples/film_strip.py [PICTURE]``.
"""

import sys
import tempfile
from pathlib import Path

from matplotlib.figure import Figure

from skvideo_gru import make_order_videos, read_frames


def main(picture: str = "film_strip.png") -> None:
    """Draw six frames of a clip of each class."""
    with tempfile.TemporaryDirectory() as folder:
        data = make_order_videos(Path(folder) / "clips", n_per_class=4, random_state=2)
        figure = Figure(figsize=(8, 3.1), layout="constrained")
        panels = figure.subplots(2, 6)
        for row, label in zip(panels, data.target_names, strict=True):
            video = data.data[data.target.tolist().index(label)]
            for axes, frame in zip(row, read_frames(video, n_frames=6), strict=True):
                axes.imshow(frame)
                axes.set(xticks=[], yticks=[])
            row[0].set_title(label, loc="left", fontsize=11)
    figure.savefig(picture, dpi=120)


if __name__ == "__main__":
    main(*sys.argv[1:])
