"""Decoded frames in a temporary file: the same frames, the same weights, no leftovers."""

import gc
import pickle
import resource
import tempfile
import weakref
from pathlib import Path

import numpy as np
import pytest
from sklearn.base import clone

from skvideo_gru import ResNet50FrameFeaturizer, VideoDecodeError
from skvideo_gru.features import fitting
from skvideo_gru.features.clips import collect_clips

MODEL = {"n_frames": 3, "frame_size": 32, "max_epochs": 1, "batch_size": 8, "random_state": 0}


def random_clips(lengths, size=8):
    rng = np.random.default_rng(0)
    return [rng.integers(0, 256, (n, size, size, 3), dtype=np.uint8) for n in lengths]


def mapped(folder):
    """Count the files of a folder that are mapped into memory."""
    return Path("/proc/self/maps").read_text().count(str(folder))


def test_frames_from_a_file_are_the_same(tmp_path):
    clips = [*random_clips([3, 1]), VideoDecodeError("a.mp4", "broken"), *random_clips([7, 2])]
    clips.append(clips[0][::2])  # not contiguous
    found = collect_clips(iter(clips), 400, tmp_path)
    assert mapped(tmp_path) == 1
    assert not list(tmp_path.iterdir())
    assert found[2] is clips[2]
    for clip, expected in zip(found, clips, strict=True):
        if clip is not found[2]:
            np.testing.assert_array_equal(clip, expected)
            assert clip.flags.writeable  # otherwise torch warns
    del found, clip
    gc.collect()
    assert mapped(tmp_path) == 0


@pytest.mark.parametrize(("max_nbytes", "in_file"), [(767, True), (768, False), (None, False)])
def test_the_limit_is_the_size_of_all_frames(tmp_path, max_nbytes, in_file):
    collect = collect_clips(random_clips([3, 1]), max_nbytes, tmp_path)  # 4 frames of 192 bytes
    assert mapped(tmp_path) == in_file
    assert [clip.shape for clip in collect] == [(3, 8, 8, 3), (1, 8, 8, 3)]


def test_clips_are_freed_while_they_are_collected(tmp_path):
    alive = []

    def decode():
        for clip in random_clips([5] * 20):
            copied = clip.copy()
            alive.append(weakref.ref(copied))
            yield copied
            del copied
            most.append(sum(ref() is not None for ref in alive))

    most = []
    collect_clips(decode(), 2500, tmp_path)  # two clips and a half
    assert max(most) <= 3
    assert most[-1] <= 2


def test_a_full_disk_is_an_error_that_leaves_nothing(tmp_path):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))  # like a disk of 1000 bytes
    try:
        with pytest.raises(
            OSError, match=r"do not fit after 1,000 bytes\. Free disk space"
        ) as caught:
            collect_clips(random_clips([5, 5]), 0, tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert caught.value.filename == str(tmp_path)
    assert not list(tmp_path.iterdir())


def test_an_interruption_leaves_nothing(tmp_path):
    def decode():
        yield from random_clips([5, 5])
        assert mapped(tmp_path) == 0
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        collect_clips(decode(), 0, tmp_path)
    gc.collect()
    assert not list(tmp_path.iterdir())
    assert mapped(tmp_path) == 0


@pytest.mark.parametrize(("objective", "cached"), [("clip", True), ("frame", False)])
def test_weights_and_features_are_the_same_bit_for_bit(
    colour_clips, tmp_path, monkeypatch, objective, cached
):
    videos, y = colour_clips[0][:4], colour_clips[1][:4]
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    in_files = []
    train = fitting.train_backbone
    monkeypatch.setattr(
        fitting,
        "train_backbone",
        lambda *a, **k: in_files.append(mapped(tmp_path)) or train(*a, **k),
    )
    model = ResNet50FrameFeaturizer(**MODEL, objective=objective, device="cpu")
    rows = model.fit_transform(videos, y)
    limited = clone(model).set_params(max_nbytes=0, memory=tmp_path / "cache" if cached else None)
    limited_rows = limited.fit_transform(videos, y)
    assert in_files == [0, 2]  # the frames, and the features that will be written
    for name, value in model.weights_.items():
        np.testing.assert_array_equal(limited.weights_[name], value)
    np.testing.assert_array_equal(limited_rows, rows)
    np.testing.assert_array_equal(limited.transform(videos), rows)
    if cached:  # the limit does not change the result: it is not part of the key
        monkeypatch.setattr(fitting, "train_backbone", None)
        clone(limited).set_params(max_nbytes=None).fit(videos, y)
        left = {path.name for path in tmp_path.rglob("*") if path.is_file()}
        assert left <= {"output.pkl", "metadata.json", "func_code.py", ".gitignore"}


def test_workers_receive_frames_from_a_file(tmp_path):
    clips = random_clips([5, 5])
    found = collect_clips(clips.copy(), 0, tmp_path)
    # joblib would send the name of a numpy.memmap's file instead of its content.
    assert not isinstance(found[0], np.memmap)
    assert not isinstance(found[0].base, np.memmap)
    for clip, expected in zip(pickle.loads(pickle.dumps(found)), clips, strict=True):
        np.testing.assert_array_equal(clip, expected)
