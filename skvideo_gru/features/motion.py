"""Images that show where a video changes."""

from __future__ import annotations

import numpy as np

# Pixels of the longer side of the frames between which changes are computed.
_DETAIL_SIZE = 128
# Length of the time before and after an image, in distances between sampled images.
_REACH = 4


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
    outlines: np.ndarray | None, changes: np.ndarray, indices: np.ndarray, step: float
) -> np.ndarray:
    """Create images of the outlines in frames and of the changes before and after them.

    Outlines and changes differ less between cameras than colours do. An image with several
    moments as channels follows [1]_; the largest change of a time span is a form of the
    motion-energy image [2]_.

    Parameters
    ----------
    outlines : ndarray of shape (T, H, W), uint8, or None
        Outlines in all frames, see `read_outlines`. With None, the images show the changes
        during the frame instead.
    changes : ndarray of shape (T, H, W), uint8
        Change of each frame from the frame before; 0 for the first frame.
    indices : ndarray of shape (n,), int64
        The frames to show.
    step : float
        Distance between sampled frames, in frames.

    Returns
    -------
    ndarray of shape (n, H, W, 3), uint8
        Three channels: the outlines in the frame, or the largest change from half a step
        before it to half a step after it; the largest change in the four steps before it;
        and in the four steps after it. A value `v` is shown as
        ``sqrt(255 * v)``, so that small values are visible.

    References
    ----------
    .. [1] S. Kim et al., "Capturing Temporal Information in a Single Frame: Channel
       Sampling Strategies for Action Recognition", 2022, arXiv:2201.10394.
    .. [2] A. F. Bobick, J. W. Davis, "The Recognition of Human Movement Using Temporal
       Templates", IEEE Transactions on Pattern Analysis and Machine Intelligence 23(3),
       2001.
    """
    reach = max(1, round(_REACH * step))
    half = max(1, round(step / 2))
    images = np.empty((len(indices), *changes.shape[1:], 3), np.uint8)
    last = len(changes) - 1
    for image, index in zip(images, indices.tolist(), strict=True):
        if outlines is None:
            image[..., 0] = changes[max(index - half, 0) : index + half + 1].max(axis=0)
        else:
            image[..., 0] = outlines[index]
        end = max(index, min(1, last))
        image[..., 1] = changes[max(end - reach + 1, 0) : end + 1].max(axis=0)
        start = min(index + 1, last)
        image[..., 2] = changes[start : start + reach].max(axis=0)
    return np.sqrt(255 * images.astype(np.float32)).round().astype(np.uint8)
