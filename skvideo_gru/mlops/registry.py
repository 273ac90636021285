"""Models in MLflow: logging, the registry and downloading."""

from __future__ import annotations

import os
import re
from importlib.metadata import version

import mlflow
import mlflow.artifacts
import pandas as pd
from mlflow.exceptions import MlflowException
from mlflow.models import Model
from sklearn.pipeline import Pipeline
from sqlalchemy.exc import SQLAlchemyError

from ..video import Video, describe_video, video_bounds
from . import serving
from .saving import portable
from .tracking import without_password

_REQUIREMENTS = ("skvideo-gru", "torch", "scikit-learn", "skorch", "skops", "av")


def check_register(register: str) -> None:
    """Check a name for the model registry before the model is trained.

    Parameters
    ----------
    register : str
        The parameter of `log_model`.

    Raises
    ------
    ValueError
        If MLflow does not accept the name or the alias.
    """
    name, _, alias = register.partition("@")
    if register and (name.strip() in ("", ".", "..") or re.search("[/:]", name)):
        raise ValueError(
            f"register={register!r}: {name!r} is not a valid model name; it must not contain '/' "
            "or ':', and must not be '.' or '..'."
        )
    reserved = re.fullmatch(r"latest|v\d+", alias, re.IGNORECASE)
    if reserved or not re.fullmatch(r"[\w-]{,255}", alias):
        raise ValueError(
            f"register={register!r}: {alias!r} is not a valid alias; use at most 255 letters, "
            "digits, '_' and '-', and not 'latest' or a version such as 'v1'."
        )


def log_model(pipe: Pipeline, example: Video, register: str = "") -> str:
    """Log a fitted pipeline to the active MLflow run, in the skops format.

    The logged model can be served by ``mlflow models serve`` and loaded by
    `mlflow.pyfunc.load_model` and `mlflow.sklearn.load_model`. It contains neither the
    cache folder nor the number of workers of this machine. MLflow is the extra ``mlflow``.

    Parameters
    ----------
    pipe : Pipeline
        A fitted pipeline from `make_video_classifier`.
    example : Video
        A video, whose path and time range become the input example of the model.
    register : str, default=""
        Name in the model registry, optionally followed by ``@`` and an alias for this
        version. The default alias is ``champion``. An empty string does not register.

    Returns
    -------
    str
        The address of the model: ``models:/NAME@ALIAS`` if it is registered, otherwise
        ``models:/ID``.

    Raises
    ------
    ValueError
        If MLflow does not accept the name or the alias.
    ModuleNotFoundError
        If MLflow is not installed.
    MlflowException
        If the model cannot be logged.

    Examples
    --------
    >>> import mlflow
    >>> from skvideo_gru import log_model
    >>> with mlflow.start_run():  # doctest: +SKIP
    ...     address = log_model(pipe, "clip.mp4", register="doors@candidate")
    """
    check_register(register)
    name, _, alias = register.partition("@")
    with portable(pipe):
        info = Model.log(
            artifact_path=None,
            name="model",
            flavor=serving,
            registered_model_name=name or None,
            pipe=pipe,
            input_example=_input_example(example),
            # To infer the requirements, MLflow would load the model in another process.
            pip_requirements=[f"{package}=={_released(package)}" for package in _REQUIREMENTS],
        )
    if not name:
        return info.model_uri
    alias = alias or "champion"
    mlflow.MlflowClient().set_registered_model_alias(name, alias, info.registered_model_version)
    return f"models:/{name}@{alias}"


def _input_example(video: Video) -> pd.DataFrame:
    start, end = video_bounds(video)
    # Column by column: None stays None, which JSON writes as null.
    columns = {"path": [describe_video(video)], "start": [start], "end": [end]}
    return pd.DataFrame(columns, dtype=object)


def _released(package: str) -> str:
    return version(package).partition("+")[0]  # PyPI has no local versions such as 2.13.0+cpu


def fetch_model(address: str, folder: str) -> str:
    """Download a logged model.

    Parameters
    ----------
    address : str
        ``runs:/RUN``, ``models:/ID``, ``models:/NAME/VERSION`` or
        ``models:/NAME@ALIAS``.
    folder : str
        The folder to download to.

    Returns
    -------
    str
        Path of the model file, for `load_model`.

    Raises
    ------
    ValueError
        If MLflow does not find the model, or it is not one of scikit-learn.
    """
    if re.fullmatch(r"runs:/[^/]+/?", address):
        address = address.rstrip("/") + "/model"
    try:
        model = mlflow.artifacts.download_artifacts(address, dst_path=folder)
        flavours = Model.load(model).flavors
    except (MlflowException, OSError, SQLAlchemyError) as error:
        reason = str(error).partition("\n")[0]
        raise ValueError(
            f"{address}: no such model in the MLflow store "
            f"{without_password(f'{mlflow.get_tracking_uri()} ({reason})')}. Check the name, or "
            "set MLFLOW_TRACKING_URI to use another store."
        ) from error
    path = flavours.get("python_function", {}).get("model_path")
    if path is None:
        raise ValueError(
            f"{address}: not a scikit-learn model, but of MLflow's flavours "
            f"{', '.join(flavours)}. Log the pipeline with log_model."
        )
    return os.path.join(model, path)
