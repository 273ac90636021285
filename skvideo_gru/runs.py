"""Training, evaluation and search as MLflow runs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
from sklearn.pipeline import Pipeline
from sklearn.utils import Bunch

from .answers import find_selective
from .features import ResNet50FrameFeaturizer
from .inspection import (
    Evaluation,
    SearchDisplay,
    TrainingDisplay,
    evaluate,
    fitted_pipeline,
    main_score,
    plot_confusion_matrix,
    report_page,
    tabulate,
    without_pyplot,
)

# Without MLflow, this import is the error that names the extra. Functions therefore import
# MLflow and pandas after it.
from .mlops import (
    check_register,
    live_epochs,
    log_environment,
    log_history,
    log_model,
    log_pipeline_params,
    log_search,
    log_videos,
    run_address,
)
from .video import as_video_list

_Evaluations = dict[str, tuple[list[Any], Evaluation]]


@contextmanager
def tracked_run(
    model: Any,
    data: Bunch,
    parts: Mapping[str, Any],
    *,
    name: str = "video classifier",
    register: str = "",
    split: str = "",
    summary: Mapping[str, str] | None = None,
) -> Iterator[Bunch]:
    """Log the training and the evaluation of a model to MLflow.

    The active run is used, otherwise a new one is started. At the beginning, the parameters,
    the videos with digests of their content, and the environment are logged. Fit the
    model inside the block: the metrics of every epoch are logged while it is trained. At
    the end, the model is evaluated on all parts except ``"train"``, and the model in the
    skops format, metrics, predictions, figures and a report are logged. For a search, each
    candidate becomes a child run with the scores of each fold.

    Parameters
    ----------
    model : Pipeline or search
        A pipeline from `make_video_classifier`, or a search over one with ``refit=True``, such
        as GridSearchCV. If it is already fitted, the block may be empty; the metrics of
        its epochs are logged at the end.
    data : Bunch
        The data set, as `load_video_folder` returns it.
    parts : mapping of str to array-like of int
        Row numbers of the data set by part, for example ``{"train": rows, "test": others}``.
        The folds of a search are rows of ``"train"``.
    name : str, default="video classifier"
        Name of a new run, and title of the report.
    register : str, default=""
        Name in the model registry, as in `log_model`.
    split : str, default=""
        Description of the split, for the report and a tag.
    summary : mapping of str to str, optional
        Entries of the summary of the report.

    Yields
    ------
    Bunch
        ``run_id``, and ``address``, the URL of the page of the run. After the block also
        ``model_uri``, the address of the model, and ``evaluations``, for each evaluated
        part its videos and an evaluation with attributes such as ``metrics``.

    Raises
    ------
    ValueError
        If `model` is neither a pipeline nor a search with ``refit=True``, a part is empty, or
        `register` is not valid.
    NotFittedError
        If the model is not fitted at the end.
    ModuleNotFoundError
        If MLflow is not installed.
    MlflowException
        If MLflow cannot store the run.

    See Also
    --------
    log_model : Logs the model only.

    Notes
    -----
    The metrics are those of trainings in this thread. With ``n_jobs`` of a search, these
    are the trainings of the final model. Otherwise, the trainings of the folds come first,
    and the steps count on from one to the next. Backbones from a cache are not trained
    again. ``mlflow.sklearn.autolog`` is not needed.

    Examples
    --------
    >>> from skvideo_gru import tracked_run
    >>> with tracked_run(search, data, {"train": train, "test": test}):  # doctest: +SKIP
    ...     search.fit(data.data[train], data.target[train])
    """
    import mlflow

    check_register(register)
    pipe = getattr(model, "estimator", model)
    searched = isinstance(pipe, Pipeline) and getattr(model, "refit", True)
    if not searched or find_selective(model) is not None:
        raise ValueError(
            "Expected a pipeline from make_video_classifier, or a search with refit=True over "
            f"such a pipeline, got {type(model).__name__}."
        )
    videos, target = as_video_list(data.data), np.asarray(data.target)
    data = Bunch(**{**data, "data": videos, "target": target})
    parts = {part: np.asarray(rows) for part, rows in parts.items()}
    if empty := [part for part, rows in parts.items() if not len(rows)]:
        raise ValueError(f"parts: {empty} have no rows; leave them out.")
    for part, rows in parts.items():
        if rows.dtype.kind not in "iu":
            raise ValueError(
                f"parts: {part!r} must consist of row numbers of the data set, got values such as "
                f"{rows[0]!r}. Split np.arange(len(data.data)) instead of the videos."
            )
    with ExitStack() as stack:
        run = mlflow.active_run() or stack.enter_context(
            mlflow.start_run(run_name=name, log_system_metrics=True)
        )
        tracked = Bunch(run_id=run.info.run_id, address=run_address(run))
        log_pipeline_params(pipe)
        log_inputs(data, parts, split)
        with live_epochs() as latest:
            yield tracked
        pipe = fitted_pipeline(model)
        # First, because no failure may lose the model.
        tracked.model_uri = log_model(pipe, videos[0], register)
        log_training(pipe, latest)
        if pipe is not model:
            log_search(model)
        others = {part: rows for part, rows in parts.items() if part != "train"}
        tracked.evaluations = log_evaluations(pipe, data, others)
        log_report(model, tracked.evaluations, name=name, split=split, summary=summary)


def log_inputs(data: Bunch, parts: Mapping[str, np.ndarray], split: str) -> None:
    """Log the videos, the description of the split and the environment.

    Parameters
    ----------
    data : Bunch
        The data set.
    parts : mapping of str to ndarray of int
        Row numbers by part.
    split : str
        Description of the split.
    """
    import mlflow

    if split:
        mlflow.set_tag("split", split)
    log_videos(data, parts)
    log_environment()


def log_training(pipe: Pipeline, latest: Mapping[str, Mapping[str, float]]) -> None:
    """Log the modality of the backbone, and the epochs that were not logged in the training.

    Parameters
    ----------
    pipe : Pipeline
        The fitted pipeline.
    latest : mapping of str to mapping
        The records that `live_epochs` yields.
    """
    import mlflow

    for _, step in pipe.steps:
        network = "gru"
        if isinstance(step, ResNet50FrameFeaturizer):
            network = "backbone"
            mlflow.set_tag("modality", step.modality_)  # the parameter can be "auto"
        log_history(network, getattr(step, "history_", []), latest.get(network))


def log_evaluations(model: Any, data: Bunch, parts: Mapping[str, np.ndarray]) -> _Evaluations:
    """Evaluate a model on parts of a data set; log metrics and predictions.

    Parameters
    ----------
    model : Pipeline or SelectiveClassifierCV
        The fitted model.
    data : Bunch
        The data set.
    parts : mapping of str to ndarray of int
        Row numbers by part.

    Returns
    -------
    dict of str to (list of videos, Evaluation)
        Videos and evaluation by part.
    """
    import mlflow
    import pandas as pd

    outcomes, tables = {}, []
    keys = _artifact_keys(parts)
    for name, rows in parts.items():
        videos, target = [data.data[row] for row in rows], data.target[rows]
        outcomes[name] = videos, (outcome := evaluate(model, videos, target))
        key = keys[name]
        mlflow.log_metrics({f"{key}_{metric}": x for metric, x in outcome.metrics.items()})
        per_class = pd.DataFrame(outcome.per_class)
        mlflow.log_text(per_class.to_csv(index=False), f"per_class_{key}.csv")
        groups = None if data.get("groups") is None else data.groups[rows]
        known = outcome.probabilities, outcome.classes, outcome.predicted
        tables.append(tabulate(videos, *known, target, groups, name))
    if tables:
        text = pd.concat(tables).to_csv(index=False, float_format="%.6g")
        mlflow.log_text(text, "predictions.csv")
    return outcomes


def _artifact_keys(parts: Iterable[str]) -> dict[str, str]:
    """Return a name for the metrics and files of each part, whose own name is any text."""
    keys: dict[str, str] = {}
    for part in parts:
        key = re.sub(r"[^\w-]", "_", part, flags=re.ASCII)
        keys[part] = f"{key}_{len(keys) + 1}" if key in keys.values() else key
    return keys


@without_pyplot()
def log_report(
    model: Any,
    outcomes: _Evaluations,
    *,
    name: str,
    split: str,
    summary: Mapping[str, str] | None = None,
) -> None:
    """Log figures, the table of a search, and the report.

    Parameters
    ----------
    model : Pipeline, SelectiveClassifierCV or search
        The fitted model.
    outcomes : dict of str to (list of videos, Evaluation)
        What `log_evaluations` returned.
    name : str
        Title of the report.
    split : str
        Description of the split.
    summary : mapping of str to str, optional
        Entries of the summary.
    """
    import mlflow
    import pandas as pd

    if hasattr(model, "best_estimator_"):
        mlflow.log_text(pd.DataFrame(model.cv_results_).to_csv(index=False), "cv_results.csv")
        display = SearchDisplay.from_estimator(model, score=main_score(model))
        mlflow.log_figure(display.figure_, "search.png")
    figure = TrainingDisplay.from_estimator(fitted_pipeline(model)).figure_
    mlflow.log_figure(figure, "training.png")
    keys = _artifact_keys(outcomes)
    for part, (videos, outcome) in outcomes.items():
        title = f"{part}, {len(videos)} videos, accuracy {outcome.metrics['accuracy']:.3f}"
        figure = plot_confusion_matrix(outcome, title)
        mlflow.log_figure(figure, f"confusion_{keys[part]}.png")
    page = report_page(model, outcomes, title=name, summary=summary or {}, split=split)
    mlflow.log_text(page, "report.html")
