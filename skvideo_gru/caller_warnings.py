"""Warnings that point to the user's code, not to a library that called this package."""

from __future__ import annotations

import sys
import warnings

# Frames of these packages are skipped. Python 3.12 has skip_file_prefixes for this.
_LIBRARIES = {"skvideo_gru", "sklearn", "joblib", "skorch", "skops", "contextlib", "pickle"}


def warn_caller(message: str, category: type[Warning] = UserWarning) -> None:
    """Issue a warning at the line of the user's code that led to it.

    Parameters
    ----------
    message : str
        The message.
    category : type of Warning, default=UserWarning
        The category.
    """
    frame, level = sys._getframe(1), 2
    while frame.f_back is not None and _package(frame.f_globals) in _LIBRARIES:
        frame, level = frame.f_back, level + 1
    warnings.warn(message, category, stacklevel=level)


def _package(namespace: dict[str, object]) -> str:
    return str(namespace.get("__name__", "")).partition(".")[0]
