"""Reports of evaluations as self-contained HTML pages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np
from matplotlib.figure import Figure

from ..features import ResNet50FrameFeaturizer
from ..sequence import GRUClassifier
from ..video import Video, VideoDecodeError, as_video_list
from .attribution import keeps_frames
from .evaluation import Evaluation, evaluate, fitted_pipeline
from .figures import without_pyplot
from .filmstrips import FilmStripDisplay, new_strip_figure, strip_values
from .pages import PHONE, encode_figure, render_page
from .plotting import TrainingDisplay, plot_confusion_matrix
from .search_display import SearchDisplay, comparable_rows, main_score
from .strips import video_name

# The largest number of rows of the table of confusions.
_CONFUSIONS = 20

# The largest number of rows of the table of a search.
_CANDIDATES = 50

# Width of the page's column, in inches.
_COLUMN = 9.8


def evaluation_report(
    model: Any,
    parts: Mapping[str, tuple[Sequence[Video], Any]],
    *,
    title: str = "Evaluation",
    summary: Mapping[str, str] | None = None,
    split: str = "",
    n_mistakes: int = 5,
    explain: bool = True,
) -> str:
    """Write a report of a trained pipeline and its evaluation as one HTML page.

    Parameters
    ----------
    model : Pipeline
        A fitted pipeline from `make_video_classifier`, or a fitted search with
        ``refit=True`` or `SelectiveClassifierCV` over one.
    parts : mapping of str to (sequence of videos, array-like)
        Videos and labels of each part to evaluate: ``{"test": (videos, y)}``. An array of
        frames is (T, H, W, 3), uint8, RGB.
    title : str, default="Evaluation"
        Title of the page.
    summary : mapping of str to str, optional
        Entries of the summary by name, for example settings and versions.
    split : str, optional
        Description of the split.
    n_mistakes : int, default=5
        The largest number of mistakes shown per part; none if a step combines the frames or
        replaces the featurizer or the GRU.
    explain : bool, default=True
        Whether to show what these predictions depend on, as `FilmStripDisplay` does.

    Returns
    -------
    str
        The page, with its tables and figures; for a search, also with the scores of its
        candidates. It loads no other files and runs no
        scripts. Videos are named without their folders.

    Raises
    ------
    VideoDecodeError
        If a video is unreadable and the model has ``features__on_error="raise"``.
    ValueError
        If the model is none of these, or knows none of the labels.
    TypeError
        If `parts` is not a mapping.
    """
    fitted_pipeline(model)  # check the model before the prediction
    if not isinstance(parts, Mapping):
        raise TypeError(
            "parts must map names to videos and labels, such as {'test': (videos, y)}, got a "
            f"{type(parts).__name__}."
        )
    outcomes = {name: (videos, evaluate(model, videos, y)) for name, (videos, y) in parts.items()}
    return report_page(
        model,
        outcomes,
        title=title,
        summary=summary or {},
        split=split,
        n_mistakes=n_mistakes,
        explain=explain,
    )


@without_pyplot()
def report_page(
    model: Any,
    outcomes: Mapping[str, tuple[Sequence[Video], Evaluation]],
    *,
    title: str,
    summary: Mapping[str, str],
    split: str,
    n_mistakes: int = 5,
    explain: bool = True,
) -> str:
    """Write the page of `evaluation_report` from existing evaluations.

    Parameters
    ----------
    model : Pipeline, SelectiveClassifierCV or search
        The evaluated model, or the fitted search whose best model was evaluated.
    outcomes : mapping of str to (sequence of videos, Evaluation)
        Videos and their evaluation, by part.
    title : str
        Title of the page.
    summary : mapping of str to str
        Entries of the summary by name.
    split : str
        Description of the split.
    n_mistakes : int, default=5
        The largest number of mistakes shown per part; none if a step combines the frames or
        replaces the featurizer or the GRU.
    explain : bool, default=True
        Whether to show what these predictions depend on, as `FilmStripDisplay` does.

    Returns
    -------
    str
        The page.
    """
    pipe = fitted_pipeline(model)
    standard = isinstance(pipe[0], ResNet50FrameFeaturizer) and isinstance(pipe[-1], GRUClassifier)
    if not standard or not keeps_frames(pipe):
        n_mistakes = 0  # there are no frames to show the probabilities of
    return render_page(
        "report.html.jinja",
        title=title,
        summary=summary,
        split=split,
        search=_search(model) if hasattr(model, "best_estimator_") else None,
        training=_training(pipe),
        explain=explain,
        parts=[
            _part(pipe, name, videos, evaluation, n_mistakes, explain)
            for name, (videos, evaluation) in outcomes.items()
        ],
    )


def _search(search: Any) -> dict[str, Any]:
    """Collect the values of a search for the template."""
    results = search.cv_results_
    score = main_score(search)
    mean, std = results[f"mean_test_{score}"], results[f"std_test_{score}"]
    display = SearchDisplay.from_estimator(search, score=score)
    rows = comparable_rows(search)
    best_first = rows[np.argsort(results[f"rank_test_{score}"][rows], kind="stable")]
    return {
        "score": display.label,
        "figure": encode_figure(cast(Figure, display.figure_), "svg"),
        "n_candidates": len(rows),
        "candidates": [
            {
                "params": [f"{name} = {value}" for name, value in results["params"][i].items()],
                "mean": mean[i],
                "std": std[i],
            }
            for i in best_first[:_CANDIDATES]
        ],
    }


def _training(pipe: Any) -> list[dict[str, Any]]:
    """Draw the training curves of each network; one figure fits on a phone."""
    display = TrainingDisplay.from_estimator(pipe)
    trained = {name: records for name, records in display.histories.items() if records}
    panels = [
        TrainingDisplay({name: records}, display.held_out_label).plot()
        for name, records in trained.items()
    ]
    return [encode_figure(panel.figure_, "svg") for panel in panels or [display]]


def _part(
    pipe: Any,
    name: str,
    videos: Sequence[Video],
    evaluation: Evaluation,
    n_mistakes: int,
    explain: bool,
) -> dict[str, Any]:
    """Collect the values of a part for the template."""
    videos = as_video_list(videos)
    return {
        "name": name,
        "n_videos": len(evaluation.target),
        "metrics": evaluation.metrics,
        "hint": evaluation.hint,
        "unknown": evaluation.unknown,
        "per_class": evaluation.per_class,
        "confusion": encode_figure(plot_confusion_matrix(evaluation), "svg"),
        "confusions": evaluation.confusions(_CONFUSIONS),
        "n_confusions": len(evaluation.confusions()),
        "n_mistakes": len(evaluation.mistakes()),
        "mistakes": [
            _mistake(pipe, videos[row], row, evaluation, explain)
            for row in evaluation.mistakes(n_mistakes)
        ],
    }


def _mistake(
    pipe: Any, video: Video, row: int, evaluation: Evaluation, explain: bool
) -> dict[str, Any]:
    shown = {
        "name": video_name(video),
        "target": evaluation.target[row],
        "predicted": evaluation.predicted[row],
        "probability": evaluation.probabilities[row].max(),
        "strip": None,
        "narrow": None,
        "reason": "",
    }
    try:
        strip = FilmStripDisplay(**strip_values(pipe, video, evaluation.target[row], explain))
    except VideoDecodeError as error:
        return shown | {"reason": error.reason}
    return shown | {
        "strip": _draw_strip(strip, _COLUMN, dpi=110),
        "narrow": _draw_strip(strip, PHONE, dpi=180),
    }


def _draw_strip(strip: FilmStripDisplay, width: float, dpi: int) -> dict[str, Any]:
    figure = new_strip_figure(strip, width)
    strip.plot(figure)
    # The caption contains the title, as text for screen readers and searches.
    strip.axes_[0].set_title("", loc="left")
    return encode_figure(figure, "jpeg", dpi=dpi)
