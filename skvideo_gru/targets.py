"""Validation of the labels that an estimator is trained on."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils import column_or_1d
from sklearn.utils.multiclass import check_classification_targets

# How missing labels of Python, NumPy and pandas are printed.
_MISSING = {"None", "nan", "<NA>", "NaT"}


def check_target(estimator: Any, y: Any) -> np.ndarray:
    """Validate the labels of training or validation data.

    Parameters
    ----------
    estimator : estimator
        The estimator that receives them.
    y : array-like of shape (n,)
        Labels.

    Returns
    -------
    ndarray of shape (n,)
        The labels.

    Raises
    ------
    ValueError
        If they are not labels of classes, or some are missing.
    """
    if y is None:
        raise ValueError(
            f"{type(estimator).__name__} requires y to be passed, but the target y is None"
        )
    target = column_or_1d(y, warn=True)
    # NumPy converts the NaN in a list of texts to text.
    labels = y if isinstance(y, list | tuple) else target.tolist()
    missing = [
        row
        for row, label in enumerate(labels)
        if not isinstance(label, str) and str(label) in _MISSING
    ]
    if missing:
        raise ValueError(
            f"y[{missing[0]}] is {labels[missing[0]]}: {len(missing)} of {len(labels)} labels are "
            "missing. Add them, or remove these rows."
        )
    check_classification_targets(target)
    return target
