"""Generated clips whose classes differ only in the order of their frames."""

from __future__ import annotations

import csv
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

import av
import numpy as np
from av.video.stream import VideoStream
from sklearn.utils import Bunch, check_random_state

from .manifests import load_video_manifest

# The colours of the lamp, and their order in each class.
_COLOURS = {"red": (230, 60, 50), "green": (50, 200, 80), "blue": (60, 90, 235)}
_ORDERS = {"red-green-blue": ("red", "green", "blue"), "red-blue-green": ("red", "blue", "green")}
_SPLITS = (("train", 0.6), ("val", 0.15), ("test", 0.25))


def make_order_videos(
    path: str | os.PathLike[str],
    *,
    n_per_class: int = 200,
    n_frames: int = 24,
    frame_size: int = 64,
    random_state: int | np.random.RandomState | None = None,
) -> Bunch:
    """Generate clips whose classes no single frame distinguishes.

    A lamp in front of a wall shows three colours in turn, twice, starting with a
    random colour. The class is the order of the colours. At each time, all colours are
    equally likely in both classes, so shuffled frames contain no information about
    the class. The wall and the position, size and brightness of the lamp are random.

    Parameters
    ----------
    path : str or os.PathLike
        Folder to create. It contains H.264 clips in one folder for each class, and
        a ``manifest.csv`` with the columns path, label and split (60 % train,
        15 % val, 25 % test).
    n_per_class : int, default=200
        Number of clips of each of the two classes, at least 4.
    n_frames : int, default=24
        Number of frames of each clip, at 12 frames per second; a multiple of 6.
    frame_size : int, default=64
        Height and width in pixels, even, at least 16.
    random_state : int, RandomState instance or None, default=None
        Seed of the random variation.

    Returns
    -------
    Bunch
        As `load_video_manifest` returns it.

    Raises
    ------
    FileExistsError
        If `path` exists.
    ValueError
        If a number is out of range.

    Examples
    --------
    >>> data = make_order_videos("clips", n_per_class=4)  # doctest: +SKIP
    >>> len(data.data)  # doctest: +SKIP
    8
    """
    if n_per_class < 4:
        raise ValueError(
            f"n_per_class={n_per_class} must be at least 4, so that each part of the split "
            "contains a clip of each class."
        )
    if n_frames < 6 or n_frames % 6:
        raise ValueError(
            f"n_frames={n_frames} must be a multiple of 6: each clip shows three colours twice."
        )
    if frame_size < 16 or frame_size % 2:
        raise ValueError(f"frame_size={frame_size} must be even and at least 16.")
    target = Path(path).expanduser()
    if target.exists():
        raise FileExistsError(f"{target} already exists; choose another folder.")
    rng = check_random_state(random_state)
    target.parent.mkdir(parents=True, exist_ok=True)
    # A temporary folder is renamed when it is complete, so that an interruption leaves nothing.
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}-") as made:
        folder = Path(made) / target.name
        rows = _write_clips(folder, n_per_class, n_frames, frame_size, rng)
        with (folder / "manifest.csv").open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([("path", "label", "split"), *rows])
        try:
            folder.rename(target)
        except OSError as error:
            if not target.exists():
                raise
            # Another process has created it in the meantime.
            raise FileExistsError(f"{target} already exists; choose another folder.") from error
    return load_video_manifest(target / "manifest.csv")


def _write_clips(
    folder: Path, n_per_class: int, n_frames: int, size: int, rng: np.random.RandomState
) -> list[tuple[str, str, str]]:
    rows = []
    for label, order in _ORDERS.items():
        (folder / label).mkdir(parents=True)
        for number, split in enumerate(_split_names(n_per_class)):
            colours = np.roll([_COLOURS[name] for name in order], rng.randint(3), axis=0)
            shown = np.tile(np.repeat(colours, n_frames // 6, axis=0), (2, 1))
            name = f"{label}/{number:03d}.mp4"
            # With mbtree, the output of x264 is not deterministic.
            frames = _draw_lamp(shown, size, rng)
            write_video(folder / name, frames, rate=12, options={"mbtree": "0"})
            rows.append((name, label, split))
    return rows


def _split_names(n: int) -> list[str]:
    """Assign each of `n` clips to a part of the split, at least one to each part."""
    sizes = {name: max(1, round(share * n)) for name, share in _SPLITS[1:]}
    sizes["train"] = n - sum(sizes.values())
    return [name for name, _ in _SPLITS for _ in range(sizes[name])]


def _draw_lamp(colours: np.ndarray, size: int, rng: np.random.RandomState) -> np.ndarray:
    """Draw a wall and a lamp, one frame for each of the given colours."""
    rows, columns = np.mgrid[:size, :size]
    coarse = rng.uniform(30, 110, (size // 8 + 1, size // 8 + 1, 3))
    wall = coarse[rows // 8, columns // 8]
    radius = size * rng.uniform(0.22, 0.34)
    centre = rng.uniform(0.35, 0.65, 2) * size
    lamp = (rows - centre[0]) ** 2 + (columns - centre[1]) ** 2 < radius**2
    brightness = rng.uniform(0.8, 1.0)
    frames = np.where(lamp[..., None], colours[:, None, None] * brightness, wall)
    return (frames + rng.normal(0, 6, frames.shape)).clip(0, 255).astype(np.uint8)


def write_video(
    path: str | os.PathLike[str],
    frames: Sequence[np.ndarray] | np.ndarray,
    *,
    rate: int = 25,
    codec: str = "libx264",
    pix_fmt: str = "yuv420p",
    options: dict[str, str] | None = None,
) -> None:
    """Encode frames as a video file.

    Parameters
    ----------
    path : str or os.PathLike
        File to write; its extension determines the container.
    frames : sequence of ndarray of shape (H, W, 3), uint8
        Frames in RGB.
    rate : int, default=25
        Frames per second.
    codec : str, default="libx264"
        FFmpeg's name of the encoder.
    pix_fmt : str, default="yuv420p"
        FFmpeg's name of the pixel format.
    options : dict of str to str, optional
        Options of the encoder.
    """
    with av.open(os.fspath(path), "w") as container:
        stream = container.add_stream(codec, rate=rate, options=options or {})
        assert isinstance(stream, VideoStream), f"codec={codec!r} is not a video codec"
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = pix_fmt
        for pixels in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode(None))
