"""Saving: atomic writes, temporary arrays, the version of a model, trusted types of skops."""

from __future__ import annotations

import errno
import inspect
import math
import mmap
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from tempfile import TemporaryDirectory, TemporaryFile, gettempdir
from typing import Any

import numpy as np
import torch

from . import __version__
from .caller_warnings import warn_caller

#: URL of the documentation of the released version, the same as in pyproject.toml.
DOCUMENTATION = "https://skvideo-gru.readthedocs.io/en/stable/"

#: The types that ``skops.io.load(file, trusted=SKOPS_TRUSTED_TYPES)`` must trust to load
#: the estimators of this package, and ensembles, calibrated versions and searches of them. None
#: of them runs code from the file.
SKOPS_TRUSTED_TYPES = [
    "sklearn.utils._bunch.Bunch",
    "skvideo_gru.answers.GivenProbabilities",
    "skvideo_gru.sequence.classifier.GRUClassifier",
    "skvideo_gru.features.featurizer.ResNet50FrameFeaturizer",
    "skvideo_gru.sequence.scaling.FrameWise",
    "skvideo_gru.pipeline.VideoPipeline",
    "skvideo_gru.selective.SelectiveClassifierCV",
    "skvideo_gru.selective._TemperatureScaling",
    "sklearn.calibration._CalibratedClassifier",
    "sklearn.calibration._SigmoidCalibration",
    "sklearn.calibration._TemperatureScaling",
    "sklearn.metrics._classification.accuracy_score",
    "sklearn.metrics._classification.balanced_accuracy_score",
    "sklearn.metrics._classification.brier_score_loss",
    "sklearn.metrics._classification.d2_brier_score",
    "sklearn.metrics._classification.d2_log_loss_score",
    "sklearn.metrics._classification.f1_score",
    "sklearn.metrics._classification.jaccard_score",
    "sklearn.metrics._classification.log_loss",
    "sklearn.metrics._classification.matthews_corrcoef",
    "sklearn.metrics._classification.precision_score",
    "sklearn.metrics._classification.recall_score",
    "sklearn.metrics._ranking.average_precision_score",
    "sklearn.metrics._ranking.roc_auc_score",
    "sklearn.metrics._ranking.top_k_accuracy_score",
    "sklearn.metrics._scorer._PassthroughScorer",
    "sklearn.metrics._scorer._Scorer",
    "sklearn.model_selection._split.GroupKFold",
    "sklearn.model_selection._split.GroupShuffleSplit",
    "sklearn.model_selection._split.KFold",
    "sklearn.model_selection._split.LeaveOneGroupOut",
    "sklearn.model_selection._split.LeaveOneOut",
    "sklearn.model_selection._split.PredefinedSplit",
    "sklearn.model_selection._split.RepeatedKFold",
    "sklearn.model_selection._split.RepeatedStratifiedKFold",
    "sklearn.model_selection._split.ShuffleSplit",
    "sklearn.model_selection._split.StratifiedGroupKFold",
    "sklearn.model_selection._split.StratifiedKFold",
    "sklearn.model_selection._split.StratifiedShuffleSplit",
    "sklearn.model_selection._split._CVIterableWrapper",
    "sklearn.utils._metadata_requests.MetadataRequest",  # in scorers of scikit-learn 1.6
    "sklearn.utils._metadata_requests.MethodMetadataRequest",
]


class Versioned:
    """An estimator whose saved state contains the version of this package.

    Its HTML representation links to the documentation of this package.
    """

    _doc_link_module = "skvideo_gru"
    _doc_link_template = f"{DOCUMENTATION}generated/skvideo_gru.{{estimator_name}}.html"

    def __getstate__(self) -> dict[str, Any]:
        """Return the state to save, with the version."""
        state: dict[str, Any] = super().__getstate__()  # type: ignore[assignment]
        # Strings are equivalent here, and load on any operating system.
        parameters = {
            name: os.fspath(value) if isinstance(value, os.PathLike) else str(value)
            for name in inspect.signature(type(self)).parameters
            if isinstance(value := state.get(name), os.PathLike | torch.device)
        }
        return {**state, **parameters, "_saved_by": __version__}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restore a saved state; warn if another version saved it.

        Parameters that the other version did not have get their defaults.
        """
        parameters = inspect.signature(type(self)).parameters.values()
        known = {p.name: p.default for p in parameters if p.default is not p.empty}
        state = known | state
        version = state.pop("_saved_by", "unknown")
        if version != __version__:
            warn_caller(
                f"This {type(self).__name__} was saved with skvideo_gru version {version} and is "
                f"loaded with version {__version__}; its predictions may differ. Fit it again, or "
                "install the version that saved it."
            )
        super().__setstate__(state)  # type: ignore[misc]


@contextmanager
def restore_on_error(estimator: Any) -> Iterator[None]:
    """Restore the attributes of an estimator if the block fails.

    Parameters
    ----------
    estimator : estimator
        The estimator that is fitted in the block.

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
    """Check that a file can be written, before its content is computed.

    Parameters
    ----------
    path : str or os.PathLike
        The file.

    Raises
    ------
    OSError
        If its folder does not exist or is read-only, or the path is a folder, device, pipe or
        socket.
    """
    folder = os.path.dirname(os.path.realpath(path))
    if not os.path.isdir(folder):
        raise FileNotFoundError(
            f"{os.fspath(path)!r}: the folder {folder!r} does not exist; create it."
        )
    if os.path.isdir(path):
        raise IsADirectoryError(f"{os.fspath(path)!r} is a folder; pass the path of a file.")
    if os.path.exists(path) and not os.path.isfile(path):
        raise OSError(f"{os.fspath(path)!r} is a device, pipe or socket; pass the path of a file.")
    try:
        TemporaryDirectory(prefix=".unfinished-", dir=folder).cleanup()
    except OSError as error:
        raise OSError(
            f"{os.fspath(path)!r}: the folder {folder!r} cannot be written to ({error.strerror}); "
            "use another folder."
        ) from error


@contextmanager
def atomic_write(path: str | os.PathLike[str]) -> Iterator[str]:
    """Write a file atomically: it is replaced when the new content is complete.

    Parameters
    ----------
    path : str or os.PathLike
        The file. An existing file is replaced; of a link, the file to which it points.

    Yields
    ------
    str
        A temporary path in the folder of the file to write to. It is removed if the block
        fails.

    Raises
    ------
    OSError
        If the file cannot be written.
    """
    check_writable(path)
    path = os.path.realpath(path)
    folder = os.path.dirname(path)
    with TemporaryDirectory(prefix=".unfinished-", dir=folder) as unfinished:
        part = os.path.join(unfinished, "part")
        yield part
        if os.path.exists(path):
            shutil.copymode(path, part)
        os.replace(part, path)


def preallocate(path: str | os.PathLike[str]) -> None:
    """Allocate the disk space of a sparse file.

    A full disk is then an error now. Later, writing to the memory-mapped file would
    kill the process.

    Parameters
    ----------
    path : str or os.PathLike
        The file.

    Raises
    ------
    OSError
        If the disk has not enough space.
    """
    with open(path, "r+b") as file:
        _allocate(file.fileno(), os.path.getsize(path), path)


def _allocate(descriptor: int, size: int, path: str | os.PathLike[str]) -> None:
    if not hasattr(os, "posix_fallocate"):
        return
    try:
        os.posix_fallocate(descriptor, 0, size)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            return  # the file system does not support it
        reason = f"{error.strerror}: {size:,} bytes are needed"
        raise OSError(error.errno, reason, os.fspath(path)) from error


def map_file(file: Any) -> np.ndarray:
    """Map a file into memory.

    Parameters
    ----------
    file : file object
        The file, open for reading and writing. It may be closed afterwards.

    Returns
    -------
    ndarray of shape (n_bytes,), uint8
        The bytes of the file. The operating system loads them when they are used, and can
        remove them from memory.
    """
    # Not a numpy.memmap, which joblib would open again in its workers, by its name.
    return np.frombuffer(mmap.mmap(file.fileno(), 0), np.uint8)


def temporary_array(
    shape: tuple[int, ...],
    dtype: Any,
    max_nbytes: int | None,
    folder: str | os.PathLike[str] | None = None,
) -> np.ndarray:
    """Create an array in memory, or in a temporary file if it is too large.

    The file has no name. The operating system removes it when the array is no longer used, or
    when the process ends.

    Parameters
    ----------
    shape : tuple of int
        The shape.
    dtype : dtype
        The data type.
    max_nbytes : int or None
        Maximum size in memory, in bytes; None means any.
    folder : str or os.PathLike, optional
        Folder of the file; by default the system's folder for temporary files.

    Returns
    -------
    ndarray of shape `shape`
        The array, with arbitrary content.

    Raises
    ------
    OSError
        If the file cannot be created or the disk has not enough space.
    """
    n_bytes = math.prod(shape) * np.dtype(dtype).itemsize
    if max_nbytes is None or n_bytes <= max_nbytes:
        return np.empty(shape, dtype)
    folder = gettempdir() if folder is None else folder
    with TemporaryFile(dir=folder) as file:
        file.truncate(n_bytes)
        _allocate(file.fileno(), n_bytes, folder)
        return map_file(file).view(dtype).reshape(shape)
