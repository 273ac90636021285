import gc
import tempfile
import tracemalloc
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn import config_context
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.feature_selection import SelectKBest
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import (
    Binarizer,
    MinMaxScaler,
    Normalizer,
    OneHotEncoder,
    StandardScaler,
)
from sklearn.utils.estimator_checks import parametrize_with_checks

from skvideo_gru import FrameWise


@parametrize_with_checks(
    [
        FrameWise(MinMaxScaler(), frame_dim=1),
        FrameWise(StandardScaler(), frame_dim=1),
        FrameWise(make_pipeline(MinMaxScaler(), PCA(1)), frame_dim=1),
    ]
)
def test_scikit_learn_contract(estimator, check):
    check(estimator)


@pytest.fixture
def sequences():
    X = np.random.default_rng(0).normal(size=(5, 4, 3)).astype(np.float32)
    X[1, 2:] = np.nan
    X[3] = np.nan
    return X


@pytest.mark.parametrize("transformer", [MinMaxScaler(), StandardScaler(), PCA(2)])
def test_output_equals_the_transformers_on_the_frames(sequences, transformer):
    real = ~np.isnan(sequences).all(axis=2)
    expected = clone(transformer).fit(sequences[real]).transform(sequences[real])
    out = FrameWise(transformer, frame_dim=3).fit_transform(sequences)
    assert out.shape == (5, 4, expected.shape[1])
    np.testing.assert_array_equal(out[real], expected)
    assert np.isnan(out[~real]).all()
    assert out.dtype == expected.dtype == np.float32
    assert not hasattr(transformer, "n_features_in_")


@pytest.mark.parametrize("transformer", [OneHotEncoder(), Binarizer()])
def test_sparse_and_integer_output_keeps_padding(transformer):
    X = np.array([[1, 2, 2], [2, 1, np.nan]])
    out = FrameWise(transformer, frame_dim=1).fit_transform(X)
    assert np.isnan(out.reshape(2, 3, -1)[1, 2]).all()
    assert np.isfinite(out.reshape(2, 3, -1)[0]).all()


def test_rows_and_sequences_give_the_same(sequences):
    flat = sequences.reshape(5, 12)
    scaler = FrameWise(MinMaxScaler(), frame_dim=3)
    folded, rows = scaler.fit_transform(sequences), scaler.fit_transform(flat)
    np.testing.assert_array_equal(rows, folded.reshape(5, 12))


def test_frames_beyond_the_training_length_are_scaled():
    train = np.array([[1.0, 3.0, np.nan]])
    test = np.array([[1.0, 2.0, 5.0]])
    scaler = FrameWise(MinMaxScaler(), frame_dim=1).fit(train)
    np.testing.assert_array_equal(scaler.transform(test), [[0.0, 0.5, 2.0]])


def test_rows_without_frames_are_accepted(sequences):
    scaler = FrameWise(MinMaxScaler(), frame_dim=3).fit(sequences)
    assert np.isnan(scaler.transform(sequences[3:4])).all()
    with pytest.raises(ValueError, match="contains no frame"):
        FrameWise(MinMaxScaler(), frame_dim=3).fit(sequences[3:4])


def test_targets_are_repeated_for_every_frame(sequences):
    class Recorder(TransformerMixin, BaseEstimator):
        def fit(self, X, y):
            self.y_ = y
            return self

        def transform(self, X):
            return X

    fitted = FrameWise(Recorder(), frame_dim=3).fit(sequences, list("abcde"))
    assert "".join(fitted.transformer_.y_) == "aaaabbcccceeee"


@pytest.mark.parametrize("scaler", [MinMaxScaler(), StandardScaler()])
def test_partial_fit_equals_fit(sequences, scaler):
    parts = FrameWise(scaler, frame_dim=3)
    for part in (sequences[:2], sequences[2:]):
        parts.partial_fit(part)
    whole = FrameWise(scaler, frame_dim=3).fit(sequences)
    np.testing.assert_allclose(parts.transform(sequences), whole.transform(sequences), rtol=1e-5)
    with pytest.raises(ValueError, match="contains no frame"):
        parts.partial_fit(sequences[3:4])


@pytest.mark.parametrize("transformer", [MinMaxScaler(), PCA(2), PCA(3)])
def test_inverse_transform_restores_frames(sequences, transformer):
    real = ~np.isnan(sequences).all(axis=2)
    fitted = FrameWise(transformer, frame_dim=3).fit(sequences)
    transformed = fitted.transform(sequences)
    expected = fitted.transformer_.inverse_transform(transformed[real])
    back = fitted.inverse_transform(transformed)
    np.testing.assert_allclose(back[real], expected, rtol=1e-6)
    assert np.isnan(back[~real]).all()
    rows = fitted.inverse_transform(transformed.reshape(5, -1))
    np.testing.assert_array_equal(rows, back.reshape(5, 12))


def test_only_methods_of_the_transformer_are_available():
    assert not hasattr(FrameWise(PCA(2)), "partial_fit")
    assert not hasattr(FrameWise(OneHotEncoder()), "partial_fit")
    assert hasattr(FrameWise(MinMaxScaler()), "partial_fit")
    assert not hasattr(FrameWise(Normalizer()), "inverse_transform")


def test_feature_names(sequences):
    frame = pd.DataFrame(sequences.reshape(5, 12), columns=[f"c{i}" for i in range(12)])
    scaler = FrameWise(MinMaxScaler(), frame_dim=3).set_output(transform="pandas")
    assert scaler.fit_transform(frame).columns.tolist() == frame.columns.tolist()
    assert scaler.fit(sequences.reshape(5, 12)).get_feature_names_out().tolist() == [
        f"x{i}" for i in range(12)
    ]
    pca = FrameWise(PCA(2), frame_dim=3).fit(sequences)
    expected = [f"frame{t}_pca{i}" for t in range(4) for i in range(2)]
    assert pca.get_feature_names_out().tolist() == expected


def test_supervised_selection_of_features():
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1], 10)
    X = rng.normal(size=(20, 4, 6))
    X[:, :, 2] += 3 * y[:, None]
    X[0, 2:] = np.nan
    selected = FrameWise(SelectKBest(k=1), frame_dim=6).fit_transform(X, y)
    np.testing.assert_array_equal(selected, X[:, :, 2:3])


def test_parameters_reach_the_inner_transformer():
    scaler = FrameWise(MinMaxScaler()).set_params(transformer__clip=True)
    assert scaler.transformer.clip


@pytest.mark.parametrize(
    ("parameters", "X", "message"),
    [
        ({"frame_dim": 5}, np.zeros((2, 12)), "12 columns, .*frame_dim=5"),
        ({"frame_dim": 0}, np.zeros((2, 12)), "'frame_dim' parameter"),
        ({"transformer": 3}, np.zeros((2, 12)), "'transformer' parameter"),
        ({"frame_dim": 3}, np.full((2, 12), np.inf), "infinity"),
    ],
)
def test_errors(parameters, X, message):
    with pytest.raises(ValueError, match=message):
        FrameWise(**{"transformer": MinMaxScaler(), **parameters}).fit(X)


def test_another_width_is_an_error(sequences):
    scaler = FrameWise(MinMaxScaler(), frame_dim=3).fit(sequences)
    with pytest.raises(ValueError, match="4 features per frame.*expecting 3"):
        scaler.transform(np.zeros((1, 2, 4)))
    with pytest.raises(ValueError, match="X has 9 features.*expecting 12"):
        scaler.transform(np.zeros((1, 9)))


def test_rows_without_frames_and_a_transformer_that_rejects_unknown_values():
    X = np.array([[1.0, 2.0], [2.0, np.nan]])
    coder = FrameWise(OneHotEncoder(), frame_dim=1).fit(X)
    codes = coder.transform(np.array([[np.nan, np.nan], [1.0, 2.0]]))
    np.testing.assert_array_equal(codes, [[np.nan] * 4, [1, 0, 0, 1]])
    back = coder.inverse_transform(codes)
    np.testing.assert_array_equal(back, [[np.nan, np.nan], [1, 2]])
    with pytest.raises(ValueError, match="3 features per frame, but the transformer outputs 2"):
        coder.inverse_transform(np.zeros((1, 2, 3)))


def as_memory_map(X, folder):
    np.save(folder / "X.npy", X)
    return np.load(folder / "X.npy", mmap_mode="r")


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
@pytest.mark.parametrize("form", [as_memory_map, lambda X, _: pd.DataFrame(X), lambda X, _: [*X]])
def test_half_precision_becomes_float32(method, form, tmp_path):
    X = np.random.default_rng(0).normal(size=(9, 12)).astype(np.float16)
    X[2, 6:] = np.nan
    scaler = FrameWise(MinMaxScaler(), frame_dim=3)
    out = getattr(scaler, method)(form(X, tmp_path)).transform(form(X, tmp_path))
    assert out.dtype == np.float32
    expected = FrameWise(MinMaxScaler(), frame_dim=3).fit_transform(X.astype(np.float32))
    np.testing.assert_array_equal(out, expected)
    assert scaler.inverse_transform(out.astype(np.float16)).dtype == np.float32


@pytest.mark.parametrize("scaler", [MinMaxScaler(), StandardScaler()])
def test_the_memory_for_half_precision_is_bounded(scaler, tmp_path):
    X = np.random.default_rng(0).normal(size=(100, 40 * 256)).astype(np.float16)
    X = as_memory_map(X, tmp_path)
    tracemalloc.start()
    try:
        FrameWise(scaler, frame_dim=256).fit_transform(X)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    # The converted input and the output in float32 are 4 times the map; in float64 8 times.
    assert peak < 7 * X.nbytes


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.int64])
def test_the_input_is_never_overwritten(dtype):
    X = np.arange(24).reshape(2, 12).astype(dtype)
    before = X.copy()
    fitted = FrameWise(StandardScaler(copy=False), frame_dim=3).fit(X)
    out = fitted.transform(X)
    fitted.inverse_transform(out)
    np.testing.assert_array_equal(X, before)
    np.testing.assert_array_equal(out, fitted.transform(X))
    empty = np.full((1, 12), np.nan)
    for _ in range(200):  # each would scale the frame that replaces missing ones
        fitted.transform(empty)
        fitted.inverse_transform(out)
    np.testing.assert_array_equal(fitted.transform(X), out)
    assert np.abs(fitted._a_frame).max() < 24


def test_integers_keep_their_precision():
    X = np.array([[2**24], [2**24 + 1], [2**24 + 2]])
    scaled = FrameWise(MinMaxScaler(), frame_dim=1).fit_transform(X)
    np.testing.assert_array_equal(scaled, MinMaxScaler().fit_transform(X))


@pytest.mark.parametrize("method", ["fit", "fit_transform", "partial_fit"])
def test_requested_metadata_is_routed_to_the_transformer(sequences, method):
    weight = np.array([1, 2, 3, 4, 5.0])
    with config_context(enable_metadata_routing=True):
        scaler = StandardScaler().set_fit_request(sample_weight=True)
        scaler.set_partial_fit_request(sample_weight=True)
        frame_wise = FrameWise(scaler)
        if method == "partial_fit":
            frame_wise.partial_fit(sequences, sample_weight=weight)
        else:
            pipe = Pipeline([("scale", frame_wise)])
            getattr(pipe, method)(sequences, sample_weight=weight)
        real = ~np.isnan(sequences[..., 0])
        of_frames = np.repeat(weight, real.sum(axis=1))
        expected = StandardScaler().fit(sequences[real], sample_weight=of_frames)
        np.testing.assert_allclose(frame_wise.transformer_.mean_, expected.mean_)
        with pytest.raises(ValueError, match="not explicitly set as requested"):
            FrameWise(StandardScaler()).fit(sequences, sample_weight=weight)
    with pytest.raises(ValueError, match="enable_metadata_routing=True"):
        FrameWise(scaler).fit(sequences, sample_weight=weight)


def test_classes_are_not_repeated_for_frames(sequences):
    class Classes(TransformerMixin, BaseEstimator):
        def fit(self, X, y=None):
            return self

        def partial_fit(self, X, y=None, classes=None, name=None):
            self.seen_ = classes, name
            return self

        def transform(self, X):
            return X

    with config_context(enable_metadata_routing=True):
        inner = Classes().set_partial_fit_request(classes=True, name=True)
        classes = ["a", "b", "c", "d", "e"]  # as many as videos
        frame_wise = FrameWise(inner).partial_fit(sequences, classes=classes, name="whole")
    assert frame_wise.transformer_.seen_ == (classes, "whole")


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_a_failing_fit_changes_nothing(sequences, method):
    frame_wise = FrameWise(StandardScaler())
    with pytest.raises(ValueError, match="contains no frame"):
        getattr(frame_wise, method)(np.full((2, 6, 7), np.nan))
    with pytest.raises(NotFittedError):
        frame_wise.transform(sequences)
    expected = frame_wise.fit_transform(sequences)
    with pytest.raises(ValueError, match="contains no frame|is expecting 3 features"):
        getattr(frame_wise, method)(np.full((2, 6, 7), np.nan))
    np.testing.assert_array_equal(frame_wise.transform(sequences), expected)


@pytest.fixture
def small_batches(monkeypatch):
    """Two sequences of three frames with four features in a batch."""
    monkeypatch.setattr("skvideo_gru.sequence.sequences._BATCH", 2 * 3 * 4 * 4)


@pytest.mark.parametrize("scaler", [MinMaxScaler(), StandardScaler(), PCA(2, random_state=0)])
@pytest.mark.parametrize("three_d", [False, True])
def test_large_sequences_are_scaled_in_batches(
    small_batches, tmp_path, monkeypatch, scaler, three_d
):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    X = np.random.default_rng(0).random((7, 3, 4), dtype=np.float32)
    X[1, 2:] = X[2:4] = np.nan  # a short sequence, and a batch without a frame
    X = X if three_d else X.reshape(7, 12)
    y = np.arange(7) % 2
    whole = FrameWise(scaler, frame_dim=4, max_nbytes=None)
    expected = whole.fit_transform(X, y)
    parts = FrameWise(scaler, frame_dim=4, max_nbytes=0)
    found = parts.fit_transform(X, y)
    assert str(tmp_path) in Path("/proc/self/maps").read_text()
    assert found.shape == expected.shape
    assert found.dtype == expected.dtype
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    if isinstance(scaler, MinMaxScaler):
        np.testing.assert_array_equal(found, expected)
    back = parts.inverse_transform(found)
    np.testing.assert_allclose(back, whole.inverse_transform(expected), rtol=1e-4, atol=1e-5)
    del found, back
    gc.collect()
    assert str(tmp_path) not in Path("/proc/self/maps").read_text()


def test_targets_of_batches_match_their_frames(small_batches):
    class Learner(MinMaxScaler):
        def partial_fit(self, X, y=None):
            self.pairs = [*getattr(self, "pairs", []), *zip(X[:, 0].tolist(), y, strict=True)]
            return super().partial_fit(X)

    X = np.broadcast_to(np.arange(5, dtype=np.float32)[:, None, None], (5, 3, 4)).copy()
    X[1, 1:] = np.nan
    parts = FrameWise(Learner(), max_nbytes=0).fit(X, np.arange(5))
    pairs = parts.transformer_.pairs
    assert len(pairs) == 13
    assert all(value == target for value, target in pairs)


def test_invalid_sequences_in_a_later_batch(small_batches):
    X = np.zeros((6, 3, 4), np.float32)
    X[4, 1, 2] = np.nan
    with pytest.raises(ValueError, match="NaN in sequence 4, frame 1"):
        FrameWise(MinMaxScaler(), max_nbytes=0).fit(X)
