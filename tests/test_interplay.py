"""The estimators in scikit-learn's meta-estimators."""

import re
import tomllib
from pathlib import Path

import numpy as np
import pytest
import sklearn
from references import order_data
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import StackingClassifier, VotingClassifier
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.frozen import FrozenEstimator
from sklearn.inspection import permutation_importance
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import get_scorer, log_loss, make_scorer, recall_score
from sklearn.model_selection import (
    FixedThresholdClassifier,
    GroupKFold,
    HalvingGridSearchCV,
    RandomizedSearchCV,
    TunedThresholdClassifierCV,
    cross_validate,
)
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import MinMaxScaler
from sklearn.utils import estimator_html_repr

from skvideo_gru import FrameWise, GRUClassifier, make_video_classifier
from skvideo_gru.answers import predicted_labels

SKLEARN = tuple(map(int, sklearn.__version__.split(".")[:2]))


def small_classifier(**options):
    return GRUClassifier(16, frame_dim=3, max_epochs=20, lr=0.01, random_state=0, **options)


@pytest.fixture(scope="module")
def rows():
    """Rows of 6 frames of 3 features each, labels, groups."""
    X, y = order_data(90)
    return X.reshape(90, -1), np.array(["falling", "rising"])[y], np.repeat(np.arange(9), 10)


def test_randomized_search(rows):
    X, y, _ = rows
    grid = {"hidden_size": [1, 16], "lr": [1e-5, 1e-2]}
    search = RandomizedSearchCV(
        small_classifier(), grid, n_iter=4, cv=3, random_state=0, error_score="raise"
    ).fit(X, y)
    assert search.best_params_ == {"hidden_size": 16, "lr": 1e-2}
    assert search.score(X, y) > 0.95


def test_halving_search_with_epochs_as_the_resource(rows):
    X, y, _ = rows
    pipe = Pipeline([("scale", FrameWise(MinMaxScaler(), 3)), ("gru", small_classifier())])
    search = HalvingGridSearchCV(
        pipe,
        {"gru__lr": [1e-5, 1e-4, 1e-2]},
        resource="gru__max_epochs",
        min_resources=5,
        max_resources=45,
        cv=3,
        random_state=0,
        error_score="raise",
    ).fit(X, y)
    assert search.n_resources_ == [5, 15]
    assert search.best_params_ == {"gru__lr": 1e-2, "gru__max_epochs": 15}
    assert search.best_estimator_["gru"].n_iter_ == 15


def test_cross_validation_with_groups(rows):
    X, y, groups = rows
    scores = cross_validate(
        small_classifier(), X, y, cv=GroupKFold(3), groups=groups,
        scoring=["accuracy", "neg_log_loss"], return_indices=True, error_score="raise",
    )  # fmt: skip
    for train, test in zip(*scores["indices"].values(), strict=True):
        assert set(groups[train]).isdisjoint(groups[test])
    assert scores["test_accuracy"].min() > 0.8


@pytest.mark.parametrize(
    "method",
    [
        "sigmoid",
        pytest.param(
            "temperature",
            marks=pytest.mark.skipif(SKLEARN < (1, 8), reason="new in scikit-learn 1.8"),
        ),
    ],
)
def test_calibration(rows, method):
    X, y, _ = rows
    model = CalibratedClassifierCV(small_classifier(), method=method, cv=3).fit(X, y)
    proba = model.predict_proba(X)
    np.testing.assert_allclose(proba.sum(axis=1), 1, rtol=1e-5)
    assert model.score(X, y) > 0.9


def test_a_tuned_threshold(rows):
    X, y, _ = rows
    scorer = get_scorer("recall_macro")
    model = TunedThresholdClassifierCV(small_classifier(), scoring=scorer, cv=3).fit(X, y)
    above = model.estimator_.predict_proba(X)[:, 1] >= model.best_threshold_
    np.testing.assert_array_equal(model.predict(X), np.where(above, "rising", "falling"))


@pytest.mark.parametrize("pos_label", ["rising", "falling"])
def test_labels_of_probabilities_are_those_of_a_threshold(rows, pos_label):
    X, y, _ = rows
    frozen = FrozenEstimator(small_classifier().fit(X, y))
    options = {"scoring": make_scorer(recall_score, pos_label=pos_label), "cv": "prefit"}
    for model in (
        FixedThresholdClassifier(frozen, threshold=0.99, pos_label=pos_label),
        FixedThresholdClassifier(frozen, threshold=0.01, pos_label=pos_label),
        TunedThresholdClassifierCV(frozen, refit=False, **options),
    ):
        proba = model.fit(X, y).predict_proba(X)
        for fitted in (model, Pipeline([("last", model)])):
            np.testing.assert_array_equal(predicted_labels(fitted, proba), model.predict(X))
        np.testing.assert_array_equal(model.predict_proba(X), proba)  # unchanged


def test_stacking(rows):
    X, y, _ = rows
    members = [("gru", small_classifier()), ("linear", LogisticRegression())]
    model = StackingClassifier(members, cv=3).fit(X, y)
    assert model.score(X, y) > 0.9
    assert model.transform(X).shape == (90, 2)


def test_soft_voting_of_pipelines(colour_clips):
    videos, y = colour_clips[0][:4], colour_clips[1][:4]
    options = {"features__n_frames": 2, "features__frame_size": 32, "features__max_epochs": 0}
    members = [
        (f"seed{seed}", make_video_classifier(random_state=seed, gru__max_epochs=3, **options))
        for seed in range(2)
    ]
    model = VotingClassifier(members, voting="soft").fit(videos, y)
    alone = [pipe.predict_proba(videos) for pipe in model.estimators_]
    assert not np.allclose(*alone)
    np.testing.assert_allclose(model.predict_proba(videos), np.mean(alone, axis=0), atol=1e-6)
    assert set(model.predict(videos)) <= {"bright", "dark"}


def test_the_importance_of_frames(rows):
    """Permuting a frame between videos matters at both ends, where the classes differ."""
    X, y, _ = rows
    model = small_classifier().fit(X, y)
    drops = []
    rng = np.random.default_rng(0)
    for frame in range(6):
        swapped = X.reshape(90, 6, 3).copy()
        swapped[:, frame] = swapped[rng.permutation(90), frame]
        drops.append(model.score(X, y) - model.score(swapped.reshape(90, -1), y))
    assert max(drops[0], drops[5]) > max(drops[2], drops[3])
    # Scikit-learn permutes single columns.
    columns = permutation_importance(model, X, y, n_repeats=3, random_state=0).importances_mean
    assert columns.shape == (18,)
    assert columns.max() > 0


@pytest.mark.skipif(
    SKLEARN < (1, 7), reason="scikit-learn 1.6 does not route weights through a Pipeline to score"
)
def test_routing_of_weights_and_groups(rows):
    X, y, groups = rows
    weight = np.where(y == "rising", 1e-6, 1.0)
    with sklearn.config_context(enable_metadata_routing=True):
        gru = small_classifier(early_stopping=True, validation_fraction=0.3)
        gru.set_fit_request(sample_weight=True, groups=True).set_score_request(sample_weight=True)
        scale = FrameWise(MinMaxScaler(), 3)
        pipe = Pipeline([("scale", scale), ("gru", gru)])
        model = pipe.fit(X, y, sample_weight=weight, groups=groups)
        assert set(model.predict(X)) == {"falling"}
        assert model.score(X, y, sample_weight=weight) > 0.99
        scores = cross_validate(
            pipe, X, y, cv=GroupKFold(3), error_score="raise",
            params={"sample_weight": weight, "groups": groups},
        )  # fmt: skip
        assert scores["test_score"].min() > 0.99


def test_a_pipeline_transforms_the_validation_set():
    X, y = order_data(60)
    X = 100 + 50 * X
    with sklearn.config_context(enable_metadata_routing=True):
        gru = GRUClassifier(8, max_epochs=4, random_state=0, early_stopping=True)
        gru.set_fit_request(X_val=True, y_val=True)
        steps = [("scale", FrameWise(MinMaxScaler())), ("gru", gru)]
        pipe = Pipeline(steps, transform_input=["X_val"])
        pipe.fit(X[:40], y[:40], X_val=X[40:], y_val=y[40:])
    best = min(record["valid_loss"] for record in pipe["gru"].history_)
    assert best == pytest.approx(log_loss(y[40:], pipe.predict_proba(X[40:])), rel=1e-4)


def test_a_pipeline_on_a_half_precision_memory_map_computes_in_float32(tmp_path):
    X, y = order_data(60)
    np.save(tmp_path / "X.npy", X.astype(np.float16))
    X = np.load(tmp_path / "X.npy", mmap_mode="r")
    pipe = Pipeline([("scale", FrameWise(MinMaxScaler())), ("gru", small_classifier())])
    assert pipe.fit(X, y).predict_proba(X).dtype == np.float32
    assert str(next(pipe["gru"].module_.parameters()).dtype) == "torch.float32"
    assert pipe.score(X, y) > 0.9


def test_set_output(rows):
    pd = pytest.importorskip("pandas")
    X, y, _ = rows
    names = [f"frame{frame}_{axis}" for frame in range(6) for axis in "xyz"]
    table = pd.DataFrame(X, columns=names)
    pipe = Pipeline([("scale", FrameWise(MinMaxScaler(), 3)), ("gru", small_classifier())])
    pipe.set_output(transform="pandas").fit(table, y)
    scaled = pipe["scale"].transform(table)
    assert list(scaled.columns) == names
    assert list(pipe["gru"].feature_names_in_) == names
    with pytest.raises(ValueError, match="feature names"):
        pipe.predict(table[names[::-1]])


def test_the_html_representation_links_to_the_documentation():
    html = estimator_html_repr(make_video_classifier())
    root = Path(__file__).parents[1]
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    address = project["urls"]["Documentation"]
    documented = (root / "docs" / "api.md").read_text().split()
    links = re.findall(rf'href="{re.escape(address)}generated/skvideo_gru\.(\w+)\.html"', html)
    assert set(links) == {"ResNet50FrameFeaturizer", "FrameWise", "GRUClassifier"}
    assert set(links) <= set(documented)
    assert "scikit-learn.org" in html  # MinMaxScaler's own page
