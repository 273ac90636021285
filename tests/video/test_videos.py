import io
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from skvideo_gru import VideoClip
from skvideo_gru.video.videos import as_video_list, describe_video


@pytest.mark.parametrize(
    "collection",
    [
        ["a.mp4", "b.mp4"],
        ("a.mp4", "b.mp4"),
        np.array(["a.mp4", "b.mp4"]),
        np.array([["a.mp4"], ["b.mp4"]]),
        np.array(["a.mp4", "b.mp4"], dtype=object),
        pd.Series(["a.mp4", "b.mp4"], index=[7, 3]),
        pd.DataFrame({"path": ["a.mp4", "b.mp4"], "label": [0, 1]}),
        pd.DataFrame({"0": ["a.mp4", "b.mp4"]}),
    ],
)
def test_every_collection_becomes_the_same_list(collection):
    assert as_video_list(collection) == ["a.mp4", "b.mp4"]


def test_a_data_frame_may_have_time_ranges():
    table = pd.DataFrame({"path": ["a.mp4", "b.mp4"], "start": [1.5, np.nan], "end": [None, 2.0]})
    assert as_video_list(table) == [VideoClip("a.mp4", 1.5), VideoClip("b.mp4", None, 2.0)]


def test_a_data_frame_may_contain_pandas_missing_values():
    table = pd.DataFrame({"path": ["a.mp4", "b.mp4"]})
    table["start"] = pd.array([1.5, None], dtype="Float64")
    assert as_video_list(table) == [VideoClip("a.mp4", 1.5), VideoClip("b.mp4")]


def test_all_types_of_videos_are_accepted():
    array = np.zeros((2, 8, 8, 3), np.uint8)
    videos = [Path("a.mp4"), VideoClip("a.mp4"), b"bytes", io.BytesIO(), array]
    assert all(a is b for a, b in zip(as_video_list(videos), videos, strict=True))
    assert len(as_video_list(np.stack([array, array]))) == 2


@pytest.mark.parametrize(
    ("collection", "error", "message"),
    [
        ("a.mp4", TypeError, r"one str.*\[video\]"),
        (Path("a.mp4"), TypeError, "collection"),
        (b"abc", TypeError, "one bytes"),
        (io.BytesIO(), TypeError, "BytesIO"),
        (None, TypeError, "NoneType"),
        ([], ValueError, "at least one video"),
        (["a.mp4", 3], TypeError, "Row 1: int 3"),
        ([None], TypeError, "Row 0"),
        (np.zeros((4, 8, 8, 3), np.uint8), ValueError, r"\(4, 8, 8, 3\)"),
        (np.array([["a", "b"]]), ValueError, r"\(1, 2\)"),
        (pd.DataFrame({"file": ["a"], "label": [1]}), ValueError, "column 'path'"),
        (
            pd.DataFrame({"path": ["a", "b"], "start": ["0", "1:30"]}),
            ValueError,
            "Row 1: path='b', start='1:30'.* could not convert",
        ),
        (
            pd.DataFrame({"path": ["a", "b"], "start": [0, 3], "end": [1, 2]}),
            ValueError,
            "Row 1: .*end=2.0 must be greater than start=3.0",
        ),
        (pd.DataFrame({"path": ["a", np.nan], "end": [1, 2]}), TypeError, "Row 1: path=nan"),
    ],
)
def test_wrong_collections_are_named(collection, error, message):
    with pytest.raises(error, match=message):
        as_video_list(collection)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"start": -1.0}, "start must not be negative, got -1.0"),
        ({"start": 2.0, "end": 2.0}, "end=2.0"),
        ({"end": 0.0}, "end=0.0"),
        ({"start": float("nan")}, "start must be a finite number of seconds, got nan"),
        ({"end": float("inf")}, "end must be a finite number of seconds, got inf"),
    ],
)
def test_a_clip_checks_its_time_range(values, message):
    with pytest.raises(ValueError, match=message):
        VideoClip("a.mp4", **values)


def test_the_times_of_a_clip_are_numbers():
    with pytest.raises(TypeError, match=r"a\.mp4: end must be a number of seconds, got '5'"):
        VideoClip("a.mp4", np.float32(3), "5")


def test_a_clip_needs_a_path():
    with pytest.raises(TypeError, match="bytes"):
        VideoClip(b"abc")


def test_descriptions():
    assert describe_video(VideoClip("a.mp4", 1)) == "a.mp4"
    assert describe_video(b"abc") == "<3 bytes>"
    assert describe_video(np.zeros((1, 2, 3, 3), np.uint8)) == "<array of shape (1, 2, 3, 3)>"
