"""What all figures share: their creation, styles and labels."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure

#: Colour, marker and dashes of the lines of a figure. The colours are those of Okabe and Ito,
#: which are distinct for colour-blind readers, except those too light for a white background.
STYLES: list[dict[str, Any]] = [
    {"color": "#0072B2", "marker": "o", "linestyle": "-"},
    {"color": "#D55E00", "marker": "s", "linestyle": "--"},
    {"color": "#009E73", "marker": "^", "linestyle": "-."},
    {"color": "#CC79A7", "marker": "D", "linestyle": ":"},
    {"color": "#000000", "marker": "v", "linestyle": (0, (3, 1, 1, 1, 1, 1))},
]

# Points between two tick labels.
_TICK_POINTS = 13.0

# Whether displays create their figures with pyplot.
_WITH_PYPLOT: ContextVar[bool] = ContextVar("WITH_PYPLOT", default=True)


@contextmanager
def without_pyplot() -> Iterator[None]:
    """Let displays create figures that neither a notebook nor a window shows.

    Pyplot keeps its figures until they are closed, and supports windows in the main thread
    only. Reports need neither.

    Yields
    ------
    None
        Nothing.
    """
    token = _WITH_PYPLOT.set(False)
    try:
        yield
    finally:
        _WITH_PYPLOT.reset(token)


def new_figure(width: float, height: float) -> Figure:
    """Create the figure of a display with pyplot, as the displays of scikit-learn do.

    A notebook shows it when the cell ends, and ``pyplot.show()`` in a script.

    Parameters
    ----------
    width, height : float
        Size in inches.

    Returns
    -------
    Figure
        The figure; inside `without_pyplot` one that pyplot does not know.
    """
    if not _WITH_PYPLOT.get():
        return Figure(figsize=(width, height), layout="constrained")
    import matplotlib.pyplot as plt  # it may select a backend, which windows require

    return plt.figure(figsize=(width, height), layout="constrained")


def one_line(label: Any, width: int = 24) -> str:
    """Shorten a label to one line of a figure.

    Parameters
    ----------
    label : object
        A label.
    width : int, default=24
        The largest number of characters.

    Returns
    -------
    str
        Its text in one line, truncated to `width`, with dollar signs escaped because
        matplotlib would read a formula.
    """
    text = " ".join(str(label).split())
    if len(text) > width:
        text = text[: width - 1] + "…"
    return text.replace("$", r"\$")


def draw_text(axes: Axes, text: str) -> None:
    """Write a text into axes that have no data.

    Parameters
    ----------
    axes : Axes
        The axes; their frame and ticks are hidden.
    text : str
        The text.
    """
    axes.set_axis_off()
    axes.text(0.5, 0.5, text, ha="center", va="center", fontsize=12, transform=axes.transAxes)


def contrasting_colour(shade: float) -> str:
    """Choose the text colour for a cell of a table of colours.

    Parameters
    ----------
    shade : float
        Position of the cell in the colour map cividis: dark blue at 0, yellow at 1.

    Returns
    -------
    str
        ``"black"`` or ``"white"``.
    """
    return "black" if shade > 0.5 else "white"


def draw_tick_labels(axis: Axis, names: Sequence[str], points: float) -> None:
    """Label the cells of a table of colours; every n-th cell if the labels would overlap.

    Parameters
    ----------
    axis : matplotlib.axis.Axis
        The x axis or the y axis. Cell i is centred on i.
    names : sequence of str
        One label per cell.
    points : float
        Distance between two cells, in points.
    """
    step = max(1, math.ceil(_TICK_POINTS / points))
    places = range(0, len(names), step)
    axis.set_ticks(places, [names[place] for place in places])
