"""The results of a command: as JSON, and until an interruption."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, redirect_stdout
from typing import Any, TextIO, TypeVar

from ..persistence import atomic_write

T = TypeVar("T")


@contextmanager
def json_results(args: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Collect the results of a command and, with ``--json``, print them at the end.

    With ``--json``, all other output goes to the standard error.

    Parameters
    ----------
    args : argparse.Namespace
        The command's options.

    Yields
    ------
    dict
        The object to print, for the command to fill.
    """
    results: dict[str, Any] = {"command": args.name}
    with redirect_stdout(sys.stderr) if args.json else nullcontext():
        yield results
    if args.json:
        print(json.dumps(results, indent=1))


@contextmanager
def output_file(path: str) -> Iterator[TextIO]:
    """Open the output of a command; an existing file is replaced when it is complete.

    Parameters
    ----------
    path : str
        The file.

    Yields
    ------
    text file object
        The new content, in which file names can have any encoding.
    """
    with (
        atomic_write(path) as unfinished,
        open(unfinished, "w", encoding="utf-8", errors="surrogateescape", newline="") as file,
    ):
        yield file


def raise_interruption(
    interruptions: Sequence[KeyboardInterrupt], output: str, content: str
) -> None:
    """Raise the interruption that `until_interrupted` has stored, if there is one.

    Parameters
    ----------
    interruptions : sequence of KeyboardInterrupt
        The interruption, or nothing.
    output : str
        The written file; empty if there is none.
    content : str
        What it contains, in the plural.

    Raises
    ------
    KeyboardInterrupt
        The interruption.
    """
    if interruptions:
        if output:
            print(f"{output} contains the {content} before the interruption.", file=sys.stderr)
        raise interruptions[0]


def until_interrupted(items: Iterable[T], interruptions: list[KeyboardInterrupt]) -> Iterator[T]:
    """Yield items, and end at an interruption, so that the items before it can be written.

    Parameters
    ----------
    items : iterable
        The items.
    interruptions : list of KeyboardInterrupt
        It receives the interruption, for `raise_interruption`.

    Yields
    ------
    object
        The items.
    """
    try:
        yield from items
    except KeyboardInterrupt as error:
        interruptions.append(error)
