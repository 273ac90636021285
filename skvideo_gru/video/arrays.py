"""Videos that are arrays of decoded frames."""

from __future__ import annotations

import numpy as np

from .errors import VideoDecodeError
from .kinds import array_fault
from .videos import describe_video

#: Frames per second of arrays and of WebP files, which have no timestamps.
DEFAULT_RATE = 25.0


def check_array(video: np.ndarray) -> None:
    """Check that an array contains frames.

    Parameters
    ----------
    video : ndarray
        The array.

    Raises
    ------
    VideoDecodeError
        If it is not uint8 of shape (T, H, W, 3).
    """
    shaped = video.ndim == 4 and video.shape[-1] == 3 and all(video.shape[1:])
    if not shaped or video.dtype != np.uint8:
        raise VideoDecodeError(describe_video(video), array_fault(video))


def array_times(video: np.ndarray) -> np.ndarray:
    """Compute the times of the frames of an array.

    Parameters
    ----------
    video : ndarray of shape (T, H, W, 3), uint8
        The frames.

    Returns
    -------
    ndarray of shape (T,), float64
        Seconds from the first frame, at 25 frames per second.
    """
    return np.arange(len(video)) / DEFAULT_RATE
