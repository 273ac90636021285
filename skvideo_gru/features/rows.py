"""Fill an array with the features of many videos."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from ..video import Video, VideoDecodeError, describe_video
from .extraction import Outcome, video_progress


def fill_rows(
    array: np.ndarray,
    rows: Sequence[int],
    outcomes: Iterable[tuple[Outcome, bool]],
    videos: Sequence[Video],
    *,
    strict: bool,
    verbose: int,
) -> dict[int, tuple[str, str]]:
    """Write features into an array as they are computed, padded with NaN.

    Parameters
    ----------
    array : ndarray of shape (n_videos, n_frames, 2048), float32 or float16
        The array to fill.
    rows : sequence of int
        The rows to fill.
    outcomes : iterable of (ndarray or VideoDecodeError, bool)
        The features of the video of each row, or the reason why it cannot be read; and whether
        they come from the cache.
    videos : sequence of videos
        The videos.
    strict : bool
        Whether an unreadable video is an error. Otherwise its row is NaN.
    verbose : int
        With 1 or more, a progress bar.

    Returns
    -------
    dict of int to (str, str)
        Row, path and reason of each unreadable video.

    Raises
    ------
    VideoDecodeError
        If a video cannot be read and `strict` is true.
    ValueError
        If a feature is too large for float16.
    """
    failed = {}
    n_frames = n_cached = 0
    with video_progress("features", len(rows), verbose) as bar:
        for row, (outcome, from_cache) in zip(rows, outcomes, strict=True):
            array[row] = np.nan
            if not isinstance(outcome, VideoDecodeError):
                _write(outcome, array[row], videos[row])
                n_frames += len(outcome)
            elif strict:
                raise outcome
            else:
                failed[row] = outcome.path, outcome.reason
            n_cached += from_cache
            bar.set_postfix_str(
                f"{n_frames / max(bar.format_dict['elapsed'], 1e-3):.0f} frames/s, "
                f"{n_cached} cached, {len(failed)} failed",
                refresh=False,
            )
            bar.update()
    return failed


def _write(features: np.ndarray, row: np.ndarray, video: Video) -> None:
    with np.errstate(over="ignore"):
        row[: len(features)] = features
    if row.dtype == np.float16 and np.isinf(row).any():
        raise ValueError(
            f"{describe_video(video)}: the feature {np.abs(features).max():.3g} exceeds the range "
            "of float16; use dtype='float32'."
        )
