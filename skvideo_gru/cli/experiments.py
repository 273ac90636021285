"""The commands that leave a run in MLflow: train, tune and evaluate."""

from __future__ import annotations

import argparse
import logging
import re
import tempfile
from collections.abc import Iterator
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

from ..datasets import has_groups, make_order_videos, split_videos
from ..inspection import (
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
    log_videos,
    save_model,
    tracked_run,
)
from ..persistence import check_writable
from ..pipeline import make_video_classifier
from .commands import load_data, load_named_model
from .parser import DEFAULTS, GENERATED

__all__ = ["evaluate", "train", "tune"]


def train(args: argparse.Namespace) -> int:
    """Train a classifier, evaluate it on videos held out, log and save it.

    Parameters
    ----------
    args : argparse.Namespace
        The command's options.

    Returns
    -------
    int
        Exit status.
    """
    with _work(args) as (data, generated), tracked_run("train"):
        pipe = _pipeline(args, generated, memory=args.memory or None)
        pipe.set_params(gru__hidden_size=args.hidden_size, gru__lr_decay=args.lr_decay)
        pipe["gru"]._validate_params()  # whose turn comes after a long training
        parts, split = _split(args, data)
        log_pipeline_params(pipe)
        pipe.fit(*_rows(data, parts["train"]))
        _save(args, pipe, data)  # before a broken video held out can end the run
        held_out = {name: rows for name, rows in parts.items() if name != "train"}
        _report(args, pipe, data, held_out, split)
        if generated:
            train, test = _rows(data, parts["train"]), _rows(data, parts["test"])
            baselines = order_baselines(pipe, train, test, random_state=args.seed)
            _report_baselines(baselines, 1 / len(data.target_names))
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
        data, generated = stack.enter_context(_work(args))
        memory = args.memory or stack.enter_context(tempfile.TemporaryDirectory())
        stack.enter_context(tracked_run("tune"))
        pipe = _pipeline(args, generated, memory=memory)
        grid = {"gru__lr_decay": args.lr_decay, "gru__hidden_size": args.hidden_size}
        for candidate in ParameterGrid(grid):
            clone(pipe).set_params(**candidate)["gru"]._validate_params()
        parts, split = _split(args, data)
        log_pipeline_params(pipe)
        rows = np.concatenate([parts[name] for name in ("train", "val") if name in parts])
        groups = data.groups[rows] if has_groups(data) else None
        if groups is not None and len(set(groups)) < args.cv:
            raise ValueError(
                f"--cv {args.cv}: folds do not part groups, of which the videos to learn from "
                f"have {len(set(groups))}; take fewer folds."
            )
        folds = (StratifiedKFold if groups is None else StratifiedGroupKFold)(
            args.cv, shuffle=True, random_state=args.seed
        )
        cv = f"search over {args.cv} folds, " + (
            "stratified by class" if groups is None else "each group in one of them"
        )
        mlflow.set_tag("cv", cv)
        search = GridSearchCV(pipe, grid, cv=folds, error_score="raise")
        search.fit(*_rows(data, rows), groups=groups)
        _report_search(search)
        print(f"best: {search.best_params_}, refitted on {len(rows)} videos")
        _save(args, search.best_estimator_, data)
        held_out = {name: part for name, part in parts.items() if name == "test"}
        _report(args, search.best_estimator_, data, held_out, f"{split}; {cv}")
    return 0


def evaluate(args: argparse.Namespace) -> int:
    """Evaluate a saved model on labelled videos, and log how it does.

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
    with tracked_run("evaluate"):
        data = load_data(args.data)
        print(data.DESCR)
        rows = np.arange(len(data.data))
        if args.part != "all":
            known = [] if data.split is None else np.unique(data.split).tolist()
            if args.part not in known:
                raise ValueError(
                    f"--part {args.part}: the data set has no such part; "
                    + (f"choose one of {known} or all." if known else "choose all.")
                )
            rows = np.flatnonzero(data.split == args.part)
        parts = {args.part: rows}
        split = (
            f"none is made here: part {args.part!r} of the data, {len(rows)} videos; "
            "those that the model learned from, if any, flatter it"
        )
        print(f"split: {split}")
        mlflow.set_tags({"split": split, "model": args.model})
        pipe = fitted_pipeline(load_named_model(args))
        if args.n_jobs is not None:
            pipe[0].set_params(n_jobs=args.n_jobs)
        labels = {str(label): label for label in pipe.classes_}  # which may be numbers
        unknown = sorted(set(data.target[rows].tolist()) - set(labels))
        if unknown:
            raise ValueError(
                f"--data {args.data}: the model does not know the classes {unknown}; "
                f"it knows {pipe.classes_.tolist()}."
            )
        log_videos(data, parts, args.n_jobs)
        log_environment()
        target = np.empty(len(data.target), pipe.classes_.dtype)
        target[rows] = [labels[name] for name in data.target[rows]]
        data.target = target
        _report(args, pipe, data, parts, split)
    return 0


@contextmanager
def _work(args: argparse.Namespace) -> Iterator[tuple[Bunch, bool]]:
    """Load the data, or generate it; quieten what libraries say about themselves."""
    if args.output:  # said now, not after the training
        check_writable(args.output)
    check_register(args.register)
    _quieten()
    if args.data:
        data = load_data(args.data)
        print(data.DESCR)
        yield data, False
        return
    with tempfile.TemporaryDirectory() as folder:
        print("No --data: generating clips whose classes differ only in the order of frames.")
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


def _split(args: argparse.Namespace, data: Bunch) -> tuple[dict[str, Any], str]:
    parts, description = split_videos(data, args.split, random_state=args.seed)
    sizes = ", ".join(f"{len(rows)} {name}" for name, rows in parts.items())
    split = f"{description}: {sizes}"
    print(f"split: {split}")
    mlflow.set_tag("split", split)
    log_videos(data, parts, args.n_jobs)
    log_environment()
    return parts, split


def _rows(data: Bunch, rows: Any) -> tuple[list[Any], Any]:
    return [data.data[row] for row in rows], data.target[rows]


def _report(
    args: argparse.Namespace, pipe: Pipeline, data: Bunch, parts: dict[str, Any], split: str
) -> None:
    """Print and log how the fitted pipeline does on the parts held out."""
    for name, step in pipe.steps:
        log_history("backbone" if name == "features" else name, getattr(step, "history_", []))
    mlflow.log_figure(TrainingDisplay.from_estimator(pipe).figure_, "training.png")
    outcomes = {}
    for name, rows in parts.items():
        videos, target = _rows(data, rows)
        outcome = evaluate_model(pipe, videos, target)
        outcomes[name] = videos, outcome
        metrics = outcome.metrics
        key = re.sub(r"[^\w-]", "_", name, flags=re.ASCII)  # a part's name may be anything
        mlflow.log_metrics({f"{key}_{metric}": value for metric, value in metrics.items()})
        table = pd.DataFrame(outcome.per_class)
        mlflow.log_text(table.to_csv(index=False), f"per_class_{key}.csv")
        title = f"{name}, {len(rows)} videos, accuracy {metrics['accuracy']:.3f}"
        mlflow.log_figure(plot_confusion_matrix(outcome, title), f"confusion_{key}.png")
        print(
            f"{name:>5}: accuracy {metrics['accuracy']:.3f}, macro-F1 {metrics['macro_f1']:.3f} "
            f"on {len(rows)} videos"
        )
    page = report_page(
        pipe,
        outcomes,
        title=f"skvideo-gru {args.name}",
        summary={"data": data.DESCR, **{name: str(value) for name, value in _asked(args)}},
        split=split,
    )
    mlflow.log_text(page, "report.html")


def _asked(args: argparse.Namespace) -> list[tuple[str, Any]]:
    """Options that say something: neither empty nor ``auto``."""
    unsaid = (None, "", "auto")
    return [(k, v) for k, v in vars(args).items() if v not in unsaid and k not in ("name", "data")]


def _report_search(search: GridSearchCV) -> None:
    """Print every candidate and log each as a run of its own."""
    results = search.cv_results_
    print(f"\n{'lr_decay':>9} {'hidden_size':>12} {'accuracy':>9}  over {search.n_splits_} folds")
    for i, params in enumerate(results["params"]):
        decay, size = params["gru__lr_decay"], params["gru__hidden_size"]
        mean, std = results["mean_test_score"][i], results["std_test_score"][i]
        print(f"{decay:>9} {size:>12} {mean:>9.3f} +- {std:.3f}")
        with child_run(f"lr_decay={decay} hidden_size={size}"):
            mlflow.log_params(params)
            mlflow.log_metrics({"cv_accuracy": mean, "cv_accuracy_std": std})
            for fold in range(search.n_splits_):
                mlflow.log_metric("fold_accuracy", results[f"split{fold}_test_score"][i], fold)
    mlflow.log_figure(SearchDisplay.from_estimator(search).figure_, "search.png")
    mlflow.log_params({f"best_{name}": value for name, value in search.best_params_.items()})
    mlflow.log_metric("cv_accuracy", search.best_score_)


def _report_baselines(baselines: dict[str, float], chance: float) -> None:
    mlflow.log_metrics({f"test_accuracy_{name}": value for name, value in baselines.items()})
    mlflow.log_metric("chance", chance)
    print("without the order of frames, test accuracy beside chance:")
    print(f"       a classifier on single frames        {baselines['single_frames']:.3f}")
    print(f"       the same pipeline, frames shuffled   {baselines['shuffled_frames']:.3f}")
    print(f"       chance                               {chance:.3f}")


def _save(args: argparse.Namespace, pipe: Pipeline, data: Bunch) -> None:
    # A model takes along neither this machine's folders nor its workers.
    travelling = {"features__memory": None, "features__n_jobs": None, "features__verbose": 0}
    here = {name: pipe.get_params()[name] for name in travelling}
    pipe.set_params(**travelling)
    if args.output:
        save_model(pipe, args.output)
        print(f"saved: {args.output}")
    model = log_model(pipe, data.data[0], args.register)
    print(f"model: {model}")
    pipe.set_params(**here)
