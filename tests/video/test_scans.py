import os
import shutil

import numpy as np
import pytest
from conftest import break_video, make_frames
from odd_files import decode_in_order

from skvideo_gru import VideoClip, VideoDecodeError, read_frames
from skvideo_gru.datasets.generated import write_video
from skvideo_gru.video import decoding, scans, seeking

RANGES = [(start / 10, start / 10 + 0.4) for start in range(0, 34, 3)]


@pytest.fixture(params=["clip.mp4", "clip.mkv", "clip.ts"])
def long_clip(request, tmp_path):
    path = tmp_path / request.param
    write_video(path, make_frames(100), options={"g": "10", "bf": "2"})
    return path


@pytest.fixture
def scanned(monkeypatch):
    """The ends of the scans, in order."""
    ends = []
    scan = scans.scan_packets

    def noted(container, stream, end=None):
        ends.append(end)
        return scan(container, stream, end)

    monkeypatch.setattr(scans, "scan_packets", noted)
    monkeypatch.setattr(scans, "_latest", {})
    return ends


def check_ranges(path, frames, ranges=RANGES):
    for start, end in ranges:
        chosen = np.flatnonzero(
            (np.arange(len(frames)) >= 25 * start - 1e-6) & (np.arange(100) < 25 * end - 1e-6)
        )
        read = read_frames(VideoClip(path, start, end), sampling="all")
        np.testing.assert_array_equal(read, frames[chosen])


def test_time_ranges_of_a_file_need_two_scans(long_clip, scanned):
    check_ranges(long_clip, decode_in_order(long_clip)[0])
    if long_clip.suffix == ".ts":  # a seek depends on the scan
        assert scanned == [end for _, end in RANGES]
    else:
        assert scanned == [RANGES[0][1], None]


def test_a_changed_file_is_scanned_again(tmp_path, scanned):
    path, other = tmp_path / "clip.mp4", tmp_path / "other.mp4"
    for place, seed in ((path, 0), (other, 1)):
        write_video(place, make_frames(100, seed=seed), options={"g": "10"})
    check_ranges(path, decode_in_order(path)[0])
    shutil.copy(other, path)
    check_ranges(path, decode_in_order(other)[0])
    assert scanned == [RANGES[0][1], None] * 2
    read_frames(path)
    assert scanned[4:] == [None]  # whole videos are scanned every time


def test_a_corrupt_end_does_not_affect_earlier_time_ranges(tmp_path, scanned):
    path = tmp_path / "clip.mkv"
    write_video(path, make_frames(100), options={"g": "10"})
    frames = decode_in_order(path)[0]
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * 3 // 4])
    check_ranges(path, frames, RANGES[:7])
    assert len(scanned) >= 2


def test_an_index_that_proves_wrong_is_not_reused(tmp_path, scanned, monkeypatch):
    path = tmp_path / "clip.mp4"
    write_video(path, make_frames(100), options={"g": "10"})
    frames = decode_in_order(path)[0]
    check_ranges(path, frames, RANGES[:2])

    def mismatch(*args):
        raise seeking.IndexMismatchError

    with monkeypatch.context() as patch:
        patch.setattr(decoding, "decode_pts", mismatch)
        check_ranges(path, frames, RANGES[2:3])
    check_ranges(path, frames, RANGES[3:6])
    assert scanned == [RANGES[0][1], None, *[end for _, end in RANGES[3:6]]]


def test_the_number_of_indices_is_limited(tmp_path, scanned):
    write_video(tmp_path / "0.mp4", make_frames(20))
    for number in range(12):
        path = shutil.copy(tmp_path / "0.mp4", tmp_path / f"{number + 1}.mp4")
        for _ in range(3):
            read_frames(VideoClip(path, 0.2, 0.4))
    assert len(scans._latest) == scans._LARGEST
    assert scanned == [0.4, None] * 12


def test_missing_and_broken_files_are_reported(tmp_path, scanned):
    path = tmp_path / "clip.mp4"
    write_video(path, make_frames(50), options={"g": "10"})
    break_video(path, 20)
    for _ in range(3):
        assert len(read_frames(VideoClip(path, 0, 0.4), sampling="all")) == 10
        with pytest.raises(VideoDecodeError, match="clip"):
            read_frames(VideoClip(path, 1, 2), sampling="all")
    os.remove(path)
    with pytest.raises(VideoDecodeError, match="No such file"):
        read_frames(VideoClip(path, 0, 0.4))
