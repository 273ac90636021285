import numpy as np
import pytest

from skvideo_gru.video.sampling import (
    dense_indices,
    fps_indices,
    frames_in_range,
    random_indices,
    select_frames,
    uniform_indices,
)


@pytest.mark.parametrize(
    ("n_available", "n_frames", "expected"),
    [
        (10, 1, [5]),
        (10, 2, [2, 7]),
        (10, 10, list(range(10))),
        (9, 3, [1, 4, 7]),
        (1, 4, [0, 0, 0, 0]),
        (2, 3, [0, 1, 1]),
        (3, 6, [0, 0, 1, 1, 2, 2]),
    ],
)
def test_uniform_indices(n_available, n_frames, expected):
    assert uniform_indices(n_available, n_frames).tolist() == expected


def test_uniform_indices_are_the_centres_of_equal_segments():
    for n_available in range(1, 60):
        for n_frames in range(1, 60):
            indices = uniform_indices(n_available, n_frames)
            # An independent definition: the frame on screen at the centre.
            on_screen = [
                max(f for f in range(n_available) if f * 2 * n_frames <= (2 * i + 1) * n_available)
                for i in range(n_frames)
            ]
            assert indices.tolist() == on_screen


@pytest.mark.parametrize(
    ("n_available", "n_frames", "stride", "expected"),
    [
        (10, 1, 1, [4]),
        (10, 4, 1, [3, 4, 5, 6]),
        (10, 3, 2, [2, 4, 6]),
        (11, 3, 2, [3, 5, 7]),
        (10, 10, 1, list(range(10))),
        (10, 20, 1, list(range(10))),
        (5, 8, 2, [0, 2, 4]),
        (6, 8, 2, [0, 2, 4]),
        (5, 3, 9, [2]),
        (1, 3, 1, [0]),
    ],
)
def test_dense_indices(n_available, n_frames, stride, expected):
    assert dense_indices(n_available, n_frames, stride).tolist() == expected


@pytest.mark.parametrize(
    ("times", "fps", "n_frames", "expected"),
    [
        (np.arange(250) / 25, 1, 20, list(range(0, 250, 25))),
        (np.arange(250) / 25, 2, 5, [0, 12, 25, 37, 50]),
        (np.arange(251) / 25, 1, 20, list(range(0, 251, 25))),
        (np.arange(4) / 2, 4, 20, [0, 0, 1, 1, 2, 2, 3]),
        ([7.0], 30, 20, [0]),
        ([0.0, 0.1, 5.0, 5.1], 1, 20, [0, 1, 1, 1, 1, 2]),
        ([2.0, 2.5, 3.0], 2, 20, [0, 1, 2]),
        # 0.1 + 0.2 is slightly more than 0.3.
        ([0.0, 0.1, 0.2, 0.1 + 0.2], 10, 20, [0, 1, 2, 3]),
        # A time that goes back does not bring back an earlier frame.
        ([0.0, 1.0, 0.5, 2.0], 1, 20, [0, 2, 3]),
    ],
)
def test_fps_indices(times, fps, n_frames, expected):
    assert fps_indices(times, fps, n_frames).tolist() == expected


def test_random_indices_select_one_of_each_segment():
    for n_available, n_frames in [(100, 4), (101, 7), (5, 5), (3, 8), (1, 2), (1000, 20)]:
        drawn = np.array([random_indices(n_available, n_frames, seed) for seed in range(200)])
        edges = np.arange(n_frames + 1) * n_available / n_frames
        assert (drawn >= np.floor(edges[:-1])).all()
        assert (drawn <= np.ceil(edges[1:]) - 1).all()
        assert (np.diff(drawn, axis=1) >= 0).all()
        if n_available > 10 * n_frames:
            # All positions in a segment occur.
            centres = (edges[:-1] + edges[1:] - 1) / 2
            width = n_available / n_frames
            assert np.abs(drawn.mean(axis=0) - centres).max() < width / 8
            assert drawn.std(axis=0).min() > width / 5
    assert random_indices(50, 5, 3).tolist() == random_indices(50, 5, 3).tolist()


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        (None, None, (0, 6)),
        (1.0, None, (2, 6)),
        (None, 1.0, (0, 2)),
        (0.9, 2.1, (2, 5)),
        (0.51, 0.99, (2, 2)),
        (9.0, None, (6, 6)),
    ],
)
def test_frames_in_range(start, end, expected):
    times = [0.0, 0.5, 1.0, 1.5, 2.0, 2.5]
    assert frames_in_range(times, start, end) == expected


def test_time_ranges_tolerate_rounding():
    assert frames_in_range([0.0, 0.1, 0.2, 0.3], start=0.1 + 0.2) == (3, 4)


def test_time_ranges_are_contiguous_if_times_go_backwards():
    assert frames_in_range([0.0, 0.4, 0.2, 0.6, 0.8], start=0.3, end=0.7) == (1, 4)


def test_select_frames_of_a_time_range():
    times = np.arange(100) / 10
    assert select_frames(times, n_frames=2, start=2.0, end=6.0).tolist() == [30, 50]
    assert select_frames(times, sampling="all", start=9.75).tolist() == [98, 99]
    assert select_frames(times, n_frames=5, start=20.0).tolist() == []
    time_range = {"start": 2.0, "end": 6.0}
    assert select_frames(times, sampling="fps", fps=1, **time_range).tolist() == [20, 30, 40, 50]
    dense = select_frames(times, sampling="dense", n_frames=3, stride=5, **time_range)
    assert dense.tolist() == [34, 39, 44]
    random = select_frames(times, sampling="random", n_frames=4, seed=1, **time_range)
    assert random.tolist() == (20 + random_indices(40, 4, 1)).tolist()


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"sampling": "evenly"}, "sampling='evenly'"),
        ({"n_frames": 0}, "n_frames=0"),
        ({"stride": 0}, "stride=0"),
        ({"fps": -1.0}, "fps=-1.0"),
        ({"fps": float("nan")}, "fps=nan"),
        ({"fps": "2"}, "fps='2'"),
        ({"n_frames": True}, "n_frames=True"),
    ],
)
def test_select_frames_names_the_wrong_parameter(parameters, message):
    with pytest.raises(ValueError, match=message):
        select_frames([0.0], **parameters)
