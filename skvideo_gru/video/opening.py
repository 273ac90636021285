"""Open a video: local files only, of limited frame size, at the best video stream."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from io import BytesIO, TextIOBase, UnsupportedOperation
from typing import Any, BinaryIO

import av
import numpy as np
from av.container import InputContainer
from av.stream import Discard, Disposition
from av.video.stream import VideoStream

from .errors import VideoDecodeError
from .kinds import bytes_fault, is_url, object_fault
from .videos import Video, VideoClip, describe_video, video_bounds

#: Largest frame that is decoded, in pixels: 8192 x 8192. Larger frames are an error, so that
#: a small file cannot exhaust the memory. Increase it if you trust the files.
MAX_PIXELS = 2**26

# Containers that contain their video. Playlists (HLS, DASH, concat, SDP, image patterns)
# would make FFmpeg open any file or address that they name. Audio formats are included
# for the error that they contain no video.
_FORMATS = """
    apng asf av1 avi avs2 cavsvideo dirac dnxhd dv dvd evc flic flv gif gxf h261 h263 h264 hevc
    ivf m4v matroska mjpeg mov mpeg mpegts mpegvideo mxf nsv nut obu ogg rm roq smk vc1
    vc1test vvc webm wtv yuv4mpegpipe
    aac ac3 aiff amr ape caf flac mp3 wav wv
"""

_SUFFIXES = """
    .264 .265 .266 .3g2 .3gp .amv .apng .asf .avi .cavs .dif .divx .dv .dvr-ms .evo .f4v .flc
    .fli .flv .gif .gxf .h264 .h265 .h266 .hevc .insv .ismv .ivf .lrv .m1v .m2p .m2t .m2ts .m2v
    .m4v .mj2 .mjpeg .mjpg .mk3d .mkv .mod .mov .mp4 .mpe .mpeg .mpg .mpv .mts .mxf .nsv .nut
    .obu .ogg .ogm .ogv .ogx .qt .rcv .rm .rmvb .roq .smk .tod .tp .trp .ts .vc1 .vob .vro .vvc
    .webm .webp .wm .wmv .wtv .xvid .y4m
"""

#: File extensions, in lower case, of the containers and video streams that are read.
VIDEO_SUFFIXES = frozenset(_SUFFIXES.split())


@contextmanager
def open_video(video: Video) -> Iterator[tuple[InputContainer, VideoStream]]:
    """Open a video at its best stream.

    Errors of FFmpeg and of the file system inside the block are raised as
    `VideoDecodeError`.

    Parameters
    ----------
    video : str, os.PathLike, VideoClip, bytes or binary file object
        The video. A path is always the path of a local file.

    Yields
    ------
    container : av.container.InputContainer
        The open file.
    stream : av.video.stream.VideoStream
        The stream that FFmpeg rates best; never a cover image.

    Raises
    ------
    VideoDecodeError
        If the video cannot be opened or read.
    """
    name = describe_video(video)
    with open_file(video) as file:
        # The prefix keeps FFmpeg from reading a name as an address or an option.
        is_path = isinstance(video, str | os.PathLike | VideoClip)
        try:
            source = f"file:{name}" if is_path else file
            with _open_container(source, file, name) as container:
                stream = _best_stream(container, name)
                yield container, stream
        except av.error.FFmpegError as error:
            raise VideoDecodeError(name, error.strerror or str(error)) from error


def _open_container(source: str | BinaryIO, file: BinaryIO, name: str) -> InputContainer:
    options = {"format_whitelist": ",".join(_FORMATS.split()), "protocol_whitelist": "file"}
    try:
        # Titles in old files may be in any encoding; they are not used.
        return av.open(source, "r", options=options, metadata_errors="replace")
    except av.error.ArgumentError as error:
        reason = "the file format is not supported; playlists are not supported either"
        raise VideoDecodeError(name, reason) from error
    except av.error.InvalidDataError as error:
        reason = f"the file is not a video, or is damaged or incomplete ({error.strerror})"
        if file.seek(0, os.SEEK_END) == 0:
            reason = "the file is empty"
        raise VideoDecodeError(name, reason) from error


@contextmanager
def open_file(video: Video) -> Iterator[BinaryIO]:
    """Open a video's bytes, at their beginning.

    Parameters
    ----------
    video : str, os.PathLike, VideoClip, bytes or binary file object
        The video. A file object must be able to seek, because a video is read in
        several passes.

    Yields
    ------
    binary file object
        The bytes.

    Raises
    ------
    VideoDecodeError
        If it is not a local file or cannot be read.
    TypeError
        If it is not a video.
    """
    name = describe_video(video)
    path = video.path if isinstance(video, VideoClip) else video
    try:
        if isinstance(path, bytes | bytearray):
            if fault := bytes_fault(path, VIDEO_SUFFIXES):
                raise VideoDecodeError(name, fault)
            yield BytesIO(path)
        elif isinstance(path, str | os.PathLike):
            _check_path(path, name)
            with open(path, "rb") as file:
                yield file
        elif not hasattr(path, "read"):
            raise TypeError(f"Expected one video: {object_fault(path)}")
        else:
            _rewind(path, name)
            yield path  # type: ignore[misc]
    except OSError as error:
        raise VideoDecodeError(name, error.strerror or str(error)) from error


def _check_path(path: str | os.PathLike[str], name: str) -> None:
    try:
        mode = os.stat(path).st_mode
    except ValueError as error:  # a null byte in the name
        raise VideoDecodeError(name, f"the path is not a valid file name: {error}") from error
    except FileNotFoundError as error:
        if not is_url(name):
            raise
        is_file = name.lower().startswith("file:")
        remedy = "without 'file://'" if is_file else "of a downloaded file"
        reason = f"only local files can be read; pass the path {remedy}"
        raise VideoDecodeError(name, f"{error.strerror}: {reason}") from error
    if not stat.S_ISREG(mode):  # opening a pipe would block
        kind = "a folder" if stat.S_ISDIR(mode) else "a device, pipe or socket"
        raise VideoDecodeError(name, f"the path is {kind}, not a file")


def _rewind(file: Any, name: str) -> None:
    if isinstance(file, TextIOBase):
        raise VideoDecodeError(name, "the file object is in text mode; open the file with 'rb'")
    if getattr(file, "closed", False):
        raise VideoDecodeError(name, "the file object is closed; pass an open one")
    reason = "the file object is not seekable; pass its content instead: file_object.read()"
    seekable = getattr(file, "seekable", None)
    if not hasattr(file, "seek") or (callable(seekable) and not seekable()):
        raise VideoDecodeError(name, reason)
    try:
        file.seek(0)
    except UnsupportedOperation as error:
        raise VideoDecodeError(name, reason) from error


def check_pixels(width: int, height: int, name: str) -> None:
    """Reject frames that are too large.

    Parameters
    ----------
    width, height : int
        Size of the frames in pixels.
    name : str
        The video's name for the error.

    Raises
    ------
    VideoDecodeError
        If they have more than `MAX_PIXELS` pixels.
    """
    if width * height > MAX_PIXELS:
        raise VideoDecodeError(
            name,
            f"the frames have {width} x {height} pixels, more than the limit "
            f"skvideo_gru.video.opening.MAX_PIXELS = {MAX_PIXELS}; reduce their size",
        )


def _best_stream(container: InputContainer, name: str) -> VideoStream:
    streams = [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]
    if not streams:
        only = ", only a cover image" if container.streams.video else ""
        raise VideoDecodeError(name, f"the file contains no video stream{only}")
    best = container.streams.best("video")
    chosen = best if best in streams else streams[0]
    for stream in container.streams:
        if stream is not chosen:
            stream.discard = Discard.all
    context = chosen.codec_context
    if context is None:
        raise VideoDecodeError(
            name,
            "FFmpeg contains no decoder for the codec; convert the video, for example to H.264",
        )
    check_pixels(context.width, context.height, name)
    context.options = {"max_pixels": str(MAX_PIXELS)}  # The size may change.
    return chosen


def content_digest(video: Video) -> str:
    """Compute a digest of a video's bytes and its time range.

    The digest does not depend on the file's name or folder. It changes if the
    content changes.

    Parameters
    ----------
    video : Video
        A path, clip, file object, bytes or decoded array.

    Returns
    -------
    str
        64 hexadecimal digits (SHA-256).

    Raises
    ------
    VideoDecodeError
        If the file cannot be read.
    """
    return content_digests([video])[0]


def content_digests(videos: Sequence[Video]) -> list[str]:
    """Compute the digests of videos of one file, which is read once.

    Parameters
    ----------
    videos : sequence of videos
        One video, or a file and time ranges of it.

    Returns
    -------
    list of str
        The `content_digest` of each.

    Raises
    ------
    VideoDecodeError
        If the file cannot be read.
    """
    content = _hash_content(videos[0])
    digests = []
    for video in videos:
        bounds = video_bounds(video)
        digest = content.copy()
        digest.update(repr(tuple(None if b is None else float(b) for b in bounds)).encode())
        digests.append(digest.hexdigest())
    return digests


def _hash_content(video: Video) -> Any:
    if isinstance(video, np.ndarray):
        content = hashlib.sha256(np.ascontiguousarray(video).data)
        content.update(f"{video.shape} {video.dtype}".encode())
        return content
    with open_file(video) as file:
        content = hashlib.sha256()
        for block in iter(partial(file.read, 2**20), b""):
            content.update(block)
        file.seek(0)
    return content
