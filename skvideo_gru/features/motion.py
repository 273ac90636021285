"""Images that show where a video changes."""

from __future__ import annotations

import numpy as np

__all__ = ["motion_detail", "motion_images"]

# Pixels of the longer side of the frames between which changes are computed.
_DETAIL_SIZE = 128
# Length of the time before and after an image, in distances between sampled images.
_REACH = 4
# Mean and standard deviation of the grey channel.
_GREY = 128.0, 48.0


def motion_detail(height: int, width: int) -> int:
    """Choose the factor between the frames, on which changes are computed, and the images.

    Thin and distant objects disappear in small frames, but their changes do not.

    Parameters
    ----------
    height, width : int
        Size of an image.

    Returns
    -------
    int
        Factor of both sides: the largest with at most 128 pixels, or 1.
    """
    return max(1, _DETAIL_SIZE // max(height, width))


def motion_images(
    grey: np.ndarray, changes: np.ndarray, indices: np.ndarray, step: float
) -> np.ndarray:
    """Create images of frames and of the changes before and after them.

    An image with several moments as channels follows [1]_, the largest change of a time
    span is a form of the motion-energy image [2]_.

    Parameters
    ----------
    grey : ndarray of shape (T, H, W), uint8
        All frames, see `read_changes`.
    changes : ndarray of shape (T, H, W), uint8
        Change of each frame from the frame before.
    indices : ndarray of shape (n,), int64
        The frames to show.
    step : float
        Distance between sampled frames, in frames.

    Returns
    -------
    ndarray of shape (n, H, W, 3), uint8
        Three channels: the frame in grey, with mean 128 and standard deviation 48; the
        largest change in the four steps before; and in the four steps after. A change
        `c` is shown as ``sqrt(255 * c)``, so that small changes are visible.

    References
    ----------
    .. [1] S. Kim et al., "Capturing Temporal Information in a Single Frame: Channel
       Sampling Strategies for Action Recognition", 2022, arXiv:2201.10394.
    .. [2] A. F. Bobick, J. W. Davis, "The Recognition of Human Movement Using Temporal
       Templates", IEEE Transactions on Pattern Analysis and Machine Intelligence 23(3),
       2001.
    """
    shown = np.sqrt(255 * changes[1:].astype(np.float32)).round().astype(np.uint8)
    if len(shown) == 0:  # a single frame
        shown = np.zeros_like(changes)
    reach = max(1, round(_REACH * step))
    images = np.empty((len(indices), *grey.shape[1:], 3), np.uint8)
    for image, index in zip(images, indices.tolist(), strict=True):
        image[..., 0] = _standardise(grey[index])
        # shown[k] is the change from frame k to frame k + 1.
        first = min(max(index - reach, 0), len(shown) - 1)
        image[..., 1] = shown[first : max(index, first + 1)].max(axis=0)
        first = min(index, len(shown) - 1)
        image[..., 2] = shown[first : first + reach].max(axis=0)
    return images


def _standardise(grey: np.ndarray) -> np.ndarray:
    mean, deviation = _GREY
    values = grey.astype(np.float32)
    scaled = mean + (values - values.mean()) * (deviation / max(float(values.std()), 4.0))
    return scaled.clip(0, 255)
