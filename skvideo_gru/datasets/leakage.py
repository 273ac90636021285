"""Videos that a split or two labels share: the same file, content or time range."""

from __future__ import annotations

import math
import os
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from sklearn.utils import Bunch

from ..caller_warnings import warn_caller
from ..video import (
    Video,
    VideoDecodeError,
    content_digest,
    describe_time_range,
    describe_video,
    source_path,
    video_bounds,
)
from .bunches import list_first

# Bytes that are compared before a whole file is read.
_EDGE = 2**16


def warn_of_leaks(data: Bunch) -> None:
    """Warn about videos that two parts of a data set's split, or two labels, share.

    Parameters
    ----------
    data : Bunch
        The data set.

    Warns
    -----
    UserWarning
        One warning for each message of `find_leaks`.
    """
    for message in find_leaks(data):
        warn_caller(message)


def find_leaks(data: Bunch, parts: Mapping[str, np.ndarray] | None = None) -> list[str]:
    """Find videos that are in two parts of a split, or have two labels.

    Two videos have the same source if their paths resolve to one file, or if their files
    have the same content. A file is read completely only if another one has the same size,
    beginning and end.

    Parameters
    ----------
    data : Bunch
        The data set; a video without a path is ignored.
    parts : mapping of str to ndarray of int, optional
        Row numbers by the name of the part. By default the split of the data set, if it
        has one.

    Returns
    -------
    list of str
        A sentence that counts the sources in two parts, and one that counts those with
        two labels, each with the first pairs; empty if there are none.
    """
    part_of: dict[int, Any] = {}
    if parts is not None:
        part_of = {int(row): name for name, rows in parts.items() for row in rows}
    elif data.split is not None:
        part_of = {row: part for row, part in enumerate(data.split.tolist()) if part}
    label_of = {row: label for row, label in enumerate(data.target.tolist()) if label != ""}
    divided, ambiguous = [], []
    for rows in _sources(data.data):
        known = [row for row in rows if row in part_of]
        pair = _first_overlap(data.data, known, part_of) or _first_difference(known, part_of)
        divided += [pair] if pair else []
        # Different time ranges of one file may have different labels.
        known = [row for row in rows if row in label_of and (parts is None or row in part_of)]
        pair = _first_overlap(data.data, known, label_of)
        ambiguous += [pair] if pair else []
    findings = (
        (
            divided,
            part_of,
            "in two parts of the split, so scores are too high",
            "Assign each pair to one group and split by groups, or remove one video of each pair.",
        ),
        (
            ambiguous,
            label_of,
            "listed with two labels",
            "Correct the labels, or remove the videos.",
        ),
    )
    return [
        _sentence(data.data, sorted(pairs), tags, fault, remedy)
        for pairs, tags, fault, remedy in findings
        if pairs
    ]


def _sentence(
    videos: Sequence[Video],
    pairs: Sequence[tuple[int, int]],
    tags: Mapping[int, Any],
    fault: str,
    remedy: str,
) -> str:
    shown = list_first([_pair(videos, pair, tags) for pair in pairs])
    noun = "video file is" if len(pairs) == 1 else "video files are"
    return f"{len(pairs)} {noun} {fault}: {shown}. {remedy}"


def _pair(videos: Sequence[Video], pair: tuple[int, int], tags: Mapping[int, Any]) -> str:
    first, second = (videos[row] for row in pair)
    if source_path(first) != source_path(second):
        how = "the same content"
    elif _overlap(first, second):
        whole = video_bounds(first) == video_bounds(second) == (None, None)
        how = "the same file" if whole else "overlapping time ranges"
    else:
        how = "time ranges of the same file"
    names = " and ".join(f"{_name(videos[row])} ({tags[row]})" for row in pair)
    return f"{names}, {how}"


def _name(video: Video) -> str:
    bounds = video_bounds(video)
    window = "" if bounds == (None, None) else f", {describe_time_range(*bounds)}"
    return f"{describe_video(video)}{window}"


def repeated_content(videos: Sequence[Video]) -> list[list[int]]:
    """Group files that have the same content under different paths.

    Parameters
    ----------
    videos : sequence of Video
        The videos.

    Returns
    -------
    list of list of int
        Row numbers of the videos of each group, by the first row.
    """
    return [
        rows for rows in _sources(videos) if len({source_path(videos[row]) for row in rows}) > 1
    ]


def _sources(videos: Sequence[Video]) -> list[list[int]]:
    """Group the rows of videos of one file, or of files with the same content."""
    by_path: dict[str, list[int]] = defaultdict(list)
    for row, video in enumerate(videos):
        if isinstance(video, str | os.PathLike) or hasattr(video, "path"):
            by_path[source_path(video)].append(row)
    merged: list[list[str]] = [list(by_path)]
    for key in (_size, _edges, content_digest):  # each step reads more of fewer files
        merged = [files for paths in merged for files in _classes(paths, key) if len(files) > 1]
    duplicates = {path: files[0] for files in merged for path in files}
    sources: dict[str, list[int]] = defaultdict(list)
    for path, rows in by_path.items():
        sources[duplicates.get(path, path)] += rows
    return [sorted(rows) for rows in sources.values() if len(rows) > 1]


def _classes(paths: Iterable[str], key: Callable[[str], Hashable | None]) -> list[list[str]]:
    classes: dict[Hashable, list[str]] = defaultdict(list)
    for path in paths:
        try:
            value = key(path)
        except (OSError, VideoDecodeError):  # reported when the video is read
            continue
        classes[value].append(path)
    return list(classes.values())


def _size(path: str) -> int:
    if not os.path.isfile(path) or not os.path.getsize(path):
        raise OSError(f"{path}: not a regular file, or empty")
    return os.path.getsize(path)


def _edges(path: str) -> bytes:
    with open(path, "rb") as file:
        beginning = file.read(_EDGE)
        file.seek(max(len(beginning), os.fstat(file.fileno()).st_size - _EDGE))
        return beginning + file.read(_EDGE)


def _range(video: Video) -> tuple[float, float]:
    start, end = video_bounds(video)
    return start or 0.0, math.inf if end is None else end


def _overlap(first: Video, second: Video) -> bool:
    (start, end), (other_start, other_end) = _range(first), _range(second)
    return start < other_end and other_start < end


def _first_difference(rows: Sequence[int], tags: Mapping[int, Any]) -> tuple[int, int] | None:
    others = (row for row in rows if tags[row] != tags[rows[0]])
    second = next(others, None)
    return None if second is None else (rows[0], second)


def _first_overlap(
    videos: Sequence[Video], rows: Sequence[int], tags: Mapping[int, Any]
) -> tuple[int, int] | None:
    """Find two rows with different tags whose time ranges overlap.

    The time ranges are sorted by start. A time range then overlaps an earlier one if it
    starts before that one ends. For each tag, it is sufficient to remember the latest end.
    """
    latest: dict[Any, tuple[float, int]] = {}
    for row in sorted(rows, key=lambda row: (_range(videos[row])[0], row)):
        start, end = _range(videos[row])
        for tag, (other_end, other) in latest.items():
            if tag != tags[row] and start < other_end:
                return min(row, other), max(row, other)
        if end > latest.get(tags[row], (-math.inf, -1))[0]:
            latest[tags[row]] = end, row
        if len(latest) > 2:  # the latest ends of two tags are sufficient
            del latest[min(latest, key=lambda tag: latest[tag][0])]
    return None
