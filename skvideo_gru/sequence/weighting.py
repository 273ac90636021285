"""Weights of classes and of sequences in the training of the GRU."""

from __future__ import annotations

from numbers import Real
from typing import Any

import numpy as np
from sklearn.utils.validation import _check_sample_weight

from .training_data import TrainingData, relative_weights


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
