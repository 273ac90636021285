"""Time of GRU fits on one thread, on all of torch's threads and on those that the package chooses.

Run ``python benchmarks/threads.py [ROUNDS]``. Each candidate fits the same sequences in turn, at
first undisturbed, then beside a process that keeps one core busy. The script prints medians, and
how much longer the package took than the faster of the other two.
"""

import sys
import time
from multiprocessing import get_context
from statistics import median
from unittest.mock import patch

import numpy as np
import torch

from skvideo_gru import GRUClassifier
from skvideo_gru.networks import threads

# Sequences, frames, features, units, batch size, weight of differences.
SIZES = [
    (30, 6, 64, 8, 16, 0),
    (30, 6, 2048, 64, 16, 100),
    (32, 20, 2048, 64, 16, 0),
    (64, 20, 2048, 64, 32, 0),
]
EPOCHS = 20


def keep_busy():
    """Compute for ever."""
    while True:
        pass


def fit_seconds(n_videos, n_frames, n_features, hidden_size, batch_size, delta_weight):
    """Time one fit."""
    X = np.random.default_rng(0).random((n_videos, n_frames, n_features), dtype=np.float32)
    clf = GRUClassifier(
        hidden_size,
        batch_size=batch_size,
        delta_weight=delta_weight,
        pooling="attention",
        max_epochs=EPOCHS,
        random_state=0,
        device="cpu",
    )
    time.sleep(0.5)  # until the waiting threads of the fit before have stopped
    begin = time.perf_counter()
    clf.fit(X, np.arange(n_videos) % 3)
    return time.perf_counter() - begin


def one_thread(size, n_threads):
    """Fit on one thread."""
    torch.set_num_threads(1)
    try:
        return fit_seconds(*size)
    finally:
        torch.set_num_threads(n_threads)


def all_threads(size, n_threads):
    """Fit on all threads, as torch does by default."""
    with patch.object(threads, "_PER_THREAD", 1 / n_threads):
        return fit_seconds(*size)


def chosen(size, n_threads):
    """Fit on the threads that the package chooses."""
    return fit_seconds(*size)


def measure(size, rounds):
    """Return the median seconds of every candidate."""
    n_threads = torch.get_num_threads()
    candidates = (one_thread, all_threads, chosen)
    times = [[fit(size, n_threads) for fit in candidates] for _ in range(rounds)]
    return [median(values) for values in zip(*times, strict=True)]


def main(rounds=5):
    """Print a Markdown table."""
    print("| sequences, frames, features, units, batch, weight of differences | GFLOP |", end="")
    print(" | busy core | one thread | all threads | package | package / faster of the two |")
    print("|---|---|---|---|---|---|---|")
    for size in SIZES:
        fit_seconds(*size)  # warm-up
        _, n_frames, n_features, hidden_size, batch_size, delta_weight = size
        n_inputs = n_features * (3 if delta_weight else 1)
        work = 6e-9 * batch_size * n_frames * hidden_size * (n_inputs + hidden_size)
        for busy in ("no", "yes"):
            process = get_context("spawn").Process(target=keep_busy, daemon=True)
            if busy == "yes":
                process.start()
                time.sleep(2)  # until it computes
            one, every, ours = measure(size, rounds)
            if busy == "yes":
                process.kill()
                process.join()
            ratio = ours / min(one, every)
            row = f"{work:.2f} | {busy} | {one:.3f} | {every:.3f} | {ours:.3f} | {ratio:.2f}"
            print(f"| {', '.join(map(str, size))} | {row} |", flush=True)


if __name__ == "__main__":
    main(int(*sys.argv[1:] or [5]))
