"""The commands that log no run: predict, check and cache."""

from __future__ import annotations

import argparse
import csv
import json
import os
import sys
import warnings
from collections import Counter
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from sklearn.utils import Bunch

from ..answers import find_selective, predicted_labels
from ..datasets import (
    describe_classes,
    describe_skipped,
    find_videos,
    read_folder,
    read_manifest,
    repeated_content,
    split_videos,
)
from ..features import cache_contents, open_cache, prune, remove_unfinished, video_progress
from ..inspection import class_columns
from ..mlops import predict_each
from ..persistence import check_writable
from ..video import (
    VIDEO_SUFFIXES,
    VideoDecodeError,
    check_videos,
    describe_video,
    is_url,
    video_bounds,
)
from .results import json_results, output_file, raise_interruption, until_interrupted
from .screening import warn, warn_of_leaks, warn_of_recordings


def predict(args: argparse.Namespace) -> int:
    """Write the class probabilities of videos as CSV.

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
    labels: list[str] = [""] * len(videos)
    if args.data:
        found = _videos_in(args.data)
        videos.extend(found.data)
        labels += found.target.tolist() or [""] * len(found.data)
        if found.skipped:
            print(f"Skipped files: {describe_skipped(found.skipped)}.", file=sys.stderr)
    for video in args.videos:
        if os.path.isdir(video):
            raise IsADirectoryError(f"{video} is a folder; pass it as --data {video}.")
    if not videos:
        raise ValueError("no videos: pass video files as VIDEO, or a data set as --data.")
    if args.output:
        check_writable(args.output)
    model = load_named_model(args)
    known = {"", *map(str, model.classes_)}
    if (selective := find_selective(model)) is not None:
        known.add(str(selective.unknown_label))
    if os.path.isdir(args.data) and not set(labels) <= known:
        labels = [""] * len(videos)  # these folders are not the classes
    warn_of_recordings(args, model, videos)
    with json_results(args) as results:
        n_failed = _write_predictions(args, model, videos, labels, results)
    if n_failed:
        where = "'error'" if args.json and not args.output else "the column 'error'"
        print(
            f"{n_failed} of {len(videos)} videos could not be read; see {where}.",
            file=sys.stderr,
        )
    return 1 if n_failed else 0


def _write_predictions(
    args: argparse.Namespace,
    model: Any,
    videos: list[Any],
    labels: list[str],
    results: dict[str, Any],
) -> int:
    """Write one row for each video, and count the unreadable ones."""
    ranges = list(map(video_bounds, videos))
    # The bounds distinguish time ranges of one file.
    bounds = ["start", "end"] if any(times != (None, None) for times in ranges) else []
    true = ["true"] if any(labels) else []
    results["predictions"] = []
    interruptions: list[KeyboardInterrupt] = []
    with ExitStack() as stack:
        file: Any = sys.stdout
        if args.output:
            file = stack.enter_context(output_file(args.output))
        elif args.json:
            file = stack.enter_context(
                open(os.devnull, "w", encoding="utf-8", errors="surrogateescape")
            )
        table = csv.writer(file)
        first = ["path", *bounds, *true, "label"]
        names = list(map(str, model.classes_))
        classes = class_columns(model.classes_, taken={*first, "error"})
        table.writerow([*first, *classes, "error"])
        outcomes = until_interrupted(predict_each(model, videos), interruptions)
        for proba, video, times, true_label in zip(outcomes, videos, ranges, labels, strict=False):
            error, label, numbers = "", "", [""] * len(classes)
            if not isinstance(proba, VideoDecodeError):
                label = str(predicted_labels(model, proba[None])[0])
                numbers = [f"{p:.6f}" for p in proba]
            elif args.on_error == "raise":
                raise ValueError(
                    f"{proba}. Repair or remove the video, or use --on-error skip."
                ) from proba
            else:
                error = proba.reason
            row = [describe_video(video), *(times if bounds else ()), *[true_label][: len(true)]]
            table.writerow([*row, label, *numbers, error])
            file.flush()
            results["predictions"].append(
                dict(zip(first, [*row, label or None], strict=True))
                | {
                    "probabilities": dict(zip(names, map(float, numbers), strict=True))
                    if label
                    else None,
                    "error": error or None,
                }
            )
    raise_interruption(interruptions, args.output, "videos")
    return sum(row["error"] is not None for row in results["predictions"])


def check(args: argparse.Namespace) -> int:
    """Decode the videos of a data set from end to end and print the unreadable ones.

    Parameters
    ----------
    args : argparse.Namespace
        The command's options.

    Returns
    -------
    int
        Exit status.
    """
    data = _videos_in(args.data)
    checked = check_videos(data.data, -1 if args.n_jobs is None else args.n_jobs)
    reports = list(video_progress("checking", len(data.data), 1, checked))
    failed = [report for report in reports if report["reason"]]
    warn_of_leaks(args, data)
    if not failed and len(data.target) and os.path.isfile(args.data):
        _warn_of_faults(args)
    copies = [_paths(data, rows) for rows in repeated_content(data.data)]
    if args.json:
        first = {path: paths[0] for paths in copies for path in paths[1:]}
        for report in reports:
            report["duplicate_of"] = first.get(report["path"])
        print(json.dumps(reports, indent=1))
        if data.skipped:
            print(f"Skipped files: {describe_skipped(data.skipped)}.", file=sys.stderr)
        return 1 if failed else 0
    if failed:
        names = [_name(report) for report in failed]
        width = max(len("video"), *map(len, names))
        print(f"{'video':{width}}  reason")
        for name, report in zip(names, failed, strict=True):
            print(f"{name:{width}}  {report['reason']}")
    for paths in copies:
        print(f"The same content: {', '.join(paths)}")
    if data.skipped:
        print(f"Skipped files: {describe_skipped(data.skipped)}.")
    if len(data.target):
        print(f"Classes: {describe_classes(data.target)}.")
    print(f"Checked {len(reports)} videos; {len(failed)} cannot be read.")
    return 1 if failed else 0


def _warn_of_faults(args: argparse.Namespace) -> None:
    """Print a warning if `train` refuses a manifest whose videos can be read."""
    try:
        with warnings.catch_warnings(action="ignore"):  # they have been printed
            data = load_data(args.data)
        if data.split is not None:
            split_videos(data, "manifest")
    except ValueError as error:
        warn(args, f"train refuses this manifest. {error}")


def _paths(data: Bunch, rows: list[int]) -> list[str]:
    return list(dict.fromkeys(describe_video(data.data[row]) for row in rows))


def _name(report: dict[str, Any]) -> str:
    bounds = [f" {name} {report[name]}" for name in ("start", "end") if report[name] is not None]
    return report["path"] + ",".join(bounds)


def cache(args: argparse.Namespace) -> int:
    """Show the contents of a cache, after pruning it.

    Parameters
    ----------
    args : argparse.Namespace
        The command's options.

    Returns
    -------
    int
        Exit status.
    """
    store = open_cache(args.folder)
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
    """Load the data set of ``--data``.

    Parameters
    ----------
    path : str
        A folder with one folder for each class, or a manifest.
    complete : bool, default=True
        Whether missing labels and missing files in a manifest are errors.

    Returns
    -------
    Bunch
        The data set.

    Raises
    ------
    FileNotFoundError
        If `path` does not exist.
    ValueError
        If it is not a data set.
    """
    if os.path.isdir(path):
        return read_folder(path)
    if not os.path.exists(path):
        if is_url(path):
            raise FileNotFoundError(
                f"{path}: only local files can be read; download the data set."
            )
        where = "" if os.path.isabs(path) else f" in {os.getcwd()}"
        raise FileNotFoundError(f"{path}: no such folder or manifest{where}; check the path.")
    if _is_video(path):
        raise ValueError(f"{path} is a video; pass a folder of videos or a manifest as --data.")
    return read_manifest(path, complete=complete)


def _is_video(path: str) -> bool:
    return Path(path).suffix.lower() in VIDEO_SUFFIXES


def load_named_model(args: argparse.Namespace) -> Any:
    """Load the model of ``--model``; a pickle only with ``--trust yes``.

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
    from ..mlops import fetch_model  # so does MLflow

    with TemporaryDirectory() as folder:
        return load_model(fetch_model(args.model, folder), trust=trust)


def _videos_in(path: str) -> Bunch:
    """Collect the videos of a manifest, of all folders in a folder, or a single video.

    Labels and parts are those of the manifest. In a folder, if every video is in a folder
    inside it, labels are the names of these folders.
    """
    skipped: Counter[str] = Counter()
    if not os.path.isdir(path):
        if not _is_video(path):
            return Bunch(**load_data(path, complete=False), skipped=skipped)
        return Bunch(data=[path], target=np.array([]), split=None, skipped=skipped)
    videos, skipped = find_videos(Path(path))
    if not videos:
        raise ValueError(
            f"{path}: the folder contains no video. Add files with one of these file extensions: "
            f"{', '.join(sorted(VIDEO_SUFFIXES))}."
        )
    parts = [video.relative_to(path).parts for video in videos]
    labels = [part[0] for part in parts] if all(len(part) > 1 for part in parts) else []
    return Bunch(data=list(map(str, videos)), target=np.array(labels), split=None, skipped=skipped)
