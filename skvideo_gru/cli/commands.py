"""The commands that make no run: predict, check and cache."""

from __future__ import annotations

import argparse
import csv
import json
import os
import sys
from collections.abc import Iterable
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import joblib
from sklearn.utils import Bunch

from ..datasets import VIDEO_SUFFIXES, find_videos, load_video_folder, read_manifest
from ..features import cache_contents, prune, remove_unfinished, video_progress
from ..mlops import predict_each
from ..video import VideoDecodeError, check_videos, describe_video, video_bounds

__all__ = ["cache", "check", "load_data", "load_named_model", "predict"]


def predict(args: argparse.Namespace) -> int:
    """Write the probabilities of videos as CSV.

    Parameters
    ----------
    args : argparse.Namespace
        The command's options.

    Returns
    -------
    int
        Exit status.
    """
    videos: list[Any] = list(args.videos)
    if args.data:
        videos += _videos_in(args.data)
    for video in args.videos:
        if os.path.isdir(video):
            raise IsADirectoryError(f"{video}: it is a folder; give it as --data {video}.")
    if not videos:
        raise ValueError("no video given; name VIDEO files or a data set with --data.")
    model = load_named_model(args)
    n_failed = 0
    stretches = list(map(video_bounds, videos))
    # Clips of one recording are told apart by their bounds; whole videos have none.
    bounds = ["start", "end"] if any(stretch != (None, None) for stretch in stretches) else []
    with ExitStack() as stack:
        file = sys.stdout
        if args.output:
            file = stack.enter_context(
                open(args.output, "w", encoding="utf-8", errors="surrogateescape", newline="")
            )
        table = csv.writer(file)
        classes = _columns(model.classes_, taken={"path", *bounds, "label", "error"})
        table.writerow(["path", *bounds, "label", *classes, "error"])
        outcomes = predict_each(model, videos)
        for video, stretch, proba in zip(videos, stretches, outcomes, strict=True):
            row = [describe_video(video), *(stretch if bounds else ())]
            if isinstance(proba, VideoDecodeError):
                n_failed += 1
                table.writerow([*row, "", *[""] * len(model.classes_), proba.reason])
            else:
                label = model.classes_[proba.argmax()]
                table.writerow([*row, label, *(f"{p:.6f}" for p in proba), ""])
            file.flush()
    if n_failed:
        print(f"{n_failed} of {len(videos)} videos could not be read.", file=sys.stderr)
    return 1 if n_failed else 0


def _columns(classes: Iterable[Any], taken: set[str]) -> list[str]:
    """Name a column for each class, apart from those that have a name already."""
    names = []
    for label in map(str, classes):
        while label in taken:
            label = f"class {label}"
        taken.add(label)
        names.append(label)
    return names


def check(args: argparse.Namespace) -> int:
    """Decode a data set from end to end and print every video that breaks.

    Parameters
    ----------
    args : argparse.Namespace
        The command's options.

    Returns
    -------
    int
        Exit status.
    """
    videos = _videos_in(args.data)
    checked = check_videos(videos, -1 if args.n_jobs is None else args.n_jobs)
    reports = list(video_progress("checking", len(videos), 1, checked))
    failed = [report for report in reports if report["reason"]]
    if args.json:
        print(json.dumps(reports, indent=1))
        return 1 if failed else 0
    if failed:
        names = [_name(report) for report in failed]
        width = max(len("video"), *map(len, names))
        print(f"{'video':{width}}  reason")
        for name, report in zip(names, failed, strict=True):
            print(f"{name:{width}}  {report['reason']}")
    print(f"{len(reports)} videos checked, {len(failed)} cannot be read.")
    return 1 if failed else 0


def _name(report: dict[str, Any]) -> str:
    bounds = [f" {name} {report[name]}" for name in ("start", "end") if report[name] is not None]
    return report["path"] + ",".join(bounds)


def cache(args: argparse.Namespace) -> int:
    """Show what a cache holds, after removing what is too old or too much.

    Parameters
    ----------
    args : argparse.Namespace
        The command's options.

    Returns
    -------
    int
        Exit status.
    """
    if not os.path.isdir(os.path.join(args.folder, "joblib")):
        raise FileNotFoundError(f"{args.folder}: no folder in which a cache was kept.")
    store = joblib.Memory(args.folder, verbose=0)
    remove_unfinished(store, older_than=3600)
    before = cache_contents(store)
    age = None if args.max_age is None else timedelta(days=args.max_age)
    prune(store, args.max_size, age)
    after = cache_contents(store)
    print(f"{'':11} {'entries':>8} {'size':>10}")
    for kind, (n_entries, n_bytes) in after.items():
        print(f"{kind:11} {n_entries:>8} {_readable(n_bytes):>10}")
    removed = sum(n for n, _ in before.values()) - sum(n for n, _ in after.values())
    if removed:
        print(f"{removed} entries removed.")
    return 0


def _readable(n_bytes: float) -> str:
    for unit in ("B", "KiB", "MiB", "GiB"):
        if n_bytes < 1024:
            return f"{n_bytes:.0f} {unit}"
        n_bytes /= 1024
    return f"{n_bytes:.1f} TiB"


def load_data(path: str, *, complete: bool = True) -> Bunch:
    """Load what ``--data`` names.

    Parameters
    ----------
    path : str
        A folder with a folder for each class, or a manifest.
    complete : bool, default=True
        Whether a manifest must have labels and name no file that is missing.

    Returns
    -------
    Bunch
        The data set.

    Raises
    ------
    FileNotFoundError
        If there is neither.
    ValueError
        If it is no data set.
    """
    if os.path.isdir(path):
        return load_video_folder(path)
    if not os.path.exists(path):
        where = "" if os.path.isabs(path) else f" in {os.getcwd()}"
        raise FileNotFoundError(f"{path}: there is no such folder or manifest{where}.")
    if _is_video(path):
        raise ValueError(f"{path}: it is a video; --data takes a folder of videos or a manifest.")
    return read_manifest(path, complete=complete)


def _is_video(path: str) -> bool:
    return Path(path).suffix.lower() in VIDEO_SUFFIXES


def load_named_model(args: argparse.Namespace) -> Any:
    """Load what ``--model`` names, if ``--trust`` allows it.

    Parameters
    ----------
    args : argparse.Namespace
        The command's options.

    Returns
    -------
    classifier
        The model.
    """
    from ..mlops import load_model  # skops takes seconds to import

    trust = args.trust == "yes"
    if not args.model.startswith(("runs:/", "models:/")):
        return load_model(args.model, trust=trust)
    from ..mlops import fetch_model  # and so does MLflow

    with TemporaryDirectory() as folder:
        return load_model(fetch_model(args.model, folder), trust=trust)


def _videos_in(path: str) -> list[Any]:
    """Videos of a manifest, or all that lie anywhere in a folder, or the one that it is."""
    if not os.path.isdir(path):
        return [path] if _is_video(path) else list(load_data(path, complete=False).data)
    videos = [str(file) for file in find_videos(Path(path))]
    if not videos:
        raise ValueError(
            f"{path}: the folder holds no video (known endings: "
            f"{', '.join(sorted(VIDEO_SUFFIXES))})."
        )
    return videos
