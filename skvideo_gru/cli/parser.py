"""The command line: train, tune, evaluate, predict, check, cache."""

from __future__ import annotations

import argparse
import io
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any

from .. import __version__

__all__ = ["DEFAULTS", "GENERATED", "main"]

#: Values of "auto" for the user's videos.
DEFAULTS: dict[str, int | None] = {"frame_size": 32, "n_frames": 20, "backbone_epochs": None}
#: Values of "auto" for generated clips, whose single frames do not show the class.
GENERATED: dict[str, int | None] = {"frame_size": 32, "n_frames": 6, "backbone_epochs": 0}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    argv : sequence of str, optional
        Arguments; by default those of the process. Without any, the help is printed.

    Returns
    -------
    int
        Exit status: 0 for success, 1 for an error, 130 after an interruption.
    """
    args = _parse(argv)
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.errors == "strict":
        sys.stdout.reconfigure(errors="surrogateescape")  # file names can have any encoding
    try:
        # Imported here, so that --help and usage errors are fast.
        runs = args.name in ("train", "tune", "evaluate")
        module = import_module(f".{'experiments' if runs else 'commands'}", __package__)
        return int(getattr(module, args.name)(args))
    except (ValueError, OSError, ImportError) as error:
        print(f"skvideo-gru {args.name}: error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"skvideo-gru {args.name}: interrupted", file=sys.stderr)
        return 130


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="skvideo-gru",
        description="Video classification the scikit-learn way.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(title="commands", required=True, dest="name")

    def command(name: str, does: str) -> argparse.ArgumentParser:
        return commands.add_parser(
            name, help=does, description=f"{does[0].upper()}{does[1:]}.", allow_abbrev=False
        )

    train = command("train", "train a classifier and evaluate it")
    _add_data_options(train)
    _add_model_options(train)
    train.add_argument("--hidden-size", type=int, default=64, help="GRU units (%(default)s)")
    train.add_argument(
        "--lr-decay",
        type=float,
        default=0.97,
        help="factor of the GRU's learning rate after each epoch (%(default)s)",
    )

    tune = command("tune", "search learning-rate decay and hidden size")
    _add_data_options(tune)
    _add_model_options(tune)
    tune.add_argument(
        "--hidden-size",
        type=_list_of(int),
        default=[32, 64, 128],
        metavar="N,N,...",
        help="GRU units to try (32,64,128)",
    )
    tune.add_argument(
        "--lr-decay",
        type=_list_of(float),
        default=[0.9, 0.97],
        metavar="X,X,...",
        help="learning-rate decays to try (0.9,0.97)",
    )
    tune.add_argument("--cv", type=int, default=3, help="folds of each candidate (%(default)s)")

    evaluate = command("evaluate", "evaluate a saved model on labelled videos")
    _add_saved_model_options(evaluate)
    evaluate.add_argument(
        "--data", required=True, help="folder with one folder for each class, or CSV manifest"
    )
    evaluate.add_argument(
        "--part", default="all", help="part of the manifest's split to use (%(default)s)"
    )
    evaluate.add_argument(
        "--n-jobs", type=_auto(int), default="auto", help="workers that read videos (one)"
    )
    _add_on_error(evaluate)

    predict = command("predict", "write the class probabilities of videos as CSV")
    _add_saved_model_options(predict)
    predict.add_argument(
        "--data",
        default="",
        help="folder of videos or CSV manifest, labels optional, in addition to VIDEO",
    )
    predict.add_argument("--output", default="", help="CSV file to write (standard output)")
    _add_on_error(
        predict,
        default="skip",
        text="unreadable videos: stop at the first, or report it in the column error and exit "
        "with 1 at the end (%(default)s)",
    )
    predict.add_argument("videos", nargs="*", metavar="VIDEO", help="video files")

    check = command("check", "list unreadable and repeated videos")
    check.add_argument("data", help="folder of videos, CSV manifest, or a video")
    check.add_argument("--n-jobs", type=_auto(int), default="auto", help="threads (one per core)")
    check.add_argument("--json", action="store_true", help="print a report of every video as JSON")

    cache = command("cache", "show the contents of a --memory folder, and prune it")
    cache.add_argument("folder", help="the folder")
    cache.add_argument(
        "--max-size",
        type=_size,
        metavar="SIZE",
        help="remove the least recently used entries above this size: 500M, 10G",
    )
    cache.add_argument(
        "--max-age", type=_days, metavar="DAYS", help="remove entries unused for this long"
    )

    if not (sys.argv[1:] if argv is None else argv):
        parser.print_help(sys.stderr)
        parser.exit(2)
    args, unknown = parser.parse_known_args(argv)
    if unknown:  # show the usage of the command, not the list of commands
        commands.choices[args.name].error(f"unrecognized arguments: {' '.join(unknown)}")
    return args


def _size(text: str) -> int:
    unit = text[-1:].upper()
    factor = 1024 ** (" KMGT".index(unit)) if unit in "KMGT" else 1
    size = float(text[:-1] if factor > 1 else text) * factor
    if not 0 <= size < 1 << 60:
        raise ValueError(text)
    return int(size)


_size.__name__ = "size"  # argparse shows it in errors


def _days(text: str) -> float:
    days = float(text)
    if not 0 <= days < 1e6:
        raise ValueError(text)
    return days


_days.__name__ = "number of days"


def _auto(kind: Callable[[str], Any]) -> Callable[[str], Any]:
    def parse(text: str) -> Any:
        return None if text in ("auto", "") else kind(text)

    parse.__name__ = kind.__name__  # argparse shows it in errors
    return parse


def _list_of(kind: Callable[[str], Any]) -> Callable[[str], Any]:
    def parse(text: str) -> Any:
        return [kind(part) for part in text.split(",")]

    parse.__name__ = f"comma-separated {kind.__name__}"
    return parse


def _names(text: str) -> list[str]:
    return [] if text == "none" else text.split(",")


def _add_data_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--data",
        default="",
        help="folder with one folder for each class, or CSV manifest with columns path and label; "
        "without it, clips are generated",
    )
    parser.add_argument(
        "--split",
        default="auto",
        choices=["auto", "manifest", "grouped", "random"],
        help="how videos are held out; auto: the manifest's split, else groups, else random",
    )
    _add_on_error(parser)
    parser.add_argument("--seed", type=int, default=0, help="random seed (0)")


def _add_on_error(
    parser: argparse.ArgumentParser,
    default: str = "raise",
    text: str = "unreadable videos: an error before the work begins, or skip and list them "
    "(%(default)s)",
) -> None:
    parser.add_argument("--on-error", default=default, choices=["raise", "skip"], help=text)


def _add_saved_model_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--model",
        required=True,
        help="file saved by train or tune, or MLflow address: runs:/RUN, models:/ID, "
        "models:/NAME@ALIAS",
    )
    parser.add_argument(
        "--trust",
        default="no",
        choices=["no", "yes"],
        help="yes: load pickles as well, which can run any code (%(default)s)",
    )


def _add_model_options(parser: argparse.ArgumentParser) -> None:
    def number(name: str, text: str) -> None:
        shown = f"{text} ({DEFAULTS[name]}; generated clips: {GENERATED[name]})"
        option = "--" + name.replace("_", "-")
        parser.add_argument(option, type=_auto(int), default="auto", help=shown)

    number("n_frames", "frames sampled from each video")
    number("frame_size", "height and width of the frames in pixels")
    parser.add_argument(
        "--backbone-epochs",
        type=_auto(int),
        default="auto",
        help="training epochs of the ResNet-50; 0 leaves it untrained (auto: enough for 1200 "
        "optimizer steps; generated clips: 0)",
    )
    parser.add_argument(
        "--objective",
        default="clip",
        choices=["frame", "clip"],
        help="train the ResNet-50 on single frames or on whole clips (%(default)s)",
    )
    parser.add_argument(
        "--modality",
        default="auto",
        choices=["auto", "rgb", "motion"],
        help="input of the ResNet-50: RGB frames or motion images; auto: motion images if it is "
        "trained, else frames",
    )
    parser.add_argument(
        "--augmentation",
        type=_names,
        default=["shift", "scale", "light", "time"],
        metavar="NAME,NAME,...",
        help="random variation of the training clips: shift, scale, mirror, light, time, or none "
        "(shift,scale,light,time)",
    )
    parser.add_argument(
        "--epochs", type=int, default=20, help="training epochs of the GRU (%(default)s)"
    )
    parser.add_argument(
        "--lr", type=float, default=1e-3, help="learning rate of the GRU (%(default)s)"
    )
    parser.add_argument(
        "--memory", default="", help="folder that caches features and backbones (none)"
    )
    parser.add_argument(
        "--output",
        default="",
        help="file to save the model to: skops format if it ends in .skops, else joblib",
    )
    parser.add_argument(
        "--register",
        default="",
        metavar="NAME[@ALIAS]",
        help="name in the MLflow model registry, and alias of the new version (champion)",
    )
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda (%(default)s)")
    parser.add_argument(
        "--n-jobs", type=_auto(int), default="auto", help="workers that read videos (one)"
    )
