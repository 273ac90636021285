"""Figures of the scores of a hyperparameter search."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Real
from typing import Any, Self

import numpy as np
from matplotlib.axes import Axes
from sklearn.utils.validation import check_is_fitted

from ..answers import score_names
from .figures import STYLES, contrasting_colour, draw_tick_labels, new_figure, one_line

# Tables of more cells have the same size, and no scores in their cells.
_WRITTEN_COLUMNS, _WRITTEN_ROWS = 13, 16


class SearchDisplay:
    """Plot the score of a search over two of its parameters.

    The plot is a table of colours if the candidates form a grid, a line if only one of the
    parameters varies, and a scatter plot if the candidates were sampled from many values.

    Parameters
    ----------
    x, y : str
        Names of the parameters.
    x_values, y_values : sequence of length n_candidates
        Values of the parameters, by candidate.
    mean, std : array-like of shape (n_candidates,)
        Mean and standard deviation of the scores of each candidate over the folds.
    label : str, default="mean score"
        Name of the score.

    Attributes
    ----------
    figure_ : Figure
        The figure.
    ax_ : Axes
        The axes.

    Notes
    -----
    If candidates also differ in other parameters, each pair of values shows its best
    candidate. A table is at most 15 x 12 inches; scores are written into its cells if
    they fit.

    Examples
    --------
    >>> from skvideo_gru import SearchDisplay
    >>> display = SearchDisplay(
    ...     x="gru__hidden_size", y="gru__lr_decay", x_values=[32, 64], y_values=[0.9, 0.9],
    ...     mean=[0.7, 0.8], std=[0.1, 0.1],
    ... ).plot()
    >>> display.ax_.get_xlabel()
    'gru__hidden_size'
    """

    def __init__(
        self,
        *,
        x: str,
        y: str,
        x_values: Sequence[Any],
        y_values: Sequence[Any],
        mean: Any,
        std: Any,
        label: str = "mean score",
    ) -> None:
        self.x, self.y = x, y
        self.x_values, self.y_values = list(x_values), list(y_values)
        self.mean, self.std = np.asarray(mean, float), np.asarray(std, float)
        self.label = label

    @classmethod
    def from_estimator(
        cls,
        search: Any,
        *,
        x: str | None = None,
        y: str | None = None,
        score: str = "score",
        ax: Axes | None = None,
    ) -> Self:
        """Plot the scores of a search.

        Parameters
        ----------
        search : GridSearchCV or RandomizedSearchCV
            A fitted search. Of a successive halving, the last iteration is plotted.
        x, y : str, optional
            Names of the parameters, of which one may be fixed; by default those with the
            most values.
        score : str, default="score"
            Name of the metric, for a search with several metrics.
        ax : Axes, optional
            The axes to draw on; None creates a figure with pyplot.

        Returns
        -------
        SearchDisplay
            The plotted display.

        Raises
        ------
        NotFittedError
            If the search is not fitted.
        ValueError
            If the search varies neither parameter, or did not compute the score.
        """
        check_is_fitted(search, "cv_results_")
        results, rows = search.cv_results_, comparable_rows(search)
        params = [results["params"][row] for row in rows]
        x, y = _axes_names(params, x, y)
        if not any(name in candidate for candidate in params for name in (x, y)):
            known = sorted({name for candidate in params for name in candidate})
            raise ValueError(
                f"Neither {x!r} nor {y!r} is a parameter of the search; set x and y to two of "
                f"{known}."
            )
        if f"mean_test_{score}" not in results:
            known = score_names(results)
            raise ValueError(f"The search did not compute score={score!r}; choose one of {known}.")
        metric = search.scoring if score == "score" and isinstance(search.scoring, str) else score
        return cls(
            x=x,
            y=y,
            x_values=[candidate.get(x) for candidate in params],
            y_values=[candidate.get(y) for candidate in params],
            mean=results[f"mean_test_{score}"][rows],
            std=results[f"std_test_{score}"][rows],
            label=f"mean {metric} over {search.n_splits_} folds",
        ).plot(ax)

    def plot(self, ax: Axes | None = None) -> Self:
        """Plot the scores.

        Parameters
        ----------
        ax : Axes, optional
            The axes to draw on; None creates a figure with pyplot.

        Returns
        -------
        SearchDisplay
            This display.
        """
        columns, rows = _distinct(self.x_values), _distinct(self.y_values)
        best = self._best_of_each(rows, columns)
        shown = np.where(best < 0, np.nan, self.mean[best])
        spread = np.where(best < 0, np.nan, self.std[best])
        if len(rows) == 1 or len(columns) == 1:
            self._new_axes(ax, (5.5, 3.6))
            name, values = (self.x, columns) if len(rows) == 1 else (self.y, rows)
            self._draw_line(name, values, shown.ravel(), spread.ravel())
        elif (best >= 0).mean() >= 0.5 or not _numeric([*rows, *columns]):
            self._new_axes(ax, _map_size(len(columns), len(rows)))
            self._draw_map(columns, rows, shown, spread)
        else:
            self._new_axes(ax, (5.5, 4.2))
            self._draw_points()
        return self

    def _new_axes(self, ax: Axes | None, size: tuple[float, float]) -> None:
        self.ax_ = new_figure(*size).subplots() if ax is None else ax
        self.figure_ = self.ax_.figure

    def _best_of_each(self, rows: list[Any], columns: list[Any]) -> np.ndarray:
        """Return the best candidate of each pair of values; -1 if there is none."""
        best = np.full((len(rows), len(columns)), -1)
        for i in np.argsort(np.nan_to_num(self.mean, nan=-np.inf), kind="stable"):
            best[rows.index(self.y_values[i]), columns.index(self.x_values[i])] = i
        return best

    def _draw_line(self, name: str, values: list[Any], mean: np.ndarray, std: np.ndarray) -> None:
        places = np.arange(len(values))
        self.ax_.errorbar(places, mean, std, capsize=4, ms=6, **STYLES[0])
        points = self.ax_.get_window_extent().width * 72 / self.ax_.figure.dpi
        draw_tick_labels(self.ax_.xaxis, _names(values), points / len(values) / 3)
        self.ax_.set(xlabel=one_line(name, 40), ylabel=one_line(self.label, 40))
        self.ax_.grid(axis="y", alpha=0.3)

    def _draw_map(
        self, columns: list[Any], rows: list[Any], mean: np.ndarray, std: np.ndarray
    ) -> None:
        image = self.ax_.imshow(mean, cmap="cividis", aspect="auto", origin="lower")
        self.ax_.set_facecolor("0.85")
        shades = np.asarray(image.norm(mean))
        highest = None if np.isnan(mean).all() else np.nanmax(mean)
        written = len(columns) <= _WRITTEN_COLUMNS and len(rows) <= _WRITTEN_ROWS
        for (row, column), value in np.ndenumerate(mean) if written else ():
            text = "none" if np.isnan(value) else f"{value:.3f}\n± {std[row, column]:.3f}"
            shade = 1.0 if np.isnan(value) else float(shades[row, column])
            self.ax_.text(
                column,
                row,
                text,
                ha="center",
                va="center",
                weight="bold" if value == highest else "normal",
                color=contrasting_colour(shade),
            )
        extent, points = self.ax_.get_window_extent(), 72 / self.ax_.figure.dpi
        # Labels of the x axis are horizontal: about five characters each.
        draw_tick_labels(self.ax_.xaxis, _names(columns), extent.width * points / len(columns) / 3)
        draw_tick_labels(self.ax_.yaxis, _names(rows), extent.height * points / len(rows))
        self._label_axes(image)

    def _draw_points(self) -> None:
        points = self.ax_.scatter(
            self.x_values, self.y_values, c=self.mean, cmap="cividis", s=70, edgecolors="0.3"
        )
        if not np.isnan(self.mean).all():
            best = int(np.nanargmax(self.mean))
            place = (self.x_values[best], self.y_values[best])
            self.ax_.plot(*place, "o", ms=14, mfc="none", mec=STYLES[1]["color"], mew=2)
            self.ax_.set_title(
                f"circled: best, {self.mean[best]:.3f} ± {self.std[best]:.3f}", fontsize=10
            )
        self.ax_.grid(alpha=0.3)
        self._label_axes(points)

    def _label_axes(self, coloured: Any) -> None:
        self.ax_.set(xlabel=one_line(self.x, 40), ylabel=one_line(self.y, 40))
        self.ax_.figure.colorbar(coloured, ax=self.ax_).set_label(one_line(self.label, 40))


def _axes_names(params: Sequence[dict[str, Any]], x: str | None, y: str | None) -> tuple[str, str]:
    """Choose parameters that are not given: the one with the most values, then the next."""
    names = list(dict.fromkeys(name for candidate in params for name in candidate))
    n_values = {name: len(_distinct([c.get(name) for c in params])) for name in names}
    others = iter(sorted(set(names) - {x, y}, key=lambda name: (-n_values[name], name)))
    if x is None:
        x = next(others, "")
    return x, next(others, "") if y is None else y


def _distinct(values: Sequence[Any]) -> list[Any]:
    """Return the distinct values, sorted if they can be compared."""
    different: list[Any] = []
    for value in values:
        if value not in different:
            different.append(value)
    try:
        return sorted(different)
    except TypeError:
        return different


def _numeric(values: Sequence[Any]) -> bool:
    return all(isinstance(value, Real) and not isinstance(value, bool) for value in values)


def _map_size(n_columns: int, n_rows: int) -> tuple[float, float]:
    return (
        2.6 + 0.95 * min(n_columns, _WRITTEN_COLUMNS),
        1.6 + 0.65 * min(n_rows, _WRITTEN_ROWS),
    )


def _names(values: Sequence[Any]) -> list[str]:
    return [f"{value:.4g}" if isinstance(value, float) else one_line(value) for value in values]


def comparable_rows(search: Any) -> np.ndarray:
    """Return the rows of the results of a search whose scores can be compared.

    Parameters
    ----------
    search : GridSearchCV or another search
        A fitted search.

    Returns
    -------
    ndarray of int
        Rows of ``cv_results_``: all, or those of the last iteration of a successive halving,
        because earlier iterations have used fewer resources.
    """
    results = search.cv_results_
    n_rows = len(results["params"])
    iterations = np.asarray(results.get("iter", np.zeros(n_rows)))
    return np.flatnonzero(iterations == iterations.max())


def main_score(search: Any) -> str:
    """Return the name of the score by which a search has chosen, or of its first one.

    Parameters
    ----------
    search : GridSearchCV or another search
        A fitted search.

    Returns
    -------
    str
        The name, as in the columns ``mean_test_NAME`` of ``cv_results_``.
    """
    names = score_names(search.cv_results_)
    return search.refit if search.refit in names else names[0]
