import io

import numpy as np
import pytest
from conftest import make_frames

from skvideo_gru import VideoClip
from skvideo_gru.datasets.generated import write_video
from skvideo_gru.video import durations
from skvideo_gru.video.durations import longest_duration, video_duration


@pytest.mark.parametrize(
    ("name", "codec"), [("a.mp4", "libx264"), ("a.mkv", "libx264"), ("a.avi", "mpeg4")]
)
def test_durations_of_files(tmp_path, name, codec):
    path = tmp_path / name
    write_video(path, make_frames(30), rate=10, codec=codec)
    for video in (path, str(path), path.read_bytes(), io.BytesIO(path.read_bytes())):
        assert video_duration(video) == pytest.approx(3.0, abs=0.01)
    assert video_duration(VideoClip(path, 1.0)) == pytest.approx(2.0, abs=0.01)
    assert video_duration(VideoClip(path, 50.0)) == 0
    assert video_duration(VideoClip(path, None, 0.5)) == 0.5
    assert video_duration(VideoClip("unread.mp4", 1.0, 4.0)) == 3.0


def test_unknown_durations(tmp_path, clip):
    write_video(tmp_path / "a.h264", make_frames(5))  # a stream without a container
    unknown = [np.zeros((5, 8, 8, 3), np.uint8), "missing.mp4", b"no video", tmp_path / "a.h264"]
    assert [video_duration(video) for video in unknown] == [None] * 4
    assert longest_duration(unknown) is None
    assert longest_duration([*unknown, clip]) == pytest.approx(1.2)


def test_the_first_and_the_last_of_many_videos_are_compared(monkeypatch):
    opened = []
    monkeypatch.setattr(durations, "video_duration", lambda video: opened.append(video) or video)
    assert longest_duration(range(1000)) == 999
    assert len(opened) == 100
    assert opened[:2] == [0, 10]
    opened.clear()
    assert longest_duration(range(7)) == 6
    assert opened == list(range(7))
