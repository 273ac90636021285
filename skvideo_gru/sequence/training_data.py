"""Training data of the GRU: usable rows, weights, and the split for early stopping."""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np
from sklearn.model_selection import StratifiedGroupKFold, train_test_split
from sklearn.utils import check_consistent_length
from sklearn.utils.validation import _check_sample_weight, assert_all_finite

from ..caller_warnings import warn_caller
from ..targets import check_target
from .sequences import sequence_lengths, validate_sequences

#: Whether an earlier step of a pipeline warns about unreadable videos, whose sequences have no
#: frames.
MISSING_REPORTED: ContextVar[bool] = ContextVar("MISSING_REPORTED", default=False)


@dataclass(frozen=True)
class TrainingData:
    """Training sequences with labels and weights.

    Attributes
    ----------
    sequences : ndarray of shape (n_all, T, d)
        All sequences of the user's data, which may be larger than the memory: not copied.
    lengths : ndarray of shape (n,), int64
        The lengths of the sequences to train on, at least 1.
    y : ndarray of shape (n,)
        Their labels.
    weight : ndarray of shape (n,), float64, or None
        Their weights.
    rows : ndarray of shape (n,), int64
        Their row numbers in `sequences`.
    """

    sequences: np.ndarray
    lengths: np.ndarray
    y: np.ndarray
    weight: np.ndarray | None
    rows: np.ndarray

    def __getitem__(self, rows: np.ndarray) -> TrainingData:
        weight = None if self.weight is None else self.weight[rows]
        return TrainingData(
            self.sequences, self.lengths[rows], self.y[rows], weight, self.rows[rows]
        )


def check_training_data(
    estimator: Any, X: Any, y: Any, sample_weight: Any, *, dtype: Any, name: str = "X"
) -> TrainingData:
    """Validate training or validation data, and drop rows without frames or weight.

    Parameters
    ----------
    estimator : GRUClassifier
        The estimator that receives the data.
    X : array-like of shape (n, T * frame_dim) or (n, T, d)
        Sequences.
    y : array-like of shape (n,)
        Labels.
    sample_weight : array-like of shape (n,) or None
        Weights.
    dtype : dtype or None
        The dtype of the estimator's net. None for the first data, which determine it:
        float64 data remain float64, and all other data become float32.
    name : str, default="X"
        Name of `X` in messages.

    Returns
    -------
    TrainingData
        The usable rows.

    Raises
    ------
    ValueError
        If the data is not valid, or no row is usable.
    """
    y = check_target(estimator, y)
    first = dtype is None
    dtypes = [np.float32, np.float64] if first else dtype
    sequences = validate_sequences(estimator, X, estimator.frame_dim, dtype=dtypes, reset=first)
    assert_all_finite(y, input_name="y")
    check_consistent_length(sequences, y)
    if sample_weight is not None:
        sample_weight = _check_sample_weight(
            sample_weight, sequences, dtype=np.float64, ensure_non_negative=True
        )
    return usable_rows(sequences, y, sample_weight, name)


def usable_rows(
    sequences: np.ndarray, y: np.ndarray, sample_weight: np.ndarray | None, name: str = "X"
) -> TrainingData:
    """Drop rows without frames, with a warning, and rows without weight.

    A weight that underflows relative to the largest one is treated as 0.

    Parameters
    ----------
    sequences : ndarray of shape (n, T, d)
        Sequences, padded with trailing frames of NaN.
    y : ndarray of shape (n,)
        Labels.
    sample_weight : ndarray of shape (n,), float64, or None
        Weights, not negative.
    name : str, default="X"
        Name of the sequences in messages.

    Returns
    -------
    TrainingData
        The remaining rows.

    Raises
    ------
    ValueError
        If no row remains, or a NaN occurs before a sequence's padding.
    """
    lengths = sequence_lengths(sequences)
    if not lengths.all() and not MISSING_REPORTED.get():
        warn_caller(
            f"{np.sum(lengths == 0)} of {len(lengths)} sequences in {name} contain no frame and "
            "are not used."
        )
    used = lengths > 0
    if sample_weight is not None:
        used &= relative_weights(sample_weight, sequences.dtype) > 0
    if not used.any():
        raise ValueError(
            f"None of the {len(lengths)} sequences in {name} can be used. Pass at least "
            "one sequence with a frame that is not NaN and a positive weight."
        )
    data = TrainingData(sequences, lengths, y, sample_weight, np.arange(len(lengths)))
    return data if used.all() else data[used]


def relative_weights(weight: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Scale weights to at most 1, so that none overflows: only their ratios matter.

    Parameters
    ----------
    weight : ndarray of shape (n,), float64
        Weights, not negative.
    dtype : dtype
        Type of the result.

    Returns
    -------
    ndarray of shape (n,)
        The weights, divided by their maximum if it is above 0.
    """
    return (weight / (weight.max() or 1.0)).astype(dtype)


def check_fit_arguments(early_stopping: bool, groups: Any, validation: Mapping[str, Any]) -> None:
    """Check which arguments `GRUClassifier.fit` receives besides the training data.

    Parameters
    ----------
    early_stopping : bool
        The parameter of the classifier.
    groups : object
        The groups, or None.
    validation : mapping of str to object
        `X_val`, `y_val` and `sample_weight_val`, each of them possibly None.

    Raises
    ------
    ValueError
        If the arguments do not fit together.
    """
    given = [name for name, value in validation.items() if value is not None]
    if not early_stopping and (given or groups is not None):
        raise ValueError(
            f"{', '.join(given) or 'groups'} can be passed only with early_stopping=True."
        )
    if given and not {"X_val", "y_val"} <= set(given):
        raise ValueError("X_val and y_val must be passed together: pass both or neither.")
    if given and groups is not None:
        raise ValueError(
            "groups and X_val both select the validation data: pass groups or X_val, not both."
        )


def class_weights(class_weight: Any, classes: np.ndarray, data: TrainingData) -> np.ndarray:
    """Compute the weight of every class in the loss.

    Parameters
    ----------
    class_weight : dict, "balanced" or None
        As for `GRUClassifier`; classes that a dict does not contain have weight 1.
    classes : ndarray of shape (n_classes,)
        The labels.
    data : TrainingData
        The training data; with ``"balanced"``, classes missing there have weight 1.

    Returns
    -------
    ndarray of shape (n_classes,), float64
        The weights.

    Raises
    ------
    ValueError
        If a dict contains labels not in `classes` while lacking some that are, or a
        weight is not valid.
    """
    if isinstance(class_weight, dict):
        return given_class_weights(class_weight, classes)
    weights = np.ones(len(classes))
    if class_weight is not None:
        # As scikit-learn's compute_class_weight, which has no sample weights in 1.6.
        present, rows = np.unique(data.y, return_inverse=True)
        sums = np.bincount(rows, data.weight)
        weights[np.searchsorted(classes, present)] = sums.sum() / (len(present) * sums)
    return weights


def given_class_weights(class_weight: dict[Any, float], classes: np.ndarray) -> np.ndarray:
    """Return the weights of the classes that a dict contains.

    Parameters
    ----------
    class_weight : dict
        As for `GRUClassifier`; other classes have weight 1.
    classes : ndarray of shape (n_classes,)
        The labels.

    Returns
    -------
    ndarray of shape (n_classes,), float64
        The weights.

    Raises
    ------
    ValueError
        If the dict contains labels not in `classes` while lacking some that are, or a
        weight is not valid.
    """
    unknown = sorted(set(class_weight) - set(classes.tolist()), key=str)
    # As scikit-learn: a fold may lack a class, but a mistyped label is an error.
    if unknown and not set(classes.tolist()) <= set(class_weight):
        raise ValueError(
            f"The classes {unknown} of class_weight are not in y; the classes of y are "
            f"{classes.tolist()}. Correct class_weight, or add a weight for every class of y."
        )
    asked = [class_weight.get(label, 1.0) for label in classes.tolist()]
    usable = all(isinstance(value, Real) and 0 <= float(value) < np.inf for value in asked)
    if not usable or not any(asked):
        raise ValueError(
            f"class_weight={class_weight!r} must contain finite, non-negative numbers, at "
            "least one of them positive."
        )
    return np.array(asked, float)


def weighted_rows(y: np.ndarray, sample_weight: Any, class_weight: Any) -> np.ndarray:
    """Return the rows that have a weight in the training of the classifier.

    Parameters
    ----------
    y : ndarray of shape (n,)
        Labels.
    sample_weight : array-like of shape (n,) or None
        Weights.
    class_weight : dict, "balanced" or None
        As for `GRUClassifier`.

    Returns
    -------
    ndarray of int
        Row numbers.

    Raises
    ------
    ValueError
        If no row has a weight, or weights are not valid.
    """
    weighted = np.ones(len(y), bool)
    if sample_weight is not None:
        weight = _check_sample_weight(sample_weight, y, dtype=np.float64, ensure_non_negative=True)
        weighted &= relative_weights(weight, np.dtype(np.float32)) > 0
    if isinstance(class_weight, dict):
        classes, codes = np.unique(y, return_inverse=True)
        weighted &= given_class_weights(class_weight, classes)[codes] > 0
    if not weighted.any():
        raise ValueError(
            "No video has a positive weight; set a positive sample_weight and class_weight for at "
            "least one."
        )
    return np.flatnonzero(weighted)


def drop_unweighted(data: TrainingData, class_weight: Any, classes: np.ndarray) -> TrainingData:
    """Drop rows of classes with weight 0: a batch of them has no mean loss.

    Parameters
    ----------
    data : TrainingData
        The data.
    class_weight : dict, "balanced" or None
        As for `GRUClassifier`.
    classes : ndarray of shape (n_classes,)
        The labels.

    Returns
    -------
    TrainingData
        The remaining rows.

    Raises
    ------
    ValueError
        If no row remains, or `class_weight` is not valid.
    """
    weights = class_weights(class_weight, classes, data)
    weighted = weights[np.searchsorted(classes, data.y)] > 0
    if not weighted.any():
        raise ValueError(
            f"class_weight={class_weight!r} is 0 for all training sequences; set a positive "
            "weight for the class of at least one of them."
        )
    return data if weighted.all() else data[weighted]


def held_out_weights(
    data: TrainingData, class_weights: np.ndarray, classes: np.ndarray
) -> np.ndarray:
    """Scale weights so that their products with the class weights are 1 on average.

    Parameters
    ----------
    data : TrainingData
        The held-out sequences.
    class_weights : ndarray of shape (n_classes,)
        The weight of every class.
    classes : ndarray of shape (n_classes,)
        The labels.

    Returns
    -------
    ndarray of shape (n,)
        The sequence weights, scaled, in the dtype of the sequences.
    """
    own = np.ones(len(data.y)) if data.weight is None else data.weight
    weights = relative_weights(own, own.dtype)  # avoids overflow of the sum
    mean = (weights * class_weights[np.searchsorted(classes, data.y)]).mean()
    return (weights / mean).astype(data.sequences.dtype)


def split_rows(
    y: np.ndarray, groups: np.ndarray | None, fraction: float, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Split rows for early stopping.

    Parameters
    ----------
    y : ndarray of shape (n,)
        Labels.
    groups : ndarray of shape (n,) or None
        Groups, each held out whole or not at all.
    fraction : float
        Share to hold out; with groups the nearest of 1/2, 1/3, 1/4, ... for which
        there are enough groups.
    seed : int
        Seed of the split.

    Returns
    -------
    train, held_out : ndarray of int
        Row numbers of both parts, stratified by class.

    Raises
    ------
    ValueError
        If the data does not allow the split, or a class would have no training rows.
    """
    rows = np.arange(len(y))
    n_groups = 0 if groups is None else len(np.unique(groups))
    in_groups = f" in {n_groups} groups" if n_groups else ""
    cannot = (
        f"early_stopping=True cannot hold out validation_fraction={fraction} of "
        f"{len(rows)} sequences{in_groups}, stratified by class"
    )
    try:
        if groups is None:
            train, held_out = train_test_split(
                rows, test_size=fraction, stratify=y, random_state=seed
            )
            return train, held_out
        n_folds = min(range(2, max(2, n_groups) + 1), key=lambda n: abs(1 / n - fraction))
        folds = StratifiedGroupKFold(n_folds, shuffle=True, random_state=seed)
        splits = list(folds.split(rows, y, groups))
    except ValueError as error:
        reason = str(error).rstrip(".")
        raise ValueError(f"{cannot}: {reason}. Add sequences or change the fraction.") from error
    n_classes = len(np.unique(y))
    for train, held_out in splits:
        # scikit-learn 1.6 holds out nothing instead of refusing a single group.
        if len(held_out) and len(np.unique(y[train])) == n_classes:
            return train, held_out
    raise ValueError(
        f"{cannot}: in every split, the training data would lack a class. Add groups, so "
        "that each class is in at least two."
    )
