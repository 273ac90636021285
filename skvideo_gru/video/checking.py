"""Check which videos of a data set can be decoded completely."""

from __future__ import annotations

import os
from array import array
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from joblib import Parallel, delayed

from .arrays import array_times, check_array
from .decoding import no_frame_reason
from .errors import VideoDecodeError
from .in_order import open_frames, with_times
from .opening import open_video
from .packets import scan_packets
from .sampling import frames_in_range
from .videos import Video, VideoClip, describe_video, source_path, video_bounds

# Median intervals between frames.
_GAP = 1.5


def _report(video: Video, found: dict[str, Any], times: np.ndarray) -> dict[str, Any]:
    """Complete what was found in a whole file to the report of a video."""
    start, end = video_bounds(video)
    report = {"path": describe_video(video), "start": start, "end": end, **found}
    if report["reason"] is None:
        first, stop = frames_in_range(times, start, end)
        if first == stop:
            report["reason"] = no_frame_reason(start, end)
    return report


def _decode(video: Video) -> tuple[dict[str, Any], np.ndarray]:
    """Decode a whole file; return what was found, and the times of its frames."""
    found: dict[str, Any] = {
        "reason": None,
        "n_frames": 0,
        "height": None,
        "width": None,
        "seconds": 0.0,
        "timestamp_jumps": 0,
        "missing_frames": 0,
        "corrupt_frames": 0,
        "gaps": 0,
    }
    times = array("d")
    try:
        if isinstance(video, np.ndarray):
            check_array(video)
            times.extend(array_times(video))
            found |= {"height": video.shape[1], "width": video.shape[2]}
        else:
            _decode_file(video, found, times)
    except VideoDecodeError as error:
        found["reason"] = error.reason
        if times:
            found["reason"] = f"corrupt after {len(times)} frames: {error.reason}"
    from_first = np.asarray(times)
    if times:
        found |= {"n_frames": len(times), "seconds": round(float(np.ptp(from_first)), 3)}
    intervals = np.diff(from_first)
    if len(intervals) and found["reason"] is None:
        found["gaps"] = int((intervals > _GAP * np.median(intervals)).sum())
    return found, from_first


def _decode_file(video: Video, found: dict[str, Any], times: array[float]) -> None:
    with open_frames(video, allow_partial=False) as opened:
        for time, frame in with_times(opened.frames, opened.rate):
            if not times:
                found |= {"height": frame.height, "width": frame.width}
            times.append(time)
            found["corrupt_frames"] += bool(frame.is_corrupt)
            if opened.timeline is not None:
                found["timestamp_jumps"] = opened.timeline.n_jumps
        if opened.timeline is not None:
            found["missing_frames"] = max(0, _n_frames_by_packets(video) - len(times))


def _n_frames_by_packets(video: Video) -> int:
    """Return the number of frames that `read_frames` expects without decoding all."""
    with open_video(video) as (container, stream):
        index = scan_packets(container, stream)
    return len(index.times) if index.trusted else 0


def check_videos(videos: Sequence[Video], n_jobs: int | None = None) -> Iterator[dict[str, Any]]:
    """Decode whole videos in parallel and report the results.

    A file with many time ranges is decoded once. In formats without an index at the end
    (Matroska, AVI, WMV, MPEG-TS, GIF) a missing end cannot be detected.

    Parameters
    ----------
    videos : sequence of videos
        The videos.
    n_jobs : int, optional
        Number of threads.

    Yields
    ------
    dict
        One for each video, in order. ``path``, ``start`` and ``end`` identify the video.
        ``reason`` states why it cannot be read, or is None. ``n_frames`` is the number of
        frames of the file (before the first error), ``height`` and ``width`` are those of
        the first frame as stored, and ``seconds`` is the time from the first to the last
        frame. ``timestamp_jumps`` is the number of places at which the file's timestamps
        restart or jump and were made continuous. ``missing_frames`` is the number of
        packets that decode to no frame, because packets before them were lost;
        `read_frames` counts them as frames when it samples. ``corrupt_frames`` is
        the number of frames of which the decoder replaced damaged parts. ``gaps`` is the
        number of frames that follow the frame before them by more than 1.5 times the median
        interval: lost frames if the frame rate is constant.

    Examples
    --------
    >>> import numpy as np
    >>> from skvideo_gru.video import check_videos
    >>> [report] = check_videos([np.zeros((50, 48, 64, 3), np.uint8)])
    >>> report["reason"], report["n_frames"], report["seconds"]
    (None, 50, 1.96)
    """
    files: dict[str | int, Video] = {}
    file_of_row: list[str | int] = []
    for row, video in enumerate(videos):
        on_disk = isinstance(video, str | os.PathLike | VideoClip)
        file_of_row.append(source_path(video) if on_disk else row)
        files.setdefault(file_of_row[-1], video)
    parallel = Parallel(n_jobs=n_jobs, prefer="threads", return_as="generator")
    decoded = parallel(delayed(_decode)(video) for video in files.values())
    results: dict[str | int, Any] = {}
    for video, file in zip(videos, file_of_row, strict=True):
        if file not in results:  # files are in the order of their first rows
            results[file] = next(decoded)
        yield _report(video, *results[file])
