"""Resident memory over many reads: ``python benchmarks/memory.py [READS]``.

The script reads complete and truncated clips of several formats in turn and prints the
resident memory after the first tenth of the reads and at the end.
"""

import os
import sys
import tempfile
from pathlib import Path

import numpy as np

from skvideo_gru import VideoDecodeError, read_frames
from skvideo_gru.datasets.generated import write_video

KINDS = [
    ("a.mp4", "libx264", "yuv420p"),
    ("b.mkv", "libx265", "yuv420p"),
    ("c.avi", "mpeg4", "yuv420p"),
    ("d.webm", "libvpx-vp9", "yuv420p"),
    ("e.gif", "gif", "rgb8"),
]


def resident():
    """Return the process's resident memory in MiB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def main(n_reads=2000):
    """Read clips and print the resident memory."""
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 256, (60, 12, 16, 3), dtype=np.uint8).repeat(20, 1).repeat(20, 2)
    with tempfile.TemporaryDirectory() as folder:
        paths = []
        for name, codec, pix_fmt in KINDS:
            options = {"x265-params": "log-level=none"} if codec == "libx265" else {}
            write_video(f"{folder}/{name}", frames, codec=codec, pix_fmt=pix_fmt, options=options)
            paths.append(f"{folder}/{name}")
        truncated = Path(paths[0]).read_bytes()[:2000]
        before = 0.0
        for number in range(int(n_reads)):
            if number == int(n_reads) // 10:
                before = resident()
            read_frames(paths[number % len(paths)], n_frames=8, frame_size=64)
            try:
                read_frames(truncated)
            except VideoDecodeError:
                continue
    print(f"{n_reads} reads: {before:.1f} MiB after the first tenth, {resident():.1f} at the end")


if __name__ == "__main__":
    main(*sys.argv[1:])
