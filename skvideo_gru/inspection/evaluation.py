"""How good a classifier is on videos that it has not seen, and what order adds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, f1_score, precision_recall_fscore_support
from sklearn.pipeline import Pipeline
from sklearn.utils import check_random_state, column_or_1d

from ..video import Video, read_frames

__all__ = ["Evaluation", "evaluate", "fitted_pipeline", "order_baselines"]


@dataclass(frozen=True)
class Evaluation:
    """What a classifier made of a set of videos.

    Parameters
    ----------
    target : ndarray of shape (n,)
        True labels.
    probabilities : ndarray of shape (n, n_classes)
        Predicted probabilities.
    classes : ndarray of shape (n_classes,)
        The labels that they belong to.
    """

    target: np.ndarray
    probabilities: np.ndarray
    classes: np.ndarray

    @property
    def predicted(self) -> np.ndarray:
        """Labels with the highest probability.

        Returns
        -------
        ndarray of shape (n,)
            A label of `classes` for each video.
        """
        return self.classes[self.probabilities.argmax(axis=1)]

    @property
    def metrics(self) -> dict[str, float]:
        """Accuracy, and macro-F1 over the classes that occur.

        Returns
        -------
        dict of str to float
            With the keys ``"accuracy"`` and ``"macro_f1"``.
        """
        return {
            "accuracy": float(accuracy_score(self.target, self.predicted)),
            "macro_f1": float(f1_score(self.target, self.predicted, average="macro")),
        }

    @property
    def per_class(self) -> list[dict[str, Any]]:
        """Precision, recall and F1 of every class, 0 where one is not defined.

        Returns
        -------
        list of dict
            For each label, those that the classifier does not know included, with
            the keys ``"class"``, ``"precision"``, ``"recall"``, ``"f1"`` and
            ``"support"``, its number of videos.
        """
        labels = np.union1d(self.classes, self.target)
        columns = precision_recall_fscore_support(
            self.target, self.predicted, labels=labels, zero_division=0
        )
        keys = ("class", "precision", "recall", "f1", "support")
        *scores, support = (column.tolist() for column in columns)
        rows = zip(labels.tolist(), *scores, map(int, support), strict=True)
        return [dict(zip(keys, row, strict=True)) for row in rows]

    def mistakes(self, n: int | None = None) -> np.ndarray:
        """Find the wrong predictions that the classifier was surest of.

        Parameters
        ----------
        n : int, optional
            The largest number of them; None means all.

        Returns
        -------
        ndarray of shape (at most n,), int64
            Rows, the most confident mistake first.
        """
        wrong = np.flatnonzero(self.predicted != self.target)
        confidence = self.probabilities[wrong].max(axis=1)
        return wrong[np.argsort(-confidence, kind="stable")][:n]


def evaluate(model: Any, videos: Sequence[Video], target: np.ndarray) -> Evaluation:
    """Predict videos and keep the outcome beside their labels.

    Parameters
    ----------
    model : classifier
        A fitted classifier of videos.
    videos : sequence of videos
        The videos.
    target : ndarray of shape (n,)
        Their labels.

    Returns
    -------
    Evaluation
        Labels and probabilities.

    Raises
    ------
    ValueError
        If the classifier knows none of the labels.
    """
    target, classes = column_or_1d(target), np.asarray(model.classes_)
    if not set(target.tolist()) & set(classes.tolist()):
        raise ValueError(
            f"The model knows none of the labels {np.unique(target).tolist()}: it was fitted on "
            f"{classes.tolist()}, as are the members of one that votes or stacks."
        )
    return Evaluation(target, np.asarray(model.predict_proba(videos)), classes)


def fitted_pipeline(estimator: Any) -> Pipeline:
    """Find the pipeline whose steps are to be looked at.

    Parameters
    ----------
    estimator : Pipeline or search
        A pipeline, or a search that has refitted one.

    Returns
    -------
    Pipeline
        The pipeline.

    Raises
    ------
    ValueError
        If it is anything else.
    """
    pipe = getattr(estimator, "best_estimator_", estimator)
    if not isinstance(pipe, Pipeline):
        raise ValueError(
            f"Expected a pipeline from make_video_classifier, or a search that has refitted one, "
            f"got {type(pipe).__name__}, which has no steps to look at."
        )
    return pipe


def order_baselines(
    model: Pipeline,
    train: tuple[Sequence[Video], np.ndarray],
    test: tuple[Sequence[Video], np.ndarray],
    *,
    random_state: int | None = None,
) -> dict[str, float]:
    """Measure what is left of a classifier's accuracy without the order of frames.

    Parameters
    ----------
    model : Pipeline
        A fitted video classifier from `make_video_classifier`.
    train : (sequence of videos, ndarray)
        Training videos and labels.
    test : (sequence of videos, ndarray)
        Test videos and labels.
    random_state : int, optional
        Seed of the shuffling.

    Returns
    -------
    dict of str to float
        Test accuracy of ``"single_frames"``, a logistic regression that sees
        one frame's features at a time, and of ``"shuffled_frames"``, the same
        pipeline fitted and tested on clips whose frames were shuffled.
    """
    rng = check_random_state(random_state)
    features = model.named_steps["features"]
    reading = features._reading()

    def shuffled(videos: Sequence[Video]) -> list[np.ndarray]:
        return [rng.permutation(read_frames(video, **reading)) for video in videos]

    def frames(videos: Sequence[Video], y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        rows = model[:-1].transform(videos)
        return rows.reshape(len(videos) * features.n_frames, -1), np.repeat(y, features.n_frames)

    unordered = [(shuffled(videos), y) for videos, y in (train, test)]
    # A picture of motion tells of frames before and after: let these be any.
    alone = unordered if features.modality == "motion" else [train, test]
    single = LogisticRegression(max_iter=300).fit(*frames(*alone[0]))
    mixed = clone(model).fit(*unordered[0])
    return {
        "single_frames": float(single.score(*frames(*alone[1]))),
        "shuffled_frames": float(mixed.score(*unordered[1])),
    }
