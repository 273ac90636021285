import numpy as np
import pytest

from skvideo_gru.sampling import frames_in_window, select_frames, uniform_indices


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
            # An independent way to say it: the frame that is on screen at the centre.
            on_screen = [
                max(f for f in range(n_available) if f * 2 * n_frames <= (2 * i + 1) * n_available)
                for i in range(n_frames)
            ]
            assert indices.tolist() == on_screen


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
def test_frames_in_window(start, end, expected):
    times = [0.0, 0.5, 1.0, 1.5, 2.0, 2.5]
    assert frames_in_window(times, start, end) == expected


def test_window_tolerates_rounding_of_times():
    assert frames_in_window([0.0, 0.1, 0.2, 0.3], start=0.1 + 0.2) == (3, 4)


def test_window_follows_the_order_of_frames_where_times_go_backwards():
    assert frames_in_window([0.0, 0.4, 0.2, 0.6, 0.8], start=0.3, end=0.7) == (1, 4)


def test_select_frames_within_a_window():
    times = np.arange(100) / 10
    assert select_frames(times, n_frames=2, start=2.0, end=6.0).tolist() == [30, 50]
    assert select_frames(times, sampling="all", start=9.75).tolist() == [98, 99]
    assert select_frames(times, n_frames=5, start=20.0).tolist() == []


@pytest.mark.parametrize(
    ("parameters", "message"),
    [({"sampling": "evenly"}, "sampling='evenly'"), ({"n_frames": 0}, "n_frames=0")],
)
def test_select_frames_names_the_wrong_parameter(parameters, message):
    with pytest.raises(ValueError, match=message):
        select_frames([0.0], **parameters)
