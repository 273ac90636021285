"""Read the outlines in the frames of a video, and the changes between the frames."""

from __future__ import annotations

from functools import partial, reduce

import numpy as np
from av.video.frame import VideoFrame

from .decoding import convert_frames, no_frame_reason
from .errors import VideoDecodeError
from .geometry import FrameConverter
from .sampling import select_frames
from .videos import Video, describe_video, video_bounds

# Standard deviation of grey that outlines refer to.
_DEVIATION = 64.0


def read_outlines(
    video: Video,
    *,
    frame_size: tuple[int, int],
    detail: int,
    resize: str = "stretch",
    allow_partial: bool = False,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Read the outlines in all frames of a video, and the changes between the frames.

    Both are computed at a larger size, because thin and distant objects disappear in small
    frames. The largest value of each block of pixels is returned. Only the small arrays are
    stored, two bytes per pixel and frame.

    Parameters
    ----------
    video : str, os.PathLike, VideoClip, bytes, binary file object or ndarray
        The video.
    frame_size : (int, int)
        Height and width of the result.
    detail : int
        Factor by which the frames are larger than the result.
    resize : {"stretch", "crop", "pad"}, default="stretch"
        How frames are resized, see `read_frames`.
    allow_partial : bool, default=False
        Whether to use the frames before the first error of a corrupt video.

    Returns
    -------
    outlines : ndarray of shape (T, H, W), uint8
        Gradient of grey, the mean of red, green and blue: the sum of the absolute
        differences of the two neighbours in the row and in the column, at most 255. The
        grey of each frame is first scaled to a standard deviation of 64.
    changes : ndarray of shape (T, H, W), uint8
        Largest absolute difference of grey from the frame before; 0 for the first frame.
    times : ndarray of shape (T,), float64
        Seconds from the first of these frames.

    Raises
    ------
    VideoDecodeError
        If the video cannot be read or contains no frame in its time range.
    """
    start, end = video_bounds(video)

    select = partial(select_frames, sampling="all", start=start, end=end)
    converter = partial(OutlineConverter, frame_size, detail, resize)
    converted, times = convert_frames(video, select, converter, allow_partial)
    if not converted:
        raise VideoDecodeError(describe_video(video), no_frame_reason(start, end))
    both = np.stack(converted)
    return both[:, 0], both[:, 1], times - times[0]


class OutlineConverter:
    """Convert frames, which must arrive in order, to outlines and changes.

    Parameters
    ----------
    size : (int, int)
        Height and width of the result.
    detail : int
        Factor by which the frames are larger than the result.
    resize : {"stretch", "crop", "pad"}
        How frames are resized, see `read_frames`.
    pixel_aspect : float
        Width of a stored pixel divided by its height.
    """

    def __init__(
        self, size: tuple[int, int], detail: int, resize: str, pixel_aspect: float
    ) -> None:
        larger = (size[0] * detail, size[1] * detail)
        self.size, self.detail = size, detail
        self.convert = FrameConverter(larger, resize, pixel_aspect)
        self.previous: np.ndarray | None = None

    def __call__(self, frame: VideoFrame) -> np.ndarray:
        """Convert the next frame.

        Parameters
        ----------
        frame : av.VideoFrame
            A decoded frame.

        Returns
        -------
        ndarray of shape (2, H, W), uint8
            The outlines in the frame, and its change from the frame before; see
            `read_outlines`.
        """
        grey = _grey(self.convert(frame))
        change = np.zeros_like(grey) if self.previous is None else np.abs(grey - self.previous)
        self.previous = grey
        both = np.stack([_steepness(grey), change])
        rows = both.reshape(2, self.size[0], self.detail, -1).max(axis=2)
        # NumPy is slow on a last axis of a few elements.
        blocks = reduce(np.maximum, (rows[..., i :: self.detail] for i in range(self.detail)))
        return blocks.clip(max=255).round().astype(np.uint8)


def _grey(image: np.ndarray) -> np.ndarray:
    """Compute the mean of red, green and blue, faster than NumPy's mean of the last axis."""
    red, green, blue = np.moveaxis(image, 2, 0)
    return np.divide(red.astype(np.uint16) + green + blue, 3, dtype=np.float32)


def _steepness(grey: np.ndarray) -> np.ndarray:
    scaled = grey * (_DEVIATION / max(float(grey.std()), 1.0))
    steepness = np.zeros_like(scaled)
    steepness[:, 1:-1] += np.abs(scaled[:, 2:] - scaled[:, :-2])
    steepness[1:-1] += np.abs(scaled[2:] - scaled[:-2])
    return steepness
