import numpy as np
import pytest
from conftest import outcome_of
from matplotlib.figure import Figure
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, RandomizedSearchCV

from skvideo_gru import SearchDisplay, TrainingDisplay
from skvideo_gru.plotting import plain, plot_confusion_matrix

RECORDS = [
    {"epoch": 1, "train_loss": 0.9, "valid_loss": 1.0},
    {"epoch": 2, "train_loss": 0.4, "valid_loss": 0.8},
]
SCORES = {"x": "size", "y": "decay", "label": "mean accuracy"}


@pytest.fixture(scope="module")
def grid():
    """A small search over two parameters of a classifier of numbers."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 3))
    y = X[:, 0] + rng.normal(size=60) > 0
    params = {"C": [0.001, 0.1, 10.0], "max_iter": [50, 100]}
    return GridSearchCV(LogisticRegression(), params, scoring="accuracy", cv=3).fit(X, y), X, y


def texts(axes):
    return {tuple(map(float, text.get_position())): text.get_text() for text in axes.texts}


def test_the_confusion_matrix_shows_counts():
    outcome = outcome_of(["a"] * 3 + ["b"], ["a", "a", "b", "b"])
    axes = plot_confusion_matrix(outcome, "four videos").axes[0]
    assert texts(axes) == {(0, 0): "2", (1, 0): "1", (0, 1): "0", (1, 1): "1"}
    assert [label.get_text() for label in axes.get_yticklabels()] == ["a", "b"]
    assert axes.get_title() == "four videos"


@pytest.mark.filterwarnings("error")
def test_the_confusion_matrix_has_classes_that_do_not_occur():
    outcome = outcome_of(["a", "a"], ["a", "a"])
    shown = texts(plot_confusion_matrix(outcome).axes[0])
    assert shown == {(0, 0): "2", (1, 0): "0", (0, 1): "0", (1, 1): "0"}


@pytest.mark.parametrize("label", [r"$\frac{$", "_a", "two\nlines", "<b>", "x" * 300])
def test_any_label_can_be_drawn(label):
    figure = plot_confusion_matrix(outcome_of([label, "b"], ["b", "b"], classes=(label, "b")))
    figure.draw_without_rendering()
    assert len(plain(label)) <= 26 and "\n" not in plain(label)


def test_a_dollar_is_a_dollar():
    figure = Figure()
    shown, meant = figure.text(0, 0, plain("$x$")), figure.text(0, 0, "$x$", parse_math=False)
    assert shown.get_window_extent().width == meant.get_window_extent().width


def test_losses_of_every_network_that_was_trained():
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


def test_nothing_was_trained():
    (axes,) = TrainingDisplay({"GRU": []}).plot().axes_
    assert axes.texts[0].get_text() == "No network was trained."


def test_training_of_a_pipeline_goes_where_it_is_told(order_model):
    display = TrainingDisplay.from_estimator(order_model)
    (axes,) = display.axes_
    losses = [record["train_loss"] for record in order_model["gru"].history_]
    assert axes.get_title() == "GRU" and axes.lines[0].get_ydata().tolist() == losses
    figure = Figure()
    assert display.plot(figure).figure_ is figure and len(figure.axes) == 1


def test_a_grid_is_a_map_with_values_in_its_cells(grid):
    search, _, _ = grid
    display = SearchDisplay.from_estimator(search, x="max_iter", y="C")
    results = search.cv_results_
    expected = {
        (float([50, 100].index(p["max_iter"])), float([0.001, 0.1, 10.0].index(p["C"]))): (
            f"{mean:.3f}\n± {std:.3f}"
        )
        for p, mean, std in zip(
            results["params"], results["mean_test_score"], results["std_test_score"], strict=True
        )
    }
    assert texts(display.ax_) == expected
    assert [label.get_text() for label in display.ax_.get_yticklabels()] == ["0.001", "0.1", "10"]
    assert display.ax_.get_ylabel() == "C"
    assert display.figure_.axes[1].get_ylabel() == "mean accuracy over 3 folds"


@pytest.mark.parametrize("varied", ["size", "decay"])
def test_one_parameter_is_a_line_with_error_bars(varied):
    values = {"size": [1, 1, 1], "decay": [0.9, 0.9, 0.9]} | {varied: [30, 10, 20]}
    display = SearchDisplay(
        x_values=values["size"],
        y_values=values["decay"],
        mean=[0.7, 0.5, 0.6],
        std=[0.01, 0.02, 0.03],
        **SCORES,
    ).plot()
    bars = display.ax_.containers[0]
    assert bars.lines[0].get_ydata().tolist() == [0.5, 0.6, 0.7]
    ends = np.array([segment[:, 1] for segment in bars.lines[2][0].get_segments()])
    np.testing.assert_allclose(ends, [[0.48, 0.52], [0.57, 0.63], [0.69, 0.71]])
    assert display.ax_.get_xlabel() == varied
    assert [label.get_text() for label in display.ax_.get_xticklabels()] == ["10", "20", "30"]


def test_values_drawn_at_random_are_points(grid):
    _, X, y = grid
    space = {"C": np.linspace(0.1, 9, 50).tolist(), "max_iter": list(range(50, 100))}
    search = RandomizedSearchCV(LogisticRegression(), space, n_iter=8, cv=3, random_state=0)
    search.fit(X, y)
    display = SearchDisplay.from_estimator(search, x="C", y="max_iter", ax=Figure().subplots())
    points = display.ax_.collections[0]
    params = search.cv_results_["params"]
    assert points.get_offsets().tolist() == [[p["C"], p["max_iter"]] for p in params]
    assert points.get_array().tolist() == search.cv_results_["mean_test_score"].tolist()
    assert f"{search.best_score_:.3f}" in display.ax_.get_title()


def test_the_best_candidate_of_a_cell_counts_and_a_failed_one_does_not():
    display = SearchDisplay(
        x_values=[1, 1, 2, 2, 1],
        y_values=[0.9, 0.9, 0.9, 0.8, 0.8],
        mean=[0.5, 0.6, np.nan, 0.7, 0.4],
        std=[0, 0, 0, 0, 0],
        **SCORES,
    ).plot()
    # The rows run upwards: 0.8, then 0.9.
    shown = {place: text.split("\n")[0] for place, text in texts(display.ax_).items()}
    assert shown == {(0, 0): "0.400", (1, 0): "0.700", (0, 1): "0.600", (1, 1): "none"}


def test_what_was_not_searched_cannot_be_shown(grid):
    search, _, _ = grid
    with pytest.raises(ValueError, match=r"neither 'gru__hidden_size'.*\['C', 'max_iter'\]"):
        SearchDisplay.from_estimator(search)
    with pytest.raises(ValueError, match="no score='f1'; choose one of"):
        SearchDisplay.from_estimator(search, x="C", score="f1")
    with pytest.raises(NotFittedError):
        SearchDisplay.from_estimator(GridSearchCV(LogisticRegression(), {}))
