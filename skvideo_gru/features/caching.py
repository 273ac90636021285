"""Results cached on disk by joblib: features of videos, weights of backbones."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import joblib
from joblib import Memory

from ..caller_warnings import warn_caller

__all__ = [
    "CACHE_VERSION",
    "backbone",
    "cache_contents",
    "cached",
    "checkpoint_path",
    "features",
    "prune",
    "remove_unfinished",
]

T = TypeVar("T")

#: Part of every key: raise it when decoding, preprocessing or training change.
CACHE_VERSION = 6


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


def cached(memory: Memory, kind: Callable[[Any, Callable[[], Any]], Any]) -> Any:
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
        Called like `kind`; calls `compute` only for what is not in the cache. Where
        nothing can be written a warning says so, and it always does.
    """
    try:
        return memory.cache(kind, ignore=["compute"])
    except OSError as error:
        warn_caller(f"memory={str(memory.location)!r}: nothing can be cached there ({error}).")
        return Memory(None).cache(kind)


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
    return _interrupted_folder(memory) / f"{joblib.hash(key)}.pt"


def _interrupted_folder(memory: Memory) -> Path:
    return Path(memory.store_backend.location, "interrupted")


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
    items += [("interrupted", found.st_size) for found in _interrupted(memory).values()]
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
        Bytes that may stay; interrupted trainings get what features and backbones
        leave of them.
    max_age : timedelta or None
        For how long what stays may not have been used.
    """
    if max_size is None and max_age is None:
        return
    memory.reduce_size(bytes_limit=max_size, age_limit=max_age)
    room = math.inf if max_size is None else max_size
    room -= sum(item.size for item in memory.store_backend.get_items())
    newest_first = sorted(_interrupted(memory).items(), key=lambda found: -found[1].st_mtime)
    for file, found in newest_first:
        too_old = max_age is not None and time.time() - found.st_mtime > max_age.total_seconds()
        if too_old or found.st_size > room:
            file.unlink(missing_ok=True)
        else:
            room -= found.st_size


def _interrupted(memory: Memory) -> dict[Path, os.stat_result]:
    files = {}
    for file in _interrupted_folder(memory).glob("*.pt"):
        with suppress(FileNotFoundError):  # its training has ended meanwhile
            files[file] = file.stat()
    return files


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
    results = Path(memory.store_backend.location).rglob("output.pkl.*")
    trainings = _interrupted_folder(memory).glob(".unfinished-*/part")
    n_removed = 0
    for file in (*results, *trainings):
        with suppress(FileNotFoundError):  # it has been finished meanwhile
            if time.time() - file.stat().st_mtime >= older_than:
                file.unlink()
                n_removed += 1
                if file.name == "part":
                    file.parent.rmdir()
    return n_removed
