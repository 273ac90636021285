import os
import subprocess
import sys
from pathlib import Path

import joblib
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import MinMaxScaler
from sklearn.utils._param_validation import InvalidParameterError

from skvideo_gru import (
    FrameWise,
    GRUClassifier,
    ResNet50FrameFeaturizer,
    VideoPipeline,
    make_video_classifier,
)
from skvideo_gru.features import reading

SETTINGS = {
    "features__n_frames": 3,
    "features__frame_size": 32,
    "features__max_epochs": 0,
    "gru__hidden_size": 8,
    "gru__max_epochs": 20,
    "gru__lr": 0.01,
}


def test_the_standard_pipeline():
    pipe = make_video_classifier(
        memory="cache",
        random_state=3,
        device="cpu",
        n_jobs=2,
        mixed_precision="auto",
        verbose=1,
        gru__hidden_size=128,
    )
    assert list(pipe.named_steps) == ["features", "scale", "gru"]
    assert isinstance(pipe["features"], ResNet50FrameFeaturizer)
    assert isinstance(pipe["scale"], FrameWise)
    assert isinstance(pipe["scale"].transformer, MinMaxScaler)
    assert isinstance(pipe["gru"], GRUClassifier)
    params = pipe.get_params()
    assert params["features__memory"] == "cache"
    assert params["features__n_jobs"] == 2
    assert params["gru__hidden_size"] == 128
    for step in ("features", "gru"):
        shared = {"random_state": 3, "device": "cpu", "verbose": 1, "mixed_precision": "auto"}
        for name, value in shared.items():
            assert params[f"{step}__{name}"] == value


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("hidden_size", r"did you mean gru__hidden_size\?"),
        ("gru__hiden_size", r"did you mean gru__hidden_size\?"),
        ("feature__sampling", r"did you mean features__sampling\?"),
        ("lr", "did you mean gru__lr or features__lr"),
        ("gru__epochs", "did you mean gru__max_epochs or features__max_epochs"),
        ("xyz", "see its get_params"),
    ],
)
def test_unknown_parameters_get_the_nearest_names(name, hint):
    with pytest.raises(ValueError, match=f"no parameter '{name}'; {hint}"):
        make_video_classifier(**{name: 3})


@pytest.mark.parametrize("name", ["gru__pooling", "gru__lr", "scale__frame_dim", "features__lr"])
@pytest.mark.parametrize("stopping", [False, True])
def test_the_values_of_all_steps_are_checked_before_a_video_is_read(name, stopping):
    pipe = make_video_classifier(gru__early_stopping=stopping, **{name: "avg"})
    parameter = name.partition("__")[2]
    with pytest.raises(InvalidParameterError, match=f"'{parameter}' parameter .* Got 'avg'"):
        pipe.fit(["missing.mp4"] * 4, ["a", "b"] * 2)


@pytest.mark.parametrize(
    ("params", "arguments", "message"),
    [
        ({"gru__fc_sizes": (0,)}, {}, "must contain positive ints"),
        ({"gru__net_params": {"train_split": None}}, {}, "must not contain 'train_split'"),
        ({"gru__callbacks": [print]}, {}, "must contain callbacks of skorch"),
        ({"scale__frame_dim": 2047}, {}, "scale__frame_dim=2047 does not divide the 40960"),
        (
            {"scale": "passthrough", "features__n_frames": 1, "gru__frame_dim": 4096},
            {},
            "gru__frame_dim=4096 does not divide the 2048",
        ),
        ({"gru__device": "gpu"}, {}, "gpu"),
        ({"gru__class_weight": {"A": 2}}, {}, r"classes \['A'\] of class_weight are not in y"),
        ({}, {"gru__groups": [1, 1, 2, 2]}, "only with early_stopping=True"),
        ({}, {"gru__sample_weight": [1, 2]}, "inconsistent numbers of samples"),
    ],
)
def test_what_the_classifier_receives_is_checked_before_a_video_is_read(
    params, arguments, message
):
    with pytest.raises(ValueError, match=message):
        make_video_classifier(**params).fit(["missing.mp4"] * 4, ["a", "b"] * 2, **arguments)


def test_a_step_can_be_replaced_and_configured_together():
    pipe = make_video_classifier(
        scale__transformer__n_components=3,
        scale__transformer=PCA(),
        scale=FrameWise(MinMaxScaler()),
    )
    assert pipe["scale"].transformer.n_components == 3


def test_the_standard_pipeline_classifies_videos(colour_clips):
    videos, y = colour_clips
    pipe = make_video_classifier(random_state=0, **SETTINGS).fit(videos[:8], y[:8])
    assert pipe.score(videos[8:], y[8:]) == 1.0
    assert pipe.predict_proba(videos[8:]).shape == (4, 2)


def test_a_pipeline_with_scikit_learns_scaler(colour_clips):
    videos, y = colour_clips
    steps = [
        ("features", ResNet50FrameFeaturizer(random_state=0)),
        ("scale", MinMaxScaler()),
        ("gru", GRUClassifier(random_state=0)),
    ]
    pipe = Pipeline(steps).set_params(**SETTINGS).fit(videos[:8], y[:8])
    assert pipe.score(videos[8:], y[8:]) == 1.0


def test_a_search_decodes_each_video_once_for_each_backbone(colour_clips, tmp_path, monkeypatch):
    videos, y = colour_clips
    decoded = []

    for name in ("read_frames", "read_outlines"):
        read = getattr(reading, name)

        def counting(video, read=read, **options):
            if not isinstance(video, np.ndarray):
                decoded.append(video)
            return read(video, **options)

        monkeypatch.setattr(reading, name, counting)
    grid = {"gru__lr_decay": [0.9, 0.97], "gru__hidden_size": [4, 8]}
    settings = {**SETTINGS, "features__max_epochs": 1, "features__frames_per_clip": 2}
    settings["features__modality"] = "motion"
    pipe = make_video_classifier(memory=str(tmp_path / "trained"), random_state=0, **settings)
    search = GridSearchCV(pipe, grid, cv=2, error_score="raise").fit(videos, y)
    # One backbone for each of two folds and one for the refit.
    assert len(decoded) == 3 * len(videos)
    assert all(decoded.count(video) == 3 for video in videos)
    assert len(search.cv_results_["params"]) == 4
    decoded.clear()
    untrained = make_video_classifier(memory=str(tmp_path / "untrained"), **SETTINGS)
    GridSearchCV(untrained, grid, cv=2, error_score="raise").fit(videos, y)
    assert sorted(decoded) == sorted(videos)


def test_a_saved_pipeline_predicts_the_same_in_another_process(colour_clips, tmp_path):
    videos, y = colour_clips
    settings = {**SETTINGS, "features__max_epochs": 1, "features__batch_size": 8}
    pipe = make_video_classifier(random_state=0, **settings).fit(videos, y)
    joblib.dump(pipe, tmp_path / "model.joblib")
    code = (
        "import sys, joblib, numpy; pipe = joblib.load('model.joblib'); "
        "numpy.save('proba.npy', pipe.predict_proba(sys.argv[1:])); "
        "assert 'torch._dynamo' not in sys.modules"  # its import takes seconds
    )
    root = str(Path(reading.__file__).parents[2])
    subprocess.run(
        [sys.executable, "-c", code, *videos],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": root},
        check=True,
    )
    # The number of threads may differ in another process: equal up to rounding.
    elsewhere = np.load(tmp_path / "proba.npy")
    np.testing.assert_allclose(elsewhere, pipe.predict_proba(videos), rtol=0, atol=1e-6)


@pytest.mark.parametrize("early_stopping", [False, True])
def test_the_classifier_learns_the_features_per_frame_from_the_step_before(
    colour_clips, early_stopping
):
    videos, y = colour_clips
    stopping = {"gru__early_stopping": early_stopping, "gru__validation_fraction": 0.25}
    grid = {"scale__transformer__n_components": [2, 4]}
    pca = PCA(whiten=True, random_state=0)
    pipe = make_video_classifier(random_state=0, scale__transformer=pca, **SETTINGS, **stopping)
    search = GridSearchCV(pipe, grid, cv=2, error_score="raise").fit(videos, y)
    best = search.best_estimator_
    assert best["gru"].frame_dim_ == search.best_params_["scale__transformer__n_components"]
    known = clone(pipe).set_params(**search.best_params_, gru__frame_dim=best["gru"].frame_dim_)
    plain = VideoPipeline(known.steps) if early_stopping else Pipeline(known.steps)
    expected = plain.fit(videos, y).predict_proba(videos)
    np.testing.assert_allclose(best.predict_proba(videos), expected, rtol=0, atol=1e-4)
    with_names = clone(pipe).set_params(**search.best_params_).set_output(transform="pandas")
    found = with_names.fit(videos, y).predict_proba(videos)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4)
