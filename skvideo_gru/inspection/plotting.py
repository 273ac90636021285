"""Figures of training curves and confusion matrices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from sklearn.pipeline import Pipeline

from .evaluation import Evaluation, fitted_pipeline
from .figures import STYLES, contrasting_colour, draw_text, draw_tick_labels, new_figure, one_line

# Names of the steps of a pipeline in figures.
_NETWORKS = {"features": "ResNet-50", "gru": "GRU"}

# The largest number of markers on a line.
_MARKERS = 15

# Limits of a confusion matrix: inches of its side, and classes whose counts are written into the
# cells.
_LARGEST_SIDE = 13.0
_COUNTED_CLASSES = 50


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
