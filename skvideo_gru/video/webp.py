"""Read animated WebP with Pillow, because FFmpeg does not decode it."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

import numpy as np
from av.video.frame import VideoFrame
from PIL import Image, ImageSequence

from . import opening
from .errors import VideoDecodeError
from .videos import Video, describe_video


def is_webp(video: Video) -> bool:
    """Return whether a video is a WebP file.

    Parameters
    ----------
    video : str, os.PathLike, VideoClip, bytes or binary file object
        The video.

    Returns
    -------
    bool
        Whether it begins with the signature of WebP.

    Raises
    ------
    VideoDecodeError
        If it cannot be read.
    """
    with opening.open_file(video) as file:
        head = file.read(12)
    return head[:4] == b"RIFF" and head[8:] == b"WEBP"


def webp_frames(video: Video, allow_partial: bool) -> Iterator[VideoFrame]:
    """Decode a WebP file.

    Parameters
    ----------
    video : str, os.PathLike, VideoClip, bytes or binary file object
        The video.
    allow_partial : bool
        Whether to end at an error after the first frame instead of raising it. Pillow opens no
        truncated file.

    Yields
    ------
    av.VideoFrame
        Its frames in RGB without transparency, with their times.

    Raises
    ------
    VideoDecodeError
        If it cannot be read or is too large.
    """
    name = describe_video(video)
    frame, milliseconds = None, 0
    with opening.open_file(video) as file:
        try:
            with Image.open(file, formats=["WEBP"]) as image:
                opening.check_pixels(*image.size, name)
                for image_frame in ImageSequence.Iterator(image):
                    pixels = np.array(image_frame.convert("RGB"))
                    frame = VideoFrame.from_ndarray(pixels, format="rgb24")
                    frame.pts, frame.time_base = milliseconds, Fraction(1, 1000)
                    yield frame
                    milliseconds += int(image_frame.info.get("duration", 0))
        # Pillow raises OSErrors for unknown formats and for corrupt data.
        except (Image.DecompressionBombError, EOFError, OSError) as error:
            if not allow_partial or frame is None:
                raise VideoDecodeError(
                    name, f"the file cannot be decoded as WebP: {error}"
                ) from error
