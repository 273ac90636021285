"""Packets on one continuous time line, and the frames that they decode to."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import NamedTuple

import av
from av.container import InputContainer
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

# FFmpeg marks formats whose timestamps may be discontinuous by this flag (AVFMT_TS_DISCONT).
_MAY_JUMP = 0x200

# First byte of a Theora comment header, which does not affect decoding.
_COMMENT_HEADER = 0x81

# Seconds. The first two are FFmpeg's (dts_delta_threshold and its tolerance).
_LARGEST_STEP = 10.0
_LARGEST_STEP_BACK = 0.1
_LARGEST_STEP_BACK_ELSEWHERE = 1.0

# Packets by which the decoding times of reordered frames can jump later than their
# presentation times; codecs allow 16.
_LONGEST_DELAY = 64


class Timeline:
    """Make the timestamps of a stream's packets continuous.

    A packet's decoding time is compared with the end of the packet before it, as in
    FFmpeg's program. In formats whose timestamps may be discontinuous (MPEG-TS, MPEG-PS,
    Ogg), a difference of more than 10 s in either direction or a step back of more than
    0.1 s is a jump. In other formats only a step back of more than 1 s is a jump, because
    a gap may be intended. A jump shifts all following packets, so that the packet begins
    where the one before it ends. If frames are reordered, presentation times can jump some
    packets before decoding times do; these packets are held back until the size of the jump
    is known.

    Parameters
    ----------
    container : av.container.InputContainer
        The open file.
    stream : av.video.stream.VideoStream
        The stream.

    Attributes
    ----------
    n_jumps : int
        Number of jumps so far.
    """

    def __init__(self, container: InputContainer, stream: VideoStream) -> None:
        self.n_jumps = 0
        base = stream.time_base
        ticks = 1 / float(base) if base else 0.0  # ticks a second
        self._any_step = bool(int(container.format.flags) & _MAY_JUMP)
        back = _LARGEST_STEP_BACK if self._any_step else _LARGEST_STEP_BACK_ELSEWHERE
        self._step, self._back = _LARGEST_STEP * ticks, back * ticks
        self._frame = round(ticks / frame_rate(stream))
        self._offset = 0
        self._last: int | None = None
        self._next = self._next_shown = 0

    def shift(self, packets: Iterable[Packet[VideoStream]]) -> Iterator[Packet[VideoStream]]:
        """Shift the timestamps of packets in place.

        Parameters
        ----------
        packets : iterable of av.Packet
            The packets of the stream in order.

        Yields
        ------
        av.Packet
            The same packets in the same order.
        """
        held: list[Packet[VideoStream]] = []
        beyond: list[Packet[VideoStream]] = []  # of these, those shown after the coming jump
        shown_end: int | None = None
        for packet in packets:
            n_jumps, offset = self.n_jumps, self._offset
            self._shift(packet)
            if self.n_jumps > n_jumps:
                for early in beyond:
                    early.pts = (early.pts or 0) + self._offset - offset
                    if shown_end is not None and self._is_far_from_dts(early.pts, early.dts):
                        early.pts = shown_end  # it fits neither side of the jump
                beyond.clear()
            elif self._is_far_from_dts(packet.pts, packet.dts):
                beyond.append(packet)
            elif packet.pts is not None:
                end = packet.pts + (packet.duration or self._frame)
                shown_end = end if shown_end is None else max(shown_end, end)
            held.append(packet)
            if not beyond or len(held) > _LONGEST_DELAY:
                yield from held
                held.clear()
                beyond.clear()
        if beyond and shown_end is not None:  # the decoding times end before they jump
            self.n_jumps += 1
            first = min(packet.pts or 0 for packet in beyond)
            for packet in beyond:
                packet.pts = (packet.pts or 0) + shown_end - first
        yield from held

    def _is_far_from_dts(self, pts: int | None, dts: int | None) -> bool:
        if pts is None or dts is None:
            return False
        return self._any_step and abs(pts - dts) > self._step

    def _shift(self, packet: Packet[VideoStream]) -> None:
        dts = packet.dts
        if dts is not None:
            if self._last is not None and self._is_jump(dts + self._offset):
                self.n_jumps += 1
                self._offset = self._next - dts
                if packet.pts is not None and not self._any_step:
                    # FFmpeg derives these decoding times, not always consistently.
                    self._offset = max(self._offset, self._next_shown - packet.pts)
            self._last = dts + self._offset
            self._next = self._last + (packet.duration or self._frame)
            shown = dts if packet.pts is None else packet.pts
            end = shown + self._offset + (packet.duration or self._frame)
            self._next_shown = max(self._next_shown, end)
        if dts is not None:
            packet.dts = dts + self._offset
        if packet.pts is not None:
            packet.pts += self._offset

    def _is_jump(self, dts: int) -> bool:
        if self._last is not None and dts + self._back < self._last:
            return True
        return self._any_step and abs(dts - self._next) > self._step


def frame_rate(stream: VideoStream) -> float:
    """Return a stream's rate, for frames that have no time of their own.

    Parameters
    ----------
    stream : av.video.stream.VideoStream
        The stream.

    Returns
    -------
    float
        Frames per second; 25 if the file does not state it.
    """
    return float(stream.average_rate or stream.guessed_rate or 25)


def demux(container: InputContainer, stream: VideoStream) -> Iterator[Packet[VideoStream]]:
    """Read the packets of a stream that contain frames.

    Concatenated Ogg files repeat Theora's headers, which are skipped.

    Parameters
    ----------
    container : av.container.InputContainer
        The open file.
    stream : av.video.stream.VideoStream
        The stream.

    Yields
    ------
    av.Packet
        The packets.
    """
    if stream.codec_context.name != "theora":
        yield from container.demux(stream)
        return
    known = stream.codec_context.extradata or b""
    for packet in container.demux(stream):
        content = bytes(packet)
        if content[1:7] == b"theora" and (content[0] == _COMMENT_HEADER or content in known):
            continue
        yield packet


def is_empty(packet: Packet[VideoStream]) -> bool:
    """Return whether a packet of size zero repeats the frame before it.

    Parameters
    ----------
    packet : av.Packet
        A packet.

    Returns
    -------
    bool
        False for the packet without timestamps that ends the stream.
    """
    return not packet.size and (packet.pts is not None or packet.dts is not None)


class _Repeat(NamedTuple):
    """A repetition of the previous frame that is still to come."""

    pts: int | None
    n_before: int  # packets with content before it


def decode_frames(
    container: InputContainer,
    stream: VideoStream,
    timeline: Timeline,
    *,
    allow_partial: bool = False,
) -> Iterator[VideoFrame]:
    """Decode all frames of a stream in order.

    An empty packet yields the frame before it again, with the packet's timestamp.

    Parameters
    ----------
    container : av.container.InputContainer
        The open file, at its beginning.
    stream : av.video.stream.VideoStream
        The stream.
    timeline : Timeline
        A new time line of this stream.
    allow_partial : bool, default=False
        Whether to end at an error instead of raising it.

    Yields
    ------
    av.VideoFrame
        The frames. A frame is valid until the next one is requested.

    Raises
    ------
    av.error.FFmpegError
        If the stream is corrupt.
    """
    repeats: deque[_Repeat] = deque()
    shown: VideoFrame | None = None
    decoded = _decode_packets(container, stream, timeline, repeats, allow_partial)
    for n_shown, frame in enumerate(decoded):
        while repeats and _comes_before(repeats[0], frame, n_shown):
            yield from _repeat(shown, repeats.popleft())
        yield frame
        shown = frame
    for repeat in repeats:
        yield from _repeat(shown, repeat)


def _decode_packets(
    container: InputContainer,
    stream: VideoStream,
    timeline: Timeline,
    repeats: deque[_Repeat],
    allow_partial: bool,
) -> Iterator[VideoFrame]:
    n_packets = 0
    try:
        for packet in timeline.shift(demux(container, stream)):
            if is_empty(packet):
                # FFmpeg's decoders interpret an empty packet as the end of the stream.
                pts = packet.dts if packet.pts is None else packet.pts
                repeats.append(_Repeat(pts, n_packets))
                continue
            n_packets += 1
            yield from packet.decode()
    except av.error.FFmpegError:
        if not allow_partial:
            raise
        with suppress(av.error.FFmpegError):
            for frame in stream.codec_context.decode(None):  # the delayed frames
                frame.time_base = stream.time_base  # only frames of packets have it already
                yield frame


def _comes_before(repeat: _Repeat, frame: VideoFrame, n_shown: int) -> bool:
    if repeat.pts is None or frame.pts is None:
        return n_shown >= repeat.n_before
    return repeat.pts < frame.pts


def _repeat(shown: VideoFrame | None, repeat: _Repeat) -> Iterator[VideoFrame]:
    if shown is not None:
        shown.pts = repeat.pts
        yield shown
