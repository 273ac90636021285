import numpy as np
import pytest

from skvideo_gru import make_order_videos, read_frames
from skvideo_gru.datasets import generated
from skvideo_gru.datasets.generated import _draw_lamp


def test_the_data_set_is_a_manifest_of_real_clips(tmp_path):
    data = make_order_videos(tmp_path / "clips", n_per_class=8, random_state=0)
    assert len(data.data) == 16
    assert data.target_names == ["red-blue-green", "red-green-blue"]
    for label in data.target_names:
        own = data.split[data.target == label]
        assert [int(np.sum(own == name)) for name in ("train", "val", "test")] == [5, 1, 2]
    for video in data.data:
        assert read_frames(video, sampling="all").shape == (24, 64, 64, 3)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["clips"]


def test_clips_depend_only_on_the_seed(tmp_path):
    first = make_order_videos(tmp_path / "a", n_per_class=4, random_state=3)
    second = make_order_videos(tmp_path / "b", n_per_class=4, random_state=3)
    other = make_order_videos(tmp_path / "c", n_per_class=4, random_state=4)
    for a, b, c in zip(first.data, second.data, other.data, strict=True):
        frames = read_frames(a, sampling="all")
        np.testing.assert_array_equal(frames, read_frames(b, sampling="all"))
        assert not np.array_equal(frames, read_frames(c, sampling="all"))


def test_all_colours_are_equally_likely_in_both_classes(tmp_path):
    data = make_order_videos(tmp_path / "clips", n_per_class=60, random_state=0)
    shown = np.stack(
        [
            read_frames(video, n_frames=6, frame_size=8)[:, 3:5, 3:5].mean((1, 2)).argmax(axis=1)
            for video in data.data
        ]
    )
    for label, step in (("red-green-blue", 1), ("red-blue-green", 2)):
        own = shown[data.target == label]
        assert ((own[:, 1:] - own[:, :-1]) % 3 == step).all()  # the order of the class
        for moment in range(6):
            counts = np.bincount(own[:, moment], minlength=3)
            assert counts.min() >= 10  # 20 expected of 60: 2.7 standard deviations


def test_frames_show_wall_and_lamp():
    colours = np.array([(230, 60, 50), (60, 90, 235)])
    frames = _draw_lamp(colours, 64, np.random.RandomState(0))
    assert frames.shape == (2, 64, 64, 3)
    assert frames.dtype == np.uint8
    lamp = np.abs(frames[0].astype(int) - frames[1]).sum(axis=2) > 100
    assert 0.1 < lamp.mean() < 0.5


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"n_per_class": 3}, "n_per_class=3"),
        ({"n_frames": 8}, "n_frames=8"),
        ({"frame_size": 15}, "frame_size=15"),
    ],
)
def test_wrong_numbers_are_named(tmp_path, parameters, message):
    with pytest.raises(ValueError, match=message):
        make_order_videos(tmp_path / "clips", **parameters)
    assert not (tmp_path / "clips").exists()


def test_a_tilde_is_the_home_directory(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    data = make_order_videos("~/clips", n_per_class=4, frame_size=16)
    assert data.data[0].startswith(str(tmp_path / "clips"))


def test_an_existing_folder_is_not_overwritten(tmp_path):
    with pytest.raises(FileExistsError, match="already exists"):
        make_order_videos(tmp_path)


def test_a_folder_created_in_the_meantime_is_an_error(tmp_path, monkeypatch):
    made = generated._write_clips

    def overtaken(folder, *args):
        (tmp_path / "clips" / "other").mkdir(parents=True)
        return made(folder, *args)

    monkeypatch.setattr(generated, "_write_clips", overtaken)
    with pytest.raises(FileExistsError, match="clips already exists"):
        make_order_videos(tmp_path / "clips", n_per_class=4, n_frames=6, frame_size=16)
    assert [path.name for path in tmp_path.rglob("*")] == ["clips", "other"]
