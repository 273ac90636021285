"""Frames in a row, as parts of figures."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure

from ..video import Video, describe_time_range, describe_video, uniform_indices, video_bounds
from .figures import one_line

# The largest number of frames, and the smallest number of slots, which limits the size of a single
# frame.
_FRAMES, _SLOTS = 10, 4

# The smallest width of a frame, in inches.
_FRAME_WIDTH = 0.72

#: What the labels of the y axis take of the width of a figure, in inches.
LABELS = 0.7

# The height of the bars of attention weights below a strip, relative to that of its frames.
_BARS = 0.35


def video_name(video: Video) -> str:
    """Name a video without its folder.

    Parameters
    ----------
    video : Video
        The video.

    Returns
    -------
    str
        The name of the file and, for a `VideoClip`, its time range; a description of a
        video without a file.
    """
    name = os.path.basename(describe_video(video))
    bounds = video_bounds(video)
    return name if bounds == (None, None) else f"{name}, {describe_time_range(*bounds)}"


def inches_wide(figure: Figure | SubFigure) -> float:
    """Return the width of a figure.

    Parameters
    ----------
    figure : Figure or SubFigure
        The figure.

    Returns
    -------
    float
        Its width in inches.
    """
    return float(figure.bbox.width / figure.dpi)


def draw_strip(
    axes: Axes,
    frames: np.ndarray,
    heat: np.ndarray | None = None,
    attention: np.ndarray | None = None,
) -> np.ndarray:
    """Draw frames in a row, each above its frame number on the x axis.

    Parameters
    ----------
    axes : Axes
        The axes to draw on.
    frames : ndarray of shape (T, H, W, 3), uint8
        The frames, RGB; at most ten of them are shown, fewer in a narrow figure.
    heat : ndarray of shape (T, h, w), optional
        Heat maps from 0 to 1, which tint the frames.
    attention : ndarray of shape (T,), optional
        Weights of all frames, drawn as bars below them.

    Returns
    -------
    ndarray of shape (n_shown,), int64
        Indices of the frames that are shown.
    """
    n_frames = len(frames)
    figure: Any = axes.figure  # the SubFigure, if it is in one
    most = _most_frames(inches_wide(figure) - LABELS)
    shown = uniform_indices(n_frames, min(n_frames, most))
    axes.set_axis_off()
    axes.set(xlim=(-0.5, max(n_frames, _SLOTS) - 0.5), ylim=(0, 1))
    width = n_frames / len(shown)
    for slot, frame in enumerate(shown):
        # Each frame has axes of its own, which preserve its aspect ratio.
        place = (slot * width - 0.5 + 0.03 * width, 0, 0.94 * width, 1)
        inset = axes.inset_axes(place, transform=axes.transData)
        draw_frame(inset, frames[frame], None if heat is None else heat[frame])
        inset.set_anchor("S")
    if attention is not None:
        bars = 0.85 * _BARS * np.asarray(attention) / np.max(attention)
        axes.bar(np.arange(n_frames), bars, bottom=-_BARS, color="0.4")
        axes.set_ylim(-_BARS, 1)
    return shown


def draw_frame(axes: Axes, frame: np.ndarray, heat: np.ndarray | None = None) -> None:
    """Draw a frame without an axis.

    Parameters
    ----------
    axes : Axes
        The axes to draw on.
    frame : ndarray of shape (H, W, 3), uint8
        The frame, RGB.
    heat : ndarray of shape (h, w), optional
        A heat map from 0 to 1, which tints the frame.
    """
    axes.imshow(frame)
    if heat is not None:
        height, width = frame.shape[:2]
        axes.imshow(
            heat,
            cmap="inferno",
            vmin=0,
            vmax=1,
            alpha=0.7 * heat,  # the frame stays visible where nothing is seen
            interpolation="bilinear",
            extent=(-0.5, width - 0.5, height - 0.5, -0.5),
        )
    axes.set_axis_off()


def strip_height(frames: np.ndarray, width: float, *, bars: bool = False) -> float:
    """Compute the height of a strip.

    Parameters
    ----------
    frames : ndarray of shape (T, H, W, 3), uint8
        The frames of the strip.
    width : float
        Width of the strip, in inches.
    bars : bool, default=False
        Whether there are bars of attention weights below the frames.

    Returns
    -------
    float
        Height of the strip, in inches.
    """
    n_slots = min(max(len(frames), _SLOTS), _most_frames(width))
    return (1 + _BARS * bars) * width / n_slots * frames.shape[1] / frames.shape[2]


def _most_frames(width: float) -> int:
    return int(np.clip(width / _FRAME_WIDTH, _SLOTS, _FRAMES))


def strip_title(name: str, target: Any, predicted: Any, probability: float) -> str:
    """Return the title of a strip.

    Parameters
    ----------
    name : str
        The name of the video; it may be empty.
    target : object
        The true label; None if it is unknown.
    predicted : object
        The predicted label.
    probability : float
        The probability of the predicted label.

    Returns
    -------
    str
        The labels in one line, preceded by a line with the name.
    """
    text = f"predicted {one_line(predicted, 30)} ({probability:.2f})"
    if target is not None:
        text = f"true {one_line(target, 30)}, {text}"
    return f"{one_line(name, 80)}\n{text}" if name else text
