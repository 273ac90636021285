"""Checks of a data set before the work: names, unreadable videos, leaks."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from joblib import Parallel, delayed
from sklearn.utils import Bunch

from ..datasets import find_leaks, list_first, select_rows
from ..features import find_featurizers, video_progress
from ..video import Video, VideoDecodeError, describe_video, video_duration

# A video that is this many times as long as every training video is sampled that many times
# as coarsely.
_FAR_LONGER = 4.0


def check_names(args: argparse.Namespace, data: Bunch) -> None:
    """Check that MLflow can store the names of files, classes and groups.

    Parameters
    ----------
    args : argparse.Namespace
        The command's options.
    data : Bunch
        The data set.

    Raises
    ------
    ValueError
        If a name is not valid UTF-8.
    """
    for option, value in vars(args).items():
        _check_name(f"--{option.replace('_', '-')}", value)
    # Classes and groups first: renaming a folder corrects the paths inside it.
    for kind, column in (("class", data.target), ("group", data.groups), ("part", data.split)):
        for name in np.unique(column).tolist() if column is not None else []:
            _check_name(f"the name of the {kind}", name)
    for video in data.data:
        _check_name("the name of the file", describe_video(video))


def _check_name(what: str, name: Any) -> None:
    if not isinstance(name, str) or name.isascii():
        return
    try:
        name.encode()
    except UnicodeEncodeError as error:
        shown = name.encode(errors="backslashreplace").decode()
        raise ValueError(
            f"{shown}: {what} is not valid UTF-8, so MLflow cannot store it. Rename it, "
            "for example with `convmv -f latin1 -t utf8 --notest -r FOLDER`."
        ) from error


def readable_videos(
    args: argparse.Namespace, data: Bunch, read: Callable[[Video], Any]
) -> tuple[Bunch, list[VideoDecodeError]]:
    """Read every video before the work begins.

    Parameters
    ----------
    args : argparse.Namespace
        The command's options, of which ``on_error`` and ``n_jobs`` are used.
    data : Bunch
        The data set.
    read : callable
        Reads one video as the pipeline does.

    Returns
    -------
    data : Bunch
        The data set without unreadable videos.
    skipped : list of VideoDecodeError
        The errors of the unreadable videos.

    Raises
    ------
    ValueError
        If a video cannot be read and ``on_error`` is ``"raise"``, or if no video can
        be read.
    """
    threads = Parallel(
        n_jobs=-1 if args.n_jobs is None else args.n_jobs,
        prefer="threads",
        require="sharedmem",
        return_as="generator",
    )
    outcomes = threads(delayed(_read_error)(video, read) for video in data.data)
    errors = list(video_progress("reading", len(data.data), 1, outcomes))
    skipped = [error for error in errors if error is not None]
    if not skipped:
        return data, []
    if args.on_error == "raise" or len(skipped) == len(errors):
        skip = ", or skip them with --on-error skip" if len(skipped) < len(errors) else ""
        raise ValueError(
            f"{len(skipped)} of {len(errors)} videos cannot be read: {list_first(skipped)}. "
            f"Repair or remove them{skip}."
        )
    rows = np.array([row for row, error in enumerate(errors) if error is None])
    readable = select_rows(data, rows)
    print(f"Skipped {len(skipped)} of {len(errors)} videos, which cannot be read:")
    for error in skipped:
        print(f"  {error}")
    lost = sorted(set(data.target_names) - set(readable.target_names))
    if lost:
        warn(args, f"no video of the classes {lost} can be read; these classes are left out.")
    return readable, skipped


def _read_error(video: Video, read: Callable[[Video], Any]) -> VideoDecodeError | None:
    try:
        read(video)
    except VideoDecodeError as error:
        return error
    return None


def warn_of_leaks(
    args: argparse.Namespace, data: Bunch, parts: Mapping[str, np.ndarray] | None = None
) -> list[str]:
    """Print warnings about videos that two parts of a split, or two labels, share.

    Parameters
    ----------
    args : argparse.Namespace
        The command's options.
    data : Bunch
        The data set.
    parts : mapping of str to ndarray of int, optional
        Row numbers by the name of the part; by default the split of the data set.

    Returns
    -------
    list of str
        The warnings.
    """
    leaks = find_leaks(data, parts)
    for leak in leaks:
        warn(args, leak)
    return leaks


def warn_of_recordings(args: argparse.Namespace, model: Any, videos: Sequence[Video]) -> None:
    """Print a warning about videos that are far longer than those of the training.

    These are videos of more than 4 times the duration of the longest training video.

    Parameters
    ----------
    args : argparse.Namespace
        The command's options.
    model : classifier
        The fitted model. Without known durations of its training videos, nothing is printed.
    videos : sequence of videos
        The videos to predict.
    """
    longest = _longest_training_video(model)
    if longest is None:
        return
    durations = [(describe_video(video), video_duration(video) or 0.0) for video in videos]
    found = [f"{name} ({_span(s)})" for name, s in durations if s > _FAR_LONGER * longest]
    if found:
        warn(
            args,
            f"videos far longer than the longest training video ({_span(longest)}): "
            f"{list_first(found)}. "
            "Each video gets one label. To find out when each class occurs, use "
            f"`skvideo-gru timeline RECORDING --model {args.model} --window {longest:.3g}`.",
        )


def warn_of_window(args: argparse.Namespace, model: Any) -> None:
    """Print a warning about windows that are far longer than the videos of the training.

    Parameters
    ----------
    args : argparse.Namespace
        The command's options, of which ``window`` is used.
    model : classifier
        The fitted model. Without known durations of its training videos, nothing is printed.
    """
    longest = _longest_training_video(model)
    if longest is not None and args.window > _FAR_LONGER * longest:
        warn(
            args,
            f"--window {args.window:g} is far longer than the longest training video "
            f"({_span(longest)}). Use about --window {longest:.3g}.",
        )


def _longest_training_video(model: Any) -> float | None:
    known = [getattr(step, "max_duration_", None) for step in find_featurizers(model)]
    return max(filter(None, known), default=None)


def _span(seconds: float) -> str:
    return f"{seconds:.3g} s" if seconds < 100 else f"{seconds:.0f} s"


def warn(args: argparse.Namespace, message: str) -> None:
    """Print a warning to the standard error.

    Parameters
    ----------
    args : argparse.Namespace
        The command's options.
    message : str
        The warning.
    """
    print(f"skvideo-gru {args.name}: warning: {message}", file=sys.stderr)
