"""Opening a video: a local file and nothing else, within bounds, at its best stream."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from io import BytesIO, TextIOBase
from typing import BinaryIO

import av
import numpy as np
from av.container import InputContainer
from av.stream import Discard, Disposition
from av.video.stream import VideoStream

from .errors import VideoDecodeError
from .videos import Video, VideoClip, describe_video, video_bounds

__all__ = [
    "MAX_PIXELS",
    "VIDEO_SUFFIXES",
    "check_pixels",
    "content_digest",
    "open_file",
    "open_video",
]

#: Largest frame that is decoded, in pixels: 8192 x 8192. Larger ones are an error,
#: lest a few bytes claim all memory; raise it where you trust the files.
MAX_PIXELS = 2**26

# Containers that hold their video themselves. Playlists (HLS, DASH, concat, SDP,
# image patterns) make FFmpeg open whatever file or address they name. Sound files
# are here to be told that they hold no video.
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

#: File name suffixes, in lower case, of the containers and video streams that are read.
VIDEO_SUFFIXES = frozenset(_SUFFIXES.split())


@contextmanager
def open_video(video: Video) -> Iterator[tuple[InputContainer, VideoStream]]:
    """Open a video at its best stream.

    Whatever FFmpeg or the file system says inside the block becomes a
    `VideoDecodeError`.

    Parameters
    ----------
    video : str, os.PathLike, VideoClip, bytes or binary file object
        What to open. A path is a local file, whatever it looks like.

    Yields
    ------
    container : av.container.InputContainer
        The open file.
    stream : av.video.stream.VideoStream
        The video stream that counts, as FFmpeg judges it; cover pictures do not.

    Raises
    ------
    VideoDecodeError
        If the video cannot be opened or read.
    """
    name = describe_video(video)
    with open_file(video) as file:
        # With the prefix, FFmpeg takes no name for an address or an option.
        is_path = isinstance(video, str | os.PathLike | VideoClip)
        try:
            with _open_container(f"file:{name}" if is_path else file, name) as container:
                stream = _best_stream(container, name)
                yield container, stream
        except av.error.FFmpegError as error:
            raise VideoDecodeError(name, error.strerror or str(error)) from error


def _open_container(source: str | BinaryIO, name: str) -> InputContainer:
    options = {"format_whitelist": ",".join(_FORMATS.split()), "protocol_whitelist": "file"}
    try:
        # Titles in old files are in any encoding: they are not what is asked for.
        return av.open(source, "r", options=options, metadata_errors="replace")
    except av.error.ArgumentError as error:
        reason = "its format is no video that is read here (playlists are not)"
        raise VideoDecodeError(name, reason) from error


@contextmanager
def open_file(video: Video) -> Iterator[BinaryIO]:
    """Open a video's bytes, at their beginning.

    Parameters
    ----------
    video : str, os.PathLike, VideoClip, bytes or binary file object
        What to open.

    Yields
    ------
    binary file object
        The bytes.

    Raises
    ------
    VideoDecodeError
        If it is not a file or cannot be read.
    """
    name = describe_video(video)
    path = video.path if isinstance(video, VideoClip) else video
    try:
        if isinstance(path, bytes | bytearray):
            yield BytesIO(path)
        elif isinstance(path, str | os.PathLike):
            try:
                mode = os.stat(path).st_mode
            except ValueError as error:  # a zero byte in the name
                raise VideoDecodeError(name, f"it is no name of a file: {error}") from error
            if not stat.S_ISREG(mode):  # a pipe would keep us waiting for ever
                kind = "a folder" if stat.S_ISDIR(mode) else "a device, pipe or socket"
                raise VideoDecodeError(name, f"it is {kind}, not a file")
            with open(path, "rb") as file:
                yield file
        elif isinstance(path, TextIOBase):
            raise VideoDecodeError(name, "this file object is in text mode; open it with 'rb'")
        elif getattr(path, "closed", False):
            raise VideoDecodeError(name, "this file object is closed")
        elif not hasattr(path, "read"):
            raise TypeError(
                f"Expected one video, got {path!r:.80} ({type(path).__name__}): give a path, a "
                "VideoClip, bytes, a binary file object or an uint8 array (T, H, W, 3)."
            )
        else:
            path.seek(0)  # type: ignore[union-attr]
            yield path  # type: ignore[misc]
    except OSError as error:
        raise VideoDecodeError(name, error.strerror or str(error)) from error


def check_pixels(width: int, height: int, name: str) -> None:
    """Refuse frames that would take too much memory.

    Parameters
    ----------
    width, height : int
        Their size in pixels.
    name : str
        The video's name.

    Raises
    ------
    VideoDecodeError
        If they have more than `MAX_PIXELS` pixels.
    """
    if width * height > MAX_PIXELS:
        raise VideoDecodeError(
            name,
            f"its frames have {width} x {height} pixels, more than "
            f"skvideo_gru.video.opening.MAX_PIXELS = {MAX_PIXELS}",
        )


def _best_stream(container: InputContainer, name: str) -> VideoStream:
    films = [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]
    if not films:
        only = ", only a cover picture" if container.streams.video else ""
        raise VideoDecodeError(name, f"it holds no video stream{only}")
    best = container.streams.best("video")
    chosen = best if best in films else films[0]
    for stream in container.streams:
        if stream is not chosen:
            stream.discard = Discard.all
    context = chosen.codec_context
    if context is None:
        raise VideoDecodeError(name, "this build of FFmpeg has no decoder for it")
    check_pixels(context.width, context.height, name)
    context.options = {"max_pixels": str(MAX_PIXELS)}  # The size may change on the way.
    return chosen


def content_digest(video: Video) -> str:
    """Digest what a video shows: its bytes and the stretch taken of it.

    The digest does not depend on the file's name or place, so a moved video
    keeps it and an edited one loses it.

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
    window = tuple(None if bound is None else float(bound) for bound in video_bounds(video))
    if isinstance(video, np.ndarray):
        digest = hashlib.sha256(np.ascontiguousarray(video).data)
        digest.update(f"{video.shape} {video.dtype}".encode())
    else:
        with open_file(video) as file:
            digest = hashlib.sha256()
            for block in iter(partial(file.read, 2**20), b""):
                digest.update(block)
            file.seek(0)
    digest.update(repr(window).encode())
    return digest.hexdigest()
