import numpy as np
import pandas as pd
import pytest
from conftest import pictures

from skvideo_gru import MistakesDisplay, evaluation_report, read_frames
from skvideo_gru.inspection.evaluation import Evaluation, evaluate
from skvideo_gru.inspection.strips import video_name


@pytest.fixture(scope="module")
def outcome(order_model, order_data):
    """An evaluation with mistakes: half of the labels are swapped."""
    target = np.where(np.arange(8) % 2, order_data.target, order_data.target[::-1])
    return evaluate(order_model, order_data.data, target)


def test_mistakes_are_drawn_and_named(order_model, order_data, outcome):
    rows = outcome.mistakes(2)
    assert len(rows) == 2
    display = MistakesDisplay.from_evaluation(order_model, order_data.data, outcome, n_mistakes=2)
    for axes, row in zip(display.axes_, rows, strict=True):
        expected = read_frames(order_data.data[row], n_frames=6, frame_size=32)
        np.testing.assert_array_equal(pictures(axes), expected)
        name, text = axes.get_title(loc="left").split("\n")
        assert name == video_name(order_data.data[row])
        sure = outcome.probabilities[row].max()
        assert (
            text == f"true {outcome.target[row]}, predicted {outcome.predicted[row]} ({sure:.2f})"
        )


def test_mistakes_of_a_pipeline(order_model, order_data, outcome):
    display = MistakesDisplay.from_estimator(order_model, order_data.data, outcome.target)
    names = [mistake.name for mistake in display.mistakes]
    assert names == [video_name(order_data.data[row]) for row in outcome.mistakes(5)]


def test_mistakes_in_tables_are_found_by_position(order_model, order_data, outcome):
    row_names = np.arange(8)[::-1] + 3
    series = pd.Series(order_data.data, index=row_names)
    expected = [video_name(order_data.data[row]) for row in outcome.mistakes(5)]
    for videos in (series, pd.DataFrame({"path": series})):
        display = MistakesDisplay.from_estimator(order_model, videos, outcome.target[:, None])
        assert [mistake.name for mistake in display.mistakes] == expected
        report = evaluation_report(order_model, {"test": (videos, outcome.target)}, explain=False)
        assert all(name in report for name in expected)


def test_a_mistake_that_can_no_longer_be_read(order_model, order_data, outcome, tmp_path):
    videos = list(order_data.data)
    videos[outcome.mistakes(1)[0]] = tmp_path / "gone.mp4"
    display = MistakesDisplay.from_evaluation(order_model, videos, outcome, n_mistakes=2)
    assert "can no longer be read: No such file" in display.axes_[0].texts[0].get_text()
    assert display.axes_[0].get_title(loc="left").startswith("gone.mp4")
    assert len(pictures(display.axes_[1])) == 6


def test_no_mistakes(order_model, order_data):
    right = Evaluation(np.array(["a"] * 8), np.tile([1.0, 0.0], (8, 1)), np.array(["a", "b"]))
    display = MistakesDisplay.from_evaluation(order_model, order_data.data, right)
    assert display.axes_[0].texts[0].get_text() == "No mistakes among 8 videos."
