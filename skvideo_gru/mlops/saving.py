"""Models in files, and whom to trust with them."""

from __future__ import annotations

import os
import zipfile
from typing import Any

import joblib
import skops.io

from ..persistence import SKOPS_TRUSTED_TYPES, atomic_write

__all__ = ["load_model", "save_model"]


def save_model(model: Any, path: str | os.PathLike[str]) -> None:
    """Save a fitted model: in skops' format to ``*.skops``, else by joblib.

    Parameters
    ----------
    model : estimator
        The model.
    path : str or os.PathLike
        The file; what was there is replaced, once all is written.

    Raises
    ------
    OSError
        If the file cannot be written.
    """
    dump = skops.io.dump if os.fspath(path).endswith(".skops") else joblib.dump
    with atomic_write(path) as unfinished:
        dump(model, unfinished)


def load_model(path: str | os.PathLike[str], *, trust: bool = False) -> Any:
    """Load a classifier that `save_model`, joblib or skops saved.

    A pickle, which is what joblib writes, runs code of its maker's choice when
    it is loaded. A file of skops' holds none, as long as it is made of types
    that are known to be harmless.

    Parameters
    ----------
    path : str or os.PathLike
        The file.
    trust : bool, default=False
        Whether whoever made the file is trusted to run code here.

    Returns
    -------
    estimator
        The model.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file holds no classifier, or would have to be trusted and is not.
    """
    if not os.path.isfile(path):
        raise FileNotFoundError(f"{path}: there is no such file.")
    is_skops = zipfile.is_zipfile(path)
    with open(path, "rb") as file:
        begun = os.fspath(path).endswith(".skops") or file.read(2) == b"PK"
    if begun and not is_skops:
        raise ValueError(f"{path}: it is damaged or incomplete; save or copy it again.")
    try:
        model = (_load_skops if is_skops else _load_pickle)(path, trust)
    except _UntrustedError:
        raise
    except Exception as error:  # another kind of file can raise anything
        raise ValueError(f"{path}: no model could be loaded from it: {error}") from error
    if not hasattr(model, "predict_proba"):
        raise ValueError(f"{path}: it holds a {type(model).__name__}, no classifier.")
    return model


class _UntrustedError(ValueError):
    pass


def _load_pickle(path: str | os.PathLike[str], trust: bool) -> Any:
    if not trust:
        raise _UntrustedError(
            f"{path}: it seems to be a pickle, as joblib writes them, and loading one runs "
            "whatever code its maker put into it. If you trust its maker, say so (--trust yes); "
            "a model saved as *.skops needs no trust."
        )
    return joblib.load(path)


def _load_skops(path: str | os.PathLike[str], trust: bool) -> Any:
    unknown = set(skops.io.get_untrusted_types(file=path)) - set(SKOPS_TRUSTED_TYPES)
    if unknown and not trust:
        raise _UntrustedError(
            f"{path}: it holds types that may run code when they are loaded: "
            f"{', '.join(sorted(unknown))}. If you trust its maker, say so (--trust yes)."
        )
    return skops.io.load(path, trusted=[*SKOPS_TRUSTED_TYPES, *unknown])
