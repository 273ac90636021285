"""The Bunch that the loaders return."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.utils import Bunch

from ..extras import import_extra
from ..video import describe_video, video_bounds

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
    ignored: Sequence[str] = (),
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
    ignored : sequence of str, default=()
        Names of ignored columns of the manifest.

    Returns
    -------
    Bunch
        As `load_video_folder` and `load_video_manifest` return it.
    """
    names = sorted(set(target))
    notes = [
        f"{len(data)} videos from {source} in {len(names)} classes: {describe_classes(target)}."
    ]
    notes += [f"{len(set(groups))} groups."] if groups is not None else []
    notes += [f"Parts of the split: {', '.join(sorted(set(split)))}."] if split is not None else []
    notes += [f"Skipped files: {describe_skipped(skipped)}."] if skipped else []
    notes += [f"Ignored columns: {', '.join(ignored)}."] if ignored else []
    videos = np.empty(len(data), object)  # np.array would look into the items
    videos[:] = data
    return Bunch(
        data=videos,
        target=np.asarray(target),
        target_names=names,
        filenames=np.asarray(filenames),
        groups=None if groups is None else np.asarray(groups),
        split=None if split is None else np.asarray(split),
        frame=None,
        DESCR=" ".join(notes),
    )


def as_frames(data: Bunch) -> Bunch:
    """Convert the arrays of a data set to pandas.

    Parameters
    ----------
    data : Bunch
        The data set.

    Returns
    -------
    Bunch
        The same data set with ``data`` as a DataFrame of the columns ``path`` and, if there
        are time ranges, ``start`` and ``end``; ``target`` as a Series; and ``frame``, a
        DataFrame of both and of ``group`` and ``split`` if they are defined.

    Raises
    ------
    ImportError
        If pandas is not installed.
    """
    # pandas takes a second to import.
    pd = import_extra("pandas", extra="mlflow", purpose="as_frame=True")
    bounds = list(map(video_bounds, data.data))
    table = pd.DataFrame({"path": list(map(describe_video, data.data))})
    if any(times != (None, None) for times in bounds):
        table[["start", "end"]] = np.array(bounds, float)
    target = pd.Series(data.target, name="label")
    optional = {"group": data.groups, "split": data.split}
    others = {name: column for name, column in optional.items() if column is not None}
    frame = table.assign(label=target, **others)
    return Bunch(**{**data, "data": table, "target": target, "frame": frame})


def describe_classes(target: Iterable[str]) -> str:
    """List the classes with their numbers of videos.

    Parameters
    ----------
    target : iterable of str
        The labels.

    Returns
    -------
    str
        For example ``"jump 12, run 9"``; empty if there are no labels.
    """
    return ", ".join(f"{name} {number}" for name, number in sorted(Counter(target).items()))


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
    arrays = ("data", "target", "filenames", "groups", "split")
    selected = {name: None if data[name] is None else data[name][rows] for name in arrays}
    names = sorted(set(data.target[rows].tolist()))
    return Bunch(**{**data, **selected, "target_names": names})
