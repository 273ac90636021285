import joblib
import numpy as np
import pytest
import sklearn
import skops.io
from scipy.special import softmax
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import make_blobs
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    LeaveOneGroupOut,
    ShuffleSplit,
    StratifiedKFold,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks
from sklearn.utils.fixes import parse_version

from skvideo_gru import (
    SKOPS_TRUSTED_TYPES,
    GRUClassifier,
    SelectiveClassifierCV,
    VideoClip,
    make_video_classifier,
)
from skvideo_gru.answers import predicted_labels
from skvideo_gru.mlops import load_model, save_model
from skvideo_gru.mlops.serving import ServedModel
from skvideo_gru.selective import _TemperatureScaling, choose_threshold, selective_curve

NOTHING_REJECTED = {"criterion": "coverage", "target": 1.0, "unknown_label": -1}


@parametrize_with_checks(
    [SelectiveClassifierCV(LogisticRegression(), **NOTHING_REJECTED, cv=2)],
    expected_failed_checks=lambda _: {
        "check_classifiers_classes": "labels are text, but unknown_label=-1 is a number"
    },
)
def test_scikit_learn_contract(estimator, check):
    check(estimator)


@pytest.fixture(scope="module")
def blobs():
    """Three overlapping classes: training and test rows."""
    X, codes = make_blobs(6000, centers=[[0, 0], [3, 0], [0, 3]], random_state=0)
    y = np.array(["a", "b", "c"])[codes]
    return X[:3000], y[:3000], X[3000:], y[3000:]


INF = np.inf

# Confidences, correct, known: thresholds, precision, coverage.
CURVES = [
    ([0.9, 0.8, 0.7, 0.6], "1101", "1111", [0.9, 0.8, 0.7, 0.6], [1, 1, 2 / 3, 3 / 4],
     [0.25, 0.5, 0.75, 1]),
    ([0.6, 0.9, 0.7, 0.8], "1101", "1111", [0.9, 0.8, 0.7, 0.6], [1, 1, 2 / 3, 3 / 4],
     [0.25, 0.5, 0.75, 1]),
    # Equal confidences are accepted together.
    ([0.8, 0.8, 0.5], "101", "111", [0.8, 0.5], [1 / 2, 2 / 3], [2 / 3, 1]),
    # Samples of no class count in the precision only.
    ([0.9, 0.8, 0.7], "101", "101", [0.9, 0.8, 0.7], [1, 1 / 2, 2 / 3], [1 / 2, 1 / 2, 1]),
    # Samples without an answer count in the coverage only.
    ([0.9, -INF, 0.7], "101", "111", [0.9, 0.7], [1, 1], [1 / 3, 2 / 3]),
    ([0.9, 0.8], "00", "00", [0.9, 0.8], [0, 0], [0, 0]),
    ([-INF, -INF], "00", "11", [INF], [0], [0]),
]  # fmt: skip


@pytest.mark.parametrize(
    ("confidence", "correct", "known", "thresholds", "precision", "coverage"), CURVES
)
def test_curve(confidence, correct, known, thresholds, precision, coverage):
    flags = (np.array(list(text)) == "1" for text in (correct, known))
    curve = selective_curve(np.array(confidence), *flags)
    np.testing.assert_array_equal(curve["thresholds"], thresholds)
    np.testing.assert_allclose(curve["precision"], precision)
    np.testing.assert_allclose(curve["coverage"], coverage)


def test_curve_against_its_definition():
    rng = np.random.default_rng(0)
    confidence = rng.integers(1, 20, 50) / 20
    correct, known = rng.random(50) < 0.6, rng.random(50) < 0.8
    curve = selective_curve(confidence, correct, known)
    for i, threshold in enumerate(curve["thresholds"]):
        accepted = confidence >= threshold
        assert curve["precision"][i] == pytest.approx(correct[accepted].mean())
        assert curve["coverage"][i] == pytest.approx(accepted[known].mean())


CURVE = {
    "thresholds": np.array([0.9, 0.8, 0.7, 0.6]),
    "precision": np.array([1, 0.5, 0.75, 0.7]),
    "coverage": np.array([0.2, 0.4, 0.6, 0.9]),
}


@pytest.mark.parametrize(
    ("criterion", "target", "chosen"),
    [
        ("precision", 1, 0),
        ("precision", 0.74, 2),
        ("precision", 0.75, 2),
        ("precision", 0.7 + 1e-12, 3),
        ("precision", 0.1, 3),
        ("coverage", 0.1, 0),
        ("coverage", 0.2, 0),
        ("coverage", 0.21, 1),
        ("coverage", 0.9, 3),
        ("coverage", 1, 3),  # not reached
    ],
)
def test_chosen_threshold(criterion, target, chosen):
    assert choose_threshold(CURVE, criterion, target) == chosen


def test_an_unreached_precision_selects_the_lowest_threshold_with_the_highest():
    assert (
        choose_threshold(CURVE | {"precision": np.array([0.5, 0.8, 0.8, 0.7])}, "precision", 1)
        == 2
    )


@pytest.mark.parametrize("method", ["temperature", "sigmoid", "isotonic"])
@pytest.mark.parametrize(("criterion", "target"), [("precision", 0.97), ("coverage", 0.7)])
def test_the_target_is_reached_on_new_samples(blobs, criterion, target, method):
    X, y, X_test, y_test = blobs
    model = SelectiveClassifierCV(
        LogisticRegression(), criterion=criterion, target=target, method=method
    ).fit(X, y)
    predicted = model.predict(X_test)
    answered = predicted != "unknown"
    values = {
        "precision": (predicted == y_test)[answered].mean(),
        "coverage": answered.mean(),
    }
    assert values[criterion] == pytest.approx(target, abs=0.02)
    assert getattr(model, f"{criterion}_") >= target
    # Rejecting helps: without it, the accuracy is lower.
    assert values["precision"] > model.estimator_.score(X_test, y_test)
    proba = model.predict_proba(X_test)
    np.testing.assert_array_equal(answered, proba.max(axis=1) >= model.threshold_)
    np.testing.assert_array_equal(predicted[answered], model.classes_[proba.argmax(1)][answered])
    np.testing.assert_array_equal(predicted, predicted_labels(model, proba))


@pytest.mark.skipif(
    parse_version(sklearn.__version__) < parse_version("1.8"), reason="new in scikit-learn 1.8"
)
def test_probabilities_are_those_of_a_calibrated_classifier(blobs):
    """With the same folds, CalibratedClassifierCV without an ensemble computes the same."""
    X, y, X_test, _ = blobs
    estimator, cv = LogisticRegression(C=100), StratifiedKFold(4)
    model = SelectiveClassifierCV(estimator, cv=cv, target=0.5).fit(X, y)
    expected = CalibratedClassifierCV(estimator, method="temperature", cv=cv, ensemble=False).fit(
        X, y
    )
    np.testing.assert_allclose(
        model.predict_proba(X_test), expected.predict_proba(X_test), rtol=1e-4, atol=1e-9
    )


def test_temperature_scaling_finds_a_known_temperature():
    """Labels are drawn from the probabilities of logits that are divided by 2."""
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 3, (20000, 3))
    true = softmax(logits / 2, axis=1)
    codes = (true.cumsum(axis=1) < rng.random((20000, 1))).sum(axis=1)
    scaling = _TemperatureScaling().fit(softmax(logits, axis=1), codes)
    assert 1 / scaling.beta_ == pytest.approx(2, rel=0.05)
    np.testing.assert_allclose(scaling.predict_proba(softmax(logits, axis=1)), true, atol=0.02)


def test_without_mistakes_probabilities_still_differ():
    first = np.linspace(0.6, 0.99, 10)
    proba = np.column_stack([first, 1 - first])
    calibrated = _TemperatureScaling().fit(proba, np.zeros(10, int)).predict_proba(proba)[:, 0]
    assert np.all(np.diff(calibrated) > 0) and calibrated[-1] < 1


def test_calibration_corrects_overconfident_probabilities(blobs):
    class Overconfident(LogisticRegression):
        def predict_proba(self, X):
            proba = super().predict_proba(X) ** 8
            return proba / proba.sum(axis=1, keepdims=True)

    X, y, X_test, y_test = blobs
    model = SelectiveClassifierCV(Overconfident(), target=0.5).fit(X, y)
    plain = log_loss(y_test, model.estimator_.predict_proba(X_test))
    assert log_loss(y_test, model.predict_proba(X_test)) < 0.5 * plain


class Recorder(ClassifierMixin, BaseEstimator):
    """Records the first column of the rows that it is fitted to and predicts."""

    fits = []

    def fit(self, X, y, weight=None):
        self.classes_ = np.unique(y)
        self.rows_ = {"fit": {row[0] for row in X}, "predict": set()}
        self.weight_ = weight
        if weight is not None:
            np.testing.assert_array_equal(weight, np.asarray(X)[:, 0])
        Recorder.fits.append(self.rows_)
        return self

    def predict(self, X):
        raise NotImplementedError

    def predict_proba(self, X):
        self.rows_["predict"].update(row[0] for row in X)
        return np.tile([0.75, 0.25], (len(X), 1))


@pytest.mark.parametrize("grouped", [False, True])
def test_held_out_samples_are_not_fitted(grouped):
    X = [[row] for row in range(40)]  # a list, as of videos
    y, groups = np.tile(["a", "b"], 20), np.arange(40) // 4
    Recorder.fits.clear()
    with pytest.warns(UserWarning, match=r"No threshold has the precision 0\.9: .* 0\.500"):
        SelectiveClassifierCV(Recorder()).fit(
            X, y, groups=groups if grouped else None, weight=np.arange(40)
        )
    *folds, last = Recorder.fits
    assert len(folds) == 5
    assert last == {"fit": set(range(40)), "predict": set()}
    assert set().union(*(fold["predict"] for fold in folds)) == set(range(40))
    for fold in folds:
        seen, predicted = (
            {row // 4 if grouped else row for row in fold[name]} for name in ("fit", "predict")
        )
        assert seen and predicted and not seen & predicted


def test_samples_of_no_class_determine_the_threshold(blobs):
    """A class of its own if the estimator is fitted, otherwise unknown to it."""
    X, y = blobs[0][:300], blobs[1][:300]
    X = np.concatenate([X, [[2, 2]] * 100 + np.random.default_rng(0).normal(0, 0.3, (100, 2))])
    y = np.concatenate([y, ["unknown"] * 100])
    with_class = SelectiveClassifierCV(LogisticRegression(), target=0.9).fit(X, y)
    assert with_class.classes_.tolist() == ["a", "b", "c", "unknown"]
    frozen = FrozenEstimator(LogisticRegression().fit(X[:300], y[:300]))
    model = SelectiveClassifierCV(frozen, target=0.9).fit(X, y)
    assert model.estimator_.estimator is frozen.estimator
    assert model.classes_.tolist() == ["a", "b", "c"]
    without = SelectiveClassifierCV(frozen, target=0.9).fit(X[:300], y[:300])
    assert model.threshold_ > without.threshold_
    for fitted in (with_class, model):
        predicted = fitted.predict(X)
        answered = predicted != "unknown"
        assert (predicted == y)[answered].mean() >= 0.89
        assert fitted.coverage_ == pytest.approx(answered[:300].mean(), abs=0.03)


def test_searches(blobs):
    X, y, X_test = blobs[0][:300], blobs[1][:300], blobs[2]
    outer = GridSearchCV(
        SelectiveClassifierCV(LogisticRegression(), criterion="coverage"),
        {"target": [0.5, 1.0], "estimator__C": [1e-6, 1.0]},
        cv=2,
        error_score="raise",
    ).fit(X, y)
    # Unknown is a wrong answer for the accuracy.
    assert outer.best_params_ == {"target": 1.0, "estimator__C": 1.0}
    inner = GridSearchCV(LogisticRegression(), {"C": [1e-6, 1.0]})
    model = SelectiveClassifierCV(inner, target=0.97, n_jobs=2)
    with joblib.parallel_config(backend="threading"):
        model.fit(X, y)
    assert model.estimator_.best_params_ == {"C": 1.0}
    assert "unknown" in model.predict(X_test)


def test_groups_and_weights_are_routed(blobs):
    X, y = blobs[0][:300], blobs[1][:300]
    groups = np.arange(len(y)) % 10
    with sklearn.config_context(enable_metadata_routing=True):
        estimator = LogisticRegression().set_fit_request(sample_weight=True)
        model = SelectiveClassifierCV(estimator, target=0.5).set_fit_request(groups=True)
        model.set_score_request(sample_weight=False)
        search = GridSearchCV(model, {"target": [0.5]}, cv=GroupKFold(2), error_score="raise")
        weight = np.where(y == "a", 1.0, 1e-9)
        search.fit(X, y, groups=groups, sample_weight=weight)
    assert set(search.best_estimator_.estimator_.predict(X)) == {"a"}


@pytest.mark.parametrize("routing", [False, True])
def test_a_search_receives_the_groups(blobs, routing):
    X, y = blobs[0][:300], blobs[1][:300]
    groups = np.arange(len(y)) % 10
    search = GridSearchCV(LogisticRegression(), {"C": [1.0]}, cv=LeaveOneGroupOut())
    with sklearn.config_context(enable_metadata_routing=routing):
        model = SelectiveClassifierCV(search, target=0.5).fit(X, y, groups=groups)
    assert model.estimator_.n_splits_ == 10
    text = skops.io.dumps(model)
    assert set(skops.io.get_untrusted_types(data=text)) <= set(SKOPS_TRUSTED_TYPES)


def test_the_last_step_of_a_pipeline_answers_unknown(blobs):
    X, y, X_test = blobs[0][:300], blobs[1][:300], blobs[2]
    pipe = make_pipeline(
        StandardScaler(), SelectiveClassifierCV(LogisticRegression(), target=0.97)
    )
    expected = pipe.fit(X, y).predict(X_test)
    assert "unknown" in expected
    np.testing.assert_array_equal(predicted_labels(pipe, pipe.predict_proba(X_test)), expected)


def test_clones_and_saved_models_predict_the_same(blobs, tmp_path):
    X, y, X_test = blobs[0][:300], blobs[1][:300], blobs[2]
    for method in ("temperature", "sigmoid", "isotonic"):
        model = SelectiveClassifierCV(LogisticRegression(), target=0.97, method=method).fit(X, y)
        expected = model.predict(X_test)
        assert "unknown" in expected
        np.testing.assert_array_equal(clone(model).fit(X, y).predict(X_test), expected)
        joblib.dump(model, tmp_path / "model.joblib")
        same = joblib.load(tmp_path / "model.joblib")
        np.testing.assert_array_equal(same.predict(X_test), expected)
        text = skops.io.dumps(model)
        assert set(skops.io.get_untrusted_types(data=text)) <= set(SKOPS_TRUSTED_TYPES)
        same = skops.io.loads(text, trusted=SKOPS_TRUSTED_TYPES)
        np.testing.assert_array_equal(same.predict(X_test), expected)


def test_a_video_pipeline(colour_clips, clip, tmp_path):
    videos, y = colour_clips
    pipe = make_video_classifier(
        random_state=0,
        features__n_frames=2,
        features__frame_size=32,
        features__max_epochs=0,
        gru__max_epochs=20,
    )
    groups = [f"camera {number // 2 % 3}" for number in range(12)]
    model = SelectiveClassifierCV(pipe, criterion="coverage", target=0.7, cv=2)
    model.fit(videos, y, groups=groups)
    expected = model.predict(videos)
    assert set(expected) <= {"bright", "dark", "unknown"}
    assert model.predict(videos[:2]).tolist() == expected[:2].tolist()
    assert model.predict([VideoClip(videos[0], 0, 0.2)]).shape == (1,)
    save_model(model, tmp_path / "model.skops")
    loaded = load_model(tmp_path / "model.skops")
    np.testing.assert_array_equal(loaded.predict(videos), expected)
    loaded.threshold_ = 1.1  # nothing is above
    served = ServedModel(loaded, [str(clip.parent)])
    assert served.predict([str(clip)])["label"].tolist() == ["unknown"]
    served = ServedModel(loaded, [str(clip.parent)], output="labels")
    assert served.predict([str(clip)]).tolist() == ["unknown"]


@pytest.mark.parametrize(
    ("params", "labels", "options", "message"),
    [
        ({}, [0, 1] * 10, {}, "set it for example to -1"),
        ({"unknown_label": -1}, ["a", "b"] * 10, {}, "for example to 'unknown'"),
        ({}, ["a"] * 20, {}, "at least two classes"),
        ({}, ["a"] * 19 + ["b"], {}, r"a fold lack the classes \['b'\]"),
        ({}, ["a", "b"] * 10, {"groups": ["a", "b"] * 10},
         "n_splits=5|or add groups with"),  # the first in newer scikit-learn
        ({"cv": 2}, ["a", "b"] * 10, {"groups": ["a", "b"] * 10}, r"or add groups with"),
        ({"cv": ShuffleSplit(2)}, ["a", "b"] * 10, {}, "exactly once"),
        ({"cv": 11}, ["a", "b"] * 10, {}, "cv=11: n_splits=11 cannot be greater"),
        ({"target": 0}, ["a", "b"] * 10, {}, "target"),
        ({"criterion": "recall"}, ["a", "b"] * 10, {}, "criterion"),
        ({"estimator": FrozenEstimator(LogisticRegression().fit([[0], [1]], ["a", "b"]))},
         ["a", "b", "c", "unknown"] * 5, {}, r"\['c'\] in y are not classes"),
    ],
)  # fmt: skip
def test_errors_name_the_remedy(params, labels, options, message):
    X = np.arange(20.0)[:, None]
    model = SelectiveClassifierCV(**{"estimator": LogisticRegression(), **params})
    with pytest.raises(ValueError, match=message):
        model.fit(X, labels, **options)
    assert not hasattr(model, "threshold_")


@pytest.mark.parametrize("method", ["temperature", "sigmoid"])
def test_a_class_that_the_estimator_does_not_learn_is_an_error(method):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(30, 3, 4)).astype(np.float32)
    y = np.array(["a", "b", "c"] * 10)
    X[y == "b", :] = np.nan
    model = SelectiveClassifierCV(GRUClassifier(2, frame_dim=4, max_epochs=1), method=method, cv=2)
    with pytest.warns(UserWarning, match="no frame"), pytest.raises(ValueError, match=r"\['b'\]"):
        model.fit(X, y)
