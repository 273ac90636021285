"""Random augmentation of training clips."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable
from typing import Any

import torch
from torch import nn

from ..networks import Normalisation, normalise

__all__ = ["AUGMENTATIONS", "augment", "check_augmentation"]

#: Names of the parts of the augmentation.
AUGMENTATIONS = ("shift", "scale", "mirror", "light", "time")

# Largest shift, as a share of the image.
_SHIFT = 0.1
# Largest factor of the size.
_SCALE = 1.2
# Largest relative change of contrast, and of brightness in standard deviations.
_LIGHT = 0.2


def check_augmentation(augmentation: Any) -> tuple[str, ...]:
    """Check the parameter `augmentation`.

    Parameters
    ----------
    augmentation : iterable of str or None
        Names of parts; None for none.

    Returns
    -------
    tuple of str
        The names in a fixed order.

    Raises
    ------
    ValueError
        If it is not a collection of known names.
    """
    names = () if augmentation is None else augmentation
    known = isinstance(names, Iterable) and not isinstance(names, str)
    if not known or not set(names) <= set(AUGMENTATIONS):
        raise ValueError(
            f"augmentation={augmentation!r} must be None or a list of names from "
            f"{list(AUGMENTATIONS)}."
        )
    return tuple(name for name in AUGMENTATIONS if name in set(names))


def augment(
    frames: torch.Tensor, normalisation: Normalisation, parts: Collection[str]
) -> torch.Tensor:
    """Normalise clips and vary them at random, all frames of a clip alike.

    Parameters
    ----------
    frames : Tensor of shape (n, T, H, W, 3), uint8
        Clips.
    normalisation : ((float, float, float), (float, float, float))
        Mean and standard deviation of the pixels.
    parts : collection of str
        What varies: ``"shift"``, ``"scale"``, ``"mirror"``, ``"light"``, see
        `train_backbone`. ``"time"`` has no effect here.

    Returns
    -------
    Tensor of shape (n * T, 3, H, W), float32
        Input of the network.
    """
    n, n_frames = frames.shape[:2]
    images = normalise(frames.flatten(0, 1), normalisation)
    if not {"shift", "scale", "mirror"}.isdisjoint(parts):
        images = _warp(images, n_frames, parts)
    if "light" in parts:
        contrast = 1 + _LIGHT * _symmetric(n, 1, 1, 1)
        brightness = _LIGHT * _symmetric(n, 1, 1, 1)
        contrast, brightness = (
            values.repeat_interleave(n_frames, 0).to(frames.device)
            for values in (contrast, brightness)
        )
        images = images * contrast + brightness
    return images


def _symmetric(*shape: int) -> torch.Tensor:
    """Draw numbers from -1 to 1."""
    return 2 * torch.rand(*shape) - 1


def _warp(images: torch.Tensor, n_frames: int, parts: Collection[str]) -> torch.Tensor:
    """Shift, scale and mirror each clip, and repeat its edge."""
    n = len(images) // n_frames
    matrix = torch.zeros(n, 2, 3)
    scale = torch.ones(n)
    if "scale" in parts:
        scale = torch.exp(math.log(_SCALE) * _symmetric(n))
    matrix[:, 0, 0] = matrix[:, 1, 1] = scale
    if "mirror" in parts:
        matrix[:, 0, 0] *= torch.where(torch.rand(n) < 0.5, -1.0, 1.0)
    if "shift" in parts:
        matrix[:, :, 2] = 2 * _SHIFT * _symmetric(n, 2)  # coordinates range from -1 to 1
    matrix = matrix.repeat_interleave(n_frames, 0).to(images.device)
    # bfloat16 coordinates would be too coarse.
    with torch.autocast(images.device.type, enabled=False):
        grid = nn.functional.affine_grid(matrix, list(images.shape), align_corners=False)
        warped = nn.functional.grid_sample(
            images, grid, padding_mode="border", align_corners=False
        )
    return warped.contiguous(memory_format=torch.channels_last)
