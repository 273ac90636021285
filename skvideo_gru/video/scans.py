"""Packet indices of the latest files, reused for further time ranges of the same file."""

from __future__ import annotations

import os
import threading

import numpy as np
from av.container import InputContainer
from av.video.stream import VideoStream

from .packets import NO_PTS, PacketIndex, scan_packets
from .videos import Video, VideoClip

# Number of files; the index of an hour at 25 frames per second needs about 10 MB.
_LARGEST = 8

# Formats that have an index, so that a seek does not depend on an earlier scan.
_INDEXED = {"mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm"}

_Key = tuple[str, int, int, int, int]

_UNUSABLE = PacketIndex(np.empty(0), NO_PTS, NO_PTS, [], [], False, False, NO_PTS)

# None: the whole file has not been scanned.
_latest: dict[_Key, PacketIndex | None] = {}
_changing = threading.Lock()


def find_packets(video: Video, container: InputContainer, stream: VideoStream) -> PacketIndex:
    """Return an index of the packets of a video.

    For the first time range of a file, its packets are read up to the end of the time range.
    For the second one all packets are read, and none for further ones. The timestamps and
    positions of the frames in the time range are the same in each case.

    Parameters
    ----------
    video : Video
        The video.
    container : av.container.InputContainer
        Its file, at the beginning.
    stream : av.video.stream.VideoStream
        The stream.

    Returns
    -------
    PacketIndex
        The index; it may contain packets after the time range.

    Raises
    ------
    av.error.FFmpegError
        If the file is corrupt.
    """
    if not isinstance(video, VideoClip):
        return scan_packets(container, stream)
    if container.format.name not in _INDEXED:
        return scan_packets(container, stream, video.end)
    key = _key(video)
    with _changing:
        first = key not in _latest
        index = _latest.setdefault(key, None)
        if not first and index is None:
            _latest[key] = _UNUSABLE  # for other threads, and if the scan fails
        while len(_latest) > _LARGEST:
            del _latest[next(iter(_latest))]
    if index is not None and index.trusted:
        return index
    if first or index is not None:
        return scan_packets(container, stream, video.end)
    index = scan_packets(container, stream)
    if index.trusted:
        with _changing:
            _latest[key] = index
    return index


def distrust_packets(video: Video) -> None:
    """Do not reuse the index of a file.

    Parameters
    ----------
    video : Video
        A video whose frames differ from its index.
    """
    if isinstance(video, VideoClip):
        with _changing:
            _latest[_key(video)] = _UNUSABLE


def _key(clip: VideoClip) -> _Key:
    path = os.path.abspath(clip.path)
    found = os.stat(path)
    return path, found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns
