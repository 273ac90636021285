"""Film strips: the frames that a classifier looked at, and what it made of them."""

from __future__ import annotations

import os
from typing import Any, Self

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..video import (
    Video,
    VideoDecodeError,
    describe_time_range,
    describe_video,
    open_video,
    read_frames,
    scan_packets,
    select_frames,
    uniform_indices,
    video_bounds,
)
from .evaluation import fitted_pipeline
from .plotting import STYLES, one_line

__all__ = ["FilmStripDisplay", "draw_strip", "strip_height", "strip_title", "video_name"]

# Frames and classes of one picture, so that each is large enough to be seen.
_FRAMES = 10
_CLASSES = len(STYLES)

# What of a featurizer's reading says which frames are taken.
_SELECTING = ("sampling", "n_frames", "fps", "stride", "seed")

# With fewer frames there is room left over: a single one would fill the page.
_SLOTS = 4


def video_name(video: Video) -> str:
    """Name a video without the folder that it lies in.

    Parameters
    ----------
    video : Video
        The video.

    Returns
    -------
    str
        The file's name and, of a clip, its stretch; what the video is where there is no file.
    """
    name = os.path.basename(describe_video(video))
    bounds = video_bounds(video)
    return name if bounds == (None, None) else f"{name}, {describe_time_range(*bounds)}"


class FilmStripDisplay:
    """Show a video's frames and, under them, how probable they made each class.

    Parameters
    ----------
    frames : ndarray of shape (T, H, W, 3), uint8
        The frames that the classifier saw, in their colours.
    probabilities : ndarray of shape (T, n_classes)
        The probability of every class after every frame.
    classes : ndarray of shape (n_classes,)
        The labels.
    target : object, optional
        The video's true label.
    name : str, default=""
        What the video is called.
    seconds : array-like of shape (T,), optional
        The moments of the frames. None counts frames instead.

    Attributes
    ----------
    figure_ : Figure
        The figure.
    axes_ : list of Axes
        The strip and the probabilities.

    See Also
    --------
    MistakesDisplay : Shows the videos that a classifier got wrong.

    Examples
    --------
    >>> import numpy as np
    >>> from skvideo_gru import FilmStripDisplay
    >>> frames = np.full((2, 32, 32, 3), 128, np.uint8)
    >>> display = FilmStripDisplay(frames, np.array([[0.5, 0.5], [0.1, 0.9]]), ["off", "on"])
    >>> display.plot().axes_[0].get_title(loc="left")
    'predicted on (0.90)'
    """

    def __init__(
        self,
        frames: np.ndarray,
        probabilities: np.ndarray,
        classes: Any,
        *,
        target: Any = None,
        name: str = "",
        seconds: Any = None,
    ) -> None:
        self.frames = frames
        self.probabilities = probabilities
        self.classes = np.asarray(classes)
        self.target = target
        self.name = name
        self.seconds = seconds

    @classmethod
    def from_estimator(
        cls, estimator: Any, video: Video, y: Any = None, *, figure: Any = None
    ) -> Self:
        """Draw what a pipeline sees in a video and what it makes of it.

        Parameters
        ----------
        estimator : Pipeline
            A fitted pipeline from `make_video_classifier`, or a search that has refitted
            one.
        video : Video
            The video.
        y : object, optional
            Its true label.
        figure : Figure or SubFigure, optional
            Where to draw; None makes a new one.

        Returns
        -------
        FilmStripDisplay
            What was drawn.

        Raises
        ------
        VideoDecodeError
            If the video cannot be read.
        """
        pipe = fitted_pipeline(estimator)
        reading = pipe[0]._reading()
        frames = read_frames(video, **reading)
        running = pipe[-1].predict_proba_frames(pipe[:-1].transform([video]))[0]
        return cls(
            frames,
            running[: len(frames)],
            pipe.classes_,
            target=y,
            name=video_name(video),
            seconds=_moments(video, reading, len(frames)),
        ).plot(figure)

    def plot(self, figure: Any = None) -> Self:
        """Draw the frames and the probabilities.

        Of more than ten frames, ten are shown; of more than five classes, five are
        told apart: the true one, the predicted one and the most probable others.

        Parameters
        ----------
        figure : Figure or SubFigure, optional
            Where to draw; None makes a new one.

        Returns
        -------
        FilmStripDisplay
            The display itself.
        """
        strip = strip_height(self.frames, width=6.5)
        if figure is None:
            figure = Figure(figsize=(9, strip + 2.9), layout="constrained")
        self.figure_ = figure
        self.axes_ = list(figure.subplots(2, 1, sharex=True, height_ratios=[strip, 1.9]))
        shown = draw_strip(self.axes_[0], self.frames)
        self.axes_[0].set_title(self._title(), loc="left", fontsize=11)
        self._draw_probabilities(self.axes_[1])
        self._name_moments(self.axes_[1], shown)
        return self

    def _title(self) -> str:
        last = self.probabilities[-1]
        return strip_title(self.name, self.target, self.classes[last.argmax()], last.max())

    def _draw_probabilities(self, axes: Axes) -> None:
        places = np.arange(len(self.frames))
        top = self._class_rows()
        rest = np.setdiff1d(np.arange(len(self.classes)), top)
        for column in rest:
            axes.plot(places, self.probabilities[:, column], color="0.7", linewidth=1)
        handles, labels = axes.lines[:1], [f"{len(rest)} others"] * bool(len(rest))
        named = [
            axes.plot(places, self.probabilities[:, column], ms=5, **style)[0]
            for column, style in zip(top, STYLES, strict=False)
        ]
        # A legend leaves out what begins with an underscore.
        names = [one_line(self.classes[column], 22) for column in top]
        names = [f" {name}" if name.startswith("_") else name for name in names]
        axes.legend(
            [*named, *handles], [*names, *labels], loc="upper left", bbox_to_anchor=(1.01, 1.04)
        )
        axes.set(ylim=(-0.04, 1.04), ylabel="probability")
        axes.grid(alpha=0.3)

    def _class_rows(self) -> list[int]:
        """Choose the classes with a colour: predicted, true, most probable at any time."""
        order = np.argsort(-self.probabilities.max(axis=0), kind="stable").tolist()
        known = np.flatnonzero(self.classes == self.target).tolist()
        first = [int(self.probabilities[-1].argmax()), *known]
        # In the order of the classes: where all are shown, each keeps its colour.
        return sorted(list(dict.fromkeys([*first, *order]))[:_CLASSES])

    def _name_moments(self, axes: Axes, shown: np.ndarray) -> None:
        if self.seconds is None:
            axes.set_xticks(shown, [str(frame + 1) for frame in shown])
            axes.set_xlabel("frame")
            return
        seconds = np.asarray(self.seconds, float)
        digits = 1 if seconds[-1] - seconds[0] >= 10 else 2
        axes.set_xticks(shown, [f"{seconds[frame]:.{digits}f}" for frame in shown])
        axes.set_xlabel("seconds")


def draw_strip(axes: Axes, frames: np.ndarray) -> np.ndarray:
    """Draw frames in a row, each over its number on the x axis.

    Parameters
    ----------
    axes : Axes
        Where to draw.
    frames : ndarray of shape (T, H, W, 3), uint8
        The frames, of which ten are shown at most.

    Returns
    -------
    ndarray of shape (n_shown,), int64
        The numbers of the frames that are shown.
    """
    n_frames = len(frames)
    shown = uniform_indices(n_frames, min(n_frames, _FRAMES))
    axes.set_axis_off()
    axes.set(xlim=(-0.5, max(n_frames, _SLOTS) - 0.5), ylim=(0, 1))
    width = n_frames / len(shown)
    for slot, frame in enumerate(shown):
        # Each keeps its proportions in axes of its own, whatever the figure's are.
        place = (slot * width - 0.5 + 0.03 * width, 0, 0.94 * width, 1)
        inset = axes.inset_axes(place, transform=axes.transData)
        inset.imshow(frames[frame])
        inset.set(xticks=[], yticks=[], anchor="S")
        inset.spines[:].set_visible(False)
    return shown


def _moments(video: Video, reading: dict[str, Any], n_frames: int) -> np.ndarray | None:
    """Find the moments of sampled frames without decoding; None if packets do not tell."""
    if isinstance(video, np.ndarray):
        return None
    start, end = video_bounds(video)
    how = {name: reading[name] for name in _SELECTING if name in reading}
    try:
        with open_video(video) as (container, stream):
            index = scan_packets(container, stream, end)
    except VideoDecodeError:
        return None
    if not index.trusted:
        return None
    chosen = select_frames(index.times, start=start, end=end, **how)
    return index.times[chosen] if len(chosen) == n_frames else None


def strip_height(frames: np.ndarray, width: float) -> float:
    """Compute how high a strip of some width is.

    Parameters
    ----------
    frames : ndarray of shape (T, H, W, 3), uint8
        What it shows.
    width : float
        Its width, in inches.

    Returns
    -------
    float
        Its height, in inches.
    """
    n_slots = min(max(len(frames), _SLOTS), _FRAMES)
    return width / n_slots * frames.shape[1] / frames.shape[2]


def strip_title(name: str, target: Any, predicted: Any, probability: float) -> str:
    """Say what stands above a strip.

    Parameters
    ----------
    name : str
        The video's name; it may be empty.
    target : object
        Its true label; None if it is not known.
    predicted : object
        The label that it was given.
    probability : float
        How sure the classifier was.

    Returns
    -------
    str
        One line, and before it the name's.
    """
    text = f"predicted {one_line(predicted, 30)} ({probability:.2f})"
    if target is not None:
        text = f"true {one_line(target, 30)}, {text}"
    return f"{one_line(name, 80)}\n{text}" if name else text
