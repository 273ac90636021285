"""The initial weights that come with the package, learned from generated clips."""

from __future__ import annotations

import os
from functools import cache
from importlib.resources import files

import numpy as np

from ..persistence import atomic_write
from .weights import Weights

# Bits of a weight. With 6, the error of a convolution's weights is 3 % of their size.
_LARGEST = 2 ** (6 - 1) - 1
_SCALE = "/scale"


@cache
def motion_weights() -> Weights:
    """Load the weights of a backbone that was trained on 12,900 generated clips.

    ``examples/pretraining.py`` has trained it on clips of `make_motion_clips`.

    Returns
    -------
    dict of str to ndarray
        A state dict, which may not be changed.
    """
    with files(__package__).joinpath("motion_weights.npz").open("rb") as file:
        arrays = dict(np.load(file, allow_pickle=False))
    weights = {}
    for name, values in arrays.items():
        if name.endswith(_SCALE):
            continue
        if name + _SCALE in arrays:
            values = values.astype(np.float32) * arrays[name + _SCALE]
        values.flags.writeable = False
        weights[name] = values
    return weights


def pack_weights(weights: Weights, path: str | os.PathLike[str]) -> None:
    """Write weights to a small file, as `motion_weights` reads it.

    The weights of each filter of a convolution are rounded to 63 equidistant values.

    Parameters
    ----------
    weights : dict of str to ndarray
        The state dict.
    path : str or os.PathLike
        The file to write, with the extension ``.npz``.
    """
    arrays = {}
    for name, values in weights.items():
        arrays[name] = values
        if values.ndim > 1:
            largest = abs(values).max(axis=tuple(range(1, values.ndim)), keepdims=True)
            scale = np.maximum(largest, np.finfo(np.float32).tiny) / _LARGEST
            arrays[name] = (values / scale).round().astype(np.int8)
            arrays[name + _SCALE] = scale
    with atomic_write(path) as unfinished, open(unfinished, "wb") as file:
        np.savez_compressed(file, **arrays)  # type: ignore[arg-type]
