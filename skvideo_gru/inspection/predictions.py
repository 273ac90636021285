"""Tables of predictions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.utils import check_consistent_length, column_or_1d

from ..answers import predicted_labels
from ..extras import import_extra
from ..video import Video, as_video_list, describe_video, video_bounds
from .evaluation import evaluate

if TYPE_CHECKING:
    import pandas as pd


def prediction_table(
    model: Any, videos: Sequence[Video], y: Any = None, *, groups: Any = None
) -> pd.DataFrame:
    """Predict videos and return the predictions as a table.

    Parameters
    ----------
    model : classifier
        A fitted pipeline from `make_video_classifier`, or another fitted classifier of
        videos.
    videos : sequence of videos
        The videos; an array of frames is (T, H, W, 3), uint8, RGB.
    y : array-like of shape (n,), optional
        Their true labels.
    groups : array-like of shape (n,), optional
        Their groups.

    Returns
    -------
    DataFrame
        One row for each video with the columns ``path``; ``start`` and ``end`` (seconds)
        if there are time ranges; ``group`` and ``true`` if they are given; ``predicted``;
        and the probability of each class. The column of a class with the name of another
        column, such as ``path``, is named ``class path``.

    Raises
    ------
    VideoDecodeError
        If a video is unreadable and the model has ``features__on_error="raise"``.
    ValueError
        If the lengths differ, or the model knows none of the labels.
    ImportError
        If pandas is not installed.

    Examples
    --------
    >>> from skvideo_gru import prediction_table
    >>> table = prediction_table(pipe, data.data, data.target)  # doctest: +SKIP
    >>> table.to_csv("predictions.csv", index=False)  # doctest: +SKIP
    """
    videos = as_video_list(videos)
    if y is None:
        probabilities, target = np.asarray(model.predict_proba(videos)), None
    else:
        check_consistent_length(videos, y)
        outcome = evaluate(model, videos, y)
        probabilities, target = outcome.probabilities, outcome.target
    predicted = predicted_labels(model, probabilities)
    return tabulate(videos, probabilities, np.asarray(model.classes_), predicted, target, groups)


def tabulate(
    videos: Sequence[Video],
    probabilities: np.ndarray,
    classes: np.ndarray,
    predicted: np.ndarray,
    target: Any = None,
    groups: Any = None,
    part: str = "",
) -> pd.DataFrame:
    """Create the table of `prediction_table` from existing predictions.

    Parameters
    ----------
    videos : sequence of videos
        The videos.
    probabilities : ndarray of shape (n, n_classes)
        Their predicted probabilities.
    classes : ndarray of shape (n_classes,)
        The labels of the columns of `probabilities`.
    predicted : ndarray of shape (n,)
        The predicted labels.
    target, groups : array-like of shape (n,), optional
        True labels, and groups.
    part : str, default=""
        The part of the split, for a first column ``part``.

    Returns
    -------
    DataFrame
        The table.

    Raises
    ------
    ValueError
        If the lengths differ.
    ImportError
        If pandas is not installed.
    """
    check_consistent_length(videos, probabilities, target, groups)
    bounds = list(map(video_bounds, videos))
    columns: dict[str, Any] = {"part": [part] * len(videos)} if part else {}
    columns["path"] = [describe_video(video) for video in videos]
    if any(times != (None, None) for times in bounds):
        columns["start"], columns["end"] = zip(*bounds, strict=True)
    if groups is not None:
        columns["group"] = column_or_1d(groups)
    if target is not None:
        columns["true"] = column_or_1d(target)
    columns["predicted"] = predicted
    names = class_columns(classes, taken=set(columns))
    pd = import_extra("pandas", extra="mlflow", purpose="the table of predictions")
    return pd.DataFrame(columns | dict(zip(names, probabilities.T, strict=True)))


def class_columns(classes: Iterable[Any], taken: set[str]) -> list[str]:
    """Name a column for each class.

    Parameters
    ----------
    classes : iterable
        The labels.
    taken : set of str
        Names of other columns; the new names are added.

    Returns
    -------
    list of str
        The labels as text, preceded by ``class`` if another column has that name.
    """
    names = []
    for label in map(str, classes):
        while label in taken:
            label = f"class {label}"
        taken.add(label)
        names.append(label)
    return names
