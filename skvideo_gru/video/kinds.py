"""Descriptions of objects that are not videos, for error messages without their content."""

from __future__ import annotations

import os
import re
from collections import deque
from collections.abc import Iterator
from typing import Any

import numpy as np

# What is accepted as one video.
_ACCEPTED = (
    "a path, a VideoClip, bytes, a binary file object or a uint8 array of RGB frames (T, H, W, 3)"
)

_RGB = "uint8 of shape (T, H, W, 3) in RGB order (reverse OpenCV's BGR: frame[..., ::-1])"

# A scheme has at least two letters, so that Windows drives are not URLs. pathlib replaces two
# slashes by one.
_URL = re.compile(r"[a-z][a-z0-9+.-]+:/", re.IGNORECASE)
_LONGEST_PATH = 1024


def is_url(path: str) -> bool:
    """Return whether a path is a URL.

    Parameters
    ----------
    path : str
        A path.

    Returns
    -------
    bool
        Whether it begins with a scheme such as ``https://``.
    """
    return bool(_URL.match(path))


def _describe_type(value: Any) -> str:
    """Name an object's type, and its shape or the value of a scalar."""
    name = type(value).__name__
    if value is None:
        return "None"
    if isinstance(value, bool | int | float | np.number):
        return f"{name} {value!r}"
    shape = getattr(value, "shape", None)
    return name if shape is None else f"{name} of shape {tuple(shape)}"


def object_fault(value: Any) -> str:
    """State what to pass instead of an object that is not a video.

    Parameters
    ----------
    value : object
        An object without a ``read`` method.

    Returns
    -------
    str
        One or two sentences.
    """
    shape = getattr(value, "shape", None)
    if isinstance(value, memoryview):
        advice = "for a file's content, pass bytes(video)"
    elif shape is not None:
        advice = f"pass an array, {_RGB}"
        if hasattr(value, "iloc"):
            advice += "; for a row of a DataFrame, pass row['path']"
        elif len(shape) == 4 and shape[1] == 3 != shape[3]:
            advice += "; for (T, 3, H, W), pass video.permute(0, 2, 3, 1).numpy()"
    elif isinstance(value, list | tuple | deque | Iterator):
        advice = f"for a sequence of frames, pass np.stack(list(frames)), {_RGB}"
    else:
        advice = f"pass {_ACCEPTED}"
    return f"{_describe_type(value)} is not a video; {advice}."


def array_fault(array: np.ndarray) -> str:
    """State what is wrong with an array of frames.

    Parameters
    ----------
    array : ndarray
        An array that is not a video.

    Returns
    -------
    str
        The reason for an error.
    """
    reason = f"an array of frames must be {_RGB}, got {array.dtype} of shape {array.shape}"
    if array.dtype == object or array.dtype.kind in "US":
        reason += "; for an array of videos, pass one of them, such as videos[0]"
    elif array.ndim == 3 and array.shape[-1] == 3:
        reason += "; for a list of frames, pass np.stack(frames)"
    elif array.ndim == 4 and array.shape[1] == 3 != array.shape[3]:
        reason += "; for (T, 3, H, W), pass video.transpose(0, 2, 3, 1)"
    elif array.ndim == 1 and array.dtype == np.uint8:
        reason += "; for a file's content, pass video.tobytes()"
    elif array.ndim == 4 and array.shape[-1] == 4:
        reason += "; for RGBA, pass video[..., :3]"
    return reason


def bytes_fault(content: bytes | bytearray, suffixes: frozenset[str]) -> str | None:
    """Recognize bytes that are a path instead of a file's content.

    Parameters
    ----------
    content : bytes or bytearray
        The bytes.
    suffixes : frozenset of str
        File extensions of videos.

    Returns
    -------
    str or None
        The reason for an error; None if they are not a path.
    """
    content = bytes(content).rstrip()  # a line of a file
    if not content or len(content) > _LONGEST_PATH or min(content) < 32:
        return None
    path = os.fsdecode(content)
    is_video = os.path.splitext(path)[1].lower() in suffixes
    if is_video or is_url(path) or os.path.exists(path):
        return f"the bytes contain a path; pass it as a str: {path!r}"
    return None
