"""Runs in MLflow: parameters, metrics, data sets and environment."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from importlib.metadata import Distribution, distributions
from typing import Any
from urllib.parse import urlsplit

import mlflow
import mlflow.artifacts
import numpy as np
import pandas as pd
import torch
from mlflow.data.pandas_dataset import from_pandas
from mlflow.data.sources import LocalArtifactDatasetSource  # type: ignore[attr-defined]
from mlflow.entities import Metric
from mlflow.exceptions import MlflowException
from mlflow.utils.validation import MAX_METRICS_PER_BATCH
from sklearn.pipeline import Pipeline
from sklearn.utils import Bunch
from sqlalchemy.exc import SQLAlchemyError

from ..answers import score_names
from ..features import digest_videos
from ..networks import listen_to_epochs
from ..video import VideoDecodeError, describe_video

_EXPERIMENT = "skvideo_gru"
# MLflow shows the pages of a training, not those of a language model.
_EXPERIMENT_TAGS = {"mlflow.experimentKind": "custom_model_development"}
_LOCAL_SERVER = "http://127.0.0.1:5000"  # the default of `mlflow ui`
_NAME_VARIABLE, _ID_VARIABLE = "MLFLOW_EXPERIMENT_NAME", "MLFLOW_EXPERIMENT_ID"
# Names of metrics for the records that skorch abbreviates.
_NAMES = {"dur": "epoch_seconds", "event_lr": "lr"}
# Shortest time between two requests with the metrics of epochs, in seconds.
_LIVE_INTERVAL = 5.0


@contextmanager
def open_run(name: str) -> Iterator[mlflow.ActiveRun]:
    """Open a run; an error inside ends it with the status FAILED.

    Under ``mlflow run`` this is the run of the project. Otherwise it is a new run in the
    experiment of ``MLFLOW_EXPERIMENT_NAME`` or ``MLFLOW_EXPERIMENT_ID``, by default
    ``skvideo_gru``.

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
        If the experiment is deleted or has an empty name, or if MLflow refuses a request
        or cannot be reached.
    """
    in_project = "MLFLOW_RUN_ID" in os.environ
    try:
        with mlflow.start_run(
            run_name=None if in_project else name,
            experiment_id=None if in_project else _experiment(),
            log_system_metrics=True,
        ) as run:
            yield run
    except MlflowException as error:
        raise ValueError(f"MLflow: {without_password(' '.join(str(error).split()))}") from error
    except SQLAlchemyError as error:
        raise ValueError(
            f"MLflow cannot use the store {without_password(mlflow.get_tracking_uri())}: "
            f"{str(error).splitlines()[0]} Set MLFLOW_TRACKING_URI to another store."
        ) from error


def without_password(text: str) -> str:
    """Remove the names and passwords from the addresses in a text.

    Parameters
    ----------
    text : str
        A text.

    Returns
    -------
    str
        The text without them.
    """
    return re.sub(r"(\w://)[^/@\s]+@", r"\1", text)


def _experiment() -> str:
    """Return the id of the experiment for new runs; create it if it does not exist."""
    for variable in (_NAME_VARIABLE, _ID_VARIABLE):
        if os.environ.get(variable, "unset").strip() == "":
            raise ValueError(
                f"The environment variable {variable} is empty; set it to an experiment or "
                f"remove it (unset {variable}) to use the experiment {_EXPERIMENT!r}."
            )
    client = mlflow.MlflowClient()
    name = os.environ.get(_NAME_VARIABLE)
    experiment = (
        client.get_experiment(os.environ[_ID_VARIABLE])
        if name is None and _ID_VARIABLE in os.environ
        else client.get_experiment_by_name(name or _EXPERIMENT)
    )
    if experiment is None:
        return client.create_experiment(name or _EXPERIMENT, tags=_EXPERIMENT_TAGS)
    if experiment.lifecycle_stage == "deleted":
        number = experiment.experiment_id
        raise ValueError(
            f"The MLflow experiment {experiment.name!r} (id {number}) was deleted. Restore it "
            f"with `mlflow experiments restore --experiment-id {number}`, or set {_NAME_VARIABLE} "
            "to another name."
        )
    return experiment.experiment_id


def run_address(run: mlflow.ActiveRun) -> str:
    """Return the address of the page of a run.

    Parameters
    ----------
    run : mlflow.ActiveRun
        The run.

    Returns
    -------
    str
        A URL on the tracking server. For a store without a server, the URL on the
        server that ``mlflow ui`` starts.
    """
    store = urlsplit(mlflow.get_tracking_uri())
    # Without the name and the password that the address of a server can contain.
    host = store.netloc.rpartition("@")[2]
    remote = store.scheme in ("http", "https")
    server = f"{store.scheme}://{host}{store.path.rstrip('/')}" if remote else _LOCAL_SERVER
    return f"{server}/#/experiments/{run.info.experiment_id}/runs/{run.info.run_id}"


def log_pipeline_params(pipe: Pipeline) -> None:
    """Log the parameters of every step as ``step__parameter``.

    Parameters
    ----------
    pipe : Pipeline
        The pipeline.
    """
    params = pipe.get_params(deep=True)
    mlflow.log_params({name: value for name, value in params.items() if "__" in name})


@contextmanager
def live_epochs() -> Iterator[dict[str, Mapping[str, float]]]:
    """Log the metrics of every epoch to the active run while networks are trained.

    They are sent together every few seconds, after an epoch, so that the training does not wait
    for the store. If several networks are trained, as in a search, the epochs of the
    next continue those of the last.

    Yields
    ------
    dict of str to mapping
        The latest record of each network that was sent. It is filled inside the block, and
        emptied at its end if MLflow cannot be reached then.
    """
    latest: dict[str, Mapping[str, float]] = {}
    run = mlflow.active_run()
    if run is None:
        yield latest
        return
    waiting: list[Metric] = []
    before: dict[str, int] = {}  # epochs of earlier trainings
    sent = time.monotonic()

    def _log(name: str, records: Sequence[Mapping[str, float]]) -> None:
        nonlocal sent
        if records[0]["epoch"] == 1 and name in latest:
            before[name] = before.get(name, 0) + int(latest[name]["epoch"])
        latest[name] = records[-1]
        waiting.extend(_epoch_metrics(name, records, before.get(name, 0)))
        if time.monotonic() - sent >= _LIVE_INTERVAL:
            with suppress(MlflowException):  # the next request sends them again
                _send(run, waiting)
                waiting.clear()
            sent = time.monotonic()

    try:
        with listen_to_epochs(_log):
            yield latest
    finally:
        try:
            _send(run, waiting)
        except MlflowException:  # must not replace an error of the training, or lose the model
            latest.clear()


def _epoch_metrics(
    prefix: str, records: Sequence[Mapping[str, float]], before: int = 0
) -> list[Metric]:
    now = int(time.time() * 1000)
    return [
        Metric(
            f"{prefix}_{_NAMES.get(key, key)}", float(value), now, before + int(record["epoch"])
        )
        for record in records
        for key, value in record.items()
        if key not in ("epoch", "train_batch_count", "valid_batch_count")
    ]


def _send(run: mlflow.ActiveRun, metrics: Sequence[Metric]) -> None:
    for first in range(0, len(metrics), MAX_METRICS_PER_BATCH):
        batch = metrics[first : first + MAX_METRICS_PER_BATCH]
        mlflow.MlflowClient().log_batch(run.info.run_id, metrics=batch)


def log_history(
    prefix: str,
    records: Sequence[Mapping[str, float]],
    latest: Mapping[str, float] | None = None,
) -> None:
    """Log the metrics of every epoch, and the number of optimizer steps.

    Parameters
    ----------
    prefix : str
        Prefix of the names of the metrics.
    records : sequence of mapping
        The ``history_`` of an estimator.
    latest : mapping, optional
        The latest record that `live_epochs` logged. If it is the last of `records`, the
        epochs are not logged again.
    """
    run = mlflow.active_run()
    if run is None or not records:
        return
    metrics = [] if latest == records[-1] else _epoch_metrics(prefix, records)
    steps = sum(record.get("train_batch_count", 0) for record in records)
    now = int(time.time() * 1000)
    metrics.append(Metric(f"{prefix}_steps", float(steps), now, len(records)))
    _send(run, metrics)


def log_search(search: Any) -> None:
    """Log each candidate of a search as a child of the active run, and the best parameters.

    Parameters
    ----------
    search : GridSearchCV or another search
        The fitted search. A child run contains the parameters, the mean and the standard
        deviation of each score as ``cv_SCORE`` and ``cv_SCORE_std``, and the scores of the
        folds as the steps of ``fold_SCORE``. A score without a name is called
        ``accuracy`` if it is the default of classifiers, otherwise ``score``.
    """
    parent = mlflow.active_run()
    if parent is None:
        return
    found = search.cv_results_
    keys = score_names(found)
    scoring = "accuracy" if search.scoring is None else search.scoring
    unnamed = scoring if isinstance(scoring, str) else "score"
    # MLflow allows only these characters.
    names = {key: unnamed if key == "score" else re.sub(r"[^\w\-./ :]", "_", key) for key in keys}
    now = int(time.time() * 1000)
    for row, params in enumerate(found["params"]):
        title = " ".join(f"{name.removeprefix('gru__')}={params[name]}" for name in params)
        with mlflow.start_run(
            run_name=title, nested=True, experiment_id=parent.info.experiment_id
        ) as child:
            mlflow.log_params(params)
            metrics = []
            for key, name in names.items():
                columns = {f"cv_{name}": f"mean_test_{key}", f"cv_{name}_std": f"std_test_{key}"}
                values = [(to, found[column][row], 0) for to, column in columns.items()]
                values += [
                    (f"fold_{name}", found[f"split{fold}_test_{key}"][row], fold)
                    for fold in range(search.n_splits_)
                ]
                metrics += [Metric(to, float(value), now, step) for to, value, step in values]
            _send(child, metrics)
    mlflow.log_params({f"best_{name}": value for name, value in search.best_params_.items()})
    mlflow.log_metrics(
        {f"cv_{to}": found[f"mean_test_{key}"][search.best_index_] for key, to in names.items()}
    )


def log_skipped(skipped: Sequence[VideoDecodeError]) -> None:
    """Log the number of unreadable videos, and a table of them, to the open run.

    Parameters
    ----------
    skipped : sequence of VideoDecodeError
        The errors of the videos.
    """
    mlflow.log_metric("n_skipped_videos", len(skipped))
    if skipped:
        rows = [(error.path, error.reason) for error in skipped]
        table = pd.DataFrame(rows, columns=["path", "reason"])
        mlflow.log_text(table.to_csv(index=False), "skipped.csv")


def log_videos(data: Bunch, parts: Mapping[str, np.ndarray]) -> None:
    """Log the videos that a run uses, with digests of their content.

    Parameters
    ----------
    data : Bunch
        The data set.
    parts : mapping of str to ndarray of int
        Row numbers by part: train, val, test. Each part is logged as one data set.
    """
    digests = digest_videos(data.data, n_jobs=None, verbose=0)
    table = pd.DataFrame(
        {"path": list(map(describe_video, data.data)), "label": data.target, "sha256": digests}
    ).astype({"path": str, "sha256": str})
    if data.get("groups") is not None:
        table["group"] = data.groups
    for name, rows in parts.items():
        part = table.iloc[np.sort(rows)]
        # The digest depends on neither the paths nor the order of the files.
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
    """Log the versions of Python and of all installed packages, and the platform."""
    packages = dict(filter(None, map(_name_and_version, distributions())))
    environment = {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cpu_count": os.cpu_count(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "packages": dict(sorted(packages.items())),
    }
    mlflow.log_dict(environment, "environment.json")


def _name_and_version(package: Distribution) -> tuple[str, str] | None:
    """Return the name and version of a package, or None if its metadata is lost."""
    try:
        return (package.name, package.version) if package.name else None
    except FileNotFoundError:
        return None
