import json
import sys

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from sklearn.decomposition import PCA
from sklearn.ensemble import VotingClassifier
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import (
    MaxAbsScaler,
    MinMaxScaler,
    Normalizer,
    RobustScaler,
    StandardScaler,
)

from skvideo_gru import (
    FrameWise,
    VideoClip,
    VideoPipeline,
    export_onnx,
    make_video_classifier,
    read_frames,
)
from skvideo_gru.mlops.exporting import _affine, _connect_lengths, _network, _transformers
from skvideo_gru.networks import GRUNetwork, to_onnx
from skvideo_gru.networks.gru import POOLINGS

SMALL = {
    "features__n_frames": 6,
    "features__frame_size": 32,
    "features__max_epochs": 0,
    "gru__max_epochs": 2,
}


def run(path, **inputs):
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return session.run(["probabilities"], inputs)[0]


def test_onnx_runtime_and_python_agree(order_data, order_model, tmp_path):
    search = GridSearchCV(order_model, {"gru__lr": [0.01]}, cv=2, error_score="raise")
    model = search.fit(order_data.data, order_data.target)
    path = tmp_path / "model.onnx"
    export_onnx(model, path)
    assert [file.name for file in tmp_path.iterdir()] == ["model.onnx"]
    frames = np.stack([read_frames(video, n_frames=6, frame_size=32) for video in order_data.data])
    expected = model.predict_proba(order_data.data)
    assert np.ptp(expected) > 1e-3
    found = run(path, frames=frames)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4)
    np.testing.assert_allclose(run(path, frames=frames[:1]), expected[:1], rtol=0, atol=1e-4)


def test_the_file_describes_its_frames_and_classes(order_model, tmp_path):
    export_onnx(order_model, tmp_path / "model.onnx")
    model = onnx.load(tmp_path / "model.onnx")
    onnx.checker.check_model(model, full_check=True)
    assert {opset.domain: opset.version for opset in model.opset_import} == {"": 17}
    metadata = {entry.key: entry.value for entry in model.metadata_props}
    assert json.loads(metadata.pop("classes")) == order_model.classes_.tolist()
    assert metadata.pop("skvideo_gru_version")
    assert metadata == {
        "modality": "rgb",
        "sampling": "uniform",
        "n_frames": "6",
        "frame_size": "[32, 32]",
        "resize": "stretch",
    }
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx")
    (inputs,) = session.get_inputs()
    assert (inputs.name, inputs.type) == ("frames", "tensor(uint8)")
    assert inputs.shape == ["n", 6, 32, 32, 3]


def test_videos_of_different_lengths(order_data, tmp_path):
    videos = [VideoClip(v, 0, 0.3 + 0.2 * i) for i, v in enumerate(order_data.data)]
    pipe = make_video_classifier(
        random_state=0,
        **SMALL,
        features__sampling="fps",
        features__fps=6,
        features__modality="motion",
        gru__pooling="last",
        gru__bidirectional=True,
    )
    expected = pipe.fit(videos, order_data.target).predict_proba(videos)
    export_onnx(pipe, tmp_path / "model.onnx")
    images = [pipe["features"].read_frames(video) for video in videos]
    lengths = np.array([len(each) for each in images])
    assert lengths.min() < lengths.max() == 6
    frames = np.full((len(videos), 6, 32, 32, 3), 99, np.uint8)
    for padded, each in zip(frames, images, strict=True):
        padded[: len(each)] = each
    found = run(tmp_path / "model.onnx", frames=frames, lengths=lengths)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4)
    alone = run(tmp_path / "model.onnx", frames=images[0][None], lengths=lengths[:1])
    np.testing.assert_allclose(alone, expected[:1], rtol=0, atol=1e-4)
    metadata = {e.key: e.value for e in onnx.load(tmp_path / "model.onnx").metadata_props}
    assert (metadata["modality"], metadata["fps"]) == ("motion", "6.0")


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("pooling", POOLINGS)
def test_a_gru_stops_at_the_length_of_each_sequence(pooling, bidirectional):
    torch.manual_seed(0)
    network = GRUNetwork(
        5, 3, 4, 2, bidirectional, pooling=pooling, delta_weight=9.0, fc_sizes=(6,)
    ).eval()
    examples = {"sequences": torch.zeros(2, 7, 5), "lengths": torch.tensor([7, 7])}
    axes = {"sequences": {0: "n", 1: "t"}, "lengths": {0: "n"}, "probabilities": {0: "n"}}
    exported = onnx.load_from_string(to_onnx(network, examples, "probabilities", axes))
    _connect_lengths(exported.graph, onnx.helper)
    for n_frames, lengths in ((7, [2, 7, 1]), (6, [4]), (3, [3, 3])):
        sequences = torch.randn(len(lengths), n_frames, 5)
        with torch.inference_mode():
            expected = network(sequences, torch.tensor(lengths)).numpy()
        found = run(
            exported.SerializeToString(),
            sequences=sequences.numpy(),
            lengths=np.array(lengths),
        )
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("scaler", "frame_wise"),
    [
        (scaler, frame_wise)
        for scaler in (
            MinMaxScaler(),
            MinMaxScaler((-1, 3), clip=True),
            MaxAbsScaler(),
            RobustScaler(),
            RobustScaler(with_centering=False),
            StandardScaler(),
            StandardScaler(with_std=False),
        )
        for frame_wise in (False, True)
    ]
    + [
        (PCA(3, whiten=True), True),
        (PCA(3), True),
        (make_pipeline(StandardScaler(), "passthrough", PCA(2)), True),
    ],
)
def test_layers_scale_as_scikit_learn(scaler, frame_wise):
    rng = np.random.default_rng(0)
    X = rng.normal(rng.normal(size=4), rng.random(4) + 0.5, (20, 3, 4)).astype(np.float32)
    later = X * 1.5  # beyond the range of the training data
    step = FrameWise(scaler, frame_dim=4) if frame_wise else scaler
    step.fit(X.reshape(20, 12))
    expected = step.transform(later.reshape(20, 12)).reshape(20, 3, -1)
    found = torch.from_numpy(later)
    for transformer, of_frames in _transformers(step):
        assert of_frames == frame_wise
        found = _affine(transformer, "scale", 1 if of_frames else 3)(found)
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-5, atol=1e-5)


def refit(order_data, scale, kind=VideoPipeline, **params):
    steps = make_video_classifier(random_state=0, **SMALL).steps
    pipe = kind(steps).set_params(scale=scale, **params)
    return pipe.fit(order_data.data, order_data.target)


def test_models_that_cannot_be_exported(order_data, order_model, tmp_path):
    path = tmp_path / "model.onnx"
    pca = PCA(4)
    # A VideoPipeline tells the GRU the number of features; a plain Pipeline does not.
    for scale, message in (
        (FrameWise(pca), "fitted on 2 features per frame, but the step before it returns 4"),
        (pca, "'scale' contains PCA, which cannot be exported"),
    ):
        with pytest.raises(ValueError, match=message):
            export_onnx(refit(order_data, scale, Pipeline, gru__frame_dim=2), path)
    normalised = refit(order_data, FrameWise(Normalizer()))
    with pytest.raises(ValueError, match="'scale' contains Normalizer"):
        export_onnx(normalised, path)
    voting = VotingClassifier([("one", order_model)], voting="soft")
    for model in (voting, order_model["gru"], order_model[:-1]):
        with pytest.raises(ValueError, match="Expected a pipeline from make_video_classifier"):
            export_onnx(model, path)
    with pytest.raises(NotFittedError):
        export_onnx(make_video_classifier(), path)
    with pytest.raises(FileNotFoundError, match="does not exist; create it"):
        export_onnx(order_model, tmp_path / "missing" / "model.onnx")
    assert list(tmp_path.iterdir()) == []


def test_a_scaler_that_has_never_seen_the_last_frames(order_data):
    videos = [VideoClip(video, 0, 0.5) for video in order_data.data]
    pipe = make_video_classifier(random_state=0, **SMALL, features__sampling="fps")
    with pytest.warns(RuntimeWarning, match="All-NaN"):
        pipe.set_params(scale=MinMaxScaler(), features__fps=4).fit(videos, order_data.target)
    with pytest.raises(ValueError, match="no training video has as many frames as n_frames"):
        _network(pipe)


def test_onnx_is_required(order_model, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ImportError, match=r"pip install 'skvideo-gru\[onnxruntime\]'"):
        export_onnx(order_model, tmp_path / "model.onnx")
