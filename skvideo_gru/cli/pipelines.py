"""Build the pipelines of a command, and check their parameters before anything runs."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.pipeline import Pipeline
from sklearn.utils import Bunch

from ..datasets import has_groups
from ..features import ResNet50FrameFeaturizer, frame_reader, starts_from_file
from ..networks import resolve_device
from ..pipeline import check_parameter, check_values, make_video_classifier
from ..video import Video, read_frames
from .option_groups import DEFAULTS, GENERATED
from .parser import DEFAULT_GRID


def search_grid(args: argparse.Namespace) -> dict[str, list[Any]]:
    """Return the values that ``tune`` tries.

    Parameters
    ----------
    args : argparse.Namespace
        The command's options.

    Returns
    -------
    dict of str to list
        Values by parameter of the pipeline.

    Raises
    ------
    ValueError
        If two options have a parameter in common, or nothing is searched.
    """
    options = {"gru__lr_decay": args.lr_decay, "gru__hidden_size": args.hidden_size}
    options = {name: values for name, values in options.items() if values is not None}
    if both := sorted(set(options) & set(args.grid)):
        option = "--" + both[0].removeprefix("gru__").replace("_", "-")
        raise ValueError(f"--grid and {option} both have {both[0]}; remove one of them.")
    given = options | args.grid
    if both := sorted(set(given) & set(args.set)):
        raise ValueError(f"--set and the search both have {', '.join(both)}; remove one of them.")
    grid = given or {name: DEFAULT_GRID[name] for name in DEFAULT_GRID if name not in args.set}
    if not grid:
        raise ValueError(
            "--set has all parameters of the default search; pass the parameters to search as "
            "--grid."
        )
    return grid


def build_pipeline(args: argparse.Namespace, generated: bool, memory: str | None) -> Pipeline:
    """Build the pipeline that the options describe.

    Parameters
    ----------
    args : argparse.Namespace
        The options of ``train`` or ``tune``.
    generated : bool
        Whether the videos are generated, which have other defaults.
    memory : str or None
        Folder of the cache.

    Returns
    -------
    Pipeline
        The unfitted pipeline.

    Raises
    ------
    ValueError
        If ``--set`` has a parameter that the pipeline does not have.
    """
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
    check_parameter_names(pipe, args.set)
    return pipe.set_params(**args.set)


def check_parameter_names(pipe: Pipeline, names: Iterable[str]) -> None:
    """Check that names are parameters of the steps of a pipeline.

    Parameters
    ----------
    pipe : Pipeline
        The pipeline.
    names : iterable of str
        The names.

    Raises
    ------
    ValueError
        If one is not; the error suggests the nearest.
    """
    known = [name for name in pipe.get_params() if "__" in name]
    for name in names:
        check_parameter(name, known)


def check_parameters(pipe: Pipeline) -> None:
    """Check what would end the training late, or after a run is opened.

    Parameters
    ----------
    pipe : Pipeline
        The pipeline.

    Raises
    ------
    ValueError
        If a value is not valid, or the device, the weights or the engine are not available.
    """
    check_values(pipe)
    features = pipe["features"]
    for step in (features, pipe["gru"]):
        resolve_device(step.device, training=True)
    if starts_from_file(features.weights) or features.engine != "torch":
        # Without labels, the weights and the engine are loaded, but no video is read.
        clone(features).set_params(max_epochs=0, memory=None).fit(["unread.mp4"])


def check_training(pipes: Sequence[Pipeline], data: Bunch) -> None:
    """Check the parameters of the GRU for the labels: train on tiny sequences.

    Parameters
    ----------
    pipes : sequence of Pipeline
        The pipelines that will be trained.
    data : Bunch
        The data set.

    Raises
    ------
    ValueError
        If the GRU cannot be trained with its parameters.
    """
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


def video_reader(pipe: Pipeline) -> Callable[[Video], Any]:
    """Return the function that reads videos as a pipeline does.

    Parameters
    ----------
    pipe : Pipeline
        The pipeline.

    Returns
    -------
    callable
        Reads one video.
    """
    features = pipe[0]
    if not isinstance(features, ResNet50FrameFeaturizer):
        return read_frames
    return frame_reader(features)


def video_readers(pipes: Sequence[Pipeline]) -> Callable[[Video], Any]:
    """Return the function that reads a video as each of several pipelines does.

    Parameters
    ----------
    pipes : sequence of Pipeline
        The pipelines.

    Returns
    -------
    callable
        Reads one video in all ways that differ.
    """
    readers: list[Callable[[Video], Any]] = []
    for pipe in pipes:
        if (reader := video_reader(pipe)) not in readers:
            readers.append(reader)
    return lambda video: [read(video) for read in readers]
