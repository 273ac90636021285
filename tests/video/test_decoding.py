import csv
import io
import os
import pickle
import re
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from conftest import break_video, make_frames
from fuzzing import run
from PIL import Image

from skvideo_gru import VideoClip, VideoDecodeError, read_frames
from skvideo_gru.datasets.generated import write_video
from skvideo_gru.video.sampling import uniform_indices


def decode_in_order(path):
    """All frames, decoded by PyAV alone."""
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


@pytest.mark.parametrize(
    ("name", "codec", "pix_fmt", "options"),
    [
        ("a.mp4", "libx264", "yuv420p", {"g": "10", "bf": "3"}),
        ("a.mkv", "libx264", "yuv444p", {}),
        ("a.mov", "libx265", "yuv420p10le", {"x265-params": "log-level=none"}),
        ("a.webm", "libvpx-vp9", "yuv420p", {}),
        ("b.webm", "libsvtav1", "yuv420p", {"preset": "12"}),
        ("a.avi", "mpeg4", "yuv420p", {}),
        ("a.mpg", "mpeg2video", "yuv420p", {}),
        ("b.mkv", "ffv1", "bgr0", {}),
        ("a.gif", "gif", "rgb8", {}),
    ],
)
def test_frames_equal_those_of_decoding_in_order(tmp_path, name, codec, pix_fmt, options):
    path = tmp_path / name
    write_video(path, make_frames(25), codec=codec, pix_fmt=pix_fmt, options=options)
    if codec == "libsvtav1" and hasattr(os, "sched_setscheduler"):
        # The encoder sets a real-time priority.
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
    reference = decode_in_order(path)
    assert len(reference) == 25
    np.testing.assert_array_equal(read_frames(path, sampling="all"), reference)
    chosen = uniform_indices(25, 7)
    np.testing.assert_array_equal(
        read_frames(path, n_frames=7), np.stack([reference[i] for i in chosen])
    )
    for first in range(0, 25, 3):
        time_range = VideoClip(path, first / 25 - 0.005 if first else 0.0, first / 25 + 0.195)
        np.testing.assert_array_equal(
            read_frames(time_range, sampling="all"), reference[first : first + 5]
        )


def test_lossless_frames_are_those_that_were_written(tmp_path):
    frames = make_frames(9)
    write_video(tmp_path / "a.mkv", frames, codec="ffv1", pix_fmt="bgr0")
    np.testing.assert_array_equal(read_frames(tmp_path / "a.mkv", sampling="all"), frames)


def test_all_types_of_a_video_give_the_same_frames(clip, tmp_path, monkeypatch):
    expected = read_frames(clip, n_frames=6)
    assert expected.shape == (6, 48, 64, 3)
    assert expected.dtype == np.uint8
    content = clip.read_bytes()
    monkeypatch.chdir(clip.parent)
    decoded = np.stack(decode_in_order(clip))
    for video in (str(clip), "clip.mp4", VideoClip(clip), content, io.BytesIO(content), decoded):
        np.testing.assert_array_equal(read_frames(video, n_frames=6), expected)
    with clip.open("rb") as file:
        np.testing.assert_array_equal(read_frames(file, n_frames=6), expected)


@pytest.mark.parametrize("name", ["-i.mp4", "a b.mp4", "ü%d.mp4", "http:x.mp4", "a?b#c.mp4"])
def test_a_path_is_always_a_local_file(clip, tmp_path, monkeypatch, name):
    (tmp_path / name).write_bytes(clip.read_bytes())
    monkeypatch.chdir(tmp_path)
    np.testing.assert_array_equal(read_frames(name, n_frames=2), read_frames(clip, n_frames=2))


def test_a_time_range_selects_its_frames(clip):
    reference = decode_in_order(clip)  # 25 frames a second
    selected = read_frames(VideoClip(clip, start=0.4, end=0.8), sampling="all")
    np.testing.assert_array_equal(selected, reference[10:20])
    spread = read_frames(VideoClip(clip, start=0.4), n_frames=2)
    np.testing.assert_array_equal(spread, [reference[15], reference[25]])


def test_times_count_from_the_first_frame(tmp_path):
    with av.open(str(tmp_path / "late.mp4"), "w") as container:
        stream = container.add_stream("libx264", rate=10)
        stream.height, stream.width, stream.pix_fmt = 48, 64, "yuv420p"
        for number, pixels in enumerate(make_frames(20)):
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts = 70 + number
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    reference = decode_in_order(tmp_path / "late.mp4")
    selected = read_frames(VideoClip(tmp_path / "late.mp4", start=1.0), sampling="all")
    np.testing.assert_array_equal(selected, reference[10:])


def test_time_ranges_at_variable_frame_rate(tmp_path):
    # The header's rate would select other frames.
    with av.open(str(tmp_path / "vfr.mkv"), "w") as container:
        stream = container.add_stream("ffv1", rate=10)
        stream.height, stream.width, stream.pix_fmt = 48, 64, "bgr0"
        for pts, pixels in zip([0, 1, 2, 3, 20, 21, 40, 41], make_frames(8), strict=True):
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts = pts
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    clip = VideoClip(tmp_path / "vfr.mkv", start=1.5, end=4.05)
    np.testing.assert_array_equal(read_frames(clip, sampling="all"), make_frames(8)[4:7])


def test_a_wrong_frame_count_in_the_header_does_not_matter(tmp_path):
    write_video(tmp_path / "a.avi", make_frames(25), codec="mpeg4")
    content = bytearray((tmp_path / "a.avi").read_bytes())
    # The stream header's dwLength is 32 bytes into the 'strh' chunk.
    place = content.index(b"strh") + 8 + 32
    content[place : place + 4] = (40).to_bytes(4, "little")
    place = content.index(b"avih") + 8 + 16
    content[place : place + 4] = (40).to_bytes(4, "little")
    reference = decode_in_order(tmp_path / "a.avi")
    with av.open(io.BytesIO(content)) as container:
        assert container.streams.video[0].frames == 40
    np.testing.assert_array_equal(
        read_frames(bytes(content), n_frames=5), [reference[i] for i in uniform_indices(25, 5)]
    )


def encoded_packets(path, frames, codec="libx264", **options):
    """Write a clip of ten frames a second and return a stream like its own and its packets."""
    pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
    write_video(path, frames, rate=10, codec=codec, pix_fmt=pix_fmt, options=options)
    container = av.open(str(path))
    return container.streams.video[0], [p for p in container.demux(video=0) if p.size]


TIMES = {
    "repeated": [0, 1, 1, 1, 2, 3, 3, 4, 5, 5, 5, 6],
    "backwards": [0, 1, 2, 3, 9, 4, 5, 6, 3, 7, 8, 9],
    "shuffled": [5, 0, 7, 2, 9, 4, 11, 6, 1, 8, 3, 10],
    "late": [100, 101, 102, 103, 104, 105, 106, 107, 108, 109, 110, 111],
    "gaps": [0, 50, 51, 52, 200, 201, 202, 203, 204, 500, 501, 502],
}


@pytest.mark.parametrize("codec", ["libx264", "mpeg4", "mjpeg"])
@pytest.mark.parametrize("times", TIMES)
def test_frames_are_in_decode_order_for_any_timestamps(tmp_path, times, codec):
    options = {} if codec == "mjpeg" else {"bf": "0", "g": "4"}
    template, packets = encoded_packets(tmp_path / "a.mp4", make_frames(12), codec, **options)
    reference = decode_in_order(tmp_path / "a.mp4")
    with av.open(str(tmp_path / "b.mkv"), "w") as container:
        stream = container.add_stream_from_template(template)
        for number, (packet, pts) in enumerate(zip(packets, TIMES[times], strict=True)):
            packet.stream = stream
            packet.pts, packet.dts, packet.time_base = pts, number - 20, Fraction(1, 10)
            container.mux(packet)
    with av.open(str(tmp_path / "b.mkv")) as container:
        written = [packet.pts for packet in container.demux(video=0) if packet.size]
    # The container shifts all times by one offset to make them positive.
    assert np.ptp(np.subtract(written, np.multiply(TIMES[times], 100))) <= 1
    np.testing.assert_array_equal(read_frames(tmp_path / "b.mkv", sampling="all"), reference)
    for n_frames in (1, 3, 5, 20):
        np.testing.assert_array_equal(
            read_frames(tmp_path / "b.mkv", n_frames=n_frames),
            [reference[i] for i in uniform_indices(12, n_frames)],
        )


def test_a_stream_without_timestamps(tmp_path):
    # Raw H.264 has none.
    write_video(tmp_path / "a.h264", make_frames(25), options={"g": "10", "bf": "2"})
    reference = decode_in_order(tmp_path / "a.h264")
    np.testing.assert_array_equal(
        read_frames(tmp_path / "a.h264", n_frames=6),
        [reference[i] for i in uniform_indices(25, 6)],
    )


def test_frames_before_an_edit_list_are_not_shown(tmp_path):
    frames = make_frames(30)
    with av.open(
        str(tmp_path / "a.mp4"), "w", container_options={"avoid_negative_ts": "disabled"}
    ) as container:
        stream = container.add_stream("libx264", rate=10, options={"g": "10", "bf": "0"})
        stream.height, stream.width, stream.pix_fmt = 48, 64, "yuv420p"
        for number, pixels in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts, frame.time_base = number - 12, Fraction(1, 10)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    reference = decode_in_order(tmp_path / "a.mp4")
    with av.open(str(tmp_path / "a.mp4")) as container:
        assert container.streams.video[0].frames == 30 > len(reference)
    np.testing.assert_array_equal(
        read_frames(tmp_path / "a.mp4", n_frames=4),
        [reference[i] for i in uniform_indices(len(reference), 4)],
    )


@pytest.mark.parametrize("container", ["mkv", "mp4", "avi"])
def test_interlaced_video_yields_frames(tmp_path, container):
    path = tmp_path / f"a.{container}"
    options = {"x264-params": "tff=1", "bf": "0", "g": "8"}
    write_video(path, make_frames(24, 64, 64), options=options)
    reference = decode_in_order(path)
    with av.open(str(path)) as video:
        assert next(video.decode(video=0)).interlaced_frame
    np.testing.assert_array_equal(
        read_frames(path, n_frames=5), [reference[i] for i in uniform_indices(24, 5)]
    )


@pytest.mark.parametrize(
    ("codec", "pix_fmt", "colour_range"),
    [
        ("libx264", "yuvj420p", av.video.reformatter.ColorRange.JPEG),
        ("libx264", "yuv420p", av.video.reformatter.ColorRange.MPEG),
        ("libx264", "yuv422p10le", av.video.reformatter.ColorRange.MPEG),
        ("libx265", "yuv420p12le", av.video.reformatter.ColorRange.MPEG),
    ],
)
def test_colours_for_colour_ranges_and_bit_depths(tmp_path, codec, pix_fmt, colour_range):
    frames = np.stack([np.full((48, 64, 3), grey, np.uint8) for grey in (0, 16, 128, 235, 255)])
    with av.open(str(tmp_path / "a.mkv"), "w") as container:
        stream = container.add_stream(codec, rate=10)
        stream.height, stream.width, stream.pix_fmt = 48, 64, pix_fmt
        stream.codec_context.color_range = colour_range
        x265 = {"x265-params": "log-level=none:qp=0"}
        stream.options = x265 if codec == "libx265" else {"qp": "0"}
        for pixels in frames:
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame = frame.reformat(format=pix_fmt, dst_color_range=colour_range)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    shown = read_frames(tmp_path / "a.mkv", sampling="all")
    assert np.abs(shown.astype(int) - frames).max() <= 2


def test_animated_webp(tmp_path):
    frames = make_frames(7)
    images = [Image.fromarray(pixels) for pixels in frames]
    durations = [100, 100, 400, 100, 100, 100, 100]
    images[0].save(
        tmp_path / "a.webp",
        save_all=True,
        append_images=images[1:],
        duration=durations,
        lossless=True,
    )
    path = tmp_path / "a.webp"
    np.testing.assert_array_equal(read_frames(path, sampling="all"), frames)
    np.testing.assert_array_equal(read_frames(path.read_bytes(), n_frames=2), frames[[1, 5]])
    # The third frame is on screen from 0.2 to 0.6 s.
    np.testing.assert_array_equal(
        read_frames(path, sampling="fps", fps=5), frames[[0, 2, 2, 3, 5]]
    )
    content = bytearray(path.read_bytes())
    path.write_bytes(content[:200])
    with pytest.raises(VideoDecodeError, match="a.webp"):
        read_frames(path, allow_partial=True)
    broken = [at.start() for at in re.finditer(b"ANMF", content)][4] + 60
    content[broken : broken + 40] = bytes(40)
    path.write_bytes(content)
    with pytest.raises(VideoDecodeError, match="a.webp"):
        read_frames(path, sampling="all")
    before = read_frames(path, sampling="all", allow_partial=True)
    np.testing.assert_array_equal(before, frames[:4])


def test_a_video_of_one_frame(tmp_path):
    write_video(tmp_path / "a.mp4", make_frames(1))
    (only,) = decode_in_order(tmp_path / "a.mp4")
    for sampling in ("uniform", "random"):
        frames = read_frames(tmp_path / "a.mp4", sampling=sampling, n_frames=3)
        np.testing.assert_array_equal(frames, [only] * 3)
    for sampling in ("fps", "dense", "all"):
        frames = read_frames(tmp_path / "a.mp4", sampling=sampling, n_frames=3)
        np.testing.assert_array_equal(frames, [only])


def test_scaling_averages_over_areas(tmp_path):
    frames = make_frames(2)  # blocks of 16 x 16 pixels
    write_video(tmp_path / "a.mkv", frames, codec="ffv1", pix_fmt="bgr0")
    small = read_frames(tmp_path / "a.mkv", sampling="all", frame_size=(3, 4))
    assert np.abs(small.astype(int) - frames[:, 8::16, 8::16]).max() <= 2
    from_array = read_frames(frames, sampling="all", frame_size=(3, 4))
    assert np.abs(from_array.astype(int) - small).max() <= 2


def test_unreadable_files_raise_an_error_that_names_them(clip, broken_clip, tmp_path):
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "text.mp4").write_text("no video at all\n" * 100)
    with av.open(str(tmp_path / "sound.wav"), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000)
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), layout="mono")
        sound.sample_rate = 8000
        container.mux(stream.encode(sound))
    for name, reason in {
        "missing.mp4": "No such file",
        "empty.mp4": "the file is empty",
        "text.mp4": "the file is not a video, or is damaged or incomplete",
        "sound.wav": "no video stream",
        broken_clip.name: "the file is not a video, or is damaged or incomplete",
        ".": "the path is a folder",
    }.items():
        with pytest.raises(VideoDecodeError) as caught:
            read_frames(tmp_path / name)
        assert caught.value.path == str(tmp_path / name)
        assert reason in caught.value.reason
        assert str(caught.value).startswith(str(tmp_path / name))


def test_titles_in_any_encoding_are_accepted(tmp_path):
    with av.open(str(tmp_path / "a.avi"), "w") as container:
        container.metadata["title"] = "Cafeteria"
        stream = container.add_stream("mpeg4", rate=10)
        stream.height, stream.width, stream.pix_fmt = 48, 64, "yuv420p"
        for pixels in make_frames(3):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode(None))
    latin = (tmp_path / "a.avi").read_bytes().replace(b"Cafeteria", b"Caf\xe9teria")
    assert read_frames(latin, sampling="all").shape == (3, 48, 64, 3)


def test_a_file_without_any_frame_is_an_error(tmp_path):
    path = tmp_path / "none.mkv"
    write_video(path, make_frames(30), options={"g": "1"})
    content = path.read_bytes()
    # The file opens although it ends inside the first cluster.
    path.write_bytes(content[: content.index(bytes.fromhex("1f43b675")) + 40])
    with av.open(str(path)) as container:
        assert container.streams.video
    with pytest.raises(VideoDecodeError, match="the video contains no frame"):
        read_frames(path)


def test_a_time_range_past_the_end_is_an_error(clip):
    with pytest.raises(VideoDecodeError, match="the video contains no frame from 7 s to the end"):
        read_frames(VideoClip(clip, start=7.0))


@pytest.fixture(params=["index first", "index last"])
def truncated(request, tmp_path):
    """A clip of 30 frames without its second half, and its first 14 frames."""
    path = tmp_path / "a.mp4"
    options = {"g": "5", "bf": "0"}
    if request.param == "index first":
        with av.open(str(path), "w", container_options={"movflags": "faststart"}) as container:
            stream = container.add_stream("libx264", rate=25, options=options)
            stream.height, stream.width, stream.pix_fmt = 48, 64, "yuv420p"
            for pixels in make_frames(30):
                frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
    else:
        write_video(path, make_frames(30), options=options)
    whole = decode_in_order(path)
    if request.param == "index first":
        with av.open(str(path)) as container:
            places = [p.pos for p in container.demux(video=0) if p.size]
        path.write_bytes(path.read_bytes()[: places[14] + 5])
    else:
        break_video(path, 14)
    return path, whole[:14]


def test_a_truncated_clip_is_an_error(truncated):
    path, _ = truncated
    for sampling in ("uniform", "all", "fps"):
        with pytest.raises(VideoDecodeError):
            read_frames(path, sampling=sampling, fps=25, n_frames=30)


def test_allow_partial_returns_the_frames_before_the_error(truncated):
    path, good = truncated
    np.testing.assert_array_equal(read_frames(path, sampling="all", allow_partial=True), good)
    np.testing.assert_array_equal(
        read_frames(path, n_frames=3, allow_partial=True),
        [good[i] for i in uniform_indices(len(good), 3)],
    )


def test_delayed_frames_before_an_error_have_times(tmp_path):
    path = tmp_path / "a.mp4"
    write_video(path, make_frames(50), rate=10, options={"bf": "2"})
    break_video(path, 30)
    every = read_frames(path, sampling="all", allow_partial=True)
    frames = read_frames(path, sampling="fps", fps=5, n_frames=12, allow_partial=True)
    np.testing.assert_array_equal(frames, every[:24:2])


def test_allow_partial_without_any_frame_is_an_error(clip, tmp_path):
    (tmp_path / "text.mp4").write_text("no video\n" * 99)
    with pytest.raises(VideoDecodeError):
        read_frames(tmp_path / "text.mp4", allow_partial=True)


def test_reading_does_not_leak_memory(clip):
    def resident():
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20

    for _ in range(50):
        read_frames(clip, n_frames=4, frame_size=32)
    before = resident()
    for _ in range(200):
        read_frames(clip, n_frames=4, frame_size=32)
        with pytest.raises(VideoDecodeError):
            read_frames(b"no video" * 20)
    assert resident() - before < 10


def test_damaged_videos_give_frames_or_an_error():
    wrong, n_read, growth = run(200, seed=0)
    assert wrong == []
    assert 20 < n_read < 180  # some of the damage is harmless, some is not
    assert growth < 100


@pytest.mark.parametrize("video", [None, 3, ["a.mp4"]])
def test_other_types_are_rejected(video):
    with pytest.raises(TypeError, match="Expected one video: .* is not a video; .*pass "):
        read_frames(video)


def test_wrong_arrays_are_errors():
    shapes = ((4, 8, 8), (5,), (4, 0, 8, 3), (4, 8, 0, 3))
    for array in (*(np.zeros(shape, np.uint8) for shape in shapes), np.zeros((4, 8, 8, 3))):
        with pytest.raises(VideoDecodeError, match=r"uint8 of shape \(T, H, W, 3\)"):
            read_frames(array)
    with pytest.raises(VideoDecodeError, match="the video contains no frame"):
        read_frames(np.zeros((0, 8, 8, 3), np.uint8))


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"frame_size": 0}, "frame_size=0"),
        ({"frame_size": (32,)}, "frame_size"),
        ({"resize": "squash"}, "resize='squash'"),
        ({"frame_size": True}, "frame_size=True"),
        ({"frame_size": (2.5, 4)}, "frame_size"),
        ({"n_frames": 0}, "n_frames=0"),
        ({"n_frames": 2.5}, "n_frames=2.5 must be an int"),
        ({"n_frames": "3"}, "n_frames='3' must be an int"),
        ({"sampling": "random", "seed": -1}, "seed=-1 must be an int, at least 0"),
        ({"sampling": "evenly"}, "sampling='evenly'"),
        ({"sampling": "fps", "fps": 0}, "fps=0"),
        ({"sampling": "dense", "stride": 0}, "stride=0"),
    ],
)
def test_wrong_parameters_are_named(clip, parameters, message):
    with pytest.raises(ValueError, match=message):
        read_frames(clip, **parameters)


def test_the_error_survives_pickling():
    error = pickle.loads(pickle.dumps(VideoDecodeError("a.mp4", "it is broken")))
    assert (error.path, error.reason) == ("a.mp4", "it is broken")


CASES = os.environ.get("SKVIDEO_GRU_VIDEOS", "")


@pytest.mark.skipif(not CASES, reason="SKVIDEO_GRU_VIDEOS names no folder with an expected.csv")
def test_real_cases():
    with (Path(CASES) / "expected.csv").open() as file:
        cases = list(csv.DictReader(file))
    for case in cases:
        path = Path(CASES) / case["file"]
        if case["outcome"] == "error":
            with pytest.raises(VideoDecodeError):
                read_frames(path, sampling="all")
        else:
            shape = (int(case["frames"]), int(case["height"]), int(case["width"]), 3)
            assert read_frames(path, sampling="all").shape == shape, path
