"""Decode and embed many videos, distributed by joblib."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from pickle import PicklingError
from threading import Lock
from typing import Any

import joblib
import numpy as np
import torch
from joblib import Parallel, delayed, effective_n_jobs, parallel_config
from joblib.parallel import get_active_backend
from tqdm import tqdm

from ..networks import progress_bar, resolve_device
from ..video import (
    DECODER_THREADS,
    Video,
    VideoDecodeError,
    describe_video,
    opening,
)
from .embedding import FrameEmbedder, frames_per_batch

#: The features of a video, or the error of an unreadable video.
Outcome = np.ndarray | VideoDecodeError

#: Reads the frames of a video.
Reader = Callable[[Any], np.ndarray]

# Maximum number of videos per joblib task. Each task receives the weights.
_CHUNK = 16
# Number of videos per thread that are decoded in advance.
_AHEAD = 4
# A file object has one position, so that two threads cannot read it. A lock serves those files
# whose identities have the same remainder.
_FILE_LOCKS = [Lock() for _ in range(61)]


def video_progress(
    description: str, total: int, verbose: int, done: Iterable[Any] | None = None
) -> tqdm:
    """Create a progress bar over videos.

    Parameters
    ----------
    description : str
        Label of the bar.
    total : int
        Number of videos.
    verbose : int
        With 0, the bar is hidden.
    done : iterable, optional
        One result per video. Without it, the caller updates the bar.

    Returns
    -------
    tqdm
        The bar, an iterator over `done`.
    """
    return progress_bar(description, total, "video", done=done, hidden=not verbose)


def decode_videos(
    videos: Sequence[Video], read: Reader, *, n_jobs: int | None, verbose: int
) -> Iterator[np.ndarray | VideoDecodeError]:
    """Read the frames of many videos, one result at a time.

    Parameters
    ----------
    videos : sequence of videos
        The videos.
    read : callable
        Reads one video.
    n_jobs : int or None
        Number of joblib workers.
    verbose : int
        With 1 or more, a progress bar.

    Yields
    ------
    ndarray of shape (T, H, W, 3), uint8, or VideoDecodeError
        The frames of each video, or the error of an unreadable video.

    Raises
    ------
    ValueError
        If a video cannot be sent to a worker.
    """
    with _explained_pickling_errors(videos):
        task = delayed(_read_in_worker)
        limit = opening.MAX_PIXELS
        clips = _parallel(n_jobs)(task(video, read, limit) for video in videos)
        yield from video_progress("decoding", len(videos), verbose, clips)


@contextmanager
def _explained_pickling_errors(videos: Sequence[Any]) -> Iterator[None]:
    """Raise a `ValueError` for videos or settings that joblib cannot pickle."""
    try:
        yield
    except PicklingError as error:
        opened = [describe_video(video) for video in videos if hasattr(video, "read")]
        what = f"open files such as {opened[0]}" if opened else f"the videos or settings ({error})"
        raise ValueError(
            f"joblib cannot send {what} to its workers. Pass paths or bytes, or set n_jobs=1."
        ) from error


def _parallel(n_jobs: int | None) -> Parallel:
    """Create a Parallel that yields results early if the backend supports generators."""
    backend, _ = get_active_backend()
    supported = backend.supports_return_generator
    return Parallel(n_jobs=n_jobs, return_as="generator" if supported else "list")


def _read_in_worker(video: Any, read: Reader, max_pixels: int) -> Any:
    opening.MAX_PIXELS = max_pixels  # a worker process has imported the module anew
    return _read(video, read, 1)


def _read(video: Any, read: Reader | None, n_parallel: int) -> Any:
    """Read a video with the decoder threads of one of `n_parallel` simultaneous reads."""
    if read is None:
        return video
    # joblib limits the threads of torch in its workers, but not those of FFmpeg.
    threads = DECODER_THREADS.set(max(1, torch.get_num_threads() // n_parallel))
    is_file = hasattr(video, "read")
    try:
        with _FILE_LOCKS[id(video) % len(_FILE_LOCKS)] if is_file else nullcontext():
            return read(video)
    except VideoDecodeError as error:
        return error
    finally:
        DECODER_THREADS.reset(threads)


def embed_videos(
    videos: Sequence[Any],
    embedder: FrameEmbedder,
    read: Reader | None,
    *,
    device: Any,
    n_jobs: int | None,
) -> Iterator[Outcome]:
    """Read and embed many videos, one result at a time.

    Parameters
    ----------
    videos : sequence of videos
        The videos, or the results of `decode_videos`.
    embedder : FrameEmbedder
        Computes the features of frames.
    read : callable or None
        Reads one video; None if the videos are already decoded.
    device : str or torch.device
        Device of the network.
    n_jobs : int or None
        Number of joblib workers. With a GPU, number of decoding threads in one process;
        by default all cores.

    Yields
    ------
    ndarray of shape (T, 2048), float32, or VideoDecodeError
        The features of each video, in order, or the error of an unreadable video.

    Raises
    ------
    ValueError
        If a video cannot be sent to a worker.
    """
    backend, _ = get_active_backend()
    on_cluster = hasattr(backend, "client")
    n_workers = effective_n_jobs(n_jobs)
    if not on_cluster:
        here = resolve_device(device, training=False)
        if here.type != "cpu":
            n_threads = joblib.cpu_count() if n_jobs is None and n_workers == 1 else n_workers
            yield from _embed(videos, embedder, read, here, n_threads)
            return
        if n_workers == 1:
            yield from _embed(videos, embedder, read, here, 1)
            return
    share = math.ceil(len(videos) / max(1, n_workers))
    size = max(1, min(_CHUNK, share))
    chunks = [videos[i : i + size] for i in range(0, len(videos), size)]
    # By default, joblib stores data that tasks share on one Dask worker. If that worker
    # dies, all tasks fail.
    spread = type(backend)(client=backend.client, scatter=[embedder]) if on_cluster else None
    with parallel_config(backend=spread) if spread else nullcontext():
        parallel = _parallel(n_jobs)
    task = delayed(_embed_chunk)
    with _explained_pickling_errors(videos):
        limit = opening.MAX_PIXELS
        for rows in parallel(task(chunk, embedder, read, device, limit) for chunk in chunks):
            yield from rows


def _embed_chunk(
    videos: Sequence[Any],
    embedder: FrameEmbedder,
    read: Reader | None,
    device: Any,
    max_pixels: int,
) -> list[Outcome]:
    opening.MAX_PIXELS = max_pixels  # a worker process has imported the module anew
    here = resolve_device(device, training=False)
    n_threads = 1 if here.type == "cpu" else joblib.cpu_count()
    return list(_embed(videos, embedder, read, here, n_threads))


def _embed(
    videos: Sequence[Any],
    embedder: FrameEmbedder,
    read: Reader | None,
    device: torch.device,
    n_threads: int,
) -> Iterator[Outcome]:
    """Embed videos in full batches, which may contain frames of several videos.

    `n_threads` threads decode. On a CPU it is 1, because the network uses all cores.
    """
    waiting: deque[int | VideoDecodeError] = deque()  # numbers of frames, or errors
    frames: list[np.ndarray] = []
    rows: list[np.ndarray] = []

    def embed_waiting() -> None:
        rows.extend(embedder(np.stack(frames), device) if frames else ())
        frames.clear()

    for clip in _decoded_ahead(videos, read, max(1, min(n_threads, len(videos)))):
        if isinstance(clip, VideoDecodeError):
            waiting.append(clip)
        else:
            waiting.append(len(clip))
            for frame in clip:
                frames.append(frame)
                if len(frames) == frames_per_batch(frame[..., 0].size, device):
                    embed_waiting()
        yield from _finished(waiting, rows)
    embed_waiting()
    yield from _finished(waiting, rows)


def _finished(waiting: deque[int | VideoDecodeError], rows: list[np.ndarray]) -> Iterator[Outcome]:
    """Remove from `waiting` the videos whose features are complete, and yield them."""
    while waiting:
        first = waiting[0]
        if isinstance(first, VideoDecodeError):
            yield first
        elif first <= len(rows):
            yield np.array(rows[:first]).reshape(first, -1)
            del rows[:first]
        else:
            return
        waiting.popleft()


def _decoded_ahead(videos: Sequence[Any], read: Reader | None, n_threads: int) -> Iterator[Any]:
    """Decode the next videos in threads while the network computes."""
    pool = ThreadPoolExecutor(n_threads)
    ahead: deque[Future[Any]] = deque()
    try:
        for video in videos:
            ahead.append(pool.submit(_read, video, read, n_threads))
            if len(ahead) > _AHEAD * n_threads:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()
    finally:
        # Without waiting: the garbage collector can run this on a thread that is starting,
        # where joining other threads deadlocks.
        pool.shutdown(wait=False, cancel_futures=True)
