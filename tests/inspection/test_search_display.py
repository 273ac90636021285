import numpy as np
import pytest
from conftest import overlaps, texts
from matplotlib.figure import Figure
from sklearn.exceptions import NotFittedError
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, HalvingGridSearchCV, RandomizedSearchCV

from skvideo_gru import SearchDisplay
from skvideo_gru.inspection.search_display import comparable_rows

SCORES = {"x": "size", "y": "decay", "label": "mean accuracy"}


@pytest.fixture(scope="module")
def grid():
    """A small search over two parameters of a classifier of numbers."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 3))
    y = X[:, 0] + rng.normal(size=60) > 0
    params = {"C": [0.001, 0.1, 10.0], "max_iter": [50, 100]}
    return GridSearchCV(LogisticRegression(), params, scoring="accuracy", cv=3).fit(X, y), X, y


def test_a_grid_is_a_heat_map_with_scores_in_its_cells(grid):
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


def test_random_candidates_are_points(grid):
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


def test_a_cell_shows_its_best_candidate_that_did_not_fail():
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


def test_the_parameters_with_the_most_values_are_plotted(grid):
    search, X, y = grid
    display = SearchDisplay.from_estimator(search)
    assert (display.x, display.y) == ("C", "max_iter")
    assert SearchDisplay.from_estimator(search, x="max_iter").y == "C"
    one = GridSearchCV(LogisticRegression(), {"C": [1.0, 2.0]}, cv=3).fit(X, y)
    display = SearchDisplay.from_estimator(one)
    assert display.ax_.get_xlabel() == "C"
    assert [label.get_text() for label in display.ax_.get_xticklabels()] == ["1", "2"]


def test_parameters_that_were_not_searched(grid):
    search, _, _ = grid
    with pytest.raises(ValueError, match=r"Neither 'gru__hidden_size'.*\['C', 'max_iter'\]"):
        SearchDisplay.from_estimator(search, x="gru__hidden_size", y="gru__lr_decay")
    with pytest.raises(ValueError, match="not compute score='f1'; choose one of"):
        SearchDisplay.from_estimator(search, x="C", score="f1")
    with pytest.raises(NotFittedError):
        SearchDisplay.from_estimator(GridSearchCV(LogisticRegression(), {}))


def test_a_large_grid_has_a_bounded_figure_without_scores_in_its_cells():
    x, y = (axis.ravel().tolist() for axis in np.meshgrid(np.arange(60) / 7, range(200)))
    display = SearchDisplay(
        x_values=x, y_values=y, mean=np.linspace(0, 1, len(x)), std=np.zeros(len(x)), **SCORES
    ).plot()
    width, height = display.figure_.get_size_inches()
    assert width <= 15 and height <= 12.1
    assert not display.ax_.texts
    display.figure_.draw_without_rendering()
    for axis in (display.ax_.xaxis, display.ax_.yaxis):
        assert overlaps(axis.get_ticklabels()) == 0
    assert display.ax_.get_yticklabels()[0].get_text() == "0"


def test_the_last_iteration_of_a_successive_halving_is_shown(grid):
    _, X, y = grid
    params = {"C": [0.0001, 0.1, 10.0], "fit_intercept": [True, False]}
    search = HalvingGridSearchCV(
        LogisticRegression(), params, cv=3, min_resources=30, factor=2, random_state=0
    ).fit(np.tile(X, (2, 1)), np.tile(y, 2))
    results, rows = search.cv_results_, comparable_rows(search)
    assert 1 < len(rows) < 6
    assert search.best_index_ in rows
    assert (results["n_resources"][rows] == max(results["n_resources"])).all()
    display = SearchDisplay.from_estimator(search, x="C", y="fit_intercept")
    np.testing.assert_array_equal(display.mean, results["mean_test_score"][rows])
