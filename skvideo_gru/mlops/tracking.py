"""What a run leaves in MLflow."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import distributions, version

import mlflow
import mlflow.artifacts
import numpy as np
import pandas as pd
import torch
from mlflow.data.pandas_dataset import from_pandas
from mlflow.data.sources import LocalArtifactDatasetSource  # type: ignore[attr-defined]
from mlflow.entities import Metric
from mlflow.exceptions import MlflowException
from mlflow.models import Model
from sklearn.pipeline import Pipeline
from sklearn.utils import Bunch

from ..features import digest_videos
from ..video import Video, describe_video
from . import serving

__all__ = [
    "check_register",
    "child_run",
    "fetch_model",
    "log_environment",
    "log_history",
    "log_model",
    "log_pipeline_params",
    "log_videos",
    "tracked_run",
]

_EXPERIMENT = "skvideo_gru"
_REQUIREMENTS = ("skvideo-gru", "torch", "scikit-learn", "skorch", "skops", "av")


@contextmanager
def tracked_run(name: str) -> Iterator[mlflow.ActiveRun]:
    """Open the run that everything is logged to; an error inside ends it as FAILED.

    Under ``mlflow run`` it is the project's run; else a new one in the
    experiment ``skvideo_gru``, or the one that ``MLFLOW_EXPERIMENT_NAME`` names.

    Parameters
    ----------
    name : str
        Name of a new run.

    Yields
    ------
    mlflow.ActiveRun
        The run.

    Raises
    ------
    ValueError
        If MLflow refuses something, or cannot be reached.
    """
    in_project = "MLFLOW_RUN_ID" in os.environ
    chosen = {"MLFLOW_EXPERIMENT_NAME", "MLFLOW_EXPERIMENT_ID"} & set(os.environ)
    try:
        with mlflow.start_run(
            run_name=None if in_project else name,
            experiment_id=None if in_project or chosen else _own_experiment(),
            log_system_metrics=True,
        ) as run:
            yield run
    except MlflowException as error:
        raise ValueError(f"MLflow: {' '.join(str(error).split())}") from error


def _own_experiment() -> str:
    client = mlflow.MlflowClient()
    found = client.get_experiment_by_name(_EXPERIMENT)
    return found.experiment_id if found else client.create_experiment(_EXPERIMENT)


def child_run(name: str) -> mlflow.ActiveRun:
    """Open a run below the one that is open.

    Parameters
    ----------
    name : str
        Its name.

    Returns
    -------
    mlflow.ActiveRun
        A context manager.
    """
    return mlflow.start_run(run_name=name, nested=True)


def log_pipeline_params(pipe: Pipeline) -> None:
    """Log every step's parameters, by their full names.

    Parameters
    ----------
    pipe : Pipeline
        The pipeline.
    """
    params = pipe.get_params(deep=True)
    mlflow.log_params({name: value for name, value in params.items() if "__" in name})


def log_history(prefix: str, records: Sequence[Mapping[str, float]]) -> None:
    """Log the numbers of every epoch.

    Parameters
    ----------
    prefix : str
        What the metrics' names begin with.
    records : sequence of mapping
        As ``history_`` holds them.
    """
    run = mlflow.active_run()
    if run is None or not records:
        return
    metrics = [
        Metric(f"{prefix}_{key}", float(value), 0, int(record["epoch"]))
        for record in records
        for key, value in record.items()
        if key not in ("epoch", "train_batch_count", "valid_batch_count")
    ]
    mlflow.MlflowClient().log_batch(run.info.run_id, metrics=metrics)


def check_register(register: str) -> None:
    """Check a name in the registry before there is anything to register.

    Parameters
    ----------
    register : str
        As `log_model` takes it.

    Raises
    ------
    ValueError
        If MLflow would refuse it.
    """
    name, _, alias = register.partition("@")
    if register and (name.strip() in ("", ".", "..") or re.search("[/:]", name)):
        raise ValueError(
            f"--register {register}: {name!r} is no model's name, which has no '/' and no ':'."
        )
    reserved = re.fullmatch(r"latest|v\d+", alias, re.IGNORECASE)
    if reserved or not re.fullmatch(r"[\w-]{,255}", alias):
        raise ValueError(
            f"--register {register}: an alias is made of at most 255 letters, digits, '_' and '-' "
            "and is neither 'latest' nor a version such as 'v1'."
        )


def log_model(pipe: Pipeline, example: Video, register: str = "") -> str:
    """Log a fitted pipeline, in skops' format, which holds no code.

    Parameters
    ----------
    pipe : Pipeline
        The pipeline.
    example : Video
        A video, whose path shows what the input looks like.
    register : str, default=""
        Name in the registry, and if wanted ``@`` and an alias for this version;
        without one it is ``champion``.

    Returns
    -------
    str
        The model's address: ``models:/NAME@ALIAS`` if it was registered, else
        ``models:/ID``.
    """
    name, _, alias = register.partition("@")
    info = Model.log(
        artifact_path=None,
        name="model",
        flavor=serving,
        registered_model_name=name or None,
        pipe=pipe,
        input_example=pd.DataFrame({"path": [describe_video(example)]}),
        # Inferring them would import everything in a process of its own.
        pip_requirements=[f"{package}=={_released(package)}" for package in _REQUIREMENTS],
    )
    if not name:
        return info.model_uri
    alias = alias or "champion"
    mlflow.MlflowClient().set_registered_model_alias(name, alias, info.registered_model_version)
    return f"models:/{name}@{alias}"


def _released(package: str) -> str:
    return version(package).partition("+")[0]  # PyPI has no local builds, as torch's for CPUs


def fetch_model(address: str, folder: str) -> str:
    """Bring a logged model here.

    Parameters
    ----------
    address : str
        ``runs:/RUN``, ``models:/ID``, ``models:/NAME/VERSION`` or
        ``models:/NAME@ALIAS``.
    folder : str
        Where to put it.

    Returns
    -------
    str
        The file that holds it, for `load_model`.

    Raises
    ------
    ValueError
        If there is no such model.
    """
    if re.fullmatch(r"runs:/[^/]+/?", address):
        address = address.rstrip("/") + "/model"
    try:
        model = mlflow.artifacts.download_artifacts(address, dst_path=folder)
        flavour = Model.load(model).flavors["python_function"]
    except (MlflowException, OSError, KeyError) as error:
        raise ValueError(
            f"{address}: MLflow holds no such model in {mlflow.get_tracking_uri()} "
            f"(MLFLOW_TRACKING_URI names another store): {error}"
        ) from error
    return os.path.join(model, flavour["model_path"])


def log_videos(data: Bunch, parts: Mapping[str, np.ndarray], n_jobs: int | None = None) -> None:
    """Log which videos a run used, with a digest of their content.

    Parameters
    ----------
    data : Bunch
        The data set.
    parts : mapping of str to ndarray of int
        Row numbers of ``"train"`` and so on, each logged as a data set of its own.
    n_jobs : int, optional
        Threads that read the files.
    """
    digests = digest_videos(data.data, n_jobs=n_jobs, verbose=0)
    table = pd.DataFrame(
        {"path": list(map(describe_video, data.data)), "label": data.target, "sha256": digests}
    ).astype({"path": str, "sha256": str})
    if data.groups is not None:
        table["group"] = data.groups
    for name, rows in parts.items():
        part = table.iloc[np.sort(rows)]
        # Neither the files' places nor their order make another data set.
        content = sorted(zip(part["sha256"], part["label"].astype(str), strict=True))
        digest = hashlib.sha256(json.dumps(content).encode()).hexdigest()[:32]
        folder = os.path.commonpath(os.path.dirname(os.path.abspath(p)) for p in part["path"])
        dataset = from_pandas(
            part,
            source=LocalArtifactDatasetSource(folder),
            targets="label",
            name=f"videos_{name}",
            digest=digest,
        )
        mlflow.log_input(dataset, context=name)


def log_environment() -> None:
    """Log the versions of Python and of all that is installed, and the machine's kind."""
    packages = {dist.name: dist.version for dist in distributions()}
    environment = {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cpu_count": os.cpu_count(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "packages": dict(sorted(packages.items())),
    }
    mlflow.log_dict(environment, "environment.json")
