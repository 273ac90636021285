"""Division of a data set into the parts and folds of a command."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any

import numpy as np
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold
from sklearn.utils import Bunch

from ..datasets import has_groups, split_videos
from .screening import warn


def split_data(args: argparse.Namespace, data: Bunch) -> tuple[dict[str, Any], str]:
    """Divide a data set into training, validation and test videos, and print the sizes.

    Parameters
    ----------
    args : argparse.Namespace
        The command's options.
    data : Bunch
        The data set.

    Returns
    -------
    parts : dict of str to ndarray
        Rows of each part.
    description : str
        How the data set was divided.

    Raises
    ------
    ValueError
        If training has a single class.
    """
    parts, description = split_videos(data, args.split, random_state=args.seed)
    if len(set(data.target[parts["train"]].tolist())) < 2:
        raise ValueError(
            f"--data {args.data}: all training videos have the same label; add videos of another "
            "class, or choose another --split."
        )
    sizes = ", ".join(f"{len(rows)} {name}" for name, rows in parts.items())
    split = f"{description}: {sizes}"
    print(f"split: {split}")
    return parts, split


def check_labels(args: argparse.Namespace, data: Bunch, parts: Mapping[str, np.ndarray]) -> None:
    """Check that the classes of the other parts occur in training.

    Parameters
    ----------
    args : argparse.Namespace
        The command's options.
    data : Bunch
        The data set.
    parts : dict of str to ndarray
        Rows of each part, with ``"train"``.

    Raises
    ------
    ValueError
        If no class of another part occurs in training. Single classes give a warning.
    """
    known = np.unique(data.target[parts["train"]])
    for part, rows in parts.items():
        unseen = np.setdiff1d(data.target[rows], known).tolist()
        if not np.isin(data.target[rows], known).any():
            raise ValueError(
                f"--data {args.data}: no class of the part {part!r} occurs in training, which has "
                f"the classes {known.tolist()}; correct the labels or choose another --split."
            )
        if unseen:
            warn(
                args,
                f"the classes {unseen} of the part {part!r} do not occur in training; predictions "
                "of their videos are wrong.",
            )


def make_folds(args: argparse.Namespace, data: Bunch, rows: np.ndarray) -> tuple[list[Any], str]:
    """Divide rows into the folds of a search.

    Parameters
    ----------
    args : argparse.Namespace
        The command's options.
    data : Bunch
        The data set.
    rows : ndarray of shape (n,)
        The rows to divide.

    Returns
    -------
    folds : list of (ndarray, ndarray)
        Positions in `rows` of the training and test videos of each fold.
    description : str
        How the rows were divided.

    Raises
    ------
    ValueError
        If there are too few videos or groups for the number of folds.
    """
    groups = data.groups[rows] if has_groups(data) else None
    if groups is not None and len(set(groups)) < args.cv:
        raise ValueError(
            f"--cv {args.cv}: each fold needs at least one group, but there are only "
            f"{len(set(groups))} groups besides those of the test videos; use fewer folds."
        )
    splitter = (StratifiedKFold if groups is None else StratifiedGroupKFold)(
        args.cv, shuffle=True, random_state=args.seed
    )
    try:
        folds = list(splitter.split(rows, data.target[rows], groups))
    except ValueError as error:
        raise ValueError(f"--cv {args.cv}: {error} Use fewer folds or add videos.") from error
    for train, _ in folds:
        if missing := np.setdiff1d(data.target[rows], data.target[rows[train]]).tolist():
            raise ValueError(
                f"--cv {args.cv}: the training videos of a fold lack the classes {missing}; use "
                f"fewer folds, or add {'videos' if groups is None else 'groups'} of these classes."
            )
    how = "" if groups is None else ", each group in one fold"
    return folds, f"{args.cv}-fold cross-validation, stratified by class{how}"
