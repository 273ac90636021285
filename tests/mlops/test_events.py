import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV

from skvideo_gru import SelectiveClassifierCV, VideoDecodeError, find_events

CLASSES = ["a", "b", "c"]


def windows(probabilities, window=2.0, step=1.0, begin=0.0):
    return [
        (begin + number * step, begin + number * step + window, proba)
        for number, proba in enumerate(probabilities)
    ]


def row(a, b=None):
    b = (1 - a) / 2 if b is None else b
    return (a, b, 1 - a - b)


A, B, C = row(0.8), row(0.1, 0.8), row(0.1, 0.1)
WEAK, LESS, NONE = row(0.45, 0.3), row(0.39, 0.31), row(0.34)


@pytest.mark.parametrize(
    ("probabilities", "parameters", "expected"),
    [
        ([], {}, []),
        ([NONE] * 3, {}, []),
        ([A], {}, [(0, 2, "a", 0.8)]),
        ([A] * 3, {}, [(0, 4, "a", 0.8)]),
        # A limit is halfway between the centres of two windows.
        ([A, A, B, B], {}, [(0, 2.5, "a", 0.8), (2.5, 5, "b", 0.8)]),
        ([NONE, A, A, NONE], {}, [(1.5, 3.5, "a", 0.8)]),
        # An event begins at the high threshold and continues to the low one.
        ([WEAK, A, WEAK, WEAK, LESS, A], {}, [(1.5, 4.5, "a", 1.7 / 3), (5.5, 7, "a", 0.8)]),
        ([A, LESS, A], {"low": 0.3}, [(0, 4, "a", 1.99 / 3)]),
        ([A, LESS, A], {"low": 0.5}, [(0, 1.5, "a", 0.8), (2.5, 4, "a", 0.8)]),
        ([row(0.5)], {}, [(0, 2, "a", 0.5)]),
        ([row(0.5)], {"high": 0.51}, []),
        # Another class ends an event if it is more probable and reaches the high threshold.
        ([A, row(0.41, 0.5)], {}, [(0, 1.5, "a", 0.8), (1.5, 3, "b", 0.5)]),
        ([A, row(0.41, 0.49)], {}, [(0, 3, "a", 1.21 / 2)]),
        ([B, row(0.5, 0.5)], {}, [(0, 3, "b", 0.65)]),
        # The low threshold is 0.8 of the high one.
        ([A, row(0.48, 0.3)], {"high": 0.6}, [(0, 3, "a", 0.64)]),
        ([A, row(0.47, 0.3)], {"high": 0.6}, [(0, 1.5, "a", 0.8)]),
        # Short events are omitted.
        ([A, A, C, A, A], {"min_duration": 1.1}, [(0, 2.5, "a", 0.8), (3.5, 6, "a", 0.8)]),
        ([A, A, C, A, A], {"min_duration": 2.51}, []),
        ([A, C, C], {"min_duration": 1.5}, [(0, 1.5, "a", 0.8), (1.5, 4, "c", 0.8)]),
    ],
)  # fmt: skip
def test_events(probabilities, parameters, expected):
    found = list(find_events(windows(probabilities), CLASSES, **parameters))
    assert [(e.start, e.end, e.label) for e in found] == [e[:3] for e in expected]
    assert [e.confidence for e in found] == pytest.approx([e[3] for e in expected])


@pytest.mark.parametrize("step", [0.1, 0.7, 2.0])
def test_limits_are_as_precise_as_the_step(step):
    change = 20.0
    rows = [
        row(1.0) if number * step + 1 < change else row(0.0, 1.0)
        for number in range(round(60 / step))
    ]
    first, second = find_events(windows(rows, window=2.0, step=step, begin=0.0), CLASSES)
    assert first.end == second.start == pytest.approx(change, abs=step)
    assert (first.start, first.label, second.label) == (0, "a", "b")


def selective_model(threshold, classes=CLASSES):
    """A SelectiveClassifierCV as if fitted."""
    model = SelectiveClassifierCV(LogisticRegression())
    model.classes_, model.threshold_ = np.array(classes), threshold
    return model


def test_windows_that_a_classifier_rejects_begin_no_event():
    model = selective_model(0.7)
    rows = [row(0.65), A, row(0.65), row(0.45), row(0.65), B]
    answers = ["unknown", "a", "unknown", "unknown", "unknown", "b"]
    np.testing.assert_array_equal(model.apply_threshold(rows), answers)
    found = list(find_events(windows(rows), model))
    # The event continues above 0.8 * 0.7.
    assert [event[:3] for event in found] == [(1.5, 3.5, "a"), (5.5, 7, "b")]
    search = GridSearchCV(model, {})
    search.best_estimator_ = model
    assert list(find_events(windows(rows), search)) == found
    starts = [event.start for event in find_events(windows(rows), model, high=0.6)]
    assert starts == [0, 4.5, 5.5]
    for threshold in (1.1, np.inf):
        assert list(find_events(windows(rows), selective_model(threshold))) == []
    with pytest.raises(ValueError, match=r"low=0\.8 must be at most high=0\.7, the default"):
        find_events([], model, low=0.8)


def test_a_class_of_unknown_samples_is_no_event():
    model = selective_model(0.7, ["a", "unknown", "z"])
    rows, answers = [A, A, B, B, A], ["a", "a", "unknown", "unknown", "a"]
    np.testing.assert_array_equal(model.apply_threshold(rows), answers)
    found = [event[:3] for event in find_events(windows(rows), model)]
    assert found == [(0, 2.5, "a"), (4.5, 6, "a")]
    assert len(list(find_events(windows(rows), model.classes_))) == 3


def test_time_without_frames_ends_an_event():
    before, after = windows([A] * 2), windows([A], begin=10.0)
    found = list(find_events(before + after, CLASSES))
    assert [(e.start, e.end) for e in found] == [(0, 3), (10, 12)]
    apart = [(0.0, 0.1 * 3, A), (0.3, 0.6, A)]  # 0.1 * 3 > 0.3
    assert len(list(find_events(apart, CLASSES))) == 1
    apart = [(0.0, 0.3, A), (0.1 * 3, 0.6, A)]
    assert len(list(find_events(apart, CLASSES))) == 1


def test_the_last_event_before_an_error_is_found():
    def corrupt():
        yield from windows([A, A])
        raise VideoDecodeError("day.mp4", "broken")

    found = []
    with pytest.raises(VideoDecodeError, match="broken"):  # noqa: PT012
        for event in find_events(corrupt(), CLASSES):
            found.append(event)
    assert [(event.start, event.end, event.label) for event in found] == [(0, 3, "a")]


def test_events_are_yielded_as_soon_as_they_end():
    consumed = []

    def source():
        for number, window in enumerate(windows([A, A, B, B])):
            consumed.append(number)
            yield window

    next(find_events(source(), CLASSES))
    assert consumed == [0, 1, 2]


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"high": 0.3, "low": 0.4}, "low=0.4 must be at most high=0.3"),
        ({"low": 0.6}, "low=0.6 must be at most high=0.5, the default"),
        ({"high": 1.1}, "high=1.1"),
        ({"low": 0}, "low=0"),
        ({"min_duration": -1}, "min_duration=-1"),
        ({"min_duration": float("nan")}, "min_duration=nan"),
    ],
)
def test_wrong_parameters_are_errors(parameters, message):
    with pytest.raises(ValueError, match=message):
        find_events([], CLASSES, **parameters)


def test_windows_of_other_classes_are_an_error():
    with pytest.raises(ValueError, match="2 probabilities, but there are 1 classes.*classes_"):
        list(find_events([(0, 1, [0.5, 0.5])], ["a"]))
