import numpy as np
import pytest
from conftest import break_video, make_frames, pictures
from matplotlib.figure import Figure

from skvideo_gru import (
    TimelineDisplay,
    VideoClip,
    VideoDecodeError,
    predict_timeline,
    read_frames,
)
from skvideo_gru.datasets.generated import write_video
from skvideo_gru.inspection.attribution import attribute
from skvideo_gru.inspection.thumbnails import _most_probable

# Windows of a second, every half of one.
HALF_SECONDS = [(row / 2, row / 2 + 1, [0.5, 0.5]) for row in range(9)]


@pytest.fixture
def recording(tmp_path):
    """Five seconds, 10 frames a second, with the aspect ratio of the thumbnails."""
    frames = make_frames(50, height=144, width=256)
    write_video(tmp_path / "day.mp4", frames, rate=10)
    return tmp_path / "day.mp4"


def expected_thumbnails(video, places):
    every = read_frames(video, sampling="all", frame_size=(108, 192), resize="pad")
    return list(every[places])


def test_thumbnails_are_the_frames_at_their_times(recording):
    windows = HALF_SECONDS
    display = TimelineDisplay.from_predictions(windows, ["a", "b"], video=recording)
    strip, rows = display.axes_
    assert strip.get_title(loc="left") == "day.mp4"
    np.testing.assert_allclose(display.seconds, np.arange(10) / 2)
    np.testing.assert_array_equal(
        pictures(strip), expected_thumbnails(recording, np.arange(0, 50, 5))
    )
    display.figure_.draw_without_rendering()
    left = [inset.get_window_extent().x0 for inset in strip.child_axes]
    np.testing.assert_allclose(
        left, rows.transData.transform([(s, 0) for s in display.seconds])[:, 0], atol=1
    )
    narrow = display.plot(Figure(figsize=(4.4, 3), layout="constrained")).axes_[0]
    np.testing.assert_array_equal(
        pictures(narrow), expected_thumbnails(recording, np.arange(0, 50, 10))
    )


def test_thumbnails_of_a_time_range(recording):
    windows = [
        (start + 2, end + 2, proba)
        for start, end, proba in [(0, 1, [0.9, 0.1]), (1, 2, [0.2, 0.8])]
    ]
    clip = VideoClip(recording, start=2, end=4)
    display = TimelineDisplay.from_predictions(windows, ["a", "b"], video=clip)
    np.testing.assert_allclose(display.seconds[:3], [2, 2.2, 2.4])
    np.testing.assert_array_equal(
        pictures(display.axes_[0]), expected_thumbnails(recording, np.arange(20, 40, 2))
    )


def test_thumbnails_of_the_last_windows(recording):
    windows = HALF_SECONDS[4:]  # from 2 to 5 seconds
    display = TimelineDisplay.from_predictions(windows, ["a", "b"], video=recording)
    np.testing.assert_array_equal(
        pictures(display.axes_[0]), expected_thumbnails(recording, np.arange(20, 50, 3))
    )
    frames = read_frames(recording, sampling="all")
    with pytest.raises(ValueError, match="The first window starts at 2 seconds"):
        TimelineDisplay.from_predictions(windows, ["a", "b"], video=frames)


def test_thumbnails_of_a_corrupt_recording_end_at_the_error(recording, broken_clip):
    break_video(recording, 30)
    windows = HALF_SECONDS
    display = TimelineDisplay.from_predictions(windows, ["a", "b"], video=recording)
    assert 3 <= len(pictures(display.axes_[0])) <= 7  # packets are not in the order of display
    with pytest.raises(VideoDecodeError):
        TimelineDisplay.from_predictions(windows, ["a", "b"], video=broken_clip)


def test_thumbnails_of_events_show_where_the_class_is_seen(order_model, recording):
    windows = list(predict_timeline(order_model, recording, window=1, step=0.5))
    classes = order_model.classes_
    events = [(0.8, 2.2, classes[1], 0.9)]  # the centres of three windows
    plain = TimelineDisplay.from_predictions(windows, classes, video=recording)
    display = TimelineDisplay.from_predictions(
        windows, classes, events=events, video=recording, explain=order_model
    )
    insets = display.axes_[0].child_axes
    for slot in range(10):
        if slot not in (2, 3, 4):
            np.testing.assert_array_equal(display.frames[slot], plain.frames[slot])
            assert len(insets[slot].images) == 1
            continue
        clip = VideoClip(recording, *windows[slot - 1][:2])
        found = attribute(order_model, clip, column=1)
        frame = found.heat.sum(axis=(1, 2)).argmax()
        middle = display.frames[slot, :, 42:150]  # square, as the classifier sees it
        expected = read_frames(clip, n_frames=6, frame_size=108)[frame]
        np.testing.assert_array_equal(middle, expected)
        heat = display.heat[slot, :, 42:150]
        np.testing.assert_allclose(heat.mean(), found.heat[frame].mean(), atol=0.02)
        assert not np.delete(display.heat[slot], np.s_[42:150], axis=1).any()
        np.testing.assert_array_equal(insets[slot].images[1].get_array(), display.heat[slot])


def test_of_several_windows_the_most_probable_is_explained():
    windows = [(n / 4, n / 4 + 1, [p, 1 - p]) for n, p in enumerate([0.6, 0.7, 0.9, 0.8])]
    display = TimelineDisplay(windows, ["a", "b"], events=[(0.5, 1.1, "a", 0.8)])
    display.seconds = np.array([0.0, 1.0])
    # The window of 0.9 has its centre at 1.0; the event ends before that of 0.8.
    assert _most_probable(display) == {0: (1, 0), 1: (2, 0)}
