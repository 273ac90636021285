"""Which videos of a data set can be read to their end, and what they hold."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from joblib import Parallel, delayed

from .decoding import holds_no_frame, open_frames
from .errors import VideoDecodeError
from .sampling import frames_in_window
from .videos import Video, describe_video, video_bounds

__all__ = ["check_video", "check_videos"]


def check_video(video: Video) -> dict[str, Any]:
    """Decode a whole video and tell what it holds.

    Containers that are written as they come (Matroska, AVI, WMV, MPEG-TS) do not show that
    their end was cut off.

    Parameters
    ----------
    video : str, os.PathLike, VideoClip, bytes or binary file object
        The video.

    Returns
    -------
    dict
        ``path``, ``start`` and ``end`` say which it is; ``reason`` why it cannot
        be read, or None; ``n_frames`` the frames before that, ``height`` and
        ``width`` of the first one as it is stored, and ``seconds`` from the first
        to the last.
    """
    window = video_bounds(video)
    report: dict[str, Any] = {"path": describe_video(video), "start": window[0], "end": window[1]}
    report |= {"reason": None, "n_frames": 0, "height": None, "width": None, "seconds": 0.0}
    report["timestamp_jumps"] = 0
    times: list[float] = []
    try:
        with open_frames(video, allow_partial=False) as opened:
            for frame in opened.frames:
                if not times:
                    report |= {"height": frame.height, "width": frame.width}
                times.append(len(times) / opened.rate if frame.time is None else frame.time)
                if opened.timeline is not None:
                    report["timestamp_jumps"] = opened.timeline.n_jumps
        times = [time - times[0] for time in times]
        first, stop = frames_in_window(times, *window)
        if first == stop:
            report["reason"] = holds_no_frame(*window)
    except VideoDecodeError as error:
        report["reason"] = error.reason
        if times:
            report["reason"] = f"breaks after {len(times)} frames: {error.reason}"
    if times:
        report |= {"n_frames": len(times), "seconds": round(max(times) - min(times), 3)}
    return report


def check_videos(videos: Sequence[Video], n_jobs: int | None = None) -> Iterator[dict[str, Any]]:
    """Check many videos in parallel.

    Parameters
    ----------
    videos : sequence of videos
        The videos.
    n_jobs : int, optional
        Number of threads; decoding lets others run beside it.

    Yields
    ------
    dict
        What `check_video` tells of each, in order.
    """
    parallel = Parallel(n_jobs=n_jobs, prefer="threads", return_as="generator")
    yield from parallel(delayed(check_video)(video) for video in videos)
