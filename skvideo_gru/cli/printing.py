"""What the commands print about a run and its model, and their exit status."""

from __future__ import annotations

import argparse
import sys
from typing import Any

import mlflow
from sklearn.model_selection import GridSearchCV
from sklearn.utils import Bunch

from ..inspection import Evaluation
from ..mlops import run_address


def report_run(run: mlflow.ActiveRun, results: dict[str, Any]) -> None:
    """Print the id of the run and the address of its page.

    Parameters
    ----------
    run : mlflow.ActiveRun
        The run.
    results : dict
        The results of the command; they receive both.
    """
    address = run_address(run)
    results["run"] = {"id": run.info.run_id, "address": address}
    served = mlflow.get_tracking_uri().startswith("http")
    where = "" if served else " (on the server that `mlflow ui` starts)"
    print(f"run: {run.info.run_id}\n     {address}{where}", flush=True)


def report_model(args: argparse.Namespace, tracked: Bunch, results: dict[str, Any]) -> None:
    """Print the address of the model and the metrics of each part.

    Parameters
    ----------
    args : argparse.Namespace
        The command's options.
    tracked : Bunch
        What `tracked_run` has logged.
    results : dict
        The results of the command; they receive both.
    """
    print(f"model: {tracked.model_uri}")
    results |= {"model": tracked.model_uri, "output": args.output or None}
    report_outcomes(tracked.evaluations, results)


def report_outcomes(
    outcomes: dict[str, tuple[list[Any], Evaluation]], results: dict[str, Any]
) -> None:
    """Print the metrics of each part.

    Parameters
    ----------
    outcomes : dict of str to (list, Evaluation)
        Videos and evaluation of each part.
    results : dict
        The results of the command; they receive the metrics.
    """
    results["parts"] = {}
    for name, (videos, outcome) in outcomes.items():
        metrics = outcome.metrics
        print(
            f"{name:>5}: accuracy {metrics['accuracy']:.3f}, macro-F1 {metrics['macro_f1']:.3f} "
            f"on {len(videos)} videos",
        )
        if outcome.unknown is not None:
            print(
                f"       the answer {outcome.unknown!r} counts as wrong for all other labels; "
                f"coverage {metrics['coverage']:.3f}, accuracy of the other answers "
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


def report_search(search: GridSearchCV, results: dict[str, Any]) -> None:
    """Print the scores of every candidate.

    Parameters
    ----------
    search : GridSearchCV
        The fitted search.
    results : dict
        The results of the command; they receive the candidates and the best parameters.
    """
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


def report_baselines(baselines: dict[str, float], chance: float) -> None:
    """Print the accuracies of the baselines.

    Parameters
    ----------
    baselines : dict of str to float
        Test accuracies of ``single_frames`` and ``shuffled_frames``.
    chance : float
        Accuracy of guessing.
    """
    print("test accuracy of baselines that ignore the order of the frames:")
    print(f"       a classifier on single frames        {baselines['single_frames']:.3f}")
    print(f"       the same pipeline on shuffled frames {baselines['shuffled_frames']:.3f}")
    print(f"       chance                               {chance:.3f}")


def compare_accuracy(
    args: argparse.Namespace, outcomes: dict[str, tuple[list[Any], Evaluation]]
) -> int:
    """Compare the accuracy with ``--min-accuracy``.

    Parameters
    ----------
    args : argparse.Namespace
        The command's options.
    outcomes : dict of str to (list, Evaluation)
        Videos and evaluation of each part.

    Returns
    -------
    int
        Exit status: 1 if the accuracy is below the minimum.
    """
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
