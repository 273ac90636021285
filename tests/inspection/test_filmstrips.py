import numpy as np
import pytest
from conftest import make_frames, pictures
from matplotlib.figure import Figure

from skvideo_gru import FilmStripDisplay, VideoClip, VideoDecodeError, read_frames
from skvideo_gru.inspection.filmstrips import new_strip_figure
from skvideo_gru.inspection.strips import video_name


def centres(axes):
    """Positions of the frames on the x axis."""
    axes.figure.draw_without_rendering()
    places = [inset.get_window_extent() for inset in axes.child_axes]
    middle = [(place.x0 + place.x1) / 2 for place in places]
    return axes.transData.inverted().transform([(x, 0) for x in middle])[:, 0]


def test_frames_and_probabilities_are_those_of_the_pipeline(order_model, order_data):
    video, label = order_data.data[0], order_data.target[0]
    display = FilmStripDisplay.from_estimator(order_model, video, label)
    strip, running = display.axes_
    expected = read_frames(video, n_frames=6, frame_size=32)
    np.testing.assert_array_equal(pictures(strip), expected)
    proba = order_model.predict_proba([video])[0]
    last = {
        text.get_text(): line.get_ydata()[-1]
        for text, line in zip(running.get_legend().texts, running.lines, strict=True)
    }
    assert last == pytest.approx(dict(zip(order_model.classes_, proba, strict=True)), abs=1e-6)
    # 24 frames at 12 a second; the centres of six segments are the frames 2, 6, ..., 22.
    ticks = [float(tick.get_text()) for tick in running.get_xticklabels()]
    np.testing.assert_allclose(ticks, np.arange(2, 24, 4) / 12, atol=0.006)
    assert running.get_xlabel() == "seconds"
    best = proba.argmax()
    title = f"true {label}, predicted {order_model.classes_[best]} ({proba[best]:.2f})"
    assert strip.get_title(loc="left") == f"000.mp4\n{title}"


@pytest.mark.parametrize("size", [(9, 4), (5.5, 9), (12, 3)])
def test_frames_are_above_their_probabilities(order_model, order_data, size):
    figure = Figure(figsize=size, layout="constrained")
    video = order_data.data[0]
    display = FilmStripDisplay.from_estimator(order_model, video, figure=figure)
    assert display.figure_ is figure
    np.testing.assert_allclose(centres(display.axes_[0]), np.arange(6), atol=0.02)
    np.testing.assert_allclose(*[axes.get_position().intervalx for axes in display.axes_])


def test_times_of_a_time_range_and_of_an_array(order_model, order_data):
    clip = VideoClip(order_data.data[0], start=1.0)
    seconds = FilmStripDisplay.from_estimator(order_model, clip).seconds
    np.testing.assert_allclose(seconds, np.arange(13, 24, 2) / 12)
    frames = read_frames(order_data.data[0], sampling="all")
    running = FilmStripDisplay.from_estimator(order_model, frames).axes_[1]
    assert running.get_xlabel() == "frame"
    assert [tick.get_text() for tick in running.get_xticklabels()] == list("123456")


def test_many_classes_and_frames():
    rng = np.random.default_rng(0)
    proba = rng.dirichlet(np.ones(12), 30)
    classes = np.array([f"_{number}" for number in range(12)])
    least = classes[proba.max(axis=0).argmin()]
    frames = np.zeros((30, 8, 8, 3), np.uint8)
    strip, running = FilmStripDisplay(frames, proba, classes, target=least).plot().axes_
    assert len(pictures(strip)) == 10
    grey = [line for line in running.lines if line.get_color() == "0.7"]
    assert (len(running.lines), len(grey)) == (12, 7)
    names = [text.get_text().strip() for text in running.get_legend().texts]
    assert {classes[proba[-1].argmax()], least} <= set(names)
    assert (len(names), names[-1]) == (6, "7 others")


def test_a_video_of_one_frame():
    display = FilmStripDisplay(np.zeros((1, 8, 8, 3), np.uint8), np.array([[0.2, 0.8]]), [0, 1])
    display.plot().figure_.draw_without_rendering()
    assert display.axes_[0].get_title(loc="left") == "predicted 1 (0.80)"


def test_an_unreadable_video(order_model, broken_clip):
    with pytest.raises(VideoDecodeError):
        FilmStripDisplay.from_estimator(order_model, broken_clip)


def test_names_contain_no_folder():
    assert video_name("/home/me/clips/a.mp4") == "a.mp4"
    assert video_name(VideoClip("clips/a.mp4", 1.5)) == "a.mp4, 1.5 s to the end"
    assert video_name(VideoClip("clips/a.mp4", None, 2)) == "a.mp4, 0 s to 2 s"
    assert video_name(VideoClip("clips/a.mp4")) == "a.mp4"
    assert video_name(np.zeros((2, 4, 4, 3), np.uint8)) == "<array of shape (2, 4, 4, 3)>"


@pytest.mark.parametrize(("width", "n_shown"), [(4.4, 5), (9.8, 10)])
def test_frames_fill_the_width_and_the_legend_is_below(width, n_shown):
    classes = [f"a class with a long name {number}" for number in range(8)]
    probabilities = np.full((12, 8), 1 / 8)
    attention = np.full(12, 1 / 12)
    for weights in (None, attention):
        display = FilmStripDisplay(make_frames(12), probabilities, classes, attention=weights)
        figure = new_strip_figure(display, width)
        display.plot(figure)
        figure.draw_without_rendering()
        insets = [inset.get_window_extent() for inset in display.axes_[0].child_axes]
        assert len(insets) == n_shown
        assert insets[-1].x1 - insets[0].x0 > (width - 1) * figure.dpi
        legend = display.axes_[-1].get_legend()
        assert len(legend.get_texts()) == 6
        place = legend.get_window_extent()
        assert place.y1 < display.axes_[-1].xaxis.label.get_window_extent().y0
        assert place.x0 >= 0 and place.y0 >= 0 and place.x1 <= figure.bbox.width
