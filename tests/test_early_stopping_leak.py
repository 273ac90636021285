"""Early stopping behind a backbone that is trained with labels."""

import numpy as np
import pytest
import sklearn
from references import tone_clips
from sklearn.base import clone
from sklearn.ensemble import VotingClassifier
from sklearn.exceptions import NotFittedError
from sklearn.feature_selection import SelectKBest
from sklearn.metrics import log_loss
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from skvideo_gru import (
    FrameWise,
    GRUClassifier,
    ResNet50FrameFeaturizer,
    VideoDecodeError,
    VideoPipeline,
    make_video_classifier,
)

BACKBONE = {"features__n_frames": 2, "features__frame_size": 32, "features__batch_size": 8}
STOPPING = {"gru__early_stopping": True, "gru__validation_fraction": 0.5}


def random_labels(n, n_features):
    """Noise features and unrelated labels."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, 2, n_features)).astype(np.float32)
    return X, rng.permutation(np.arange(n) % 2)


def steps_that_learn_labels():
    """Select the features that fit the labels best: like a trained backbone, they leak them."""
    gru = GRUClassifier(
        16, frame_dim=20, max_epochs=40, lr=0.03, random_state=0,
        early_stopping=True, validation_fraction=0.4, n_iter_no_change=5,
    )  # fmt: skip
    select = FrameWise(SelectKBest(k=20), frame_dim=2000)
    return [("select", select), ("scale", FrameWise(StandardScaler(), 20)), ("gru", gru)]


def test_random_labels_are_not_predicted_in_validation():
    X, y = random_labels(60, 2000)
    leaking = Pipeline(steps_that_learn_labels()).fit(X, y)["gru"].history_
    held_out = VideoPipeline(steps_that_learn_labels()).fit(X, y)["gru"].history_
    assert min(record["valid_loss"] for record in leaking) < 0.55
    assert min(record["valid_loss"] for record in held_out) > 0.9 * np.log(2)
    assert len(held_out) < 20


def test_no_step_sees_the_labels_of_held_out_videos(monkeypatch):
    videos = tone_clips(16)
    y = np.random.default_rng(0).permutation(np.arange(16) % 2)
    pipe = make_video_classifier(random_state=0, features__max_epochs=1, gru__max_epochs=2)
    pipe.set_params(**BACKBONE, **STOPPING, gru__label_smoothing=0.0)
    seen = []
    fit_transform = ResNet50FrameFeaturizer.fit_transform

    def watching(self, X, y=None):
        seen.append((X, y))
        return fit_transform(self, X, y)

    monkeypatch.setattr(ResNet50FrameFeaturizer, "fit_transform", watching)
    pipe.fit(videos, y)
    ((train, y_train),) = seen
    rows = [next(i for i in range(16) if videos[i] is video) for video in train]
    assert len(rows) == 8
    np.testing.assert_array_equal(y_train, y[rows])
    rest = np.setdiff1d(np.arange(16), rows)
    proba = pipe.predict_proba([videos[row] for row in rest])
    best = min(record["valid_loss"] for record in pipe["gru"].history_)
    assert best == pytest.approx(log_loss(y[rest], proba), rel=1e-4)


def test_a_trained_backbone_before_early_stopping_is_refused():
    videos, y = tone_clips(12), np.arange(12) % 2
    steps = [("features", ResNet50FrameFeaturizer(max_epochs=1)), ("scale", MinMaxScaler())]
    pipe = Pipeline([*steps, ("gru", GRUClassifier(max_epochs=1))])
    pipe.set_params(**BACKBONE, **STOPPING)
    for labels in (y, y.tolist()):
        with pytest.raises(ValueError, match="Use make_video_classifier or VideoPipeline"):
            pipe.fit(videos, labels)
        with pytest.raises(NotFittedError):
            pipe["gru"].predict(np.zeros((1, 2, 2048)))
    features = pipe[:-1].transform(videos)
    gru = pipe["gru"]
    with pytest.raises(ValueError, match="as X_val and y_val"):
        gru.fit(features, labels)
    gru.fit(features[:6], labels[:6], X_val=features[6:], y_val=labels[6:])
    clone(gru).set_params(early_stopping=False).fit(features, labels)
    # A backbone that was trained without labels leaks nothing.
    pipe.set_params(features__max_epochs=0).fit(videos, y)
    pipe.set_params(features__max_epochs=0).fit(videos, labels)


def test_a_failed_training_leaves_the_labels_unused():
    videos, y = tone_clips(12), np.arange(12) % 2
    features = ResNet50FrameFeaturizer(max_epochs=1, n_frames=2)
    with pytest.raises(VideoDecodeError, match="missing"):
        features.fit([*videos[:11], "missing.mp4"], y)
    gru = GRUClassifier(max_epochs=1, early_stopping=True, random_state=0)
    gru.fit(np.random.default_rng(0).random((12, 2, 4)), y)


def test_members_of_an_ensemble_do_not_affect_each_other():
    videos, y = tone_clips(12), np.arange(12) % 2
    trained = make_video_classifier(features__max_epochs=1, gru__max_epochs=1, **BACKBONE)
    untrained = Pipeline(
        make_video_classifier(features__max_epochs=0, gru__max_epochs=1, **BACKBONE).steps
    ).set_params(**STOPPING)
    held_out = clone(trained).set_params(**STOPPING)
    members = [("trained", trained), ("untrained", untrained), ("held_out", held_out)]
    model = VotingClassifier(members, voting="soft").fit(videos, y)
    assert model.predict_proba(videos).shape == (12, 2)


def test_groups_and_weights_are_split_with_the_videos():
    X, y = random_labels(40, 10)
    groups, weight = np.repeat(np.arange(10), 4), np.random.default_rng(0).uniform(0.1, 5, 40)
    seen = []

    class Recorder(StandardScaler):
        def fit(self, X, y=None, sample_weight=None):
            seen.append((X, sample_weight))
            return super().fit(X, sample_weight=sample_weight)

    gru = GRUClassifier(4, frame_dim=10, max_epochs=2, random_state=0)
    gru.set_params(early_stopping=True, validation_fraction=0.2)
    rows = X.reshape(40, -1)
    plain = VideoPipeline([("scale", Recorder()), ("gru", gru)])
    plain.fit(rows, y, gru__groups=groups, gru__sample_weight=weight, scale__sample_weight=weight)
    first = plain.predict_proba(rows)
    with sklearn.config_context(enable_metadata_routing=True):
        gru.set_fit_request(sample_weight=True, groups=True)
        scale = Recorder().set_fit_request(sample_weight=True)
        routed = VideoPipeline([("scale", scale), ("gru", clone(gru))])
        routed.fit(rows, y, groups=groups, sample_weight=weight)
    np.testing.assert_array_equal(routed.predict_proba(rows), first)
    for train, train_weight in seen:
        found = [np.flatnonzero((rows == row).all(axis=1))[0] for row in train]
        np.testing.assert_array_equal(train_weight, weight[found])
        assert len(found) == 32
        rest = np.setdiff1d(np.arange(40), found)
        assert set(groups[found]).isdisjoint(groups[rest])
        best = min(record["valid_loss"] for record in plain["gru"].history_)
        expected = log_loss(y[rest], first[rest], sample_weight=weight[rest])
        assert best == pytest.approx(expected, rel=1e-4)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        plain.fit(rows, y, gru__groups=groups[:-1])


def test_without_early_stopping_it_equals_scikit_learns_pipeline():
    X, y = random_labels(40, 10)
    rows = X.reshape(40, -1)
    gru = GRUClassifier(4, frame_dim=10, max_epochs=2, random_state=0)
    steps = [("scale", StandardScaler()), ("gru", gru)]
    ours, theirs = clone(VideoPipeline(steps)), clone(Pipeline(steps))
    np.testing.assert_array_equal(
        ours.fit(rows, y).predict_proba(rows), theirs.fit(rows, y).predict_proba(rows)
    )
    grid = {"gru__early_stopping": [False, True], "scale__with_mean": [True, False]}
    search = GridSearchCV(ours, grid, cv=2, error_score="raise").fit(rows, y)
    assert type(search.best_estimator_) is VideoPipeline
    assert len(search.cv_results_["params"]) == 4
    with pytest.raises(ValueError, match="'validation_fraction' parameter"):
        ours.set_params(gru__early_stopping=True, gru__validation_fraction=2.0).fit(rows, y)


@pytest.mark.parametrize("weights", ["sample_weight", "class_weight"])
def test_videos_without_weight_are_not_held_out(weights):
    X, y = random_labels(21, 10)
    y[0] = 2  # a class of one video cannot be stratified
    gru = GRUClassifier(4, frame_dim=10, max_epochs=2, random_state=0)
    gru.set_params(early_stopping=True, validation_fraction=0.5)
    fit_params = {}
    if weights == "class_weight":
        gru.set_params(class_weight={0: 1, 1: 1, 2: 0})
    else:
        fit_params["gru__sample_weight"] = np.minimum(np.arange(21), 1)
    rows = X.reshape(21, -1)
    pipe = VideoPipeline([("scale", StandardScaler()), ("gru", gru)]).fit(rows, y, **fit_params)
    held_out = 10
    assert pipe["scale"].n_samples_seen_ == 21 - held_out
    assert pipe["gru"].history_[0]["valid_loss"] > 0


@pytest.mark.parametrize("stopping", [False, True])
def test_routed_arguments_can_have_other_names(stopping):
    X, y = random_labels(20, 10)
    rows, weight = X.reshape(20, -1), np.arange(20.0)
    gru = GRUClassifier(4, frame_dim=10, max_epochs=1, random_state=0)
    gru.set_params(early_stopping=stopping, validation_fraction=0.5)
    with sklearn.config_context(enable_metadata_routing=True):
        scale = StandardScaler().set_fit_request(sample_weight="w")
        steps = [("scale", scale), ("gru", gru.set_fit_request(sample_weight=False))]
        pipe = VideoPipeline(steps).fit(rows, y, w=weight)
    assert pipe["scale"].n_samples_seen_ < (weight.sum() if stopping else weight.sum() + 1)
    if not stopping:
        expected = StandardScaler().fit(rows, sample_weight=weight).mean_
        np.testing.assert_allclose(pipe["scale"].mean_, expected)


def test_held_out_videos_without_frames_are_an_error_that_names_them():
    X, y = random_labels(20, 10)
    gru = GRUClassifier(4, frame_dim=10, max_epochs=1, early_stopping=True)
    with (
        pytest.warns(UserWarning, match="4 of 4 sequences in the validation data"),
        pytest.raises(ValueError, match="None of the 4 sequences in the validation data"),
    ):
        gru.fit(X, y, X_val=X[:4] * np.nan, y_val=y[:4])
