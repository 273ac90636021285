"""What a run leaves in MLflow."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import version

import mlflow
import skops.io
from mlflow.entities import Metric
from mlflow.models import infer_signature
from sklearn.pipeline import Pipeline

__all__ = ["child_run", "log_history", "log_model", "log_pipeline_params", "tracked_run"]

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
    """
    in_project = "MLFLOW_RUN_ID" in os.environ
    chosen = {"MLFLOW_EXPERIMENT_NAME", "MLFLOW_EXPERIMENT_ID"} & set(os.environ)
    with mlflow.start_run(
        run_name=None if in_project else name,
        experiment_id=None if in_project or chosen else _own_experiment(),
    ) as run:
        yield run


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


def log_model(pipe: Pipeline, example: str) -> str:
    """Log a fitted pipeline, in skops' format, which holds no code.

    Parameters
    ----------
    pipe : Pipeline
        The pipeline.
    example : str
        A path, to show what its input looks like.

    Returns
    -------
    str
        The model's address, ``models:/...``.
    """
    trusted = skops.io.get_untrusted_types(data=skops.io.dumps(pipe))
    info = mlflow.sklearn.log_model(
        pipe,
        name="model",
        serialization_format="skops",
        skops_trusted_types=trusted,
        # Inferring them would import everything in a process of its own.
        pip_requirements=[f"{name}=={version(name)}" for name in _REQUIREMENTS],
        signature=infer_signature([example], pipe.classes_[:1]),
    )
    return info.model_uri
