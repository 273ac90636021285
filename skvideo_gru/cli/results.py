"""The result of a command as JSON."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, redirect_stdout
from typing import Any

__all__ = ["json_results"]


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
