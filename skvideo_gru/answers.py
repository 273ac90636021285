"""Labels of class probabilities, with and without the answer unknown, and names of scores."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.model_selection import FixedThresholdClassifier, TunedThresholdClassifierCV
from sklearn.pipeline import Pipeline


class GivenProbabilities(ClassifierMixin, BaseEstimator):
    """A classifier whose input is the probabilities that it predicts."""

    def fit(self, X: np.ndarray, y: np.ndarray) -> Self:
        """Set the classes.

        Parameters
        ----------
        X : ndarray of shape (n, n_classes)
            Not used.
        y : ndarray of shape (n,)
            Labels, each class at least once.

        Returns
        -------
        GivenProbabilities
            The classifier.
        """
        self.classes_ = np.unique(y)
        return self

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        """Return the probabilities.

        Parameters
        ----------
        X : ndarray of shape (n, n_classes)
            The probabilities.

        Returns
        -------
        ndarray of shape (n, n_classes)
            `X`.
        """
        return X

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Return the most probable labels.

        Parameters
        ----------
        X : ndarray of shape (n, n_classes)
            The probabilities.

        Returns
        -------
        ndarray of shape (n,)
            The labels.
        """
        return self.classes_[X.argmax(axis=1)]


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
    step = _last_step(model)
    return step if hasattr(step, "apply_threshold") else None


def _last_step(model: Any) -> Any:
    model = getattr(model, "best_estimator_", model)
    return _last_step(model[-1]) if isinstance(model, Pipeline) else model


def score_names(results: Mapping[str, Any]) -> list[str]:
    """Return the names of the scores of a search.

    Parameters
    ----------
    results : mapping
        The ``cv_results_`` of the search, with columns ``mean_test_NAME``.

    Returns
    -------
    list of str
        The names.
    """
    prefix = "mean_test_"
    return [column.removeprefix(prefix) for column in results if column.startswith(prefix)]


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
        The most probable labels, or those that scikit-learn's classifiers with a threshold
        choose; those of a `SelectiveClassifierCV` can be its unknown label.
    """
    model = _last_step(model)
    if hasattr(model, "apply_threshold"):
        return model.apply_threshold(proba)
    if isinstance(model, FixedThresholdClassifier | TunedThresholdClassifierCV):
        model = copy.copy(model)
        model.estimator_ = GivenProbabilities().fit(proba, model.classes_)
        return model.predict(proba)
    return np.asarray(model.classes_)[proba.argmax(axis=1)]
