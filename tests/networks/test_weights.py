import os
import sys
from functools import partial

import joblib
import numpy as np
import pytest
import torch
from references import random_state, torchvision_shapes
from safetensors.torch import load_file, save_file

from skvideo_gru.networks.weights import initial_weights, load_weights, save_weights


def test_initial_weights_depend_only_on_the_seed():
    torch.manual_seed(5)
    first = initial_weights(0)
    torch.manual_seed(6)
    before = torch.get_rng_state()
    second, other = initial_weights(0), initial_weights(1)
    assert torch.equal(torch.get_rng_state(), before)
    assert all(np.array_equal(first[name], second[name]) for name in first)
    assert not np.array_equal(first["conv1.weight"], other["conv1.weight"])


def test_weights_in_torchvisions_layout_load(tmp_path):
    state = random_state()
    torch.save(state, tmp_path / "w.pth")
    weights = load_weights(tmp_path / "w.pth")
    assert not any(name.startswith("fc") for name in weights)
    for name, value in weights.items():
        np.testing.assert_array_equal(value, state[name].numpy())


@pytest.mark.parametrize("name", ["w.pth", "w.safetensors"])
def test_saved_weights_load_in_other_libraries(tmp_path, name):
    weights = initial_weights(3)
    (tmp_path / name).write_text("an older file")
    save_weights(weights, tmp_path / name)
    assert os.listdir(tmp_path) == [name]
    back = load_weights(tmp_path / name)
    assert list(back) == list(weights)
    for key, value in weights.items():
        np.testing.assert_array_equal(back[key], value)
    # Loaded by torch, without this package.
    load = partial(torch.load, weights_only=True) if name == "w.pth" else load_file
    state = load(tmp_path / name)
    shapes = torchvision_shapes()
    assert {key: tuple(value.shape) for key, value in state.items()} == {
        key: shape for key, shape in shapes.items() if not key.startswith("fc.")
    }


def test_safetensors_in_torchvisions_layout_load(tmp_path):
    state = random_state()
    save_file(state, tmp_path / "w.safetensors")
    for key, value in load_weights(tmp_path / "w.safetensors").items():
        np.testing.assert_array_equal(value, state[key].numpy())
    (tmp_path / "text.safetensors").write_text("no weights")
    with pytest.raises(
        ValueError, match=r"text\.safetensors.*cannot be read as a state dict by safetensors"
    ):
        load_weights(tmp_path / "text.safetensors")


def test_a_missing_package_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "safetensors.torch", None)
    (tmp_path / "w.safetensors").touch()
    for action in (load_weights, partial(save_weights, initial_weights(0))):
        with pytest.raises(ImportError, match=r"pip install 'skvideo-gru\[safetensors\]'"):
            action(tmp_path / "w.safetensors")


def test_a_failed_write_leaves_no_file(tmp_path):
    with pytest.raises(OSError, match="nowhere"):
        save_weights(initial_weights(0), tmp_path / "nowhere" / "w.pth")
    (tmp_path / "w.pth").mkdir()
    with pytest.raises(OSError, match=r"w\.pth"):
        save_weights(initial_weights(0), tmp_path / "w.pth")
    assert os.listdir(tmp_path) == ["w.pth"]


def test_errors_name_unsuitable_weights(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none\.pth"):
        load_weights(tmp_path / "none.pth")
    state = random_state()
    del state["layer3.2.bn1.bias"]
    torch.save(state, tmp_path / "short.pth")
    with pytest.raises(ValueError, match=r"short\.pth.*layer3\.2\.bn1\.bias"):
        load_weights(tmp_path / "short.pth")
    (tmp_path / "text.pth").write_text("no weights")
    message = r"text\.pth.*cannot be read as a state dict.*Pass a file that save_weights"
    with pytest.raises(ValueError, match=message):
        load_weights(tmp_path / "text.pth")
    torch.save([1, 2], tmp_path / "list.pth")
    with pytest.raises(ValueError, match=r"list\.pth.*cannot be read as a state dict"):
        load_weights(tmp_path / "list.pth")


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_weights_of_any_precision_load(tmp_path, dtype):
    state = random_state()
    floats = {k: v.to(dtype) if v.is_floating_point() else v for k, v in state.items()}
    torch.save(floats, tmp_path / "w.pth")
    for name, value in load_weights(tmp_path / "w.pth").items():
        assert value.dtype in (np.float32, np.int64)
        np.testing.assert_array_equal(value, floats[name].float().numpy())


def test_errors_name_weights_that_are_not_finite(tmp_path):
    state = random_state()
    state["layer1.0.conv1.weight"][0] = torch.nan
    torch.save(state, tmp_path / "w.pth")
    with pytest.raises(ValueError, match=r"layer1\.0\.conv1\.weight contains values that are not"):
        load_weights(tmp_path / "w.pth")


def test_threads_initialise_the_same_weights_and_restore_the_generator():
    seeds = list(range(8))
    expected = [initial_weights(seed)["conv1.weight"] for seed in seeds]
    before = torch.get_rng_state()
    tasks = (joblib.delayed(initial_weights)(seed) for seed in seeds)
    found = joblib.Parallel(4, backend="threading")(tasks)
    for weights, first in zip(found, expected, strict=True):
        np.testing.assert_array_equal(weights["conv1.weight"], first)
    assert torch.equal(torch.get_rng_state(), before)


def test_a_checkpoint_with_a_nested_state_dict_is_an_error(tmp_path):
    torch.save({"state_dict": random_state(), "epoch": 3}, tmp_path / "w.pth")
    with pytest.raises(ValueError, match=r"\['epoch', 'state_dict'\] are not tensors"):
        load_weights(tmp_path / "w.pth")
