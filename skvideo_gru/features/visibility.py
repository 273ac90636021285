"""Whether a simple classifier sees the classes in the images of clips."""

from __future__ import annotations

import math

import numpy as np
from sklearn.linear_model import RidgeClassifier
from sklearn.metrics import cohen_kappa_score
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

_N_PARTS, _N_CELLS, _N_LEVELS, _N_FOLDS = 3, 4, 4, 5


def summarise_clip(clip: np.ndarray) -> np.ndarray:
    """Describe what is where and when in a clip, and its colours.

    Parameters
    ----------
    clip : ndarray of shape (T, H, W, 3), uint8
        Images with three channels.

    Returns
    -------
    ndarray of shape (208,), float32
        Mean of each channel in 4 x 4 cells of each third of the clip, and the square root
        of a histogram of 4 x 4 x 4 colours.
    """
    means = [
        cell.mean(axis=(0, 1, 2))
        for part in _divide(clip, _N_PARTS, axis=0)
        for row in _divide(part, _N_CELLS, axis=1)
        for cell in _divide(row, _N_CELLS, axis=2)
    ]
    levels = clip.reshape(-1, 3) // (256 // _N_LEVELS)
    colours = levels @ np.array([_N_LEVELS**2, _N_LEVELS, 1], np.uint8)
    histogram = np.bincount(colours, minlength=_N_LEVELS**3) / len(colours)
    return np.concatenate([np.ravel(means) / 255, np.sqrt(histogram)]).astype(np.float32)


def _divide(images: np.ndarray, n_parts: int, axis: int) -> list[np.ndarray]:
    """Divide an axis into parts of nearly equal length, which overlap if it is too short."""
    length = images.shape[axis]
    starts = np.arange(n_parts) * length // n_parts
    ends = np.maximum((np.arange(n_parts) + 1) * length // n_parts, starts + 1)
    return [images.take(range(a, b), axis) for a, b in zip(starts, ends, strict=True)]


def agreement(summaries: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """Compare labels with the cross-validated predictions of a linear classifier.

    Parameters
    ----------
    summaries : ndarray of shape (n_clips, 208)
        What `summarise_clip` returns for each clip.
    y : ndarray of shape (n_clips,)
        Their labels.

    Returns
    -------
    kappa : float
        Cohen's kappa [1]_: 0 by chance, 1 if all predictions are right.
    z : float
        How many standard deviations kappa is from 0, if the predictions are by chance.
        Both are NaN if a class has one clip.

    References
    ----------
    .. [1] J. Cohen, "A Coefficient of Agreement for Nominal Scales", Educational and
       Psychological Measurement 20(1), 1960.
    """
    _, encoded, counts = np.unique(y, return_inverse=True, return_counts=True)
    if counts.min() < 2:
        return np.nan, np.nan
    folds = StratifiedKFold(min(_N_FOLDS, counts.min()), shuffle=True, random_state=0)
    model = make_pipeline(StandardScaler(), RidgeClassifier(100.0, class_weight="balanced"))
    predicted = cross_val_predict(model, summaries, encoded, cv=folds)
    predicted_counts = np.bincount(predicted, minlength=len(counts))
    expected = counts @ predicted_counts / len(encoded) ** 2
    kappa = float(cohen_kappa_score(encoded, predicted))
    return kappa, kappa * math.sqrt(len(encoded) * (1 - expected) / expected)
