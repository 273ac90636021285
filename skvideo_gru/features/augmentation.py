"""Random augmentation of training clips."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable
from typing import Any

import torch
from torch import nn

from ..networks import Normalisation, normalise

#: Names of the parts of the augmentation.
AUGMENTATIONS = ("shift", "scale", "rotate", "mirror", "light", "erase", "time", "mixup")

# Largest shift, as a share of the image.
_SHIFT = 0.15
# Largest factor of the size.
_SCALE = 1.4
# Largest angle, in radians.
_ROTATE = 0.15
# Share of the clips from which a rectangle is erased, and the range of its sides, as shares
# of the image.
_ERASED, _SIDES = 0.5, (0.15, 0.5)
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
    if not known or not all(name in AUGMENTATIONS for name in names):
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
        What varies, see `train_backbone`. ``"time"`` and ``"mixup"`` have no effect here.

    Returns
    -------
    Tensor of shape (n * T, 3, H, W), float32
        Input of the network.
    """
    n, n_frames = frames.shape[:2]
    images = normalise(frames.flatten(0, 1), normalisation)
    if not {"shift", "scale", "rotate", "mirror"}.isdisjoint(parts):
        images = _warp(images, n_frames, parts)
    if "light" in parts:
        contrast = 1 + _LIGHT * _symmetric(n, 1, 1, 1)
        brightness = _LIGHT * _symmetric(n, 1, 1, 1)
        contrast, brightness = (
            values.repeat_interleave(n_frames, 0).to(frames.device)
            for values in (contrast, brightness)
        )
        images = images * contrast + brightness
    if "erase" in parts:
        images = _erase(images, n_frames)
    return images


def _symmetric(*shape: int) -> torch.Tensor:
    """Draw numbers from -1 to 1."""
    return 2 * torch.rand(*shape) - 1


def _warp(images: torch.Tensor, n_frames: int, parts: Collection[str]) -> torch.Tensor:
    """Shift, scale, rotate and mirror each clip, and repeat its edge."""
    n = len(images) // n_frames
    matrix = torch.zeros(n, 2, 3)
    scale = torch.ones(n)
    if "scale" in parts:
        scale = torch.exp(math.log(_SCALE) * _symmetric(n))
    angle = _ROTATE * _symmetric(n) if "rotate" in parts else torch.zeros(n)
    matrix[:, 0, 0] = matrix[:, 1, 1] = scale * angle.cos()
    aspect = images.shape[-2] / images.shape[-1]  # both sides range from -1 to 1
    matrix[:, 0, 1] = -scale * angle.sin() * aspect
    matrix[:, 1, 0] = scale * angle.sin() / aspect
    if "mirror" in parts:
        matrix[:, :, 0] *= torch.where(torch.rand(n, 1) < 0.5, -1.0, 1.0)
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


def _erase(images: torch.Tensor, n_frames: int) -> torch.Tensor:
    """Replace a random rectangle of some clips by the mean of the normalisation."""
    n = len(images) // n_frames
    erased = torch.rand(n) < _ERASED
    sides = _SIDES[0] + (_SIDES[1] - _SIDES[0]) * torch.rand(n, 2)
    centres = torch.rand(n, 2)
    inside = []
    for axis, size in enumerate(images.shape[-2:]):
        places = (torch.arange(size) + 0.5) / size
        distance = (places - centres[:, axis, None]).abs()
        inside.append(distance < sides[:, axis, None] / 2)
    mask = inside[0][:, :, None] & inside[1][:, None, :] & erased[:, None, None]
    mask = mask.repeat_interleave(n_frames, 0)[:, None].to(images.device)
    return images.masked_fill(mask, 0.0)
