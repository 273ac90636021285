"""Labelled videos from a CSV manifest."""

from __future__ import annotations

import csv
import math
import os
import re
from difflib import get_close_matches
from itertools import chain
from pathlib import Path
from typing import Any

from sklearn.utils import Bunch

from ..caller_warnings import warn_caller
from ..video import VIDEO_SUFFIXES, VideoClip, describe_video, source_path, video_bounds
from .bunches import as_frames, make_bunch
from .leakage import warn_of_leaks

_COLUMNS = ("path", "label", "split", "group", "start", "end")

# From here on, a name is a misspelling of another: "lable", but not "table", of "label".
_SIMILAR = 0.8

# Added as the last line: if a quotation mark is not closed, this line is part of a value.
_END = "<end of manifest>"
_UNQUOTED = "check for a missing quotation mark."
_RANGES = ", or add the columns 'start' and 'end' if they are time ranges of one file"


def load_video_manifest(path: str | os.PathLike[str], *, as_frame: bool = False) -> Bunch:
    """Load a CSV file that lists videos and their labels.

    Parameters
    ----------
    path : str or os.PathLike
        A CSV file in UTF-8 with a header. Columns ``path`` (relative to the
        manifest's folder, or absolute) and ``label`` are required; ``path`` may be
        called ``video``; ``split``,
        ``group``, ``start`` and ``end`` (seconds) are optional; other columns are
        ignored and listed in ``DESCR``. Values of ``split`` are ``train``, ``val`` (or
        ``valid``, ``validation``) and ``test``.
    as_frame : bool, default=False
        Whether ``data`` is a DataFrame with the columns ``path`` and, where time ranges
        are given, ``start`` and ``end``, and ``target`` a Series.

    Returns
    -------
    Bunch
        With ``data`` (array of paths, or of `VideoClip` where start or end are
        given), ``target`` (array of labels), ``target_names`` (sorted),
        ``filenames`` (paths as in the manifest), ``groups`` and ``split``
        (arrays, or None without such a column) and ``DESCR``. Without a column
        ``group``, if several rows name time ranges of one file, each file is a
        group, so that a grouped split does not separate them. With ``as_frame=True`` also
        ``frame``: a DataFrame of the columns of ``data``, ``label`` and, where they are
        defined, ``group`` and ``split``.

    Raises
    ------
    FileNotFoundError
        If the manifest or a video does not exist.
    ValueError
        If a column or value is missing or wrong, or a row is a duplicate; the
        message names the line.

    Warns
    -----
    UserWarning
        If one file or the same content is in two parts of the split, or the same
        content or overlapping time ranges have two labels. Also if the name of an ignored
        column is similar to that of a missing one.
    """
    data = read_manifest(path, complete=True)
    warn_of_leaks(data)
    return as_frames(data) if as_frame else data


def read_manifest(path: str | os.PathLike[str], *, complete: bool) -> Bunch:
    """Read a manifest as `load_video_manifest` does, without its check for leaks.

    Parameters
    ----------
    path : str or os.PathLike
        The manifest.
    complete : bool
        If True, a missing video file and a missing column ``label`` are errors.

    Returns
    -------
    Bunch
        As `load_video_manifest` returns it.
    """
    manifest = Path(path).expanduser()
    if not manifest.is_file():
        if manifest.is_dir():
            raise FileNotFoundError(
                f"{manifest} is a folder, not a manifest; load it with load_video_folder."
            )
        raise FileNotFoundError(f"{manifest}: no such manifest; check the path.")
    rows: list[tuple[int, dict[Any, Any]]] = []  # surplus values have the key None
    try:
        with manifest.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(chain(file, [_END]), skipinitialspace=True)
            columns = [name.strip() for name in reader.fieldnames or [] if name != _END]
            if "path" not in columns:  # annotation tools call it video
                columns = ["path" if name == "video" else name for name in columns]
            # Columns that are ignored may have the same name.
            reader.fieldnames = [
                name if name in _COLUMNS else f"{number} {name}"
                for number, name in enumerate(columns)
            ]
            for row in reader:
                rows.append((reader.line_num, row))
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{manifest}: the file is not in UTF-8 ({error}). Save it as CSV in UTF-8."
        ) from error
    except csv.Error as error:
        raise ValueError(f"{_after(manifest, rows)}: {error}; {_UNQUOTED}") from error
    expected = ["path", "label"] if complete else ["path"]
    missing = [name for name in expected if name not in columns]
    if missing:
        raise ValueError(
            f"{manifest}: expected the columns {' and '.join(map(repr, expected))}, found "
            f"{columns}. {_remedy(columns, missing)}"
        )
    ignored = [name for name in columns if name and name not in _COLUMNS]
    _warn_of_similar(manifest, columns, ignored)
    repeated = sorted({name for name in _COLUMNS if columns.count(name) > 1})
    if repeated:
        raise ValueError(
            f"{manifest}: duplicate columns: {', '.join(repeated)}. Rename or remove one of each "
            "name."
        )
    if not rows or _END not in rows.pop()[1].values():
        raise ValueError(
            f"{_after(manifest, rows)}: the closing quotation mark of the last value is missing."
        )
    if not rows:
        raise ValueError(f"{manifest}: the manifest contains no videos; add one row per video.")
    needed = expected + [name for name in ("split", "group") if complete and name in columns]
    data: list[str | VideoClip] = []
    seen: dict[Any, int] = {}
    for line, row in rows:
        where = f"{manifest}, line {line}"
        if any(value.strip() for value in row.get(None, [])):
            raise ValueError(
                f"{where}: there are more values than columns; put a value that contains the "
                "delimiter in quotation marks."
            )
        row.update({name: (row[name] or "").strip() for name in _COLUMNS if name in columns})
        for name in needed:
            if not row[name]:
                raise ValueError(f"{where}: {name} is empty; add a value or remove the row.")
        if any("\n" in row[name] for name in _COLUMNS if name in columns):
            raise ValueError(f"{where}: a value contains a line break; {_UNQUOTED}")
        video = _manifest_video(manifest.parent, row, where, complete)
        # The file itself may be a link: two links to one file are two videos here.
        place, name = os.path.split(describe_video(video))
        key = os.path.join(os.path.realpath(place), name), video_bounds(video)
        if key in seen:
            ranges = "" if {"start", "end"} & set(columns) else _RANGES
            raise ValueError(
                f"{where}: {row['path']} is a duplicate of line {seen[key]}; remove one of "
                f"them{ranges}."
            )
        seen[key] = line
        data.append(video)

    for _, row in rows:
        if row.get("split") in ("valid", "validation"):
            row["split"] = "val"
    values = {name: [row[name] for _, row in rows] for name in _COLUMNS if name in columns}
    return make_bunch(
        manifest,
        data=data,
        target=values.get("label", []),
        filenames=values["path"],
        groups=values.get("group") or _files_as_groups(data, values["path"]),
        split=values.get("split"),
        skipped={},
        ignored=ignored,
    )


def _remedy(columns: list[str], missing: list[str]) -> str:
    """Say how to correct a first line that lacks columns."""
    if len(columns) == 1 and (found := re.search("[;\t|]", columns[0])):
        return f"Separate the columns by commas instead of {found[0]!r}."
    other_case = [name for name in columns if name not in _COLUMNS and name.lower() in missing]
    if other_case:
        return f"Write {', '.join(map(repr, other_case))} in lower case."
    if any(Path(name).suffix.lower() in VIDEO_SUFFIXES for name in columns):
        return "If this is the first video, insert a line with the names of the columns before it."
    if near := get_close_matches(missing[0], columns, n=1, cutoff=_SIMILAR):
        return f"Rename {near[0]!r} to {missing[0]!r}."
    return f"Add {', '.join(map(repr, missing))} to the first line."


def _warn_of_similar(manifest: Path, columns: list[str], ignored: list[str]) -> None:
    """Warn of ignored columns that may be misspelt, and of files that `predict` has written."""
    if "label" in columns and {"true", "error"} <= set(ignored):
        warn_caller(
            f"{manifest}: the command predict has written this file. The column 'label' contains "
            "predictions, and the column 'true' the true labels; rename 'true' to 'label'."
        )
    absent = [name for name in _COLUMNS if name not in columns]
    for name in ignored:
        first_word = re.split(r"[\s_-]", name.lower())[0]
        if near := get_close_matches(first_word, absent, n=1, cutoff=_SIMILAR):
            warn_caller(
                f"{manifest}: the column {name!r} is ignored, and there is no column {near[0]!r}; "
                "did you mean it?"
            )


def _files_as_groups(data: list[Any], names: list[str]) -> list[str] | None:
    """Name the file of each video if several videos are time ranges of one file."""
    files: dict[str, str] = {}
    rows = zip(data, names, strict=True)
    groups = [files.setdefault(source_path(video), name) for video, name in rows]
    return groups if len(files) < len(data) else None


def _after(manifest: Path, rows: list[tuple[int, dict[Any, Any]]]) -> str:
    return f"{manifest}, after line {rows[-1][0] if rows else 1}"


def _manifest_video(
    root: Path, row: dict[str, str], where: str, complete: bool
) -> str | VideoClip:
    file = root / row["path"]
    if complete and not file.is_file():
        raise FileNotFoundError(
            f"{where}: the file {file} does not exist. Paths are relative to the manifest's "
            "folder."
        )
    start, end = (_seconds(row.get(name), name, where) for name in ("start", "end"))
    if start is None and end is None:
        return str(file)
    try:
        return VideoClip(str(file), start, end)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from error


def _seconds(text: str | None, name: str, where: str) -> float | None:
    if not text:
        return None
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ValueError(f"{where}: {name} must be a number of seconds, got {text!r}.")
    return value
