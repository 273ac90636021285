"""Saved things: files written whole, the version that made a model, the types it holds."""

from __future__ import annotations

import errno
import inspect
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from tempfile import TemporaryDirectory
from typing import Any

import torch

from . import __version__

__all__ = [
    "SKOPS_TRUSTED_TYPES",
    "Versioned",
    "atomic_write",
    "check_writable",
    "preallocate",
    "restore_on_error",
]

#: Where the documentation of the released version is, as pyproject.toml says too.
DOCUMENTATION = "https://skvideo-gru.readthedocs.io/en/stable/"

#: What ``skops.io.load(file, trusted=SKOPS_TRUSTED_TYPES)`` needs to know to load the
#: estimators of this package, alone or voting; none of them runs code of the file's.
SKOPS_TRUSTED_TYPES = [
    "sklearn.utils._bunch.Bunch",
    "skvideo_gru.sequence.classifier.GRUClassifier",
    "skvideo_gru.features.featurizer.ResNet50FrameFeaturizer",
    "skvideo_gru.sequence.scaling.FrameWise",
    "skvideo_gru.pipeline.VideoPipeline",
]


class Versioned:
    """An estimator that notes in its saved state which version made it.

    Its HTML representation links to this package's documentation, not scikit-learn's.
    """

    _doc_link_module = "skvideo_gru"
    _doc_link_template = f"{DOCUMENTATION}generated/skvideo_gru.{{estimator_name}}.html"

    def __getstate__(self) -> dict[str, Any]:
        """Return what is saved, with the version."""
        state: dict[str, Any] = super().__getstate__()  # type: ignore[assignment]
        # As strings these parameters mean the same, on machines of any kind.
        parameters = {
            name: os.fspath(value) if isinstance(value, os.PathLike) else str(value)
            for name in inspect.signature(type(self)).parameters
            if isinstance(value := state.get(name), os.PathLike | torch.device)
        }
        return {**state, **parameters, "_saved_by": __version__}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take what was saved; warn if another version saved it.

        Parameters that it did not know yet get their defaults.
        """
        parameters = inspect.signature(type(self)).parameters.values()
        known = {p.name: p.default for p in parameters if p.default is not p.empty}
        state = known | state
        version = state.pop("_saved_by", "an unknown version")
        if version != __version__:
            warnings.warn(
                f"This {type(self).__name__} was saved by skvideo_gru {version} and is loaded by "
                f"{__version__}: it may predict otherwise. Fit it anew, or install that version.",
                stacklevel=2,
            )
        super().__setstate__(state)  # type: ignore[misc]


@contextmanager
def restore_on_error(estimator: Any) -> Iterator[None]:
    """Give an estimator its attributes back if the block fails.

    Parameters
    ----------
    estimator : estimator
        The estimator that the block fits.

    Yields
    ------
    None
        Nothing.
    """
    before = dict(vars(estimator))
    try:
        yield
    except BaseException:
        vars(estimator).clear()
        vars(estimator).update(before)
        raise


def check_writable(path: str | os.PathLike[str]) -> None:
    """Check that a file could be written, before the work that fills it.

    Parameters
    ----------
    path : str or os.PathLike
        The file.

    Raises
    ------
    OSError
        If there is no folder for it, or something else that it must not replace.
    """
    folder = os.path.dirname(os.path.abspath(path))
    if not os.path.isdir(folder):
        raise FileNotFoundError(f"{os.fspath(path)!r}: there is no folder {folder!r}; make it.")
    if os.path.isdir(path):
        raise IsADirectoryError(f"{os.fspath(path)!r} is a folder; give the name of a file.")
    if os.path.exists(path) and not os.path.isfile(path):
        raise OSError(f"{os.fspath(path)!r} is a device, pipe or socket; give the name of a file.")


@contextmanager
def atomic_write(path: str | os.PathLike[str]) -> Iterator[str]:
    """Put a file in its place at once, when all of it is written.

    Parameters
    ----------
    path : str or os.PathLike
        The file; what was there is replaced.

    Yields
    ------
    str
        Where to write in the meantime, in the same folder. Nothing stays there if
        the block fails.

    Raises
    ------
    OSError
        If the file cannot be written.
    """
    check_writable(path)
    folder = os.path.dirname(os.path.abspath(path))
    with TemporaryDirectory(prefix=".unfinished-", dir=folder) as unfinished:
        part = os.path.join(unfinished, "part")
        yield part
        os.replace(part, path)


def preallocate(path: str | os.PathLike[str]) -> None:
    """Let a file take the space on its disk that it says it has.

    A full disk then is an error at once; later, where the file is mapped into memory, it
    would kill the process.

    Parameters
    ----------
    path : str or os.PathLike
        The file.

    Raises
    ------
    OSError
        If there is not so much space.
    """
    if not hasattr(os, "posix_fallocate"):
        return
    size = os.path.getsize(path)
    with open(path, "r+b") as file:
        try:
            os.posix_fallocate(file.fileno(), 0, size)
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
                return  # the file system cannot tell
            reason = f"{error.strerror}: {size:,} bytes are needed"
            raise OSError(error.errno, reason, os.fspath(path)) from error
