"""A video's packets: how many frames it has, when, and where decoding can begin."""

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

__all__ = ["PacketIndex", "frame_rate", "scan_packets"]

# Codecs whose packets stand for one frame each, and whose decoders begin anew at
# a keyframe as if nothing had been before it.
_CODECS = {"h264", "hevc", "vp9", "av1", "libdav1d", "libvpx-vp9", "mjpeg"}


class _Units(NamedTuple):
    """Types of network abstraction layer units."""

    beginnings: frozenset[int]  # slices that begin a coded sequence
    slices: frozenset[int]
    parameter_sets: frozenset[int]


_UNITS = {
    "h264": _Units(frozenset({5}), frozenset(range(1, 6)), frozenset({7, 8, 13, 15})),
    "hevc": _Units(frozenset({19, 20, 21}), frozenset(range(32)), frozenset({32, 33, 34})),
}


@dataclass(frozen=True)
class PacketIndex:
    """What a video's packets tell of its frames.

    Parameters
    ----------
    times : ndarray of shape (n_frames,), float64
        Times of the frames in seconds from the first one, in the order in which
        they should be shown.
    pts : ndarray of shape (n_frames,), int64
        Timestamps in the stream's time base, in the order of the packets.
    starts : list of int
        Packets from which decoding can begin.
    seeks : list of int
        Timestamps to seek to so as to come to these packets, or before them.
    trusted : bool
        Whether packets and frames certainly belong together one by one, so that
        frames can be found by their timestamps. Otherwise `times` is a guess.
    sliced : bool
        Whether frames consist of several slices, which can be decoded in parallel.
    """

    times: np.ndarray
    pts: np.ndarray
    starts: list[int]
    seeks: list[int]
    trusted: bool
    sliced: bool

    def start_before(self, pts: int) -> tuple[int, int]:
        """Find the last packet from which decoding can begin to reach a frame.

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


def frame_rate(stream: VideoStream) -> float:
    """Return a stream's rate, for frames that have no time of their own.

    Parameters
    ----------
    stream : av.video.stream.VideoStream
        The stream.

    Returns
    -------
    float
        Frames a second, 25 where the file does not say.
    """
    return float(stream.average_rate or stream.guessed_rate or 25)


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
        Time in seconds from the first frame after which nothing is wanted.

    Returns
    -------
    PacketIndex
        What they tell.

    Raises
    ------
    av.error.FFmpegError
        If the file breaks.
    """
    context = stream.codec_context
    name = context.name
    units = _UNITS.get(name)
    length_size = _length_size(name, context.extradata)
    time_base = float(stream.time_base or 0)
    pts = array("q")
    starts: list[int] = []
    seeks: list[int] = []
    n_packets = n_with_sets = 0
    # AVI counts packets: where frames are reordered its times are not theirs.
    reliable = name == "mjpeg" or container.format.name != "avi"
    trusted = name in _CODECS and reliable and time_base > 0
    sliced = False
    for packet in container.demux(stream):
        if not packet.size or packet.is_discard:
            # Frames before an edit list's beginning are decoded and not shown.
            trusted &= not packet.is_discard
            continue
        n_packets += 1
        if not trusted or packet.pts is None or packet.is_corrupt:
            trusted = False
            continue
        begins, has_sets = bool(packet.is_keyframe), False
        # Most packets begin with a slice and hold nothing else that matters.
        if units is not None and (begins or not _begins_with_slice(packet, length_size, name)):
            kinds = _unit_kinds(packet, length_size, name)
            slices = [kind for kind in kinds if kind in units.slices]
            begins &= bool(slices) and slices[0] in units.beginnings
            has_sets = not units.parameter_sets.isdisjoint(kinds)
            sliced |= n_packets == 1 and len(slices) > 1
        if begins:
            starts.append(len(pts))
            # Some containers seek by the time of decoding, which is never later.
            seeks.append(packet.pts if packet.dts is None else min(packet.pts, packet.dts))
        elif has_sets:
            # Whoever jumps over this packet decodes with other parameters.
            trusted = False
        n_with_sets += has_sets
        pts.append(packet.pts)
        last = pts[starts[-1]] if starts else pts[0]
        if end is not None and (last - pts[0]) * time_base >= end and packet.pts > last:
            # Frames shown before a beginning may come right behind it, not later.
            break
    stamps = np.frombuffer(pts, np.int64) if len(pts) else np.empty(0, np.int64)
    trusted = trusted and n_with_sets in (0, len(starts)) and _in_order(stamps, starts)
    if trusted:
        ordered = np.sort(stamps)
        return PacketIndex((ordered - ordered[0]) * time_base, stamps, starts, seeks, True, sliced)
    times = np.arange(n_packets) / frame_rate(stream)
    return PacketIndex(times, stamps, [], [], False, sliced)


def _in_order(pts: np.ndarray, starts: list[int]) -> bool:
    """Check that timestamps can be believed: all different, each start after all before it."""
    if not starts or starts[0] != 0 or len(np.unique(pts)) != len(pts) or pts[0] != pts.min():
        return False
    latest = np.maximum.accumulate(pts)
    return all(pts[start] > latest[start - 1] for start in starts[1:])


def _length_size(codec: str, extradata: bytes | None) -> int:
    """Return how many bytes give a unit's length; 0 where start codes part the units."""
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
