"""The Bunch that the loaders return."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.utils import Bunch

__all__ = ["describe_skipped", "list_first", "make_bunch", "select_rows"]

# Number of items that a message names.
_SHOWN = 3


def make_bunch(
    source: Path,
    *,
    data: list[Any],
    target: list[str],
    filenames: list[str],
    groups: list[str] | None,
    split: list[str] | None,
    skipped: Mapping[str, int],
) -> Bunch:
    """Create the Bunch of a data set.

    Parameters
    ----------
    source : Path
        The folder or the manifest.
    data : list of Video
        The videos.
    target : list of str
        Their labels; empty if there are none.
    filenames : list of str
        Their paths as in the source.
    groups, split : list of str or None
        Their groups, and their parts of the split.
    skipped : mapping of str to int
        Numbers of skipped files by file extension or reason.

    Returns
    -------
    Bunch
        As `load_video_folder` and `load_video_manifest` return it.
    """
    names = sorted(set(target))
    counts = ", ".join(f"{name} {target.count(name)}" for name in names)
    notes = [f"{len(data)} videos from {source} in {len(names)} classes: {counts}."]
    notes += [f"{len(set(groups))} groups."] if groups is not None else []
    notes += [f"Parts of the split: {', '.join(sorted(set(split)))}."] if split is not None else []
    notes += [f"Skipped files: {describe_skipped(skipped)}."] if skipped else []
    return Bunch(
        data=data,
        target=np.asarray(target),
        target_names=names,
        filenames=np.asarray(filenames),
        groups=None if groups is None else np.asarray(groups),
        split=None if split is None else np.asarray(split),
        DESCR=" ".join(notes),
    )


def describe_skipped(skipped: Mapping[str, int]) -> str:
    """Describe the numbers of skipped files.

    Parameters
    ----------
    skipped : mapping of str to int
        Numbers by file extension or reason.

    Returns
    -------
    str
        For example ``"2 .txt, 1 hidden"``; empty if there are none.
    """
    ordered = Counter(skipped).most_common()
    return ", ".join(f"{number} {reason}" for reason, number in ordered)


def list_first(items: Sequence[object]) -> str:
    """List the first three items for a message.

    Parameters
    ----------
    items : sequence of object
        The items.

    Returns
    -------
    str
        For example ``"a; b; c; and 2 more"``.
    """
    shown = [str(item) for item in items[:_SHOWN]]
    more = [f"and {len(items) - _SHOWN} more"] if len(items) > _SHOWN else []
    return "; ".join(shown + more)


def select_rows(data: Bunch, rows: np.ndarray) -> Bunch:
    """Select some videos of a data set.

    Parameters
    ----------
    data : Bunch
        The data set.
    rows : ndarray of int
        Row numbers, in order.

    Returns
    -------
    Bunch
        The same data set with these rows only.
    """
    arrays = ("target", "filenames", "groups", "split")
    selected = {name: None if data[name] is None else data[name][rows] for name in arrays}
    names = sorted(set(data.target[rows].tolist()))
    videos = [data.data[row] for row in rows]
    return Bunch(**{**data, **selected, "data": videos, "target_names": names})
