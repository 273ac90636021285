"""Results kept on disk by joblib: features of videos, weights of backbones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from joblib import Memory

__all__ = ["CACHE_VERSION", "backbone", "features", "kept"]

T = TypeVar("T")

#: Part of every key: raise it when decoding, preprocessing or training change.
CACHE_VERSION = 2


# joblib empties a function's folder when its text changes: leave the next two as they are.


def features(key: Any, compute: Callable[[], T]) -> T:
    """Compute the features of a video; names their folder in the cache.

    Parameters
    ----------
    key : object
        Everything that they depend on.
    compute : callable
        Computes them.

    Returns
    -------
    object
        What `compute` returns.
    """
    return compute()


def backbone(key: Any, compute: Callable[[], T]) -> T:
    """Make the weights of a backbone; names their folder in the cache.

    Parameters
    ----------
    key : object
        Everything that they depend on.
    compute : callable
        Draws or trains them.

    Returns
    -------
    object
        What `compute` returns.
    """
    return compute()


def kept(memory: Memory, kind: Callable[[Any, Callable[[], Any]], Any]) -> Any:
    """Let joblib keep what `features` or `backbone` return, by their `key` alone.

    joblib writes atomically, so that many processes may share a cache and an
    interruption leaves nothing half-written, and computes a damaged entry again
    with a warning.

    Parameters
    ----------
    memory : joblib.Memory
        The cache.
    kind : callable
        `features` or `backbone`.

    Returns
    -------
    joblib.memory.MemorizedFunc
        Called like `kind`; calls `compute` only for what is not in the cache.
    """
    return memory.cache(kind, ignore=["compute"])
