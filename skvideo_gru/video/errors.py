"""Errors that users of the package meet."""

from __future__ import annotations

from contextvars import ContextVar

__all__ = ["ALWAYS_RAISE", "VideoDecodeError"]

#: Whether a video that cannot be read is an error even to who was told to go on without it:
#: where each video gets an answer, a missing one must not get that of any other. It does not
#: reach featurizers that a model runs in joblib's workers, as FeatureUnion can.
ALWAYS_RAISE: ContextVar[bool] = ContextVar("ALWAYS_RAISE", default=False)


class VideoDecodeError(ValueError):
    """A video that cannot be turned into frames.

    Parameters
    ----------
    path : str
        The file's path, or a description of the video where it has none
        (``"<bytes, 1024 long>"``).
    reason : str
        What is wrong with it, in words.

    Attributes
    ----------
    path : str
        As given.
    reason : str
        As given.
    """

    def __init__(self, path: str, reason: str) -> None:
        # Both go to `args`, so that the error survives pickling between processes.
        super().__init__(path, reason)
        self.path = path
        self.reason = reason

    def __str__(self) -> str:
        """Return the path and the reason in one line."""
        return f"{self.path}: {self.reason}"
