"""Labels of class probabilities, for classifiers with and without the answer unknown."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.pipeline import Pipeline

__all__ = ["find_selective", "predicted_labels"]


def find_selective(model: Any) -> Any | None:
    """Return the part of a model that answers unknown.

    Parameters
    ----------
    model : classifier
        A fitted classifier.

    Returns
    -------
    SelectiveClassifierCV or None
        The model, the best estimator of a search or the last step of a pipeline; None if it
        always answers a class.
    """
    model = getattr(model, "best_estimator_", model)
    if isinstance(model, Pipeline):
        return find_selective(model[-1])
    return model if hasattr(model, "apply_threshold") else None


def predicted_labels(model: Any, proba: np.ndarray) -> np.ndarray:
    """Turn class probabilities into labels, as the model's `predict` does.

    Parameters
    ----------
    model : classifier
        A fitted classifier.
    proba : ndarray of shape (n, n_classes)
        Its probabilities.

    Returns
    -------
    ndarray of shape (n,)
        The most probable labels; those of a `SelectiveClassifierCV` can be its unknown label.
    """
    selective = find_selective(model)
    if selective is not None:
        return selective.apply_threshold(proba)
    return np.asarray(model.classes_)[proba.argmax(axis=1)]
