"""The decoded frames of a training set, in memory or in a temporary file."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable
from tempfile import TemporaryFile, gettempdir
from typing import Any

import numpy as np

from ..persistence import map_file
from ..video import VideoDecodeError

_Clip = np.ndarray | VideoDecodeError


def collect_clips(
    outcomes: Iterable[_Clip], max_nbytes: int | None, folder: str | os.PathLike[str] | None
) -> list[_Clip]:
    """Collect clips in memory, or in a temporary file if they are too large.

    The file has no name. The operating system removes it when the clips are no longer used, or
    when the process ends.

    Parameters
    ----------
    outcomes : iterable of ndarray of shape (T, H, W, 3), uint8, or VideoDecodeError
        The frames of each video, or the error of an unreadable video.
    max_nbytes : int or None
        Maximum size of all frames in memory, in bytes; None means any.
    folder : str or os.PathLike or None
        Folder of the file; None means the system's folder for temporary files.

    Returns
    -------
    list of ndarray of shape (T, H, W, 3), uint8, or VideoDecodeError
        The same frames, in arrays that are mapped from the file if there is one.

    Raises
    ------
    OSError
        If the file cannot be created or the disk is full.
    """
    remaining, clips, n_bytes = iter(outcomes), [], 0
    for clip in remaining:
        clips.append(clip)
        n_bytes += 0 if isinstance(clip, VideoDecodeError) else clip.nbytes
        if max_nbytes is not None and n_bytes > max_nbytes:
            return _move_to_file(clips, remaining, gettempdir() if folder is None else folder)
    return clips


def _move_to_file(
    clips: list[Any], remaining: Iterable[_Clip], folder: str | os.PathLike[str]
) -> list[_Clip]:
    with TemporaryFile(dir=folder, buffering=0) as file:
        for row, clip in enumerate(clips):
            clips[row] = _write(clip, file, folder)  # one after the other frees the memory
        clips.extend(_write(clip, file, folder) for clip in remaining)
        pixels = map_file(file)
    end = 0
    for row, shape in enumerate(clips):
        if not isinstance(shape, VideoDecodeError):
            start, end = end, end + math.prod(shape)
            clips[row] = pixels[start:end].reshape(shape)
    return clips


def _write(
    clip: _Clip, file: Any, folder: str | os.PathLike[str]
) -> tuple[int, ...] | VideoDecodeError:
    """Append a clip to a file, and return its shape."""
    if isinstance(clip, VideoDecodeError):
        return clip
    unwritten = np.ascontiguousarray(clip).reshape(-1).data
    try:
        while unwritten:
            unwritten = unwritten[file.write(unwritten) :]
    except OSError as error:
        reason = (
            f"{error.strerror}: the frames of the training videos do not fit after "
            f"{file.tell():,} bytes. Free disk space, choose another folder as memory, reduce "
            "n_frames or frame_size, or increase max_nbytes"
        )
        raise OSError(error.errno, reason, os.fspath(folder)) from error
    return clip.shape
