"""Select the frames of a video: pure functions from times to frame indices."""

from __future__ import annotations

from numbers import Integral, Real

import numpy as np
from numpy.typing import ArrayLike

#: Values of the parameter `sampling` of `select_frames`.
SAMPLINGS = ("uniform", "fps", "dense", "random", "all")

#: Tolerance of times in seconds. With it, 0.1 + 0.2 selects the frame at 0.3.
SLACK = 1e-6


def uniform_indices(n_available: int, n_frames: int) -> np.ndarray:
    """Select frames evenly over a video.

    The video is divided into `n_frames` equal segments, and the frame at the centre
    of each is selected: index ``floor((i + 1/2) * n_available / n_frames)``. If the
    video has fewer frames, frames are repeated in order.

    Parameters
    ----------
    n_available : int
        Number of frames in the video, at least 1.
    n_frames : int
        Number of frames to select, at least 1.

    Returns
    -------
    ndarray of shape (n_frames,), int64
        Frame indices, never decreasing.

    Examples
    --------
    Ten frames in segments of 2.5, with centres at 1.25, 3.75, 6.25 and 8.75:

    >>> uniform_indices(10, 4).tolist()
    [1, 3, 6, 8]

    Six of three frames:

    >>> uniform_indices(3, 6).tolist()
    [0, 0, 1, 1, 2, 2]
    """
    # floor((2 i + 1) n / 2 m) in integers has no rounding errors.
    return (2 * np.arange(n_frames, dtype=np.int64) + 1) * n_available // (2 * n_frames)


def random_indices(n_available: int, n_frames: int, seed: int = 0) -> np.ndarray:
    """Select a random frame of each of the equal segments of a video.

    The segments are those of `uniform_indices`; the method is the training-time
    sampling of Temporal Segment Networks [1]_.

    Parameters
    ----------
    n_available : int
        Number of frames in the video, at least 1.
    n_frames : int
        Number of frames to select, at least 1.
    seed : int, default=0
        Seed of the random positions in the segments.

    Returns
    -------
    ndarray of shape (n_frames,), int64
        Frame indices, never decreasing.

    References
    ----------
    .. [1] L. Wang et al., "Temporal Segment Networks", 2016, arXiv:1608.00859.

    Examples
    --------
    One frame from each of 0-24, 25-49, 50-74 and 75-99:

    >>> random_indices(100, 4, seed=0).tolist()
    [15, 31, 51, 75]
    """
    return segment_indices(n_available, np.random.default_rng(seed).random(n_frames))


def segment_indices(
    n_available: int, shares: np.ndarray, start: float = 0.0, length: float = 1.0
) -> np.ndarray:
    """Select one frame of each of the equal segments of a video at given positions.

    Parameters
    ----------
    n_available : int
        Number of frames in the video, at least 1.
    shares : ndarray of shape (n_frames,)
        Position of the frame in each segment, from 0 to less than 1.
    start, length : float, default=0 and 1
        The part of the video that is divided into segments, as shares of the video.

    Returns
    -------
    ndarray of shape (n_frames,), int64
        Frame indices, never decreasing.
    """
    n_frames = len(shares)
    places = start * n_available + (np.arange(n_frames) + shares) * length * n_available / n_frames
    return np.minimum(places, n_available - 1).astype(np.int64)


def dense_indices(n_available: int, n_frames: int, stride: int = 1) -> np.ndarray:
    """Select neighbouring frames from the middle of a video.

    Every `stride`-th frame is selected. The numbers of frames left before and after
    differ by at most one. A short video yields fewer frames.

    Parameters
    ----------
    n_available : int
        Number of frames in the video, at least 1.
    n_frames : int
        Number of frames to select, at least 1.
    stride : int, default=1
        Distance from one frame to the next, at least 1.

    Returns
    -------
    ndarray of shape (at most n_frames,), int64
        Frame indices, increasing.

    Examples
    --------
    Three frames with stride 2 span five of ten, with two before and three after:

    >>> dense_indices(10, 3, stride=2).tolist()
    [2, 4, 6]

    Five frames contain three with stride 2:

    >>> dense_indices(5, 8, stride=2).tolist()
    [0, 2, 4]
    """
    n_selected = min(n_frames, (n_available - 1) // stride + 1)
    first = (n_available - (n_selected - 1) * stride - 1) // 2
    return first + stride * np.arange(n_selected, dtype=np.int64)


def fps_indices(times: ArrayLike, fps: float, n_frames: int) -> np.ndarray:
    """Select a fixed number of frames per second.

    At each of the times 0, 1/fps, 2/fps, ... from the first frame, the frame on
    screen is selected: the last one whose time is not later. The video ends at the
    time of its last frame.

    Parameters
    ----------
    times : array-like of float
        The frames' times in seconds.
    fps : float
        Frames per second, positive.
    n_frames : int
        Maximum number of frames.

    Returns
    -------
    ndarray of shape (at most n_frames,), int64
        Frame indices, never decreasing; repeated if the video has fewer frames
        per second.

    Examples
    --------
    Two of four frames per second, those on screen at 0.0, 0.5 and 1.0 s:

    >>> fps_indices([0.0, 0.25, 0.5, 0.75, 1.0, 1.25], fps=2, n_frames=20).tolist()
    [0, 2, 4]
    """
    # If times go backwards, the frame shown last stays on screen.
    seconds = np.maximum.accumulate(np.asarray(times, dtype=np.float64))
    length = seconds[-1] - seconds[0]
    n_selected = min(n_frames, int((length + SLACK) * fps) + 1)
    instants = seconds[0] + np.arange(n_selected) / fps + SLACK
    return np.searchsorted(seconds, instants, side="right") - 1


def frames_in_range(
    times: ArrayLike, start: float | None = None, end: float | None = None
) -> tuple[int, int]:
    """Find the frames of a time range of a video.

    The time range begins with the first frame at or after `start` and ends before the
    next frame at or after `end`. It is therefore contiguous even if timestamps go
    backwards.

    Parameters
    ----------
    times : array-like of float
        The frames' times in seconds from the first frame.
    start, end : float, optional
        The time range in seconds; None leaves that side open.

    Returns
    -------
    first, stop : int
        The frames are ``range(first, stop)``; empty if none is in the time range.

    Examples
    --------
    Of frames every half second, the one at 1.0 is included, the one at 2.0 is not:

    >>> frames_in_range([0.0, 0.5, 1.0, 1.5, 2.0, 2.5], start=1.0, end=2.0)
    (2, 4)
    """
    seconds = np.asarray(times, dtype=np.float64)
    first = 0 if start is None else _first_at_or_after(seconds, start, 0)
    stop = len(seconds) if end is None else _first_at_or_after(seconds, end, first)
    return first, stop


def _first_at_or_after(seconds: np.ndarray, instant: float, begin: int) -> int:
    hits = np.flatnonzero(seconds[begin:] >= instant - SLACK)
    return begin + int(hits[0]) if len(hits) else len(seconds)


def select_frames(
    times: ArrayLike,
    *,
    sampling: str = "uniform",
    n_frames: int = 20,
    fps: float = 2.0,
    stride: int = 1,
    seed: int = 0,
    start: float | None = None,
    end: float | None = None,
) -> np.ndarray:
    """Select frames of a video.

    Parameters
    ----------
    times : array-like of float
        Times of the video's frames in seconds from the first one, in presentation
        order.
    sampling : {"uniform", "fps", "dense", "random", "all"}, default="uniform"
        The centres of `n_frames` equal segments (`uniform_indices`), `fps` frames
        per second (`fps_indices`), neighbours from the middle (`dense_indices`), a
        random one of each segment (`random_indices`), or every frame.
    n_frames : int, default=20
        Number of frames; the maximum for ``"fps"`` and ``"dense"``, ignored for
        ``"all"``.
    fps : float, default=2.0
        Frames per second, for ``"fps"``.
    stride : int, default=1
        Distance from one frame to the next, for ``"dense"``.
    seed : int, default=0
        Seed of ``"random"``.
    start, end : float, optional
        The time range in seconds (see `frames_in_range`).

    Returns
    -------
    ndarray of int64
        Indices into `times`, never decreasing; empty if the time range contains no
        frame.

    Raises
    ------
    ValueError
        If `sampling` is unknown, or a number is out of range or not an int.

    Examples
    --------
    >>> select_frames([0.0, 0.5, 1.0, 1.5, 2.0], n_frames=2, start=0.5).tolist()
    [2, 4]
    """
    if sampling not in SAMPLINGS:
        raise ValueError(f"sampling={sampling!r} is unknown; choose one of {list(SAMPLINGS)}.")
    for name, value, least in (
        ("n_frames", n_frames, 1),
        ("stride", stride, 1),
        ("seed", seed, 0),
    ):
        if not isinstance(value, Integral) or isinstance(value, bool) or value < least:
            raise ValueError(f"{name}={value!r} must be an int, at least {least}.")
    if not isinstance(fps, Real) or not 0 < fps < np.inf:
        raise ValueError(f"fps={fps!r} must be a positive number of frames per second.")
    seconds = np.asarray(times, dtype=np.float64)
    first, stop = frames_in_range(seconds, start, end)
    n_available = stop - first
    if n_available == 0 or sampling == "all":
        return np.arange(first, stop, dtype=np.int64)
    if sampling == "fps":
        return first + fps_indices(seconds[first:stop], fps, n_frames)
    if sampling == "dense":
        return first + dense_indices(n_available, n_frames, stride)
    if sampling == "random":
        return first + random_indices(n_available, n_frames, seed)
    return first + uniform_indices(n_available, n_frames)
