"""Results kept on disk by joblib: features of videos, weights of backbones."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import joblib
from joblib import Memory

__all__ = [
    "CACHE_VERSION",
    "backbone",
    "cache_contents",
    "checkpoint_path",
    "features",
    "kept",
    "prune",
    "remove_unfinished",
]

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


def checkpoint_path(memory: Memory, key: Any) -> Path:
    """Name the file that keeps a backbone whose training was interrupted.

    Parameters
    ----------
    memory : joblib.Memory
        The cache.
    key : object
        Everything that the backbone depends on.

    Returns
    -------
    Path
        The file.
    """
    return Path(memory.store_backend.location) / "interrupted" / f"{joblib.hash(key)}.pt"


def cache_contents(memory: Memory) -> dict[str, tuple[int, int]]:
    """Tell what a cache holds.

    Parameters
    ----------
    memory : joblib.Memory
        The cache.

    Returns
    -------
    dict of str to (int, int)
        For ``"features"``, ``"backbone"`` and ``"interrupted"`` trainings the number
        of entries and of bytes.
    """
    contents = {}
    items = [(Path(item.path).parent.name, item.size) for item in memory.store_backend.get_items()]
    items += [("interrupted", file.stat().st_size) for file in _interrupted(memory)]
    for kind in ("features", "backbone", "interrupted"):
        sizes = [size for name, size in items if name == kind]
        contents[kind] = len(sizes), sum(sizes)
    return contents


def prune(memory: Memory, max_size: int | None, max_age: timedelta | None) -> None:
    """Remove what was used longest ago.

    Parameters
    ----------
    memory : joblib.Memory
        The cache.
    max_size : int or None
        Bytes that may stay; of interrupted trainings first.
    max_age : timedelta or None
        For how long what stays may not have been used.
    """
    for file in sorted(_interrupted(memory), key=lambda file: -file.stat().st_mtime):
        used = file.stat()
        too_old = max_age is not None and time.time() - used.st_mtime > max_age.total_seconds()
        if too_old or (max_size is not None and used.st_size > max_size):
            file.unlink(missing_ok=True)
        elif max_size is not None:
            max_size -= used.st_size
    if max_size is not None or max_age is not None:
        memory.reduce_size(bytes_limit=max_size, age_limit=max_age)


def _interrupted(memory: Memory) -> list[Path]:
    return list(Path(memory.store_backend.location).glob("interrupted/*.pt"))


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
    folder = Path(memory.store_backend.location)
    unfinished = [
        file
        for pattern in ("output.pkl.*", ".unfinished-*/part")  # joblib's, and checkpoints
        for file in folder.rglob(pattern)
        if time.time() - file.stat().st_mtime >= older_than
    ]
    for file in unfinished:
        file.unlink(missing_ok=True)
    return len(unfinished)
