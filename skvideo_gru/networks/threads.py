"""As many CPU threads as a network's batches are large enough for."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import torch

# Floating-point operations of a forward pass for which a thread is worth its cost: after every
# small operation the threads wait for each other, for milliseconds if a core is busy.
# See benchmarks/threads.md.
_PER_THREAD = 5e8

_LOCK = threading.Lock()


@contextmanager
def useful_threads(net: Any, n_frames: int) -> Iterator[None]:
    """Limit torch's threads inside the block to those that a batch occupies.

    The number never exceeds torch's setting, and other threads of the process keep theirs. It
    depends on the size of the batch only, because the number of threads changes how sums are
    rounded.

    Parameters
    ----------
    net : skorch.NeuralNet
        The net, initialised, that processes every frame with all its weights.
    n_frames : int
        Number of frames in a batch.

    Yields
    ------
    None
        Nothing.
    """
    before = torch.get_num_threads()
    n_weights = sum(weight.numel() for weight in net.module_.parameters())
    useful = max(1, int(2 * n_weights * n_frames / _PER_THREAD))
    if useful >= before or torch.device(net.device).type != "cpu":
        yield
        return
    _set_for_this_thread(useful)
    try:
        yield
    finally:
        _set_for_this_thread(before)


def _set_for_this_thread(n_threads: int) -> None:
    """Set the number of torch's threads for the calling thread.

    `torch.set_num_threads` also sets it for threads that are started later. A thread that is
    started here reads that setting before, and restores it afterwards. Without the lock, it
    could read the limit of another thread and make it permanent.
    """
    with _LOCK, ThreadPoolExecutor(1) as other_thread:
        for_new_threads = other_thread.submit(torch.get_num_threads).result()
        torch.set_num_threads(n_threads)
        other_thread.submit(torch.set_num_threads, for_new_threads).result()
