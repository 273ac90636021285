"""Random augmentation of training clips."""

from __future__ import annotations

import torch
from torch import nn

from ..networks import Normalisation, normalise

__all__ = ["augment"]


def augment(frames: torch.Tensor, normalisation: Normalisation, augmentation: str) -> torch.Tensor:
    """Normalise clips and vary them at random, all frames of a clip alike.

    Parameters
    ----------
    frames : Tensor of shape (n, T, H, W, 3), uint8
        Clips.
    normalisation : ((float, float, float), (float, float, float))
        Mean and standard deviation of the pixels.
    augmentation : {"light", "strong"}
        Strength of the augmentation, see `train_backbone`.

    Returns
    -------
    Tensor of shape (n * T, 3, H, W), float32
        Input of the network.
    """
    n, n_frames = frames.shape[:2]
    if augmentation == "strong":
        images = _warp(normalise(frames.flatten(0, 1), normalisation), n_frames)
    else:
        images = normalise(_shift(frames).flatten(0, 1), normalisation)
    contrast = 0.8 + 0.4 * torch.rand(n, 1, 1, 1)
    brightness = 0.4 * torch.rand(n, 1, 1, 1) - 0.2
    contrast = contrast.repeat_interleave(n_frames, 0).to(frames.device)
    return images * contrast + brightness.repeat_interleave(n_frames, 0).to(frames.device)


def _shift(frames: torch.Tensor) -> torch.Tensor:
    """Shift each clip by up to 1/32 of its size and repeat its edge."""
    n, n_frames, height, width, _ = frames.shape

    def indices(length: int) -> torch.Tensor:
        reach = length // 32
        shift = torch.randint(-reach, reach + 1, (n, 1))
        return (torch.arange(length) + shift).clamp(0, length - 1).to(frames.device)

    rows, columns = indices(height)[:, None, :, None], indices(width)[:, None, None, :]
    clip = torch.arange(n, device=frames.device)[:, None, None, None]
    frame = torch.arange(n_frames, device=frames.device)[None, :, None, None]
    return frames[clip, frame, rows, columns]


def _warp(images: torch.Tensor, n_frames: int) -> torch.Tensor:
    """Mirror half of the clips, shift each by up to 1/10 and scale it by 4/5 to 6/5."""
    n = len(images) // n_frames
    scale = 0.8 + 0.4 * torch.rand(n)
    mirror = torch.where(torch.rand(n) < 0.5, -1.0, 1.0)
    shift = 0.4 * torch.rand(n, 2) - 0.2  # coordinates range from -1 to 1
    matrix = torch.zeros(n, 2, 3)
    matrix[:, 0, 0], matrix[:, 1, 1], matrix[:, :, 2] = mirror * scale, scale, shift
    matrix = matrix.repeat_interleave(n_frames, 0).to(images.device)
    # bfloat16 coordinates would be too coarse.
    with torch.autocast(images.device.type, enabled=False):
        grid = nn.functional.affine_grid(matrix, list(images.shape), align_corners=False)
        warped = nn.functional.grid_sample(
            images, grid, padding_mode="border", align_corners=False
        )
    return warped.contiguous(memory_format=torch.channels_last)
