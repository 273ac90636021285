"""Events: time ranges in which the windows of a recording show one class."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..answers import find_selective
from ..video import SLACK, VideoDecodeError
from .recordings import WindowPrediction

# Defaults: `high`, and `low` as a share of `high`.
_HIGH, _LOW = 0.5, 0.8


class Event(NamedTuple):
    """A time range of a recording that shows one class.

    Attributes
    ----------
    start, end : float
        Time range in seconds.
    label : object
        The class.
    confidence : float
        Mean probability of the class in the windows of the event.
    """

    start: float
    end: float
    label: Any
    confidence: float


def check_events(high: float | None, low: float | None, min_duration: float) -> None:
    """Check the parameters of `find_events`.

    Parameters
    ----------
    high, low : float or None
        As in `find_events`.
    min_duration : float
        As in `find_events`.

    Raises
    ------
    ValueError
        If one is out of range.
    """
    for name, value in (("high", high), ("low", low)):
        if value is not None and not 0 < value <= 1:
            raise ValueError(f"{name}={value} must be greater than 0 and at most 1.")
    if high is not None and low is not None and low > high:
        raise ValueError(f"low={low} must be at most high={high}.")
    if not 0 <= min_duration < float("inf"):
        raise ValueError(f"min_duration={min_duration} must be a number of seconds, at least 0.")


def event_thresholds(
    classes: Any, high: float | None = None, low: float | None = None
) -> tuple[float, float]:
    """Choose the thresholds that `find_events` uses.

    Parameters
    ----------
    classes : array-like of shape (n_classes,) or classifier
        As in `find_events`.
    high, low : float or None
        As in `find_events`.

    Returns
    -------
    high, low : float
        The thresholds.

    Raises
    ------
    ValueError
        If `low` is greater than the chosen `high`.
    """
    if high is None:
        selective = find_selective(classes)
        high = _HIGH if selective is None else float(selective.threshold_)
        if low is not None and low > high:
            raise ValueError(f"low={low} must be at most high={high:.6g}, the default here.")
    return high, _LOW * high if low is None else low


def find_events(
    windows: Iterable[WindowPrediction],
    classes: Any,
    *,
    high: float | None = None,
    low: float | None = None,
    min_duration: float = 0.0,
) -> Iterator[Event]:
    """Find the time ranges in which windows show one class.

    An event begins with a window whose most probable class has at least the probability
    `high`. It continues while this class has at least the probability `low`, and no other
    class is more probable and has at least `high`. Two thresholds (hysteresis, [1]_) keep
    probabilities near one threshold from splitting an event. Windows to which a
    `SelectiveClassifierCV` answers unknown begin no event.

    Windows overlap. Each one represents the time that is closest to its centre: the limit
    between two windows is halfway between their centres. The first and last windows extend
    to the start and end of the recording. The limits of events are therefore as precise as
    the distance between windows.

    Parameters
    ----------
    windows : iterable of WindowPrediction
        The windows in order, from `predict_timeline` or `LiveClassifier`.
    classes : array-like of shape (n_classes,) or classifier
        The labels, the model's ``classes_``; or the model. Pass a `SelectiveClassifierCV`,
        or a search over it, as the model.
    high : float, optional
        Probability at which an event begins. By default the ``threshold_`` of a
        `SelectiveClassifierCV`, otherwise 0.5.
    low : float, optional
        Probability below which it ends, at most `high`. By default 0.8 times `high`.
    min_duration : float, default=0.0
        Shorter events are omitted, in seconds.

    Returns
    -------
    iterator of Event
        Named tuples with `start` and `end` (seconds), `label` and `confidence`, the mean
        probability; in order, as soon as they end. Events do not overlap. Time that no
        window covers ends an event.

    Raises
    ------
    VideoDecodeError
        If `windows` raises it, after the events before the error.
    ValueError
        If a parameter is out of range, or the windows have another number of classes.

    See Also
    --------
    predict_timeline : Predicts the windows.

    References
    ----------
    .. [1] J. Canny, "A Computational Approach to Edge Detection", IEEE Transactions on
       Pattern Analysis and Machine Intelligence 8(6), 1986.

    Examples
    --------
    >>> from skvideo_gru import find_events
    >>> windows = [(0, 2, [0.9, 0.1]), (1, 3, [0.6, 0.4]), (2, 4, [0.1, 0.9])]
    >>> for event in find_events(windows, ["off", "on"]):
    ...     print(event)
    Event(start=0.0, end=2.5, label='off', confidence=0.75)
    Event(start=2.5, end=4.0, label='on', confidence=0.9)
    """
    check_events(high, low, min_duration)
    high, low = event_thresholds(classes, high, low)
    selective = find_selective(classes)
    nothing = () if selective is None else (selective.unknown_label,)
    labels = list(getattr(classes, "classes_", classes))
    return _find(windows, labels, nothing, high, low, min_duration)


def _find(
    windows: Iterable[Any],
    classes: list[Any],
    nothing: tuple[Any, ...],
    high: float,
    low: float,
    min_duration: float,
) -> Iterator[Event]:
    column: int | None = None  # the class of the current event
    begin = 0.0  # its start
    shown: list[float] = []  # its probabilities
    last: tuple[float, float] | None = None  # time range of the previous window

    def event(end: float) -> Iterator[Event]:
        if (
            column is not None
            and classes[column] not in nothing
            and end - begin >= min_duration - SLACK
        ):
            yield Event(begin, end, classes[column], float(np.mean(shown)))

    try:
        for start, end, proba in windows:
            if len(proba) != len(classes):
                raise ValueError(
                    f"The windows have {len(proba)} probabilities, but there are {len(classes)} "
                    "classes. Pass the classes_ of the model that predicted them."
                )
            limit = float(start)
            if last is not None and start > last[1] + SLACK:  # a gap
                yield from event(float(last[1]))
                column = None
            elif last is not None:
                limit = (start + end + last[0] + last[1]) / 4
            following = _class_of(proba, column, high, low)
            if following != column:
                yield from event(limit)
                column, begin, shown = following, limit, []
            if column is not None:
                shown.append(float(proba[column]))
            last = start, end
    except VideoDecodeError:
        if last is not None:
            yield from event(float(last[1]))
        raise
    if last is not None:
        yield from event(float(last[1]))


def _class_of(
    proba: Sequence[float] | np.ndarray, current: int | None, high: float, low: float
) -> int | None:
    """Choose the class of a window that follows one of the class `current`."""
    best = int(np.argmax(proba))
    if proba[best] >= high and (current is None or proba[best] > proba[current]):
        return best
    return current if current is not None and proba[current] >= low else None
