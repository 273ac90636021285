import numpy as np
import pytest

from skvideo_gru.video.sampling import frames_in_range
from skvideo_gru.video.windows import SlidingWindows, check_window


def windows_of(times, window, step, start=0.0):
    sliding = SlidingWindows(window, step, start)
    found = [done for number, time in enumerate(times) for done in sliding.push(time, number)]
    return [*found, *sliding.finish()]


@pytest.mark.parametrize(
    ("times", "window", "step", "start", "expected"),
    [
        ([0, 1, 2, 3], 2, 1, 0, {0: [0, 1], 1: [1, 2], 2: [2, 3]}),
        ([0, 1, 2, 3], 2, 2, 0, {0: [0, 1], 2: [2, 3]}),
        # The last window contains the last frame, and may be shorter.
        ([0, 1, 2, 3, 4], 2, 2, 0, {0: [0, 1], 2: [2, 3], 4: [4]}),
        ([0, 1], 10, 1, 0, {0: [0, 1]}),
        ([0], 10, 1, 0, {0: [0]}),
        ([], 10, 1, 0, {}),
        # Frames between windows belong to none.
        ([0, 1, 2, 3, 4], 1, 2, 0, {0: [0], 2: [2], 4: [4]}),
        ([0, 1, 2, 3], 1, 2, 0, {0: [0], 2: [2]}),
        # Windows in a gap are omitted.
        ([0, 1, 50, 51], 2, 1, 0, {0: [0, 1], 1: [1], 49: [2], 50: [2, 3]}),
        ([0, 1, 2, 3], 2, 1, 1, {1: [1, 2], 2: [2, 3]}),
        # Sums of 0.1 are inexact.
        ([0.1 + 0.2, 0.4, 0.5], 0.1, 0.1, 0.3, {0.3: [0], 0.4: [1], 0.5: [2]}),
    ],
)
def test_windows_of_frames(times, window, step, start, expected):
    found = windows_of(times, window, step, start)
    assert [w.start for w in found] == pytest.approx(list(expected))
    assert [w.items for w in found] == list(expected.values())
    for w in found:
        assert w.end == pytest.approx(w.start + window)
        assert w.times == [times[item] for item in w.items]


@pytest.mark.parametrize("seed", range(8))
def test_windows_contain_the_frames_of_their_time_range(seed):
    rng = np.random.default_rng(seed)
    times = np.cumsum(rng.choice([0.04, 0.04, 0.05, 1.7], 300)) - 0.04
    if seed % 2:  # timestamps that go backwards
        times[rng.integers(1, 300, 10)] -= 0.3
    window, step = rng.uniform(0.1, 3), rng.uniform(0.05, 2)
    found = {round(w.start / step): w for w in windows_of(times.tolist(), window, step)}
    last = max(found)
    assert all(len(times) - 1 not in found[number].items for number in found if number < last)
    for number in range(last + 5):
        first, stop = frames_in_range(times, number * step, number * step + window)
        items = found[number].items if number in found else []
        if number <= last or len(times) - 1 not in found[last].items:
            assert items == list(range(first, stop))


def test_a_long_gap_takes_no_time():
    found = windows_of([0.0, 1e12], 0.01, 0.001)
    assert len(found) == 2
    assert found[1].start <= 1e12 < found[1].end


def test_only_the_frames_of_a_window_are_stored():
    sliding = SlidingWindows(1.0, 0.1)
    largest = 0
    for number in range(2000):
        sliding.push(number / 25, number)
        largest = max(largest, len(sliding._items))
    assert largest <= 27


def test_lengths_are_checked():
    assert check_window(10, None) == (10.0, 1.0)
    assert check_window(2, 5) == (2.0, 5.0)
    wrong = [(0, 1, "window=0"), (1, -1, "step=-1"), (1, np.inf, "step=inf")]
    wrong += [("3", None, "window='3'"), (3, "1", "step='1'"), (None, None, "window=None")]
    for window, step, named in wrong:
        with pytest.raises(ValueError, match=f"{named} must be a number of seconds"):
            check_window(window, step)
    with pytest.raises(ValueError, match="window=nan"):
        check_window(np.nan, None)
