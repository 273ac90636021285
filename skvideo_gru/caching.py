"""Results kept on disk by joblib: features of videos, trained backbones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from joblib import Memory

__all__ = ["cached_backbone", "cached_features", "has_features"]

T = TypeVar("T")

# Each function below only names a folder of the cache: its `key` says what the
# result depends on, and joblib takes care of atomic writes, of many processes
# and of damaged entries, which it computes again with a warning.


def features(key: Any, compute: Callable[[], T]) -> T:
    """Compute the features of a video.

    Parameters
    ----------
    key : object
        What they depend on.
    compute : callable
        Computes them.

    Returns
    -------
    object
        What `compute` returns.
    """
    return compute()


def backbone(key: Any, compute: Callable[[], T]) -> T:
    """Train a backbone.

    Parameters
    ----------
    key : object
        What the trained weights depend on.
    compute : callable
        Trains it.

    Returns
    -------
    object
        What `compute` returns.
    """
    return compute()


def has_features(memory: Memory, key: Any) -> bool:
    """Tell whether a video's features are in the cache.

    Parameters
    ----------
    memory : joblib.Memory
        The cache.
    key : object
        What the features depend on.

    Returns
    -------
    bool
        True if they are there.
    """
    return memory.cache(features, ignore=["compute"]).check_call_in_cache(key, None)


def cached_features(memory: Memory, key: Any, compute: Callable[[], T]) -> T:
    """Take a video's features from the cache, or compute and keep them.

    Parameters
    ----------
    memory : joblib.Memory
        The cache.
    key : object
        What the features depend on.
    compute : callable
        Called without arguments where they are missing or damaged.

    Returns
    -------
    object
        The features.
    """
    return memory.cache(features, ignore=["compute"])(key, compute)


def cached_backbone(memory: Memory, key: Any, compute: Callable[[], T]) -> T:
    """Take a trained backbone from the cache, or train and keep it.

    Parameters
    ----------
    memory : joblib.Memory
        The cache.
    key : object
        What the trained weights depend on.
    compute : callable
        Called without arguments where they are missing or damaged.

    Returns
    -------
    object
        The weights and the history of their training.
    """
    return memory.cache(backbone, ignore=["compute"])(key, compute)
