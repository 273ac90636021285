"""The options of the commands train, tune, evaluate, predict, timeline, check and cache."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from difflib import get_close_matches
from itertools import takewhile
from typing import Any

from .. import __version__
from .option_groups import (
    add_data_options,
    add_json,
    add_min_accuracy,
    add_on_error,
    add_pipeline_options,
    add_run_options,
    add_saved_model_options,
    add_set,
)
from .option_types import auto, days, list_of, size
from .parameters import Merge, grid

#: What `tune` searches by default: the parameters of the GRU that change the accuracy most. They
#: share the backbone of each fold.
DEFAULT_GRID: dict[str, list[Any]] = {
    "gru__delta_weight": [0, 10, 100],
    "gru__pooling": ["pyramid", "mean"],
}


def parse_arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Parse the command line.

    Parameters
    ----------
    argv : sequence of str, optional
        Arguments; by default those of the process. Without any, the help is printed.

    Returns
    -------
    argparse.Namespace
        The command's name and options. Wrong arguments end the process with status 2.
    """
    parser, commands = _make_parsers()
    words = list(sys.argv[1:] if argv is None else argv)
    if not words:
        parser.print_help(sys.stderr)
        parser.exit(2)
    if words[0] in commands:
        _check_options(commands[words[0]], words[1:])
    args, unknown = parser.parse_known_args(words)
    if unknown:  # show the usage of the command, not the list of commands
        commands[args.name].error(f"unrecognized arguments: {' '.join(unknown)}")
    return args


def _check_options(parser: argparse.ArgumentParser, words: Sequence[str]) -> None:
    """Name an unknown option before argparse can miss a required one, which it may mean."""
    known = parser._option_string_actions
    for word in takewhile(lambda word: word != "--", words):
        option = word.partition("=")[0]
        if option.startswith("--") and option not in known:
            nearest = get_close_matches(option, known, n=1)
            hint = f"; did you mean {nearest[0]}?" if nearest else ""
            parser.error(f"unrecognized option: {option}{hint}")


def _make_parsers() -> tuple[argparse.ArgumentParser, dict[str, argparse.ArgumentParser]]:
    """Return the parser of the program and those of its commands."""
    parser = argparse.ArgumentParser(
        prog="skvideo-gru",
        description="Video classification with the scikit-learn API.",
        epilog="`skvideo-gru COMMAND --help` lists the options of a command.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(
        title="commands", metavar="COMMAND", required=True, dest="name"
    )
    for name, does, add_options in (
        ("train", "train a classifier and evaluate it", _add_train_options),
        ("tune", "search parameters by cross-validation", _add_tune_options),
        ("evaluate", "evaluate a saved model on labelled videos", _add_evaluate_options),
        ("predict", "write the class probabilities of videos as CSV", _add_predict_options),
        (
            "timeline",
            "write the events of long recordings as CSV, JSON or WebVTT",
            _add_timeline_options,
        ),
        ("check", "list unreadable and duplicate videos", _add_check_options),
        ("cache", "list and prune the content of a cache folder", _add_cache_options),
    ):
        description = f"{does[0].upper()}{does[1:]}."
        command = commands.add_parser(name, help=does, description=description, allow_abbrev=False)
        add_options(command)
    return parser, commands.choices


def _add_train_options(parser: argparse.ArgumentParser) -> None:
    add_data_options(parser)
    pipeline = add_pipeline_options(parser)
    pipeline.add_argument(
        "--hidden-size",
        type=int,
        default=64,
        metavar="N",
        help="hidden units of the GRU (default: %(default)s)",
    )
    pipeline.add_argument(
        "--lr-decay",
        type=float,
        default=0.97,
        metavar="X",
        help="factor that multiplies the GRU's learning rate after each "
        "epoch (default: %(default)s)",
    )
    run = add_run_options(parser)
    add_min_accuracy(run, "test videos (without these, of the validation videos)")


def _add_tune_options(parser: argparse.ArgumentParser) -> None:
    add_data_options(parser)
    add_pipeline_options(parser)
    search = parser.add_argument_group("search")
    search.add_argument(
        "--grid",
        type=grid,
        action=Merge,
        default={},
        metavar="NAME=VALUE,...",
        help="values of a parameter of the pipeline to try, for example "
        "gru__pooling=mean,max; repeatable (default, without --hidden-size and --lr-decay: "
        f"{' '.join(_shown(DEFAULT_GRID))})",
    )
    search.add_argument(
        "--hidden-size",
        type=auto(list_of(int)),
        default="auto",
        metavar="N,N,...",
        help="numbers of hidden units to try (default: do not search)",
    )
    search.add_argument(
        "--lr-decay",
        type=auto(list_of(float)),
        default="auto",
        metavar="X,X,...",
        help="learning-rate decays to try (default: do not search)",
    )
    search.add_argument(
        "--cv",
        type=int,
        default=3,
        metavar="N",
        help="folds of the cross-validation (default: %(default)s)",
    )
    add_run_options(parser)


def _add_evaluate_options(parser: argparse.ArgumentParser) -> None:
    add_saved_model_options(parser)
    parser.add_argument(
        "--data", required=True, help="folder with one sub-folder per class, or CSV manifest"
    )
    parser.add_argument(
        "--part",
        default="all",
        help="part of the manifest's split to evaluate, or all (default: %(default)s)",
    )
    parser.add_argument(
        "--n-jobs",
        type=auto(int),
        default="auto",
        metavar="N",
        help="parallel workers that read videos (default: 1 on a CPU, one per core on a GPU)",
    )
    add_on_error(parser)
    add_set(
        parser,
        "parameter of the loaded pipeline, for example features__engine=openvino; repeatable; "
        "parameters of the training have no effect",
    )
    add_min_accuracy(parser, "evaluated videos")
    add_json(parser)


def _add_predict_options(parser: argparse.ArgumentParser) -> None:
    add_saved_model_options(parser)
    parser.add_argument(
        "--data",
        default="",
        help="folder of videos or CSV manifest, in addition to VIDEO; labels are optional",
    )
    parser.add_argument(
        "--output",
        default="",
        metavar="FILE",
        help="CSV file to write (default: standard output)",
    )
    add_on_error(
        parser,
        default="skip",
        text="unreadable videos: raise stops at the first one, skip writes their errors to the "
        "column 'error' and exits with status 1 at the end (default: %(default)s)",
    )
    add_json(parser)
    parser.add_argument("videos", nargs="*", metavar="VIDEO", help="video files")


def _add_timeline_options(parser: argparse.ArgumentParser) -> None:
    add_saved_model_options(parser)
    parser.add_argument(
        "--window",
        type=float,
        metavar="SECONDS",
        required=True,
        help="length of a window in seconds; choose the length of the training clips",
    )
    parser.add_argument(
        "--step",
        type=auto(float),
        metavar="SECONDS",
        default="auto",
        help="seconds from the start of one window to the next (default: a tenth of the window)",
    )
    parser.add_argument(
        "--high",
        type=auto(float),
        metavar="X",
        default="auto",
        help="probability of a class at which an event begins (default: the threshold of a "
        "SelectiveClassifierCV, otherwise 0.5)",
    )
    parser.add_argument(
        "--low",
        type=auto(float),
        metavar="X",
        default="auto",
        help="probability below which it ends (default: 0.8 times --high)",
    )
    parser.add_argument(
        "--min-duration",
        type=float,
        metavar="SECONDS",
        default=0.0,
        help="omit shorter events (default: %(default)s)",
    )
    parser.add_argument(
        "--output",
        default="",
        metavar="FILE",
        help="file to write, .csv, .json or .vtt (default: CSV to standard output)",
    )
    parser.add_argument(
        "--report",
        default="",
        metavar="FILE",
        help="HTML page to write in addition: thumbnails, probabilities and events of all "
        "recordings",
    )
    parser.add_argument(
        "--explain",
        default="no",
        choices=["no", "yes"],
        help="yes: thumbnails of the report show what its events depend on; a few seconds for "
        "each recording (default: %(default)s)",
    )
    add_on_error(
        parser,
        default="skip",
        text="unreadable recordings: raise stops at the first one, skip writes the events before "
        "the error and the error, and exits with status 1 at the end (default: %(default)s)",
    )
    parser.add_argument("recordings", nargs="+", metavar="RECORDING", help="video files")


def _add_check_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "data", metavar="DATA", help="folder of videos, CSV manifest or video file"
    )
    parser.add_argument(
        "--n-jobs",
        type=auto(int),
        default="auto",
        metavar="N",
        help="threads (default: one per core)",
    )
    parser.add_argument(
        "--json", action="store_true", help="print a report on every video as JSON"
    )


def _add_cache_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", metavar="FOLDER", help="folder that was used as --memory")
    parser.add_argument(
        "--max-size",
        type=size,
        metavar="SIZE",
        help="remove the least recently used entries above this total size, for example 10G",
    )
    parser.add_argument(
        "--max-age",
        type=days,
        metavar="DAYS",
        help="remove entries that were not used for this number of days",
    )


def _shown(values: dict[str, list[Any]]) -> list[str]:
    return [f"{name}={','.join(map(str, options))}" for name, options in values.items()]
