"""A report of an evaluation: one HTML file that needs nothing else."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any

from jinja2 import Environment, StrictUndefined
from matplotlib.figure import Figure

from ..video import Video, VideoDecodeError, as_video_list
from .evaluation import Evaluation, evaluate, fitted_pipeline
from .filmstrips import FilmStripDisplay, video_name
from .plotting import TrainingDisplay, plot_confusion_matrix

__all__ = ["evaluation_report", "report_page"]


def evaluation_report(
    model: Any,
    parts: Mapping[str, tuple[Sequence[Video], Any]],
    *,
    title: str = "Evaluation",
    summary: Mapping[str, str] | None = None,
    split: str = "",
    n_mistakes: int = 5,
) -> str:
    """Write what was trained, how, and how good it is as one HTML file.

    Parameters
    ----------
    model : Pipeline
        A fitted pipeline from `make_video_classifier`, or a search that has refitted one.
    parts : mapping of str to (sequence of videos, array-like)
        Videos and labels to evaluate the model on, by name: ``{"test": (videos, y)}``.
    title : str, default="Evaluation"
        What stands above.
    summary : mapping of str to str, optional
        What is good to know first, by name: the number of videos, settings, versions.
    split : str, optional
        How the split was made, in words.
    n_mistakes : int, default=5
        The largest number of mistakes of each part that are shown.

    Returns
    -------
    str
        A page with tables and pictures in itself, that loads nothing and runs nothing.
        Videos are named without their folders.

    Raises
    ------
    VideoDecodeError
        If a video cannot be read and the model does not go on without it.
    ValueError
        If the model is no pipeline.
    """
    pipe = fitted_pipeline(model)
    outcomes = {name: (videos, evaluate(pipe, videos, y)) for name, (videos, y) in parts.items()}
    return report_page(
        pipe, outcomes, title=title, summary=summary or {}, split=split, n_mistakes=n_mistakes
    )


def report_page(
    pipe: Any,
    outcomes: Mapping[str, tuple[Sequence[Video], Evaluation]],
    *,
    title: str,
    summary: Mapping[str, str],
    split: str,
    n_mistakes: int = 5,
) -> str:
    """Write the page of `evaluation_report` from evaluations that were made.

    Parameters
    ----------
    pipe : Pipeline
        The pipeline that was evaluated.
    outcomes : mapping of str to (sequence of videos, Evaluation)
        Videos and what `evaluate` returned for them, by the name of the part.
    title : str
        What stands above.
    summary : mapping of str to str
        What is good to know first.
    split : str
        How the split was made.
    n_mistakes : int, default=5
        The largest number of mistakes of each part that are shown.

    Returns
    -------
    str
        The page.
    """
    template = files(__package__).joinpath("report.html.jinja").read_text(encoding="utf-8")
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.from_string(template).render(
        title=title,
        summary=summary,
        split=split,
        training=_picture(TrainingDisplay.from_estimator(pipe).figure_, "svg"),
        parts=[
            _part(pipe, name, videos, evaluation, n_mistakes)
            for name, (videos, evaluation) in outcomes.items()
        ],
    )


def _part(
    pipe: Any, name: str, videos: Sequence[Video], evaluation: Evaluation, n_mistakes: int
) -> dict[str, Any]:
    """Collect what the template shows of a part."""
    videos = as_video_list(videos)
    return {
        "name": name,
        "n_videos": len(evaluation.target),
        "metrics": evaluation.metrics,
        "per_class": evaluation.per_class,
        "confusion": _picture(plot_confusion_matrix(evaluation), "svg"),
        "n_mistakes": len(evaluation.mistakes()),
        "mistakes": [
            _mistake(pipe, videos[row], row, evaluation) for row in evaluation.mistakes(n_mistakes)
        ],
    }


def _mistake(pipe: Any, video: Video, row: int, evaluation: Evaluation) -> dict[str, Any]:
    shown = {
        "name": video_name(video),
        "target": evaluation.target[row],
        "predicted": evaluation.predicted[row],
        "probability": evaluation.probabilities[row].max(),
        "strip": None,
        "reason": "",
    }
    try:
        strip = FilmStripDisplay.from_estimator(pipe, video, evaluation.target[row])
    except VideoDecodeError as error:
        return shown | {"reason": error.reason}
    # The caption says what the title does, in text that can be read aloud and found.
    strip.axes_[0].set_title("", loc="left")
    return shown | {"strip": _picture(strip.figure_, "jpeg")}


def _picture(figure: Figure, kind: str) -> dict[str, Any]:
    """Encode a figure as an address that holds it, and tell its size in CSS pixels."""
    file = io.BytesIO()
    options: dict[str, Any] = {"jpeg": {"pil_kwargs": {"quality": 80}}, "svg": {}}[kind]
    figure.savefig(file, format=kind, dpi=120, **options)
    mime = {"jpeg": "image/jpeg", "svg": "image/svg+xml"}[kind]
    content = base64.b64encode(file.getvalue()).decode("ascii")
    width, height = (round(96 * inches) for inches in figure.get_size_inches())
    return {"address": f"data:{mime};base64,{content}", "width": width, "height": height}
