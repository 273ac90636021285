"""Training data of the GRU: usable rows, and the split for early stopping."""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass
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
