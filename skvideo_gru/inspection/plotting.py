"""Figures of training curves and confusion matrices, and helpers of all figures."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Self

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from sklearn.pipeline import Pipeline

from .evaluation import Evaluation, fitted_pipeline

#: Colour, marker and dashes of the lines of a figure. The colours are those of Okabe and Ito,
#: which are distinct for colour-blind readers, except those too light for a white background.
STYLES: list[dict[str, Any]] = [
    {"color": "#0072B2", "marker": "o", "linestyle": "-"},
    {"color": "#D55E00", "marker": "s", "linestyle": "--"},
    {"color": "#009E73", "marker": "^", "linestyle": "-."},
    {"color": "#CC79A7", "marker": "D", "linestyle": ":"},
    {"color": "#000000", "marker": "v", "linestyle": (0, (3, 1, 1, 1, 1, 1))},
]

# Names of the steps of a pipeline in figures.
_NETWORKS = {"features": "ResNet-50", "gru": "GRU"}

# The largest number of markers on a line.
_MARKERS = 15

# Limits of a confusion matrix: inches of its side, classes whose counts are written into the
# cells, and points between two tick labels.
_LARGEST_SIDE = 13.0
_COUNTED_CLASSES = 50
_TICK_POINTS = 13.0


# Whether displays create their figures with pyplot.
_WITH_PYPLOT: ContextVar[bool] = ContextVar("WITH_PYPLOT", default=True)


@contextmanager
def without_pyplot() -> Iterator[None]:
    """Let displays create figures that neither a notebook nor a window shows.

    Pyplot keeps its figures until they are closed, and supports windows in the main thread
    only. Reports need neither.

    Yields
    ------
    None
        Nothing.
    """
    token = _WITH_PYPLOT.set(False)
    try:
        yield
    finally:
        _WITH_PYPLOT.reset(token)


def new_figure(width: float, height: float) -> Figure:
    """Create the figure of a display with pyplot, as the displays of scikit-learn do.

    A notebook shows it when the cell ends, and ``pyplot.show()`` in a script.

    Parameters
    ----------
    width, height : float
        Size in inches.

    Returns
    -------
    Figure
        The figure; inside `without_pyplot` one that pyplot does not know.
    """
    if not _WITH_PYPLOT.get():
        return Figure(figsize=(width, height), layout="constrained")
    import matplotlib.pyplot as plt  # it may select a backend, which windows require

    return plt.figure(figsize=(width, height), layout="constrained")


def one_line(label: Any, width: int = 24) -> str:
    """Shorten a label to one line of a figure.

    Parameters
    ----------
    label : object
        A label.
    width : int, default=24
        The largest number of characters.

    Returns
    -------
    str
        Its text in one line, truncated to `width`, with dollar signs escaped because
        matplotlib would read a formula.
    """
    text = " ".join(str(label).split())
    if len(text) > width:
        text = text[: width - 1] + "…"
    return text.replace("$", r"\$")


class TrainingDisplay:
    """Plot the training and validation losses of each network by epoch.

    Parameters
    ----------
    histories : mapping of str to sequence of mapping
        The ``history_`` of each network: one mapping per epoch with ``"epoch"``,
        ``"train_loss"`` and, if samples were held out, ``"valid_loss"``. Networks without
        epochs are left out.
    held_out_label : str, default="validation"
        Legend label of ``"valid_loss"``.

    Attributes
    ----------
    figure_ : Figure
        The figure.
    axes_ : list of Axes
        One panel per network.

    Notes
    -----
    `from_estimator` calls the curve "validation" only if no step of the pipeline was trained
    on the held-out samples. A plain scikit-learn ``Pipeline`` trains the backbone on all
    videos that it is fitted on; the samples that the classifier then holds out for early
    stopping are labelled "held out from the GRU only".

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> from skvideo_gru import TrainingDisplay
    >>> records = [{"epoch": 1, "train_loss": 0.9}, {"epoch": 2, "train_loss": 0.4}]
    >>> display = TrainingDisplay({"GRU": records}).plot()
    >>> display.axes_[0].get_title()
    'GRU'
    >>> plt.show()  # doctest: +SKIP
    """

    def __init__(
        self,
        histories: Mapping[str, Sequence[Mapping[str, float]]],
        held_out_label: str = "validation",
    ) -> None:
        self.histories = histories
        self.held_out_label = held_out_label

    @classmethod
    def from_estimator(cls, estimator: Any, *, figure: Any = None) -> Self:
        """Plot the training of a pipeline.

        Parameters
        ----------
        estimator : Pipeline
            A fitted pipeline, or a fitted search with ``refit=True``.
        figure : Figure or SubFigure, optional
            The figure to draw on; None creates one with pyplot.

        Returns
        -------
        TrainingDisplay
            The plotted display.

        Raises
        ------
        ValueError
            If `estimator` is neither.
        """
        pipe = fitted_pipeline(estimator)
        histories = {name: getattr(step, "history_", []) for name, step in pipe.steps}
        *earlier, _ = histories.values()
        # A subclass may hold samples out before its first step; Pipeline itself does not.
        given = getattr(pipe[-1], "_validated_on_given", False)
        leaked = type(pipe).fit is Pipeline.fit and any(earlier) and not given
        return cls(
            {_NETWORKS.get(name, name): records for name, records in histories.items()},
            "held out from the GRU only" if leaked else "validation",
        ).plot(figure)

    def plot(self, figure: Any = None) -> Self:
        """Plot one panel per trained network.

        Parameters
        ----------
        figure : Figure or SubFigure, optional
            The figure to draw on; None creates one with pyplot.

        Returns
        -------
        TrainingDisplay
            This display.
        """
        trained = {name: records for name, records in self.histories.items() if records}
        n_panels = max(1, len(trained))
        if figure is None:
            figure = new_figure(4.5 * n_panels, 3.2)
        self.figure_ = figure
        self.axes_ = list(figure.subplots(1, n_panels, squeeze=False)[0])
        for axes, (name, records) in zip(self.axes_, trained.items(), strict=False):
            _draw_losses(axes, records, self.held_out_label)
            axes.set_title(one_line(name, 40))
        if not trained:
            draw_text(self.axes_[0], "No network was trained.")
        return self


def _draw_losses(axes: Axes, records: Sequence[Mapping[str, float]], held_out_label: str) -> None:
    for key, label, style in (
        ("train_loss", "training", STYLES[0]),
        ("valid_loss", held_out_label, STYLES[1]),
    ):
        points = [(record["epoch"], record[key]) for record in records if key in record]
        if points:
            every = len(points) // _MARKERS + 1
            axes.plot(*zip(*points, strict=True), label=label, markevery=every, ms=5, **style)
    last = records[-1]["epoch"]
    axes.set(xlabel="epoch", ylabel="loss", xlim=(0.5, last + 0.5))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.grid(alpha=0.3)
    axes.legend()


def draw_text(axes: Axes, text: str) -> None:
    """Write a text into axes that have no data.

    Parameters
    ----------
    axes : Axes
        The axes; their frame and ticks are hidden.
    text : str
        The text.
    """
    axes.set_axis_off()
    axes.text(0.5, 0.5, text, ha="center", va="center", fontsize=12, transform=axes.transAxes)


def contrasting_colour(shade: float) -> str:
    """Choose the text colour for a cell of a table of colours.

    Parameters
    ----------
    shade : float
        Position of the cell in the colour map cividis: dark blue at 0, yellow at 1.

    Returns
    -------
    str
        ``"black"`` or ``"white"``.
    """
    return "black" if shade > 0.5 else "white"


def draw_tick_labels(axis: Axis, names: Sequence[str], points: float) -> None:
    """Label the cells of a table of colours; every n-th cell if the labels would overlap.

    Parameters
    ----------
    axis : matplotlib.axis.Axis
        The x axis or the y axis. Cell i is centred on i.
    names : sequence of str
        One label per cell.
    points : float
        Distance between two cells, in points.
    """
    step = max(1, math.ceil(_TICK_POINTS / points))
    places = range(0, len(names), step)
    axis.set_ticks(places, [names[place] for place in places])


def plot_confusion_matrix(evaluation: Evaluation, title: str = "") -> Figure:
    """Plot the confusion matrix of an evaluation.

    Parameters
    ----------
    evaluation : Evaluation
        True and predicted labels.
    title : str, default=""
        Title of the figure.

    Returns
    -------
    Figure
        Cells coloured by their share of the true class, with the counts for up to 50
        classes. The figure is at most 14 x 13 inches; tick labels that would overlap are
        left out.
    """
    labels, counts = evaluation.confusion_matrix
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    side = min(2.5 + (0.7 if len(labels) <= 6 else 0.45) * len(labels), _LARGEST_SIDE)
    points = 72 * (side - 2.5) / len(labels)
    figure = Figure(figsize=(side + 1, side), layout="constrained")
    axes = figure.subplots()
    image = axes.imshow(shares, cmap="cividis", vmin=0, vmax=1, interpolation="nearest")
    if len(labels) <= _COUNTED_CLASSES:
        size = min(10.0, 0.4 * points)
        for (row, column), count in np.ndenumerate(counts):
            colour = contrasting_colour(shares[row, column])
            text = axes.text(column, row, str(count), color=colour, fontsize=size)
            # Inside its cell, the text does not affect the layout.
            text.set(ha="center", va="center", in_layout=False)
    names = [one_line(label) for label in labels]
    draw_tick_labels(axes.xaxis, names, points)
    draw_tick_labels(axes.yaxis, names, points)
    axes.set(title=one_line(title, 80), xlabel="predicted", ylabel="true")
    # The end of a rotated label marks its tick.
    axes.tick_params(axis="x", labelrotation=45)
    for text in axes.get_xticklabels():
        text.set(ha="right", rotation_mode="anchor")
    figure.colorbar(image, ax=axes, label="share of the true class")
    return figure
