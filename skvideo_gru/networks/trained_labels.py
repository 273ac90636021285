"""A record of the labels that backbones of this process were trained on."""

from __future__ import annotations

import threading
from collections import deque
from typing import Any

# References, not ids alone: the id of a deleted object can be assigned to a new one.
_LABELS: deque[Any] = deque(maxlen=64)
_LOCK = threading.Lock()


def record_backbone_labels(y: Any, *, trained: bool) -> None:
    """Record whether the latest backbone for these labels was trained on them.

    Parameters
    ----------
    y : object
        The labels, the same object that the user or a pipeline passed.
    trained : bool
        Whether they were used for training.
    """
    with _LOCK:
        others = [labels for labels in _LABELS if labels is not y]
        _LABELS.clear()
        _LABELS.extend(others)
        if trained:
            _LABELS.append(y)


def trained_a_backbone(y: Any) -> bool:
    """Check whether a backbone was trained on these labels in this process.

    Parameters
    ----------
    y : object
        The labels; they are compared by identity, because equal labels can belong
        to other videos.

    Returns
    -------
    bool
        True if one of the latest 64 backbones was.
    """
    with _LOCK:
        return any(labels is y for labels in _LABELS)
