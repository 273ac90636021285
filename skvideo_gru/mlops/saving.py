"""Saving and loading of model files, and trust in them."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import joblib
import skops.io

from ..features import find_featurizers
from ..persistence import SKOPS_TRUSTED_TYPES, atomic_write

# Parameters of a featurizer that refer to this machine, and their values in a saved model.
_PORTABLE = {"memory": None, "n_jobs": None, "verbose": 0}


@contextmanager
def portable(model: Any) -> Iterator[None]:
    """Remove the cache folder, worker number and verbosity from a model while it is saved.

    Parameters
    ----------
    model : estimator
        A model with any number of featurizers.

    Yields
    ------
    None
        Nothing.
    """
    found = {id(featurizer): featurizer for featurizer in find_featurizers(model)}.values()
    local = [{name: getattr(featurizer, name) for name in _PORTABLE} for featurizer in found]
    for featurizer in found:
        featurizer.set_params(**_PORTABLE)
    try:
        yield
    finally:
        for featurizer, params in zip(found, local, strict=True):
            featurizer.set_params(**params)


def save_model(model: Any, path: str | os.PathLike[str]) -> None:
    """Save a fitted model, with skops to ``*.skops``, with joblib to any other name.

    Parameters
    ----------
    model : estimator
        The model.
    path : str or os.PathLike
        The file. An existing file is replaced when the new one is complete.

    Raises
    ------
    OSError
        If the file cannot be written.
    """
    dump = skops.io.dump if os.fspath(path).endswith(".skops") else joblib.dump
    with atomic_write(path) as unfinished:
        dump(model, unfinished)


def load_model(path: str | os.PathLike[str], *, trust: bool = False) -> Any:
    """Load a classifier that was saved by `save_model`, joblib or skops.

    A joblib file is a pickle, which can run arbitrary code when it is loaded. A skops
    file runs no code if all its types are trusted.

    Parameters
    ----------
    path : str or os.PathLike
        The file.
    trust : bool, default=False
        Whether the source of the file is trusted to run code on this machine.

    Returns
    -------
    estimator
        The model.

    Raises
    ------
    FileNotFoundError
        If the file does not exist.
    ValueError
        If the file contains no classifier, or needs trust and `trust` is False.
    """
    if os.path.isdir(path):
        raise FileNotFoundError(f"{path} is a folder; pass the model file.")
    if not os.path.isfile(path):
        raise FileNotFoundError(f"{path}: the model file does not exist; check the path.")
    is_skops = zipfile.is_zipfile(path)
    with open(path, "rb") as file:
        start = file.read(6)
    if not is_skops and (os.fspath(path).endswith(".skops") or start.startswith(b"PK")):
        raise ValueError(f"{path}: the file is damaged or incomplete; save or copy it again.")
    if not is_skops and not start.startswith(_PICKLE_STARTS):
        raise ValueError(
            f"{path}: the file is no model; pass a file that save_model, joblib or skops has "
            "written."
        )
    try:
        model = (_load_skops if is_skops else _load_pickle)(path, trust)
    except _UntrustedError:
        raise
    except Exception as error:  # unpickling can raise anything
        raise ValueError(f"{path}: the model cannot be loaded: {error}") from error
    if not hasattr(model, "predict_proba"):
        kind = type(model).__name__
        raise ValueError(
            f"{path}: expected a fitted classifier, found a {kind}; save the whole pipeline."
        )
    if not hasattr(model, "classes_"):
        raise ValueError(f"{path}: the classifier is not fitted; save it after its fit.")
    return model


# Pickles of protocol 2 or later, and files of zlib, gzip, bz2, lzma, xz and lz4.
_PICKLE_STARTS = (b"\x80", b"x", b"\x1f\x8b", b"BZ", b"]\0", b"\xfd7zXZ", b'\x04"M\x18')


class _UntrustedError(ValueError):
    pass


def _load_pickle(path: str | os.PathLike[str], trust: bool) -> Any:
    if not trust:
        raise _UntrustedError(
            f"{path}: the file seems to be a pickle (as written by joblib), which can run "
            "arbitrary code when it is loaded. If you trust its source, pass --trust yes "
            "(trust=True in Python), or save the model as *.skops."
        )
    return joblib.load(path)


def _load_skops(path: str | os.PathLike[str], trust: bool) -> Any:
    unknown = set(skops.io.get_untrusted_types(file=path)) - set(SKOPS_TRUSTED_TYPES)
    if unknown and not trust:
        raise _UntrustedError(
            f"{path}: the file contains types that may run code when they are loaded: "
            f"{', '.join(sorted(unknown))}. If you trust its source, pass --trust yes "
            "(trust=True in Python)."
        )
    return skops.io.load(path, trusted=[*SKOPS_TRUSTED_TYPES, *unknown])
