import pickle
import sys

import numpy as np
import pytest
import torch
from conftest import needs_gpu
from references import random_state, reference_features

from skvideo_gru.features.embedding import (
    FrameEmbedder,
    embedding_precision,
    frames_per_batch,
    numeric_precision,
)


def test_embedding_equals_an_independent_implementation():
    state = random_state()
    weights = {name: value.numpy() for name, value in state.items() if not name.startswith("fc.")}
    frames = np.random.default_rng(0).integers(0, 256, (5, 64, 48, 3), dtype=np.uint8)
    x = torch.tensor(frames).permute(0, 3, 1, 2) / 255
    mean = torch.tensor([0.485, 0.456, 0.406])[:, None, None]
    std = torch.tensor([0.229, 0.224, 0.225])[:, None, None]
    with torch.inference_mode():
        expected = reference_features(state, (x - mean) / std).numpy()
    features = FrameEmbedder(weights)(frames, "cpu")
    assert features.dtype == np.float32
    assert np.linalg.norm(features - expected) / np.linalg.norm(expected) < 1e-5


def weights_of(state):
    return {name: value.numpy() for name, value in state.items() if not name.startswith("fc.")}


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
def test_engines_agree(engine):
    weights = weights_of(random_state())
    frames = np.random.default_rng(0).integers(0, 256, (40, 96, 112, 3), dtype=np.uint8)
    expected = FrameEmbedder(weights)(frames, "cpu")
    features = FrameEmbedder(weights, engine=engine)(frames, "cpu")
    assert features.dtype == np.float32
    assert np.linalg.norm(features - expected) / np.linalg.norm(expected) < 1e-5


@pytest.mark.parametrize("engine", ["torch", "openvino"])
def test_bfloat16_is_accurate_to_two_digits(engine):
    weights = weights_of(random_state())
    frames = np.random.default_rng(0).integers(0, 256, (4, 64, 48, 3), dtype=np.uint8)
    exact = FrameEmbedder(weights, engine=engine)(frames, "cpu")
    embedder = FrameEmbedder(weights, engine=engine, mixed_precision=True)
    features = embedder(frames, "cpu")
    assert features.dtype == np.float32
    assert np.linalg.norm(features - exact) / np.linalg.norm(exact) < 0.02
    if engine == "torch":  # without bfloat16 in the processor, OpenVINO computes in float32
        assert not np.allclose(features, exact, rtol=1e-4)
    alone = np.concatenate([embedder(frame[None], "cpu") for frame in frames])
    assert np.linalg.norm(features - alone) / np.linalg.norm(exact) < 0.02


@needs_gpu
@pytest.mark.parametrize(("mixed_precision", "tolerance"), [(False, 0.005), (True, 0.02)])
def test_gpu_and_cpu_agree(mixed_precision, tolerance):
    weights = weights_of(random_state())
    frames = np.random.default_rng(0).integers(0, 256, (300, 64, 48, 3), dtype=np.uint8)
    exact = FrameEmbedder(weights)(frames, "cpu")
    features = FrameEmbedder(weights, mixed_precision=mixed_precision)(frames, "cuda")
    assert np.linalg.norm(features - exact) / np.linalg.norm(exact) < tolerance


def test_numeric_precisions_have_different_names(monkeypatch):
    cpu, gpu = torch.device("cpu"), torch.device("cuda")
    cudnn = torch.backends.cudnn
    monkeypatch.setattr(cudnn, "allow_tf32", True)
    names = [
        numeric_precision("torch", False, cpu),
        numeric_precision("torch", False, gpu),
        numeric_precision("torch", True, cpu),
        numeric_precision("openvino", True, cpu),
    ]
    assert len(set(names)) == 4
    assert numeric_precision("openvino", False, cpu) == names[0]
    assert numeric_precision("openvino", True, gpu) == names[2]  # on a GPU, torch is used
    monkeypatch.setattr(cudnn, "allow_tf32", False)
    assert numeric_precision("torch", False, gpu) == names[0]


def test_batches_are_larger_on_a_gpu():
    cpu, gpu = (frames_per_batch(112 * 224, torch.device(name)) for name in ("cpu", "cuda"))
    assert (cpu, gpu) == (16, 256)
    assert frames_per_batch(4096**2, torch.device("cpu")) == 1


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
def test_a_missing_engine_is_named(engine, monkeypatch):
    monkeypatch.setitem(sys.modules, engine, None)
    embedder = FrameEmbedder(weights_of(random_state()), engine=engine)
    with pytest.raises(ImportError, match=rf"pip install 'skvideo-gru\[{engine}\]'"):
        embedder(np.zeros((1, 32, 32, 3), np.uint8), "cpu")


def test_pixels_are_normalised():
    weights = weights_of(random_state())
    frames = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), dtype=np.uint8)
    embedder = FrameEmbedder(weights, ((0.5, 0.4, 0.3), (0.2, 0.3, 0.4)))
    pixels = frames / 255.0
    inputs = (pixels - [0.5, 0.4, 0.3]) / [0.2, 0.3, 0.4]
    with torch.inference_mode():
        x = torch.tensor(inputs, dtype=torch.float32).permute(0, 3, 1, 2)
        expected = reference_features(random_state(), x).numpy()
    features = embedder(frames, "cpu")
    assert np.linalg.norm(features - expected) / np.linalg.norm(expected) < 1e-5


def test_a_process_builds_the_network_once_for_many_tasks():
    embedder = FrameEmbedder(weights_of(random_state()))
    embedder(np.zeros((1, 32, 32, 3), np.uint8), "cpu")
    sent = pickle.dumps(embedder)
    first, second = pickle.loads(sent), pickle.loads(sent)
    assert first is second
    assert first._networks == {}
    for other in ({"engine": "onnxruntime"}, {"mixed_precision": True}):
        loaded = pickle.loads(pickle.dumps(FrameEmbedder(first.weights, **other)))
        assert loaded is not first
        assert (loaded.engine, loaded.mixed_precision) == tuple(
            ({"engine": "torch", "mixed_precision": False} | other).values()
        )


@pytest.mark.parametrize("engine", ["torch", "openvino", "onnxruntime"])
def test_automatic_precision_is_float32_in_onnx_runtime(monkeypatch, engine):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": True})
    expected = engine != "onnxruntime"
    assert embedding_precision(engine, "auto", torch.device("cpu")) is expected
    for value in (True, False):
        assert embedding_precision(engine, value, torch.device("cpu")) is value
