"""Errors that the package raises for videos."""

from __future__ import annotations

from contextvars import ContextVar

#: Whether an unreadable video is an error regardless of `on_error`, so that it does not get a
#: prediction. The setting does not affect featurizers that run in joblib's workers, such as
#: those of a FeatureUnion.
ALWAYS_RAISE: ContextVar[bool] = ContextVar("ALWAYS_RAISE", default=False)


class VideoDecodeError(ValueError):
    """A video that cannot be decoded.

    Parameters
    ----------
    path : str
        The file's path, or a description of the video if it has none
        (``"<1024 bytes>"``).
    reason : str
        What is wrong with it, as a sentence.

    Attributes
    ----------
    path : str
        As given.
    reason : str
        As given.
    """

    def __init__(self, path: str, reason: str) -> None:
        # Both are in `args`, so that the error can be pickled.
        super().__init__(path, reason)
        self.path = path
        self.reason = reason

    def __str__(self) -> str:
        """Return the path and the reason in one line."""
        return f"{self.path}: {self.reason}"
