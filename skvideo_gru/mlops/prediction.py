"""Predictions for many videos, of which some may be unreadable."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ..video import ALWAYS_RAISE, Video, VideoDecodeError


def predict_each(
    model: Any, videos: Sequence[Video], *, at_once: int = 16
) -> Iterator[np.ndarray | VideoDecodeError]:
    """Predict the class probabilities of every readable video.

    Parameters
    ----------
    model : classifier
        A fitted classifier of videos.
    videos : sequence of videos
        The videos.
    at_once : int, default=16
        Number of videos that are predicted together.

    Yields
    ------
    ndarray of shape (n_classes,) or VideoDecodeError
        For each video, in order, its probabilities or the error of an unreadable video.
    """
    for start in range(0, len(videos), at_once):
        some = videos[start : start + at_once]
        raising = ALWAYS_RAISE.set(True)
        outcomes: list[Any] | None
        try:
            outcomes = list(model.predict_proba(some))
        except VideoDecodeError as error:
            outcomes = [error] if len(some) == 1 else None
        finally:
            ALWAYS_RAISE.reset(raising)
        yield from predict_each(model, some, at_once=1) if outcomes is None else outcomes
