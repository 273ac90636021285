"""Evaluation of a classifier on labelled videos, and baselines without frame order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import binomtest
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import (
    accuracy_score,
    confusion_matrix,
    f1_score,
    precision_recall_fscore_support,
)
from sklearn.pipeline import Pipeline
from sklearn.utils import check_random_state, column_or_1d
from sklearn.utils.validation import check_is_fitted

from ..answers import find_selective, predicted_labels
from ..features import frame_reader
from ..video import Video, read_frames

# Width of a confidence interval of the accuracy that deserves a hint.
_WIDE = 0.2

# Ways to shuffle the test clips: one alone has the error of a few clips.
_N_SHUFFLES = 5


@dataclass(frozen=True)
class Evaluation:
    """True labels and predicted probabilities of a set of videos.

    Attributes
    ----------
    target : ndarray of shape (n,)
        True labels.
    probabilities : ndarray of shape (n, n_classes)
        Predicted probabilities.
    classes : ndarray of shape (n_classes,)
        The labels of the columns of `probabilities`.
    answers : ndarray of shape (n,), optional
        The predicted labels, if they are not the most probable ones.
    unknown : object, optional
        The answer of a classifier that can reject a video.
    """

    target: np.ndarray
    probabilities: np.ndarray
    classes: np.ndarray
    answers: np.ndarray | None = None
    unknown: Any = None

    @property
    def predicted(self) -> np.ndarray:
        """The predicted labels.

        Returns
        -------
        ndarray of shape (n,)
            One label of `classes`, or `unknown`, per video.
        """
        if self.answers is not None:
            return self.answers
        return self.classes[self.probabilities.argmax(axis=1)]

    @property
    def metrics(self) -> dict[str, float]:
        """Accuracy, its confidence interval, macro-F1, and the accuracy of baselines.

        Returns
        -------
        dict of str to float
            ``"accuracy"``, for which the answer `unknown` is wrong unless it is the true label;
            ``"accuracy_low"`` and ``"accuracy_high"``, the bounds of its
            95% confidence interval by Wilson's method [1]_, which treats the videos as
            independent; ``"macro_f1"`` over the classes among true and predicted labels,
            except for `unknown` if no true label is;
            ``"chance"``, one divided by the number of classes; and ``"majority"``, the
            share of the most frequent true label. If videos can be rejected, also
            ``"coverage"``, the share of the videos of known classes with another answer than
            `unknown`, and ``"accuracy_answered"``, the share of correct answers among all other
            answers, 0 without any.

        References
        ----------
        .. [1] E. B. Wilson, "Probable Inference, the Law of Succession, and Statistical
           Inference", Journal of the American Statistical Association, 1927.
        """
        predicted = self.predicted
        right = predicted == self.target
        interval = binomtest(int(right.sum()), len(right)).proportion_ci(0.95, method="wilson")
        shown = np.union1d(self.target, predicted[self._answered])
        selective = {}
        if self.unknown is not None:
            known, n_answered = self.target != self.unknown, self._answered.sum()
            n_right = (right & self._answered).sum()
            n_covered = (known & self._answered).sum()
            selective = {
                "coverage": float(n_covered / max(known.sum(), 1)),
                "accuracy_answered": float(n_right / max(n_answered, 1)),
            }
        return {
            "accuracy": float(accuracy_score(self.target, predicted)),
            "accuracy_low": float(interval.low),
            "accuracy_high": float(interval.high),
            "macro_f1": float(
                f1_score(self.target, predicted, labels=shown, average="macro", zero_division=0)
            ),
            "chance": 1 / len(self.classes),
            "majority": float(np.unique(self.target, return_counts=True)[1].max())
            / len(self.target),
            **selective,
        }

    @property
    def _answered(self) -> np.ndarray:
        """Whether each video has another answer than unknown."""
        if self.unknown is None:
            return np.ones(len(self.target), bool)
        return self.predicted != self.unknown

    @property
    def hint(self) -> str:
        """What the number of videos does not show.

        Returns
        -------
        str
            One sentence or two if the confidence interval of the accuracy reaches down to
            a baseline, or is wider than 0.2; otherwise empty.
        """
        scores, n_videos = self.metrics, len(self.target)
        name = max(("majority", "chance"), key=scores.__getitem__)
        low, high = scores["accuracy_low"], scores["accuracy_high"]
        if low <= scores[name]:
            more = " Evaluate more videos." if scores["accuracy"] > scores[name] else ""
            return (
                f"{n_videos} videos do not show an accuracy above the {name} baseline of "
                f"{scores[name]:.3f}.{more}"
            )
        if high - low > _WIDE:
            return (
                f"{n_videos} videos are few: accuracies within the interval cannot be "
                "distinguished. About 100 videos narrow it to ± 0.1."
            )
        return ""

    @property
    def per_class(self) -> list[dict[str, Any]]:
        """Precision, recall and F1 of each class, 0 if undefined.

        Returns
        -------
        list of dict
            One per label, including true labels that the classifier does not know, with
            the keys ``"class"``, ``"precision"``, ``"recall"``, ``"f1"`` and
            ``"support"``, the number of its videos.
        """
        labels = self._labels
        columns = precision_recall_fscore_support(
            self.target, self.predicted, labels=labels, zero_division=0
        )
        keys = ("class", "precision", "recall", "f1", "support")
        *scores, support = (column.tolist() for column in columns)
        rows = zip(labels.tolist(), *scores, map(int, support), strict=True)
        return [dict(zip(keys, row, strict=True)) for row in rows]

    @property
    def _labels(self) -> np.ndarray:
        return np.union1d(self.classes, self.target)

    @property
    def confusion_matrix(self) -> tuple[np.ndarray, np.ndarray]:
        """Number of videos by true and predicted label.

        Returns
        -------
        labels : ndarray of shape (n_labels,)
            The known classes and the true and predicted labels, sorted.
        counts : ndarray of shape (n_labels, n_labels), int64
            Rows are true labels, columns are predicted labels.
        """
        labels = np.union1d(self._labels, self.predicted)
        return labels, confusion_matrix(self.target, self.predicted, labels=labels)

    def confusions(self, n: int | None = None) -> list[dict[str, Any]]:
        """Find the pairs of classes that are confused most often, except for `unknown` answers.

        Parameters
        ----------
        n : int, optional
            The largest number of pairs; None means all.

        Returns
        -------
        list of dict
            Pairs with the keys ``"true"``, ``"predicted"``, ``"count"``, the number of
            videos, and ``"share"``, the fraction of the videos of the true class; by
            descending count, then by descending share.
        """
        labels, counts = self.confusion_matrix
        sizes = counts.sum(axis=1)
        np.fill_diagonal(counts, 0)
        if self.unknown is not None:
            counts[:, labels == self.unknown] = 0
        rows, columns = np.nonzero(counts)
        found = counts[rows, columns]
        shares = found / sizes[rows]
        names = labels.tolist()
        return [
            {
                "true": names[rows[i]],
                "predicted": names[columns[i]],
                "count": int(found[i]),
                "share": float(shares[i]),
            }
            for i in np.lexsort((-shares, -found))[:n]
        ]

    def mistakes(self, n: int | None = None) -> np.ndarray:
        """Find the most confident wrong predictions, except for `unknown` answers.

        Parameters
        ----------
        n : int, optional
            The largest number of mistakes; None means all.

        Returns
        -------
        ndarray of shape (at most n,), int64
            Rows of the videos, by descending confidence.
        """
        wrong = np.flatnonzero((self.predicted != self.target) & self._answered)
        confidence = self.probabilities[wrong].max(axis=1)
        return wrong[np.argsort(-confidence, kind="stable")][:n]


def evaluate(model: Any, videos: Sequence[Video], target: np.ndarray) -> Evaluation:
    """Predict the probabilities of labelled videos.

    Parameters
    ----------
    model : classifier
        A fitted classifier of videos.
    videos : sequence of videos
        The videos.
    target : ndarray of shape (n,)
        Their true labels.

    Returns
    -------
    Evaluation
        True labels and predicted probabilities.

    Raises
    ------
    ValueError
        If the classifier was fitted on none of the labels.
    """
    target, classes = column_or_1d(target), np.asarray(model.classes_)
    selective = find_selective(model)
    unknown = None if selective is None else selective.unknown_label
    if not set(target.tolist()) & {*classes.tolist(), unknown}:
        raise ValueError(
            f"None of the labels {np.unique(target).tolist()} is a class of the model; its "
            f"classes are {classes.tolist()}. Correct the labels. For a member of a "
            "VotingClassifier, which is fitted on encoded labels, pass encoded labels."
        )
    proba = np.asarray(model.predict_proba(videos))
    return Evaluation(target, proba, classes, predicted_labels(model, proba), unknown)


def fitted_pipeline(estimator: Any) -> Pipeline:
    """Return the pipeline of a fitted estimator.

    Parameters
    ----------
    estimator : Pipeline, search or SelectiveClassifierCV
        A pipeline, a search with ``refit=True``, or a `SelectiveClassifierCV`.

    Returns
    -------
    Pipeline
        The pipeline, or the one that predicts for the search or the SelectiveClassifierCV.

    Raises
    ------
    ValueError
        If `estimator` is none of these.
    NotFittedError
        If it is not fitted.
    """
    pipe = getattr(estimator, "best_estimator_", estimator)
    if not isinstance(pipe, Pipeline) and find_selective(pipe) is not None:
        check_is_fitted(pipe, "threshold_")
        inner = pipe.estimator_
        return fitted_pipeline(inner.estimator if isinstance(inner, FrozenEstimator) else inner)
    if not isinstance(pipe, Pipeline):
        raise ValueError(
            "Expected a pipeline from make_video_classifier, or a fitted search with refit=True "
            f"or SelectiveClassifierCV over such a pipeline, got {type(pipe).__name__}."
        )
    check_is_fitted(pipe)
    return pipe


def order_baselines(
    model: Pipeline,
    train: tuple[Sequence[Video], np.ndarray],
    test: tuple[Sequence[Video], np.ndarray],
    *,
    random_state: int | None = None,
) -> dict[str, float]:
    """Measure the accuracy without the order of frames.

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
        Test accuracy of ``"single_frames"``, a logistic regression on the features of
        single frames, and of ``"shuffled_frames"``, a clone of the pipeline that is fitted
        and tested on clips with shuffled frames: the mean of five ways to shuffle the test
        clips.
    """
    rng = check_random_state(random_state)
    features = model.named_steps["features"]
    reading = frame_reader(features).options

    unordered = [
        ([rng.permutation(read_frames(video, **reading)) for video in videos], y)
        for videos, y in (train, test)
    ]
    # A motion image depends on the frames before and after, which must be shuffled too.
    single_data = unordered if features.modality_ != "rgb" else [train, test]
    train_frames, test_frames = (_single_frames(model, *part) for part in single_data)
    single = LogisticRegression(max_iter=300).fit(*train_frames)
    # The frames are sampled already.
    shuffled_model = clone(model).set_params(features__sampling="uniform").fit(*unordered[0])
    clips, y = unordered[1]
    scores = [
        shuffled_model.score([rng.permutation(clip) for clip in clips], y)
        for _ in range(_N_SHUFFLES)
    ]
    return {
        "single_frames": float(single.score(*test_frames)),
        "shuffled_frames": float(np.mean(scores)),
    }


def _single_frames(
    model: Pipeline, videos: Sequence[Video], y: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the features and the label of every frame, without padding."""
    n_frames = model.named_steps["features"].n_frames
    rows = np.asarray(model[:-1].transform(videos)).reshape(len(videos) * n_frames, -1)
    real = ~np.isnan(rows).all(axis=1)
    return rows[real], np.repeat(y, n_frames)[real]
