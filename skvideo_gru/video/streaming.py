"""Decode the frames of a video one at a time, in constant memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import numpy as np
from av.video.frame import VideoFrame

from .arrays import array_times, check_array
from .errors import VideoDecodeError
from .in_order import choose_threads, open_frames, pixel_aspect, with_times
from .opening import open_video
from .packets import scan_packets
from .sampling import SLACK, frames_in_range
from .seeking import IndexMismatchError, decode_pts
from .videos import Video, video_bounds

T = TypeVar("T")

#: Turns the times of all frames into the frames to convert: an array of bool.
Wanted = Callable[[np.ndarray], np.ndarray]


class StreamRestartError(Exception):
    """A video has to be decoded in order, from the beginning."""


def stream_frames(
    video: Video,
    make_converter: Callable[[float], Callable[[VideoFrame], T]],
    wanted: Wanted | None = None,
    allow_partial: bool = False,
) -> Iterator[tuple[float, T | None]]:
    """Decode the frames of a video one at a time.

    If the packets of the file show the times of its frames, only the wanted frames are
    decoded, and the packets that they depend on. Otherwise all frames are decoded and
    converted.

    Parameters
    ----------
    video : str, os.PathLike, VideoClip, bytes, binary file object or ndarray
        The video.
    make_converter : callable
        Turns the width of a pixel divided by its height into a function that converts one
        frame. That function receives frames in order.
    wanted : callable, optional
        Turns the times of all frames, in seconds from the first, into an array of bool: the
        frames to convert. None decodes all frames in order.
    allow_partial : bool, default=False
        Whether the frames end at the first error of a corrupt video.

    Yields
    ------
    time : float
        Time of a frame in seconds from the video's first frame, until the end of the time
        range.
    converted : object or None
        The converted frame; None for some of the frames that are not wanted.

    Raises
    ------
    StreamRestartError
        If the packets of the video turn out not to show the times of its frames, only with
        `wanted`. Call the function without `wanted`.
    VideoDecodeError
        If the video cannot be read.
    """
    if isinstance(video, np.ndarray):
        check_array(video)
        convert, times = make_converter(1.0), array_times(video)
        mask = np.ones(len(video), bool) if wanted is None else wanted(times)
        for time, pixels, chosen in zip(times.tolist(), video, mask, strict=True):
            frame = VideoFrame.from_ndarray(np.ascontiguousarray(pixels), "rgb24")
            yield time, convert(frame) if chosen else None
        return
    if wanted is not None and not allow_partial:
        begun = False
        try:
            for item in _stream_by_index(video, make_converter, wanted):
                begun = True
                yield item
        except (IndexMismatchError, VideoDecodeError) as error:
            # Decoding in order shows whether the video is corrupt, and where.
            if begun:
                raise StreamRestartError from error
        if begun:
            return
    yield from _stream_in_order(video, make_converter, allow_partial)


def _stream_by_index(
    video: Any, make_converter: Callable[[float], Callable[[VideoFrame], Any]], wanted: Wanted
) -> Iterator[tuple[float, Any]]:
    _, end = video_bounds(video)
    with open_video(video) as (container, stream):
        index = scan_packets(container, stream, end)
        if not index.trusted:
            return
        _, stop = frames_in_range(index.times, end=end)
        times = index.times[:stop]
        mask = wanted(times)
        choose_threads(stream, index.sliced)
        convert = make_converter(pixel_aspect(stream))
        frames = decode_pts(container, stream, index, np.sort(index.pts)[:stop][mask], convert)
        for time, chosen in zip(times, mask, strict=True):
            yield float(time), next(frames)[1] if chosen else None


def _stream_in_order(
    video: Any,
    make_converter: Callable[[float], Callable[[VideoFrame], Any]],
    allow_partial: bool,
) -> Iterator[tuple[float, Any]]:
    _, end = video_bounds(video)
    with open_frames(video, allow_partial) as opened:
        convert = make_converter(opened.pixel_aspect)
        for time, frame in with_times(opened.frames, opened.rate):
            if end is not None and time >= end - SLACK:
                return
            yield time, convert(frame)
