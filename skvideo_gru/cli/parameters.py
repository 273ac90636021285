"""Parameters of the pipeline as words of the command line."""

from __future__ import annotations

import argparse
import ast
import json
import re
from typing import Any

# A comma before NAME= ends a value; every other comma is part of it.
_NEXT = re.compile(r",\s*(?=[A-Za-z_]\w*=)")


def settings(text: str) -> dict[str, Any]:
    """Parse ``NAME=VALUE[,NAME=VALUE...]``.

    Parameters
    ----------
    text : str
        Each value is a literal of JSON or Python, such as ``3``, ``true``, ``None`` or
        ``[0.5, 0.5]``; any other text is a string. An empty text has no parameters.

    Returns
    -------
    dict of str to object
        Values by name.

    Raises
    ------
    argparse.ArgumentTypeError
        If a name or a value is missing.
    """
    return {name: _literal(value) for name, value in _pairs(text, "VALUE").items()}


def grid(text: str) -> dict[str, list[Any]]:
    """Parse ``NAME=VALUE,VALUE,...[,NAME=VALUE,VALUE,...]``.

    Parameters
    ----------
    text : str
        Values as for `settings`. Values that contain commas, such as lists, can be
        given if all values of the name are literals of JSON.

    Returns
    -------
    dict of str to list
        Values by name.

    Raises
    ------
    argparse.ArgumentTypeError
        If a name or a value is missing.
    """
    return {name: _literals(values) for name, values in _pairs(text, "VALUE,VALUE,...").items()}


def _pairs(text: str, kind: str) -> dict[str, str]:
    pairs = {}
    for part in filter(None, _NEXT.split(text.strip())):
        name, _, value = (piece.strip() for piece in part.partition("="))
        if not name or not value:
            raise argparse.ArgumentTypeError(f"expected NAME={kind}, got {part!r}")
        pairs[name] = value
    return pairs


def _literal(text: str) -> Any:
    for parse in (json.loads, ast.literal_eval):
        try:
            return parse(text)
        except (ValueError, SyntaxError):
            continue
    return text


def _literals(text: str) -> list[Any]:
    try:
        return json.loads(f"[{text}]")
    except ValueError:
        return [_literal(part.strip()) for part in text.split(",")]


class Merge(argparse.Action):
    """Collect the mappings of a repeated option in one mapping."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        """Add the values of one occurrence of the option."""
        setattr(namespace, self.dest, getattr(namespace, self.dest) | values)
