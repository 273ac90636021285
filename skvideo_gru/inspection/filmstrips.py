"""Film strips: the frames that a classifier sees, and the probabilities after each of them."""

from __future__ import annotations

import math
from typing import Any, Self

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.transforms import ScaledTranslation

from ..features import frame_reader
from ..video import (
    Video,
    VideoDecodeError,
    open_video,
    read_frames,
    scan_packets,
    select_frames,
    video_bounds,
)
from .attribution import attribute
from .evaluation import fitted_pipeline
from .figures import STYLES, new_figure, one_line
from .strips import LABELS, draw_strip, inches_wide, strip_height, strip_title, video_name

# The largest number of coloured classes of one figure.
_CLASSES = len(STYLES)

# Parameters of `read_frames` that select the frames.
_SELECTING = ("sampling", "n_frames", "fps", "stride", "seed")

# Inches: the width of an entry of the legend, the height of a row of it, and its distance from the
# axes.
_LEGEND_WIDTH, _LEGEND_HEIGHT, _LEGEND_OFFSET = 2.2, 0.22, 0.5


class FilmStripDisplay:
    """Plot the frames of a video and, below them, the class probabilities after each frame.

    Parameters
    ----------
    frames : ndarray of shape (T, H, W, 3), uint8
        The frames that the classifier sees, RGB (not BGR, as OpenCV returns them).
    probabilities : ndarray of shape (T, n_classes)
        The class probabilities after each frame.
    classes : ndarray of shape (n_classes,)
        The labels.
    target : object, optional
        The true label of the video.
    name : str, default=""
        The name of the video in the title.
    seconds : array-like of shape (T,), optional
        Times of the frames, in seconds. None numbers the frames instead.
    attention : array-like of shape (T,), optional
        Weights of the frames in the prediction; they are plotted as bars.
    heat : ndarray of shape (T, h, w), optional
        Where in each frame the class is seen, from 0 to 1; the frames are tinted with it.

    Attributes
    ----------
    figure_ : Figure
        The figure.
    axes_ : list of Axes
        The axes of the strip, of the probabilities and, with `attention`, of the weights.

    See Also
    --------
    MistakesDisplay : Plots misclassified videos.

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
        attention: Any = None,
        heat: Any = None,
    ) -> None:
        self.frames = frames
        self.probabilities = probabilities
        self.classes = np.asarray(classes)
        self.target = target
        self.name = name
        self.seconds = seconds
        self.attention = attention
        self.heat = heat

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        video: Video,
        y: Any = None,
        *,
        explain: bool = False,
        figure: Any = None,
    ) -> Self:
        """Plot the frames that a pipeline sees in a video and its probabilities.

        Parameters
        ----------
        estimator : Pipeline
            A fitted pipeline from `make_video_classifier`, or a fitted search over one
            with ``refit=True``.
        video : Video
            The video; an array of frames is (T, H, W, 3), uint8, RGB.
        y : object, optional
            The true label of the video.
        explain : bool, default=False
            Whether to plot what the prediction depends on: the weights of the frames in the
            attention pooling, if it is used, and heat maps of the places in the frames where
            the predicted class is seen (Grad-CAM [1]_).
        figure : Figure or SubFigure, optional
            The figure to draw on; None creates one with pyplot.

        Returns
        -------
        FilmStripDisplay
            The plotted display.

        Raises
        ------
        VideoDecodeError
            If the video is unreadable.
        ValueError
            If `estimator` is neither a pipeline nor a fitted search.

        Notes
        -----
        Heat maps are computed from the deepest stage of the backbone with at least 4 x 4
        outputs: with frames of 32 pixels the second, with 128 pixels or more the last. They
        require that the steps between backbone and GRU transform every frame separately, as
        `FrameWise` does. A backbone of motion images sees changes, not the frames that are
        plotted.

        References
        ----------
        .. [1] R. R. Selvaraju et al., "Grad-CAM: Visual Explanations from Deep Networks via
           Gradient-based Localization", 2017, arXiv:1610.02391.
        """
        return cls(**strip_values(fitted_pipeline(estimator), video, y, explain)).plot(figure)

    def plot(self, figure: Any = None) -> Self:
        """Plot the frames and the probabilities.

        At most ten frames are shown. At most five classes have a colour: the true one,
        the predicted one and the most probable others; the rest are grey.

        Parameters
        ----------
        figure : Figure or SubFigure, optional
            The figure to draw on; None creates one with pyplot. A narrow figure shows fewer
            frames.

        Returns
        -------
        FilmStripDisplay
            This display.
        """
        if figure is None:
            figure = new_strip_figure(self, 9)
        width = inches_wide(figure)
        heights = _panel_heights(self, width)
        self.figure_ = figure
        self.axes_ = list(figure.subplots(len(heights), 1, sharex=True, height_ratios=heights))
        shown = draw_strip(self.axes_[0], self.frames, self.heat)
        self.axes_[0].set_title(self._title(), loc="left", fontsize=11)
        self._draw_probabilities(self.axes_[1])
        if self.attention is not None:
            self.axes_[2].bar(np.arange(len(self.frames)), self.attention, color="0.4")
            self.axes_[2].set(ylabel="attention")
        self._label_times(self.axes_[-1], shown)
        self._draw_legend(self.axes_[-1], width)
        return self

    def _title(self) -> str:
        last = self.probabilities[-1]
        return strip_title(self.name, self.target, self.classes[last.argmax()], last.max())

    def _draw_probabilities(self, axes: Axes) -> None:
        places = np.arange(len(self.frames))
        top = self._class_rows()
        for column in np.setdiff1d(np.arange(len(self.classes)), top):
            axes.plot(places, self.probabilities[:, column], color="0.7", linewidth=1)
        for column, style in zip(top, STYLES, strict=False):
            axes.plot(places, self.probabilities[:, column], ms=5, **style)
        axes.set(ylim=(-0.04, 1.04), ylabel="probability")
        axes.grid(alpha=0.3)

    def _draw_legend(self, axes: Axes, width: float) -> None:
        """Draw the legend below the axes, so that the frames are as wide as the figure."""
        top = self._class_rows()
        n_others = len(self.classes) - len(top)
        lines = self.axes_[1].lines
        # Matplotlib leaves labels that begin with an underscore out of legends.
        names = [one_line(self.classes[column], 22) for column in top]
        names = [f" {name}" if name.startswith("_") else name for name in names]
        handles = [*lines[n_others:], *lines[: min(n_others, 1)]]
        scale = self.figure_.dpi_scale_trans
        axes.legend(
            handles,
            [*names, f"{n_others} others"][: len(handles)],
            loc="upper left",
            bbox_to_anchor=(0, 0),
            bbox_transform=axes.transAxes + ScaledTranslation(0, -_LEGEND_OFFSET, scale),
            borderaxespad=0,
            frameon=False,
            ncols=_legend_columns(width),
        )

    def _class_rows(self) -> list[int]:
        """Choose the coloured classes: predicted, true, and most probable at any frame."""
        order = np.argsort(-self.probabilities.max(axis=0), kind="stable").tolist()
        known = np.flatnonzero(self.classes == self.target).tolist()
        first = [int(self.probabilities[-1].argmax()), *known]
        # Sorted, so that colours do not depend on the video if all classes are coloured.
        return sorted(list(dict.fromkeys([*first, *order]))[:_CLASSES])

    def _label_times(self, axes: Axes, shown: np.ndarray) -> None:
        if self.seconds is None:
            axes.set_xticks(shown, [str(frame + 1) for frame in shown])
            axes.set_xlabel("frame")
            return
        seconds = np.asarray(self.seconds, float)
        digits = 1 if seconds[-1] - seconds[0] >= 10 else 2
        axes.set_xticks(shown, [f"{seconds[frame]:.{digits}f}" for frame in shown])
        axes.set_xlabel("seconds")


def strip_values(pipe: Any, video: Video, y: Any, explain: bool) -> dict[str, Any]:
    """Compute what a film strip shows of a video.

    Parameters
    ----------
    pipe : Pipeline
        A fitted pipeline from `make_video_classifier`.
    video : Video
        The video.
    y : object
        The true label of the video; None if it is unknown.
    explain : bool
        Whether to compute what the prediction depends on.

    Returns
    -------
    dict
        The parameters of a `FilmStripDisplay`.

    Raises
    ------
    VideoDecodeError
        If the video is unreadable.
    """
    reading = frame_reader(pipe[0]).options
    frames = read_frames(video, **reading)
    running = pipe[-1].predict_proba_frames(pipe[:-1].transform([video]))[0]
    found = attribute(pipe, video) if explain else None
    return {
        "frames": frames,
        "probabilities": running[: len(frames)],
        "classes": pipe.classes_,
        "target": y,
        "name": video_name(video),
        "seconds": _frame_times(video, reading, len(frames)),
        "attention": found and found.attention,
        "heat": found and found.heat,
    }


def new_strip_figure(display: FilmStripDisplay, width: float) -> Figure:
    """Create a figure in which a film strip fills the width.

    Parameters
    ----------
    display : FilmStripDisplay
        The film strip.
    width : float
        Width of the figure, in inches.

    Returns
    -------
    Figure
        The figure.
    """
    n_entries = min(len(display.classes), _CLASSES + 1)
    legend = _LEGEND_HEIGHT * math.ceil(n_entries / _legend_columns(width))
    return new_figure(width, sum(_panel_heights(display, width)) + legend + 1)


def _panel_heights(display: FilmStripDisplay, width: float) -> list[float]:
    heights = [strip_height(display.frames, width - LABELS), 1.9]
    return heights if display.attention is None else [*heights, 0.8]


def _legend_columns(width: float) -> int:
    return max(1, int((width - LABELS / 2) / _LEGEND_WIDTH))


def _frame_times(video: Video, reading: dict[str, Any], n_frames: int) -> np.ndarray | None:
    """Return the times of sampled frames without decoding; None if packets lack them."""
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
