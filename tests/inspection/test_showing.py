"""Displays in notebooks and scripts: figures of pyplot, or those that are given."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from sklearn.exceptions import NotFittedError

from skvideo_gru import (
    FilmStripDisplay,
    MistakesDisplay,
    SearchDisplay,
    TimelineDisplay,
    TrainingDisplay,
    evaluation_report,
    make_video_classifier,
)
from skvideo_gru.inspection import without_pyplot

DISPLAYS = {
    "figure": [
        TrainingDisplay({"GRU": [{"epoch": 1, "train_loss": 0.5}]}),
        FilmStripDisplay(np.zeros((2, 8, 8, 3), np.uint8), np.full((2, 2), 0.5), ["a", "b"]),
        MistakesDisplay([], 3),
        TimelineDisplay([(0, 1, [0.5, 0.5])], ["a", "b"]),
    ],
    "ax": [SearchDisplay(x="a", y="b", x_values=[1, 2], y_values=[3, 3], mean=[0, 1], std=[1, 1])],
}
CASES = [(name, display) for name, displays in DISPLAYS.items() for display in displays]


@pytest.mark.parametrize(("name", "display"), CASES, ids=lambda case: type(case).__name__)
def test_pyplot_shows_the_figure_of_a_display(name, display):
    figure = display.plot().figure_
    assert [plt.figure(number) for number in plt.get_fignums()] == [figure]
    assert figure.get_layout_engine() is not None


@pytest.mark.parametrize(("name", "display"), CASES, ids=lambda case: type(case).__name__)
def test_a_display_draws_on_what_is_given(name, display):
    figure = plt.figure()
    target = figure if name == "figure" else figure.subplots()
    assert display.plot(**{name: target}).figure_ is figure
    assert plt.get_fignums() == [figure.number]


@pytest.mark.parametrize("display", [FilmStripDisplay, MistakesDisplay, TrainingDisplay])
def test_displays_of_a_pipeline_that_is_not_fitted_are_an_error(display, order_data):
    data = {FilmStripDisplay: [order_data.data[0]], MistakesDisplay: [order_data.data, "x"]}
    with pytest.raises(NotFittedError):
        display.from_estimator(make_video_classifier(), *data.get(display, []))


def test_training_is_plotted_on_a_given_figure(order_model):
    figure = plt.figure()
    assert TrainingDisplay.from_estimator(order_model, figure=figure).figure_ is figure


def test_reports_leave_no_open_figures(order_model, order_data):
    evaluation_report(order_model, {"test": (order_data.data[:4], order_data.target[:4])})
    with without_pyplot():
        for _, display in CASES:
            display.plot()
    assert plt.get_fignums() == []
