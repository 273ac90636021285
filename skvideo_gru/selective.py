"""A meta-estimator that answers "unknown" where a classifier is not confident enough."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any, Self

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax
from sklearn import get_config
from sklearn.base import BaseEstimator, ClassifierMixin, MetaEstimatorMixin, _fit_context, clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import StratifiedGroupKFold, check_cv
from sklearn.model_selection._search import BaseSearchCV
from sklearn.utils import _safe_indexing, get_tags, indexable
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions
from sklearn.utils.metadata_routing import MetadataRouter, MethodMapping, process_routing
from sklearn.utils.parallel import Parallel, delayed
from sklearn.utils.validation import _check_method_params, check_is_fitted

from .answers import GivenProbabilities
from .caller_warnings import warn_caller
from .persistence import Versioned, restore_on_error
from .targets import check_target

# Splits between floats that should be equal, such as 0.7 and 7 of 10 rows.
_TOLERANCE = 1e-9


class SelectiveClassifierCV(ClassifierMixin, MetaEstimatorMixin, Versioned, BaseEstimator):
    """Predict "unknown" for inputs whose class is uncertain.

    This is classification with a reject option [1]_, also called selective classification
    [2]_. In `fit`, cross-validation predicts the probabilities of held-out samples: the whole
    estimator is fitted without them, including the backbone of a video pipeline. These
    probabilities are calibrated, and determine the smallest threshold with the requested
    precision, or the largest one with the requested coverage. The estimator is then fitted
    to all samples.

    Parameters
    ----------
    estimator : classifier
        The classifier, for example a pipeline from `make_video_classifier`. It is cloned
        before it is fitted. To use a fitted one, pass ``FrozenEstimator(estimator)``, and to
        `fit` samples that it was not trained on; some of these may show none of its classes
        and have the label `unknown_label`.
    criterion : {"precision", "coverage"}, default="precision"
        What `target` refers to: the share of correct answers among the answers other than
        unknown, or the share of samples that get such an answer.
    target : float, default=0.9
        The requested precision or coverage, above 0 and at most 1.
    unknown_label : str or int, default="unknown"
        The answer below the threshold. It must have the type of the labels. If samples in
        `y` have this label, they are not part of the coverage, and another answer for them is
        wrong. The estimator learns them as a class of its own, unless it is already fitted.
    method : {"temperature", "sigmoid", "isotonic"}, default="temperature"
        How probabilities are calibrated, see `sklearn.calibration.CalibratedClassifierCV`.
        Temperature scaling [3]_ has one parameter and does not change the most probable
        class. It is the same with every version of scikit-learn.
    cv : int, cross-validation generator or iterable, optional
        The folds, by default five, stratified by class. If `fit` receives groups, an int is
        the number of folds of a `StratifiedGroupKFold`.
    n_jobs : int, optional
        Number of joblib workers; each fits one fold.

    Attributes
    ----------
    estimator_ : classifier
        The estimator, fitted to all samples.
    calibrator_ : classifier
        Calibrates the probabilities of `estimator_`.
    threshold_ : float
        The smallest calibrated probability of an answer other than unknown. It may be
        changed after the fit.
    precision_, coverage_ : float
        Precision and coverage of the held-out samples with `threshold_`. They are slightly
        optimistic, because the threshold was chosen on the same samples.
    cv_results_ : dict of str to ndarray
        The alternatives: ``"thresholds"``, decreasing, and the ``"precision"`` and
        ``"coverage"`` of the held-out samples with each.
    classes_ : ndarray of shape (n_classes,)
        The classes of the estimator.
    n_features_in_ : int
        Number of features, if the estimator has this attribute.
    feature_names_in_ : ndarray of str
        Names of the features, if the estimator has this attribute.

    See Also
    --------
    make_video_classifier : Makes a pipeline that this estimator can wrap.

    Notes
    -----
    `score` is the accuracy, for which the answer unknown is wrong.

    A precision is estimated from few samples: with 100 answers and a precision of 0.9, its
    standard error is 0.03.

    References
    ----------
    .. [1] C. K. Chow, "On Optimum Recognition Error and Reject Tradeoff", IEEE Transactions
       on Information Theory 16(1), 1970.
    .. [2] Y. Geifman, R. El-Yaniv, "Selective Classification for Deep Neural Networks", 2017,
       arXiv:1705.08500.
    .. [3] C. Guo, G. Pleiss, Y. Sun, K. Q. Weinberger, "On Calibration of Modern Neural
       Networks", 2017, arXiv:1706.04599.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import LogisticRegression
    >>> from skvideo_gru import SelectiveClassifierCV
    >>> X = np.linspace(-1, 1, 100)[:, None]
    >>> y = np.where(X[:, 0] + np.tile([-0.3, 0.3], 50) > 0, "right", "left")
    >>> model = SelectiveClassifierCV(LogisticRegression(), criterion="coverage", target=0.7)
    >>> model.fit(X, y).predict([[-0.9], [0.0], [0.9]])
    array(['left', 'unknown', 'right'], dtype='<U7')
    """

    _parameter_constraints: dict[str, list[Any]] = {
        "estimator": [HasMethods(["fit", "predict_proba"])],
        "criterion": [StrOptions({"precision", "coverage"})],
        "target": [Interval(Real, 0, 1, closed="right")],
        "unknown_label": [str, Real],
        "method": [StrOptions({"temperature", "sigmoid", "isotonic"})],
        "cv": ["cv_object"],
        "n_jobs": [Integral, None],
    }

    def __init__(
        self,
        estimator,
        *,
        criterion="precision",
        target=0.9,
        unknown_label="unknown",
        method="temperature",
        cv=None,
        n_jobs=None,
    ):
        self.estimator = estimator
        self.criterion = criterion
        self.target = target
        self.unknown_label = unknown_label
        self.method = method
        self.cv = cv
        self.n_jobs = n_jobs

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(self, X: Any, y: Any, *, groups: Any = None, **params: Any) -> Self:
        """Fit the classifier, calibrate its probabilities and choose the threshold.

        Parameters
        ----------
        X : sequence or array-like of length n
            Input of the estimator, for example videos.
        y : array-like of shape (n,)
            Labels.
        groups : array-like of shape (n,), optional
            Groups: all samples of a group are in the same fold. A search receives them for
            its own folds.
        **params : dict
            Parameters of the estimator's `fit`, as in CalibratedClassifierCV. Values of
            length n are divided with the samples.

        Returns
        -------
        SelectiveClassifierCV
            The fitted classifier.

        Raises
        ------
        ValueError
            If a parameter or the data is not valid, or a class would be missing from the
            training samples of a fold.

        Warns
        -----
        UserWarning
            If no threshold has the requested precision or coverage. The threshold is then
            the nearest.
        """
        with restore_on_error(self):
            return self._fit(X, y, groups, params)

    def _fit(self, X: Any, y: Any, groups: Any, params: dict[str, Any]) -> Self:
        y = check_target(self, y)
        X, y, groups = indexable(X, y, groups)
        if groups is not None and self._forwards_groups():
            params = params | {"groups": groups}
        if get_config()["enable_metadata_routing"]:
            params = process_routing(self, "fit", **params).estimator.fit if params else {}
        frozen = isinstance(self.estimator, FrozenEstimator)
        classes = self.estimator.classes_ if frozen else np.unique(y)
        _check_labels(y, classes, self.unknown_label)
        folds = self._folds(X, y, groups, classes)
        held_out = Parallel(n_jobs=self.n_jobs)(
            delayed(_predict_held_out)(clone(self.estimator), X, y, params, train, test, classes)
            for train, test in folds
        )
        order = np.argsort(np.concatenate([test for _, test in folds]))
        proba = np.concatenate(held_out)[order]
        # Each sample is calibrated without its own fold, which would be optimistic.
        calibrated = np.empty(proba.shape)
        for train, test in folds:
            calibrator = _calibrator(proba[train], y[train], classes, self.method)
            calibrated[test] = calibrator.predict_proba(proba[test])
        self.calibrator_ = _calibrator(proba, y, classes, self.method)
        self.estimator_ = clone(self.estimator).fit(X, y, **params)
        self.classes_ = classes
        for name in ("n_features_in_", "feature_names_in_"):
            if hasattr(self.estimator_, name):
                setattr(self, name, getattr(self.estimator_, name))
        self._choose_threshold(calibrated, y)
        return self

    def _forwards_groups(self) -> bool:
        if get_config()["enable_metadata_routing"]:
            return "groups" in self.get_metadata_routing().consumes("fit", ["groups"])
        return isinstance(self.estimator, BaseSearchCV)

    def _folds(
        self, X: Any, y: np.ndarray, groups: Any, classes: np.ndarray
    ) -> list[tuple[np.ndarray, np.ndarray]]:
        cv = 5 if self.cv is None else self.cv
        if groups is not None and isinstance(cv, Integral):
            splitter = StratifiedGroupKFold(int(cv))
        else:
            splitter = check_cv(cv, y, classifier=True)
        try:
            folds = list(splitter.split(X, y, groups))
        except ValueError as error:
            raise ValueError(f"cv={self.cv!r}: {error}") from error
        tested = np.sort(np.concatenate([test for _, test in folds]))
        if not np.array_equal(tested, np.arange(len(y))):
            raise ValueError("cv must hold out every sample exactly once; use another splitter.")
        for train, _ in folds:
            missing = np.setdiff1d(classes, y[train]).tolist()
            if missing:
                what = "samples" if groups is None else "groups"
                raise ValueError(
                    f"cv={self.cv!r}: the training samples of a fold lack the classes {missing}. "
                    f"Use fewer folds, or add {what} with these classes."
                )
        return folds

    def _choose_threshold(self, proba: np.ndarray, y: np.ndarray) -> None:
        labels, confidence = self._answers(proba)
        known = y != self.unknown_label
        curve = selective_curve(confidence, labels == y, known)
        chosen = choose_threshold(curve, self.criterion, self.target)
        self.cv_results_ = curve
        self.threshold_, self.precision_, self.coverage_ = (
            float(curve[name][chosen]) for name in ("thresholds", "precision", "coverage")
        )
        reached = self.precision_ if self.criterion == "precision" else self.coverage_
        if reached < self.target - _TOLERANCE:
            warn_caller(
                f"No threshold has the {self.criterion} {self.target}: the highest on held-out "
                f"samples is {reached:.3f}, with a precision of {self.precision_:.3f} and a "
                f"coverage of {self.coverage_:.3f}. Reduce the target, or improve the classifier."
            )

    def predict_proba(self, X: Any) -> np.ndarray:
        """Compute the calibrated probability of every class.

        Parameters
        ----------
        X : sequence or array-like of length n
            Input of the estimator.

        Returns
        -------
        ndarray of shape (n, n_classes)
            Probabilities, in the order of ``classes_``.

        Raises
        ------
        NotFittedError
            If the classifier is not fitted.
        """
        check_is_fitted(self, "threshold_")
        return self.calibrator_.predict_proba(self.estimator_.predict_proba(X))

    def predict(self, X: Any) -> np.ndarray:
        """Predict the most probable class, or unknown.

        Parameters
        ----------
        X : sequence or array-like of length n
            Input of the estimator.

        Returns
        -------
        ndarray of shape (n,)
            Labels; `unknown_label` where the highest probability is below `threshold_`.

        Raises
        ------
        NotFittedError
            If the classifier is not fitted.
        """
        return self.apply_threshold(self.predict_proba(X))

    def apply_threshold(self, proba: Any) -> np.ndarray:
        """Turn the result of `predict_proba` into that of `predict`.

        Parameters
        ----------
        proba : array-like of shape (n, n_classes)
            Calibrated probabilities.

        Returns
        -------
        ndarray of shape (n,)
            Labels; `unknown_label` where the highest probability is below `threshold_`.

        Raises
        ------
        NotFittedError
            If the classifier is not fitted.
        """
        check_is_fitted(self, "threshold_")
        labels, confidence = self._answers(np.asarray(proba))
        return np.where(confidence >= self.threshold_, labels, self.unknown_label)

    def _answers(self, proba: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the most probable labels and their probabilities; -inf for unknown."""
        labels = self.classes_[proba.argmax(axis=1)]
        return labels, np.where(labels == self.unknown_label, -np.inf, proba.max(axis=1))

    def get_metadata_routing(self) -> MetadataRouter:
        """Return the routing of metadata to the estimator.

        Returns
        -------
        MetadataRouter
            The routing.
        """
        methods = MethodMapping().add(caller="fit", callee="fit")
        router = MetadataRouter(owner=self).add_self_request(self)
        return router.add(estimator=self.estimator, method_mapping=methods)

    def __sklearn_tags__(self):
        """Return scikit-learn's tags: the input is that of the estimator."""
        tags = super().__sklearn_tags__()
        tags.input_tags = get_tags(self.estimator).input_tags
        return tags


def selective_curve(
    confidence: np.ndarray, correct: np.ndarray, known: np.ndarray
) -> dict[str, np.ndarray]:
    """Compute precision and coverage for every threshold.

    Parameters
    ----------
    confidence : ndarray of shape (n,)
        Probabilities of the predicted classes; -inf for samples that have no answer with any
        threshold.
    correct : ndarray of shape (n,), bool
        Whether the predicted class is the true one.
    known : ndarray of shape (n,), bool
        Whether the true class is known; other samples should have no answer.

    Returns
    -------
    dict of str to ndarray of shape (n_thresholds,)
        ``"thresholds"``: all different finite confidences, decreasing, or inf if there are
        none. ``"precision"``: the share of correct answers among the samples whose confidence
        is at least the threshold. ``"coverage"``: the share of the known samples among which
        this is so.
    """
    thresholds = np.unique(confidence[np.isfinite(confidence)])[::-1]
    if not len(thresholds):
        return {
            "thresholds": np.array([np.inf]),
            "precision": np.array([0.0]),
            "coverage": np.array([0.0]),
        }
    n = len(thresholds)
    first = np.searchsorted(-thresholds, -confidence)  # the highest threshold of each sample
    n_correct, n_answers, n_known = np.cumsum(
        [np.bincount(first[rows], minlength=n + 1)[:n] for rows in (correct, slice(None), known)],
        axis=1,
    )
    return {
        "thresholds": thresholds,
        "precision": n_correct / n_answers,
        "coverage": n_known / max(known.sum(), 1),
    }


def choose_threshold(curve: dict[str, np.ndarray], criterion: str, target: float) -> int:
    """Choose a threshold with a precision or coverage.

    Parameters
    ----------
    curve : dict of str to ndarray
        The result of `selective_curve`.
    criterion : {"precision", "coverage"}
        What `target` refers to.
    target : float
        The requested value.

    Returns
    -------
    int
        For ``"precision"``, the index of the lowest threshold with at least that precision;
        for ``"coverage"``, of the highest threshold with at least that coverage. If there is
        none, the lowest threshold with the highest value.
    """
    values = curve[criterion]
    enough = np.flatnonzero(values >= target - _TOLERANCE)
    if len(enough):
        return int(enough[0] if criterion == "coverage" else enough[-1])
    return int(np.flatnonzero(values == values.max())[-1])


class _TemperatureScaling(ClassifierMixin, BaseEstimator):
    """Temperature scaling, which CalibratedClassifierCV has since scikit-learn 1.8."""

    def fit(self, proba: np.ndarray, codes: np.ndarray) -> Self:
        logits, rows = _logits(proba), np.arange(len(codes))

        def loss(log_beta: float) -> float:
            return -log_softmax(np.exp(log_beta) * logits, axis=1)[rows, codes].mean()

        self.classes_ = np.arange(proba.shape[1])
        # Without mistakes, the loss has no minimum, and a larger factor makes probabilities 1.
        found = minimize_scalar(loss, bounds=(-10, 2), options={"xatol": 1e-9})
        self.beta_ = float(np.exp(found.x))  # the inverse temperature
        return self

    def predict_proba(self, proba: np.ndarray) -> np.ndarray:
        return softmax(self.beta_ * _logits(proba), axis=1)


def _logits(proba: np.ndarray) -> np.ndarray:
    return np.log(np.asarray(proba, np.float64) + 1e-12)  # finite, as in scikit-learn


def _calibrator(proba: np.ndarray, y: np.ndarray, classes: np.ndarray, method: str) -> Any:
    """Fit a calibrator to the probabilities of the samples whose label is a class."""
    rows = np.isin(y, classes)
    proba, codes = proba[rows], np.searchsorted(classes, y[rows])
    if method == "temperature":
        return _TemperatureScaling().fit(proba, codes)
    frozen = FrozenEstimator(GivenProbabilities().fit(proba, codes))
    everything = np.arange(len(codes))
    cv = [(everything, everything)]
    return CalibratedClassifierCV(frozen, method=method, cv=cv).fit(proba, codes)


def _predict_held_out(
    estimator: Any,
    X: Any,
    y: np.ndarray,
    params: dict[str, Any],
    train: np.ndarray,
    test: np.ndarray,
    classes: np.ndarray,
) -> np.ndarray:
    of_train = _check_method_params(X, params, indices=train)
    estimator.fit(_safe_indexing(X, train), y[train], **of_train)
    if missing := np.setdiff1d(classes, estimator.classes_).tolist():
        raise ValueError(
            f"In a fold, the estimator has not learned the classes {missing}: none of their "
            "training samples is usable. Check for unreadable videos and weights of 0, or add "
            "samples of these classes."
        )
    return estimator.predict_proba(_safe_indexing(X, test))


def _check_labels(y: np.ndarray, classes: np.ndarray, unknown: Any) -> None:
    if len(classes) < 2:
        raise ValueError(
            f"y contains {len(classes)} class; a classifier needs samples of at least two classes."
        )
    labels_are_text = isinstance(classes.tolist()[0], str)
    if isinstance(unknown, str) != labels_are_text:
        example = "'unknown'" if labels_are_text else "-1"
        raise ValueError(
            f"unknown_label={unknown!r} must have the type of the labels in y, such as "
            f"{classes.tolist()[0]!r}; set it for example to {example}."
        )
    others = np.setdiff1d(y, [*classes.tolist(), unknown]).tolist()
    if others:
        raise ValueError(
            f"The labels {others} in y are not classes of the fitted estimator, which are "
            f"{classes.tolist()}. Remove these samples, or label them {unknown!r}."
        )
