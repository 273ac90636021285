"""From frames to pictures of their outlines and of what moves."""

from __future__ import annotations

import numpy as np

__all__ = ["motion_pictures"]


def motion_pictures(frames: np.ndarray) -> np.ndarray:
    """Draw a clip's outlines and motion instead of its colours.

    Cameras differ in colours and light; how things move before them, less. Networks
    that see differences of frames were proposed in [1]_.

    Parameters
    ----------
    frames : ndarray of shape (T, H, W, 3), uint8
        A clip's frames.

    Returns
    -------
    ndarray of shape (T, H, W, 3), uint8
        Of every frame, as three channels: how steep its grey is, where the clip's
        greys have a standard deviation of a quarter of the scale; how much the grey
        has changed since the frame before (of the first frame, until the next); and how
        far it is from the clip's mean. Of all three the square root, so that
        little is seen beside much: a change by 1 of 255 gives 15, by 255 gives 255.

    Notes
    -----
    What gets lighter and what gets darker look alike. Black bars count as greys, and
    take strength from the outlines between them.

    References
    ----------
    .. [1] L. Wang et al., "Temporal Segment Networks: Towards Good Practices for Deep
       Action Recognition", 2016, arXiv:1608.00859.
    """
    grey = frames.mean(axis=3, dtype=np.float32)
    even = grey * (64 / max(grey.std(), 1.0))
    steepness = np.zeros_like(grey)
    steepness[:, :, 1:-1] += np.abs(even[:, :, 2:] - even[:, :, :-2])
    steepness[:, 1:-1] += np.abs(even[:, 2:] - even[:, :-2])
    before = np.abs(np.arange(len(grey)) - 1) % len(grey)  # of the first frame, the second
    channels = np.stack(
        [steepness, np.abs(grey - grey[before]), np.abs(grey - grey.mean(axis=0))], axis=3
    )
    return np.sqrt(255 * channels.clip(max=255)).astype(np.uint8)
