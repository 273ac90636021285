import os
import sys
from functools import partial

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from test_resnet import random_state, reference_features, torchvision_shapes

from skvideo_gru.backbone import (
    FrameEmbedder,
    _augment,
    _normalise,
    initial_weights,
    load_weights,
    save_weights,
    train_backbone,
)


def tone_clips(n=16, n_frames=3, size=32):
    """Noise clips: even ones dark, odd ones bright."""
    rng = np.random.default_rng(0)
    base = np.array([60, 190])[np.arange(n) % 2]
    noise = rng.normal(0, 20, (n, n_frames, size, size, 3))
    return list((base[:, None, None, None, None] + noise).clip(0, 255).astype(np.uint8))


def order_clips(n=12, n_frames=4, size=32):
    """Clips that get brighter (even ones) or darker."""
    light = np.linspace(30, 220, n_frames)[None, :].repeat(n, 0)
    light[1::2] = light[1::2, ::-1]
    clips = light[:, :, None, None, None] + np.zeros((n, n_frames, size, size, 3))
    return list(clips.astype(np.uint8))


def test_initial_weights_depend_on_the_seed_alone():
    torch.manual_seed(5)
    first = initial_weights(0)
    torch.manual_seed(6)
    before = torch.get_rng_state()
    second, other = initial_weights(0), initial_weights(1)
    assert torch.equal(torch.get_rng_state(), before)
    assert all(np.array_equal(first[name], second[name]) for name in first)
    assert not np.array_equal(first["conv1.weight"], other["conv1.weight"])


def test_weights_of_torchvisions_layout_load(tmp_path):
    state = random_state()
    torch.save(state, tmp_path / "w.pth")
    weights = load_weights(tmp_path / "w.pth")
    assert not any(name.startswith("fc") for name in weights)
    for name, value in weights.items():
        np.testing.assert_array_equal(value, state[name].numpy())


@pytest.mark.parametrize("name", ["w.pth", "w.safetensors"])
def test_saved_weights_load_elsewhere(tmp_path, name):
    weights = initial_weights(3)
    (tmp_path / name).write_text("an older file")
    save_weights(weights, tmp_path / name)
    assert os.listdir(tmp_path) == [name]
    back = load_weights(tmp_path / name)
    assert list(back) == list(weights)
    for key, value in weights.items():
        np.testing.assert_array_equal(back[key], value)
    # As torch's users read them, without this package.
    load = partial(torch.load, weights_only=True) if name == "w.pth" else load_file
    state = load(tmp_path / name)
    shapes = torchvision_shapes()
    assert {key: tuple(value.shape) for key, value in state.items()} == {
        key: shape for key, shape in shapes.items() if not key.startswith("fc.")
    }


def test_safetensors_of_torchvisions_layout_load(tmp_path):
    state = random_state()
    save_file(state, tmp_path / "w.safetensors")
    for key, value in load_weights(tmp_path / "w.safetensors").items():
        np.testing.assert_array_equal(value, state[key].numpy())
    (tmp_path / "text.safetensors").write_text("no weights")
    with pytest.raises(ValueError, match=r"text\.safetensors.*that safetensors can read"):
        load_weights(tmp_path / "text.safetensors")


def test_a_missing_package_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "safetensors.torch", None)
    (tmp_path / "w.safetensors").touch()
    for action in (load_weights, partial(save_weights, initial_weights(0))):
        with pytest.raises(ImportError, match=r"pip install 'skvideo-gru\[safetensors\]'"):
            action(tmp_path / "w.safetensors")


def test_a_file_that_cannot_be_written_leaves_nothing(tmp_path):
    with pytest.raises(OSError, match="nowhere"):
        save_weights(initial_weights(0), tmp_path / "nowhere" / "w.pth")
    (tmp_path / "w.pth").mkdir()
    with pytest.raises(OSError, match=r"w\.pth"):
        save_weights(initial_weights(0), tmp_path / "w.pth")
    assert os.listdir(tmp_path) == ["w.pth"]


def test_weights_that_do_not_fit_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none\.pth"):
        load_weights(tmp_path / "none.pth")
    state = random_state()
    del state["layer3.2.bn1.bias"]
    torch.save(state, tmp_path / "short.pth")
    with pytest.raises(ValueError, match=r"short\.pth.*layer3\.2\.bn1\.bias"):
        load_weights(tmp_path / "short.pth")
    (tmp_path / "text.pth").write_text("no weights")
    with pytest.raises(ValueError, match=r"text\.pth.*no state dict"):
        load_weights(tmp_path / "text.pth")
    torch.save([1, 2], tmp_path / "list.pth")
    with pytest.raises(ValueError, match=r"list\.pth.*no state dict"):
        load_weights(tmp_path / "list.pth")


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


def test_augmentation_treats_the_frames_of_a_clip_alike():
    clip = np.random.default_rng(0).integers(0, 256, (1, 32, 32, 3), dtype=np.uint8)
    clips = torch.tensor(np.stack([clip.repeat(4, 0)] * 3))
    with torch.random.fork_rng():
        torch.manual_seed(0)
        out = _augment(clips).reshape(3, 4, 3, 32, 32)
    for frame in range(1, 4):
        assert torch.equal(out[:, 0], out[:, frame])
    assert not torch.equal(out[0], out[1])
    plain = _normalise(clips[0])
    assert 0.2 < (out[0] - plain).abs().mean() < 2.0


@pytest.mark.parametrize(
    ("objective", "clips"), [("frame", tone_clips()), ("clip", order_clips())]
)
def test_training_moves_every_weight_and_lowers_the_loss(objective, clips):
    y = np.arange(len(clips)) % 2
    options = {"objective": objective, "batch_size": 16, "lr": 1e-3, "device": "cpu"}
    start, _ = train_backbone(clips, y, max_epochs=1, seed=0, **{**options, "lr": 1e-12})
    weights, history = train_backbone(clips, y, max_epochs=4, seed=0, **options)
    for name, value in weights.items():
        if not name.endswith("num_batches_tracked"):
            assert not np.allclose(value, start[name], rtol=0, atol=1e-9), name
    assert [record["epoch"] for record in history] == [1, 2, 3, 4]
    assert history[-1]["train_loss"] < history[0]["train_loss"]


def test_training_is_a_function_of_its_seed():
    clips, y = tone_clips(6), np.arange(6) % 2
    options = {"max_epochs": 1, "batch_size": 8, "device": "cpu"}
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first, _ = train_backbone(clips, y, seed=0, **options)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    second, _ = train_backbone(clips, y, seed=0, **options)
    third, _ = train_backbone(clips, y, seed=1, **options)
    for name in first:
        np.testing.assert_allclose(first[name], second[name], rtol=1e-4, atol=1e-6)
    assert not np.allclose(first["conv1.weight"], third["conv1.weight"], atol=1e-3)


def test_training_starts_from_given_weights():
    clips, y = tone_clips(4), np.arange(4) % 2
    start = initial_weights(7)
    end, _ = train_backbone(clips, y, weights=start, max_epochs=1, lr=1e-12, device="cpu")
    np.testing.assert_allclose(end["conv1.weight"], start["conv1.weight"], atol=1e-6)
    assert end["layer1.0.bn3.weight"].mean() > 0.9  # no zero initialisation
