"""The results of a command: as JSON, and until an interruption."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext, redirect_stdout
from typing import Any, TypeVar

__all__ = ["json_results", "until_interrupted"]

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


def until_interrupted(items: Iterable[T], interruptions: list[KeyboardInterrupt]) -> Iterator[T]:
    """Yield items, and end at an interruption, so that the items before it can be written.

    Parameters
    ----------
    items : iterable
        The items.
    interruptions : list of KeyboardInterrupt
        It receives the interruption, to be raised later.

    Yields
    ------
    object
        The items.
    """
    try:
        yield from items
    except KeyboardInterrupt as error:
        interruptions.append(error)
