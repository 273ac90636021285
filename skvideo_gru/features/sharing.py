"""Features of overlapping windows of a recording: each image is embedded once."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from av.video.frame import VideoFrame

from ..networks import N_FEATURES
from ..video import (
    SlidingWindows,
    StreamRestartError,
    Video,
    VideoDecodeError,
    Window,
    describe_video,
    no_frame_reason,
    stream_frames,
    video_bounds,
)
from .reading import frame_reader

if TYPE_CHECKING:
    from .featurizer import ResNet50FrameFeaturizer

#: Describes a featurizer.
Key = tuple[Any, ...]
#: The converted forms of a frame, by what they depend on.
Converted = dict[tuple[Any, ...], np.ndarray]


class EmbeddedWindow:
    """A window whose features are known, in place of a video.

    Parameters
    ----------
    features : dict of tuple to ndarray of shape (T, 2048), float32
        The features by the key of the featurizer.
    """

    def __init__(self, features: dict[Key, np.ndarray]) -> None:
        self.features = features

    def features_for(self, featurizer: ResNet50FrameFeaturizer) -> np.ndarray:
        """Return the features that a featurizer would compute.

        Parameters
        ----------
        featurizer : ResNet50FrameFeaturizer
            A fitted featurizer.

        Returns
        -------
        ndarray of shape (T, 2048), float32
            The features of the window.
        """
        return self.features[featurizer._features_key()]


class _Probe(EmbeddedWindow):
    """A window without content that records which featurizers a model uses."""

    def __init__(self) -> None:
        super().__init__({})
        self.featurizers: dict[Key, ResNet50FrameFeaturizer] = {}

    def features_for(self, featurizer: ResNet50FrameFeaturizer) -> np.ndarray:
        self.featurizers[featurizer._features_key()] = featurizer
        return np.zeros((featurizer.n_frames, N_FEATURES), np.float32)


def _find_featurizers(model: Any) -> dict[Key, ResNet50FrameFeaturizer]:
    """Find the featurizers that a model uses for a prediction."""
    if not hasattr(model, "predict_proba"):
        raise ValueError(
            f"Windows need class probabilities, and {type(model).__name__} has no method "
            "predict_proba. Pass a fitted classifier of videos; for a VotingClassifier, set "
            "voting='soft'."
        )
    probe = _Probe()
    model.predict_proba([probe])
    if not probe.featurizers:
        raise ValueError(
            f"{type(model).__name__} uses no ResNet50FrameFeaturizer in this process. Pass a "
            "pipeline from make_video_classifier, or set n_jobs=None in a FeatureUnion."
        )
    return probe.featurizers


class WindowEmbedder:
    """Compute the features of overlapping windows for all featurizers of a model.

    Windows share the conversion of their frames and the features of equal images: those
    of the latest windows are stored.

    Parameters
    ----------
    model : classifier
        A fitted classifier of videos.
    window, step : float
        Length of a window and distance between starts, in seconds.

    Raises
    ------
    ValueError
        If `model` has no `predict_proba` or no featurizer.
    NotFittedError
        If it is not fitted.
    """

    def __init__(self, model: Any, window: float, step: float) -> None:
        self.window, self.step = window, step
        self._featurizers = _find_featurizers(model)
        self._readers = {key: frame_reader(found) for key, found in self._featurizers.items()}
        self._conversions = {reader.conversion: reader for reader in self._readers.values()}
        # Features by the digest of their image, and the latest window that shows it.
        self._known: dict[Key, dict[bytes, tuple[np.ndarray, int]]] = {
            key: {} for key in self._featurizers
        }
        self._n_windows = 0

    def make_converter(self, pixel_aspect: float) -> Callable[[VideoFrame], Converted]:
        """Make a function that converts the frames of a recording, in order.

        Parameters
        ----------
        pixel_aspect : float
            Width of a stored pixel divided by its height.

        Returns
        -------
        callable
            Converts one frame for all featurizers.
        """
        converters = {
            key: reader.make_converter(pixel_aspect) for key, reader in self._conversions.items()
        }
        return lambda frame: {key: convert(frame) for key, convert in converters.items()}

    def windows(self, video: Video) -> Iterator[Window[Converted]]:
        """Decode a recording once and collect its frames into windows.

        Parameters
        ----------
        video : Video
            The recording.

        Yields
        ------
        Window
            The windows with their converted frames, as they are complete.

        Raises
        ------
        VideoDecodeError
            If the recording cannot be read or contains no frame.
        """
        start, end = video_bounds(video)
        latest = -math.inf
        partial = all(reader.options.get("allow_partial") for reader in self._readers.values())
        for wanted in (self._wanted_from(start or 0.0), None):
            sliding: SlidingWindows[Any] = SlidingWindows(self.window, self.step, start or 0.0)
            frames = stream_frames(video, self.make_converter, wanted, partial)
            try:
                for window in _slide(sliding, frames):
                    if window.start > latest:
                        latest = window.start
                        yield self._only_needed(window, end)
                break
            except StreamRestartError:
                continue  # decode in order
        if latest == -math.inf:
            raise VideoDecodeError(describe_video(video), no_frame_reason(start, end))

    def _only_needed(self, window: Window[Any], end: float | None) -> Window[Any]:
        """Release the frames that no featurizer needs, and limit the end of a window."""
        needed = {row for reader in self._readers.values() for row in reader.needed(window.times)}
        items = [item if row in needed else None for row, item in enumerate(window.items)]
        return window._replace(items=items, end=min(window.end, math.inf if end is None else end))

    def _wanted_from(self, start: float) -> Callable[[np.ndarray], np.ndarray]:
        def wanted(times: np.ndarray) -> np.ndarray:
            mask = np.zeros(len(times), bool)
            sliding: SlidingWindows[int] = SlidingWindows(self.window, self.step, start)
            for window in _slide(sliding, zip(map(float, times), range(len(times)), strict=True)):
                for reader in self._readers.values():
                    mask[np.asarray(window.items)[reader.needed(window.times)]] = True
            return mask

        return wanted

    def embed(self, windows: Sequence[Window[Converted]]) -> list[EmbeddedWindow]:
        """Compute the features of the next windows.

        Parameters
        ----------
        windows : sequence of Window
            Consecutive windows with frames from `make_converter`.

        Returns
        -------
        list of EmbeddedWindow
            The input of the model, one for each window.
        """
        embedded = [EmbeddedWindow({}) for _ in windows]
        for key in self._readers:
            for target, rows in zip(embedded, self._features(key, windows), strict=True):
                target.features[key] = rows
        self._n_windows += len(windows)
        return embedded

    def _features(self, key: Key, windows: Sequence[Window[Converted]]) -> list[np.ndarray]:
        """Compute the features of windows for one featurizer."""
        reader, known = self._readers[key], self._known[key]
        new: dict[bytes, np.ndarray] = {}
        digests = []
        for window in windows:
            converted: Any = [item and item[reader.conversion] for item in window.items]
            images = np.ascontiguousarray(reader.images(converted, window.times))
            digests.append([hashlib.blake2b(image, digest_size=16).digest() for image in images])
            new |= {d: i for d, i in zip(digests[-1], images, strict=True) if d not in known}
        if new:
            rows = self._featurizers[key]._embed_images(np.stack(list(new.values())))
            known |= {digest: (row, 0) for digest, row in zip(new, rows, strict=True)}
        features = []
        for number, shown in enumerate(digests, self._n_windows):
            features.append(np.stack([known[digest][0] for digest in shown]))
            known |= {digest: (known[digest][0], number) for digest in shown}
        # Earlier windows share no frame with the next one.
        first = self._n_windows + len(windows) - math.ceil(self.window / self.step)
        self._known[key] = {digest: row for digest, row in known.items() if row[1] >= first}
        return features


def _slide(sliding: SlidingWindows[Any], frames: Any) -> Iterator[Window[Any]]:
    for time, item in frames:
        yield from sliding.push(time, item)
    yield from sliding.finish()
