"""The commands that log a run to MLflow: train, tune and evaluate."""

from __future__ import annotations

import argparse
import logging
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, ParameterGrid
from sklearn.pipeline import Pipeline
from sklearn.utils import Bunch

from ..answers import find_selective
from ..datasets import has_groups, make_order_videos, select_rows
from ..inspection import Evaluation, fitted_pipeline, order_baselines
from ..mlops import (
    check_register,
    log_pipeline_params,
    log_skipped,
    open_run,
    portable,
    save_model,
)
from ..persistence import check_writable
from ..pipeline import check_values
from ..runs import log_evaluations, log_inputs, log_report, log_training, tracked_run
from ..video import VideoDecodeError
from .commands import load_data, load_named_model
from .pipelines import (
    build_pipeline,
    check_parameter_names,
    check_parameters,
    check_training,
    search_grid,
    video_reader,
    video_readers,
)
from .printing import (
    compare_accuracy,
    report_baselines,
    report_model,
    report_outcomes,
    report_run,
    report_search,
)
from .results import json_results
from .screening import check_names, readable_videos, warn_of_leaks
from .splits import check_labels, make_folds, split_data

# Characters of a tag that every MLflow store accepts.
_TAG_LENGTH = 5000

# Options that the summary of a report does not list.
_UNLISTED = ("name", "data", "json")


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
    with json_results(args) as results:
        pipe = build_pipeline(args, generated=not args.data, memory=args.memory or None)
        check_parameters(pipe)
        with _data_set(args) as (data, generated):
            check_training([pipe], data)
            data, skipped = readable_videos(args, data, video_reader(pipe))
            parts, split = split_data(args, data)
            check_labels(args, data, parts)
            leaks = warn_of_leaks(args, data, parts)
            with open_run("train") as run:
                report_run(run, results)
                _log_findings(skipped, leaks)
                with tracked_run(pipe, data, parts, **_tracking(args, data, split)) as tracked:
                    pipe.fit(*_rows(data, parts["train"]), **_groups(pipe, data, parts["train"]))
                    unsaved = _save(args, pipe)
                outcomes = tracked.evaluations
                report_model(args, tracked, results)
                if unsaved:
                    raise unsaved
                if generated:
                    train, test = _rows(data, parts["train"]), _rows(data, parts["test"])
                    baselines = order_baselines(pipe, train, test, random_state=args.seed)
                    chance = 1 / len(data.target_names)
                    scores = {f"test_accuracy_{name}": value for name, value in baselines.items()}
                    mlflow.log_metrics({**scores, "chance": chance})
                    report_baselines(baselines, chance)
    return compare_accuracy(args, outcomes)


def tune(args: argparse.Namespace) -> int:
    """Search parameters by cross-validation, evaluate, log and save the best.

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
        results = stack.enter_context(json_results(args))
        memory = args.memory or stack.enter_context(tempfile.TemporaryDirectory())
        pipe = build_pipeline(args, generated=not args.data, memory=memory)
        grid = search_grid(args)
        check_parameter_names(pipe, grid)
        candidates = [clone(pipe).set_params(**values) for values in ParameterGrid(grid)]
        for candidate in candidates:
            check_parameters(candidate)
        if args.cv < 2:
            raise ValueError(f"--cv must be at least 2, got {args.cv}.")
        data, _ = stack.enter_context(_data_set(args))
        check_training(candidates, data)
        data, skipped = readable_videos(args, data, video_readers(candidates))
        parts, split = split_data(args, data)
        rows = np.concatenate([parts[name] for name in ("train", "val") if name in parts])
        test = {name: part for name, part in parts.items() if name == "test"}
        check_labels(args, data, {"train": rows} | test)
        folds, cv = make_folds(args, data, rows)
        by_fold = {f"fold {i}": rows[fold] for i, (_, fold) in enumerate(folds, start=1)}
        leaks = warn_of_leaks(args, data, by_fold | test)
        report_run(stack.enter_context(open_run("tune")), results)
        _log_findings(skipped, leaks)
        mlflow.set_tag("cv", cv)
        search = GridSearchCV(pipe, grid, scoring="accuracy", cv=folds, error_score="raise")
        options = _tracking(args, data, f"{split}; {cv}")
        with tracked_run(search, data, {"train": rows} | test, **options) as tracked:
            search.fit(*_rows(data, rows), **_groups(candidates[0], data, rows))
            report_search(search, results)
            print(f"best parameters: {search.best_params_}; refitted on {len(rows)} videos")
            unsaved = _save(args, search.best_estimator_)
        report_model(args, tracked, results)
        if unsaved:
            raise unsaved
    return 0


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
    with json_results(args) as results:
        outcomes = _evaluate_saved(args, results)
    return compare_accuracy(args, outcomes)


def _evaluate_saved(
    args: argparse.Namespace, results: dict[str, Any]
) -> dict[str, tuple[list[Any], Evaluation]]:
    _quieten()
    data = load_data(args.data)
    check_names(args, data)
    print(data.DESCR)
    part = _select_part(args, data)
    model, pipe = _load_pipeline(args)
    selective = find_selective(model)
    known = [*model.classes_, *([] if selective is None else [selective.unknown_label])]
    labels = {str(label): label for label in known}  # labels may be numbers
    unknown = sorted(set(part.target.tolist()) - set(labels))
    if unknown:
        raise ValueError(
            f"--data {args.data}: the labels {unknown} are not classes of the model; its classes "
            f"are {model.classes_.tolist()}. Correct the labels or remove the videos."
        )
    warn_of_leaks(args, data)
    data, skipped = readable_videos(args, part, video_reader(pipe))
    data.target = np.array([labels[name] for name in data.target])
    parts = {args.part: np.arange(len(data.data))}
    subset = "all videos" if args.part == "all" else f"part {args.part!r} of the data set"
    split = (
        f"{subset}, {len(data.data)} videos; scores are optimistic if training videos are included"
    )
    print(f"evaluated: {split}")
    with open_run("evaluate") as run:
        report_run(run, results)
        mlflow.set_tag("model", args.model)
        _log_findings(skipped, [])
        log_inputs(data, parts, split)
        log_pipeline_params(pipe)
        log_training(pipe, {})
        outcomes = log_evaluations(model, data, parts)
        report_outcomes(outcomes, results)
        log_report(
            model, outcomes, name="skvideo-gru evaluate", split=split, summary=_summary(args, data)
        )
    return outcomes


def _select_part(args: argparse.Namespace, data: Bunch) -> Bunch:
    """Return the part of the data set that is evaluated."""
    if args.part == "all":
        return data
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
    return select_rows(data, np.flatnonzero(data.split == args.part))


def _load_pipeline(args: argparse.Namespace) -> tuple[Any, Pipeline]:
    """Load the saved model, and set the parameters of its pipeline."""
    loaded = load_named_model(args)
    model = getattr(loaded, "best_estimator_", loaded)
    pipe = fitted_pipeline(model)
    if args.n_jobs is not None:
        pipe[0].set_params(n_jobs=args.n_jobs)
    check_parameter_names(pipe, args.set)
    n_frames = getattr(pipe[0], "n_frames", None)
    check_values(pipe.set_params(**args.set))
    if getattr(pipe[0], "n_frames", None) != n_frames:
        raise ValueError(
            f"--set {pipe.steps[0][0]}__n_frames: the model was trained on {n_frames} frames of "
            "each video; train another model to change this."
        )
    return model, pipe


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


def _groups(pipe: Pipeline, data: Bunch, rows: np.ndarray) -> dict[str, Any]:
    """Return the groups for early stopping as a parameter of `fit`."""
    grouped = pipe["gru"].early_stopping and has_groups(data)
    return {"gru__groups": data.groups[rows]} if grouped else {}


def _log_findings(skipped: list[VideoDecodeError], leaks: list[str]) -> None:
    """Log what is wrong with some of the videos."""
    if leaks:
        mlflow.set_tag("leaks", " ".join(leaks)[:_TAG_LENGTH])
    log_skipped(skipped)


def _rows(data: Bunch, rows: Any) -> tuple[list[Any], Any]:
    return [data.data[row] for row in rows], data.target[rows]


def _tracking(args: argparse.Namespace, data: Bunch, split: str) -> dict[str, Any]:
    """Return the options of `tracked_run`."""
    return {
        "name": f"skvideo-gru {args.name}",
        "register": args.register,
        "split": split,
        "summary": _summary(args, data),
    }


def _summary(args: argparse.Namespace, data: Bunch) -> dict[str, str]:
    """Return the data set and the options that are neither empty nor ``auto``."""
    options = {name: value for name, value in vars(args).items() if name not in _UNLISTED}
    return {"data": data.DESCR} | {
        name: ", ".join(f"{k}={v}" for k, v in value.items())
        if isinstance(value, dict)
        else str(value)
        for name, value in options.items()
        if value not in (None, "", "auto", {})
    }


def _save(args: argparse.Namespace, pipe: Pipeline) -> OSError | None:
    """Save the model; return an error, because it may not lose the model that MLflow saves."""
    try:
        if args.output:
            with portable(pipe):
                save_model(pipe, args.output)
            print(f"saved: {args.output}")
    except OSError as error:
        return error
    return None
