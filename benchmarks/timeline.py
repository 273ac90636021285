"""Speed and memory of `predict_timeline`, and the delay of `LiveClassifier`.

Run ``python benchmarks/timeline.py [MODALITY...] [--rounds N] [--seconds S] [--hours H]``. The
script generates S seconds (default 600) of 640x360 H.264 video and an untrained model for each
modality, by default ``rgb`` and ``motion``. In each round it times, one after the other,

- `predict_timeline` with windows of 10 s, one per second,
- `predict_proba` on every 20th of these windows as a `VideoClip`, scaled to all of them,
- `transform` of two frames per second of the whole recording, each decoded and embedded once.

A Markdown table shows the medians, and the medians of the ratios within a round. A second table
shows by how much `predict_timeline` increases the resident memory of a process for the first
minute of the file, for the whole file, and for a file of H hours (default 5), which repeats the
packets of the first one. A third table shows how long `LiveClassifier` takes for a frame of the
first minute, on one thread, with images of 64 pixels. ``--rounds 0`` omits the first table, and
``--hours 0`` the long file.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import av
import numpy as np
import torch

from skvideo_gru import LiveClassifier, VideoClip, make_video_classifier, predict_timeline

WINDOW, STEP, RATE = 10.0, 1.0, 25

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


def write_recording(path, n_seconds):
    """Encode a moving texture with a block that moves at changing speeds."""
    rng = np.random.default_rng(0)
    texture = rng.integers(0, 256, (46, 130, 3), dtype=np.uint8).repeat(8, 0).repeat(8, 1)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=RATE)
        stream.width, stream.height, stream.pix_fmt = 640, 360, "yuv420p"
        stream.options = {"preset": "veryfast"}
        for number in range(n_seconds * RATE):
            image = texture[:360, number % 300 : number % 300 + 640].copy()
            left = int(560 * (0.5 + 0.5 * np.sin(number**1.1 / 40)))
            image[140:220, left : left + 80] = (255, 40, number % 256)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode(None))


def repeat_packets(source, path, n_seconds, n_times):
    """Write the packets of a file several times, one after the other."""
    with av.open(str(path), "w") as out:
        target = None
        for number in range(n_times):
            with av.open(str(source)) as container:
                stream = container.streams.video[0]
                if target is None:
                    target = out.add_stream_from_template(stream)
                shift = int(number * n_seconds / stream.time_base)
                for packet in container.demux(stream):
                    if packet.size:
                        packet.pts, packet.dts = packet.pts + shift, packet.dts + shift
                        packet.stream = target
                        out.mux(packet)


def fitted(modality, frame_size=None):
    """Fit a classifier with an untrained backbone."""
    rng = np.random.default_rng(0)
    clips = list(rng.integers(0, 256, (8, 20, 36, 64, 3), dtype=np.uint8))
    pipe = make_video_classifier(random_state=0, features__max_epochs=0, gru__max_epochs=1)
    pipe.set_params(features__modality=modality, features__frame_size=frame_size)
    return pipe.fit(clips, ["a", "b"] * 4)


def seconds(function):
    """Time a function."""
    begin = time.perf_counter()
    function()
    return time.perf_counter() - begin


def measure_speed(modality, video, n_seconds, rounds):
    """Print a row for each way to predict a recording."""
    pipe = fitted(modality)
    once = fitted(modality)["features"]
    once.set_params(sampling="fps", fps=2.0, n_frames=2 * n_seconds)
    n_windows = round((n_seconds - WINDOW) / STEP) + 1
    starts = np.arange(n_windows)[::20] * STEP
    some = [VideoClip(video, start, start + WINDOW) for start in starts.tolist()]
    pipe.predict_proba(some[:1])  # build the networks
    once.transform([VideoClip(video, end=1)])
    ways = {
        "predict_timeline": lambda: list(predict_timeline(pipe, video, window=WINDOW, step=STEP)),
        "predict_proba on the windows": lambda: pipe.predict_proba(some),
        "sampled frames once": lambda: once.transform([video]),
    }
    times = {name: [] for name in ways}
    for _ in range(rounds):
        for name, run in ways.items():
            scale = n_windows / len(some) if name.startswith("predict_proba") else 1
            times[name].append(scale * seconds(run))
    own = times["predict_timeline"]
    for name, taken in times.items():
        ratio = median(other / one for other, one in zip(taken, own, strict=True))
        row = f"| {modality} | {name} | {n_windows} | {median(taken):.1f} | {ratio:.2f} |"
        print(row, flush=True)


def measure_memory(modality, duration, video):
    """Print a row with the memory for one video, given as an expression."""
    script = PEAK.format(folder=str(Path(__file__).parent), modality=modality, video=video)
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    n, peak = done.stdout.split()
    print(f"| {modality} | {duration} | {n} | {float(peak):.0f} MiB |", flush=True)


def measure_live(modality, video):
    """Print a row with the times of the pushes of frames, without their decoding."""
    live = LiveClassifier(fitted(modality, frame_size=64), window=WINDOW, step=STEP)
    times, n_windows = [], 0
    with av.open(str(video)) as container:
        for number, frame in enumerate(container.decode(video=0)):
            if number == 60 * RATE:
                break
            image = frame.to_ndarray(format="rgb24")
            begin = time.perf_counter()
            n_windows += len(live.push(frame.time, image))
            times.append(time.perf_counter() - begin)
    rate, slowest = len(times) / sum(times), 1000 * max(times)
    row = f"{n_windows} | {1000 * median(times):.1f} ms | {slowest:.0f} ms | {rate:.0f}"
    print(f"| {modality} | {row} |", flush=True)


def main():
    """Generate the recordings and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("modality", nargs="*", default=["rgb", "motion"], help="rgb or motion")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=600)
    parser.add_argument("--hours", type=float, default=5)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        video = Path(folder, "recording.mp4")
        write_recording(video, args.seconds)
        if args.rounds:
            print("| modality | way | windows | seconds | relative to predict_timeline |")
            print("|---|---|---|---|---|")
            for modality in args.modality:
                measure_speed(modality, video, args.seconds, args.rounds)
        recordings = {
            "60 s": f"VideoClip({str(video)!r}, 0, 60)",
            f"{args.seconds} s": repr(str(video)),
        }
        if args.hours:
            longer = Path(folder, "longer.mp4")
            n_times = round(args.hours * 3600 / args.seconds)
            repeat_packets(video, longer, args.seconds, n_times)
            recordings[f"{args.hours:g} h"] = repr(str(longer))
        print("\n| modality | recording | windows | more memory |")
        print("|---|---|---|---|")
        for modality in args.modality:
            for duration, expression in recordings.items():
                measure_memory(modality, duration, expression)
        torch.set_num_threads(1)
        print("\n| modality | windows | median frame | slowest frame | frames per second |")
        print("|---|---|---|---|---|")
        for modality in args.modality:
            measure_live(modality, video)


if __name__ == "__main__":
    main()
