"""Divide a data set into training, validation and test videos."""

from __future__ import annotations

import numpy as np
from sklearn.model_selection import StratifiedGroupKFold, train_test_split
from sklearn.utils import Bunch

#: Values of the parameter `how` of `split_videos`.
SPLITS = ("auto", "manifest", "grouped", "random")

_HELD_OUT = 0.15  # share of the videos in each of validation and test
_PARTS = ("train", "val", "test")


def split_videos(
    data: Bunch, how: str = "auto", *, random_state: int = 0
) -> tuple[dict[str, np.ndarray], str]:
    """Divide a data set into training, validation and test videos.

    Parameters
    ----------
    data : Bunch
        A data set as `load_video_folder` or `load_video_manifest` returns it.
    how : {"auto", "manifest", "grouped", "random"}, default="auto"
        ``"manifest"`` uses the split of the manifest. ``"grouped"`` keeps each group
        on one side and balances the classes as far as the groups allow. ``"random"``
        is stratified by class, 70/15/15. ``"auto"`` uses the split of the manifest if
        it has one, else ``"grouped"`` if there are at least two groups, else
        ``"random"``.
    random_state : int, default=0
        Seed of the random and the grouped split.

    Returns
    -------
    parts : dict of str to ndarray of int
        Row numbers of the parts ``"train"``, ``"val"`` and ``"test"``; the split of a
        manifest may lack one of the last two.
    description : str
        A description of the split.

    Raises
    ------
    ValueError
        If the data does not allow the split.
    """
    if how not in SPLITS:
        raise ValueError(f"split={how!r} is unknown; choose one of {list(SPLITS)}.")
    if how == "auto":
        own = data.split is not None and set(data.split) != {"train"}
        how = "manifest" if own else "grouped" if has_groups(data) else "random"
    if how == "manifest":
        return _manifest_split(data), "split of the manifest"
    if how == "grouped":
        return _grouped_split(data, random_state), (
            f"grouped: each of {len(set(data.groups))} groups in one part, "
            f"stratified by class, seed {random_state}"
        )
    return _random_split(data.target, random_state), (
        f"random 70/15/15, stratified by class, seed {random_state}"
    )


def has_groups(data: Bunch) -> bool:
    """Check whether a data set has several groups.

    Parameters
    ----------
    data : Bunch
        The data set.

    Returns
    -------
    bool
        True if it has at least two groups.
    """
    return data.groups is not None and len(set(data.groups)) > 1


def _manifest_split(data: Bunch) -> dict[str, np.ndarray]:
    if data.split is None:
        raise ValueError(
            "split='manifest': the data set has no column 'split'. Add it to the manifest, or "
            "choose another split."
        )
    unknown = sorted(set(data.split.tolist()) - set(_PARTS))
    if unknown:
        raise ValueError(
            f"split='manifest': unknown values {unknown} in column 'split'; "
            "use train, val and test."
        )
    parts = {name: np.flatnonzero(data.split == name) for name in _PARTS}
    parts = {name: rows for name, rows in parts.items() if len(rows)}
    if "train" not in parts or len(parts) < 2:
        raise ValueError(
            f"split='manifest': column 'split' contains only {sorted(parts)}; "
            "assign videos to train, and to val or test."
        )
    return parts


def _grouped_split(data: Bunch, seed: int) -> dict[str, np.ndarray]:
    if data.groups is None:
        raise ValueError(
            "split='grouped': the data set has no groups. Add a column 'group' to the manifest or "
            "one sub-folder per group to each class folder, or choose another split."
        )
    n_groups = len(set(data.groups))
    if n_groups < 3:
        raise ValueError(
            "A split that keeps groups together requires at least 3 groups, but the data set has "
            f"{n_groups}. Add groups, or use split='random', which ignores groups."
        )
    rows = np.arange(len(data.target))
    parts = {}
    for name in ("test", "val"):
        # With few groups there are few folds, of one or two groups each.
        target, groups = data.target[rows], data.groups[rows]
        most = max(np.unique(target, return_counts=True)[1])
        n_folds = min(round(1 / _HELD_OUT), len(set(groups)), most)
        folds = StratifiedGroupKFold(max(2, n_folds), shuffle=True, random_state=seed)
        try:
            candidates = list(folds.split(rows, target, groups))
        except ValueError as error:
            raise ValueError(
                f"split='grouped' cannot divide {len(data.target)} videos in {n_groups} groups: "
                f"{error} Add videos, or use split='random'."
            ) from error
        # Choose the fold with the most classes for training, then the most held-out
        # classes, then the size nearest to the requested share.
        rest, held_out = min(
            candidates,
            key=lambda fold: (
                -len(set(target[fold[0]])),
                -len(set(target[fold[1]])),
                abs(len(fold[1]) - _HELD_OUT * len(data.target)),
            ),
        )
        parts[name], rows = rows[held_out], rows[rest]
    return {"train": rows, "val": parts["val"], "test": parts["test"]}


def _random_split(target: np.ndarray, seed: int) -> dict[str, np.ndarray]:
    rows = np.arange(len(target))
    labels, counts = np.unique(target, return_counts=True)
    if len(labels) == 1:
        raise ValueError(
            f"split='random': all videos have the label {target[0].item()!r}; add videos of "
            "another class."
        )
    if single := labels[counts == 1].tolist():
        raise ValueError(
            f"split='random' needs at least two videos of each class, and {single} have one. "
            "Correct the label if it is misspelt, or add videos."
        )
    try:
        train, rest = train_test_split(
            rows, test_size=2 * _HELD_OUT, stratify=target, random_state=seed
        )
        val, test = train_test_split(rest, test_size=0.5, stratify=target[rest], random_state=seed)
    except ValueError as error:
        fewest = counts.argmin()
        raise ValueError(
            f"split='random' cannot divide {len(target)} videos 70/15/15, stratified by class: "
            f"the class {labels[fewest].item()!r} has {counts[fewest]} videos, and about seven of "
            "each class are needed. Add videos, or a column 'split' to a manifest."
        ) from error
    return {"train": train, "val": val, "test": test}
