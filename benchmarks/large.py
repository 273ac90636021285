"""Memory of a fit on frames in memory and in a file.

Run ``python benchmarks/large.py [CLIPS [MIB [DISTINCT]]]``. The script generates clips of 64 x 64
pixels, 60 frames each, and trains the standard pipeline on them for one epoch in two processes:
with frames and features in temporary files, and in memory. It prints the largest data size of the
processes, which contains neither code nor mapped files, and a hash of the weights. MIB limits the
data size (RLIMIT_DATA); 0 does not.

With DISTINCT, an even number, only so many clips differ and the others repeat their content. All
are decoded and stored for training, but a cache saves computing the same features again.
"""

import hashlib
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np

from skvideo_gru import make_video_classifier
from skvideo_gru.datasets.generated import write_video

N_FRAMES = 60


def generate(folder, n_clips, n_distinct):
    """Write clips of moving squares."""
    rng = np.random.default_rng(0)
    for number in range(n_distinct):
        frames = np.full((N_FRAMES, 64, 64, 3), 40, np.uint8)
        row = int(rng.integers(0, 48))
        for moment in range(N_FRAMES):
            column = moment * 48 // N_FRAMES
            column = column if number % 2 else 48 - column
            frames[moment, row : row + 16, column : column + 16] = 220
        write_video(f"{folder}/{number}.mp4", frames)
    for number in range(n_distinct, n_clips):
        os.link(f"{folder}/{number % n_distinct}.mp4", f"{folder}/{number}.mp4")


class Peak(threading.Thread):
    """Measure the largest data size of this process, which RLIMIT_DATA limits."""

    def __init__(self):
        super().__init__(daemon=True)
        self.kib = 0

    def run(self):
        """Read it every 20 milliseconds."""
        while True:
            status = Path("/proc/self/status").read_text()
            self.kib = max(self.kib, int(status.split("VmData:")[1].split()[0]))
            time.sleep(0.02)


def fit(folder, n_clips, max_nbytes, limit, cache):
    """Train the pipeline and print the peak and a digest of its weights."""
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    peak = Peak()
    peak.start()
    pipe = make_video_classifier(
        random_state=0,
        device="cpu",
        features__frame_size=64,
        features__modality="rgb",
        features__objective="frame",
        features__frames_per_clip=1,
        features__batch_size=16,
        features__max_epochs=1,
        features__max_nbytes=max_nbytes,
        scale__max_nbytes=max_nbytes,
        gru__max_epochs=1,
        memory=f"{folder}/cache-{max_nbytes}" if cache else None,
    )
    start = time.perf_counter()
    pipe.fit([f"{folder}/{number}.mp4" for number in range(n_clips)], np.arange(n_clips) % 2)
    took = time.perf_counter() - start
    weights = [*pipe["features"].weights_.values()]
    weights += [value.numpy() for value in pipe["gru"].module_.state_dict().values()]
    digest = hashlib.sha256()
    for value in weights:
        digest.update(np.ascontiguousarray(value))
    print(f"peak {peak.kib / 1024:.0f} MiB, {took:.0f} s, weights {digest.hexdigest()[:16]}")


def main(n_clips=300, limit=0, n_distinct=0):
    """Run both processes."""
    n_frames = n_clips * N_FRAMES
    print(f"frames {n_frames * 64 * 64 * 3 / 2**20:.0f} MiB", end=", ")
    print(f"features {n_frames // 3 * 2048 * 4 / 2**20:.0f} MiB", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        generate(folder, n_clips, n_distinct or n_clips)
        for name, max_nbytes in (("in files", 2**24), ("in memory", 2**62)):
            limit_nbytes = limit * 2**20 or resource.RLIM_INFINITY
            arguments = [folder, n_clips, max_nbytes, limit_nbytes, n_distinct]
            command = [sys.executable, __file__, "fit", *map(str, arguments)]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            print(f"{name}: {done.stdout.strip() or done.stderr.strip()[-100:]}", flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["fit"]:
        fit(sys.argv[2], *map(int, sys.argv[3:]))
    else:
        main(*map(int, sys.argv[1:]))
