"""Pictures of training and of its outcome."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from sklearn.metrics import ConfusionMatrixDisplay, confusion_matrix

from .evaluation import Evaluation

__all__ = ["plot_confusion_matrix", "plot_history"]


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
    n_classes = len({*evaluation.target, *evaluation.predicted})
    side = 2.5 + 0.7 * n_classes
    figure = Figure(figsize=(side + 1, side), layout="constrained")
    axes = figure.subplots()
    shares = ConfusionMatrixDisplay.from_predictions(
        evaluation.target,
        evaluation.predicted,
        normalize="true",
        include_values=False,
        xticks_rotation=45,
        cmap="cividis",
        im_kw={"vmin": 0, "vmax": 1},
        ax=axes,
    )
    counts = confusion_matrix(evaluation.target, evaluation.predicted)
    for (row, column), count in np.ndenumerate(counts):
        # cividis runs from dark blue to yellow.
        colour = "black" if shares.confusion_matrix[row, column] > 0.5 else "white"
        axes.text(column, row, str(count), ha="center", va="center", color=colour)
    axes.set(title=title, xlabel="predicted", ylabel="true")
    shares.im_.colorbar.set_label("share of the true class")
    return figure


def plot_history(histories: Mapping[str, Sequence[Mapping[str, float]]]) -> Figure:
    """Draw how the losses fell.

    Parameters
    ----------
    histories : mapping of str to sequence of mapping
        For each network the numbers of its epochs, as ``history_`` holds them;
        one without epochs is left out.

    Returns
    -------
    Figure
        One panel for each network.
    """
    trained = {name: records for name, records in histories.items() if records}
    figure = Figure(figsize=(4.5 * max(1, len(trained)), 3.2), layout="constrained")
    for axes, (name, records) in zip(
        figure.subplots(1, max(1, len(trained)), squeeze=False)[0], trained.items(), strict=False
    ):
        epochs = [record["epoch"] for record in records]
        for key, label in (("train_loss", "training"), ("valid_loss", "validation")):
            if key in records[0]:
                axes.plot(epochs, [record[key] for record in records], marker=".", label=label)
        axes.set(title=name, xlabel="epoch", ylabel="loss")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.legend()
    return figure
