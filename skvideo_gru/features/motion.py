"""From frames to pictures of their outlines and of what moves."""

from __future__ import annotations

import numpy as np

__all__ = ["motion_detail", "motion_images"]

# Pixels that the longer side of a frame should have for thin outlines to show.
_FINE = 256
# What of a change is left in the next frame's picture.
_FADED = np.float32(0.9)


def motion_detail(height: int, width: int) -> int:
    """Choose how many times larger than their pictures frames should be.

    What is thin or far away is lost where frames shrink; of its outlines and motion
    something is left. `benchmarks/tank_wagon.md` shows what it brings.

    Parameters
    ----------
    height, width : int
        A picture's size.

    Returns
    -------
    int
        Factor of both sides: the largest with at most 256 pixels, or 1.
    """
    return max(1, _FINE // max(height, width))


def motion_images(frames: np.ndarray, detail: int = 1) -> np.ndarray:
    """Draw a clip's outlines and motion instead of its colours.

    Cameras differ in colours and light; how things move before them, less. Pictures of
    what has changed, and how long ago, were proposed in [1]_.

    Parameters
    ----------
    frames : ndarray of shape (T, H, W, 3), uint8
        A clip's frames.
    detail : int, default=1
        How many times larger than the pictures the frames are. A picture shows the
        strongest of so many rows and columns.

    Returns
    -------
    ndarray of shape (T, H / detail, W / detail, 3), uint8
        Of every frame, as three channels: how steep its grey is, where the clip's
        greys have a standard deviation of a quarter of the scale; where the grey has
        changed until then; and where it is going to change. A change counts a tenth
        less with each frame, and the greatest is shown. Of all three the square root,
        so that little is seen beside much: a change by 1 of 255 gives 15, by 255
        gives 255.

    Notes
    -----
    What gets lighter and what gets darker look alike. Black bars count as greys, and
    take strength from the outlines between them.

    References
    ----------
    .. [1] A. F. Bobick, J. W. Davis, "The Recognition of Human Movement Using Temporal
       Templates", IEEE Transactions on Pattern Analysis and Machine Intelligence 23(3),
       2001.
    """
    grey = frames.mean(axis=3, dtype=np.float32)
    even = grey * (64 / max(grey.std(), 1.0))
    steepness = np.zeros_like(grey)
    steepness[:, :, 1:-1] += np.abs(even[:, :, 2:] - even[:, :, :-2])
    steepness[:, 1:-1] += np.abs(even[:, 2:] - even[:, :-2])
    channels = np.stack([steepness, _changes_before(grey), _changes_before(grey[::-1])[::-1]], 3)
    n_frames, height, width = grey.shape
    blocks = channels.reshape(n_frames, height // detail, detail, width // detail, detail, 3)
    return np.sqrt(255 * blocks.max(axis=(2, 4)).clip(max=255)).astype(np.uint8)


def _changes_before(grey: np.ndarray) -> np.ndarray:
    """For every moment the greatest change until then, faded by its age."""
    changes = np.zeros_like(grey)
    for moment in range(1, len(grey)):
        change = np.abs(grey[moment] - grey[moment - 1])
        changes[moment] = np.maximum(change, _FADED * changes[moment - 1])
    return changes
