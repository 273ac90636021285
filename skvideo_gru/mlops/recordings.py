"""Class probabilities over the time of a recording, from a file or live."""

from __future__ import annotations

import time as clock
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from av.video.frame import VideoFrame

from ..caller_warnings import warn_caller
from ..features import WindowEmbedder
from ..video import SlidingWindows, Video, VideoDecodeError, Window, check_window

# Windows that are predicted together, so that the network gets batches of many images.
_AT_ONCE = 32
# Steps in which the delay of live frames is measured.
_REMEMBERED = 100


class WindowPrediction(NamedTuple):
    """The class probabilities of one window of a recording.

    Attributes
    ----------
    start, end : float
        Time range in seconds; `end` is exclusive.
    proba : ndarray of shape (n_classes,)
        Probabilities, in the order of the model's ``classes_``.
    """

    start: float
    end: float
    proba: np.ndarray


def predict_timeline(
    model: Any, video: Video, *, window: float, step: float | None = None
) -> Iterator[WindowPrediction]:
    """Predict the class probabilities of all windows of a recording.

    Window `k` is ``VideoClip(video, start, end)`` with ``start = k * step`` and
    ``end = start + window``, and its probabilities are those that `model` predicts for this
    clip, up to float rounding. The recording is decoded once, and each image that several
    windows contain is embedded once. Memory use does not depend on the length of the
    recording, except for an index of about 40 bytes per frame.

    Parameters
    ----------
    model : classifier
        A fitted classifier of videos: a pipeline from `make_video_classifier`, or a search,
        a soft `VotingClassifier` or another meta-estimator of such pipelines.
    video : str, os.PathLike, VideoClip, bytes, binary file object or ndarray
        The recording. With a `VideoClip`, windows begin at its start; an interrupted
        prediction resumes with ``VideoClip(path, start=row.end - window + step)``.
    window : float
        Length of a window in seconds. Choose the length of the training clips.
    step : float, optional
        Distance from the start of one window to the next, in seconds. None means a tenth
        of `window`.

    Returns
    -------
    iterator of WindowPrediction
        Named tuples with `start` and `end` (seconds) and `proba`, an ndarray of shape
        (n_classes,), as they are computed. The last window is the first one that contains
        the last frame; its end can be later than that of the recording. Windows without
        frames are omitted.

    Raises
    ------
    VideoDecodeError
        If the recording cannot be read or contains no frame. If it is corrupt, the windows
        before the error are yielded first.
    ValueError
        If `model` has no `predict_proba`, uses no `ResNet50FrameFeaturizer`, or a number is
        out of range.
    NotFittedError
        If `model` is not fitted.

    See Also
    --------
    find_events : Turns the windows into events.
    LiveClassifier : Predicts windows of frames as they come.

    Notes
    -----
    With ``modality="rgb"`` and uniform sampling, windows share their sampled frames if
    `step` is a multiple of ``window / n_frames``, and `step` and `window` are whole numbers
    of frames. In other recordings, windows sample neighbouring frames, and more of them are
    embedded. Motion images show the changes in their own window only, as in training.
    Therefore windows share the outlines and changes of all frames, but of the images only
    those whose changes do not reach the start or end of the window: with 20 frames per
    window, 12 of 20.

    The cache of `memory` is not used.

    Examples
    --------
    >>> from skvideo_gru import predict_timeline
    >>> for row in predict_timeline(pipe, "day.mp4", window=10):  # doctest: +SKIP
    ...     print(row.start, row.end, pipe.classes_[row.proba.argmax()])
    """
    window, step = check_window(window, step)
    embedder = WindowEmbedder(model, window, step)
    return _predict(model, embedder, embedder.windows(video))


def _predict(
    model: Any, embedder: WindowEmbedder, windows: Iterable[Window[Any]]
) -> Iterator[WindowPrediction]:
    waiting: list[Window[Any]] = []
    try:
        for window in windows:
            waiting.append(window)
            if len(waiting) == _AT_ONCE:
                yield from _predict_together(model, embedder, waiting)
                waiting = []
    except VideoDecodeError:
        yield from _predict_together(model, embedder, waiting)
        raise
    yield from _predict_together(model, embedder, waiting)


def _predict_together(
    model: Any, embedder: WindowEmbedder, windows: Sequence[Window[Any]]
) -> list[WindowPrediction]:
    if not windows:
        return []
    probabilities = model.predict_proba(embedder.embed(windows))
    return [
        WindowPrediction(window.start, window.end, proba)
        for window, proba in zip(windows, probabilities, strict=True)
    ]


class LiveClassifier:
    """Predict the class probabilities of windows of frames as they come.

    Each frame is converted once and each image is embedded once, as in `predict_timeline`,
    and the probabilities are the same. Memory use is bounded by the frames of one window.

    If the prediction is slower than the frames, windows are dropped: a window is not
    predicted while the delay is longer than `step`. The first dropped window causes a
    warning. The delay is relative to the last 100 steps, because the clocks of a camera and
    a computer differ.

    Parameters
    ----------
    model : classifier
        A fitted classifier of videos, see `predict_timeline`.
    window : float
        Length of a window in seconds.
    step : float, optional
        Distance from the start of one window to the next, in seconds. None means a tenth
        of `window`.

    Attributes
    ----------
    delay : float
        Seconds by which the latest frame was pushed later than the fastest one of the last
        100 steps, relative to their times.
    n_dropped : int
        Number of windows that were not predicted.

    Raises
    ------
    ValueError
        If `model` has no `predict_proba`, uses no `ResNet50FrameFeaturizer`, or a number is
        out of range.
    NotFittedError
        If `model` is not fitted.

    See Also
    --------
    predict_timeline : Predicts the windows of a file.

    Examples
    --------
    >>> from skvideo_gru import LiveClassifier
    >>> live = LiveClassifier(pipe, window=10, step=1)  # doctest: +SKIP
    >>> for time, frame in camera:  # doctest: +SKIP
    ...     for row in live.push(time, frame):
    ...         print(row.end, pipe.classes_[row.proba.argmax()])
    """

    def __init__(self, model: Any, *, window: float, step: float | None = None) -> None:
        self._window, self._step = check_window(window, step)
        self._model = model
        self._embedder = WindowEmbedder(model, self._window, self._step)
        self._convert = self._embedder.make_converter(1.0)
        self._sliding: SlidingWindows[Any] | None = None
        self._time = float("inf")
        # Times and lags of frames than which no later frame is faster.
        self._fastest: deque[tuple[float, float]] = deque()
        self.delay = 0.0
        self.n_dropped = 0

    def push(self, time: float, frame: np.ndarray) -> list[WindowPrediction]:
        """Add the next frame.

        Parameters
        ----------
        time : float
            Time of the frame in seconds, for example since the camera was started. It may
            not decrease.
        frame : ndarray of shape (H, W, 3), uint8
            The frame in RGB order. OpenCV's frames are BGR: pass ``frame[..., ::-1]``.

        Returns
        -------
        list of WindowPrediction
            The windows that this frame completes, because it is not before their end;
            usually none or one. The first window begins at the time of the first frame.

        Raises
        ------
        ValueError
            If the time decreases, or the frame is not valid.
        """
        if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[2] != 3:
            raise ValueError(
                "A frame must be uint8 of shape (H, W, 3) in RGB order, got "
                f"{frame.dtype} of shape {frame.shape}."
            )
        if self._sliding is None:
            self._sliding = SlidingWindows(self._window, self._step, time)
        elif not time >= self._time:
            raise ValueError(
                f"time={time} is before the time of the previous frame, {self._time}. If the "
                "source restarts, create another LiveClassifier."
            )
        self._time = time
        lag = clock.monotonic() - time
        while self._fastest and self._fastest[-1][1] >= lag:
            self._fastest.pop()
        self._fastest.append((time, lag))
        while self._fastest[0][0] < time - _REMEMBERED * self._step:
            self._fastest.popleft()
        self.delay = lag - self._fastest[0][1]
        converted = self._convert(VideoFrame.from_ndarray(np.ascontiguousarray(frame), "rgb24"))
        return self._predict(self._sliding.push(time, converted))

    def finish(self) -> list[WindowPrediction]:
        """End the recording.

        Returns
        -------
        list of WindowPrediction
            The last window, which contains the last frame; empty if it has no frames.
        """
        return [] if self._sliding is None else self._predict(self._sliding.finish())

    def _predict(self, windows: list[Window[Any]]) -> list[WindowPrediction]:
        if windows and self.delay > self._step:
            if not self.n_dropped:
                warn_caller(
                    f"The prediction is {self.delay:.1f} s behind the frames; windows are "
                    "dropped. Increase step, or use smaller frames or a faster device."
                )
            self.n_dropped += len(windows)
            return []
        return _predict_together(self._model, self._embedder, windows)
