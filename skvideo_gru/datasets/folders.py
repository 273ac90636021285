"""Labelled videos from folders and manifests."""

from __future__ import annotations

import csv
import math
import os
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.utils import Bunch

from ..video import VideoClip, describe_video, video_bounds

__all__ = [
    "VIDEO_SUFFIXES",
    "find_videos",
    "load_video_folder",
    "load_video_manifest",
    "read_manifest",
]

#: File name endings that `load_video_folder` takes for videos.
VIDEO_SUFFIXES = frozenset(
    [
        ".3gp",
        ".asf",
        ".avi",
        ".flv",
        ".gif",
        ".m2ts",
        ".m4v",
        ".mkv",
        ".mov",
        ".mp4",
        ".mpeg",
        ".mpg",
        ".mts",
        ".mxf",
        ".ogv",
        ".ts",
        ".vob",
        ".webm",
        ".webp",
        ".wmv",
    ]
)

_COLUMNS = ("path", "label", "split", "group", "start", "end")

# A last line for manifests: where it is part of another, a quotation mark has no partner.
_END = "<end of manifest>"
_UNQUOTED = "is a quotation mark missing?"


def load_video_folder(path: str | os.PathLike[str]) -> Bunch:
    """Load a folder that holds one folder of videos for each class.

    Files are told to be videos by their endings (`VIDEO_SUFFIXES`); hidden
    files are passed over. Where every video lies in a further folder inside its
    class's, that folder's name is the video's group: the camera, say, whose
    clips should not stand on both sides of a split.

    Parameters
    ----------
    path : str or os.PathLike
        The folder.

    Returns
    -------
    Bunch
        With ``data`` (list of paths), ``target`` (array of labels),
        ``target_names`` (sorted), ``filenames`` (relative paths), ``groups``
        (array or None), ``split`` (None) and ``DESCR``.

    Raises
    ------
    FileNotFoundError
        If there is no such folder.
    ValueError
        If it holds no class or a class holds no video.

    Examples
    --------
    ``clips/open/a.mp4``, ``clips/closed/b.mp4``, ... become:

    >>> data = load_video_folder("clips")  # doctest: +SKIP
    >>> data.target_names  # doctest: +SKIP
    ['closed', 'open']
    """
    root = Path(path)
    if not root.is_dir():
        raise FileNotFoundError(f"{root}: there is no such folder.")
    classes = sorted(d for d in root.iterdir() if d.is_dir() and not d.name.startswith("."))
    if not classes:
        raise ValueError(f"{root}: expected one folder for each class in it, found none.")
    files: list[Path] = []
    for folder in classes:
        videos = find_videos(folder)
        if not videos:
            raise ValueError(
                f"{folder}: the class holds no video (known endings: "
                f"{', '.join(sorted(VIDEO_SUFFIXES))}). Remove the folder or fill it."
            )
        files += videos
    parts = [file.relative_to(root).parts for file in files]
    grouped = all(len(part) > 2 for part in parts)
    return _bunch(
        root,
        data=[str(file) for file in files],
        target=[part[0] for part in parts],
        filenames=[str(Path(*part)) for part in parts],
        groups=[part[1] for part in parts] if grouped else None,
        split=None,
    )


def find_videos(folder: Path) -> list[Path]:
    """Find the videos that lie in a folder or in folders inside it.

    Parameters
    ----------
    folder : Path
        The folder.

    Returns
    -------
    list of Path
        Files with an ending of `VIDEO_SUFFIXES`, sorted; none that is hidden or
        lies in a hidden folder. Links are followed, to each folder once; those that
        lead nowhere are there too.

    Raises
    ------
    OSError
        If a folder cannot be read.
    """
    videos = []
    seen: set[str] = set()
    for place, folders, names in os.walk(folder, followlinks=True, onerror=_fail):
        real = os.path.realpath(place)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(
            (name for name in folders if not name.startswith(".")),
            key=lambda name: (os.path.islink(os.path.join(place, name)), name),
        )
        files = [Path(place, name) for name in names if not name.startswith(".")]
        videos += [
            file
            for file in files
            if file.suffix.lower() in VIDEO_SUFFIXES and (file.is_file() or file.is_symlink())
        ]
    return sorted(videos)


def _fail(error: OSError) -> None:
    raise error


def load_video_manifest(path: str | os.PathLike[str]) -> Bunch:
    """Load a CSV file that lists videos and their labels.

    Parameters
    ----------
    path : str or os.PathLike
        A CSV file in UTF-8 with a header. Columns ``path`` (relative to the
        manifest's folder, or absolute) and ``label`` are needed; ``split``,
        ``group``, ``start`` and ``end`` (seconds) are taken where they are;
        others are passed over.

    Returns
    -------
    Bunch
        With ``data`` (list of paths, or of `VideoClip` where start or end are
        given), ``target`` (array of labels), ``target_names`` (sorted),
        ``filenames`` (paths as in the manifest), ``groups`` and ``split``
        (arrays, or None where there is no such column) and ``DESCR``.

    Raises
    ------
    FileNotFoundError
        If the manifest or a video does not exist.
    ValueError
        If a column or value is missing or wrong, or a row stands twice; the
        message names the line.
    """
    return read_manifest(path, complete=True)


def read_manifest(path: str | os.PathLike[str], *, complete: bool) -> Bunch:
    """Do what `load_video_manifest` does, if wanted for what lacks labels or files too.

    Parameters
    ----------
    path : str or os.PathLike
        The manifest.
    complete : bool
        Whether a video that does not exist is an error, and so is a manifest without a
        column ``label``.

    Returns
    -------
    Bunch
        As `load_video_manifest` returns it.
    """
    manifest = Path(path)
    if not manifest.is_file():
        raise FileNotFoundError(f"{manifest}: there is no such manifest.")
    rows: list[tuple[int, dict[str, str]]] = []
    try:
        with manifest.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(chain(file, [_END]), skipinitialspace=True)
            columns = [name.strip() for name in reader.fieldnames or [] if name != _END]
            reader.fieldnames = columns
            for row in reader:
                rows.append((reader.line_num, row))
    except UnicodeDecodeError as error:
        raise ValueError(f"{manifest}: not a CSV file in UTF-8 ({error}).") from error
    except csv.Error as error:
        raise ValueError(f"{_after(manifest, rows)}: {error}; {_UNQUOTED}") from error
    expected = ["path", "label"] if complete else ["path"]
    missing = [name for name in expected if name not in columns]
    if missing:
        raise ValueError(
            f"{manifest}: expected columns {' and '.join(map(repr, expected))}, found {columns}; "
            f"{', '.join(missing)} missing."
        )
    repeated = sorted({name for name in _COLUMNS if columns.count(name) > 1})
    if repeated:
        raise ValueError(f"{manifest}: more than one column is called {', '.join(repeated)}.")
    if not rows or rows.pop()[1][columns[0]] != _END:
        raise ValueError(f"{_after(manifest, rows)}: the last value has no end; {_UNQUOTED}")
    if not rows:
        raise ValueError(f"{manifest}: it lists no video.")
    needed = expected + [name for name in ("split", "group") if complete and name in columns]
    data: list[str | VideoClip] = []
    seen: dict[Any, int] = {}
    for line, row in rows:
        where = f"{manifest}, line {line}"
        row.update({name: (row[name] or "").strip() for name in _COLUMNS if name in columns})
        for name in needed:
            if not row[name]:
                raise ValueError(f"{where}: {name} is empty.")
        if any("\n" in row[name] for name in _COLUMNS if name in columns):
            raise ValueError(f"{where}: a value holds a line break; {_UNQUOTED}")
        video = _manifest_video(manifest.parent, row, where, complete)
        place, name = os.path.split(describe_video(video))
        key = os.path.join(os.path.realpath(place), name), video_bounds(video)
        if key in seen:
            raise ValueError(f"{where}: {row['path']} stands in line {seen[key]} already.")
        seen[key] = line
        data.append(video)

    def column(name: str) -> list[str] | None:
        return [row[name] for _, row in rows] if name in columns else None

    return _bunch(
        manifest,
        data=data,
        target=column("label") or [],
        filenames=column("path") or [],
        groups=column("group"),
        split=column("split"),
    )


def _after(manifest: Path, rows: list[tuple[int, dict[str, str]]]) -> str:
    return f"{manifest}, after line {rows[-1][0] if rows else 1}"


def _manifest_video(
    root: Path, row: dict[str, str], where: str, complete: bool
) -> str | VideoClip:
    file = root / row["path"]
    if complete and not file.is_file():
        raise FileNotFoundError(
            f"{where}: there is no file {file}. Paths are relative to the manifest's folder."
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
        raise ValueError(f"{where}: {name}={text!r} is not a number of seconds.")
    return value


def _bunch(
    source: Path,
    *,
    data: list[Any],
    target: list[str],
    filenames: list[str],
    groups: list[str] | None,
    split: list[str] | None,
) -> Bunch:
    names = sorted(set(target))
    counts = ", ".join(f"{name} {target.count(name)}" for name in names)
    notes = [f"{len(data)} videos from {source} in {len(names)} classes: {counts}."]
    notes += [f"{len(set(groups))} groups."] if groups is not None else []
    notes += [f"Splits: {', '.join(sorted(set(split)))}."] if split is not None else []
    return Bunch(
        data=data,
        target=np.asarray(target),
        target_names=names,
        filenames=np.asarray(filenames),
        groups=None if groups is None else np.asarray(groups),
        split=None if split is None else np.asarray(split),
        DESCR=" ".join(notes),
    )
