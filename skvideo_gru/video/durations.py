"""Durations of videos, without reading their frames."""

from __future__ import annotations

from collections.abc import Sequence

import av
import numpy as np

from .errors import VideoDecodeError
from .opening import open_video
from .videos import Video, video_bounds

# Opening a file takes a millisecond or more.
_MOST_OPENED = 100


def video_duration(video: Video) -> float | None:
    """Return the duration that the container of a video states.

    Parameters
    ----------
    video : Video
        The video. The time range of a `VideoClip` with an `end` is not compared with the
        file.

    Returns
    -------
    float or None
        Seconds; None for an array, for an unreadable file, and if the container states no
        duration.
    """
    start, end = video_bounds(video)
    if end is not None:
        return end - (start or 0.0)
    if isinstance(video, np.ndarray):
        return None
    try:
        with open_video(video) as (container, stream):
            if stream.duration is not None and stream.time_base is not None:
                seconds = float(stream.duration * stream.time_base)
            elif container.duration is not None:
                seconds = container.duration / av.time_base
            else:
                return None
    except VideoDecodeError:
        return None
    return max(0.0, seconds - (start or 0.0))


def longest_duration(videos: Sequence[Video]) -> float | None:
    """Return the longest duration of some of the videos.

    Parameters
    ----------
    videos : sequence of videos
        The videos. If there are more than 100, 100 at equal distances are used.

    Returns
    -------
    float or None
        The longest `video_duration`; None if all are unknown.
    """
    n_opened = min(len(videos), _MOST_OPENED)
    rows = np.linspace(0, len(videos) - 1, n_opened).round().astype(int).tolist()
    durations = map(video_duration, (videos[row] for row in rows))
    return max((seconds for seconds in durations if seconds is not None), default=None)
