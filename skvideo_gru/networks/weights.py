"""The backbone's weights: initialise, load, save, and build the network."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import torch

from ..extras import import_extra
from ..persistence import atomic_write
from .resnet import ResNet50
from .runtime import seeded

#: A backbone's state dict as NumPy arrays, independent of a device.
Weights = dict[str, np.ndarray]


def initial_weights(seed: int) -> Weights:
    """Initialise the weights of a ResNet-50 at random.

    Parameters
    ----------
    seed : int
        Random seed.

    Returns
    -------
    dict of str to ndarray
        A state dict.
    """
    with seeded(seed):
        return to_numpy(ResNet50().state_dict())


def load_weights(path: str | os.PathLike[str]) -> Weights:
    """Load a state dict in torchvision's layout for ``resnet50``.

    Parameters
    ----------
    path : str or os.PathLike
        A file written by ``torch.save``, or a ``.safetensors`` file, which requires the
        package safetensors. Neither can run code: the former is read with
        ``weights_only=True``. Entries ``fc.*`` are ignored.

    Returns
    -------
    dict of str to ndarray
        The state dict.

    Raises
    ------
    ValueError
        If the file is not a state dict or does not match ResNet-50.
    FileNotFoundError
        If the file does not exist.
    ImportError
        If safetensors is required and not installed.
    """
    name = os.fspath(path)
    if not os.path.exists(name):
        raise FileNotFoundError(f"weights={name!r}: the file does not exist.")
    reader = "torch.load(weights_only=True)"
    try:
        if name.endswith(".safetensors"):
            reader = "safetensors"
            state = _safetensors(name).load_file(name)
        else:
            state = torch.load(path, map_location="cpu", weights_only=True)
        others = sorted(key for key, value in state.items() if not torch.is_tensor(value))
        if others:
            raise ValueError(
                f"the entries {others[:3]} are not tensors; save only the state dict, for example "
                "checkpoint['state_dict']"
            )
        # The file may be in half precision.
        entries = {
            key: value.float() if value.is_floating_point() else value
            for key, value in state.items()
            if not key.startswith("fc.")
        }
    except ImportError:
        raise
    except Exception as error:  # neither library documents its errors for unreadable files
        reason = str(error).partition("\n")[0]  # torch then advises to trust the file
        raise ValueError(
            f"weights={name!r} cannot be read as a state dict by {reader}: {reason}. Pass a file "
            "that save_weights has written, or torch.save(network.state_dict(), path)."
        ) from error
    try:
        with torch.device("meta"):
            network = ResNet50()
        network.load_state_dict(entries, strict=True, assign=True)
    except RuntimeError as error:
        raise ValueError(
            f"weights={name!r} does not match a ResNet-50 in torchvision's layout: "
            f"{' '.join(str(error).split())}"
        ) from error
    weights = to_numpy(network.state_dict())
    for key, values in weights.items():
        if not np.isfinite(values).all():
            raise ValueError(
                f"weights={name!r}: {key} contains values that are not finite; use another file."
            )
    return weights


def save_weights(weights: Weights, path: str | os.PathLike[str]) -> None:
    """Save a state dict so that `load_weights` and torchvision can load it.

    Parameters
    ----------
    weights : dict of str to ndarray
        The state dict.
    path : str or os.PathLike
        File to write: in the format of the package safetensors with the extension
        ``.safetensors``, otherwise in torch's. An existing file is replaced when the new
        one is complete.

    Raises
    ------
    ImportError
        If safetensors is required and not installed.
    OSError
        If the file cannot be written.
    """
    name = os.fspath(path)
    state = {key: torch.tensor(array) for key, array in weights.items()}
    save = _safetensors(name).save_file if name.endswith(".safetensors") else torch.save
    with atomic_write(name) as unfinished:
        save(state, unfinished)


def _safetensors(name: str) -> Any:
    return import_extra(
        "safetensors.torch", extra="safetensors", purpose=f"the format of {name!r}"
    )


def to_numpy(state: dict[str, torch.Tensor]) -> Weights:
    """Copy a state dict to NumPy arrays.

    Parameters
    ----------
    state : dict of str to Tensor
        The state dict.

    Returns
    -------
    dict of str to ndarray
        The copy.
    """
    return {name: tensor.detach().cpu().numpy().copy() for name, tensor in state.items()}


def build_network(weights: Weights) -> ResNet50:
    """Build a ResNet-50 with given weights, in channels-last memory format.

    Parameters
    ----------
    weights : dict of str to ndarray
        The state dict.

    Returns
    -------
    ResNet50
        The network.
    """
    # The meta device avoids initialising weights that are replaced.
    with torch.device("meta"):
        network = ResNet50()
    state = {name: torch.tensor(array) for name, array in weights.items()}
    network.load_state_dict(state, assign=True)
    return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
