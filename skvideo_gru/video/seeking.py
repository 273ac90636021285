"""Decoding of the frames with given timestamps: seek to each, and decode few others."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from itertools import dropwhile

import numpy as np
from av.container import InputContainer
from av.packet import Packet
from av.video.frame import PictureType, VideoFrame
from av.video.stream import VideoStream

from .packets import PacketIndex

#: Converts a frame to an array.
Convert = Callable[[VideoFrame], np.ndarray]


class IndexMismatchError(Exception):
    """The packets of a video decode to other frames than their index states."""


def decode_pts(
    container: InputContainer,
    stream: VideoStream,
    index: PacketIndex,
    wanted: np.ndarray,
    convert: Convert,
) -> Iterator[tuple[int, np.ndarray]]:
    """Decode the frames with given timestamps.

    Parameters
    ----------
    container : av.container.InputContainer
        The open file.
    stream : av.video.stream.VideoStream
        The stream.
    index : PacketIndex
        The trusted index of its packets.
    wanted : ndarray of shape (n,), int64
        The timestamps, never decreasing.
    convert : callable
        Converts one frame.

    Yields
    ------
    pts : int
        The timestamp; each one once, in order.
    converted : ndarray
        The converted frame.

    Raises
    ------
    IndexMismatchError
        If packets or frames are not those of the index.
    """
    context = stream.codec_context
    packets: Iterator[Packet[VideoStream]] = iter(())
    # libdav1d reads skip_frame only when it opens.
    can_skip = context.name != "libdav1d"
    at, shown = -1, None  # number of the next packet, timestamp of the last frame
    targets = np.unique(wanted).tolist()
    n_reached = 0
    while n_reached < len(targets):
        n_before, target = n_reached, targets[n_reached]
        start, seek = index.start_before(target)
        if at < 0 or start > at:
            # Decoding can start closer to the frame: seek.
            container.seek(seek, stream=stream)
            before_start = partial(_has_other_pts, index.pts[start])
            packets = dropwhile(before_start, container.demux(stream))
            at, shown = start, None
        while n_reached == n_before:
            packet = next(packets, None)
            if packet is None:
                raise IndexMismatchError
            if packet.size:
                if at == len(index.pts) or packet.pts != index.pts[at]:
                    raise IndexMismatchError
                # Timestamps can restart; positions distinguish equal ones.
                if packet.pos != index.positions[at]:
                    raise IndexMismatchError
                at += 1
            # Frames that no other frame depends on are decoded only if they are wanted.
            all_needed = _contains(wanted, packet.pts) or _contains(index.monotonic, packet.pts)
            context.skip_frame = "NONREF" if can_skip and not all_needed else "DEFAULT"
            for frame in packet.decode():
                if _is_unexpected(frame, shown):
                    raise IndexMismatchError
                if frame.pict_type == PictureType.B and _contains(index.monotonic, frame.pts):
                    raise IndexMismatchError
                shown = frame.pts
                if shown is None or n_reached == len(targets) or shown < targets[n_reached]:
                    continue
                if shown > targets[n_reached]:  # the target is missing
                    raise IndexMismatchError
                n_reached += 1
                yield shown, convert(frame)


def _contains(ordered: np.ndarray, pts: int | None) -> bool:
    if pts is None:
        return False
    place = ordered.searchsorted(pts)
    return bool(place < len(ordered) and ordered[place] == pts)


def _has_other_pts(pts: int, packet: Packet[VideoStream]) -> bool:
    return packet.pts != pts


def _is_unexpected(frame: VideoFrame, shown: int | None) -> bool:
    # A packet of interlaced video may contain a single field.
    late = frame.pts is None or (shown is not None and frame.pts <= shown)
    return late or frame.interlaced_frame or frame.is_corrupt
