"""Index of a video's packets: the times of its frames and where decoding can start."""

from __future__ import annotations

import re
from array import array
from bisect import bisect_right
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from av.container import InputContainer
from av.packet import Packet
from av.video.stream import VideoStream

from .timeline import Timeline, demux, frame_rate, is_empty

# Codecs with one frame per packet whose decoders depend on nothing before a keyframe.
_CODECS = {"h264", "hevc", "vp9", "av1", "libdav1d", "libvpx-vp9", "mjpeg"}


class _Units(NamedTuple):
    """Types of network abstraction layer units."""

    beginnings: frozenset[int]  # slices that begin a coded sequence
    slices: frozenset[int]
    parameter_sets: frozenset[int]


#: No timestamps.
NO_PTS = np.empty(0, np.int64)

_UNITS = {
    "h264": _Units(frozenset({5}), frozenset(range(1, 6)), frozenset({7, 8, 13, 15})),
    "hevc": _Units(frozenset({19, 20, 21}), frozenset(range(32)), frozenset({32, 33, 34})),
}


@dataclass(frozen=True)
class PacketIndex:
    """What a video's packets state about its frames.

    Attributes
    ----------
    times : ndarray of shape (n_frames,), float64
        Times of the frames in seconds from the first one, in presentation order.
    pts : ndarray of shape (n_frames,), int64
        Timestamps in the stream's time base, in the order of the packets.
    positions : ndarray of shape (n_frames,), int64
        Positions of the packets in the file, in bytes.
    starts : list of int
        Packets from which decoding can start.
    seeks : list of int
        Timestamps to seek to in order to reach these packets, or earlier ones.
    trusted : bool
        Whether each packet decodes to one frame with the packet's timestamp, so that
        frames can be found by timestamps. Otherwise `times` is an estimate.
    sliced : bool
        Whether frames consist of several slices, which can be decoded in parallel.
    monotonic : ndarray of int64
        Ordered timestamps between two starts that increase in the order of the packets although
        the codec can reorder frames: decoding times instead of presentation times if
        there is a B-frame among them.
    """

    times: np.ndarray
    pts: np.ndarray
    positions: np.ndarray
    starts: list[int]
    seeks: list[int]
    trusted: bool
    sliced: bool
    monotonic: np.ndarray

    def start_before(self, pts: int) -> tuple[int, int]:
        """Find the last packet from which decoding reaches a frame.

        Parameters
        ----------
        pts : int
            The frame's timestamp.

        Returns
        -------
        start : int
            Number of the packet.
        seek : int
            Timestamp to seek to.
        """
        place = bisect_right(self.starts, pts, key=self.pts.__getitem__) - 1
        return self.starts[place], self.seeks[place]


def scan_packets(
    container: InputContainer, stream: VideoStream, end: float | None = None
) -> PacketIndex:
    """Read all packets of a stream.

    Parameters
    ----------
    container : av.container.InputContainer
        An open file, at its beginning.
    stream : av.video.stream.VideoStream
        The stream.
    end : float, optional
        Time in seconds from the first frame after which no frame is needed.

    Returns
    -------
    PacketIndex
        The index, with continuous timestamps (see `Timeline`).

    Raises
    ------
    av.error.FFmpegError
        If the file is corrupt.
    """
    context = stream.codec_context
    name = context.name
    units = _UNITS.get(name)
    length_size = _length_size(name, context.extradata)
    time_base = float(stream.time_base or 0)
    timeline = Timeline(container, stream)
    pts, positions = array("q"), array("q")
    starts: list[int] = []
    seeks: list[int] = []
    n_packets = n_with_sets = 0
    # AVI times are packet numbers, which are wrong where frames are reordered.
    reliable = name == "mjpeg" or container.format.name != "avi"
    trusted = name in _CODECS and reliable and time_base > 0
    sliced = False
    for packet in timeline.shift(demux(container, stream)):
        if packet.is_discard:
            # Frames before the start of an edit list are decoded but not shown.
            trusted = False
            continue
        if not packet.size:
            trusted &= not is_empty(packet)
            n_packets += is_empty(packet)
            continue
        n_packets += 1
        if not trusted or packet.pts is None or packet.is_corrupt:
            trusted = False
            continue
        begins, has_sets = bool(packet.is_keyframe), False
        # Most packets start with a slice and contain nothing else of interest.
        if units is not None and (begins or not _begins_with_slice(packet, length_size, name)):
            kinds = _unit_kinds(packet, length_size, name)
            slices = [kind for kind in kinds if kind in units.slices]
            begins &= bool(slices) and slices[0] in units.beginnings
            has_sets = not units.parameter_sets.isdisjoint(kinds)
            sliced |= n_packets == 1 and len(slices) > 1
        if begins:
            starts.append(len(pts))
            # Some containers seek by decoding time, which is never later.
            seeks.append(packet.pts if packet.dts is None else min(packet.pts, packet.dts))
        elif has_sets:
            # Decoding that skips this packet would use other parameters.
            trusted = False
        n_with_sets += has_sets
        pts.append(packet.pts)
        positions.append(-1 if packet.pos is None else packet.pos)
        last = pts[starts[-1]] if starts else pts[0]
        if end is not None and (last - pts[0]) * time_base >= end and packet.pts > last:
            # Frames shown before a start can follow directly after it, not later.
            break
    stamps, places = _as_array(pts), _as_array(positions)
    # A seek by a timestamp that occurs twice can land at the other packet.
    trusted = trusted and not timeline.n_jumps and n_with_sets in (0, len(starts))
    if trusted and _in_order(stamps, starts) and places.min() >= 0:
        monotonic, reordered = _monotonic_parts(stamps, starts)
        if name != "h264" and not context.has_b_frames:
            trusted, monotonic = not reordered, NO_PTS
        if trusted:
            ordered = np.sort(stamps)
            times = (ordered - ordered[0]) * time_base
            return PacketIndex(times, stamps, places, starts, seeks, True, sliced, monotonic)
    times = np.arange(n_packets) / frame_rate(stream)
    return PacketIndex(times, stamps, places, [], [], False, sliced, NO_PTS)


def _as_array(numbers: array[int]) -> np.ndarray:
    return np.frombuffer(numbers, np.int64) if len(numbers) else NO_PTS


def _in_order(pts: np.ndarray, starts: list[int]) -> bool:
    """Check that timestamps are distinct and that each start is later than all before it."""
    if not starts or starts[0] != 0 or len(np.unique(pts)) != len(pts) or pts[0] != pts.min():
        return False
    latest = np.maximum.accumulate(pts)
    return all(pts[start] > latest[start - 1] for start in starts[1:])


def _monotonic_parts(pts: np.ndarray, starts: list[int]) -> tuple[np.ndarray, bool]:
    """Find the timestamps of parts in packet order, and whether any part is reordered."""
    monotonic = [NO_PTS]
    reordered = False
    for start, stop in zip(starts, [*starts[1:], len(pts)], strict=True):
        part = pts[start:stop]
        if (np.diff(part) > 0).all():
            monotonic.append(part)
        else:
            reordered = True
    return np.concatenate(monotonic), reordered


def _length_size(codec: str, extradata: bytes | None) -> int:
    """Return the number of bytes of a unit's length; 0 where start codes separate units."""
    place = {"h264": 4, "hevc": 21}.get(codec)
    if place is None or not extradata or len(extradata) <= place or extradata[0] != 1:
        return 0
    return (extradata[place] & 3) + 1


def _begins_with_slice(packet: Packet, length_size: int, codec: str) -> bool:
    if not length_size or packet.size <= length_size:
        return False
    header = memoryview(packet)[length_size]
    return _kind(header, codec) in _UNITS[codec].slices


def _kind(header: int, codec: str) -> int:
    return (header >> 1) & 63 if codec == "hevc" else header & 31


def _unit_kinds(packet: Packet, length_size: int, codec: str) -> list[int]:
    """List the types of the units in a packet."""
    data = bytes(packet)
    headers = []
    if length_size:
        place = 0
        while place + length_size < len(data):
            headers.append(data[place + length_size])
            place += length_size + int.from_bytes(data[place : place + length_size], "big")
    else:
        headers = [code[-1] for code in re.findall(rb"\x00\x00\x01.", data, re.DOTALL)]
    return [_kind(header, codec) for header in headers]
