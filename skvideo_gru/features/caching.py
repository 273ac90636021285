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
from sklearn.utils.validation import check_memory

from ..caller_warnings import warn_caller

T = TypeVar("T")

#: Part of every key: raise it when decoding, preprocessing or training change.
CACHE_VERSION = 12


# joblib clears the cache of a function whose source code changes: do not edit the next two.


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


def open_memory(memory: Any) -> Memory:
    """Open the cache of a parameter `memory`.

    Parameters
    ----------
    memory : str, os.PathLike, joblib.Memory or None
        The folder or the cache.

    Returns
    -------
    joblib.Memory
        The cache. If its folder cannot be created, a warning is issued, and nothing is cached.
    """
    try:
        return check_memory(os.fspath(memory) if isinstance(memory, os.PathLike) else memory)
    except OSError as error:
        _warn_not_cached(memory, error)
        return Memory(None)


def _warn_not_cached(memory: Any, error: OSError) -> None:
    warn_caller(
        f"memory={str(memory)!r}: the cache cannot be written ({error}); results are not cached. "
        "Choose another folder."
    )


def cached(memory: Memory, kind: Callable[[Any, Callable[[], Any]], Any]) -> Any:
    """Cache the results of `features` or `backbone` by their `key` alone.

    joblib writes atomically, so that several processes can share a cache and an
    interruption leaves no incomplete entry. It computes a damaged entry again, with a
    warning.

    Parameters
    ----------
    memory : joblib.Memory
        The cache.
    kind : callable
        `features` or `backbone`.

    Returns
    -------
    joblib.memory.MemorizedFunc
        A function with the arguments of `kind`, which calls `compute` only for entries that
        are not cached. If the cache cannot be written, a warning is issued and every call
        computes.
    """
    try:
        return memory.cache(kind, ignore=["compute"])
    except OSError as error:
        _warn_not_cached(memory.location, error)
        return Memory(None).cache(kind)


def cache_folder(memory: Memory) -> Path | None:
    """Return the folder of a cache.

    Parameters
    ----------
    memory : joblib.Memory
        The cache.

    Returns
    -------
    Path or None
        The folder; None without a cache, or if the folder is read-only.
    """
    if memory.location is None or not os.access(memory.store_backend.location, os.W_OK):
        return None
    return Path(memory.store_backend.location)


def checkpoint_path(memory: Memory, key: Any) -> Path:
    """Return the path of the checkpoint of a backbone's training.

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


def open_cache(folder: str | os.PathLike[str]) -> Memory:
    """Open an existing cache.

    Parameters
    ----------
    folder : str or os.PathLike
        The folder.

    Returns
    -------
    joblib.Memory
        The cache.

    Raises
    ------
    FileNotFoundError
        If the folder contains no cache.
    """
    if not os.path.isdir(os.path.join(folder, "joblib")):
        raise FileNotFoundError(
            f"{os.fspath(folder)}: the folder contains no cache; pass a folder that was used as "
            "memory."
        )
    return Memory(folder, verbose=0)


def cache_contents(memory: str | os.PathLike[str] | Memory) -> dict[str, tuple[int, int]]:
    """Count the entries of a cache.

    Parameters
    ----------
    memory : str, os.PathLike or joblib.Memory
        The cache, or its folder.

    Returns
    -------
    dict of str to (int, int)
        Number of entries and their size in bytes, for ``"features"``, ``"backbone"`` and
        ``"interrupted"`` (checkpoints of interrupted trainings).

    Raises
    ------
    FileNotFoundError
        If the folder contains no cache.
    """
    if not isinstance(memory, Memory):
        memory = open_cache(memory)
    contents = {}
    items = [(Path(item.path).parent.name, item.size) for item in memory.store_backend.get_items()]
    items += [("interrupted", found.st_size) for found in _interrupted(memory).values()]
    for kind in ("features", "backbone", "interrupted"):
        sizes = [size for name, size in items if name == kind]
        contents[kind] = len(sizes), sum(sizes)
    return contents


def prune(memory: Memory, max_size: int | None, max_age: timedelta | None) -> None:
    """Remove the least recently used entries.

    Parameters
    ----------
    memory : joblib.Memory
        The cache.
    max_size : int or None
        Maximum size in bytes. Checkpoints may use what features and backbones leave of it.
    max_age : timedelta or None
        Maximum time since an entry was last used.
    """
    if max_size is None and max_age is None:
        return
    if memory.store_backend.get_items():  # joblib cannot compute the age of an empty cache
        memory.reduce_size(bytes_limit=max_size, age_limit=max_age)
    available = math.inf if max_size is None else max_size
    available -= sum(item.size for item in memory.store_backend.get_items())
    newest_first = sorted(_interrupted(memory).items(), key=lambda found: -found[1].st_mtime)
    for file, found in newest_first:
        too_old = max_age is not None and time.time() - found.st_mtime > max_age.total_seconds()
        if too_old or found.st_size > available:
            file.unlink(missing_ok=True)
        else:
            available -= found.st_size


def _interrupted(memory: Memory) -> dict[Path, os.stat_result]:
    files = {}
    for file in _interrupted_folder(memory).glob("*.pt"):
        with suppress(FileNotFoundError):  # its training has ended in the meantime
            files[file] = file.stat()
    return files


def remove_unfinished(memory: Memory, older_than: float) -> int:
    """Remove incomplete files that a killed process or a full disk has left.

    Such files are never read.

    Parameters
    ----------
    memory : joblib.Memory
        The cache.
    older_than : float
        Minimum number of seconds since the last write; newer files may still be written.

    Returns
    -------
    int
        Number of files removed.
    """
    results = Path(memory.store_backend.location).rglob("output.pkl.*")
    trainings = _interrupted_folder(memory).glob(".unfinished-*/part")
    n_removed = 0
    for file in (*results, *trainings):
        with suppress(FileNotFoundError):  # completed in the meantime
            if time.time() - file.stat().st_mtime >= older_than:
                file.unlink()
                n_removed += 1
                if file.name == "part":
                    file.parent.rmdir()
    return n_removed
