import joblib
import numpy as np
import pytest
import skops.io
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, MinMaxScaler

from skvideo_gru import (
    GRUClassifier,
    ResNet50FrameFeaturizer,
    SelectiveClassifierCV,
    make_video_classifier,
)
from skvideo_gru.mlops.saving import load_model, portable, save_model


@pytest.fixture(scope="module")
def model():
    X = np.arange(24.0).reshape(4, 3, 2)
    return GRUClassifier(max_epochs=1, random_state=0).fit(X, [0, 1, 0, 1]), X


@pytest.mark.parametrize("name", ["model.skops", "model.joblib", "model"])
def test_saved_models_load(model, name, tmp_path):
    classifier, X = model
    save_model(classifier, tmp_path / name)
    assert [path.name for path in tmp_path.iterdir()] == [name]
    loaded = load_model(tmp_path / name, trust=name != "model.skops")
    np.testing.assert_array_equal(loaded.predict_proba(X), classifier.predict_proba(X))


class Malicious:
    ran = False

    def __reduce__(self):
        return setattr, (Malicious, "ran", True)


def test_an_untrusted_pickle_runs_no_code(tmp_path):
    joblib.dump(Malicious(), tmp_path / "model.joblib")
    with pytest.raises(ValueError, match=r"seems to be a pickle.*--trust"):
        load_model(tmp_path / "model.joblib")
    assert not Malicious.ran
    with pytest.raises(ValueError, match="expected a fitted classifier, found a NoneType"):
        load_model(tmp_path / "model.joblib", trust=True)
    assert Malicious.ran


def test_untrusted_types_are_named(tmp_path):
    pipe = make_pipeline(FunctionTransformer(eval))
    skops.io.dump(pipe, tmp_path / "model.skops")
    with pytest.raises(ValueError, match=r"types that may run code .*eval"):
        load_model(tmp_path / "model.skops")


def test_models_of_scikit_learn_need_no_trust(tmp_path):
    pipe = make_pipeline(MinMaxScaler(), LogisticRegression()).fit([[0.0], [1.0]], [0, 1])
    save_model(pipe, tmp_path / "model.skops")
    assert load_model(tmp_path / "model.skops").predict([[1.0]]) == [1]


def test_a_file_without_a_model(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"missing\.skops: the model file does not exist"):
        load_model(tmp_path / "missing.skops")
    with pytest.raises(FileNotFoundError, match="is a folder; pass the model file"):
        load_model(tmp_path)
    (tmp_path / "text.joblib").write_text("no model")
    for trust in (False, True):
        with pytest.raises(ValueError, match=r"text\.joblib: the file is no model; pass"):
            load_model(tmp_path / "text.joblib", trust=trust)
    (tmp_path / "short.joblib").write_bytes(b"\x80\x04")
    with pytest.raises(ValueError, match=r"short\.joblib: the model cannot be loaded"):
        load_model(tmp_path / "short.joblib", trust=True)


@pytest.mark.parametrize("compress", [0, "zlib", "gzip", "bz2", "lzma", "xz"])
def test_compressed_pickles_are_models(compress, tmp_path):
    joblib.dump(Malicious(), tmp_path / "model", compress=compress and (compress, 3))
    with pytest.raises(ValueError, match="seems to be a pickle"):
        load_model(tmp_path / "model")
    skops.io.dump(MinMaxScaler(), tmp_path / "scaler.skops")
    for name in ("half.skops", "half"):
        (tmp_path / name).write_bytes((tmp_path / "scaler.skops").read_bytes()[:500])
        with pytest.raises(ValueError, match=f"{name}: the file is damaged or incomplete"):
            load_model(tmp_path / name)
    with pytest.raises(ValueError, match="expected a fitted classifier, found a MinMaxScaler"):
        load_model(tmp_path / "scaler.skops")
    skops.io.dump(make_video_classifier(), tmp_path / "unfitted.skops")
    with pytest.raises(ValueError, match="the classifier is not fitted"):
        load_model(tmp_path / "unfitted.skops")


def test_the_cache_folder_of_a_step_of_any_name_is_not_saved():
    pipe = Pipeline([("video", ResNet50FrameFeaturizer(memory="cache", n_jobs=2))])
    with portable(pipe):
        assert (pipe["video"].memory, pipe["video"].n_jobs) == (None, None)
    assert (pipe["video"].memory, pipe["video"].n_jobs) == ("cache", 2)


@pytest.mark.parametrize("frozen", [False, True])
def test_no_fitted_part_contains_the_cache_folder(frozen):
    featurizer = ResNet50FrameFeaturizer(memory="cache", n_jobs=2)
    pipe = Pipeline([("video", featurizer)])
    model = SelectiveClassifierCV(FrozenEstimator(pipe) if frozen else clone(pipe))
    model.estimator_ = pipe  # what fit sets
    with portable(model):
        assert (featurizer.memory, featurizer.n_jobs) == (None, None)
        if not frozen:
            assert model.estimator["video"].memory is None
    assert (featurizer.memory, featurizer.n_jobs) == ("cache", 2)
