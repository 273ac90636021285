"""Results kept on disk by joblib: features of videos, weights of backbones."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from joblib import Memory

__all__ = ["CACHE_VERSION", "backbone", "cache_contents", "features", "kept", "remove_unfinished"]

T = TypeVar("T")

#: Part of every key: raise it when decoding, preprocessing or training change.
CACHE_VERSION = 3


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


def cache_contents(memory: Memory) -> dict[str, tuple[int, int]]:
    """Tell what a cache holds.

    Parameters
    ----------
    memory : joblib.Memory
        The cache.

    Returns
    -------
    dict of str to (int, int)
        For ``"features"`` and ``"backbone"`` the number of entries and of bytes.
    """
    contents = {}
    items = [(Path(item.path).parent.name, item.size) for item in memory.store_backend.get_items()]
    for kind in ("features", "backbone"):
        sizes = [size for name, size in items if name == kind]
        contents[kind] = len(sizes), sum(sizes)
    return contents


def remove_unfinished(memory: Memory, older_than: float) -> int:
    """Remove what a killed process or a full disk has left half-written.

    Such files are never read; they only take space.

    Parameters
    ----------
    memory : joblib.Memory
        The cache.
    older_than : float
        Seconds since they were last written to; younger ones may be in work.

    Returns
    -------
    int
        Number of files removed.
    """
    unfinished = [
        file
        for file in Path(memory.store_backend.location).rglob("output.pkl.*")
        if time.time() - file.stat().st_mtime >= older_than
    ]
    for file in unfinished:
        file.unlink(missing_ok=True)
    return len(unfinished)
