"""Types that are accepted as a video and as a collection of videos."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass
from numbers import Real
from typing import Any, BinaryIO, TypeAlias

import numpy as np

from .kinds import array_fault, object_fault


@dataclass(frozen=True)
class VideoClip:
    """A time range of a video.

    A frame belongs to the clip if its time `t`, counted from the video's first
    frame, satisfies ``start <= t < end``.

    Parameters
    ----------
    path : str or os.PathLike
        The video file.
    start : float, optional
        Start of the time range, in seconds from the first frame. None means the
        beginning of the video.
    end : float, optional
        End of the time range (exclusive), in seconds from the first frame. None
        means the end of the video.

    Raises
    ------
    TypeError
        If `path` is not a path, or `start` or `end` is not a number.
    ValueError
        If `start` is negative, `end` is not after `start`, or either is not a
        finite number.
    """

    path: str | os.PathLike[str]
    start: float | None = None
    end: float | None = None

    def __post_init__(self) -> None:
        """Check the time range."""
        if not isinstance(self.path, str | os.PathLike):
            raise TypeError(
                f"VideoClip requires a path (str or PathLike), got {type(self.path).__name__}."
            )
        for name in ("start", "end"):
            value = getattr(self, name)
            if value is not None and not isinstance(value, Real):
                raise TypeError(f"{self.path}: {name} must be a number of seconds, got {value!r}.")
            if value is not None and not math.isfinite(value):
                raise ValueError(
                    f"{self.path}: {name} must be a finite number of seconds, got {value!r}."
                )
        begin = self.start if self.start is not None else 0.0
        if begin < 0:
            raise ValueError(f"{self.path}: start must not be negative, got {self.start}.")
        if self.end is not None and self.end <= begin:
            raise ValueError(f"{self.path}: end={self.end} must be greater than start={begin}.")


#: Anything that is accepted as one video. An array contains RGB frames: uint8, (T, H, W, 3).
#: OpenCV's frames are BGR; ``frame[..., ::-1]`` makes them RGB.
Video: TypeAlias = "str | os.PathLike[str] | VideoClip | bytes | BinaryIO | np.ndarray"


def describe_video(video: Video) -> str:
    """Name a video for messages.

    Parameters
    ----------
    video : Video
        A path, clip, file object, bytes or decoded array.

    Returns
    -------
    str
        Its path if it has one, otherwise its type and size.
    """
    if isinstance(video, VideoClip):
        return os.fspath(video.path)
    if isinstance(video, str | os.PathLike):
        return os.fspath(video)
    if isinstance(video, bytes | bytearray):
        return f"<{len(video)} bytes>"
    if isinstance(video, np.ndarray):
        return f"<array of shape {video.shape}>"
    name = getattr(video, "name", None)  # a number if the file was opened by its descriptor
    if isinstance(name, str | bytes | os.PathLike):
        return os.fsdecode(name)
    return f"<{type(video).__name__}>"


def source_path(video: Video) -> str:
    """Resolve the path of a video's file.

    Parameters
    ----------
    video : Video
        A path or a `VideoClip`.

    Returns
    -------
    str
        The absolute path without links.
    """
    return os.path.realpath(describe_video(video))


def video_bounds(video: Video) -> tuple[float | None, float | None]:
    """Return the time range of a video.

    Parameters
    ----------
    video : Video
        The video.

    Returns
    -------
    start, end : float or None
        Start and end of a `VideoClip`; None and None for a whole video.
    """
    return (video.start, video.end) if isinstance(video, VideoClip) else (None, None)


def describe_time_range(start: float | None, end: float | None) -> str:
    """Describe a time range for messages.

    Parameters
    ----------
    start, end : float or None
        As `video_bounds` returns them.

    Returns
    -------
    str
        ``0 s to 2.5 s``, or ``5 s to the end``.
    """
    return f"{start or 0:g} s to {'the end' if end is None else f'{end:g} s'}"


def as_video_list(X: Any) -> list[Video]:
    """Convert any accepted collection of videos to a list.

    Parameters
    ----------
    X : list, 1-D or (n, 1) array, Series, DataFrame, or uint8 array (n, T, H, W, 3)
        The videos. A DataFrame has a column ``path`` and optionally ``start``
        and ``end`` in seconds; a single column is the path. Arrays of frames
        are in RGB order.

    Returns
    -------
    list of Video
        One entry per row.

    Raises
    ------
    TypeError
        If `X` is one video instead of a collection, or contains something that
        is not a video.
    ValueError
        If `X` is empty or has a wrong shape.
    """
    if isinstance(X, str | os.PathLike | bytes | bytearray | VideoClip):
        raise TypeError(
            f"Expected a collection of videos, got one {type(X).__name__}. "
            "Put it in a list: [video]."
        )
    if hasattr(X, "columns") and hasattr(X, "itertuples"):
        videos = _videos_of_frame(X)
    elif isinstance(X, np.ndarray) and X.dtype != np.uint8:
        if X.ndim == 2 and X.shape[1] == 1:
            X = X[:, 0]
        if X.ndim != 1:
            raise ValueError(
                f"Expected videos as a 1-D or (n, 1) array, got an array of shape {X.shape}."
            )
        videos = list(X)
    elif isinstance(X, np.ndarray) and X.ndim != 5:
        raise ValueError(
            "Expected a collection of videos, got a uint8 array of shape "
            f"{X.shape}. Put one decoded video (T, H, W, 3), RGB, into a list: [video]."
        )
    elif type(X).__module__.partition(".")[0] == "torch":
        raise TypeError(f"Expected a collection of videos: {object_fault(X)}")
    elif isinstance(X, Iterable) and not hasattr(X, "read") and not isinstance(X, Mapping | Set):
        videos = list(X)
    else:
        raise TypeError(f"Expected a collection of videos, got {type(X).__name__}. Pass a list.")
    if not videos:
        raise ValueError("Expected at least one video, got none (0 samples).")
    for row, video in enumerate(videos):
        if isinstance(video, np.ndarray) and video.shape == (1,):
            # A row of an (n, 1) array that was converted by list().
            video = videos[row] = video[0]
        known = isinstance(video, str | os.PathLike | VideoClip | bytes | bytearray | np.ndarray)
        if not known and not hasattr(video, "read"):
            raise TypeError(f"Row {row}: {object_fault(video)}")
        if isinstance(video, np.ndarray) and video.ndim == 3:
            # A list of frames instead of a list of videos.
            raise TypeError(f"Row {row}: {array_fault(video)}.")
    return videos


def _videos_of_frame(X: Any) -> list[Video]:
    columns = list(X.columns)
    if "path" not in columns:
        if len(columns) != 1:
            raise ValueError(
                f"A DataFrame of videos must contain the column 'path', got {columns}. Rename the "
                "column that contains the paths."
            )
        return X.iloc[:, 0].tolist()
    paths = X["path"].tolist()
    if "start" not in columns and "end" not in columns:
        return paths

    def bounds(name: str) -> list[Any]:
        if name not in columns:
            return [None] * len(paths)
        values, missing = X[name].tolist(), X[name].isna().tolist()
        return [None if gap else value for value, gap in zip(values, missing, strict=True)]

    rows = zip(paths, bounds("start"), bounds("end"), strict=True)
    return [_clip(number, *row) for number, row in enumerate(rows)]


def _clip(row: int, path: Any, start: Any, end: Any) -> VideoClip:
    try:
        start, end = (None if bound is None else float(bound) for bound in (start, end))
        return VideoClip(path, start, end)
    except (TypeError, ValueError) as error:
        raise type(error)(
            f"Row {row}: path={path!r}, start={start!r}, end={end!r} is not a valid time range: "
            f"{error}"
        ) from error
