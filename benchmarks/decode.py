"""Speed of frame reading, compared with plain PyAV, OpenCV, decord and torchcodec.

Run ``python benchmarks/decode.py [ROUNDS]`` in an environment with this package,
opencv-python-headless, decord, torchcodec and FFmpeg's shared libraries. The script
generates clips, times all readers in each round, and prints the medians over the
rounds: milliseconds, and the speed-up of this package over each peer.
"""

import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from os import cpu_count
from pathlib import Path
from statistics import median

import av
import cv2
import decord
import numpy as np
from torchcodec.decoders import VideoDecoder
from torchcodec.transforms import Resize

from skvideo_gru import read_frames
from skvideo_gru.video import uniform_indices

N_FRAMES, SIZE = 20, 224


def ours(path, n_frames):
    """Read with this package."""
    return read_frames(path, n_frames=N_FRAMES, frame_size=SIZE)


def pyav(path, n_frames):
    """Decode all frames with PyAV and convert the sampled ones."""
    sampled = set(uniform_indices(n_frames, N_FRAMES).tolist())
    with av.open(path) as container:
        container.streams.video[0].thread_type = "AUTO"
        return [
            frame.to_ndarray(format="rgb24", width=SIZE, height=SIZE)
            for index, frame in enumerate(container.decode(video=0))
            if index in sampled
        ]


def opencv(path, n_frames):
    """Grab all frames with OpenCV and retrieve the sampled ones."""
    sampled = set(uniform_indices(n_frames, N_FRAMES).tolist())
    capture, frames = cv2.VideoCapture(path), []
    for index in range(n_frames):
        capture.grab()
        if index in sampled:
            small = cv2.resize(capture.retrieve()[1], (SIZE, SIZE), interpolation=cv2.INTER_AREA)
            frames.append(cv2.cvtColor(small, cv2.COLOR_BGR2RGB))
    return frames


def decord_batch(path, n_frames):
    """Read a batch with decord."""
    reader = decord.VideoReader(path, width=SIZE, height=SIZE)
    return reader.get_batch(uniform_indices(n_frames, N_FRAMES)).asnumpy()


def torchcodec_batch(path, n_frames):
    """Read a batch with torchcodec, on as many threads as FFmpeg chooses."""
    decoder = VideoDecoder(
        path,
        dimension_order="NHWC",
        num_ffmpeg_threads=0,
        seek_mode="approximate",  # without a scan of the whole file
        transforms=[Resize((SIZE, SIZE))],
    )
    return decoder.get_frames_at(uniform_indices(n_frames, N_FRAMES).tolist()).data.numpy()


PEERS = {"PyAV": pyav, "OpenCV": opencv, "decord": decord_batch, "torchcodec": torchcodec_batch}


def write(path, codec, width, height, n_frames, **options):
    """Encode a moving texture with a moving block and noise."""
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (height // 8 + 2, width // 8 + 40, 3), dtype=np.uint8)
    texture = coarse.repeat(8, axis=0).repeat(8, axis=1).astype(np.int16)
    side = height // 4
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.options = options
        stream.codec_context.thread_type = "FRAME"  # one slice per frame, as in camera files
        for number in range(n_frames):
            x = 3 * number % 300
            image = texture[:height, x : x + width].copy()
            left = int((width - side) * (0.5 + 0.5 * np.sin(number / 15)))
            image[side : 2 * side, left : left + side] = (255, 40, number % 256)
            image += rng.integers(-4, 5, (height, width, 1), dtype=np.int16)
            pixels = image.clip(0, 255).astype(np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode(None))
    return str(path)


def seconds(read, paths, n_frames):
    """Time one reader; several clips are read by one thread per core."""
    begin = time.perf_counter()
    if len(paths) == 1:
        read(paths[0], n_frames)
    else:
        with ThreadPoolExecutor(cpu_count()) as pool:
            list(pool.map(lambda path: read(path, n_frames), paths))
    return time.perf_counter() - begin


def main(rounds=7):
    """Print a Markdown table."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        small = write(folder / "b.mp4", "libx264", 320, 240, 180)
        cases = {
            "320x240 MPEG-4 AVI, 180 frames": (
                [write(folder / "a.avi", "mpeg4", 320, 240, 180, b="1000000")],
                180,
            ),
            "320x240 H.264, 180 frames": ([small], 180),
            "1080p H.264, 300 frames": (
                [write(folder / "c.mp4", "libx264", 1920, 1080, 300, preset="veryfast")],
                300,
            ),
            "640x360 H.264, 3,000 frames, keyframe every 50": (
                [write(folder / "d.mp4", "libx264", 640, 360, 3000, preset="veryfast", g="50")],
                3000,
            ),
            "64 clips of 320x240 H.264 in parallel": ([small] * 64, 180),
        }
        print(
            "| clip | skvideo_gru | " + " | ".join(PEERS) + " | speed-up over the fastest peer |"
        )
        print("|---|---" + "|---" * len(PEERS) + "|---|")
        for title, (paths, n_frames) in cases.items():
            times = {read: [] for read in (ours, *PEERS.values())}
            for _ in range(int(rounds)):
                for read, taken in times.items():
                    taken.append(seconds(read, paths, n_frames))
            ratios = [
                median(peer / own for peer, own in zip(times[read], times[ours], strict=True))
                for read in PEERS.values()
            ]
            row = [f"{median(times[ours]) * 1e3:.0f} ms"]
            row += [
                f"{median(times[read]) * 1e3:.0f} ms, {ratio:.2f} x"
                for read, ratio in zip(PEERS.values(), ratios, strict=True)
            ]
            print(f"| {title} | " + " | ".join(row) + f" | {min(ratios):.2f} |", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
