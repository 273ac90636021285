"""Pictures of training and of its outcome, and what all pictures have in common."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from sklearn.metrics import ConfusionMatrixDisplay, confusion_matrix

from .evaluation import Evaluation, fitted_pipeline

__all__ = [
    "STYLES",
    "TrainingDisplay",
    "contrasting_colour",
    "draw_text",
    "one_line",
    "plot_confusion_matrix",
]

#: Colour, marker and dashes of a picture's lines. The colours are Okabe's and Ito's, which
#: colour-blind people can tell apart, without those too light for a white ground.
STYLES: list[dict[str, Any]] = [
    {"color": "#0072B2", "marker": "o", "linestyle": "-"},
    {"color": "#D55E00", "marker": "s", "linestyle": "--"},
    {"color": "#009E73", "marker": "^", "linestyle": "-."},
    {"color": "#CC79A7", "marker": "D", "linestyle": ":"},
    {"color": "#000000", "marker": "v", "linestyle": (0, (3, 1, 1, 1, 1, 1))},
]

# What the pipeline's steps are called in pictures.
_NETWORKS = {"features": "ResNet-50", "gru": "GRU"}

# Markers of a line beyond which they would only thicken it.
_MARKERS = 15


def one_line(label: Any, width: int = 24) -> str:
    """Make any label fit for a picture.

    Parameters
    ----------
    label : object
        A label.
    width : int, default=24
        The most characters that there is room for.

    Returns
    -------
    str
        Its text in one line, cut off where it is too long, in which matplotlib sees no
        formulas.
    """
    text = " ".join(str(label).split())
    if len(text) > width:
        text = text[: width - 1] + "…"
    return text.replace("$", r"\$")


class TrainingDisplay:
    """Show how the losses of both networks fell.

    Parameters
    ----------
    histories : mapping of str to sequence of mapping
        For each network the numbers of its epochs, as ``history_`` holds them;
        one without epochs is left out.

    Attributes
    ----------
    figure_ : Figure
        The figure.
    axes_ : list of Axes
        A panel for each network.

    Examples
    --------
    >>> from skvideo_gru import TrainingDisplay
    >>> records = [{"epoch": 1, "train_loss": 0.9}, {"epoch": 2, "train_loss": 0.4}]
    >>> display = TrainingDisplay({"GRU": records}).plot()
    >>> display.figure_.savefig("training.png")  # doctest: +SKIP
    """

    def __init__(self, histories: Mapping[str, Sequence[Mapping[str, float]]]) -> None:
        self.histories = histories

    @classmethod
    def from_estimator(cls, estimator: Any) -> Self:
        """Draw the training of a pipeline.

        Parameters
        ----------
        estimator : Pipeline
            A fitted pipeline, or a search that has refitted one.

        Returns
        -------
        TrainingDisplay
            What was drawn.
        """
        pipe = fitted_pipeline(estimator)
        return cls(
            {_NETWORKS.get(name, name): getattr(step, "history_", []) for name, step in pipe.steps}
        ).plot()

    def plot(self, figure: Any = None) -> Self:
        """Draw a panel for each network that was trained.

        Parameters
        ----------
        figure : Figure or SubFigure, optional
            Where to draw; None makes a new one.

        Returns
        -------
        TrainingDisplay
            The display itself.
        """
        trained = {name: records for name, records in self.histories.items() if records}
        n_panels = max(1, len(trained))
        if figure is None:
            figure = Figure(figsize=(4.5 * n_panels, 3.2), layout="constrained")
        self.figure_ = figure
        self.axes_ = list(figure.subplots(1, n_panels, squeeze=False)[0])
        for axes, (name, records) in zip(self.axes_, trained.items(), strict=False):
            _draw_losses(axes, records)
            axes.set_title(one_line(name, 40))
        if not trained:
            draw_text(self.axes_[0], "No network was trained.")
        return self


def _draw_losses(axes: Axes, records: Sequence[Mapping[str, float]]) -> None:
    for key, label, style in (
        ("train_loss", "training", STYLES[0]),
        ("valid_loss", "validation", STYLES[1]),
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
    """Write a sentence where there is nothing to draw.

    Parameters
    ----------
    axes : Axes
        Where to write; everything else there is hidden.
    text : str
        The sentence.
    """
    axes.set_axis_off()
    axes.text(0.5, 0.5, text, ha="center", va="center", fontsize=12, transform=axes.transAxes)


def contrasting_colour(shade: float) -> str:
    """Choose the colour of text on a cell of a heat map.

    Parameters
    ----------
    shade : float
        The cell's place in cividis, which runs from dark blue at 0 to yellow at 1.

    Returns
    -------
    str
        A colour.
    """
    return "black" if shade > 0.5 else "white"


def plot_confusion_matrix(evaluation: Evaluation, title: str = "") -> Figure:
    """Draw which classes were taken for which.

    Parameters
    ----------
    evaluation : Evaluation
        Labels and predictions.
    title : str, default=""
        What stands above.

    Returns
    -------
    Figure
        Counts, coloured by their share of the true class.
    """
    labels = np.union1d(evaluation.classes, evaluation.target)
    side = 2.5 + (0.7 if len(labels) <= 6 else 0.45) * len(labels)
    figure = Figure(figsize=(side + 1, side), layout="constrained")
    axes = figure.subplots()
    shares = ConfusionMatrixDisplay.from_predictions(
        evaluation.target,
        evaluation.predicted,
        labels=labels,
        display_labels=[one_line(label) for label in labels],
        normalize="true",
        include_values=False,
        xticks_rotation=45,
        cmap="cividis",
        im_kw={"vmin": 0, "vmax": 1},
        ax=axes,
    )
    counts = confusion_matrix(evaluation.target, evaluation.predicted, labels=labels)
    for (row, column), count in np.ndenumerate(counts):
        colour = contrasting_colour(shares.confusion_matrix[row, column])
        axes.text(column, row, str(count), ha="center", va="center", color=colour)
    axes.set(title=one_line(title, 80), xlabel="predicted", ylabel="true")
    # Turned labels end at their tick, or it is not clear which one they belong to.
    for label in axes.get_xticklabels():
        label.set(ha="right", rotation_mode="anchor")
    shares.im_.colorbar.set_label("share of the true class")
    return figure
