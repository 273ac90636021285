import numpy as np
import pytest
from conftest import outcome_of, overlaps, texts
from matplotlib.figure import Figure
from sklearn.base import BaseEstimator
from sklearn.pipeline import Pipeline

from skvideo_gru import GRUClassifier, TrainingDisplay
from skvideo_gru.inspection.plotting import plot_confusion_matrix

RECORDS = [
    {"epoch": 1, "train_loss": 0.9, "valid_loss": 1.0},
    {"epoch": 2, "train_loss": 0.4, "valid_loss": 0.8},
]


def test_the_confusion_matrix_shows_counts():
    outcome = outcome_of(["a"] * 3 + ["b"], ["a", "a", "b", "b"])
    axes = plot_confusion_matrix(outcome, "four videos").axes[0]
    assert texts(axes) == {(0, 0): "2", (1, 0): "1", (0, 1): "0", (1, 1): "1"}
    assert [label.get_text() for label in axes.get_yticklabels()] == ["a", "b"]
    assert axes.get_title() == "four videos"


@pytest.mark.filterwarnings("error")
def test_the_confusion_matrix_contains_absent_classes():
    outcome = outcome_of(["a", "a"], ["a", "a"])
    shown = texts(plot_confusion_matrix(outcome).axes[0])
    assert shown == {(0, 0): "2", (1, 0): "0", (0, 1): "0", (1, 1): "0"}


@pytest.mark.parametrize("label", [r"$\frac{$", "_a", "two\nlines", "<b>", "x" * 300])
def test_any_label_can_be_drawn(label):
    figure = plot_confusion_matrix(outcome_of([label, "b"], ["b", "b"], classes=(label, "b")))
    figure.draw_without_rendering()


def test_losses_of_each_trained_network():
    untrained = TrainingDisplay({"ResNet-50": [], "GRU": RECORDS}).plot()
    (axes,) = untrained.axes_
    assert axes.get_title() == "GRU"
    assert axes.lines[0].get_xydata().tolist() == [[1, 0.9], [2, 0.4]]
    assert axes.lines[1].get_xydata().tolist() == [[1, 1.0], [2, 0.8]]
    assert [text.get_text() for text in axes.get_legend().texts] == ["training", "validation"]


def test_without_validation_there_is_one_line():
    records = [{"epoch": 1, "train_loss": 0.9}]
    display = TrainingDisplay({"ResNet-50": RECORDS, "GRU": records}).plot()
    assert [len(axes.lines) for axes in display.axes_] == [2, 1]


def test_a_pipeline_without_training():
    (axes,) = TrainingDisplay({"GRU": []}).plot().axes_
    assert axes.texts[0].get_text() == "No network was trained."


def test_training_of_a_pipeline_is_plotted_on_the_given_figure(order_model):
    display = TrainingDisplay.from_estimator(order_model)
    (axes,) = display.axes_
    losses = [record["train_loss"] for record in order_model["gru"].history_]
    assert axes.get_title() == "GRU" and axes.lines[0].get_ydata().tolist() == losses
    figure = Figure()
    assert display.plot(figure).figure_ is figure and len(figure.axes) == 1


@pytest.mark.parametrize(("n_classes", "step"), [(50, 1), (51, 1), (101, 2), (400, 7)])
def test_a_confusion_matrix_of_many_classes_is_bounded_and_legible(n_classes, step):
    classes = [f"class {number:03d}" for number in range(n_classes)]
    predicted = classes[1:] + classes[:1]
    figure = plot_confusion_matrix(outcome_of(classes, predicted, classes=classes))
    assert figure.get_size_inches().max() <= 14
    figure.draw_without_rendering()
    axes = figure.axes[0]
    assert len(axes.texts) == (n_classes**2 if n_classes <= 50 else 0)
    labels = axes.get_yticklabels()
    assert [label.get_text() for label in labels] == classes[::step]
    assert [label.get_position()[1] for label in labels] == list(range(0, n_classes, step))
    assert overlaps(labels) == 0
    assert min(label.get_fontsize() for label in labels) >= 9
    assert [label.get_text() for label in axes.get_xticklabels()] == classes[::step]
    shares = np.roll(np.eye(n_classes), 1, axis=1)
    np.testing.assert_array_equal(axes.images[0].get_array(), shares)


class Step(BaseEstimator):
    """A fitted step with a history."""

    def __init__(self, history):
        self.history_ = history

    def fit(self, X, y=None):
        raise NotImplementedError


class HoldingOut(Pipeline):
    """A pipeline that holds samples out before its first step."""

    def fit(self, X, y=None, **params):
        raise NotImplementedError


@pytest.mark.parametrize(
    ("kind", "backbone", "label"),
    [
        (Pipeline, RECORDS, "held out from the GRU only"),
        (Pipeline, [], "validation"),
        (HoldingOut, RECORDS, "validation"),
    ],
)
def test_only_samples_that_no_step_was_trained_on_are_called_validation(kind, backbone, label):
    pipe = kind([("features", Step(backbone)), ("gru", Step(RECORDS))])
    axes = TrainingDisplay.from_estimator(pipe).axes_[-1]
    assert axes.get_title() == "GRU"
    assert [text.get_text() for text in axes.get_legend().texts] == ["training", label]


def test_a_validation_set_of_its_own_is_called_validation():
    X, y = np.arange(24.0).reshape(4, 3, 2), [0, 1, 0, 1]
    gru = GRUClassifier(max_epochs=2, early_stopping=True, random_state=0)
    pipe = Pipeline([("features", Step(RECORDS)), ("gru", gru)])
    for validation, label in (({"X_val": X, "y_val": y}, "validation"), ({}, "held out")):
        gru.set_params(validation_fraction=0.5).fit(X, y, **validation)
        axes = TrainingDisplay.from_estimator(pipe).axes_[-1]
        assert axes.get_legend().texts[1].get_text().startswith(label)
