"""The commands that log a run to MLflow: train, tune and evaluate."""

from __future__ import annotations

import argparse
import logging
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
from sklearn.base import clone
from sklearn.model_selection import (
    GridSearchCV,
    ParameterGrid,
    StratifiedGroupKFold,
    StratifiedKFold,
)
from sklearn.pipeline import Pipeline
from sklearn.utils import Bunch

from ..answers import find_selective
from ..datasets import has_groups, make_order_videos, select_rows, split_videos
from ..features import FrameReader, ResNet50FrameFeaturizer, reading_options
from ..inspection import Evaluation, fitted_pipeline, order_baselines
from ..mlops import check_register, log_skipped, open_run, portable, run_address, save_model
from ..networks import resolve_device
from ..persistence import check_writable
from ..pipeline import check_parameter, check_values, make_video_classifier
from ..runs import log_evaluations, log_inputs, log_report, log_training, tracked_run
from ..video import Video, VideoDecodeError, read_frames
from .commands import load_data, load_named_model
from .parser import DEFAULT_GRID, DEFAULTS, GENERATED
from .results import json_results
from .screening import check_names, readable_videos, warn, warn_of_leaks

__all__ = ["evaluate", "train", "tune"]

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
        pipe = _pipeline(args, generated=not args.data, memory=args.memory or None)
        _check_parameters(args, pipe)
        with _data_set(args) as (data, generated):
            _check_training([pipe], data)
            data, skipped = readable_videos(args, data, _reader(pipe))
            parts, split = _split(args, data)
            _check_labels(args, data, parts)
            leaks = warn_of_leaks(args, data, parts)
            with open_run("train") as run:
                _report_run(run, results)
                _log_findings(skipped, leaks)
                with tracked_run(pipe, data, parts, **_tracking(args, data, split)) as tracked:
                    pipe.fit(*_rows(data, parts["train"]), **_groups(pipe, data, parts["train"]))
                    unsaved = _save(args, pipe)
                outcomes = tracked.evaluations
                _report_model(args, tracked, results)
                if unsaved:
                    raise unsaved
                if generated:
                    train, test = _rows(data, parts["train"]), _rows(data, parts["test"])
                    baselines = order_baselines(pipe, train, test, random_state=args.seed)
                    _report_baselines(baselines, 1 / len(data.target_names))
    return _compare_accuracy(args, outcomes)


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
        pipe = _pipeline(args, generated=not args.data, memory=memory)
        grid = _grid(args)
        _check_names(pipe, grid)
        candidates = [clone(pipe).set_params(**values) for values in ParameterGrid(grid)]
        for candidate in candidates:
            _check_parameters(args, candidate)
        if args.cv < 2:
            raise ValueError(f"--cv must be at least 2, got {args.cv}.")
        data, _ = stack.enter_context(_data_set(args))
        _check_training(candidates, data)
        data, skipped = readable_videos(args, data, _readers(candidates))
        parts, split = _split(args, data)
        rows = np.concatenate([parts[name] for name in ("train", "val") if name in parts])
        test = {name: part for name, part in parts.items() if name == "test"}
        _check_labels(args, data, {"train": rows} | test)
        folds, cv = _folds(args, data, rows)
        by_fold = {f"fold {i}": rows[fold] for i, (_, fold) in enumerate(folds, start=1)}
        leaks = warn_of_leaks(args, data, by_fold | test)
        _report_run(stack.enter_context(open_run("tune")), results)
        _log_findings(skipped, leaks)
        mlflow.set_tag("cv", cv)
        search = GridSearchCV(pipe, grid, scoring="accuracy", cv=folds, error_score="raise")
        options = _tracking(args, data, f"{split}; {cv}")
        with tracked_run(search, data, {"train": rows} | test, **options) as tracked:
            search.fit(*_rows(data, rows), **_groups(candidates[0], data, rows))
            _report_search(search, results)
            print(f"best parameters: {search.best_params_}; refitted on {len(rows)} videos")
            unsaved = _save(args, search.best_estimator_)
        _report_model(args, tracked, results)
        if unsaved:
            raise unsaved
    return 0


def _grid(args: argparse.Namespace) -> dict[str, list[Any]]:
    """Return the values to try by parameter."""
    options = {"gru__lr_decay": args.lr_decay, "gru__hidden_size": args.hidden_size}
    given = {name: values for name, values in options.items() if values is not None} | args.grid
    if both := sorted(set(given) & set(args.set)):
        raise ValueError(f"--set and the search both have {', '.join(both)}; remove one of them.")
    grid = given or {name: DEFAULT_GRID[name] for name in DEFAULT_GRID if name not in args.set}
    if not grid:
        raise ValueError(
            "--set has all parameters of the default search; pass the parameters to search as "
            "--grid."
        )
    return grid


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
    for train, _ in folds:
        if missing := np.setdiff1d(data.target[rows], data.target[rows[train]]).tolist():
            raise ValueError(
                f"--cv {args.cv}: the training videos of a fold lack the classes {missing}; use "
                f"fewer folds, or add {'videos' if groups is None else 'groups'} of these classes."
            )
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
    with json_results(args) as results:
        outcomes = _evaluate_saved(args, results)
    return _compare_accuracy(args, outcomes)


def _evaluate_saved(
    args: argparse.Namespace, results: dict[str, Any]
) -> dict[str, tuple[list[Any], Evaluation]]:
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
    loaded = load_named_model(args)
    model = getattr(loaded, "best_estimator_", loaded)
    pipe = fitted_pipeline(model)
    if args.n_jobs is not None:
        pipe[0].set_params(n_jobs=args.n_jobs)
    _check_names(pipe, args.set)
    check_values(pipe.set_params(**args.set))
    selective = find_selective(model)
    known = [*model.classes_, *([] if selective is None else [selective.unknown_label])]
    labels = {str(label): label for label in known}  # labels may be numbers
    unknown = sorted(set(data.target.tolist()) - set(labels))
    if unknown:
        raise ValueError(
            f"--data {args.data}: the labels {unknown} are not classes of the model; its classes "
            f"are {model.classes_.tolist()}. Correct the labels or remove the videos."
        )
    data, skipped = readable_videos(args, data, _reader(pipe))
    data.target = np.array([labels[name] for name in data.target])
    parts = {args.part: np.arange(len(data.data))}
    subset = "all videos" if args.part == "all" else f"part {args.part!r} of the data set"
    split = (
        f"{subset}, {len(data.data)} videos; scores are optimistic if training videos are included"
    )
    print(f"evaluated: {split}")
    with open_run("evaluate") as run:
        _report_run(run, results)
        mlflow.set_tag("model", args.model)
        _log_findings(skipped, [])
        log_inputs(data, parts, split)
        log_training(pipe, {})
        outcomes = log_evaluations(model, data, parts)
        _report_outcomes(outcomes, results)
        log_report(
            model, outcomes, name="skvideo-gru evaluate", split=split, summary=_summary(args, data)
        )
    return outcomes


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
    options = {}
    if args.name == "train":
        options = {"gru__hidden_size": args.hidden_size, "gru__lr_decay": args.lr_decay}
    pipe = make_video_classifier(
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
        **options,
    )
    _check_names(pipe, args.set)
    return pipe.set_params(**args.set)


def _check_names(pipe: Pipeline, names: Iterable[str]) -> None:
    """Check that the names are parameters of the steps of a pipeline."""
    known = [name for name in pipe.get_params() if "__" in name]
    for name in names:
        check_parameter(name, known)


def _check_parameters(args: argparse.Namespace, pipe: Pipeline) -> None:
    """Check what would end the training late, or after a run is opened."""
    resolve_device(args.device, training=True)
    check_values(pipe)
    features = pipe["features"]
    if features._weights_are_a_file() or features.engine != "torch":
        # Without labels, the weights and the engine are loaded, but no video is read.
        clone(features).set_params(max_epochs=0, memory=None).fit(["unread.mp4"])


def _check_training(pipes: Sequence[Pipeline], data: Bunch) -> None:
    """Check the parameters of the GRU for the labels: train on tiny sequences."""
    if has_groups(data) and len({pipe["gru"].early_stopping for pipe in pipes}) > 1:
        raise ValueError(
            "--grid gru__early_stopping: with groups, all candidates need the same value, because "
            "early stopping holds out whole groups. Use --set."
        )
    for pipe in pipes if len(data.target_names) > 1 else ():
        gru = clone(pipe["gru"])
        gru.set_params(max_epochs=min(2, gru.max_epochs), early_stopping=False, verbose=0)
        try:
            gru.fit(np.zeros((len(data.target_names), 2, 4), np.float32), data.target_names)
        except TypeError as error:  # an argument in net_params that torch or skorch does not have
            raise ValueError(f"the GRU cannot be trained with its parameters: {error}") from error


def _groups(pipe: Pipeline, data: Bunch, rows: np.ndarray) -> dict[str, Any]:
    """Return the groups for early stopping as a parameter of `fit`."""
    grouped = pipe["gru"].early_stopping and has_groups(data)
    return {"gru__groups": data.groups[rows]} if grouped else {}


def _reader(pipe: Pipeline) -> Callable[[Video], Any]:
    """Return the function that reads videos as the pipeline does."""
    features = pipe[0]
    if not isinstance(features, ResNet50FrameFeaturizer):
        return read_frames
    if hasattr(features, "frame_size_"):
        return features._reader()
    modality = features._choose_modality(training=features.max_epochs != 0)
    return FrameReader(modality, reading_options(vars(features), features._choose_size(), seed=0))


def _readers(pipes: Sequence[Pipeline]) -> Callable[[Video], Any]:
    """Return the function that reads a video as each of the pipelines does."""
    readers: list[Callable[[Video], Any]] = []
    for pipe in pipes:
        if (reader := _reader(pipe)) not in readers:
            readers.append(reader)
    return lambda video: [read(video) for read in readers]


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


def _check_labels(args: argparse.Namespace, data: Bunch, parts: Mapping[str, np.ndarray]) -> None:
    """Check that the classes of the other parts occur in training."""
    known = np.unique(data.target[parts["train"]])
    for part, rows in parts.items():
        unseen = np.setdiff1d(data.target[rows], known).tolist()
        if not np.isin(data.target[rows], known).any():
            raise ValueError(
                f"--data {args.data}: no class of the part {part!r} occurs in training, which has "
                f"the classes {known.tolist()}; correct the labels or choose another --split."
            )
        if unseen:
            warn(
                args,
                f"the classes {unseen} of the part {part!r} do not occur in training; predictions "
                "of their videos are wrong.",
            )


def _log_findings(skipped: list[VideoDecodeError], leaks: list[str]) -> None:
    """Log what is wrong with some of the videos."""
    if leaks:
        mlflow.set_tag("leaks", " ".join(leaks)[:_TAG_LENGTH])
    log_skipped(skipped)


def _report_run(run: mlflow.ActiveRun, results: dict[str, Any]) -> None:
    """Print the id of the run and the address of its page."""
    address = run_address(run)
    results["run"] = {"id": run.info.run_id, "address": address}
    served = mlflow.get_tracking_uri().startswith("http")
    where = "" if served else " (on the server that `mlflow ui` starts)"
    print(f"run: {run.info.run_id}\n     {address}{where}", flush=True)


def _compare_accuracy(
    args: argparse.Namespace, outcomes: dict[str, tuple[list[Any], Evaluation]]
) -> int:
    """Return the exit status: 1 if the accuracy is below the minimum."""
    if args.min_accuracy is None:
        return 0
    name = next(name for name in ("test", "val", *outcomes) if name in outcomes)
    accuracy = outcomes[name][1].metrics["accuracy"]
    if accuracy >= args.min_accuracy:
        return 0
    print(
        f"skvideo-gru {args.name}: the accuracy of {name}, {accuracy:.4f}, is below "
        f"--min-accuracy {args.min_accuracy}.",
        file=sys.stderr,
    )
    return 1


def _rows(data: Bunch, rows: Any) -> tuple[list[Any], Any]:
    return [data.data[row] for row in rows], data.target[rows]


def _report_outcomes(
    outcomes: dict[str, tuple[list[Any], Evaluation]], results: dict[str, Any]
) -> None:
    """Print the metrics of each part."""
    results["parts"] = {}
    for name, (videos, outcome) in outcomes.items():
        metrics = outcome.metrics
        print(
            f"{name:>5}: accuracy {metrics['accuracy']:.3f}, macro-F1 {metrics['macro_f1']:.3f} "
            f"on {len(videos)} videos",
        )
        if outcome.unknown is not None:
            print(
                f"       the answer {outcome.unknown!r} counts as wrong; coverage "
                f"{metrics['coverage']:.3f}, accuracy of the other answers "
                f"{metrics['accuracy_answered']:.3f}"
            )
        print(
            f"       95% interval of the accuracy {metrics['accuracy_low']:.3f} to "
            f"{metrics['accuracy_high']:.3f}; chance {metrics['chance']:.3f}, majority class "
            f"{metrics['majority']:.3f}",
            flush=True,
        )
        if outcome.hint:
            print(f"       {outcome.hint}")
        results["parts"][name] = {"n_videos": len(videos), **metrics}


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


def _report_search(search: GridSearchCV, results: dict[str, Any]) -> None:
    """Print every candidate."""
    found = search.cv_results_
    names = [name.removeprefix("gru__") for name in found["params"][0]]
    table = [[str(value) for value in params.values()] for params in found["params"]]
    widths = [max(map(len, column)) for column in zip(names, *table, strict=True)]
    heading = " ".join(f"{name:>{width}}" for name, width in zip(names, widths, strict=True))
    print(f"\n{heading} accuracy (mean and standard deviation of {search.n_splits_} folds)")
    results["candidates"] = []
    for i, (params, row) in enumerate(zip(found["params"], table, strict=True)):
        mean, std = float(found["mean_test_score"][i]), float(found["std_test_score"][i])
        shown = " ".join(f"{text:>{width}}" for text, width in zip(row, widths, strict=True))
        print(f"{shown} {mean:>8.3f} +- {std:.3f}")
        results["candidates"].append(
            {"params": params, "cv_accuracy": mean, "cv_accuracy_std": std}
        )
    results |= {"best_params": search.best_params_, "cv_accuracy": float(search.best_score_)}


def _report_baselines(baselines: dict[str, float], chance: float) -> None:
    mlflow.log_metrics({f"test_accuracy_{name}": value for name, value in baselines.items()})
    mlflow.log_metric("chance", chance)
    print("test accuracy of baselines that ignore the order of the frames:")
    print(f"       a classifier on single frames        {baselines['single_frames']:.3f}")
    print(f"       the same pipeline on shuffled frames {baselines['shuffled_frames']:.3f}")
    print(f"       chance                               {chance:.3f}")


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


def _report_model(args: argparse.Namespace, tracked: Bunch, results: dict[str, Any]) -> None:
    """Print the address of the model and the metrics of each part."""
    print(f"model: {tracked.model_uri}")
    results |= {"model": tracked.model_uri, "output": args.output or None}
    _report_outcomes(tracked.evaluations, results)
