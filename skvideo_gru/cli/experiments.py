"""The commands that log a run to MLflow: train, tune and evaluate."""

from __future__ import annotations

import argparse
import logging
import re
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.model_selection import (
    GridSearchCV,
    ParameterGrid,
    StratifiedGroupKFold,
    StratifiedKFold,
)
from sklearn.pipeline import Pipeline
from sklearn.utils import Bunch

from ..datasets import has_groups, make_order_videos, select_rows, split_videos
from ..features import FrameReader, ResNet50FrameFeaturizer, reading_options
from ..inspection import (
    Evaluation,
    SearchDisplay,
    TrainingDisplay,
    fitted_pipeline,
    order_baselines,
    plot_confusion_matrix,
    report_page,
)
from ..inspection import evaluate as evaluate_model
from ..mlops import (
    check_register,
    child_run,
    log_environment,
    log_history,
    log_model,
    log_pipeline_params,
    log_skipped,
    log_videos,
    save_model,
    tracked_run,
)
from ..networks import resolve_device
from ..persistence import check_writable
from ..pipeline import make_video_classifier
from ..video import Video, VideoDecodeError, read_frames
from .commands import load_data, load_named_model
from .parser import DEFAULTS, GENERATED
from .screening import check_names, readable_videos, warn_of_leaks

__all__ = ["evaluate", "train", "tune"]

# Characters of a tag that every MLflow store accepts.
_TAG_LENGTH = 5000


def train(args: argparse.Namespace) -> int:
    """Train a classifier, evaluate it on held-out videos, log and save it.

    Parameters
    ----------
    args : argparse.Namespace
        The command's options.

    Returns
    -------
    int
        Exit status.
    """
    with _data_set(args) as (data, generated):
        pipe = _pipeline(args, generated, memory=args.memory or None)
        pipe.set_params(gru__hidden_size=args.hidden_size, gru__lr_decay=args.lr_decay)
        _check_parameters(args, pipe)
        data, skipped = readable_videos(args, data, _reader(pipe))
        parts, split = _split(args, data)
        leaks = warn_of_leaks(args, data, parts)
        with tracked_run("train"):
            _log_inputs(args, data, parts, split, skipped, leaks)
            log_pipeline_params(pipe)
            pipe.fit(*_rows(data, parts["train"]))
            _save(args, pipe, data)  # before the evaluation, whose failure must not lose it
            held_out = {name: rows for name, rows in parts.items() if name != "train"}
            outcomes = _evaluate(pipe, data, held_out)
            if generated:
                train, test = _rows(data, parts["train"]), _rows(data, parts["test"])
                baselines = order_baselines(pipe, train, test, random_state=args.seed)
                _report_baselines(baselines, 1 / len(data.target_names))
            _draw(args, pipe, data, outcomes, split)
    return 0


def tune(args: argparse.Namespace) -> int:
    """Search learning-rate decay and hidden size, evaluate, log and save the best.

    Parameters
    ----------
    args : argparse.Namespace
        The command's options.

    Returns
    -------
    int
        Exit status.
    """
    with ExitStack() as stack:
        data, generated = stack.enter_context(_data_set(args))
        memory = args.memory or stack.enter_context(tempfile.TemporaryDirectory())
        pipe = _pipeline(args, generated, memory=memory)
        grid = {"gru__lr_decay": args.lr_decay, "gru__hidden_size": args.hidden_size}
        for candidate in ParameterGrid(grid):
            _check_parameters(args, clone(pipe).set_params(**candidate))
        if args.cv < 2:
            raise ValueError(f"--cv must be at least 2, got {args.cv}.")
        data, skipped = readable_videos(args, data, _reader(pipe))
        parts, split = _split(args, data)
        rows = np.concatenate([parts[name] for name in ("train", "val") if name in parts])
        test = {name: part for name, part in parts.items() if name == "test"}
        folds, cv = _folds(args, data, rows)
        by_fold = {f"fold {i}": rows[fold] for i, (_, fold) in enumerate(folds, start=1)}
        leaks = warn_of_leaks(args, data, by_fold | test)
        stack.enter_context(tracked_run("tune"))
        _log_inputs(args, data, parts, split, skipped, leaks)
        log_pipeline_params(pipe)
        mlflow.set_tag("cv", cv)
        search = GridSearchCV(pipe, grid, cv=folds, error_score="raise")
        search.fit(*_rows(data, rows))
        _report_search(search)
        print(f"best parameters: {search.best_params_}; refitted on {len(rows)} videos")
        _save(args, search.best_estimator_, data)
        outcomes = _evaluate(search.best_estimator_, data, test)
        mlflow.log_figure(SearchDisplay.from_estimator(search).figure_, "search.png")
        _draw(args, search.best_estimator_, data, outcomes, f"{split}; {cv}")
    return 0


def _folds(args: argparse.Namespace, data: Bunch, rows: np.ndarray) -> tuple[list[Any], str]:
    """Divide the rows into the folds of the search; describe how."""
    groups = data.groups[rows] if has_groups(data) else None
    if groups is not None and len(set(groups)) < args.cv:
        raise ValueError(
            f"--cv {args.cv}: each fold needs at least one group, but there are only "
            f"{len(set(groups))} groups besides those of the test videos; use fewer folds."
        )
    splitter = (StratifiedKFold if groups is None else StratifiedGroupKFold)(
        args.cv, shuffle=True, random_state=args.seed
    )
    try:
        folds = list(splitter.split(rows, data.target[rows], groups))
    except ValueError as error:
        raise ValueError(f"--cv {args.cv}: {error} Use fewer folds or add videos.") from error
    how = "" if groups is None else ", each group in one fold"
    return folds, f"{args.cv}-fold cross-validation, stratified by class{how}"


def evaluate(args: argparse.Namespace) -> int:
    """Evaluate a saved model on labelled videos and log the scores.

    Parameters
    ----------
    args : argparse.Namespace
        The command's options.

    Returns
    -------
    int
        Exit status.
    """
    _quieten()
    data = load_data(args.data)
    check_names(args, data)
    print(data.DESCR)
    warn_of_leaks(args, data)
    if args.part != "all":
        known = [] if data.split is None else np.unique(data.split).tolist()
        if args.part not in known:
            raise ValueError(
                f"--part {args.part}: "
                + (
                    f"the split has no such part; choose one of {known} or all."
                    if known
                    else "the data set has no split; use --part all."
                )
            )
        data = select_rows(data, np.flatnonzero(data.split == args.part))
    pipe = fitted_pipeline(load_named_model(args))
    if args.n_jobs is not None:
        pipe[0].set_params(n_jobs=args.n_jobs)
    labels = {str(label): label for label in pipe.classes_}  # labels may be numbers
    unknown = sorted(set(data.target.tolist()) - set(labels))
    if unknown:
        raise ValueError(
            f"--data {args.data}: the labels {unknown} are not classes of the model; its classes "
            f"are {pipe.classes_.tolist()}. Correct the labels or remove the videos."
        )
    data, skipped = readable_videos(args, data, _reader(pipe))
    data.target = np.array([labels[name] for name in data.target], pipe.classes_.dtype)
    parts = {args.part: np.arange(len(data.data))}
    subset = "all videos" if args.part == "all" else f"part {args.part!r} of the data set"
    split = (
        f"{subset}, {len(data.data)} videos; scores are optimistic if training videos are included"
    )
    print(f"evaluated: {split}")
    with tracked_run("evaluate"):
        mlflow.set_tag("model", args.model)
        _log_inputs(args, data, parts, split, skipped, [])
        outcomes = _evaluate(pipe, data, parts)
        _draw(args, pipe, data, outcomes, split)
    return 0


@contextmanager
def _data_set(args: argparse.Namespace) -> Iterator[tuple[Bunch, bool]]:
    """Load the data set, or generate one; check options that are used at the end."""
    if args.output:
        check_writable(args.output)
    check_register(args.register)
    _quieten()
    if args.data:
        data = load_data(args.data)
        check_names(args, data)
        print(data.DESCR)
        yield data, False
        return
    with tempfile.TemporaryDirectory() as folder:
        print(
            "--data is not set: generating clips whose classes differ only in the order of the "
            "frames."
        )
        data = make_order_videos(Path(folder) / "clips", random_state=args.seed)
        print(data.DESCR)
        yield data, True


def _quieten() -> None:
    for library in ("mlflow", "alembic"):
        logging.getLogger(library).setLevel(logging.ERROR)


def _pipeline(args: argparse.Namespace, generated: bool, memory: str | None) -> Pipeline:
    defaults = GENERATED if generated else DEFAULTS
    chosen = {
        name: default if getattr(args, name) is None else getattr(args, name)
        for name, default in defaults.items()
    }
    return make_video_classifier(
        memory=memory,
        random_state=args.seed,
        device=args.device,
        n_jobs=args.n_jobs,
        mixed_precision="auto"
        if args.mixed_precision == "auto"
        else args.mixed_precision == "yes",
        verbose=1,
        features__n_frames=chosen["n_frames"],
        features__frame_size=chosen["frame_size"],
        features__max_epochs=chosen["backbone_epochs"],
        features__objective=args.objective,
        features__modality=args.modality,
        features__augmentation=args.augmentation,
        gru__max_epochs=args.epochs,
        gru__lr=args.lr,
    )


def _check_parameters(args: argparse.Namespace, pipe: Pipeline) -> None:
    """Check what would end the training late, or after a run is opened."""
    resolve_device(args.device, training=True)
    for name in ("features", "gru"):
        pipe[name]._validate_params()


def _reader(pipe: Pipeline) -> Callable[[Video], Any]:
    """Return the function that reads videos as the pipeline does."""
    features = pipe[0]
    if not isinstance(features, ResNet50FrameFeaturizer):
        return read_frames
    if hasattr(features, "frame_size_"):
        return features._reader()
    modality = features._choose_modality(training=features.max_epochs != 0)
    size = features.frame_size, features.frame_size  # the option is one number
    return FrameReader(modality, reading_options(vars(features), size, seed=0))


def _split(args: argparse.Namespace, data: Bunch) -> tuple[dict[str, Any], str]:
    parts, description = split_videos(data, args.split, random_state=args.seed)
    if len(set(data.target[parts["train"]].tolist())) < 2:
        raise ValueError(
            f"--data {args.data}: all training videos have the same label; add videos of another "
            "class, or choose another --split."
        )
    sizes = ", ".join(f"{len(rows)} {name}" for name, rows in parts.items())
    split = f"{description}: {sizes}"
    print(f"split: {split}")
    return parts, split


def _log_inputs(
    args: argparse.Namespace,
    data: Bunch,
    parts: dict[str, Any],
    split: str,
    skipped: list[VideoDecodeError],
    leaks: list[str],
) -> None:
    """Log the videos, what is wrong with some of them, and the environment."""
    mlflow.set_tag("split", split)
    if leaks:
        mlflow.set_tag("leaks", " ".join(leaks)[:_TAG_LENGTH])
    log_skipped(skipped)
    log_videos(data, parts, args.n_jobs)
    log_environment()


def _rows(data: Bunch, rows: Any) -> tuple[list[Any], Any]:
    return [data.data[row] for row in rows], data.target[rows]


def _evaluate(
    pipe: Pipeline, data: Bunch, parts: dict[str, Any]
) -> dict[str, tuple[list[Any], Evaluation]]:
    """Evaluate the pipeline on each part; print and log the metrics."""
    for name, step in pipe.steps:
        log_history("backbone" if name == "features" else name, getattr(step, "history_", []))
    outcomes = {}
    for name, rows in parts.items():
        videos, target = _rows(data, rows)
        outcome = evaluate_model(pipe, videos, target)
        outcomes[name] = videos, outcome
        metrics = outcome.metrics
        print(
            f"{name:>5}: accuracy {metrics['accuracy']:.3f}, macro-F1 {metrics['macro_f1']:.3f} "
            f"on {len(rows)} videos",
            flush=True,
        )
        key = _artifact_key(name)
        mlflow.log_metrics({f"{key}_{metric}": value for metric, value in metrics.items()})
        table = pd.DataFrame(outcome.per_class)
        mlflow.log_text(table.to_csv(index=False), f"per_class_{key}.csv")
    return outcomes


def _artifact_key(part: str) -> str:
    return re.sub(r"[^\w-]", "_", part, flags=re.ASCII)  # the name of a part is any text


def _draw(
    args: argparse.Namespace,
    pipe: Pipeline,
    data: Bunch,
    outcomes: dict[str, tuple[list[Any], Evaluation]],
    split: str,
) -> None:
    """Log figures and the report, after all metrics."""
    mlflow.log_figure(TrainingDisplay.from_estimator(pipe).figure_, "training.png")
    for name, (videos, outcome) in outcomes.items():
        title = f"{name}, {len(videos)} videos, accuracy {outcome.metrics['accuracy']:.3f}"
        figure = plot_confusion_matrix(outcome, title)
        mlflow.log_figure(figure, f"confusion_{_artifact_key(name)}.png")
    page = report_page(
        pipe,
        outcomes,
        title=f"skvideo-gru {args.name}",
        summary={"data": data.DESCR, **{name: str(value) for name, value in _asked(args)}},
        split=split,
    )
    mlflow.log_text(page, "report.html")


def _asked(args: argparse.Namespace) -> list[tuple[str, Any]]:
    """Collect the options that are neither empty nor ``auto``."""
    unset = (None, "", "auto")
    return [(k, v) for k, v in vars(args).items() if v not in unset and k not in ("name", "data")]


def _report_search(search: GridSearchCV) -> None:
    """Print every candidate and log each as a child run."""
    results = search.cv_results_
    heading = f"{'lr_decay':>9} {'hidden_size':>12} {'accuracy':>9}"
    print(f"\n{heading} (mean and standard deviation of {search.n_splits_} folds)")
    for i, params in enumerate(results["params"]):
        decay, size = params["gru__lr_decay"], params["gru__hidden_size"]
        mean, std = results["mean_test_score"][i], results["std_test_score"][i]
        print(f"{decay:>9} {size:>12} {mean:>9.3f} +- {std:.3f}")
        with child_run(f"lr_decay={decay} hidden_size={size}"):
            mlflow.log_params(params)
            mlflow.log_metrics({"cv_accuracy": mean, "cv_accuracy_std": std})
            for fold in range(search.n_splits_):
                mlflow.log_metric("fold_accuracy", results[f"split{fold}_test_score"][i], fold)
    mlflow.log_params({f"best_{name}": value for name, value in search.best_params_.items()})
    mlflow.log_metric("cv_accuracy", search.best_score_)


def _report_baselines(baselines: dict[str, float], chance: float) -> None:
    mlflow.log_metrics({f"test_accuracy_{name}": value for name, value in baselines.items()})
    mlflow.log_metric("chance", chance)
    print("test accuracy of baselines that ignore the order of the frames:")
    print(f"       a classifier on single frames        {baselines['single_frames']:.3f}")
    print(f"       the same pipeline on shuffled frames {baselines['shuffled_frames']:.3f}")
    print(f"       chance                               {chance:.3f}")


def _save(args: argparse.Namespace, pipe: Pipeline, data: Bunch) -> None:
    # A saved model contains no folders and worker numbers of this machine.
    portable = {"features__memory": None, "features__n_jobs": None, "features__verbose": 0}
    local = {name: pipe.get_params()[name] for name in portable}
    pipe.set_params(**portable)
    if args.output:
        save_model(pipe, args.output)
        print(f"saved: {args.output}")
    model = log_model(pipe, data.data[0], args.register)
    print(f"model: {model}")
    pipe.set_params(**local)
