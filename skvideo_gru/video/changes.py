"""Read the changes between neighbouring frames of a video."""

from __future__ import annotations

from functools import partial

import numpy as np
from av.video.frame import VideoFrame

from .decoding import convert_frames, no_frame_reason
from .errors import VideoDecodeError
from .geometry import FrameConverter
from .sampling import select_frames
from .videos import Video, describe_video, video_bounds

__all__ = ["read_changes"]


def read_changes(
    video: Video,
    *,
    frame_size: tuple[int, int],
    detail: int,
    resize: str = "stretch",
    allow_partial: bool = False,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Read all frames of a video in grey, and the changes between neighbouring frames.

    Changes are computed at a larger size, because thin and distant objects disappear in
    small frames. The largest change of each block of pixels is returned. Only the small
    arrays are stored, two bytes per pixel and frame.

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
    grey : ndarray of shape (T, H, W), uint8
        Mean of red, green and blue.
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
    converter = partial(_ChangeConverter, frame_size, detail, resize)
    converted, times = convert_frames(video, select, converter, allow_partial)
    if not converted:
        raise VideoDecodeError(describe_video(video), no_frame_reason(start, end))
    both = np.stack(converted)
    return both[:, 0], both[:, 1], times - times[0]


class _ChangeConverter:
    """Convert frames, which must arrive in order, to grey and changes: (2, H, W), uint8."""

    def __init__(
        self, size: tuple[int, int], detail: int, resize: str, pixel_aspect: float
    ) -> None:
        larger = (size[0] * detail, size[1] * detail)
        self.size, self.detail = size, detail
        self.convert = FrameConverter(larger, resize, pixel_aspect)
        self.previous: np.ndarray | None = None

    def __call__(self, frame: VideoFrame) -> np.ndarray:
        grey = self.convert(frame).mean(axis=2, dtype=np.float32)
        change = np.zeros_like(grey) if self.previous is None else np.abs(grey - self.previous)
        self.previous = grey
        height, width = self.size
        blocks = (height, self.detail, width, self.detail)
        small = np.stack(
            [grey.reshape(blocks).mean(axis=(1, 3)), change.reshape(blocks).max(axis=(1, 3))]
        )
        return small.round().astype(np.uint8)
