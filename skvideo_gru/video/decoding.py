"""Decode selected frames of a video with PyAV, reading as little of the file as possible."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial

import numpy as np
from av.video.frame import VideoFrame
from numpy.typing import ArrayLike

from .arrays import array_times, check_array
from .errors import VideoDecodeError
from .geometry import RESIZES, FrameConverter, check_frame_size
from .in_order import choose_threads, open_frames, pixel_aspect, with_times
from .opening import open_video
from .sampling import select_frames
from .scans import distrust_packets, find_packets
from .seeking import Convert, IndexMismatchError, decode_pts
from .timeline import Timeline, decode_frames, frame_rate
from .videos import Video, describe_time_range, describe_video, video_bounds

Select = Callable[[ArrayLike], np.ndarray]


def read_frames(
    video: Video,
    *,
    sampling: str = "uniform",
    n_frames: int = 20,
    fps: float = 2.0,
    stride: int = 1,
    seed: int = 0,
    frame_size: int | tuple[int, int] | None = None,
    resize: str = "stretch",
    allow_partial: bool = False,
) -> np.ndarray:
    """Read selected frames of a video.

    Frames are returned in the order in which the decoder yields them, upright (the
    file's display matrix is applied) and in RGB order. If a file contains several
    video streams, the one that FFmpeg rates best is read. Only the packets that the
    selected frames need are decoded; the frames equal those of decoding everything
    in order, bit for bit.

    Timestamps that restart or jump, as in concatenated MPEG-TS files, are made
    continuous as in FFmpeg's program. An empty packet repeats the frame before it.
    Frames flagged as interlaced are scaled as whole frames.

    Parameters
    ----------
    video : str, os.PathLike, VideoClip, bytes, binary file object or ndarray
        The video. A uint8 array of shape (T, H, W, 3) contains decoded frames in RGB
        order, at 25 frames per second; it is only sampled and resized. OpenCV's
        frames are BGR: pass ``frames[..., ::-1]``. A file object must be able to seek.
    sampling : {"uniform", "fps", "dense", "random", "all"}, default="uniform"
        Which frames to select: the centres of `n_frames` equal segments, `fps`
        frames per second, every `stride`-th frame around the middle, a random one
        of each of `n_frames` equal segments, or every frame.
    n_frames : int, default=20
        Number of frames. For a shorter video, ``"uniform"`` and ``"random"`` repeat
        frames in order; ``"fps"`` and ``"dense"`` return fewer.
    fps : float, default=2.0
        Frames per second, for ``sampling="fps"``.
    stride : int, default=1
        Distance from one frame to the next, for ``sampling="dense"``.
    seed : int, default=0
        Seed of ``sampling="random"``.
    frame_size : int or (int, int), optional
        Height and width of the frames, in pixels; one number means a square.
        None keeps the video's size.
    resize : {"stretch", "crop", "pad"}, default="stretch"
        How a frame is resized to `frame_size`, always antialiased. ``"stretch"``
        scales height and width independently. ``"crop"`` keeps the aspect ratio
        (also of non-square pixels) and crops the rest. ``"pad"`` keeps the aspect
        ratio and adds black bars.
    allow_partial : bool, default=False
        Whether to use the frames before the first error of a corrupt or truncated
        video instead of raising the error.

    Returns
    -------
    ndarray of shape (T, H, W, 3), uint8
        The frames.

    Raises
    ------
    VideoDecodeError
        If the video cannot be read or contains no frame in its time range. Damage
        that no selected frame depends on is not detected; ``skvideo-gru check``
        decodes everything.
    TypeError
        If `video` is not a video.
    ValueError
        If a parameter is invalid.

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
    start, end = video_bounds(video)

    select = partial(
        select_frames,
        sampling=sampling,
        n_frames=n_frames,
        fps=fps,
        stride=stride,
        seed=seed,
        start=start,
        end=end,
    )
    select([0.0])  # Check the parameters before any file is opened.
    if isinstance(video, np.ndarray) and size in (None, video.shape[1:3]):
        check_array(video)
        frames = list(video[select(array_times(video))])
    else:
        frames, _ = convert_frames(
            video, select, partial(FrameConverter, size, resize), allow_partial
        )
    name = describe_video(video)
    if not frames:
        raise VideoDecodeError(name, no_frame_reason(start, end))
    if len({frame.shape for frame in frames}) > 1:
        raise VideoDecodeError(name, "the frames have different sizes; set frame_size")
    return np.stack(frames)


def convert_frames(
    video: Video,
    select: Select,
    make_converter: Callable[[float], Convert],
    allow_partial: bool = False,
) -> tuple[list[np.ndarray], np.ndarray]:
    """Convert selected frames of a video.

    Parameters
    ----------
    video : str, os.PathLike, VideoClip, bytes, binary file object or ndarray
        The video.
    select : callable
        Turns the times of all frames, in seconds from the first, into the indices of the
        selected frames, never decreasing.
    make_converter : callable
        Turns the width of a pixel divided by its height into a function that converts one
        frame. That function receives each selected frame once, in order.
    allow_partial : bool, default=False
        Whether to use the frames before the first error of a corrupt video.

    Returns
    -------
    converted : list of ndarray
        The converted frames; empty if none is selected.
    times : ndarray of shape (n,), float64
        Their times in seconds from the video's first frame.

    Raises
    ------
    VideoDecodeError
        If the video cannot be read.
    """
    if not isinstance(video, np.ndarray):
        return _decode(video, select, make_converter, allow_partial)
    check_array(video)
    times = array_times(video)
    chosen, convert = select(times), make_converter(1.0)
    converted = {
        index: convert(VideoFrame.from_ndarray(np.ascontiguousarray(video[index]), "rgb24"))
        for index in dict.fromkeys(chosen.tolist())
    }
    return [converted[index] for index in chosen.tolist()], times[chosen]


def no_frame_reason(start: float | None, end: float | None) -> str:
    """State that a video contains no frame in a time range.

    Parameters
    ----------
    start, end : float or None
        The time range, as `video_bounds` returns it.

    Returns
    -------
    str
        The reason for an error.
    """
    time_range = "" if start is end is None else f" from {describe_time_range(start, end)}"
    return f"the video contains no frame{time_range}"


def _decode(
    video: Video,
    select: Select,
    make_converter: Callable[[float], Convert],
    allow_partial: bool,
) -> tuple[list[np.ndarray], np.ndarray]:
    """Decode only the packets that the selected frames need if possible, else all in order."""
    _, end = video_bounds(video)
    wanted = np.empty(0, np.int64)
    try:
        with open_video(video) as (container, stream):
            index = find_packets(video, container, stream)
            wanted = select(index.times)
            if index.trusted and not allow_partial:
                pts = np.sort(index.pts)[wanted]
                choose_threads(stream, index.sliced)
                convert = make_converter(pixel_aspect(stream))
                with suppress(IndexMismatchError):
                    converted = dict(decode_pts(container, stream, index, pts, convert))
                    return [converted[stamp] for stamp in pts.tolist()], index.times[wanted]
                distrust_packets(video)
            elif container.format.name == "avi" and end is None and not allow_partial:
                # Seeking back is faster than opening again; the count shows whether it worked.
                container.seek(0)
                choose_threads(stream, sliced=False)
                convert = make_converter(pixel_aspect(stream))
                frames = decode_frames(container, stream, Timeline(container, stream))
                rate = frame_rate(stream)
                in_order, times = _decode_indices(frames, wanted, convert, end, rate)
                if len(times) == len(index.times) and np.array_equal(select(times), wanted):
                    return _in_order(in_order, times, wanted)
    except VideoDecodeError:
        pass  # Decoding in order shows whether the video is corrupt, and where.
    for _ in range(3):
        with open_frames(video, allow_partial) as opened:
            convert = make_converter(opened.pixel_aspect)
            in_order, times = _decode_indices(opened.frames, wanted, convert, end, opened.rate)
        # Times are known only after decoding; those of packets can be wrong.
        chosen = select(times)
        if np.array_equal(chosen, wanted):
            return _in_order(in_order, times, wanted)
        wanted = chosen
    raise VideoDecodeError(
        describe_video(video),
        "repeated decoding returned different frames; convert the video, for example with ffmpeg",
    )


def _in_order(
    converted: dict[int, np.ndarray], times: array[float], wanted: np.ndarray
) -> tuple[list[np.ndarray], np.ndarray]:
    return [converted[index] for index in wanted.tolist()], np.asarray(times)[wanted]


def _decode_indices(
    decoded: Iterable[VideoFrame],
    wanted: np.ndarray,
    convert: Convert,
    end: float | None,
    rate: float,
) -> tuple[dict[int, np.ndarray], array[float]]:
    """Convert the frames at the indices `wanted` and record the times of all frames."""
    converted: dict[int, np.ndarray] = {}
    times = array("d")
    indices = set(wanted.tolist())
    for index, (time, frame) in enumerate(with_times(decoded, rate)):
        times.append(time)
        if index in indices:
            converted[index] = convert(frame)
        if end is not None and time >= end:
            break
    return converted, times
