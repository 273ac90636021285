"""From a video to its frames: decoding with PyAV, as little of the file as will do."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import partial
from itertools import dropwhile

import numpy as np
from av.container import InputContainer
from av.packet import Packet
from av.video.frame import PictureType, VideoFrame
from av.video.stream import VideoStream
from numpy.typing import ArrayLike

from .errors import VideoDecodeError
from .geometry import RESIZES, FrameConverter, check_frame_size
from .opening import open_video
from .packets import PacketIndex, scan_packets
from .sampling import select_frames
from .timeline import Timeline, decode_frames, frame_rate
from .videos import Video, describe_time_range, describe_video, video_bounds
from .webp import is_webp, webp_frames

__all__ = ["DECODER_THREADS", "holds_no_frame", "open_frames", "read_frames"]

#: Threads on which FFmpeg decodes one video, where several help; 0 is its own choice.
DECODER_THREADS: ContextVar[int] = ContextVar("DECODER_THREADS", default=0)

# Below this size a second thread costs more than it brings.
_PIXELS_FOR_THREADS = 1280 * 720

# Moments of frames that come as an array, without any.
_ARRAY_RATE = 25

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
    """Read chosen frames of a video.

    Frames come in the order in which the decoder yields them, upright (the
    file's display matrix is applied) and in RGB. Where a file holds several
    video streams, the best one counts, as FFmpeg judges it. Only what the
    wanted frames need is decoded; they are those that decoding everything in
    order gives, to the bit.

    Parameters
    ----------
    video : str, os.PathLike, VideoClip, bytes, binary file object or ndarray
        What to read. An uint8 array (T, H, W, 3) counts as decoded already, at
        25 frames a second, and is sampled and resized only.
    sampling : {"uniform", "fps", "dense", "random", "all"}, default="uniform"
        Which frames: the centres of `n_frames` equal segments, `fps` frames of
        every second, every `stride`-th frame around the middle, one at random
        from each of `n_frames` equal segments, or every frame. See
        `skvideo_gru.sampling`, where each has a worked example.
    n_frames : int, default=20
        Number of frames. With ``"uniform"`` and ``"random"`` a shorter clip
        repeats frames in order; with ``"fps"`` and ``"dense"`` it yields fewer.
    fps : float, default=2.0
        Frames of each second, for ``sampling="fps"``.
    stride : int, default=1
        Distance from one frame to the next, for ``sampling="dense"``.
    seed : int, default=0
        Seed of ``sampling="random"``.
    frame_size : int or (int, int), optional
        Height and width of the frames, in pixels; one number means a square.
        None keeps the video's own size.
    resize : {"stretch", "crop", "pad"}, default="stretch"
        How a frame is brought to `frame_size`, always antialiased: ``"stretch"``
        scales height and width independently; ``"crop"`` keeps the picture's
        proportions, those of non-square pixels included, and cuts off what
        stands over; ``"pad"`` keeps them and adds black bars.
    allow_partial : bool, default=False
        Whether a video that breaks on the way counts as the frames before the
        break, instead of being an error.

    Returns
    -------
    ndarray of shape (T, H, W, 3), uint8
        The frames.

    Raises
    ------
    VideoDecodeError
        If the video cannot be read, or holds no frame in the stretch asked for.
        A break that no wanted frame depends on goes unnoticed; ``skvideo-gru
        check`` decodes everything.
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
    start, end = video_bounds(video)

    def select(times: ArrayLike) -> np.ndarray:
        return select_frames(
            times,
            sampling=sampling,
            n_frames=n_frames,
            fps=fps,
            stride=stride,
            seed=seed,
            start=start,
            end=end,
        )

    select([0.0])  # A wrong parameter shows before any file is touched.
    if isinstance(video, np.ndarray):
        frames = _sample_array(video, select, FrameConverter(size, resize))
    else:
        frames = _decode(video, select, size, resize, end, allow_partial)
    name = describe_video(video)
    if not frames:
        raise VideoDecodeError(name, holds_no_frame(start, end))
    if len({frame.shape for frame in frames}) > 1:
        raise VideoDecodeError(name, "its frames change size on the way; give a frame_size")
    return np.stack(frames)


def holds_no_frame(start: float | None, end: float | None) -> str:
    """Say that there is no frame in a video, or in a stretch of it.

    Parameters
    ----------
    start, end : float or None
        The stretch, as `video_bounds` tells it.

    Returns
    -------
    str
        The reason that an error gives.
    """
    stretch = "" if start is end is None else f" from {describe_time_range(start, end)}"
    return f"it holds no video frame{stretch}"


def _sample_array(video: np.ndarray, select: Select, convert: FrameConverter) -> list[np.ndarray]:
    shaped = video.ndim == 4 and video.shape[-1] == 3 and all(video.shape[1:])
    if not shaped or video.dtype != np.uint8:
        raise VideoDecodeError(
            describe_video(video),
            f"a decoded video must be uint8 of shape (T, H, W, 3), this is {video.dtype}",
        )
    chosen = video[select(np.arange(len(video)) / _ARRAY_RATE)]
    if convert.size in (None, chosen.shape[1:3]):
        return list(chosen)
    frames = map(np.ascontiguousarray, chosen)
    return [convert(VideoFrame.from_ndarray(frame, "rgb24")) for frame in frames]


def _decode(
    video: Video,
    select: Select,
    size: tuple[int, int] | None,
    resize: str,
    end: float | None,
    allow_partial: bool,
) -> list[np.ndarray]:
    """Decode what the wanted frames need if that is safe, else everything in order."""
    wanted = np.empty(0, np.int64)
    try:
        with open_video(video) as (container, stream):
            index = scan_packets(container, stream, end)
            wanted = select(index.times)
            if index.trusted and not allow_partial:
                pts = np.sort(index.pts)[wanted].tolist()
                _choose_threads(stream, index.sliced)
                convert = FrameConverter(size, resize, _pixel_aspect(stream))
                kept = _decode_pts(container, stream, index, pts, convert)
                if kept is not None:
                    return [kept[stamp] for stamp in pts]
            elif container.format.name == "avi" and end is None and not allow_partial:
                # Going back is quicker than opening anew; the count shows whether it worked.
                container.seek(0)
                _choose_threads(stream, sliced=False)
                convert = FrameConverter(size, resize, _pixel_aspect(stream))
                frames = decode_frames(container, stream, Timeline(container, stream))
                rate = frame_rate(stream)
                in_order, times = _decode_indices(frames, wanted, convert, end, rate)
                if len(times) == len(index.times) and np.array_equal(select(times), wanted):
                    return [in_order[number] for number in wanted.tolist()]
    except VideoDecodeError:
        pass  # Decoding in order shows whether the video really breaks, and where.
    for _ in range(3):
        with open_frames(video, allow_partial) as opened:
            convert = FrameConverter(size, resize, opened.pixel_aspect)
            in_order, times = _decode_indices(opened.frames, wanted, convert, end, opened.rate)
        # Times are not known before all is decoded, and packets lie about them.
        chosen = select(times)
        if np.array_equal(chosen, wanted):
            return [in_order[index] for index in wanted.tolist()]
        wanted = chosen
    raise VideoDecodeError(describe_video(video), "decoding it twice gave different frames")


@dataclass(frozen=True)
class OpenFrames:
    """All frames of an open video, in order.

    Parameters
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
        Whether the frames end where the video is corrupt.

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
        yield OpenFrames(webp_frames(video, allow_partial), 1.0, 25.0, None)
        return
    with open_video(video) as (container, stream):
        # One thread reports an error at the same frame every time.
        _choose_threads(stream, sliced=False, single=allow_partial)
        timeline = Timeline(container, stream)
        frames = decode_frames(container, stream, timeline, allow_partial=allow_partial)
        yield OpenFrames(frames, _pixel_aspect(stream), frame_rate(stream), timeline)


def _choose_threads(stream: VideoStream, sliced: bool, single: bool = False) -> None:
    # Slices of a frame go to threads at no cost. Whole frames cost a start, which
    # small ones do not bring back.
    context = stream.codec_context
    threads = sliced or context.width * context.height >= _PIXELS_FOR_THREADS
    context.thread_type = "SLICE" if sliced else "FRAME"
    context.thread_count = DECODER_THREADS.get() if threads and not single else 1


def _pixel_aspect(stream: VideoStream) -> float:
    return float(stream.sample_aspect_ratio or 1)


def _decode_pts(
    container: InputContainer,
    stream: VideoStream,
    index: PacketIndex,
    wanted: list[int],
    convert: FrameConverter,
) -> dict[int, np.ndarray] | None:
    """Decode the frames with these timestamps; None if anything is not as expected."""
    context = stream.codec_context
    needed, kept = set(wanted), {}
    packets: Iterator[Packet[VideoStream]] = iter(())
    at, shown = -1, None  # the packet to come, the frame seen last
    for target in sorted(needed):
        start, seek = index.start_before(target)
        if target not in kept and (at < 0 or start > at):
            # A later beginning lies before the frame: leap to it.
            container.seek(seek, stream=stream)
            before_start = partial(_has_other_pts, index.pts[start])
            packets = dropwhile(before_start, container.demux(stream))
            at, shown = start, None
        while target not in kept:
            packet = next(packets, None)
            if packet is None:
                return None
            if packet.size:
                if at == len(index.pts) or packet.pts != index.pts[at]:
                    return None
                # Timestamps can restart; positions tell equal ones apart.
                if packet.pos != index.positions[at]:
                    return None
                at += 1
            # Frames that no other frame depends on are decoded only if they are wanted.
            all_needed = packet.pts in needed or packet.pts in index.monotonic
            context.skip_frame = "DEFAULT" if all_needed else "NONREF"
            for frame in packet.decode():
                if _surprises(frame, shown):
                    return None
                if frame.pict_type == PictureType.B and frame.pts in index.monotonic:
                    return None
                shown = frame.pts
                if shown in needed:
                    kept[shown] = convert(frame)
            if shown is not None and shown > target and target not in kept:
                return None
    return kept


def _has_other_pts(pts: int, packet: Packet[VideoStream]) -> bool:
    return packet.pts != pts


def _surprises(frame: VideoFrame, shown: int | None) -> bool:
    # Of interlaced video a packet may hold one field only.
    late = frame.pts is None or (shown is not None and frame.pts <= shown)
    return late or frame.interlaced_frame or frame.is_corrupt


def _decode_indices(
    decoded: Iterable[VideoFrame],
    wanted: np.ndarray,
    convert: FrameConverter,
    end: float | None,
    rate: float,
) -> tuple[dict[int, np.ndarray], array[float]]:
    """Keep the frames at `wanted` and note the times of all."""
    kept: dict[int, np.ndarray] = {}
    times = array("d")
    indices = set(wanted.tolist())
    origin: float | None = None
    for index, frame in enumerate(decoded):
        time = frame.time if frame.time is not None else (origin or 0.0) + index / rate
        origin = time if origin is None else origin
        times.append(time - origin)
        if index in indices:
            kept[index] = convert(frame)
        if end is not None and times[-1] >= end:
            break
    return kept, times
