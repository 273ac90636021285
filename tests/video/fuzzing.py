"""Read thousands of damaged videos: ``python tests/video/fuzzing.py [N] [SEED]``.

Each input must yield frames or a `VideoDecodeError` within ten seconds, in a process that
neither crashes nor grows.
"""

import multiprocessing
import os
import queue
import resource
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from skvideo_gru import VideoDecodeError, read_frames
from skvideo_gru.datasets.generated import write_video

LIMIT = 10.0  # seconds
KINDS = [
    ("a.mp4", "libx264", "yuv420p", {"g": "5", "bf": "2"}),
    ("b.mp4", "libx264", "yuv444p", {"g": "30", "movflags": "frag_keyframe"}),
    ("a.mov", "libx265", "yuv420p10le", {"x265-params": "log-level=none"}),
    ("a.mkv", "libx264", "yuv420p", {"g": "10"}),
    ("b.mkv", "libsvtav1", "yuv420p", {"preset": "12"}),
    ("c.mkv", "ffv1", "bgr0", {}),
    ("a.webm", "libvpx-vp9", "yuv420p", {"deadline": "realtime"}),
    ("b.webm", "libvpx", "yuv420p", {"deadline": "realtime"}),
    ("a.avi", "mpeg4", "yuv420p", {"bf": "1"}),
    ("b.avi", "mjpeg", "yuvj420p", {}),
    ("c.avi", "libx264", "yuv420p", {}),
    ("a.mpg", "mpeg2video", "yuv420p", {"bf": "2"}),
    ("a.ts", "libx264", "yuv420p", {"g": "6"}),
    ("a.flv", "flv", "yuv420p", {}),
    ("a.wmv", "wmv2", "yuv420p", {}),
    ("a.gif", "gif", "rgb8", {}),
    ("a.webp", "libwebp_anim", "yuv420p", {}),
    ("a.apng", "apng", "rgb24", {}),
]


def make_seeds(folder):
    """Encode one clip of each kind and return their contents."""
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 256, (20, 3, 4, 3), dtype=np.uint8).repeat(16, 1).repeat(16, 2)
    contents = []
    for name, codec, pix_fmt, options in KINDS:
        write_video(folder / name, frames, codec=codec, pix_fmt=pix_fmt, options=options)
        contents.append((folder / name).read_bytes())
    # Reset the real-time priority that SVT-AV1 sets.
    os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
    return contents


def damage(contents, rng):
    """Damage one of the clips in up to three ways."""
    content = bytearray(contents[rng.integers(len(contents))])
    for _ in range(rng.integers(1, 4)):
        size = len(content)
        way = rng.choice(["bits", "bytes", "cut", "drop", "splice", "swap", "header", "number"])
        place, other = (int(n) for n in np.sort(rng.integers(0, size, 2)))
        if way == "bits":
            for where in rng.integers(0, size, rng.integers(1, 30)):
                content[where] ^= 1 << rng.integers(8)
        elif way == "bytes":
            n = int(rng.integers(1, 200))
            content[place : place + n] = rng.bytes(min(n, size - place))
        elif way == "cut":
            del content[max(place, 16) :]
        elif way == "drop":
            del content[place : place + int(rng.integers(1, 400))]
        elif way == "splice":
            head = contents[rng.integers(len(contents))]
            content[: int(rng.integers(8, 600))] = head[: int(rng.integers(8, 600))]
        elif way == "swap":
            # Exchanges the names of boxes and chunks, for example.
            n = int(rng.integers(4, 64))
            first, second = content[place : place + n], content[other : other + n]
            content[place : place + n], content[other : other + n] = second, first
        elif way == "header":
            for where in rng.integers(0, min(size, 300), rng.integers(1, 8)):
                content[where] = rng.integers(256)
        else:
            value = int(rng.choice([0, 1, 2**31 - 1, 2**32 - 1, 2**16, 2**24]))
            content[place : place + 4] = value.to_bytes(4, "big")
        if len(content) < 16:
            break
    return bytes(content)


def _work(inbox, outbox):
    while (content := inbox.get()) is not None:
        try:
            outcome = f"{len(read_frames(content, n_frames=4, frame_size=32))} frames"
        except VideoDecodeError:
            outcome = "error"
        except Exception as error:  # reported as a failure
            outcome = repr(error)
        outbox.put((outcome, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024))


def run(n, seed=0, keep=None):
    """Read `n` damaged videos in another process.

    Returns the failures, the number of videos that gave frames, and the growth of the
    process's memory in MiB after the first tenth.
    """
    rng = np.random.default_rng(seed)
    context = multiprocessing.get_context("spawn")
    wrong, n_read, sizes, worker = [], 0, [], None
    with tempfile.TemporaryDirectory() as folder:
        contents = make_seeds(Path(folder))
    for number in range(n):
        if worker is None or not worker.is_alive():
            inbox, outbox = context.Queue(), context.Queue()
            worker = context.Process(target=_work, args=(inbox, outbox), daemon=True)
            worker.start()
            inbox.put(contents[0])
            outbox.get(timeout=60)
        content = damage(contents, rng)
        inbox.put(content)
        begin = time.monotonic()
        outcome = None
        while outcome is None and time.monotonic() - begin < LIMIT and worker.is_alive():
            try:
                outcome, size = outbox.get(timeout=0.2)
            except queue.Empty:
                continue
        if outcome is None:
            outcome = "hangs" if worker.is_alive() else f"dies with {worker.exitcode}"
            worker.kill()
            worker.join()
        else:
            sizes.append(size)
        n_read += outcome.endswith("frames")
        if outcome != "error" and not outcome.endswith("frames"):
            wrong.append((number, outcome))
            if keep:
                (Path(keep) / f"{seed}-{number}").write_bytes(content)
    if worker is not None:
        inbox.put(None)
        worker.join()
    return wrong, n_read, sizes[-1] - sizes[len(sizes) // 10]


if __name__ == "__main__":
    n, seed = (int(text) for text in [*sys.argv[1:], "3000", "0"][:2])
    wrong, n_read, growth = run(n, seed, keep=tempfile.gettempdir())
    print(f"{n} inputs of {len(KINDS)} kinds: {n_read} gave frames, {n - n_read - len(wrong)} an")
    print(f"error, {len(wrong)} neither; memory grew by {growth} MiB after the first tenth.")
    for number, outcome in wrong:
        print(f"  input {number}: {outcome}")
    sys.exit(bool(wrong))
