"""Figures of the class probabilities and events over the time of a recording."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, Self

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MultipleLocator

from ..video import SLACK, Video
from .figures import STYLES, new_figure, one_line
from .strips import draw_frame, video_name
from .thumbnails import N_THUMBNAILS, explain_thumbnails, read_thumbnails

# The largest number of rows.
_ROWS = 8

# More windows are summarized by this number of columns, each at least a pixel wide on a phone.
_COLUMNS = 400

# Inches: the smallest width of thumbnails and distance of tick labels; the heights of a row and of
# the thumbnails; what the labels of rows take, and the title, legend and time axis together.
_THUMBNAIL_WIDTH, _TICK_WIDTH = 0.6, 0.85
_ROW_HEIGHT, _STRIP_HEIGHT = 0.42, 0.42
_LABELS, _MARGIN = 1.4, 1.0

# Distances of ticks in seconds; longer ones are multiples of the last.
_TICKS = (
    *(0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800),
    *(3600, 7200, 10800, 21600, 43200, 86400),
)

_MEAN, _MAXIMUM, _EVENT = STYLES[0]["color"], "#9ecae8", STYLES[1]["color"]


class TimelineDisplay:
    """Plot the class probabilities of the windows of a recording, its events and thumbnails.

    Parameters
    ----------
    windows : iterable of (float, float, array-like)
        Start and end in seconds and class probabilities of each window in order, for example
        from `predict_timeline`.
    classes : array-like of shape (n_classes,)
        The labels, the model's ``classes_``.
    events : iterable of (float, float, object, float), optional
        Start and end in seconds, label and confidence of each event, for example from
        `find_events`.
    frames : ndarray of shape (T, H, W, 3), uint8, optional
        Thumbnails of the recording, RGB.
    seconds : array-like of shape (T,), optional
        Times of the thumbnails in seconds.
    heat : ndarray of shape (T, h, w), optional
        Where in each thumbnail the class is seen, from 0 to 1; thumbnails are tinted with it.
    name : str, default=""
        The name of the recording, for the title.

    Attributes
    ----------
    figure_ : Figure
        The figure.
    axes_ : list of Axes
        The axes of the probabilities and, if there are any, before them those of the
        thumbnails.

    Raises
    ------
    ValueError
        If there are no windows, their number of probabilities is not that of the classes, or
        the label of an event is not one of the classes.

    See Also
    --------
    predict_timeline : Predicts the windows.
    find_events : Finds the events.

    Notes
    -----
    Each window represents the time that is closest to its centre, as in `find_events`. More
    than 400 windows are summarized: the recording is divided into 400 columns of equal length,
    which show the mean and the maximum of the probabilities of their windows. Of more than
    eight classes, those with the longest events have a row of their own, then those with the
    largest mean probability. The last row is the sum of the other classes.

    Examples
    --------
    >>> from skvideo_gru import TimelineDisplay, find_events
    >>> windows = [(0, 2, [0.9, 0.1]), (1, 3, [0.6, 0.4]), (2, 4, [0.1, 0.9])]
    >>> classes = ["off", "on"]
    >>> events = find_events(windows, classes)
    >>> display = TimelineDisplay.from_predictions(windows, classes, events=events)
    >>> [label.get_text() for label in display.axes_[-1].get_yticklabels()]
    ['off', 'on']
    """

    def __init__(
        self,
        windows: Iterable[Any],
        classes: Any,
        *,
        events: Iterable[Any] = (),
        frames: np.ndarray | None = None,
        seconds: Any = None,
        heat: np.ndarray | None = None,
        name: str = "",
    ) -> None:
        self.windows = list(windows)
        self.classes = np.asarray(classes)
        self.events = list(events)
        self.frames, self.seconds, self.heat = frames, seconds, heat
        self.name = name
        if not self.windows:
            raise ValueError("windows is empty; pass the windows of predict_timeline in a list.")
        n_columns = {len(proba) for _, _, proba in self.windows}
        if n_columns != {len(self.classes)}:
            raise ValueError(
                f"The windows have {sorted(n_columns)} probabilities for {len(self.classes)} "
                "classes; pass the classes_ of the model that predicted them."
            )
        known = self.classes.tolist()
        unknown = sorted({str(label) for _, _, label, _ in self.events if label not in known})
        if unknown:
            raise ValueError(f"The labels {unknown} of events are not among the classes {known}.")

    @classmethod
    def from_predictions(
        cls,
        windows: Iterable[Any],
        classes: Any,
        *,
        events: Iterable[Any] = (),
        video: Video | None = None,
        explain: Any = None,
        figure: Any = None,
    ) -> Self:
        """Plot predicted windows.

        Parameters
        ----------
        windows : iterable of WindowPrediction
            The windows, from `predict_timeline` or `LiveClassifier`. All are stored.
        classes : array-like of shape (n_classes,)
            The labels, the model's ``classes_``.
        events : iterable of Event, optional
            The events, from `find_events`.
        video : Video, optional
            The recording as passed to `predict_timeline`; ten thumbnails of it are plotted.
        explain : Pipeline, optional
            The pipeline that predicted the windows, or the fitted search over it. Thumbnails
            then show what the events depend on: of the most probable window of an event in the
            time of a thumbnail, the frame in which the event's class is seen most, tinted with
            its heat map (Grad-CAM).
            `video` must be a file or a `VideoClip`.
        figure : Figure or SubFigure, optional
            The figure to draw on; None creates one with pyplot.

        Returns
        -------
        TimelineDisplay
            The plotted display.

        Raises
        ------
        VideoDecodeError
            If no frame of the video can be read.
        ValueError
            If there are no windows, windows or events do not match the classes, or the
            windows begin later than a `video` that is not a file.
        """
        display = cls(windows, classes, events=events)
        if video is not None:
            first, last = display.windows[0], display.windows[-1]
            display.frames, display.seconds = read_thumbnails(video, first[0], last[1])
            if explain is not None:
                explain_thumbnails(display, explain, video)
            display.name = video_name(video)
        return display.plot(figure)

    def plot(self, figure: Any = None) -> Self:
        """Plot thumbnails, and below them one row for each class.

        Parameters
        ----------
        figure : Figure or SubFigure, optional
            The figure to draw on; None creates one with pyplot. A narrow figure shows fewer
            thumbnails.

        Returns
        -------
        TimelineDisplay
            This display.
        """
        bounds = np.array([window[:2] for window in self.windows], float)
        proba = np.array([window[2] for window in self.windows], float)
        rows = self._choose_rows(proba)
        heights = [_ROW_HEIGHT * len(rows)]
        if self.frames is not None:
            heights.insert(0, _STRIP_HEIGHT)
        if figure is None:
            figure = new_figure(9, sum(heights) + _MARGIN)
        self.figure_ = figure
        panels = figure.subplots(len(heights), squeeze=False, sharex=True, height_ratios=heights)
        self.axes_ = list(panels[:, 0])
        axes = self.axes_[-1]
        axes.set_xlim(bounds[0, 0], bounds[-1, 1])
        width = max(figure.bbox.width / figure.dpi - _LABELS, 1.0)
        if self.frames is not None:
            _draw_thumbnails(self.axes_[0], self, width)
        self.axes_[0].set_title(one_line(self.name, 80), loc="left", fontsize=11)
        sums = np.stack([proba[:, columns].sum(axis=1) for _, columns in rows], axis=1)
        _draw_probabilities(axes, bounds, sums)
        self._draw_events(axes, rows)
        axes.set_yticks(
            [0.35 - row for row in range(len(rows))], [one_line(name, 18) for name, _ in rows]
        )
        axes.set_ylim(0.78 - len(rows), 0.82)
        axes.tick_params(axis="y", length=0)
        axes.spines[["left", "top", "right"]].set_visible(False)
        _label_times(axes, width)
        axes.legend(
            loc="lower right",
            bbox_to_anchor=(1, 1),
            ncols=3,
            frameon=False,
            handlelength=1,
            columnspacing=1,
        )
        return self

    def _choose_rows(self, proba: np.ndarray) -> list[tuple[str, list[int]]]:
        """Choose the name and the classes of each row."""
        places, others = list(range(len(self.classes))), []
        if len(places) > _ROWS:
            lengths = np.zeros(len(places))
            for start, end, label, _ in self.events:
                lengths[self.classes == label] += end - start
            order = np.lexsort((-proba.mean(axis=0), -lengths)).tolist()
            places, others = sorted(order[: _ROWS - 1]), order[_ROWS - 1 :]
        rows = [(str(self.classes[place]), [place]) for place in places]
        return [*rows, (f"{len(others)} others", others)] if others else rows

    def _draw_events(self, axes: Axes, rows: list[tuple[str, list[int]]]) -> None:
        label = "event"
        for row, (_, columns) in enumerate(rows):
            names = self.classes[columns].tolist()
            ranges = [(start, end - start) for start, end, name, _ in self.events if name in names]
            if ranges:
                # The edge keeps short events visible.
                axes.broken_barh(
                    ranges, (-row - 0.17, 0.12), fc=_EVENT, ec=_EVENT, lw=0.8, label=label
                )
                label = "_"  # one entry in the legend


def format_time(seconds: float, digits: int = 0) -> str:
    """Format a time.

    Parameters
    ----------
    seconds : float
        The time in seconds, at least 0.
    digits : int, default=0
        Number of decimal places of the seconds.

    Returns
    -------
    str
        Hours, minutes and seconds, for example ``1:02:03``.

    Examples
    --------
    >>> format_time(3723.04), format_time(59.96, digits=1)
    ('1:02:03', '0:01:00.0')
    """
    minutes, rest = divmod(round(seconds, digits), 60)
    hours, minutes = divmod(int(minutes), 60)
    return f"{hours}:{minutes:02}:{rest:0{digits + 3 if digits else 2}.{digits}f}"


def _draw_probabilities(axes: Axes, bounds: np.ndarray, proba: np.ndarray) -> None:
    """Draw each column of `proba` as an area in a row of its own."""
    edges, mean, maximum = _summarize(bounds, proba)
    areas = [("probability", mean, _MEAN)]
    if len(bounds) > _COLUMNS:
        areas = [("maximum", maximum, _MAXIMUM), ("mean", mean, _MEAN)]
    for row in range(proba.shape[1]):
        axes.axhline(-row, color="0.8", lw=0.8, zorder=0)
        axes.axhline(0.75 - row, color="0.9", lw=0.8, zorder=0)
        for name, values, colour in areas:
            # One entry per colour in the legend.
            axes.stairs(
                0.75 * values[:, row] - row,
                edges,
                baseline=-row,
                fill=True,
                fc=colour,
                lw=0,
                label="_" if row else name,
            )


def _summarize(bounds: np.ndarray, proba: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Turn overlapping windows into columns without overlap.

    Parameters
    ----------
    bounds : ndarray of shape (n_windows, 2)
        Start and end of each window.
    proba : ndarray of shape (n_windows, n_rows)
        Their probabilities.

    Returns
    -------
    edges : ndarray of shape (n_columns + 1,)
        Limits of the columns.
    mean, maximum : ndarray of shape (n_columns, n_rows)
        Mean and maximum of the probabilities in each column; NaN in time without windows.
    """
    if len(bounds) > _COLUMNS:
        edges = np.linspace(bounds[0, 0], bounds[-1, 1], _COLUMNS + 1)
        columns = np.searchsorted(edges, bounds.mean(axis=1), side="right") - 1
        full, first, counts = np.unique(columns, return_index=True, return_counts=True)
        mean, maximum = np.full((2, _COLUMNS, proba.shape[1]), np.nan)
        mean[full] = np.add.reduceat(proba, first) / counts[:, None]
        maximum[full] = np.maximum.reduceat(proba, first)
        for values in (mean, maximum):  # the first and last windows extend to the ends
            values[: full[0]], values[full[-1] + 1 :] = values[full[0]], values[full[-1]]
        return edges, mean, maximum
    centres = bounds.mean(axis=1)
    gaps = np.flatnonzero(bounds[1:, 0] > bounds[:-1, 1] + SLACK)
    limits = (centres[1:] + centres[:-1]) / 2
    limits[gaps] = bounds[gaps, 1]
    edges = np.r_[bounds[0, 0], limits, bounds[-1, 1]]
    edges = np.insert(edges, gaps + 2, bounds[gaps + 1, 0])
    shown = np.insert(proba, gaps + 1, np.nan, axis=0)
    return edges, shown, shown


def _label_times(axes: Axes, width: float) -> None:
    """Label the time axis with as many times as fit."""
    start, end = axes.get_xlim()
    smallest = (end - start) * _TICK_WIDTH / width
    longest = _TICKS[-1]
    step = next((tick for tick in _TICKS if tick >= smallest), None)
    if step is None:
        step = longest * math.ceil(smallest / longest)
    digits = 1 if step < 1 else 0
    axes.xaxis.set_major_locator(MultipleLocator(step))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda time, _: format_time(time, digits)))
    axes.set_xlabel("time (h:mm:ss)")


def _draw_thumbnails(axes: Axes, display: TimelineDisplay, width: float) -> None:
    """Draw thumbnails to the right of their times; every n-th if they would be too small."""
    axes.set_axis_off()
    axes.set_ylim(0, 1)
    start, end = axes.get_xlim()
    step = math.ceil(N_THUMBNAILS * _THUMBNAIL_WIDTH / width)
    length = step * (end - start) / N_THUMBNAILS
    frames, heat = np.asarray(display.frames), display.heat
    for row in range(0, len(frames), step):
        second = display.seconds[row]
        # Each thumbnail has axes of its own, which preserve its aspect ratio.
        place = (second, 0, min(0.96 * length, end - second), 1)
        inset = axes.inset_axes(place, transform=axes.transData)
        tint = heat[row] if heat is not None and heat[row].any() else None
        draw_frame(inset, frames[row], tint)
        inset.set_anchor("SW")
