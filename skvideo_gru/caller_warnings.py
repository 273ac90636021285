"""Warnings that point to the user's code, not to a library that called this package."""

from __future__ import annotations

import sys
import threading
import warnings

__all__ = ["warn_caller"]

# Frames of these packages are skipped. Python 3.12 has skip_file_prefixes for this.
_LIBRARIES = {"skvideo_gru", "sklearn", "joblib", "skorch", "skops", "contextlib", "pickle"}


class _Reported(threading.local):
    """The user's call that last caused a warning on each topic, in this thread."""

    def __init__(self) -> None:
        self.calls: dict[str, tuple[int, int]] = {}


_REPORTED = _Reported()


def warn_caller(
    message: str,
    category: type[Warning] = UserWarning,
    *,
    topic: str | None = None,
    unless_reported: bool = False,
) -> None:
    """Issue a warning at the line of the user's code that led to it.

    Parameters
    ----------
    message : str
        The message.
    category : type of Warning, default=UserWarning
        The category.
    topic : str, optional
        What the warning is about.
    unless_reported : bool, default=False
        Whether to omit the warning if the same call of the user's code has caused one on
        the same topic: in a pipeline, a later step then does not repeat an earlier one.
    """
    frame, level = sys._getframe(1), 2
    while frame.f_back is not None and _package(frame.f_globals) in _LIBRARIES:
        frame, level = frame.f_back, level + 1
    if topic is not None:
        call = id(frame), frame.f_lasti
        reported = _REPORTED.calls.pop(topic, None)
        if not unless_reported:
            _REPORTED.calls[topic] = call
        elif reported == call:
            return
    warnings.warn(message, category, stacklevel=level)


def _package(namespace: dict[str, object]) -> str:
    return str(namespace.get("__name__", "")).partition(".")[0]
