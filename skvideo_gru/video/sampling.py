"""Which moments of a clip are looked at: pure functions from times to frame indices."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

__all__ = [
    "SAMPLINGS",
    "dense_indices",
    "fps_indices",
    "frames_in_window",
    "random_indices",
    "segment_indices",
    "select_frames",
    "uniform_indices",
]

#: The names that `select_frames` knows.
SAMPLINGS = ("uniform", "fps", "dense", "random", "all")

# A timestamp is a multiple of the stream's time base: a microsecond of slack
# keeps 0.1 + 0.2 from missing the frame at 0.3.
_SLACK = 1e-6


def uniform_indices(n_available: int, n_frames: int) -> np.ndarray:
    """Spread frames evenly over a clip.

    The clip is cut into `n_frames` equal segments and the frame at each
    segment's centre is taken: index ``floor((i + 1/2) * n_available / n_frames)``.
    A clip with fewer frames than asked for repeats frames in order.

    Parameters
    ----------
    n_available : int
        Number of frames in the clip, at least 1.
    n_frames : int
        Number of frames wanted, at least 1.

    Returns
    -------
    ndarray of shape (n_frames,), int64
        Frame indices, never decreasing.

    Examples
    --------
    Ten frames in segments of 2.5; their centres lie at 1.25, 3.75, 6.25, 8.75:

    >>> uniform_indices(10, 4).tolist()
    [1, 3, 6, 8]

    Three frames, six wanted:

    >>> uniform_indices(3, 6).tolist()
    [0, 0, 1, 1, 2, 2]
    """
    # In integers: floor((2 i + 1) n / 2 m) has no rounding to get wrong.
    return (2 * np.arange(n_frames, dtype=np.int64) + 1) * n_available // (2 * n_frames)


def random_indices(n_available: int, n_frames: int, seed: int = 0) -> np.ndarray:
    """Take one frame at random from each of the equal segments of a clip.

    The segments are those of `uniform_indices`; the method is the training-time
    sampling of Temporal Segment Networks [1]_.

    Parameters
    ----------
    n_available : int
        Number of frames in the clip, at least 1.
    n_frames : int
        Number of frames wanted, at least 1.
    seed : int, default=0
        Seed of the draw: the same seed takes the same place in every segment.

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


def segment_indices(n_available: int, shares: np.ndarray) -> np.ndarray:
    """Take one frame from each of the equal segments of a clip, where it is told.

    Parameters
    ----------
    n_available : int
        Number of frames in the clip, at least 1.
    shares : ndarray of shape (n_frames,)
        For each segment how much of it lies before the frame, from 0 to less than 1.

    Returns
    -------
    ndarray of shape (n_frames,), int64
        Frame indices, never decreasing.
    """
    n_frames = len(shares)
    places = (np.arange(n_frames) + shares) * n_available / n_frames
    return np.minimum(places, n_available - 1).astype(np.int64)


def dense_indices(n_available: int, n_frames: int, stride: int = 1) -> np.ndarray:
    """Take neighbouring frames from the middle of a clip.

    Every `stride`-th frame is taken, so that what is left over before and after
    differs by one frame at most. A clip too short yields as many as it has.

    Parameters
    ----------
    n_available : int
        Number of frames in the clip, at least 1.
    n_frames : int
        Number of frames wanted, at least 1.
    stride : int, default=1
        Distance from one frame to the next, at least 1.

    Returns
    -------
    ndarray of shape (at most n_frames,), int64
        Frame indices, increasing.

    Examples
    --------
    Three frames, every second one, span five of ten; two stay before, three after:

    >>> dense_indices(10, 3, stride=2).tolist()
    [2, 4, 6]

    Five frames have room for three with that stride:

    >>> dense_indices(5, 8, stride=2).tolist()
    [0, 2, 4]
    """
    n_taken = min(n_frames, (n_available - 1) // stride + 1)
    first = (n_available - (n_taken - 1) * stride - 1) // 2
    return first + stride * np.arange(n_taken, dtype=np.int64)


def fps_indices(times: ArrayLike, fps: float, n_frames: int) -> np.ndarray:
    """Take a fixed number of frames from each second of a clip.

    At the moments 0, 1/fps, 2/fps, ... from the clip's first frame, the frame on
    show is taken: the last one whose time is not later. The clip ends with its
    last frame's time.

    Parameters
    ----------
    times : array-like of float
        The frames' times in seconds.
    fps : float
        Frames to take of each second, positive.
    n_frames : int
        Largest number of frames: a longer clip is cut off there.

    Returns
    -------
    ndarray of shape (at most n_frames,), int64
        Frame indices, never decreasing; repeated where the clip itself has
        fewer frames a second.

    Examples
    --------
    Four frames a second, two wanted: those on show at 0.0, 0.5 and 1.0 s.

    >>> fps_indices([0.0, 0.25, 0.5, 0.75, 1.0, 1.25], fps=2, n_frames=20).tolist()
    [0, 2, 4]
    """
    # Where times go backwards, what has been shown stays shown.
    seconds = np.maximum.accumulate(np.asarray(times, dtype=np.float64))
    length = seconds[-1] - seconds[0]
    n_taken = min(n_frames, int((length + _SLACK) * fps) + 1)
    moments = seconds[0] + np.arange(n_taken) / fps + _SLACK
    return np.searchsorted(seconds, moments, side="right") - 1


def frames_in_window(
    times: ArrayLike, start: float | None = None, end: float | None = None
) -> tuple[int, int]:
    """Find the frames of a stretch of a video.

    The stretch begins with the first frame at or after `start` and ends before
    the next one at or after `end`. Put like this it follows the order in which
    frames are shown even where a file's timestamps go backwards.

    Parameters
    ----------
    times : array-like of float
        The frames' times in seconds from the first frame.
    start, end : float, optional
        The stretch in seconds; None leaves that side open.

    Returns
    -------
    first, stop : int
        The frames are ``range(first, stop)``; empty if none lies in the stretch.

    Examples
    --------
    Frames every half second; the one at 1.0 is in, the one at 2.0 is not:

    >>> frames_in_window([0.0, 0.5, 1.0, 1.5, 2.0, 2.5], start=1.0, end=2.0)
    (2, 4)
    """
    seconds = np.asarray(times, dtype=np.float64)
    first = 0 if start is None else _first_at_or_after(seconds, start, 0)
    stop = len(seconds) if end is None else _first_at_or_after(seconds, end, first)
    return first, stop


def _first_at_or_after(seconds: np.ndarray, moment: float, begin: int) -> int:
    hits = np.flatnonzero(seconds[begin:] >= moment - _SLACK)
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
    """Choose the frames of a clip that are looked at.

    Parameters
    ----------
    times : array-like of float
        Times of the video's frames in seconds from the first one, in the order
        in which they are shown.
    sampling : {"uniform", "fps", "dense", "random", "all"}, default="uniform"
        The centres of `n_frames` equal segments (`uniform_indices`), `fps`
        frames of every second (`fps_indices`), neighbours from the middle
        (`dense_indices`), one at random from each segment (`random_indices`),
        or every frame.
    n_frames : int, default=20
        Number of frames; the largest number for ``"fps"`` and ``"dense"``, of no
        meaning for ``"all"``.
    fps : float, default=2.0
        Frames of each second, for ``"fps"``.
    stride : int, default=1
        Distance from one frame to the next, for ``"dense"``.
    seed : int, default=0
        Seed of ``"random"``.
    start, end : float, optional
        The stretch that counts, in seconds (see `frames_in_window`).

    Returns
    -------
    ndarray of int64
        Indices into `times`, never decreasing; empty if the stretch holds no
        frame.

    Raises
    ------
    ValueError
        If `sampling` is unknown or a number is out of range.

    Examples
    --------
    >>> select_frames([0.0, 0.5, 1.0, 1.5, 2.0], n_frames=2, start=0.5).tolist()
    [2, 4]
    """
    if sampling not in SAMPLINGS:
        raise ValueError(f"sampling={sampling!r} is unknown; choose one of {list(SAMPLINGS)}.")
    for name, value in {"n_frames": n_frames, "stride": stride}.items():
        if value < 1:
            raise ValueError(f"{name}={value} must be at least 1.")
    if not 0 < fps < np.inf:
        raise ValueError(f"fps={fps} must be a positive number of frames a second.")
    seconds = np.asarray(times, dtype=np.float64)
    first, stop = frames_in_window(seconds, start, end)
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
