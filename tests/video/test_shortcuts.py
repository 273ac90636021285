"""Frames decoded by shortcuts equal those of decoding everything in order."""

import os

import av
import numpy as np
import pytest

from skvideo_gru import VideoClip, VideoDecodeError, read_frames
from skvideo_gru.video import decoding
from skvideo_gru.video.sampling import select_frames

CODECS = [
    ("libx264", ["mp4", "mkv", "mov", "avi", "ts", "flv"]),
    ("libx264", ["mp4", "mkv"]),
    ("libx265", ["mp4", "mkv", "ts"]),
    ("libvpx-vp9", ["webm", "mp4"]),
    ("libvpx", ["webm"]),
    ("libsvtav1", ["mkv", "mp4"]),
    ("mpeg4", ["avi", "mp4", "mkv"]),
    ("mpeg2video", ["mpg", "ts", "mkv"]),
    ("mjpeg", ["avi", "mov"]),
    ("ffv1", ["mkv", "avi"]),
    ("gif", ["gif"]),
]
PIXELS = {
    "mjpeg": ["yuvj420p", "yuvj444p"],
    "gif": ["rgb8"],
    "libx264": ["yuv420p", "yuv444p", "yuv420p10le"],
    "libx265": ["yuv420p", "yuv420p10le"],
    "libsvtav1": ["yuv420p"],
    "ffv1": ["bgr0", "yuv420p"],
}


def random_clip(folder, rng):
    """Encode a random clip; return its path and a description."""
    codec, containers = CODECS[rng.integers(len(CODECS))]
    path = folder / f"clip.{rng.choice(containers)}"
    width, height = (int(n) for n in 4 * rng.integers(16, 30, 2))
    n_frames = int(rng.integers(1, 90))
    gop = int(rng.choice([1, 2, 5, 12, 30, 250]))
    options = {"g": str(gop)}
    if codec in ("libx264", "libx265", "mpeg4", "mpeg2video"):
        options["bf"] = str(rng.integers(0, 4 if codec != "mpeg4" else 2))
    if codec == "libx264":
        kinds = ["", "open-gop=1", "intra-refresh=1", "tff=1", "slices=3", "repeat-headers=1"]
        options["x264-params"] = str(rng.choice(kinds))
        options["preset"] = str(rng.choice(["ultrafast", "veryfast", "medium"]))
    if codec == "libx265":
        kinds = ["", ":open-gop=0", ":repeat-headers=1"]
        options["x265-params"] = "log-level=none" + str(rng.choice(kinds))
        options["preset"] = "ultrafast"
    if codec == "libsvtav1":
        options["preset"] = "12"
    if codec.startswith("libvpx"):
        options |= {"deadline": "realtime", "cpu-used": "8", "auto-alt-ref": str(rng.integers(2))}
    rate = int(rng.choice([5, 10, 24, 25, 30]))
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate)
        stream.width, stream.height = width, height
        stream.pix_fmt = str(rng.choice(PIXELS.get(codec, ["yuv420p"])))
        stream.options = options
        if rng.random() < 0.5:
            stream.codec_context.thread_type = "FRAME"
        texture = rng.integers(0, 256, (height, width + 200, 3), dtype=np.uint8)
        texture[::2] = texture[1::2]
        pts = 0
        for number in range(n_frames):
            pixels = np.ascontiguousarray(texture[:, 2 * number : 2 * number + width])
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            if path.suffix in (".mkv", ".mp4", ".mov", ".webm"):
                # Variable frame rate.
                frame.pts = pts
                pts += int(rng.choice([1, 1, 1, 2, 5]))
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path, f"{path.suffix} {codec} {stream.pix_fmt} {options} {n_frames} frames"


def decode_in_order(path):
    """Every frame and its time from the first one, by PyAV alone."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        frames, times = [], []
        for frame in container.decode(stream):
            frames.append(frame.to_ndarray(format="rgb24"))
            times.append(frame.time)
    return np.stack(frames), np.array(times) - times[0]


@pytest.mark.parametrize("seed", range(int(os.environ.get("SKVIDEO_GRU_CLIPS", 50))))
def test_shortcuts_equal_full_decoding(tmp_path, seed):
    rng = np.random.default_rng(seed)
    path, made = random_clip(tmp_path, rng)
    reference, times = decode_in_order(path)
    for _ in range(10):
        policy = {
            "sampling": str(rng.choice(["uniform", "fps", "dense", "random", "all"])),
            "n_frames": int(rng.integers(1, 25)),
            "fps": float(rng.choice([0.5, 2, 7.3])),
            "stride": int(rng.integers(1, 6)),
            "seed": int(rng.integers(100)),
        }
        start, end = sorted(rng.random(2) * (times[-1] + 0.04)) if rng.random() < 0.5 else (0, 99)
        expected = reference[select_frames(times, **policy, start=start, end=end)]
        video = VideoClip(path, start, end) if (start, end) != (0, 99) else path
        try:
            frames = read_frames(video, **policy)
        except VideoDecodeError:
            frames = []
        assert np.array_equal(frames, expected) or len(frames) == len(expected) == 0, (
            made,
            policy,
            start,
            end,
        )


def test_few_frames_of_a_long_clip_cost_little(tmp_path, monkeypatch):
    path = tmp_path / "long.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width = stream.height = 64
        stream.options = {"g": "50", "bf": "0", "preset": "ultrafast"}
        for number in range(1000):
            pixels = np.full((64, 64, 3), number % 256, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode(None))
    decoded = []
    is_unexpected = decoding._is_unexpected
    monkeypatch.setattr(
        decoding,
        "_is_unexpected",
        lambda frame, shown: decoded.append(0) or is_unexpected(frame, shown),
    )
    frames = read_frames(path, n_frames=4)
    np.testing.assert_array_equal(frames, decode_in_order(path)[0][[125, 375, 625, 875]])
    # Starting at the keyframes 100, 350, 600 and 850.
    assert len(decoded) == 4 * 26
