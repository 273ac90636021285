"""Options that several commands share."""

from __future__ import annotations

import argparse

from .option_types import auto, names, share
from .parameters import Merge, settings

#: Values of "auto" for the user's videos.
DEFAULTS: dict[str, int | None] = {"frame_size": 32, "n_frames": 20, "backbone_epochs": None}
#: Values of "auto" for generated clips, whose single frames do not show the class.
GENERATED: dict[str, int | None] = {"frame_size": 32, "n_frames": 6, "backbone_epochs": 0}


def add_data_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that select the videos to train on.

    Parameters
    ----------
    parser : argparse.ArgumentParser
        Parser of the command.
    """
    data = parser.add_argument_group("data")
    data.add_argument(
        "--data",
        default="",
        help="folder with one sub-folder per class, or CSV manifest with "
        "the columns path and label (default: generate clips)",
    )
    data.add_argument(
        "--split",
        default="auto",
        choices=["auto", "manifest", "grouped", "random"],
        help="assignment of videos to train, validation and test; auto: "
        "the manifest's split, else by groups, else random (default: %(default)s)",
    )
    add_on_error(data)
    data.add_argument(
        "--seed", type=int, default=0, metavar="N", help="random seed (default: %(default)s)"
    )


def add_on_error(
    parser: argparse._ActionsContainer,
    default: str = "raise",
    text: str = "unreadable videos: raise stops before training and "
    "evaluation, skip leaves them out and lists them (default: %(default)s)",
) -> None:
    """Add ``--on-error``.

    Parameters
    ----------
    parser : argparse.ArgumentParser
        Parser of the command.
    default : {"raise", "skip"}, default="raise"
        Default of the option.
    text : str, optional
        Help of the option.
    """
    parser.add_argument("--on-error", default=default, choices=["raise", "skip"], help=text)


def add_set(parser: argparse._ActionsContainer, text: str) -> None:
    """Add ``--set``, which sets any parameter of the pipeline.

    Parameters
    ----------
    parser : argparse.ArgumentParser
        Parser of the command.
    text : str
        Help of the option.
    """
    parser.add_argument(
        "--set", type=settings, action=Merge, default={}, metavar="NAME=VALUE", help=text
    )


def add_json(parser: argparse._ActionsContainer) -> None:
    """Add ``--json``.

    Parameters
    ----------
    parser : argparse.ArgumentParser
        Parser of the command.
    """
    parser.add_argument(
        "--json",
        action="store_true",
        help="print one JSON object to the standard output at the end, and all else to the "
        "standard error",
    )


def add_min_accuracy(parser: argparse._ActionsContainer, text: str) -> None:
    """Add ``--min-accuracy``.

    Parameters
    ----------
    parser : argparse.ArgumentParser
        Parser of the command.
    text : str
        Name of the videos whose accuracy is meant.
    """
    parser.add_argument(
        "--min-accuracy",
        type=auto(share),
        default="auto",
        metavar="X",
        help=f"exit with status 1 if the accuracy of the {text} is lower (default: no minimum)",
    )


def add_saved_model_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that select a saved model.

    Parameters
    ----------
    parser : argparse.ArgumentParser
        Parser of the command.
    """
    parser.add_argument(
        "--model",
        required=True,
        help="file saved by train or tune, or MLflow model URI: runs:/RUN_ID, models:/ID, "
        "models:/NAME@ALIAS",
    )
    parser.add_argument(
        "--trust",
        default="no",
        choices=["no", "yes"],
        help="yes: also load pickles, which can run arbitrary code (default: %(default)s)",
    )


def add_pipeline_options(parser: argparse.ArgumentParser) -> argparse._ArgumentGroup:
    """Add the parameters of the pipeline that train and tune share.

    Parameters
    ----------
    parser : argparse.ArgumentParser
        Parser of the command.

    Returns
    -------
    argparse._ArgumentGroup
        Their group, to which a command can add its own.
    """
    pipeline = parser.add_argument_group("pipeline")

    def _number(name: str, text: str) -> None:
        shown = f"{text} (default: {DEFAULTS[name]}; for generated clips: {GENERATED[name]})"
        option = "--" + name.replace("_", "-")
        pipeline.add_argument(option, type=auto(int), default="auto", metavar="N", help=shown)

    _number("n_frames", "frames sampled from each video")
    _number("frame_size", "height and width of the frames in pixels")
    pipeline.add_argument(
        "--backbone-epochs",
        type=auto(int),
        default="auto",
        metavar="N",
        help="training epochs of the ResNet-50; 0 leaves it untrained (default: as many as 1200 "
        "optimizer steps need, or 2400 with at least 300 videos; for generated clips: 0)",
    )
    pipeline.add_argument(
        "--objective",
        default="clip",
        choices=["frame", "clip"],
        help="train the ResNet-50 on single frames or on clips (default: %(default)s)",
    )
    pipeline.add_argument(
        "--modality",
        default="auto",
        choices=["auto", "rgb", "motion", "changes"],
        help="input of the ResNet-50: RGB frames or motion images; auto: motion images if it is "
        "trained, and RGB frames if not or if only these show the classes (default: %(default)s)",
    )
    pipeline.add_argument(
        "--augmentation",
        type=names,
        default=["shift", "scale", "rotate", "light", "erase", "time"],
        metavar="NAME,NAME,...",
        help="random variations of the training clips: shift, scale, rotate, mirror, light, "
        "erase, time, mixup, or none (default: all but mirror and mixup)",
    )
    pipeline.add_argument(
        "--epochs",
        type=int,
        default=20,
        metavar="N",
        help="training epochs of the GRU (default: %(default)s)",
    )
    pipeline.add_argument(
        "--lr",
        type=float,
        default=1e-3,
        metavar="X",
        help="learning rate of the GRU (default: %(default)s)",
    )
    add_set(
        pipeline,
        "parameter of the pipeline, for example features__sampling=fps; repeatable; takes "
        "precedence over the other options",
    )
    return pipeline


def add_run_options(parser: argparse.ArgumentParser) -> argparse._ArgumentGroup:
    """Add the options of a run: cache, saved model, device and output.

    Parameters
    ----------
    parser : argparse.ArgumentParser
        Parser of the command.

    Returns
    -------
    argparse._ArgumentGroup
        Their group, to which a command can add its own.
    """
    run = parser.add_argument_group("run")
    run.add_argument(
        "--memory",
        default="",
        metavar="FOLDER",
        help="folder of the cache of features and backbones (default: no cache)",
    )
    run.add_argument(
        "--output",
        default="",
        metavar="FILE",
        help="file to save the model to: in skops format if its "
        "extension is .skops, else with joblib",
    )
    run.add_argument(
        "--register",
        default="",
        metavar="NAME[@ALIAS]",
        help="name in the MLflow model registry, and alias of the new version (default alias: "
        "champion)",
    )
    run.add_argument("--device", default="auto", help="auto, cpu or cuda (default: %(default)s)")
    run.add_argument(
        "--mixed-precision",
        default="no",
        choices=["no", "yes", "auto"],
        help="compute in bfloat16; auto: if the GPU or processor supports it (default: "
        "%(default)s)",
    )
    run.add_argument(
        "--n-jobs",
        type=auto(int),
        default="auto",
        metavar="N",
        help="parallel workers that read videos (default: 1 on a CPU, one per core on a GPU)",
    )
    add_json(run)
    return run
