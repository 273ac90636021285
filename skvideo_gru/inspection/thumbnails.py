"""Thumbnails of a recording, and what its events depend on."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from ..features import frame_reader
from ..video import SLACK, Video, VideoClip, VideoDecodeError, read_frames
from .attribution import attribute, explainable_pipeline

if TYPE_CHECKING:
    from .timeline_display import TimelineDisplay

#: The largest number of thumbnails.
N_THUMBNAILS = 10

# Their height and width in pixels.
_SIZE = (108, 192)


def read_thumbnails(video: Video, start: float, end: float) -> tuple[np.ndarray, np.ndarray]:
    """Read frames at equal distances in time.

    Parameters
    ----------
    video : Video
        The recording. If it is not a file, `start` must be 0.
    start, end : float
        Start and end of its windows in seconds.

    Returns
    -------
    frames : ndarray of shape (T, 108, 192, 3), uint8
        At most ten frames, RGB; black bars preserve their aspect ratio.
    seconds : ndarray of shape (T,)
        Times in seconds at which they are on screen, from `start`.

    Raises
    ------
    VideoDecodeError
        If no frame can be read.
    ValueError
        If the recording is not a file, and `start` is not 0.
    """
    if isinstance(video, VideoClip | str | os.PathLike):
        video = VideoClip(video.path if isinstance(video, VideoClip) else video, start, end)
    elif start > SLACK:
        raise ValueError(
            f"The first window starts at {start:g} seconds, but this video can be read from its "
            "start only. Pass all windows, or a path instead of the video."
        )
    step = (end - start) / N_THUMBNAILS
    reading: dict[str, Any] = {
        "sampling": "fps",
        "fps": 1 / step,
        "n_frames": N_THUMBNAILS,
        "frame_size": _SIZE,
        "resize": "pad",
    }
    try:
        frames = read_frames(video, **reading)
    except VideoDecodeError:
        frames = read_frames(video, **reading, allow_partial=True)
    return frames, start + step * np.arange(len(frames))


def explain_thumbnails(display: TimelineDisplay, estimator: Any, video: Video) -> None:
    """Replace the thumbnails of events by frames that the events depend on.

    Parameters
    ----------
    display : TimelineDisplay
        A display with thumbnails, whose `frames` and `heat` are changed.
    estimator : Pipeline or search
        The pipeline that predicted the windows, or the fitted search over it.
    video : str, os.PathLike or VideoClip
        The recording.

    Raises
    ------
    ValueError
        If `estimator` has other steps than those of `make_video_classifier`.
    TypeError
        If `video` is not a file.
    VideoDecodeError
        If a window of an event cannot be read.
    """
    pipe = explainable_pipeline(estimator)
    path: Any = video.path if isinstance(video, VideoClip) else video
    reading = frame_reader(pipe[0]).options
    height, width = pipe[0].frame_size_
    factor = min(_SIZE[0] / height, _SIZE[1] / width)
    reading["frame_size"] = max(1, round(factor * height)), max(1, round(factor * width))
    frames = np.array(display.frames)
    heat = np.zeros((len(frames), *_SIZE), np.float32)
    for slot, (row, column) in _most_probable(display).items():
        clip = VideoClip(path, *display.windows[row][:2])
        found = attribute(pipe, clip, column)
        frame = int(found.heat.sum(axis=(1, 2)).argmax())
        _paste(frames[slot], read_frames(clip, **reading)[frame])
        size = reading["frame_size"][::-1]
        resized = Image.fromarray(found.heat[frame]).resize(size, Image.Resampling.BILINEAR)
        _paste(heat[slot], np.asarray(resized))
    display.frames, display.heat = frames, heat


def _most_probable(display: TimelineDisplay) -> dict[int, tuple[int, int]]:
    """Return the window and the class of the most probable event during each thumbnail."""
    centres = np.array([(start + end) / 2 for start, end, _ in display.windows])
    proba = np.array([window[2] for window in display.windows], float)
    slots = np.searchsorted(display.seconds, centres + SLACK, side="right") - 1
    best: dict[int, tuple[float, int, int]] = {}
    for start, end, label, _ in display.events:
        column = display.classes.tolist().index(label)
        for row in np.flatnonzero((centres >= start) & (centres < end)).tolist():
            slot = int(slots[row])
            best[slot] = max(best.get(slot, (0.0, 0, 0)), (proba[row, column], row, column))
    return {slot: (row, column) for slot, (_, row, column) in best.items()}


def _paste(canvas: np.ndarray, picture: np.ndarray) -> None:
    """Write a picture into the centre of a larger array, which is 0 elsewhere."""
    top, left = ((np.array(canvas.shape[:2]) - picture.shape[:2]) // 2).tolist()
    canvas[:] = 0
    canvas[top : top + picture.shape[0], left : left + picture.shape[1]] = picture
