"""Accuracy of configurations on data sets by cross-validation, compared with baselines.

Run ``python benchmarks/accuracy.py MANIFEST... --memory FOLDER [--config CONFIG]...``, where
CONFIG is ``NAME[:PARAMETER=VALUE,...]`` with parameters of `make_video_classifier`, for example
``motion:features__modality=motion,gru__delta_weight=0``. The first configuration is the reference:
the script reports the differences of the others from it, paired by clip. Each data set is divided
into five folds with seed 0, stratified by class, and by groups if the manifest has groups.
``--split random`` ignores groups; ``--split leave-one-out`` leaves out one group at a time. FOLDER
caches backbones, features and the predictions of each fit, so an interrupted run resumes. The
script prints one Markdown table.
"""

import argparse
import hashlib
import json
import time
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from baselines import BASELINES, grey_frames
from sklearn.base import clone
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, f1_score, log_loss
from sklearn.model_selection import LeaveOneGroupOut, StratifiedGroupKFold, StratifiedKFold

from skvideo_gru import load_video_manifest, make_video_classifier
from skvideo_gru.cli.parameters import settings

N_FOLDS = 5


def main() -> None:
    """Run the missing fits and print the table."""
    args = parse()
    print("| data set | model | accuracy | macro-F1 | both, of all folds together ", end="")
    print("| difference from first | log loss | s / fit | steps |")
    print("|---|---|---|---|---|---|---|---|---|")
    for manifest in args.manifest:
        data = load_video_manifest(manifest)
        folds = make_folds(data, args.split)
        chosen = [int(f) for f in args.folds.split(",")] if args.folds else range(len(folds))
        name = f"{Path(manifest).resolve().parent.name} ({args.split})"
        for model, records in baseline_records(data, [folds[fold] for fold in chosen]).items():
            print_row(name, model, records, None)
        reference = None
        members = []
        for model, parameters in map(parse_config, args.config or ["default"]):
            records = [
                fit_once(data, folds, fold, seed, parameters, manifest, args)
                for seed, fold in product(map(int, args.seeds.split(",")), chosen)
            ]
            print_row(name, model, records, reference)
            if args.frames:
                print_row(name, f"{model}, mean of frames", frame_records(records), records)
            reference = reference or records
            members.append(records)
        if args.average:
            print_row(name, "mean of all configurations", average_records(members), reference)


def parse() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("manifest", nargs="+", help="columns path, label and optionally group")
    parser.add_argument("--memory", required=True, help="folder of the cache")
    parser.add_argument("--config", action="append", help="NAME[:PARAMETER=VALUE,...]")
    parser.add_argument("--folds", default="", help="numbers of the folds, for example 0,1 (all)")
    parser.add_argument("--seeds", default="0", help="random states of the pipelines")
    parser.add_argument("--split", default="auto", choices=["auto", "random", "leave-one-out"])
    parser.add_argument(
        "--average",
        action="store_true",
        help="also evaluate the mean of the configurations' probabilities",
    )
    parser.add_argument(
        "--frames",
        action="store_true",
        help="also evaluate single frames",
    )
    return parser.parse_args()


def parse_config(text: str) -> tuple[str, dict[str, Any]]:
    """Parse ``NAME[:PARAMETER=VALUE,...]``."""
    name, _, options = text.partition(":")
    return name, settings(options)


def make_folds(data: Any, split: str) -> list[tuple[np.ndarray, np.ndarray]]:
    """Divide a data set into folds (training rows, test rows)."""
    grouped = data.groups is not None and len(set(data.groups)) > 1 and split != "random"
    if split == "leave-one-out":
        if not grouped:
            raise SystemExit("--split leave-one-out needs a manifest with a column group.")
        folds: Iterator[Any] = LeaveOneGroupOut().split(data.data, data.target, data.groups)
    else:
        kind = StratifiedGroupKFold if grouped else StratifiedKFold
        cv = kind(N_FOLDS, shuffle=True, random_state=0)
        folds = cv.split(data.data, data.target, data.groups if grouped else None)
    return list(folds)


def baseline_records(data: Any, folds: list[Any]) -> dict[str, list[dict[str, Any]]]:
    """Predict the majority class, and predict with each classical baseline."""
    grey = [grey_frames(video) for video in data.data]
    found: dict[str, list[dict[str, Any]]] = {}
    majority = DummyClassifier(strategy="most_frequent")
    for name, (describe, model) in {
        "majority class": (lambda _: np.zeros(1), majority),
        **BASELINES,
    }.items():
        X = np.stack([describe(frames) for frames in grey])
        for train, test in folds:
            start = time.perf_counter()
            predicted = clone(model).fit(X[train], data.target[train]).predict(X[test])
            record = {"true": data.target[test].tolist(), "predicted": predicted.tolist()}
            record |= {"seconds": time.perf_counter() - start, "steps": 0}
            found.setdefault(name, []).append(record)
    return found


def fit_once(
    data: Any,
    folds: list[Any],
    fold: int,
    seed: int,
    parameters: dict[str, Any],
    manifest: str,
    args: argparse.Namespace,
) -> dict[str, Any]:
    """Fit on one fold and predict its test clips, or load the result from the cache."""
    train, test = folds[fold]
    model = make_video_classifier(memory=args.memory, random_state=seed, verbose=1, **parameters)
    values = {
        name: repr(value)
        for name, value in model.get_params().items()
        if "__" in name and not name.endswith(("memory", "verbose"))
    }
    content = Path(manifest).read_text() + json.dumps(
        [args.split, fold, values, args.frames], sort_keys=True
    )
    file = Path(args.memory, "accuracy", f"{hashlib.sha256(content.encode()).hexdigest()}.json")
    if file.exists():
        return json.loads(file.read_text())
    videos = [[data.data[row] for row in rows] for rows in (train, test)]
    start = time.perf_counter()
    model.fit(videos[0], data.target[train])
    seconds = time.perf_counter() - start
    proba = model.predict_proba(videos[1])
    record = {
        "true": data.target[test].tolist(),
        "predicted": model.classes_[proba.argmax(axis=1)].tolist(),
        "proba": proba.tolist(),
        "classes": model.classes_.tolist(),
        "seconds": seconds,
        "steps": sum(epoch.get("train_batch_count", 0) for epoch in model[0].history_),
    }
    if args.frames:
        record["frames"] = predict_by_frames(model, videos, data.target[train])
    file.parent.mkdir(parents=True, exist_ok=True)
    unfinished = file.with_suffix(".part")
    unfinished.write_text(json.dumps(record))
    unfinished.replace(file)
    return record


def predict_by_frames(model: Any, videos: list[Any], y: np.ndarray) -> list[Any]:
    """Classify single frames by their features, and average the probabilities per video."""
    width = model["gru"].frame_dim_
    train, test = (
        model[:-1].transform(part).reshape(len(part), -1, width).astype(float) for part in videos
    )
    single = LogisticRegression(max_iter=300, class_weight="balanced")
    single.fit(train.reshape(-1, width), np.repeat(y, train.shape[1]))
    proba = single.predict_proba(test.reshape(-1, width)).reshape(*test.shape[:2], -1).mean(1)
    return single.classes_[proba.argmax(1)].tolist()


def average_records(members: list[list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """Average the probabilities of the configurations, fit by fit."""
    averaged = []
    for fits in zip(*members, strict=True):
        proba = np.mean([fit["proba"] for fit in fits], axis=0)
        record = {name: fits[0][name] for name in ("true", "classes")}
        record["proba"] = proba.tolist()
        record["predicted"] = np.asarray(fits[0]["classes"])[proba.argmax(axis=1)].tolist()
        record |= {name: sum(fit[name] for fit in fits) for name in ("seconds", "steps")}
        averaged.append(record)
    return averaged


def frame_records(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Replace the predictions of sequences by those of single frames."""
    return [record | {"predicted": record["frames"], "proba": None} for record in records]


def print_row(
    name: str,
    model: str,
    records: list[dict[str, Any]],
    reference: list[dict[str, Any]] | None,
) -> None:
    """Print means and standard deviations over fits, and the paired difference to a reference."""
    accuracy = np.array([accuracy_score(r["true"], r["predicted"]) for r in records])
    f1 = np.array([f1_score(r["true"], r["predicted"], average="macro") for r in records])
    against = ""
    if reference is not None:
        hits, other = (
            np.concatenate([np.equal(r["true"], r["predicted"]) for r in rows]).astype(float)
            for rows in (records, reference)
        )
        better, worse = int((hits > other).sum()), int((hits < other).sum())
        error = (hits - other).std() / np.sqrt(len(hits))
        against = f"{np.mean(hits - other):+.3f} ± {error:.3f} ({better} gained, {worse} lost)"
    true, predicted = (
        np.concatenate([r[column] for r in records]) for column in ("true", "predicted")
    )
    together = f"{accuracy_score(true, predicted):.3f} / "
    together += f"{f1_score(true, predicted, average='macro'):.3f}"
    losses = [mean_log_loss(record) for record in records]
    loss = "" if None in losses else f"{np.mean(losses):.3f}"
    seconds = np.median([r["seconds"] for r in records])
    steps = np.median([r["steps"] for r in records])
    print(
        f"| {name} | {model} | {accuracy.mean():.3f} ± {accuracy.std():.3f} "
        f"| {f1.mean():.3f} ± {f1.std():.3f} | {together} "
        f"| {against} | {loss} | {seconds:.1f} | {steps:.0f} |",
        flush=True,
    )


def mean_log_loss(record: dict[str, Any]) -> float | None:
    """Compute the log loss, unless probabilities of a true class are missing."""
    if record.get("proba") is None or not set(record["true"]) <= set(record["classes"]):
        return None
    proba = np.array(record["proba"])  # of float32, whose sums differ a little from 1
    proba /= proba.sum(axis=1, keepdims=True)
    return float(log_loss(record["true"], proba, labels=record["classes"]))


if __name__ == "__main__":
    main()
