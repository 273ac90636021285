from contextlib import contextmanager
from typing import NamedTuple

import av
import numpy as np
from conftest import break_video, check_video, make_frames

from skvideo_gru import VideoClip, read_frames
from skvideo_gru.datasets.generated import write_video
from skvideo_gru.video import checking, in_order
from skvideo_gru.video.checking import check_videos
from skvideo_gru.video.in_order import OpenFrames


def test_report_of_a_valid_video(clip):
    assert check_video(clip) == {
        "path": str(clip),
        "start": None,
        "end": None,
        "reason": None,
        "n_frames": 30,
        "height": 48,
        "width": 64,
        "seconds": 1.16,
        "timestamp_jumps": 0,
        "missing_frames": 0,
        "corrupt_frames": 0,
        "gaps": 0,
    }


def test_damage_that_no_selected_frame_depends_on_is_found(tmp_path):
    path = tmp_path / "a.mp4"
    write_video(path, make_frames(20), options={"g": "5", "bf": "0"})
    break_video(path, 18)
    assert len(read_frames(path, n_frames=1)) == 1
    report = check_video(path)
    assert report["n_frames"] == 18
    assert report["reason"].startswith("corrupt after 18 frames: ")


def test_a_time_range_without_frames(clip):
    assert check_video(VideoClip(clip, 0.5))["reason"] is None
    report = check_video(VideoClip(clip, 5.0, 6.0))
    assert report["reason"] == "the video contains no frame from 5 s to 6 s"
    assert (report["start"], report["end"]) == (5.0, 6.0)


def test_an_array_is_checked():
    report = check_video(np.zeros((30, 48, 64, 3), np.uint8))
    assert (report["reason"], report["n_frames"], report["seconds"]) == (None, 30, 1.16)
    assert "uint8 of shape (T, H, W, 3)" in check_video(np.zeros((30, 48, 64, 3)))["reason"]


def test_a_file_is_decoded_once_for_all_its_time_ranges(clip, tmp_path, monkeypatch):
    decoded = []

    @contextmanager
    def open_frames(video, allow_partial):
        decoded.append(video)
        with in_order.open_frames(video, allow_partial) as opened:
            yield opened

    (tmp_path / "link.mp4").symlink_to(clip)
    ranges = [VideoClip(clip, 0.2, 0.5), VideoClip(tmp_path / "link.mp4", 9), clip]
    expected = [check_video(video) for video in ranges]
    monkeypatch.setattr(checking, "open_frames", open_frames)
    assert list(check_videos(ranges)) == expected
    assert len(decoded) == 1
    assert [report["reason"] is None for report in expected] == [True, False, True]


def test_reports_are_in_order(clip, broken_clip, tmp_path):
    videos = [clip, broken_clip, tmp_path / "none.mp4", clip.read_bytes()] * 3
    reports = list(check_videos(videos, n_jobs=2))
    assert [report["path"] for report in reports[:3]] == [str(video) for video in videos[:3]]
    np.testing.assert_array_equal(
        [report["reason"] is None for report in reports], [True, False, False, True] * 3
    )


def test_packets_that_decode_to_no_frame_are_counted(tmp_path):
    options = {"g": "250", "bf": "0", "x265-params": "log-level=none", "preset": "ultrafast"}
    write_video(tmp_path / "a.mp4", make_frames(30), codec="libx265", options=options)
    with (
        av.open(str(tmp_path / "a.mp4")) as source,
        av.open(str(tmp_path / "b.mp4"), "w") as copy,
    ):
        stream = copy.add_stream_from_template(source.streams.video[0])
        packets = [packet for packet in source.demux(video=0) if packet.size]
        for packet in packets[:10] + packets[12:]:
            packet.stream = stream
            copy.mux(packet)
    report = check_video(tmp_path / "b.mp4")
    assert report["reason"] is None
    assert report["n_frames"] + report["missing_frames"] == 28
    assert report["missing_frames"] > 0


def test_frames_with_damaged_parts_are_counted(tmp_path):
    frames = np.random.default_rng(0).integers(0, 256, (20, 64, 64, 3), dtype=np.uint8)
    write_video(tmp_path / "a.ts", frames, options={"g": "5", "bf": "0", "crf": "10"})
    content = (tmp_path / "a.ts").read_bytes()
    packets = [content[i : i + 188] for i in range(0, len(content), 188)]
    del packets[len(packets) // 2]
    (tmp_path / "b.ts").write_bytes(b"".join(packets))
    assert check_video(tmp_path / "a.ts")["corrupt_frames"] == 0
    report = check_video(tmp_path / "b.ts")
    assert report["reason"] is None
    assert 1 <= report["corrupt_frames"] <= 5


def test_gaps_between_frames_are_counted(tmp_path):
    write_video(tmp_path / "a.mkv", make_frames(20), codec="mjpeg", pix_fmt="yuvj420p")
    with (
        av.open(str(tmp_path / "a.mkv")) as source,
        av.open(str(tmp_path / "b.mkv"), "w") as copy,
    ):
        stream = copy.add_stream_from_template(source.streams.video[0])
        for number, packet in enumerate(source.demux(video=0)):
            if packet.size and number not in (4, 10, 11):
                packet.stream = stream
                copy.mux(packet)
    assert check_video(tmp_path / "a.mkv")["gaps"] == 0
    assert check_video(tmp_path / "b.mkv")["gaps"] == 2


def test_frames_without_a_time_follow_the_first_one(clip, monkeypatch):
    class Frame(NamedTuple):
        time: float | None
        is_corrupt: bool = False
        height: int = 8
        width: int = 8

    @contextmanager
    def opened(video, allow_partial):
        frames = [Frame(1.4), Frame(None), Frame(1.48), Frame(None)]
        yield OpenFrames(iter(frames), 1.0, 25.0, None)

    monkeypatch.setattr(checking, "open_frames", opened)
    assert check_video(clip)["seconds"] == 0.12
