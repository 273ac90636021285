"""Figures of misclassified videos."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from matplotlib.axes import Axes
from sklearn.pipeline import Pipeline

from ..features import frame_reader
from ..video import Video, VideoDecodeError, as_video_list, read_frames
from .attribution import attribute
from .evaluation import Evaluation, evaluate, fitted_pipeline
from .figures import draw_text, new_figure, one_line
from .strips import draw_strip, inches_wide, strip_height, strip_title, video_name


@dataclass(frozen=True)
class Mistake:
    """A misclassified video, its labels and its frames.

    Attributes
    ----------
    name : str
        The name of the video.
    target : object
        The true label.
    predicted : object
        The predicted label.
    probability : float
        The probability of the predicted label.
    frames : ndarray of shape (T, H, W, 3), uint8, or None
        The frames that the classifier saw, RGB; None if the video can no longer be read.
    reason : str, default=""
        Why the video cannot be read.
    attention : ndarray of shape (T,), float32, or None
        Weights of the frames in the attention pooling.
    heat : ndarray of shape (T, h, w), float32, or None
        Where in each frame the predicted class is seen, from 0 to 1.
    """

    name: str
    target: Any
    predicted: Any
    probability: float
    frames: np.ndarray | None
    reason: str = ""
    attention: np.ndarray | None = None
    heat: np.ndarray | None = None


class MistakesDisplay:
    """Plot the most confident mistakes of a classifier.

    Parameters
    ----------
    mistakes : sequence of Mistake
        The mistakes, in the order of the plot, as `from_estimator` finds them.
    n_videos : int
        Number of evaluated videos.

    Attributes
    ----------
    figure_ : Figure
        The figure.
    axes_ : list of Axes
        One strip per mistake.

    See Also
    --------
    FilmStripDisplay : Plots one video and its probabilities after each frame.
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
        explain: bool = False,
        figure: Any = None,
    ) -> Self:
        """Predict videos and plot the most confident mistakes.

        Parameters
        ----------
        estimator : Pipeline
            A fitted pipeline from `make_video_classifier`, or a fitted search with
            ``refit=True`` or `SelectiveClassifierCV` over one.
        videos : sequence of videos
            The videos; an array of frames is (T, H, W, 3), uint8, RGB.
        y : array-like of shape (n,)
            Their true labels.
        n_mistakes : int, default=5
            The largest number of mistakes to plot.
        explain : bool, default=False
            Whether to show what the predictions depend on, as in
            `FilmStripDisplay.from_estimator`: heat maps tint the frames, and bars below them
            are the weights of the attention pooling.
        figure : Figure or SubFigure, optional
            The figure to draw on; None creates one with pyplot.

        Returns
        -------
        MistakesDisplay
            The plotted display.
        """
        fitted_pipeline(estimator)  # check the estimator before the prediction
        outcome = evaluate(estimator, videos, y)
        return cls.from_evaluation(
            estimator, videos, outcome, n_mistakes=n_mistakes, explain=explain, figure=figure
        )

    @classmethod
    def from_evaluation(
        cls,
        estimator: Any,
        videos: Sequence[Video],
        evaluation: Evaluation,
        *,
        n_mistakes: int = 5,
        explain: bool = False,
        figure: Any = None,
    ) -> Self:
        """Plot the most confident mistakes of an evaluation, without predicting again.

        Parameters
        ----------
        estimator : Pipeline
            The evaluated pipeline; it determines how frames are sampled.
        videos : sequence of videos
            The evaluated videos.
        evaluation : Evaluation
            Their evaluation, as in the ``evaluations`` of `tracked_run`.
        n_mistakes : int, default=5
            The largest number of mistakes to plot.
        explain : bool, default=False
            Whether to show what the predictions depend on, as in
            `FilmStripDisplay.from_estimator`: heat maps tint the frames, and bars below them
            are the weights of the attention pooling.
        figure : Figure or SubFigure, optional
            The figure to draw on; None creates one with pyplot.

        Returns
        -------
        MistakesDisplay
            The plotted display.
        """
        pipe = fitted_pipeline(estimator)
        rows, videos = evaluation.mistakes(n_mistakes), as_video_list(videos)
        mistakes = [_mistake(pipe, videos[row], row, evaluation, explain) for row in rows]
        return cls(mistakes, len(videos)).plot(figure)

    def plot(self, figure: Any = None) -> Self:
        """Plot one strip per mistake.

        Parameters
        ----------
        figure : Figure or SubFigure, optional
            The figure to draw on; None creates one with pyplot.

        Returns
        -------
        MistakesDisplay
            This display.
        """
        width = 8.0 if figure is None else inches_wide(figure)
        heights = [_height(mistake, width - 0.4) for mistake in self.mistakes] or [1.0]
        if figure is None:
            figure = new_figure(width, sum(heights) + 0.5 * len(heights))
        self.figure_ = figure
        panels = figure.subplots(len(heights), 1, squeeze=False, height_ratios=heights)
        self.axes_ = list(panels[:, 0])
        for axes, mistake in zip(self.axes_, self.mistakes, strict=False):
            _draw_mistake(axes, mistake)
        if not self.mistakes:
            draw_text(self.axes_[0], f"No mistakes among {self.n_videos} videos.")
        return self


def _mistake(
    pipe: Pipeline, video: Video, row: int, evaluation: Evaluation, explain: bool
) -> Mistake:
    mistake = Mistake(
        video_name(video),
        evaluation.target[row],
        evaluation.predicted[row],
        float(evaluation.probabilities[row].max()),
        None,
    )
    try:
        frames = read_frames(video, **frame_reader(pipe[0]).options)
        found = attribute(pipe, video) if explain else None
    except VideoDecodeError as error:
        return replace(mistake, reason=error.reason)
    if found is None:
        return replace(mistake, frames=frames)
    return replace(mistake, frames=frames, attention=found.attention, heat=found.heat)


def _height(mistake: Mistake, width: float) -> float:
    if mistake.frames is None:
        return 0.6
    return strip_height(mistake.frames, width, bars=mistake.attention is not None)


def _draw_mistake(axes: Axes, mistake: Mistake) -> None:
    if mistake.frames is None:
        draw_text(axes, f"This video can no longer be read: {one_line(mistake.reason, 70)}")
    else:
        draw_strip(axes, mistake.frames, mistake.heat, mistake.attention)
    title = strip_title(mistake.name, mistake.target, mistake.predicted, mistake.probability)
    axes.set_title(title, loc="left", fontsize=11)
