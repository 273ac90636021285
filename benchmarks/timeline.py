"""Speed and memory of `predict_timeline`: ``python benchmarks/timeline.py [MODALITY] [ROUNDS]``.

The script generates 10 minutes of 640x360 H.264 video and an untrained model, with the modality
``rgb`` (default) or ``motion``. In each round it times, one after the other,

- `predict_timeline` with windows of 10 s, one per second,
- `predict_proba` on every 20th of these windows as a `VideoClip`, scaled to all of them,
- `transform` of two frames per second of the whole recording, each decoded and embedded once.

It prints the medians. Then it prints by how much `predict_timeline` increases the resident memory
of a process, for the first minute, for 10 minutes, and for a file of 5 hours.
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import av
import numpy as np

from skvideo_gru import VideoClip, make_video_classifier, predict_timeline

WINDOW, STEP, SECONDS, RATE = 10.0, 1.0, 600, 25

# Run in a process of its own.
PEAK = """
import sys
import psutil
sys.path.insert(0, {folder!r})
from timeline import WINDOW, STEP, fitted
from skvideo_gru import VideoClip, predict_timeline
pipe = fitted({modality!r})
resident = psutil.Process().memory_info
before = resident().rss
used = [resident().rss for _ in predict_timeline(pipe, {video}, window=WINDOW, step=STEP)]
print(len(used), (max(used) - before) / 2**20)
"""


def write_recording(path):
    """Encode a moving texture with a block that moves at changing speeds."""
    rng = np.random.default_rng(0)
    texture = rng.integers(0, 256, (46, 130, 3), dtype=np.uint8).repeat(8, 0).repeat(8, 1)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=RATE)
        stream.width, stream.height, stream.pix_fmt = 640, 360, "yuv420p"
        stream.options = {"preset": "veryfast"}
        for number in range(SECONDS * RATE):
            image = texture[:360, number % 300 : number % 300 + 640].copy()
            left = int(560 * (0.5 + 0.5 * np.sin(number**1.1 / 40)))
            image[140:220, left : left + 80] = (255, 40, number % 256)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode(None))


def repeat_packets(source, path, n_times):
    """Write the packets of a file several times, one after the other."""
    with av.open(str(path), "w") as out:
        target = None
        for number in range(n_times):
            with av.open(str(source)) as container:
                stream = container.streams.video[0]
                if target is None:
                    target = out.add_stream_from_template(stream)
                shift = int(number * SECONDS / stream.time_base)
                for packet in container.demux(stream):
                    if packet.size:
                        packet.pts, packet.dts = packet.pts + shift, packet.dts + shift
                        packet.stream = target
                        out.mux(packet)


def fitted(modality):
    """Fit a classifier with an untrained backbone."""
    rng = np.random.default_rng(0)
    clips = list(rng.integers(0, 256, (8, 20, 36, 64, 3), dtype=np.uint8))
    pipe = make_video_classifier(
        random_state=0, features__max_epochs=0, features__modality=modality, gru__max_epochs=1
    )
    return pipe.fit(clips, ["a", "b"] * 4)


def seconds(function):
    """Time a function."""
    begin = time.perf_counter()
    function()
    return time.perf_counter() - begin


def main(modality="rgb", rounds=3):
    """Print a Markdown table and the peak memory."""
    with tempfile.TemporaryDirectory() as folder:
        video = Path(folder, "recording.mp4")
        write_recording(video)
        pipe = fitted(modality)
        once = fitted(modality)["features"]
        once.set_params(sampling="fps", fps=2.0, n_frames=2 * SECONDS)
        n_windows = round((SECONDS - WINDOW) / STEP) + 1
        starts = np.arange(n_windows)[::20] * STEP
        some = [VideoClip(video, start, start + WINDOW) for start in starts.tolist()]
        pipe.predict_proba(some[:1])  # build the networks
        once.transform([VideoClip(video, end=1)])
        ways = {
            "predict_timeline": lambda: list(
                predict_timeline(pipe, video, window=WINDOW, step=STEP)
            ),
            "predict_proba on the windows": lambda: pipe.predict_proba(some),
            "sampled frames once": lambda: once.transform([video]),
        }
        times = {name: [] for name in ways}
        for _ in range(int(rounds)):
            for name, run in ways.items():
                scale = n_windows / len(some) if name.startswith("predict_proba") else 1
                times[name].append(scale * seconds(run))
        own = times["predict_timeline"]
        print(f"| {modality}, {n_windows} windows | seconds | relative to predict_timeline |")
        print("|---|---|---|")
        for name, taken in times.items():
            ratio = median(other / one for other, one in zip(taken, own, strict=True))
            print(f"| {name} | {median(taken):.1f} | {ratio:.2f} |")
        longer = Path(folder, "longer.mp4")
        repeat_packets(video, longer, 30)
        for part in (f"VideoClip({str(video)!r}, 0, 60)", repr(str(video)), repr(str(longer))):
            script = PEAK.format(folder=str(Path(__file__).parent), modality=modality, video=part)
            done = subprocess.run(
                [sys.executable, "-c", script], capture_output=True, text=True, check=True
            )
            n, peak = done.stdout.split()
            print(f"{n} windows: {float(peak):.0f} MiB more")


if __name__ == "__main__":
    main(*sys.argv[1:])
