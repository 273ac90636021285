import os
import shutil
import warnings

import numpy as np
import pytest

from skvideo_gru import load_video_folder, load_video_manifest
from skvideo_gru.datasets import leakage
from skvideo_gru.datasets.leakage import find_leaks, repeated_content
from skvideo_gru.datasets.manifests import read_manifest
from skvideo_gru.video import VideoClip


@pytest.fixture
def folder(tmp_path):
    """Four files of one size, of which copy.mp4 has the content of a.mp4."""
    content = np.random.default_rng(0).integers(0, 256, (3, 300_000), dtype=np.uint8)
    content[1, 100_000:200_000] += 1
    content[2] = content[0]
    content[2, 150_000] += 1  # differs from a.mp4 in the middle only
    for name, row in zip("abc", content, strict=True):
        (tmp_path / f"{name}.mp4").write_bytes(row.tobytes())
    shutil.copy(tmp_path / "a.mp4", tmp_path / "copy.mp4")
    return tmp_path


def manifest(folder, *rows):
    (folder / "m.csv").write_text("\n".join(["path,label,split,start,end", *rows]))
    return folder / "m.csv"


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        (["a.mp4,x,train,,", "copy.mp4,x,test,,"], "copy.mp4 (test), the same content"),
        (["a.mp4,x,train,0,2", "a.mp4,x,test,1,3"], "1 s to 3 s (test), overlapping time ranges"),
        (["a.mp4,x,train,0,1", "a.mp4,y,test,1,2"], "(test), time ranges of the same file"),
        (["a.mp4,x,train,,", "a.mp4,x,val,5,"], "5 s to the end (val), overlapping time ranges"),
        (["a.mp4,x,train,,", "./link.mp4,x,test,,"], "link.mp4 (test), the same file"),
        (["a.mp4,x,train,0,1", "copy.mp4,x,test,8,9"], "8 s to 9 s (test), the same content"),
    ],
)
def test_leaks_between_parts(folder, rows, expected):
    (folder / "link.mp4").symlink_to(folder / "a.mp4")
    with pytest.warns(UserWarning, match="two parts") as caught:
        load_video_manifest(manifest(folder, *rows, "b.mp4,x,train,,", "c.mp4,y,test,,"))
    (warning,) = caught
    assert str(warning.message).startswith("1 video file is in two parts of the split")
    assert expected in str(warning.message)
    assert warning.filename == __file__


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        (["a.mp4,x,train,,", "copy.mp4,y,train,,"], "copy.mp4 (y), the same content"),
        (["a.mp4,x,train,0,2", "a.mp4,y,train,1,3"], "1 s to 3 s (y), overlapping time ranges"),
    ],
)
def test_one_content_under_two_labels(folder, rows, expected):
    with pytest.warns(UserWarning, match="1 video file is listed with two labels") as caught:
        load_video_manifest(manifest(folder, *rows))
    assert len(caught) == 1
    assert expected in str(caught[0].message)


@pytest.mark.parametrize(
    "rows",
    [
        ["a.mp4,x,train,,", "b.mp4,x,test,,", "c.mp4,y,test,,"],
        ["a.mp4,x,train,0,1", "a.mp4,y,train,1,2", "a.mp4,x,train,2,3"],
        ["a.mp4,x,train,,", "copy.mp4,x,train,,"],
    ],
)
def test_no_leak(folder, rows):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        load_video_manifest(manifest(folder, *rows))


def test_folders_with_the_same_content_in_two_classes(folder):
    for name, label in (("a", "x"), ("copy", "y"), ("b", "y")):
        (folder / "clips" / label).mkdir(parents=True, exist_ok=True)
        (folder / f"{name}.mp4").rename(folder / "clips" / label / f"{name}.mp4")
    with pytest.warns(UserWarning, match=r"a\.mp4 \(x\) and .*copy\.mp4 \(y\), the same content"):
        load_video_folder(folder / "clips")


def test_three_pairs_are_named_and_the_rest_counted(folder):
    rows = []
    for number in range(5):
        for part in ("train", "test"):
            (folder / f"{number}{part}.mp4").write_bytes(bytes([number]) * 100)
            rows.append(f"{number}{part}.mp4,x,{part},,")
    (leak,) = find_leaks(read_manifest(manifest(folder, *rows), complete=True))
    assert leak.startswith("5 video files are in two parts of the split")
    assert leak.count("the same content") == 3
    assert "; and 2 more. " in leak


def test_only_files_of_equal_size_beginning_and_end_are_read_completely(folder, monkeypatch):
    (folder / "other.mp4").write_bytes(b"other")
    read = []
    digest = leakage.content_digest

    def noted(video):
        read.append(os.path.basename(video))
        return digest(video)

    monkeypatch.setattr(leakage, "content_digest", noted)
    names = ["a", "b", "c", "copy", "other", "missing"]
    paths = [str(folder / f"{name}.mp4") for name in names]
    assert repeated_content(paths) == [[0, 3]]
    assert sorted(read) == ["a.mp4", "c.mp4", "copy.mp4"]


def test_overlaps_match_a_search_over_all_pairs(folder):
    rng = np.random.default_rng(0)
    found = 0
    for _ in range(300):
        n = rng.integers(2, 7)
        starts = rng.integers(0, 20, n).astype(float)
        ends = starts + rng.integers(1, 5, n)
        videos = [VideoClip("a.mp4", s, e) for s, e in zip(starts, ends, strict=True)]
        tags = dict(enumerate(rng.choice(list("abc"), n).tolist()))
        pairs = {
            (i, j)
            for i in range(n)
            for j in range(i + 1, n)
            if tags[i] != tags[j] and starts[i] < ends[j] and starts[j] < ends[i]
        }
        pair = leakage._first_overlap(videos, range(n), tags)
        assert (pair in pairs) if pairs else pair is None
        found += bool(pairs)
    assert 50 < found < 250
