"""Obtain a backbone: initialise, load or train it, with cache and checkpoint."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from numbers import Integral, Real
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import torch
from joblib import Memory
from sklearn.utils._param_validation import Interval, StrOptions

from ..networks import (
    Normalisation,
    Weights,
    first_result,
    gather_rows,
    initial_weights,
    n_processes,
    own_result,
    process_index,
    remove_checkpoint,
    share_rows,
)
from ..video import Video, VideoDecodeError, describe_video, opening
from .cached_extraction import digest_videos
from .caching import CACHE_VERSION, backbone, cache_folder, cached, checkpoint_path
from .clips import collect_clips
from .extraction import decode_videos
from .reading import FrameReader
from .training import train_backbone
from .visibility import agreement, summarise_clip

#: Valid values of the featurizer's parameters that `train_backbone` receives.
RECIPE_CONSTRAINTS: dict[str, Any] = {
    "objective": [StrOptions({"frame", "clip"})],
    "max_epochs": [Interval(Integral, 0, None, closed="left"), None],
    "lr": [Interval(Real, 0, None, closed="neither")],
    "weight_decay": [Interval(Real, 0, None, closed="left")],
    "label_smoothing": [Interval(Real, 0, 1, closed="left")],
    "frames_per_clip": [Interval(Integral, 1, None, closed="left")],
    "batch_size": [Interval(Integral, 2, None, closed="left")],
    "augmentation": "no_validation",  # check_augmentation
    "mixed_precision": ["boolean", StrOptions({"auto"})],
}


# Motion images do not show the classes if the z of `agreement` is below the first limit. RGB
# frames show them if its kappa increases by the second limit, and its z is above the third.
_CHANCE_Z, _CLEAR_GAIN, _CLEAR_Z = 2.0, 0.4, 2.5


@dataclass(frozen=True)
class Backbone:
    """A backbone as it is cached.

    Attributes
    ----------
    weights : dict of str to ndarray
        State dict of the ResNet-50.
    history : list of dict
        Losses and durations of the training epochs.
    digest : str
        Hash of the weights. It is cached because hashing takes longer than loading.
    failed : dict of int to str
        Row and reason of each training video that could not be read.
    modality : str, optional
        What the network has seen in its training.
    """

    weights: Weights
    history: list[dict[str, float]]
    digest: str
    failed: dict[int, str] = field(default_factory=dict)
    modality: str | None = None


@dataclass(frozen=True)
class FittedVideos:
    """The videos of a fit, with what the fit has already computed for them.

    Attributes
    ----------
    videos : list of videos
        The videos.
    digests : list of str or VideoDecodeError, optional
        Digest of each video's content; None without a cache.
    rows : list of int, optional
        Rows of the videos that this process embeds, if other processes embed the others; None
        for all.
    clips : list of ndarray of shape (T, H, W, 3) or VideoDecodeError, optional
        Decoded frames of the videos in `rows`; None if the fit did not decode them.
    """

    videos: list[Video]
    digests: list[str | VideoDecodeError] | None = None
    rows: list[int] | None = None
    clips: list[np.ndarray | VideoDecodeError] | None = None


@dataclass(frozen=True)
class BackboneFitter:
    """Make the backbone of a fit: initialise, load or train it.

    Attributes
    ----------
    reader : FrameReader
        Reads the training videos.
    rgb_reader : FrameReader or None
        Reads the videos instead of `reader` if only RGB frames show the classes.
    normalisation : ((float, float, float), (float, float, float))
        Mean and standard deviation of the pixels.
    recipe : dict of str to object
        Keyword arguments of `train_backbone`.
    start : dict of str to ndarray or None
        Weights to start from; None draws them at random.
    seed : int or None
        Seed of initialisation and training; None draws one.
    memory : joblib.Memory
        Cache of backbones.
    strict : bool
        Whether an unreadable video is an error. Otherwise training omits it.
    device : str or torch.device
        Where to train.
    n_jobs : int or None
        Number of joblib workers that decode.
    max_nbytes : int or None
        Maximum size of the decoded frames in memory; larger ones are in a temporary file.
    verbose : int
        With 1 or more, progress bars.
    """

    reader: FrameReader
    rgb_reader: FrameReader | None
    normalisation: Normalisation
    recipe: dict[str, Any]
    start: Weights | None
    seed: int | None
    memory: Memory
    strict: bool
    device: str | torch.device
    n_jobs: int | None
    max_nbytes: int | None
    verbose: int

    def untrained(self) -> Backbone:
        """Return the backbone with its initial weights.

        Returns
        -------
        Backbone
            The given weights, or random ones.
        """
        if self.start is not None:
            return Backbone(self.start, [], joblib.hash(self.start))
        return self._cached((CACHE_VERSION, "initial", self.seed), self._initialise)

    def _initialise(self) -> Backbone:
        weights = initial_weights(self._definite_seed())
        return Backbone(weights, [], joblib.hash(weights))

    def train(self, videos: list[Video], y: np.ndarray) -> tuple[Backbone, FittedVideos]:
        """Train the backbone, or load it from the cache.

        Parameters
        ----------
        videos : list of videos
            The training videos.
        y : ndarray of shape (n_videos,)
            Their labels.

        Returns
        -------
        backbone : Backbone
            The trained backbone.
        fitted : FittedVideos
            The videos, with digests and frames if they were computed.

        Raises
        ------
        VideoDecodeError
            If a video cannot be read and the fit is strict, or none can be read.
        ValueError
            If the readable videos have fewer than two classes, or training diverges.
        """
        encoded = encode_labels(y)[1].tolist()
        rows = share_rows(np.array(encoded))
        clips: list[np.ndarray | VideoDecodeError] = []
        if self.memory.location is None:
            made = self._train(videos, y, rows, clips)
            read = self._for_prediction(videos, rows, clips, made.modality)
            return made, FittedVideos(videos, None, rows, read)
        digests = list(gather_rows(partial(self._digest, videos, rows)).values())
        key: tuple[Any, ...] = (
            CACHE_VERSION,
            self.seed,
            joblib.hash(self.start),
            self.recipe,
            self.normalisation,
            self.reader.cache_key,
            self.rgb_reader is not None,
            opening.MAX_PIXELS,
            list(map(str, digests)),
            encoded,
        )
        if n_processes() > 1:  # other random numbers, and other batches of BatchNorm
            key += (n_processes(),)
        train = partial(self._train, videos, y, rows, clips, key)
        made = self._cached(key, train, partial(self._has_all, videos))
        self.readable_rows(videos, made.failed)
        remove_checkpoint(self._checkpoint(key, made.failed))
        read = self._for_prediction(videos, rows, clips, made.modality)
        return made, FittedVideos(videos, digests, rows, read or None)

    def _checkpoint(self, key: Any, failed: dict[int, str]) -> Path:
        # A video that cannot be read now may have been read before the interruption.
        return checkpoint_path(self.memory, (key, sorted(failed)))

    def _digest(self, videos: list[Video], rows: list[int]) -> dict[int, str | VideoDecodeError]:
        share = [videos[row] for row in rows]
        digests = digest_videos(share, n_jobs=self.n_jobs, verbose=self.verbose)
        return dict(zip(rows, digests, strict=True))

    def _for_prediction(
        self,
        videos: list[Video],
        rows: list[int],
        clips: list[np.ndarray | VideoDecodeError],
        modality: str | None,
    ) -> list[np.ndarray | VideoDecodeError]:
        """Select the images that prediction reads.

        A video that training cannot read is read again, because training needs more frames.
        """
        select = self.reader.for_training().for_prediction
        read = [clip if isinstance(clip, VideoDecodeError) else select(clip) for clip in clips]
        failed = [i for i, clip in enumerate(read) if isinstance(clip, VideoDecodeError)]
        reader = replace(self.reader, modality=modality or self.reader.modality)
        again = [videos[rows[i]] for i in failed]
        outcomes = decode_videos(again, reader, n_jobs=self.n_jobs, verbose=0)
        for i, outcome in zip(failed, outcomes, strict=True):
            read[i] = outcome
        return read

    def _train(
        self,
        videos: list[Video],
        y: np.ndarray,
        rows: list[int],
        clips: list[Any],
        key: tuple[Any, ...] | None = None,
    ) -> Backbone:
        """Decode the videos of `rows` into `clips` and train on the readable ones."""
        clips[:], failed = self._decode(videos, rows, self.reader)
        readable = self.readable_rows(videos, failed)
        encoded = np.zeros(len(y), np.int64)
        encoded[readable] = encode_labels(y[readable], len(failed))[1]
        reader, clips[:] = self._choose_images(videos, rows, encoded, clips, failed)
        weights, history = train_backbone(
            [clip for clip in clips if not isinstance(clip, VideoDecodeError)],
            encoded[[row for row in rows if row not in failed]],
            weights=self.start if reader is self.reader else None,  # learned from motion images
            normalisation=self.normalisation,
            seed=self._definite_seed(),
            device=self.device,
            verbose=self.verbose,
            checkpoint=None if key is None else self._checkpoint(key, failed),
            **self.recipe,
        )
        # From the first process, because durations and, on other hardware, rounding differ.
        digest, modality = joblib.hash(weights), reader.modality
        return first_result(lambda: Backbone(weights, history, digest, failed, modality))

    def _choose_images(
        self,
        videos: list[Video],
        rows: list[int],
        y: np.ndarray,
        clips: list[Any],
        failed: dict[int, str],
    ) -> tuple[FrameReader, list[Any]]:
        """Return a reader and its clips: RGB frames if only these show the classes."""
        if self.rgb_reader is None:
            return self.reader, clips
        kappa, z = _agreement(clips, rows, y)
        if not z < _CHANCE_Z:  # NaN if it is unknown
            return self.reader, clips
        n_bytes = sum(clip.nbytes for clip in clips if isinstance(clip, np.ndarray))
        left = None if self.max_nbytes is None else max(0, self.max_nbytes - n_bytes)
        frames, failed_too = replace(self, max_nbytes=left)._decode(videos, rows, self.rgb_reader)
        if not failed_too.keys() <= failed.keys():
            return self.reader, clips
        # A video can fail as motion images only, for which more frames are decoded.
        frames = [
            clip if isinstance(clip, VideoDecodeError) else frame
            for clip, frame in zip(clips, frames, strict=True)
        ]
        rgb_kappa, rgb_z = _agreement(frames, rows, y)
        if rgb_kappa - kappa > _CLEAR_GAIN and rgb_z > _CLEAR_Z:
            return self.rgb_reader, frames
        return self.reader, clips

    def _decode(
        self, videos: list[Video], rows: list[int], reader: FrameReader
    ) -> tuple[list[Any], dict[int, str]]:
        """Decode the videos of `rows`; return them, and the unreadable ones of all processes."""
        share = [videos[row] for row in rows]
        clips = own_result(lambda: self._decode_share(share, reader.for_training()))
        failed = {
            row: clip.reason
            for row, clip in zip(rows, clips, strict=True)
            if isinstance(clip, VideoDecodeError)
        }
        return clips, gather_rows(lambda: failed)

    def _decode_share(self, videos: list[Video], reader: FrameReader) -> list[Any]:
        decoded = decode_videos(videos, reader, n_jobs=self.n_jobs, verbose=self.verbose)
        return collect_clips(decoded, self.max_nbytes, cache_folder(self.memory))

    def _has_all(self, videos: list[Video], found: Backbone) -> bool:
        """Check that a cached backbone lacks no video that can be read now.

        A fit with on_error="nan" caches a backbone without some of the videos.
        """
        if self.strict and found.failed:
            return False
        failed = [videos[row] for row in found.failed]
        reader = self.reader.for_training()
        outcomes = decode_videos(failed, reader, n_jobs=self.n_jobs, verbose=0)
        return all(isinstance(outcome, VideoDecodeError) for outcome in outcomes)

    def _cached(
        self,
        key: Any,
        make: Callable[[], Backbone],
        is_valid: Callable[[Backbone], bool] = lambda found: True,
    ) -> Backbone:
        if self.memory.location is None:
            return make()
        cache = cached(self.memory, backbone)

        def load() -> Backbone | None:
            try:
                found = cache(key, _not_cached)
            except _NotCachedError:
                return None
            # With its mmap_mode, joblib.Memory returns memmaps, which skops does not trust.
            weights = {name: np.asarray(array) for name, array in found.weights.items()}
            return replace(found, weights=weights) if is_valid(found) else None

        # All processes train, or none.
        found = first_result(load)
        if found is None:
            made = make()
            if process_index() == 0:
                cache.call(key, lambda: made)
            return made
        return found

    def readable_rows(self, videos: list[Video], failed: dict[int, str]) -> list[int]:
        """Return the rows of the videos to train on.

        Parameters
        ----------
        videos : list of videos
            The training videos.
        failed : dict of int to str
            Row and reason of each unreadable video.

        Returns
        -------
        list of int
            The other rows.

        Raises
        ------
        VideoDecodeError
            If the fit is strict and a video is unreadable, or all are.
        """
        for row, reason in failed.items():
            if self.strict:
                raise VideoDecodeError(
                    describe_video(videos[row]),
                    f"{reason} ({len(failed)} of {len(videos)} videos cannot be read. "
                    "`skvideo-gru check` lists such videos; on_error='nan' omits them.)",
                )
            if len(failed) == len(videos):
                raise VideoDecodeError(
                    describe_video(videos[row]),
                    f"{reason} (none of the {len(videos)} videos can be read)",
                )
        return [row for row in range(len(videos)) if row not in failed]

    def _definite_seed(self) -> int:
        if self.seed is None:
            return first_result(lambda: int(np.random.default_rng().integers(2**31)))
        return self.seed


def _agreement(clips: list[Any], rows: list[int], y: np.ndarray) -> tuple[float, float]:
    """Return how well a linear classifier sees the classes in the clips of all processes."""
    summaries = gather_rows(
        lambda: {
            row: summarise_clip(clip)
            for row, clip in zip(rows, clips, strict=True)
            if not isinstance(clip, VideoDecodeError)
        }
    )
    # From the first process, because rounding differs on other hardware.
    return first_result(lambda: agreement(np.stack(list(summaries.values())), y[list(summaries)]))


class _NotCachedError(Exception):
    """A backbone is not in the cache, or its entry is damaged."""


def _not_cached() -> Backbone:
    raise _NotCachedError


def encode_labels(y: np.ndarray, n_failed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Encode labels as 0, 1, ...

    Parameters
    ----------
    y : ndarray of shape (n,)
        Labels.
    n_failed : int, default=0
        Number of unreadable videos, which the error reports.

    Returns
    -------
    classes : ndarray of shape (n_classes,)
        The sorted labels.
    encoded : ndarray of shape (n,), int64
        Index of each label in `classes`.

    Raises
    ------
    ValueError
        If there are fewer than two classes.
    """
    classes, encoded = np.unique(y, return_inverse=True)
    if len(classes) < 2:
        unreadable = f" ({n_failed} videos cannot be read)" if n_failed else ""
        raise ValueError(
            "Training the backbone requires at least 2 classes, got 1 class: "
            f"{classes.tolist()}{unreadable}. Add videos of another class, or set max_epochs=0 "
            "to use an untrained backbone."
        )
    return classes, encoded
