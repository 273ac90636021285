"""Random videos with the oddities of real files: ``python tests/video/odd_files.py [N] [SEED]``.

Selected frames are compared with references that use PyAV alone: decoding in order, the parts
of a concatenation one after the other, the previous frame for an empty packet.
"""

import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

import av
import numpy as np

from skvideo_gru import VideoClip, VideoDecodeError, read_frames
from skvideo_gru.video import check_videos
from skvideo_gru.video.in_order import open_frames
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
    "mpeg2video": ["yuv420p", "yuv422p"],
    "ffv1": ["bgr0", "yuv420p"],
}
REORDERING = ("libx264", "libx265", "mpeg4", "mpeg2video")

# What each kind of odd file can be made of.
JOINED = [
    ("libx264", ["ts", "h264"]),
    ("libx265", ["ts", "hevc"]),
    ("mpeg2video", ["mpg", "vob", "ts"]),
    ("mpeg4", ["ts"]),
]
REPEATED = [
    ("mjpeg", ["nut"]),
    ("libvpx", ["nut"]),
    ("mpeg4", ["nut"]),
    ("libx264", ["nut", "mp4"]),
    ("ffv1", ["nut"]),
]
LOSSY = [
    ("libx264", ["mp4", "mkv", "ts", "avi"]),
    ("libx265", ["mp4", "mkv", "ts"]),
    ("mpeg4", ["avi", "mkv"]),
    ("mpeg2video", ["ts", "mpg"]),
    ("libvpx", ["webm"]),
    ("libvpx-vp9", ["webm"]),
    ("mjpeg", ["avi", "mov"]),
]
DECODING_TIMES = [("libx264", ["mp4", "mkv", "flv"]), ("mpeg4", ["mkv", "nut"])]
RAW = ("h264", "hevc")
KINDS = ("plain", "joined", "gap", "repeats", "decoding times", "lost", "lost bytes")


class OddFile(NamedTuple):
    """A video and what it contains."""

    path: Path
    made: str  # how
    frames: np.ndarray | None  # None if PyAV reports an error
    times: np.ndarray | None  # None if they are not known independently
    tolerance: float = 1e-6  # of the times, in seconds


def random_options(codec, rng, *, reorder=True):
    """Choose an encoder's options."""
    options = {"g": str(rng.choice([1, 2, 5, 12, 30, 250]))}
    if codec in REORDERING:
        n_b_frames = rng.integers(0, 4 if codec != "mpeg4" else 2)
        options["bf"] = str(n_b_frames if reorder else 0)
    if codec == "libx264":
        kinds = ["", "open-gop=1", "intra-refresh=1", "tff=1", "bff=1", "fake-interlaced=1"]
        kinds += ["slices=3", "repeat-headers=1"]
        options["x264-params"] = str(rng.choice(kinds))
        options["preset"] = str(rng.choice(["ultrafast", "veryfast", "medium"]))
    if codec == "libx265":
        kinds = ["", ":open-gop=0", ":repeat-headers=1"]
        options["x265-params"] = "log-level=none:pools=none" + str(rng.choice(kinds))
        options["preset"] = "ultrafast"
    if codec == "libsvtav1":
        options["preset"] = "12"
    if codec in ("mpeg2video", "mpeg4") and rng.random() < 0.4:
        options["flags"] = "+ildct+ilme"
    if codec.startswith("libvpx"):
        options |= {"deadline": "realtime", "cpu-used": "8", "auto-alt-ref": str(rng.integers(2))}
    return options


class Encoding(NamedTuple):
    """An encoder and its parameters."""

    codec: str
    pix_fmt: str
    options: dict[str, str]
    rate: int
    size: tuple[int, int]

    @classmethod
    def random(cls, codec, rng, **how):
        """Choose the parameters."""
        pix_fmt = str(rng.choice(PIXELS.get(codec, ["yuv420p"])))
        rate = int(rng.choice([24, 25, 30] if codec == "mpeg2video" else [5, 10, 24, 25, 30]))
        height, width = (int(n) for n in 4 * rng.integers(16, 30, 2))
        return cls(codec, pix_fmt, random_options(codec, rng, **how), rate, (height, width))

    def write(self, path, rng, n_frames, *, begin=0, variable=False, gap=0):
        """Encode moving texture from frame number `begin` on, with a gap in the middle."""
        height, width = self.size
        with av.open(str(path), "w") as container:
            stream = container.add_stream(self.codec, rate=self.rate)
            stream.width, stream.height, stream.pix_fmt = width, height, self.pix_fmt
            stream.options = self.options
            stream.codec_context.thread_count = int(rng.integers(1, 3))
            texture = rng.integers(0, 256, (height, width + 2 * n_frames, 3), dtype=np.uint8)
            texture[::2] = texture[1::2]
            pts = begin
            for number in range(n_frames):
                pixels = np.ascontiguousarray(texture[:, 2 * number : 2 * number + width])
                frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
                frame.pts = pts
                pts += int(rng.choice([1, 1, 1, 2, 5])) if variable else 1
                pts += gap * (number == n_frames // 2)
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))


def decode_in_order(path, *, skip_errors=False):
    """Every frame and its time from the first one, by PyAV alone."""
    frames, times, n_repeats = [], [], 0
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.codec_context.thread_count = 1
        for packet in container.demux(stream):
            if not packet.size and packet.pts is not None:
                n_repeats += 1
                continue
            for frame in packet.decode():
                frames.append(frame.to_ndarray(format="rgb24"))
                times.append(np.nan if frame.time is None else frame.time)
    assert not n_repeats
    return np.stack(frames), np.array(times) - times[0]


def _choose(table, rng):
    codec, containers = table[rng.integers(len(table))]
    return codec, str(rng.choice(containers))


def plain_clip(folder, rng):
    """A clip of any codec, at variable frame rate where the container allows it."""
    codec, suffix = _choose(CODECS, rng)
    path = folder / f"clip.{suffix}"
    encoding = Encoding.random(codec, rng)
    variable = suffix in ("mkv", "mp4", "mov", "webm")
    encoding.write(path, rng, int(rng.integers(1, 90)), variable=variable)
    return OddFile(path, f"plain {suffix} {encoding}", *decode_in_order(path))


def joined_clip(folder, rng):
    """Two or three clips in one file, whose timestamps restart or jump."""
    codec, suffix = _choose(JOINED, rng)
    path = folder / f"clip.{suffix}"
    encoding = Encoding.random(codec, rng)
    frames, times, offsets, end = [], [], [], 0.0
    content = b""
    for number in range(rng.integers(2, 4)):
        part = folder / f"part{number}.{suffix}"
        offset = int(rng.choice([0, 0, 40, 100, 1000])) if suffix in ("ts", "mpg", "vob") else 0
        n_frames = int(rng.integers(2, 50))
        encoding.write(part, rng, n_frames, begin=offset * encoding.rate)
        content += part.read_bytes()
        shown, _ = decode_in_order(part)
        frames.append(shown)
        times.append(np.arange(len(shown)) / encoding.rate + end)
        end += len(shown) / encoding.rate
        offsets.append((offset, n_frames))
    path.write_bytes(content)
    made = f"joined {suffix} {encoding} offset, frames {offsets}"
    expected = None if suffix in RAW else np.concatenate(times)
    # Decoding times are joined, and the delay of presentation can differ between the parts.
    return OddFile(path, made, np.concatenate(frames), expected, 3.01 / encoding.rate)


def clip_with_gap(folder, rng):
    """Timestamps that jump forwards, which is a pause except in streams for broadcasting."""
    codec, suffix = _choose([("libx264", ["mp4", "mkv", "ts"]), ("mpeg2video", ["ts"])], rng)
    path = folder / f"clip.{suffix}"
    encoding = Encoding.random(codec, rng)
    seconds = int(rng.choice([1, 15, 100]))
    n_frames = int(rng.integers(2, 60))
    encoding.write(path, rng, n_frames, gap=seconds * encoding.rate)
    frames, times = decode_in_order(path)
    if suffix == "ts" and seconds > 10:
        times = np.arange(n_frames) / encoding.rate
    made = f"gap {suffix} {encoding} {n_frames} frames, {seconds} s"
    return OddFile(path, made, frames, times, 0.01)


def _remuxed(path, source, change, to=None):
    """Copy packets, of which `change` makes others."""
    with av.open(str(source)) as container, av.open(str(path), "w", format=to) as copy:
        stream = container.streams.video[0]
        target = copy.add_stream_from_template(stream)
        packets = [p for p in container.demux(stream) if p.dts is not None]
        for packet in change(packets):
            packet.stream = target
            copy.mux(packet)


def clip_with_repeats(folder, rng):
    """Empty packets among those of a codec without reordering."""
    codec, suffix = _choose(REPEATED, rng)
    source, path = folder / "source.mkv", folder / f"clip.{suffix}"
    encoding = Encoding.random(codec, rng, reorder=False)
    options = encoding.options | {"tune": "zerolatency"} if codec == "libx264" else None
    encoding = encoding._replace(options=options or encoding.options)
    encoding.write(source, rng, int(rng.integers(1, 50)))
    share = rng.random()

    def with_empty(packets):
        base = packets[0].time_base  # muxing a packet changes its own
        step = 1 / float(encoding.rate * base)
        place = 0
        for packet in packets:
            packet.pts = packet.dts = round(place * step)
            yield packet
            place += 1
            while rng.random() < share * 0.7:
                empty = av.Packet(b"")
                empty.time_base = base
                empty.pts = empty.dts = round(place * step)
                yield empty
                place += 1

    _remuxed(path, source, with_empty)
    decoded = iter(decode_in_order(source)[0])
    frames, times = [], []
    with av.open(str(path)) as container:
        for packet in container.demux(video=0):
            if packet.size or packet.pts is not None:
                frames.append(next(decoded) if packet.size else frames[-1])
                times.append(float(packet.pts * packet.time_base))
    made = f"repeats {suffix} {encoding} {len(frames)} frames, share {share:.2f}"
    return OddFile(path, made, np.stack(frames), np.array(times) - times[0], 1e-6)


def clip_with_decoding_times(folder, rng):
    """B-frames whose presentation times equal their decoding times."""
    codec, suffix = _choose(DECODING_TIMES, rng)
    source, path = folder / "source.mp4", folder / f"clip.{suffix}"
    encoding = Encoding.random(codec, rng)
    encoding.write(source, rng, int(rng.integers(2, 60)))

    def by_decoding_time(packets):
        for packet in packets:
            packet.pts = packet.dts
            yield packet

    _remuxed(path, source, by_decoding_time)
    made = f"decoding times {suffix} {encoding}"
    return OddFile(path, made, decode_in_order(path)[0], None)


def _outcome(path, made):
    try:
        return OddFile(path, made, decode_in_order(path)[0], None)
    except (av.error.FFmpegError, ValueError):  # an error, or no frame at all
        return OddFile(path, made, None, None)


def clip_with_lost_packets(folder, rng):
    """Some packets are missing."""
    codec, suffix = _choose(LOSSY, rng)
    source, path = folder / f"source.{suffix}", folder / f"clip.{suffix}"
    encoding = Encoding.random(codec, rng)
    encoding.write(source, rng, int(rng.integers(4, 60)))
    share = rng.choice([0.02, 0.1, 0.4])
    _remuxed(path, source, lambda packets: [p for p in packets if rng.random() > share] or packets)
    return _outcome(path, f"lost {suffix} {encoding} share {share}")


def clip_with_lost_bytes(folder, rng):
    """Some transport packets of 188 bytes are missing."""
    codec = str(rng.choice(["libx264", "libx265", "mpeg2video"]))
    path = folder / "clip.ts"
    encoding = Encoding.random(codec, rng)
    encoding.write(path, rng, int(rng.integers(4, 60)))
    content = path.read_bytes()
    packets = [content[i : i + 188] for i in range(0, len(content), 188)]
    share = rng.choice([0.002, 0.02])
    kept = [p for number, p in enumerate(packets) if number < 5 or rng.random() > share]
    path.write_bytes(b"".join(kept))
    return _outcome(path, f"lost bytes ts {encoding} share {share}")


MAKERS = {
    "plain": plain_clip,
    "joined": joined_clip,
    "gap": clip_with_gap,
    "repeats": clip_with_repeats,
    "decoding times": clip_with_decoding_times,
    "lost": clip_with_lost_packets,
    "lost bytes": clip_with_lost_bytes,
}


def random_policy(rng):
    """Choose a sampling policy."""
    return {
        "sampling": str(rng.choice(["uniform", "fps", "dense", "random", "all"])),
        "n_frames": int(rng.integers(1, 25)),
        "fps": float(rng.choice([0.5, 2, 7.3])),
        "stride": int(rng.integers(1, 6)),
        "seed": int(rng.integers(100)),
    }


def disagreements(odd, rng, n_policies=10):
    """List how the package's frames and times of a file differ from the reference."""
    report = next(check_videos([odd.path]))
    if odd.frames is None:
        # Damage is reported by `check`, and by reading if a selected frame depends on it.
        return [] if report["reason"] else [f"PyAV fails, check reports {report}"]
    if report["reason"] or report["n_frames"] != len(odd.frames):
        return [f"check reports {report}, the reference has {len(odd.frames)} frames"]
    if report["missing_frames"]:
        return []  # a limit that `check` reports: the index counts frames that are not shown
    with open_frames(odd.path, allow_partial=False) as opened:
        times = np.array([np.nan if frame.time is None else frame.time for frame in opened.frames])
        rate = opened.rate
    times = times - (0 if np.isnan(times[0]) else times[0])
    times = np.where(np.isnan(times), np.arange(len(times)) / rate, times)
    wrong: list[Any] = []
    if odd.times is not None and (error := np.abs(times - odd.times).max()) > odd.tolerance:
        wrong.append(f"times differ by {error:.3f} s, of {times[-1]:.3f} s")
    for _ in range(n_policies):
        policy = random_policy(rng)
        start, end = sorted(rng.random(2) * (times.max() + 0.04))
        whole = rng.random() < 0.5
        # Decoding stops at the first frame at or after the end; times can go backwards.
        late = np.flatnonzero(times >= end)
        n_read = len(times) if whole or not len(late) else late[0] + 1
        chosen = select_frames(
            times[:n_read], **policy, start=None if whole else start, end=None if whole else end
        )
        video = odd.path if whole else VideoClip(odd.path, start, end)
        try:
            frames = read_frames(video, **policy)
        except VideoDecodeError:  # right if no frame is expected
            frames = []
        expected = odd.frames[chosen]
        same = np.array_equal(frames, expected) if len(frames) else not len(expected)
        if not same:
            wrong.append((policy, None if whole else (start, end)))
    return wrong


def is_concealed_loss(odd):
    """Whether a difference can be due to lost packets, which `check` reports.

    What decoders show for a frame whose references are lost depends on what they decoded
    before.
    """
    report = next(check_videos([odd.path]))
    n_signs = report["gaps"] + report["missing_frames"] + report["corrupt_frames"]
    return odd.made.startswith("lost") and n_signs > 0


def make(folder, seed):
    """Make the odd file of a seed; return it and the generator for what follows."""
    rng = np.random.default_rng(seed)
    return MAKERS[KINDS[seed % len(KINDS)]](Path(folder), rng), rng


if __name__ == "__main__":
    n, first = (int(text) for text in [*sys.argv[1:], "1000", "0"][:2])
    counts, errors, failed = Counter(), 0, 0
    for seed in range(first, first + n):
        with tempfile.TemporaryDirectory() as folder:
            try:
                odd, rng = make(folder, seed)
            except Exception as error:
                print(f"{seed}: cannot be made: {error!r}", flush=True)
                counts["not made"] += 1
                continue
            counts[KINDS[seed % len(KINDS)]] += 1
            errors += odd.frames is None
            wrong = disagreements(odd, rng)
            if wrong and is_concealed_loss(odd):
                counts["concealed losses differ"] += 1
            elif wrong:
                failed += 1
                print(f"{seed}: {odd.made}: {wrong}"[:600], flush=True)
    print(f"{n} files {dict(counts)}: {errors} corrupt for PyAV, {failed} disagree.")
    sys.exit(bool(failed))
