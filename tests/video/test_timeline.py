"""Timestamps that restart or jump, empty packets, interlaced flags."""

import re
import shutil
import subprocess

import av
import numpy as np
import pytest
from conftest import check_video

from skvideo_gru import VideoClip, read_frames
from skvideo_gru.datasets.generated import write_video

WHITE, BLACK = 255, 0


def write_grey(path, value, seconds, *, codec="libx264", begin=0.0, gap=0.0, at=None, bf=2):
    """Write frames of one brightness at 10 per second, pausing before frame `at`."""
    with av.open(str(path), "w") as container:
        rate = 25 if codec == "mpeg2video" else 10
        stream = container.add_stream(codec, rate=rate)
        stream.width = stream.height = 64
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        if codec != "mjpeg":
            stream.options = {"bf": str(bf), "g": "10"}
        for number in range(round(seconds * rate)):
            shown = value if at is None or number < at * rate else 255 - value
            frame = av.VideoFrame.from_ndarray(np.full((64, 64, 3), shown, np.uint8), "rgb24")
            late = gap if at is not None and number >= at * rate else 0
            frame.pts = number + round((begin + late) * rate)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def brightness(video, **policy):
    """Name each frame W or B."""
    means = read_frames(video, frame_size=8, **policy).mean(axis=(1, 2, 3))
    assert all(min(mean, 255 - mean) < 20 for mean in means)
    return "".join("W" if mean > 128 else "B" for mean in means)


def joined(folder, suffix, codec, begins=(0, 0), values=(WHITE, BLACK)):
    content = b""
    for number, (begin, value) in enumerate(zip(begins, values, strict=True)):
        part = folder / f"{number}.{suffix}"
        write_grey(part, value, 20, codec=codec, begin=begin)
        content += part.read_bytes()
    path = folder / f"joined.{suffix}"
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    ("suffix", "codec"),
    [("ts", "libx264"), ("ts", "mpeg2video"), ("mpg", "mpeg2video"), ("vob", "mpeg2video")],
)
@pytest.mark.parametrize("begins", [(0, 0), (0, 120), (300, 0)], ids=["restart", "+100", "back"])
def test_timestamps_of_joined_streams_are_continuous(tmp_path, suffix, codec, begins):
    path = joined(tmp_path, suffix, codec, begins)
    report = check_video(path)
    assert report["timestamp_jumps"] == 1
    assert report["seconds"] == pytest.approx(40, abs=0.2)
    assert brightness(VideoClip(path, 12, 13), n_frames=4) == "WWWW"
    assert brightness(VideoClip(path, 25, 30), n_frames=4) == "BBBB"
    assert brightness(VideoClip(path, 18, 22), n_frames=4) == "WWBB"
    assert brightness(path, sampling="fps", fps=1, n_frames=60) == "W" * 20 + "B" * 20
    assert brightness(path, n_frames=8) == "WWWWBBBB"


def test_timestamps_that_restart_twice(tmp_path):
    path = joined(tmp_path, "ts", "libx264", (0, 0, 0), (WHITE, BLACK, WHITE))
    assert check_video(path)["timestamp_jumps"] == 2
    assert brightness(path, sampling="fps", fps=0.5, n_frames=60) == "W" * 10 + "B" * 10 + "W" * 10
    assert brightness(VideoClip(path, 45, 50), n_frames=3) == "WWW"


@pytest.mark.parametrize("suffix", ["h264", "mjpeg"])
def test_joined_streams_without_timestamps(tmp_path, suffix):
    path = joined(tmp_path, suffix, "libx264" if suffix == "h264" else "mjpeg")
    assert check_video(path)["n_frames"] == 400
    assert brightness(path, n_frames=8) == "WWWWBBBB"


@pytest.mark.parametrize(("codec", "bf"), [("libx264", 0), ("libx264", 3), ("mpeg2video", 2)])
@pytest.mark.parametrize("at", [5, 9.9])
def test_an_encoder_whose_clock_jumps(tmp_path, codec, bf, at):
    # Presentation times jump some packets before decoding times.
    write_grey(tmp_path / "a.ts", WHITE, 10, codec=codec, bf=bf, gap=100, at=at)
    report = check_video(tmp_path / "a.ts")
    assert report["timestamp_jumps"] == 1
    assert report["seconds"] == pytest.approx(10, abs=0.2)
    assert re.fullmatch("W+B+", brightness(tmp_path / "a.ts", sampling="all"))
    sampled = brightness(tmp_path / "a.ts", sampling="fps", fps=10, n_frames=200)
    assert abs(len(sampled) - 100) <= 1


def test_a_pause_in_a_file_with_an_index_remains(tmp_path):
    write_grey(tmp_path / "a.mp4", WHITE, 10, gap=100, at=5)
    report = check_video(tmp_path / "a.mp4")
    assert (report["timestamp_jumps"], round(report["seconds"])) == (0, 110)


@pytest.mark.parametrize("codec", ["mjpeg", "libvpx", "ffv1"])
def test_empty_packets_repeat_the_frame_before_them(tmp_path, codec):
    frames = np.stack([np.full((64, 64, 3), 25 * i, np.uint8) for i in range(10)])
    pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
    write_video(tmp_path / "a.mkv", frames, codec=codec, pix_fmt=pix_fmt, rate=10)
    with (
        av.open(str(tmp_path / "a.mkv")) as source,
        av.open(str(tmp_path / "b.nut"), "w") as copy,
    ):
        stream = copy.add_stream_from_template(source.streams.video[0])
        packets = [packet for packet in source.demux(video=0) if packet.size]
        for number, packet in enumerate(packets):
            empty = av.Packet(b"")
            empty.time_base = packet.time_base
            assert float(100 * packet.time_base) == 0.1
            packet.pts = packet.dts = 200 * number
            empty.pts = empty.dts = 200 * number + 100
            for each in (packet, empty):
                each.stream = stream
                copy.mux(each)
    plain = read_frames(tmp_path / "a.mkv", sampling="all")
    np.testing.assert_array_equal(
        read_frames(tmp_path / "b.nut", sampling="all"), plain.repeat(2, axis=0)
    )
    np.testing.assert_array_equal(
        read_frames(VideoClip(tmp_path / "b.nut", 0.6, 0.9), sampling="all"), plain[[3, 3, 4]]
    )
    report = check_video(tmp_path / "b.nut")
    assert (report["reason"], report["n_frames"], report["seconds"]) == (None, 20, 1.9)


@pytest.mark.skipif(not shutil.which("ffmpeg"), reason="the ffmpeg program encodes Theora")
def test_theora_with_empty_packets(tmp_path):
    path = tmp_path / "a.ogv"
    source = "testsrc=s=64x64:r=5:d=4"
    command = ["ffmpeg", "-loglevel", "error", "-f", "lavfi", "-i", source, "-r", "25"]
    subprocess.run([*command, "-c:v", "libtheora", str(path)], check=True)
    with av.open(str(path)) as container:
        sizes = [packet.size for packet in container.demux(video=0) if packet.pts is not None]
    assert sizes.count(0) > 20
    frames = read_frames(path, sampling="all")
    assert len(frames) == len(sizes)
    repeats = [number for number, size in enumerate(sizes) if not size]
    np.testing.assert_array_equal(frames[repeats], frames[np.subtract(repeats, 1)])
    assert check_video(path)["reason"] is None


@pytest.mark.parametrize(
    ("codec", "pix_fmt", "height"),
    [
        ("mpeg2video", "yuv420p", 256),
        ("mpeg2video", "yuv420p", 251),
        ("mpeg2video", "yuv422p", 251),
        ("libx264", "yuv420p", 256),
        ("libx264", "yuv422p", 256),
        ("libx264", "yuv444p10le", 252),
        ("prores_ks", "yuv422p10le", 250),
    ],
)
def test_frames_flagged_as_interlaced_are_scaled_whole(tmp_path, codec, pix_fmt, height):
    stripes = np.zeros((3, height, 190, 3), np.uint8)
    stripes[:, np.arange(height) // 4 % 2 == 0] = 253
    options = {"flags": "+ildct+ilme", "qmin": "1", "qmax": "1"}
    if codec == "libx264":
        options = {"x264-params": "tff=1", "crf": "1"}
    path = tmp_path / "a.mov"
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25, options=options)
        stream.width, stream.height, stream.pix_fmt = 190, height, pix_fmt
        for pixels in stripes:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, "rgb24")))
        container.mux(stream.encode(None))
    with av.open(str(path)) as container:
        assert next(container.decode(video=0)).interlaced_frame
    whole = read_frames(path, sampling="all")
    for size, expected in ((height // 4, 47), [252, 0]), ((height // 2, 95), [252, 252]):
        scaled = read_frames(path, sampling="all", frame_size=size)
        progressive = read_frames(whole, sampling="all", frame_size=size)
        assert np.abs(scaled.astype(int) - progressive).mean() < 3
        assert scaled[0].mean(axis=(1, 2))[:2].tolist() == pytest.approx(expected, abs=10)
