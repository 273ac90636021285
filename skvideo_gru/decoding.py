"""From a video to its frames: decoding with PyAV, upright, RGB, at the size asked for."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import Any

import av
import numpy as np
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.reformatter import Interpolation
from av.video.stream import VideoStream
from numpy.typing import ArrayLike

from .errors import VideoDecodeError
from .sampling import select_frames
from .videos import Video, VideoClip, describe_video

__all__ = ["RESIZES", "check_frame_size", "read_frames"]

#: The ways `read_frames` can bring a frame to its size.
RESIZES = ("stretch",)

# A header that promises more frames than this (11 hours at 25 a second) is not believed.
_MOST_PROMISED = 1_000_000

# A path is a local file and nothing else, whatever the file's contents point to.
_OPEN_OPTIONS = {"protocol_whitelist": "file"}


def read_frames(
    video: Video,
    *,
    sampling: str = "uniform",
    n_frames: int = 20,
    frame_size: int | tuple[int, int] | None = None,
    resize: str = "stretch",
) -> np.ndarray:
    """Read chosen frames of a video.

    Frames come in the order in which the decoder yields them, upright (the
    file's display matrix is applied) and in RGB. Where a file holds several
    video streams, the best one counts, as FFmpeg judges it.

    Parameters
    ----------
    video : str, os.PathLike, VideoClip, bytes, binary file object or ndarray
        What to read. An uint8 array (T, H, W, 3) counts as decoded already and
        is sampled and resized only.
    sampling : {"uniform", "all"}, default="uniform"
        Which frames: the centres of `n_frames` equal segments, or every frame.
    n_frames : int, default=20
        Number of frames for ``sampling="uniform"``; a shorter clip repeats
        frames in order.
    frame_size : int or (int, int), optional
        Height and width of the frames, in pixels; one number means a square.
        None keeps the video's own size.
    resize : {"stretch"}, default="stretch"
        How a frame is brought to `frame_size`: ``"stretch"`` scales height and
        width independently.

    Returns
    -------
    ndarray of shape (T, H, W, 3), uint8
        The frames.

    Raises
    ------
    VideoDecodeError
        If the video cannot be read to its end, or holds no frame in the
        stretch asked for.
    ValueError
        If a parameter has no valid value.

    Examples
    --------
    >>> import numpy as np
    >>> from skvideo_gru import read_frames
    >>> video = np.zeros((30, 48, 64, 3), dtype=np.uint8)
    >>> read_frames(video, n_frames=8, frame_size=32).shape
    (8, 32, 32, 3)
    """
    size = check_frame_size(frame_size)
    if resize not in RESIZES:
        raise ValueError(f"resize={resize!r} is unknown; choose one of {list(RESIZES)}.")
    window = (video.start, video.end) if isinstance(video, VideoClip) else (None, None)

    def select(times: ArrayLike) -> np.ndarray:
        return select_frames(
            times, sampling=sampling, n_frames=n_frames, start=window[0], end=window[1]
        )

    select([0.0])  # A wrong parameter shows before any file is touched.
    if isinstance(video, np.ndarray):
        frames = _sample_array(video, select, size)
    else:
        frames = _decode(video, select, size, window[1])
    if not len(frames):
        stretch = "" if window == (None, None) else f" between {window[0]} s and {window[1]} s"
        raise VideoDecodeError(describe_video(video), f"it holds no video frame{stretch}")
    return frames


def check_frame_size(frame_size: Any) -> tuple[int, int] | None:
    """Bring `frame_size` to the form (height, width).

    Parameters
    ----------
    frame_size : int, (int, int) or None
        As `read_frames` takes it.

    Returns
    -------
    (int, int) or None
        Height and width in pixels, None for the video's own.

    Raises
    ------
    ValueError
        If it is none of these or not positive.
    """
    if frame_size is None:
        return None
    size = (frame_size, frame_size) if np.ndim(frame_size) == 0 else tuple(frame_size)
    if len(size) != 2 or not all(isinstance(n, int | np.integer) and n > 0 for n in size):
        raise ValueError(
            f"frame_size={frame_size!r} must be a positive int or a pair (height, width)."
        )
    return int(size[0]), int(size[1])


def _decode(
    video: Video,
    select: Callable[[ArrayLike], np.ndarray],
    size: tuple[int, int] | None,
    end: float | None,
) -> np.ndarray:
    """Decode what `select` picks from the frames' times.

    The times are not known before the whole file is decoded and headers lie
    about them, so: choose by the header's promise, decode, compare with what
    came, and only if the choice would have been another one, decode again.
    """
    wanted: np.ndarray | None = None
    for _ in range(3):
        with _open_video(video) as (container, stream):
            rate = float(stream.average_rate or stream.guessed_rate or 25)
            if wanted is None and not 0 < stream.frames <= _MOST_PROMISED:
                # No count in the header: count packets, which is cheap, and open again.
                n_packets = sum(1 for packet in container.demux(stream) if packet.size)
                wanted = select(np.arange(n_packets) / rate)
                continue
            if wanted is None:
                wanted = select(np.arange(stream.frames) / rate)
            frames, times = _decode_indices(container.decode(stream), wanted, size, end, rate)
        chosen = select(times)
        if np.array_equal(chosen, wanted):
            return _stack(frames, describe_video(video))
        wanted = chosen
    raise VideoDecodeError(describe_video(video), "decoding it twice gave different frames")


def _decode_indices(
    decoded: Iterator[VideoFrame],
    wanted: np.ndarray,
    size: tuple[int, int] | None,
    end: float | None,
    rate: float,
) -> tuple[list[np.ndarray], list[float]]:
    """Keep the frames at `wanted` (never decreasing) and note the times of all."""
    kept: dict[int, np.ndarray] = {}
    times: list[float] = []
    indices = set(wanted.tolist())
    origin: float | None = None
    for index, frame in enumerate(decoded):
        time = frame.time if frame.time is not None else (origin or 0.0) + index / rate
        origin = time if origin is None else origin
        times.append(time - origin)
        if index in indices:
            kept[index] = _to_array(frame, size)
        if end is not None and times[-1] >= end:
            break
    # With a wrong promise some indices do not exist; the caller sees that by the times.
    return [kept[index] for index in wanted.tolist() if index in kept], times


def _stack(frames: list[np.ndarray], name: str) -> np.ndarray:
    if len({frame.shape for frame in frames}) > 1:
        raise VideoDecodeError(name, "its frames change size on the way; give a frame_size")
    return np.stack(frames) if frames else np.empty((0, 0, 0, 3), np.uint8)


def _to_array(frame: VideoFrame, size: tuple[int, int] | None) -> np.ndarray:
    """Convert one frame to upright RGB, scaled before it is turned."""
    turns = round(frame.rotation / 90) % 4
    if size is None:
        pixels = frame.to_ndarray(format="rgb24")
    else:
        height, width = size if turns % 2 == 0 else size[::-1]
        pixels = _scale(frame, height, width)
    return np.rot90(pixels, turns)


def _scale(frame: VideoFrame, height: int, width: int) -> np.ndarray:
    # Averaging over areas keeps a reduced picture free of aliasing.
    shrinks = height * width <= frame.height * frame.width
    method = Interpolation.AREA if shrinks else Interpolation.BILINEAR
    return frame.to_ndarray(format="rgb24", height=height, width=width, interpolation=method)


def _checked_array(video: np.ndarray) -> np.ndarray:
    if video.ndim != 4 or video.shape[-1] != 3 or video.dtype != np.uint8:
        raise VideoDecodeError(
            describe_video(video),
            f"a decoded video must be uint8 of shape (T, H, W, 3), this is {video.dtype}",
        )
    return video


def _sample_array(
    video: np.ndarray,
    select: Callable[[ArrayLike], np.ndarray],
    size: tuple[int, int] | None,
) -> np.ndarray:
    frames = _checked_array(video)
    frames = frames[select(np.arange(len(frames), dtype=float))] if len(frames) else frames
    if size is None or frames.shape[1:3] == size:
        return frames
    return np.stack(
        [_scale(VideoFrame.from_ndarray(np.ascontiguousarray(f), "rgb24"), *size) for f in frames]
    )


@contextmanager
def _open_video(video: Video) -> Iterator[tuple[InputContainer, VideoStream]]:
    """Open a video at its best stream; whatever FFmpeg says becomes a VideoDecodeError."""
    name = describe_video(video)
    try:
        with av.open(
            _source(video), options=_OPEN_OPTIONS, metadata_errors="replace"
        ) as container:
            stream = container.streams.best("video")
            if not isinstance(stream, VideoStream):
                raise VideoDecodeError(name, "it holds no video stream")
            stream.thread_type = "AUTO"
            yield container, stream
    except av.error.FFmpegError as error:
        raise VideoDecodeError(name, error.strerror or str(error)) from error
    except OSError as error:
        raise VideoDecodeError(name, error.strerror or str(error)) from error


def _source(video: Video) -> Any:
    if isinstance(video, VideoClip):
        video = video.path
    if isinstance(video, bytes | bytearray):
        return BytesIO(video)
    if isinstance(video, str | os.PathLike):
        # With the prefix, FFmpeg takes no name for an address or an option.
        return "file:" + os.fspath(video)
    video.seek(0)  # type: ignore[union-attr]
    return video
