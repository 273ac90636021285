"""Types of options: each parses a word of the command line."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any


def size(text: str) -> int:
    """Parse a size in bytes, such as ``10G``.

    Parameters
    ----------
    text : str
        The word of the command line.

    Returns
    -------
    int
        The number of bytes.

    Raises
    ------
    ValueError
        If it is not a size; argparse turns it into an error of the command line.
    """
    unit = text[-1:].upper()
    factor = 1024 ** (" KMGT".index(unit)) if unit in "KMGT" else 1
    size = float(text[:-1] if factor > 1 else text) * factor
    if not 0 <= size < 1 << 60:
        raise ValueError(text)
    return int(size)


def days(text: str) -> float:
    """Parse a number of days.

    Parameters
    ----------
    text : str
        The word of the command line.

    Returns
    -------
    float
        The number of days.

    Raises
    ------
    ValueError
        If it is not a number of days.
    """
    days = float(text)
    if not 0 <= days < 1e6:
        raise ValueError(text)
    return days


days.__name__ = "number of days"  # argparse shows it in errors


def share(text: str) -> float:
    """Parse a number between 0 and 1.

    Parameters
    ----------
    text : str
        The word of the command line.

    Returns
    -------
    float
        The number.

    Raises
    ------
    argparse.ArgumentTypeError
        If it is not in the range.
    """
    share = float(text)
    if not 0 <= share <= 1:
        raise argparse.ArgumentTypeError(f"must be between 0 and 1, got {text}")
    return share


share.__name__ = "number"  # argparse shows it in errors


def auto(kind: Callable[[str], Any]) -> Callable[[str], Any]:
    """Return a type that also accepts ``auto``.

    Parameters
    ----------
    kind : callable
        Type of all other words.

    Returns
    -------
    callable
        Parses a word; None for ``auto`` and for an empty word.
    """

    def _parse(text: str) -> Any:
        return None if text in ("auto", "") else kind(text)

    _parse.__name__ = kind.__name__  # argparse shows it in errors
    return _parse


def list_of(kind: Callable[[str], Any]) -> Callable[[str], Any]:
    """Return the type of comma-separated values.

    Parameters
    ----------
    kind : callable
        Type of each value.

    Returns
    -------
    callable
        Parses a word as a list.
    """

    def _parse(text: str) -> Any:
        return [kind(part) for part in text.split(",")]

    _parse.__name__ = f"comma-separated {kind.__name__}"
    return _parse


def names(text: str) -> list[str]:
    """Parse comma-separated names.

    Parameters
    ----------
    text : str
        The word of the command line.

    Returns
    -------
    list of str
        The names; none for ``none``.
    """
    return [] if text == "none" else [name.strip() for name in text.split(",")]
