"""What the GRU learns from: the rows that count, their weights, and those held out."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np
from sklearn.model_selection import StratifiedGroupKFold, train_test_split
from sklearn.utils import compute_class_weight

from .sequences import sequence_lengths

__all__ = [
    "TrainingData",
    "class_weights",
    "held_out_weights",
    "hold_out",
    "relative_weights",
    "usable_rows",
]


@dataclass(frozen=True)
class TrainingData:
    """Sequences to learn from.

    Parameters
    ----------
    sequences : ndarray of shape (n, T, d)
        Sequences, each with a frame at least.
    lengths : ndarray of shape (n,), int64
        Their lengths.
    y : ndarray of shape (n,)
        Their labels.
    weight : ndarray of shape (n,), float64, or None
        Their weights.
    rows : ndarray of shape (n,), int64
        Which rows of the user's they are.
    """

    sequences: np.ndarray
    lengths: np.ndarray
    y: np.ndarray
    weight: np.ndarray | None
    rows: np.ndarray

    def __getitem__(self, rows: np.ndarray) -> TrainingData:
        weight = None if self.weight is None else self.weight[rows]
        return TrainingData(
            self.sequences[rows], self.lengths[rows], self.y[rows], weight, self.rows[rows]
        )


def usable_rows(
    sequences: np.ndarray, y: np.ndarray, sample_weight: np.ndarray | None
) -> TrainingData:
    """Leave out rows without a frame, with a warning, and those without weight.

    A weight that is as nothing beside the greatest counts as none.

    Parameters
    ----------
    sequences : ndarray of shape (n, T, d)
        Sequences, padded with frames of NaN at their ends.
    y : ndarray of shape (n,)
        Labels.
    sample_weight : ndarray of shape (n,), float64, or None
        Weights, not negative.

    Returns
    -------
    TrainingData
        The others.

    Raises
    ------
    ValueError
        If none is left, or a NaN stands before a sequence's end.
    """
    lengths = sequence_lengths(sequences)
    if not lengths.all():
        warnings.warn(
            f"{np.sum(lengths == 0)} of {len(lengths)} rows hold no frame and are not trained on.",
            stacklevel=5,  # who called `fit`
        )
    used = lengths > 0
    if sample_weight is not None:
        used &= relative_weights(sample_weight, sequences.dtype) > 0
    if not used.any():
        raise ValueError(
            f"None of the {len(lengths)} rows of X can be learned from: give some a frame that is "
            "not NaN, and a weight above 0."
        )
    data = TrainingData(sequences, lengths, y, sample_weight, np.arange(len(lengths)))
    return data if used.all() else data[used]


def relative_weights(weight: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Scale weights so that none is too great for a type: in the loss their ratios count.

    Parameters
    ----------
    weight : ndarray of shape (n,), float64
        Weights, not negative.
    dtype : dtype
        The type.

    Returns
    -------
    ndarray of shape (n,)
        The weights, the greatest of which is 1 if one is above 0.
    """
    return (weight / (weight.max() or 1.0)).astype(dtype)


def class_weights(class_weight: Any, classes: np.ndarray, data: TrainingData) -> np.ndarray:
    """Find the weight of every class in the loss.

    Parameters
    ----------
    class_weight : dict, "balanced" or None
        What the user asks for; classes that a dict does not name have weight 1.
    classes : ndarray of shape (n_classes,)
        The labels.
    data : TrainingData
        What to learn from; classes missing there have weight 1 where they are balanced.

    Returns
    -------
    ndarray of shape (n_classes,), float64
        The weights.

    Raises
    ------
    ValueError
        If a dict names other classes, or its weights cannot be used.
    """
    weights = np.ones(len(classes))
    if isinstance(class_weight, dict):
        unknown = sorted(set(class_weight) - set(classes.tolist()), key=str)
        if unknown:
            raise ValueError(
                f"class_weight names classes that y does not have: {unknown}; "
                f"y has {classes.tolist()}."
            )
        asked = [class_weight.get(label, 1.0) for label in classes.tolist()]
        usable = all(isinstance(value, Real) and 0 <= float(value) < np.inf for value in asked)
        if not usable or not any(asked):
            raise ValueError(
                f"class_weight={class_weight!r} must hold finite numbers, none of them negative "
                "and one at least above 0."
            )
        weights[:] = asked
    elif class_weight is not None:
        present = np.unique(data.y)
        weights[np.searchsorted(classes, present)] = compute_class_weight(
            class_weight, classes=present, y=data.y, sample_weight=data.weight
        )
    return weights


def held_out_weights(
    data: TrainingData, class_weights: np.ndarray, classes: np.ndarray
) -> np.ndarray:
    """Scale weights so that, times those of the classes, they are 1 on average.

    Parameters
    ----------
    data : TrainingData
        The sequences held out.
    class_weights : ndarray of shape (n_classes,)
        The weight of every class.
    classes : ndarray of shape (n_classes,)
        The labels.

    Returns
    -------
    ndarray of shape (n,)
        The sequences' own weights, scaled, in the sequences' type.
    """
    own = np.ones(len(data.y)) if data.weight is None else data.weight
    weights = relative_weights(own, own.dtype)  # a sum of the greatest could be infinite
    mean = (weights * class_weights[np.searchsorted(classes, data.y)]).mean()
    return (weights / mean).astype(data.sequences.dtype)


def hold_out(
    data: TrainingData, groups: np.ndarray | None, fraction: float, seed: int
) -> tuple[TrainingData, TrainingData]:
    """Divide sequences into those to learn from and those that tell when to stop.

    Parameters
    ----------
    data : TrainingData
        All of them.
    groups : ndarray of shape (n,) or None
        Groups that stay together.
    fraction : float
        Share to hold out; with groups one part of 2, 3, 4 ... equal ones, the nearest
        that there are groups for.
    seed : int
        Seed of the choice.

    Returns
    -------
    train, held_out : TrainingData
        The two parts, stratified by class.

    Raises
    ------
    ValueError
        If the data does not allow it, or no class would be learned whole.
    """
    rows = np.arange(len(data.y))
    n_groups = 0 if groups is None else len(np.unique(groups))
    together = f" in {n_groups} groups" if n_groups else ""
    cannot = (
        f"early_stopping=True cannot hold out validation_fraction={fraction} of "
        f"{len(rows)} sequences{together}, stratified by class"
    )
    try:
        if groups is None:
            train, held_out = train_test_split(
                rows, test_size=fraction, stratify=data.y, random_state=seed
            )
            return data[train], data[held_out]
        n_folds = min(range(2, max(2, n_groups) + 1), key=lambda n: abs(1 / n - fraction))
        folds = StratifiedGroupKFold(n_folds, shuffle=True, random_state=seed)
        divisions = list(folds.split(rows, data.y, groups))
    except ValueError as error:
        raise ValueError(f"{cannot}: {error}") from error
    n_classes = len(np.unique(data.y))
    for train, held_out in divisions:
        if len(np.unique(data.y[train])) == n_classes:
            return data[train], data[held_out]
    raise ValueError(f"{cannot}: a class would be left without groups to learn from.")
