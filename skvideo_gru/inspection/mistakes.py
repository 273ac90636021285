"""Pictures of the videos that a classifier got wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..video import Video, VideoDecodeError, as_video_list, read_frames
from .evaluation import Evaluation, evaluate, fitted_pipeline
from .filmstrips import draw_strip, strip_height, strip_title, video_name
from .plotting import draw_text, one_line

__all__ = ["Mistake", "MistakesDisplay"]


@dataclass(frozen=True)
class Mistake:
    """What a video was, what it was taken for, and what there was to be seen.

    Parameters
    ----------
    name : str
        The video's name.
    target : object
        Its true label.
    predicted : object
        The label that it was given.
    probability : float
        How sure the classifier was.
    frames : ndarray of shape (T, H, W, 3), uint8, or None
        The frames that it saw, in their colours; None if they can no longer be read.
    reason : str, default=""
        Why they cannot.
    """

    name: str
    target: Any
    predicted: Any
    probability: float
    frames: np.ndarray | None
    reason: str = ""


class MistakesDisplay:
    """Show the videos that a classifier was surest about, and wrong.

    Parameters
    ----------
    mistakes : sequence of Mistake
        The mistakes, in the order in which they are shown.
    n_videos : int
        Number of videos that they were found among.

    Attributes
    ----------
    figure_ : Figure
        The figure.
    axes_ : list of Axes
        A strip for each mistake.

    See Also
    --------
    FilmStripDisplay : Shows one video and its running probabilities.
    """

    def __init__(self, mistakes: Sequence[Mistake], n_videos: int) -> None:
        self.mistakes = mistakes
        self.n_videos = n_videos

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        videos: Sequence[Video],
        y: Any,
        *,
        n_mistakes: int = 5,
        figure: Any = None,
    ) -> Self:
        """Predict videos and draw the most confident mistakes.

        Parameters
        ----------
        estimator : Pipeline
            A fitted pipeline from `make_video_classifier`, or a search that has refitted
            one.
        videos : sequence of videos
            The videos.
        y : array-like of shape (n,)
            Their labels.
        n_mistakes : int, default=5
            The largest number of mistakes to draw.
        figure : Figure or SubFigure, optional
            Where to draw; None makes a new one.

        Returns
        -------
        MistakesDisplay
            What was drawn.
        """
        outcome = evaluate(fitted_pipeline(estimator), videos, y)
        return cls.from_evaluation(
            estimator, videos, outcome, n_mistakes=n_mistakes, figure=figure
        )

    @classmethod
    def from_evaluation(
        cls,
        estimator: Any,
        videos: Sequence[Video],
        evaluation: Evaluation,
        *,
        n_mistakes: int = 5,
        figure: Any = None,
    ) -> Self:
        """Draw the most confident mistakes of an evaluation, without predicting again.

        Parameters
        ----------
        estimator : Pipeline
            The pipeline that was evaluated, which knows how frames are taken.
        videos : sequence of videos
            The videos.
        evaluation : Evaluation
            What `evaluate` returned for them.
        n_mistakes : int, default=5
            The largest number of mistakes to draw.
        figure : Figure or SubFigure, optional
            Where to draw; None makes a new one.

        Returns
        -------
        MistakesDisplay
            What was drawn.
        """
        pipe = fitted_pipeline(estimator)
        rows, videos = evaluation.mistakes(n_mistakes), as_video_list(videos)
        mistakes = [_mistake(videos[row], row, evaluation, pipe[0]._reading()) for row in rows]
        return cls(mistakes, len(videos)).plot(figure)

    def plot(self, figure: Any = None) -> Self:
        """Draw a strip for each mistake.

        Parameters
        ----------
        figure : Figure or SubFigure, optional
            Where to draw; None makes a new one.

        Returns
        -------
        MistakesDisplay
            The display itself.
        """
        heights = [
            0.6 if mistake.frames is None else strip_height(mistake.frames, width=7.6)
            for mistake in self.mistakes
        ] or [1.0]
        if figure is None:
            size = (8, sum(heights) + 0.5 * len(heights))
            figure = Figure(figsize=size, layout="constrained")
        self.figure_ = figure
        panels = figure.subplots(len(heights), 1, squeeze=False, height_ratios=heights)
        self.axes_ = list(panels[:, 0])
        for axes, mistake in zip(self.axes_, self.mistakes, strict=False):
            _draw_mistake(axes, mistake)
        if not self.mistakes:
            draw_text(self.axes_[0], f"No mistake among {self.n_videos} videos.")
        return self


def _mistake(video: Video, row: int, evaluation: Evaluation, reading: dict[str, Any]) -> Mistake:
    frames, reason = None, ""
    try:
        frames = read_frames(video, **reading)
    except VideoDecodeError as error:
        reason = error.reason
    return Mistake(
        video_name(video),
        evaluation.target[row],
        evaluation.predicted[row],
        float(evaluation.probabilities[row].max()),
        frames,
        reason,
    )


def _draw_mistake(axes: Axes, mistake: Mistake) -> None:
    if mistake.frames is None:
        draw_text(axes, f"It can no longer be read: {one_line(mistake.reason, 70)}")
    else:
        draw_strip(axes, mistake.frames)
    title = strip_title(mistake.name, mistake.target, mistake.predicted, mistake.probability)
    axes.set_title(title, loc="left", fontsize=11)
