"""The model that MLflow serves: labels of videos, given as paths or as base64."""

from __future__ import annotations

import base64
import binascii
import os
import re
from collections.abc import Sequence
from typing import Any

import mlflow.sklearn
import numpy as np
import pandas as pd
from mlflow.models import Model, ModelSignature
from mlflow.types import ColSpec, ParamSchema, ParamSpec, Schema
from sklearn.pipeline import Pipeline

from ..persistence import SKOPS_TRUSTED_TYPES
from ..video import Video
from .prediction import predict_each
from .saving import load_model

__all__ = ["FOLDERS_VARIABLE", "SIGNATURE", "ServedModel", "save_model"]

#: Environment variable with the folders that a server may read videos from.
FOLDERS_VARIABLE = "SKVIDEO_GRU_FOLDERS"

#: One string for each video; probabilities if the request asks for them.
SIGNATURE = ModelSignature(
    inputs=Schema([ColSpec("string")]),
    params=ParamSchema([ParamSpec("probabilities", "boolean", False)]),
)

_DATA_URI = re.compile(r"data:[^,]*;base64,", re.IGNORECASE)
# A path to a video has a suffix, so a dot, which base64 has not.
_BASE64 = re.compile(r"[A-Za-z0-9+/\s]{64,}={0,2}\s*")


class ServedModel:
    """A classifier behind a server, where one bad video spoils no other's answer.

    Parameters
    ----------
    model : Pipeline
        A fitted classifier of videos.
    folders : sequence of str, default=()
        Folders whose videos may be read; paths elsewhere are refused.
    """

    def __init__(self, model: Pipeline, folders: Sequence[str] = ()) -> None:
        self.model = model
        self.folders = [os.path.realpath(folder) for folder in folders]

    def predict(self, model_input: Any, params: dict[str, Any] | None = None) -> pd.DataFrame:
        """Classify every video that can be read.

        Parameters
        ----------
        model_input : DataFrame, ndarray or sequence
            One video each: a path in one of the folders, or an encoded file's
            content as bytes, as base64 or as a ``data:`` URI. Of a table, the
            first column.
        params : dict, optional
            ``{"probabilities": True}`` adds a column with those of all classes.

        Returns
        -------
        DataFrame
            A row for each video: its ``label``, or None and the ``error``.
        """
        wanted = bool((params or {}).get("probabilities", False))
        given = [self._video(one) for one in _column(model_input)]
        answers = predict_each(self.model, [v for v in given if not isinstance(v, _RefusedError)])
        outcomes = [v if isinstance(v, _RefusedError) else next(answers) for v in given]
        table = pd.DataFrame(map(self._row, outcomes), columns=_COLUMNS, dtype=object)
        return table if wanted else table.drop(columns="probabilities")

    def _row(self, outcome: np.ndarray | ValueError) -> tuple[Any, ...]:
        if isinstance(outcome, ValueError):
            return None, None, str(outcome)
        classes = self.model.classes_.tolist()
        proba = dict(zip(map(str, classes), outcome.tolist(), strict=True))
        return classes[int(outcome.argmax())], proba, None

    def _video(self, given: Any) -> Video | _RefusedError:
        if isinstance(given, bytes):
            return given
        if not isinstance(given, str):
            return _RefusedError("no video; give a path, or a file's content as base64.")
        uri = _DATA_URI.match(given)
        if uri or _BASE64.fullmatch(given):
            try:
                return base64.b64decode(given[uri.end() if uri else 0 :])
            except binascii.Error as error:
                return _RefusedError(f"it is no base64: {error}.")
        path = os.path.realpath(given.replace("\0", ""))  # which no path can hold
        if any(os.path.commonpath([path, folder]) == folder for folder in self.folders):
            return path
        return _RefusedError(
            f"{given}: not in a folder that this server may read; name its folders in the "
            f"environment variable {FOLDERS_VARIABLE}, or send the file's content as base64."
        )


_COLUMNS = ["label", "probabilities", "error"]


class _RefusedError(ValueError):
    pass


def _column(model_input: Any) -> list[Any]:
    if isinstance(model_input, pd.DataFrame):
        model_input = model_input.iloc[:, 0] if model_input.shape[1] else [None] * len(model_input)
    if isinstance(model_input, str | bytes):
        return [model_input]
    return list(model_input.ravel() if isinstance(model_input, np.ndarray) else model_input)


def save_model(path: str, mlflow_model: Model, pipe: Pipeline, **settings: Any) -> None:
    """Write a pipeline as a model of MLflow's: scikit-learn's flavour, served by this module.

    Parameters
    ----------
    path : str
        Folder to make.
    mlflow_model : Model
        What MLflow knows of it.
    pipe : Pipeline
        A fitted classifier of videos.
    **settings : dict
        Further ones of `mlflow.sklearn.save_model`.
    """
    mlflow.sklearn.save_model(
        pipe,
        path,
        mlflow_model=mlflow_model,
        serialization_format="skops",
        skops_trusted_types=SKOPS_TRUSTED_TYPES,
        signature=SIGNATURE,
        **settings,
    )
    flavour = mlflow_model.flavors["python_function"]
    flavour.update(loader_module=__name__, config={"folders": []})
    mlflow_model.save(os.path.join(path, "MLmodel"))


def _load_pyfunc(path: str, model_config: dict[str, Any] | None = None) -> ServedModel:
    """Load what `save_model` wrote; MLflow calls it."""
    folders = (model_config or {}).get("folders") or [
        folder for folder in os.environ.get(FOLDERS_VARIABLE, "").split(os.pathsep) if folder
    ]
    if os.path.isdir(path):
        path = os.path.join(path, "model.skops")
    return ServedModel(load_model(path), [folders] if isinstance(folders, str) else folders)
