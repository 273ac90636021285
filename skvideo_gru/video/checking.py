"""Check which videos of a data set can be decoded completely."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from joblib import Parallel, delayed

from .decoding import no_frame_reason, open_frames
from .errors import VideoDecodeError
from .opening import open_video
from .packets import scan_packets
from .sampling import frames_in_range
from .videos import Video, describe_video, video_bounds

__all__ = ["check_video", "check_videos"]

# Median intervals between frames.
_GAP = 1.5


def check_video(video: Video) -> dict[str, Any]:
    """Decode a whole video and report the result.

    In containers without an index at the end (Matroska, AVI, WMV, MPEG-TS) a missing end
    cannot be detected.

    Parameters
    ----------
    video : str, os.PathLike, VideoClip, bytes or binary file object
        The video.

    Returns
    -------
    dict
        ``path``, ``start`` and ``end`` identify the video. ``reason`` states why it
        cannot be read, or is None. ``n_frames`` is the number of frames (before the
        first error), ``height`` and ``width`` are those of the first frame as stored,
        and ``seconds`` is the time from the first to the last frame.
        ``timestamp_jumps`` is the number of places at which the file's timestamps
        restart or jump and were made continuous. ``missing_frames`` is the number of
        packets that decode to no frame, because packets before them were lost;
        `read_frames` counts them as frames when it samples. ``corrupt_frames`` is
        the number of frames of which the decoder replaced damaged parts. ``gaps`` is the number of
        frames that follow the frame before them by more than 1.5 times the median
        interval: lost frames if the frame rate is constant.
    """
    start, end = video_bounds(video)
    report: dict[str, Any] = {
        "path": describe_video(video),
        "start": start,
        "end": end,
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
    times: list[float] = []
    try:
        with open_frames(video, allow_partial=False) as opened:
            for frame in opened.frames:
                if not times:
                    report |= {"height": frame.height, "width": frame.width}
                unknown = (times[0] if times else 0.0) + len(times) / opened.rate
                times.append(unknown if frame.time is None else frame.time)
                report["corrupt_frames"] += bool(frame.is_corrupt)
                if opened.timeline is not None:
                    report["timestamp_jumps"] = opened.timeline.n_jumps
            if opened.timeline is not None:
                report["missing_frames"] = max(0, _n_frames_by_packets(video) - len(times))
        times = [time - times[0] for time in times]
        intervals = np.diff(times)
        if len(intervals):
            report["gaps"] = int((intervals > _GAP * np.median(intervals)).sum())
        first, stop = frames_in_range(times, start, end)
        if first == stop:
            report["reason"] = no_frame_reason(start, end)
    except VideoDecodeError as error:
        report["reason"] = error.reason
        if times:
            report["reason"] = f"corrupt after {len(times)} frames: {error.reason}"
    if times:
        report |= {"n_frames": len(times), "seconds": round(max(times) - min(times), 3)}
    return report


def _n_frames_by_packets(video: Video) -> int:
    """Return the number of frames that `read_frames` expects without decoding all."""
    with open_video(video) as (container, stream):
        index = scan_packets(container, stream)
    return len(index.times) if index.trusted else 0


def check_videos(videos: Sequence[Video], n_jobs: int | None = None) -> Iterator[dict[str, Any]]:
    """Check many videos in parallel.

    Parameters
    ----------
    videos : sequence of videos
        The videos.
    n_jobs : int, optional
        Number of threads.

    Yields
    ------
    dict
        The report of `check_video` for each video, in order.
    """
    parallel = Parallel(n_jobs=n_jobs, prefer="threads", return_as="generator")
    yield from parallel(delayed(check_video)(video) for video in videos)
