"""Decode all frames of a video in order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from .arrays import DEFAULT_RATE
from .opening import open_video
from .timeline import Timeline, decode_frames, frame_rate
from .videos import Video
from .webp import is_webp, webp_frames

#: Number of threads with which FFmpeg decodes one large video; 0 lets FFmpeg choose.
DECODER_THREADS: ContextVar[int] = ContextVar("DECODER_THREADS", default=0)

# Below this size a second thread costs more than it saves.
_PIXELS_FOR_THREADS = 1280 * 720


@dataclass(frozen=True)
class OpenFrames:
    """All frames of an open video, in order.

    Attributes
    ----------
    frames : iterator of av.VideoFrame
        The frames. A frame is valid until the next one is requested.
    pixel_aspect : float
        Width of a pixel divided by its height.
    rate : float
        Frames per second, for frames without a timestamp.
    timeline : Timeline, optional
        The time line that makes the timestamps continuous, if the container has one.
    """

    frames: Iterator[VideoFrame]
    pixel_aspect: float
    rate: float
    timeline: Timeline | None


@contextmanager
def open_frames(video: Video, allow_partial: bool) -> Iterator[OpenFrames]:
    """Open a video to decode all its frames.

    Parameters
    ----------
    video : str, os.PathLike, VideoClip, bytes or binary file object
        The video.
    allow_partial : bool
        Whether the frames end at the first error instead of raising it.

    Yields
    ------
    OpenFrames
        The frames in order.

    Raises
    ------
    VideoDecodeError
        If the video cannot be read.
    """
    if is_webp(video):
        yield OpenFrames(webp_frames(video, allow_partial), 1.0, DEFAULT_RATE, None)
        return
    with open_video(video) as (container, stream):
        # One thread reports an error at the same frame every time.
        choose_threads(stream, sliced=False, single=allow_partial)
        timeline = Timeline(container, stream)
        frames = decode_frames(container, stream, timeline, allow_partial=allow_partial)
        yield OpenFrames(frames, pixel_aspect(stream), frame_rate(stream), timeline)


def choose_threads(stream: VideoStream, sliced: bool, single: bool = False) -> None:
    """Choose the number and the kind of threads that decode a stream.

    Parameters
    ----------
    stream : av.video.stream.VideoStream
        The stream, before its first frame is decoded.
    sliced : bool
        Whether its frames consist of several slices.
    single : bool, default=False
        Whether to use one thread.
    """
    # Slices of a frame are decoded in parallel at no cost. Threads for whole frames take
    # time to start, which does not pay for small frames.
    context = stream.codec_context
    threads = sliced or context.width * context.height >= _PIXELS_FOR_THREADS
    context.thread_type = "SLICE" if sliced else "FRAME"
    context.thread_count = DECODER_THREADS.get() if threads and not single else 1


def pixel_aspect(stream: VideoStream) -> float:
    """Return the shape of a stream's pixels.

    Parameters
    ----------
    stream : av.video.stream.VideoStream
        The stream.

    Returns
    -------
    float
        Width of a pixel divided by its height.
    """
    return float(stream.sample_aspect_ratio or 1)


def with_times(frames: Iterable[VideoFrame], rate: float) -> Iterator[tuple[float, VideoFrame]]:
    """Add the times of frames.

    Parameters
    ----------
    frames : iterable of av.VideoFrame
        All frames of a video in order.
    rate : float
        Frames per second, for frames without a timestamp.

    Yields
    ------
    time : float
        Seconds from the first frame.
    frame : av.VideoFrame
        The frame.
    """
    origin: float | None = None
    for index, frame in enumerate(frames):
        time = frame.time if frame.time is not None else (origin or 0.0) + index / rate
        origin = time if origin is None else origin
        yield time - origin, frame
