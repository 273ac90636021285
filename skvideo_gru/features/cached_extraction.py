"""Extract features with a cache, whose keys contain the digests of the videos."""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import joblib
import numpy as np
from joblib import Memory, Parallel, delayed

from ..caller_warnings import warn_caller
from ..video import (
    Video,
    VideoClip,
    VideoDecodeError,
    content_digests,
    describe_video,
)
from .caching import CACHE_VERSION, cached, features
from .extraction import Outcome, video_progress


def digest_videos(
    videos: Sequence[Video], *, n_jobs: int | None, verbose: int
) -> list[str | VideoDecodeError]:
    """Compute the digests of many videos.

    Parameters
    ----------
    videos : sequence of videos
        The videos.
    n_jobs : int or None
        Number of threads that read them.
    verbose : int
        With 1 or more, a progress bar.

    Returns
    -------
    list of str or VideoDecodeError
        The `content_digest` of each video, or the error of an unreadable video.
    """
    # A file is read once, however many of its time ranges are given. A file object has one
    # position, so that two threads cannot read it.
    rows_of: dict[Any, list[int]] = {}
    for row, video in enumerate(videos):
        has_path = isinstance(video, str | os.PathLike | VideoClip)
        rows_of.setdefault(describe_video(video) if has_path else id(video), []).append(row)
    threads = Parallel(n_jobs=n_jobs, prefer="threads", require="sharedmem", return_as="generator")
    files = threads(delayed(_digests)([videos[row] for row in rows]) for rows in rows_of.values())
    digests: list[Any] = [None] * len(videos)
    with video_progress("hashing", len(videos), verbose) as progress:
        for rows, found in zip(rows_of.values(), files, strict=True):
            for row, digest in zip(rows, found, strict=True):
                digests[row] = digest
            progress.update(len(rows))
    return digests


def _digests(videos: Sequence[Video]) -> Sequence[str | VideoDecodeError]:
    try:
        return content_digests(videos)
    except VideoDecodeError as error:
        return [error] * len(videos)


def embed_cached(
    videos: Sequence[Video],
    digests: Sequence[str | VideoDecodeError],
    sources: Sequence[Any],
    embed: Callable[[Sequence[Any]], Iterator[Outcome]],
    depends_on: Any,
    memory: Memory,
) -> Iterator[tuple[Outcome, bool]]:
    """Embed many videos; reuse cached features and cache new ones.

    Parameters
    ----------
    videos : sequence of videos
        The videos.
    digests : sequence of str or VideoDecodeError
        The result of `digest_videos`, a part of the cache key.
    sources : sequence of videos
        The input of `embed` for each video: the video itself or its decoded frames.
    embed : callable
        Yields the features of each source.
    depends_on : object
        Everything else that the features depend on.
    memory : joblib.Memory
        The cache.

    Yields
    ------
    features : ndarray of shape (T, 2048), float32, or VideoDecodeError
        The features of each video, in order, or the error of an unreadable video, which
        is not cached.
    cached : bool
        Whether the features come from the cache.
    """
    cache = cached(memory, features)
    # Keys are short texts, because joblib needs a millisecond to hash a nested one.
    rest = joblib.hash((CACHE_VERSION, depends_on))
    keys = [f"{digest} {rest}" for digest in digests]
    # Repeated content is computed once, for its first row.
    first = {digest: i for i, digest in reversed(list(enumerate(digests))) if type(digest) is str}
    missing = [i for i in sorted(first.values()) if not cache.check_call_in_cache(keys[i], None)]
    computed = embed([sources[i] for i in missing])
    waiting = set(missing)
    unreadable: dict[Any, VideoDecodeError] = {}
    for i, (digest, key) in enumerate(zip(digests, keys, strict=True)):
        if isinstance(digest, VideoDecodeError):
            yield digest, False
        elif i in waiting:
            row = next(computed)
            if isinstance(row, VideoDecodeError):
                unreadable[digest] = row
            else:
                cache(key, partial(_with_checksum, row))
            yield row, False
        elif digest in unreadable:
            # The content is known to be unreadable; the error names this video.
            reason = unreadable[digest].reason
            yield VideoDecodeError(describe_video(videos[i]), reason), False
        else:
            # Cached; computed again only if the entry is damaged.
            compute = partial(_embed_one, embed, sources[i])
            try:
                row, checksum = cache(key, compute)
                if _checksum(row) != checksum:
                    warn_caller(
                        f"{describe_video(videos[i])}: the cached features are corrupt and are "
                        "computed again."
                    )
                    row, _ = compute()
                    cache.call(key, partial(_with_checksum, row))
            except VideoDecodeError as error:  # a damaged entry, and an unreadable video
                yield error, False
            else:
                yield row, True


def _checksum(row: np.ndarray) -> int:
    return zlib.crc32(row.data)


def _with_checksum(row: np.ndarray) -> tuple[np.ndarray, int]:
    return row, _checksum(row)


def _embed_one(
    embed: Callable[[Sequence[Any]], Iterator[Outcome]], source: Any
) -> tuple[np.ndarray, int]:
    row = next(embed([source]))
    if isinstance(row, VideoDecodeError):
        raise row
    return _with_checksum(row)
