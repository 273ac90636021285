"""Which moments of a clip are looked at: pure functions from times to frame indices."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

__all__ = ["SAMPLINGS", "frames_in_window", "select_frames", "uniform_indices"]

#: The names that `select_frames` knows.
SAMPLINGS = ("uniform", "all")


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
    # A timestamp is a multiple of the stream's time base: a microsecond of slack
    # keeps 0.1 + 0.2 from missing the frame at 0.3.
    hits = np.flatnonzero(seconds[begin:] >= moment - 1e-6)
    return begin + int(hits[0]) if len(hits) else len(seconds)


def select_frames(
    times: ArrayLike,
    *,
    sampling: str = "uniform",
    n_frames: int = 20,
    start: float | None = None,
    end: float | None = None,
) -> np.ndarray:
    """Choose the frames of a clip that are looked at.

    Parameters
    ----------
    times : array-like of float
        Times of the video's frames in seconds from the first one, in the order
        in which they are shown.
    sampling : {"uniform", "all"}, default="uniform"
        ``"uniform"`` takes the centres of `n_frames` equal segments (see
        `uniform_indices`), ``"all"`` takes every frame.
    n_frames : int, default=20
        Number of frames for ``"uniform"``.
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
        If `sampling` is unknown or `n_frames` is below 1.

    Examples
    --------
    >>> select_frames([0.0, 0.5, 1.0, 1.5, 2.0], n_frames=2, start=0.5).tolist()
    [2, 4]
    """
    if sampling not in SAMPLINGS:
        raise ValueError(f"sampling={sampling!r} is unknown; choose one of {list(SAMPLINGS)}.")
    if n_frames < 1:
        raise ValueError(f"n_frames={n_frames} must be at least 1.")
    first, stop = frames_in_window(times, start, end)
    if first == stop or sampling == "all":
        return np.arange(first, stop, dtype=np.int64)
    return first + uniform_indices(stop - first, n_frames)
