import numpy as np
import pytest
from conftest import overlaps
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure
from matplotlib.patches import StepPatch

from skvideo_gru import (
    TimelineDisplay,
    find_events,
)
from skvideo_gru.inspection.timeline_display import format_time

WINDOWS = [(0, 2, [0.9, 0.1]), (1, 3, [0.6, 0.4]), (2, 4, [0.1, 0.9])]


def windows_of(n_windows, n_classes=2, step=1.0, length=10.0):
    """Windows with random probabilities."""
    proba = np.random.default_rng(0).dirichlet(np.ones(n_classes), n_windows)
    return [(row * step, row * step + length, p) for row, p in enumerate(proba)]


def areas(display):
    """Edges and probabilities of the areas of the figure, in the order of drawing."""
    found = []
    for patch in display.axes_[-1].patches:
        if isinstance(patch, StepPatch):
            values, edges, baseline = patch.get_data()
            found.append((edges, (values - baseline) / 0.75))
    return found


def bars(display):
    """Row, start and end of the events in the figure."""
    found = []
    for bar in display.axes_[-1].collections:
        assert isinstance(bar, PolyCollection)
        for path in bar.get_paths():
            (start, low), (end, _) = path.vertices.min(axis=0), path.vertices.max(axis=0)
            found.append((round(-low), start, end))
    return found


def row_names(display):
    return [label.get_text() for label in display.axes_[-1].get_yticklabels()]


def test_areas_and_bars_have_the_same_limits_as_events():
    events = list(find_events(WINDOWS, ["off", "on"]))
    display = TimelineDisplay.from_predictions(iter(WINDOWS), ["off", "on"], events=iter(events))
    off, on = areas(display)
    assert off[0].tolist() == [0, 1.5, 2.5, 4]
    np.testing.assert_allclose(off[1], [0.9, 0.6, 0.1])
    np.testing.assert_allclose(on[1], [0.1, 0.4, 0.9])
    assert bars(display) == [(0, 0, 2.5), (1, 2.5, 4)]
    assert [text.get_text() for text in display.axes_[0].get_legend().texts] == [
        "probability",
        "event",
    ]
    assert display.axes_[0].get_xlim() == (0, 4)


def test_time_without_windows_is_empty():
    windows = [*WINDOWS, (7, 9, [0.3, 0.7]), (8, 10, [0.2, 0.8])]
    (edges, off), _ = areas(TimelineDisplay(windows, ["off", "on"]).plot())
    assert edges.tolist() == [0, 1.5, 2.5, 4, 7, 8.5, 10]
    np.testing.assert_allclose(off, [0.9, 0.6, 0.1, np.nan, 0.3, 0.2])


def test_many_windows_are_summarized_by_columns():
    windows = [window for window in windows_of(5000) if not 1000 < window[0] < 2000]
    windows[3000] = (*windows[3000][:2], [0.0, 1.0])  # a short peak
    display = TimelineDisplay(windows, ["off", "on"]).plot()
    _, _, (edges, maximum), (_, mean) = areas(display)
    assert len(edges) == 401 and (edges[0], edges[-1]) == (0, windows[-1][1])
    for column in range(400):
        inside = [
            proba[1]
            for start, end, proba in windows
            if edges[column] <= (start + end) / 2 < edges[column + 1]
        ]
        expected = (np.max(inside), np.mean(inside)) if inside else (np.nan, np.nan)
        np.testing.assert_allclose((maximum[column], mean[column]), expected)
    assert np.nanmax(maximum) == pytest.approx(1)
    assert 70 < np.isnan(mean).sum() < 85  # 1000 of 5000 seconds
    names = [text.get_text() for text in display.axes_[0].get_legend().texts]
    assert names == ["maximum", "mean"]


def test_the_first_and_last_windows_extend_to_the_ends():
    windows = [(0.02 * k, 0.02 * k + 2, [0.2, 0.8]) for k in range(401)]
    for _, values in areas(TimelineDisplay(windows, ["off", "on"]).plot()):
        assert not np.isnan(values).any()


def test_of_many_classes_those_with_events_have_rows():
    windows = windows_of(50, n_classes=12)
    mean = np.mean([proba for _, _, proba in windows], axis=0)
    least, second = np.argsort(mean)[:2]
    classes = [f"_class {number}" for number in range(12)]
    events = [(3, 9, classes[least], 0.5), (20, 21, classes[second], 0.5)]
    display = TimelineDisplay(windows, classes, events=events).plot()
    chosen = sorted([least, second, *np.argsort(-mean)[:5]])
    assert row_names(display) == [classes[place] for place in chosen] + ["5 others"]
    others = np.setdiff1d(np.arange(12), chosen)
    np.testing.assert_allclose(
        areas(display)[-1][1], [proba[others].sum() for _, _, proba in windows]
    )
    assert bars(display)[:1] + bars(display)[-1:] == sorted(
        [(chosen.index(least), 3, 9), (chosen.index(second), 20, 21)]
    )
    events = [(number, number + 20 - number, name, 0.5) for number, name in enumerate(classes)]
    display = TimelineDisplay(windows, classes, events=events).plot()
    assert [row for row, _, _ in bars(display)] == [*range(7), *[7] * 5]


@pytest.mark.parametrize("width", [4.4, 9])
@pytest.mark.parametrize(
    ("n_windows", "step", "length", "last"),
    [
        (9, 0.05, 0.1, "0:00:00."),
        (21, 0.2, 1, "0:00:0"),
        (600, 30, 60, ":00"),
        (99, 9999, 1, ":00"),
    ],
)
def test_the_time_axis_is_legible(width, n_windows, step, length, last):
    windows = windows_of(n_windows, step=step, length=length)
    figure = Figure(figsize=(width, 3), layout="constrained")
    display = TimelineDisplay(windows, ["a", "b"]).plot(figure)
    figure.draw_without_rendering()
    start, end = display.axes_[0].get_xlim()
    shown = [
        label
        for label in display.axes_[0].get_xticklabels()
        if start <= label.get_position()[0] <= end
    ]
    assert 2 <= len(shown) <= 10
    assert overlaps(shown) == 0
    assert last in shown[-1].get_text()
    assert len({label.get_text() for label in shown}) == len(shown)


@pytest.mark.parametrize(
    ("seconds", "digits", "text"),
    [
        (0, 0, "0:00:00"),
        (59.6, 0, "0:01:00"),
        (3599.96, 1, "1:00:00.0"),
        (3723.25, 2, "1:02:03.25"),
        (36000 * 3, 0, "30:00:00"),
    ],
)
def test_times_are_hours_minutes_and_seconds(seconds, digits, text):
    assert format_time(seconds, digits) == text


@pytest.mark.parametrize(
    ("windows", "events", "message"),
    [
        ([], [], "windows is empty"),
        ([(0, 1, [0.2, 0.3, 0.5])], [], r"\[3\] probabilities for 2 classes"),
        (WINDOWS, [(0, 1, "up", 0.9)], r"\['up'\] of events are not among .*'off', 'on'"),
    ],
)
def test_what_does_not_match_is_an_error(windows, events, message):
    with pytest.raises(ValueError, match=message):
        TimelineDisplay(windows, ["off", "on"], events=events)
