"""Labelled videos from a folder with one folder for each class."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

from sklearn.utils import Bunch

from ..video import VIDEO_SUFFIXES
from .bunches import as_frames, describe_skipped, make_bunch
from .leakage import warn_of_leaks


def load_video_folder(path: str | os.PathLike[str], *, as_frame: bool = False) -> Bunch:
    """Load a folder that contains one folder of videos for each class.

    Videos are recognised by their file extension, see
    ``skvideo_gru.video.VIDEO_SUFFIXES``. Hidden files and files with other extensions are
    skipped; ``DESCR`` counts them. If every video is nested in a further folder
    inside its class folder, the name of that folder is the video's group, for
    example the camera whose clips a split should not separate.

    Parameters
    ----------
    path : str or os.PathLike
        The folder.
    as_frame : bool, default=False
        Whether ``data`` is a DataFrame with the column ``path``, and ``target`` a Series.

    Returns
    -------
    Bunch
        With ``data`` (array of paths), ``target`` (array of labels),
        ``target_names`` (sorted), ``filenames`` (relative paths), ``groups``
        (array or None), ``split`` (None) and ``DESCR``. With ``as_frame=True`` also
        ``frame``: a DataFrame of the columns ``path``, ``label`` and, if there are groups,
        ``group``.

    Raises
    ------
    FileNotFoundError
        If the folder does not exist.
    ValueError
        If there is no class folder, or a class folder contains no video.

    Warns
    -----
    UserWarning
        If the same content has two labels.

    Examples
    --------
    ``clips/open/a.mp4``, ``clips/closed/b.mp4``, ... become:

    >>> data = load_video_folder("clips")  # doctest: +SKIP
    >>> data.target_names  # doctest: +SKIP
    ['closed', 'open']
    """
    data = read_folder(path)
    warn_of_leaks(data)
    return as_frames(data) if as_frame else data


def read_folder(path: str | os.PathLike[str]) -> Bunch:
    """Load a folder as `load_video_folder` does, without its check for leaks.

    Parameters
    ----------
    path : str or os.PathLike
        The folder.

    Returns
    -------
    Bunch
        As `load_video_folder` returns it.
    """
    root = Path(path).expanduser()
    if not root.is_dir():
        if root.is_file():
            raise FileNotFoundError(
                f"{root} is a file, not a folder; load a manifest with load_video_manifest."
            )
        raise FileNotFoundError(f"{root}: no such folder; check the path.")
    classes = []
    skipped: Counter[str] = Counter()
    for entry in sorted(root.iterdir()):
        if entry.name.startswith("."):
            skipped["hidden"] += 1
        elif entry.is_dir():
            classes.append(entry)
        else:
            skipped["outside the class folders"] += 1
    if not classes:
        raise ValueError(
            f"{root}: expected one sub-folder per class, found none. Move the videos of each "
            "class to a sub-folder."
        )
    files: list[Path] = []
    for folder in classes:
        videos, others = find_videos(folder)
        if not videos:
            raise ValueError(
                f"{folder}: the class folder contains no video"
                f"{f' (skipped files: {describe_skipped(others)})' if others else ''}. Remove the "
                "folder, or add files with one of these file extensions: "
                f"{', '.join(sorted(VIDEO_SUFFIXES))}."
            )
        files += videos
        skipped += others
    parts = [file.relative_to(root).parts for file in files]
    grouped = all(len(part) > 2 for part in parts)
    return make_bunch(
        root,
        data=[str(file) for file in files],
        target=[part[0] for part in parts],
        filenames=[str(Path(*part)) for part in parts],
        groups=[part[1] for part in parts] if grouped else None,
        split=None,
        skipped=skipped,
    )


def find_videos(folder: Path) -> tuple[list[Path], Counter[str]]:
    """Find the videos in a folder and in the folders inside it.

    Parameters
    ----------
    folder : Path
        The folder.

    Returns
    -------
    videos : list of Path
        Files with an extension of `VIDEO_SUFFIXES`, sorted, without hidden files and
        without the content of hidden folders. Links are followed, to each folder
        once; links to files that do not exist are included.
    skipped : Counter of str
        The number of other files by file extension or reason. A hidden folder is counted
        once.

    Raises
    ------
    OSError
        If a folder cannot be read.
    """
    videos: list[Path] = []
    skipped: Counter[str] = Counter()
    seen: set[str] = set()
    for place, folders, names in os.walk(folder, followlinks=True, onerror=_raise):
        real = os.path.realpath(place)
        if real in seen:
            folders.clear()
            skipped["in a folder that was already searched"] += len(names)
            continue
        seen.add(real)
        skipped["hidden"] += sum(name.startswith(".") for name in folders + names)
        folders[:] = sorted(
            (name for name in folders if not name.startswith(".")),
            key=lambda name: (os.path.islink(os.path.join(place, name)), name),
        )
        for file in (Path(place, name) for name in names if not name.startswith(".")):
            if file.suffix.lower() not in VIDEO_SUFFIXES:
                skipped[file.suffix.lower() or "without a file extension"] += 1
            elif file.is_file() or file.is_symlink():
                videos.append(file)
            else:
                skipped["not a regular file"] += 1
    return sorted(videos), +skipped


def _raise(error: OSError) -> None:
    raise error
