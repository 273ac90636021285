"""Windows of a recording that slide over its frames."""

from __future__ import annotations

import math
from numbers import Real
from typing import Generic, NamedTuple, TypeVar

from .sampling import SLACK, frames_in_range

T = TypeVar("T")


def check_window(window: float, step: float | None) -> tuple[float, float]:
    """Check the length of windows and the distance between them.

    Parameters
    ----------
    window : float
        Length of a window in seconds.
    step : float or None
        Distance from the start of one window to the next, in seconds; None means a tenth of
        `window`.

    Returns
    -------
    window, step : float
        Both in seconds.

    Raises
    ------
    ValueError
        If one of them is not a positive, finite number.
    """
    if step is None and isinstance(window, Real):
        step = window / 10
    for name, value in {"window": window, "step": step}.items():
        # In shorter windows, rounding decides which frame belongs to them.
        if not isinstance(value, Real) or not 1e-3 <= value < math.inf:
            raise ValueError(f"{name}={value!r} must be a number of seconds, at least 0.001.")
    return float(window), float(step)  # type: ignore[arg-type]


class Window(NamedTuple, Generic[T]):
    """A window of a recording and its frames.

    Attributes
    ----------
    start, end : float
        Time range in seconds; `end` is exclusive.
    times : list of float
        Times of its frames in seconds.
    items : list
        What was pushed for each of these frames.
    """

    start: float
    end: float
    times: list[float]
    items: list[T]


class SlidingWindows(Generic[T]):
    """Collect the frames of a recording into windows.

    Window `k` begins at ``start + k * step`` and consists of the frames that
    `frames_in_range` selects from all frames of the recording. The last window is the first
    one that contains the last frame. Windows without frames are omitted. Only the frames of
    one window are stored.

    Parameters
    ----------
    window, step : float
        Length of a window and distance between starts, in seconds.
    start : float, default=0.0
        Start of the first window in seconds.

    Examples
    --------
    >>> windows = SlidingWindows(window=2, step=1)
    >>> pushed = [windows.push(time, None) for time in (0.0, 1.0, 2.0, 3.0)]
    >>> [(window.start, window.times) for done in pushed for window in done]
    [(0.0, [0.0, 1.0]), (1.0, [1.0, 2.0])]
    >>> [(window.start, window.times) for window in windows.finish()]
    [(2.0, [2.0, 3.0])]
    """

    def __init__(self, window: float, step: float, start: float = 0.0) -> None:
        self.window, self.step, self.start = window, step, start
        self._number = 0
        self._times: list[float] = []
        self._items: list[T] = []

    @property
    def _begin(self) -> float:
        return self.start + self._number * self.step

    @property
    def _end(self) -> float:
        return self._begin + self.window

    def push(self, time: float, item: T) -> list[Window[T]]:
        """Add the next frame.

        Parameters
        ----------
        time : float
            Its time in seconds.
        item : object
            What to store for the frame.

        Returns
        -------
        list of Window
            The windows that are complete, because this frame is not before their end.
        """
        if not self._times and time < self._begin - SLACK:
            return []
        self._times.append(time)
        self._items.append(item)
        complete = []
        if time >= self._end - SLACK:
            _, stop = frames_in_range(self._times, end=self._end)
            while stop < len(self._times):
                if stop:
                    complete.append(self._until(stop))
                else:  # a gap: continue with the last window that ends before the frame
                    n_ended = int((self._times[0] - self.start - self.window) / self.step)
                    self._number = max(self._number, n_ended - 1)
                self._number += 1
                first, _ = frames_in_range(self._times, start=self._begin)
                del self._times[:first], self._items[:first]
                _, stop = frames_in_range(self._times, end=self._end)
        return complete

    def finish(self) -> list[Window[T]]:
        """End the recording.

        Returns
        -------
        list of Window
            The last window; empty if it has no frames.
        """
        return [self._until(len(self._times))] if self._times else []

    def _until(self, stop: int) -> Window[T]:
        return Window(self._begin, self._end, self._times[:stop], self._items[:stop])
