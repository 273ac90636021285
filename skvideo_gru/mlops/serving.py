"""The model that MLflow serves: labels of videos and time ranges."""

from __future__ import annotations

import base64
import binascii
import os
import re
from collections.abc import Mapping, Sequence
from typing import Any

import mlflow.sklearn
import numpy as np
import pandas as pd
from mlflow.exceptions import MlflowException
from mlflow.models import Model, ModelSignature
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE
from mlflow.types import ParamSchema, ParamSpec
from sklearn.pipeline import Pipeline

from ..answers import predicted_labels
from ..persistence import SKOPS_TRUSTED_TYPES
from ..video import Video, VideoClip
from .prediction import predict_each
from .saving import load_model

#: Environment variable with the folders that a server may read videos from.
FOLDERS_VARIABLE = "SKVIDEO_GRU_FOLDERS"

#: What `ServedModel.predict` returns: a table, or the labels only.
OUTPUTS = ("table", "labels")

#: Parameters of a request. There is no schema of the inputs: MLflow would drop the columns
#: that it does not list without an error, and would refuse plain lists of paths.
SIGNATURE = ModelSignature(params=ParamSchema([ParamSpec("probabilities", "boolean", False)]))

_INPUT_COLUMNS = ("path", "start", "end")
_OUTPUT_COLUMNS = ["label", "probabilities", "error"]

_DATA_URI = re.compile(r"data:[^,]*;base64,", re.IGNORECASE)
# The path of a video has a suffix, and base64 contains no dot.
_BASE64 = re.compile(r"[A-Za-z0-9+/\s]{64,}={0,2}\s*")


class ServedModel:
    """A classifier behind a server; an unreadable video does not affect the others.

    Parameters
    ----------
    model : Pipeline
        A fitted classifier of videos.
    folders : sequence of str, default=()
        Folders whose videos may be read. Other paths are refused.
    output : {"table", "labels"}, default="table"
        What `predict` returns. ``"labels"`` is what `mlflow.models.evaluate` needs.

    Raises
    ------
    ValueError
        If `output` is not one of the two.
    """

    def __init__(
        self, model: Pipeline, folders: Sequence[str] = (), output: str = "table"
    ) -> None:
        if output not in OUTPUTS:
            raise ValueError(
                f"model_config: output must be one of {list(OUTPUTS)}, got {output!r}."
            )
        self.model = model
        self.folders = [os.path.realpath(folder) for folder in folders]
        self.output = output

    def predict(
        self, model_input: Any, params: dict[str, Any] | None = None
    ) -> pd.DataFrame | np.ndarray:
        """Classify each video, or each time range of a video.

        Parameters
        ----------
        model_input : DataFrame, dict, ndarray or sequence
            The videos. A table, or a dict of columns, has a column ``path`` and optional
            columns ``start`` and ``end`` in seconds, in any order. A missing or NaN bound is
            the beginning or the end of the video. A table with a single column may name it
            anything. Rows of a sequence are paths or dicts of those columns. Instead of a
            path, a row may contain an encoded file as bytes, as base64 or as a ``data:`` URI.
        params : dict, optional
            ``{"probabilities": True}`` adds a column with the probabilities of all classes.

        Returns
        -------
        DataFrame or ndarray of shape (n,)
            One row per input row: its ``label``, or None and the ``error``. With
            ``output="labels"``, the labels only.

        Raises
        ------
        ValueError
            If a column is unknown, if ``path`` is missing, or if the input is not one- or
            two-dimensional. With ``output="labels"``, also if a video cannot be classified.
        """
        with_probabilities = bool((params or {}).get("probabilities", False))
        videos = [self._video(*row) for row in _rows(model_input)]
        predicted = predict_each(
            self.model, [v for v in videos if not isinstance(v, _RefusedError)]
        )
        outcomes = [v if isinstance(v, _RefusedError) else next(predicted) for v in videos]
        if self.output == "labels":
            return self._labels(outcomes)
        table = pd.DataFrame(map(self._row, outcomes), columns=_OUTPUT_COLUMNS, dtype=object)
        return table if with_probabilities else table.drop(columns="probabilities")

    def _labels(self, outcomes: Sequence[np.ndarray | ValueError]) -> np.ndarray:
        for row, outcome in enumerate(outcomes):
            if isinstance(outcome, ValueError):
                raise _RequestError(f"Row {row} cannot be classified: {outcome}")
        if not outcomes:
            return np.asarray(self.model.classes_)[:0]
        return predicted_labels(self.model, np.stack(outcomes))  # type: ignore[arg-type]

    def _row(self, outcome: np.ndarray | ValueError) -> tuple[Any, ...]:
        if isinstance(outcome, ValueError):
            return None, None, str(outcome)
        classes = self.model.classes_.tolist()
        proba = dict(zip(map(str, classes), outcome.tolist(), strict=True))
        return predicted_labels(self.model, outcome[None]).tolist()[0], proba, None

    def _video(self, given: Any, start: Any = None, end: Any = None) -> Video | _RefusedError:
        whole = _missing(start) and _missing(end)
        if isinstance(given, os.PathLike):
            given = os.fspath(given)
        if isinstance(given, bytes):
            return given if whole else _RefusedError(_RANGE_OF_CONTENT)
        if not isinstance(given, str):
            return _RefusedError(
                "the row contains no video; send a path, or the content of a file as base64."
            )
        uri = _DATA_URI.match(given)
        if uri or _BASE64.fullmatch(given):
            if not whole:
                return _RefusedError(_RANGE_OF_CONTENT)
            try:
                content = "".join(given[uri.end() if uri else 0 :].split())
                return base64.b64decode(content, validate=True)
            except binascii.Error as error:
                return _RefusedError(
                    f"the content is not valid base64 ({error}); encode the bytes of the file."
                )
        path = os.path.realpath(given.replace("\0", ""))  # a path cannot contain NUL
        if not any(os.path.commonpath([path, folder]) == folder for folder in self.folders):
            return _RefusedError(
                f"{given}: not in a folder that this server may read. Send the content of the "
                "file as base64, or add the folder to the environment variable "
                f"{FOLDERS_VARIABLE} of the server."
            )
        if whole:
            return path
        try:
            return VideoClip(path, _seconds("start", start), _seconds("end", end))
        except (TypeError, ValueError) as error:
            return _RefusedError(str(error))


_RANGE_OF_CONTENT = (
    "start and end are supported for paths only; send a file that contains only the time range."
)


class _RefusedError(ValueError):
    pass


class _RequestError(MlflowException, ValueError):
    """An invalid request; the server responds with status 400 and the message."""

    def __init__(self, message: str) -> None:
        super().__init__(message, error_code=INVALID_PARAMETER_VALUE)


def _missing(bound: Any) -> bool:
    return bound is None or bound is pd.NA or bound == "" or bound != bound


def _seconds(name: str, bound: Any) -> float | None:
    if _missing(bound):
        return None
    try:
        return float(bound)
    except (TypeError, ValueError):
        raise ValueError(f"{name} must be a number of seconds, got {bound!r}.") from None


def _rows(model_input: Any) -> list[tuple[Any, ...]]:
    """Return one tuple (path, start, end) or (path,) per video."""
    if isinstance(model_input, str | bytes):
        return [(model_input,)]
    if isinstance(model_input, Mapping):
        # As objects: an array of bytes would lose the zero bytes at the end of a file.
        columns = {name: np.asarray(column, object) for name, column in model_input.items()}
        if all(column.ndim == 0 for column in columns.values()):
            return [_record(model_input)]
        if len({column.size for column in columns.values()}) > 1:
            raise _RequestError("The columns must have the same number of rows.")
        model_input = pd.DataFrame({name: column.ravel() for name, column in columns.items()})
    if isinstance(model_input, pd.DataFrame):
        if model_input.shape[1] == 1 and not {"start", "end"} & set(model_input.columns):
            return [(given,) for given in model_input.iloc[:, 0]]
        names = [str(name) for name in model_input.columns]
        _check_columns(names)
        records = model_input.itertuples(index=False, name=None)
        return [_record(dict(zip(names, record, strict=True))) for record in records]
    if isinstance(model_input, np.ndarray):
        if model_input.ndim > 1 and model_input.shape[1:] != (1,):
            raise _RequestError(
                f"Expected videos as an array of shape (n,) or (n, 1), got {model_input.shape}; "
                "send time ranges as records with the columns path, start and end."
            )
        model_input = model_input.ravel()
    return [_record(row) if isinstance(row, Mapping) else (row,) for row in model_input]


def _record(record: Mapping[Any, Any]) -> tuple[Any, ...]:
    _check_columns(list(record))
    # A dict of zero-dimensional arrays is what MLflow makes of a single record.
    values = (record.get(name) for name in _INPUT_COLUMNS)
    return tuple(v.item() if isinstance(v, np.generic | np.ndarray) else v for v in values)


def _check_columns(names: Sequence[Any]) -> None:
    unknown = [name for name in names if name not in _INPUT_COLUMNS]
    if unknown:
        raise _RequestError(f"Unknown columns {unknown}; use only {list(_INPUT_COLUMNS)}.")
    if "path" not in names:
        raise _RequestError(f"The column 'path' is missing; add it to {list(names)}.")
    if len(set(names)) < len(names):
        raise _RequestError(f"Each column name must be unique, got {list(names)}.")


def save_model(path: str, mlflow_model: Model, pipe: Pipeline, **settings: Any) -> None:
    """Write a pipeline as an MLflow model of the scikit-learn flavour, served by this module.

    Parameters
    ----------
    path : str
        The folder to create.
    mlflow_model : Model
        The metadata of the model, to which the flavour is added.
    pipe : Pipeline
        A fitted classifier of videos.
    **settings : dict
        Further parameters of `mlflow.sklearn.save_model`.
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
    flavour.update(loader_module=__name__, config={"folders": [], "output": "table"})
    mlflow_model.save(os.path.join(path, "MLmodel"))


def _load_pyfunc(path: str, model_config: dict[str, Any] | None = None) -> ServedModel:
    """Load a model that `save_model` wrote; called by MLflow."""
    config = model_config or {}
    folders = config.get("folders") or [
        folder for folder in os.environ.get(FOLDERS_VARIABLE, "").split(os.pathsep) if folder
    ]
    if os.path.isdir(path):
        path = os.path.join(path, Model.load(path).flavors["python_function"]["model_path"])
    folders = [folders] if isinstance(folders, str | os.PathLike) else folders
    return ServedModel(load_model(path), folders, config.get("output") or "table")
