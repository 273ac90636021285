"""Transformation of videos to features with a fitted backbone."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from os import PathLike
from typing import Any

import numpy as np
import torch
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from ..caller_warnings import warn_caller
from ..networks import (
    N_FEATURES,
    Normalisation,
    Weights,
    exchange_rows,
    gather_rows,
    resolve_device,
    save_weights,
)
from ..persistence import Versioned, atomic_write, preallocate, temporary_array
from ..video import ALWAYS_RAISE, Video, as_video_list
from .cached_extraction import digest_videos, embed_cached
from .caching import cache_folder, open_memory
from .embedding import FrameEmbedder, embedding_precision, numeric_precision
from .extraction import Outcome, embed_videos
from .fitting import FittedVideos
from .reading import frame_reader
from .rows import fill_rows
from .sharing import EmbeddedWindow


class FrameTransformer(TransformerMixin, Versioned, BaseEstimator):
    """Base class of `ResNet50FrameFeaturizer`: transformation and saving.

    A subclass has the parameters, and its `fit` sets ``weights_``, ``frame_size_``,
    ``modality_``, ``_weights_digest``, ``_normalisation`` and ``_sampling_seed``.
    """

    n_frames: int
    flatten: bool
    on_error: str
    engine: str
    mixed_precision: bool | str
    memory: Any
    device: str | torch.device
    n_jobs: int | None
    max_nbytes: int | None
    verbose: int

    weights_: Weights
    frame_size_: tuple[int, int]
    modality_: str
    _weights_digest: str
    _normalisation: Normalisation
    _sampling_seed: int

    def transform(self, X: Any) -> np.ndarray:
        """Decode videos and embed their frames.

        Parameters
        ----------
        X : sequence of videos, or DataFrame
            The videos.

        Returns
        -------
        ndarray of shape (n_videos, n_frames * 2048), float32
            One row per video, frame after frame, padded with NaN; with ``flatten=False``
            of shape (n_videos, n_frames, 2048).

        Raises
        ------
        VideoDecodeError
            If a video cannot be read and ``on_error="raise"``.
        """
        check_is_fitted(self, "weights_")
        if isinstance(X, list) and X and isinstance(X[0], EmbeddedWindow):
            rows = np.full((len(X), self.n_frames, N_FEATURES), np.nan, np.float32)
            for row, window in zip(rows, X, strict=True):
                features = window.features_for(self)
                row[: len(features)] = features
            return rows.reshape(self._shape(len(X)))
        return self._embed(FittedVideos(as_video_list(X)))

    def transform_to_file(
        self, X: Any, path: str | PathLike[str], dtype: str = "float32"
    ) -> np.memmap:
        """Decode videos and embed their frames into a file.

        Use it for features that do not fit into memory. With `memory`, an interrupted run
        resumes.

        Parameters
        ----------
        X : sequence of videos, or DataFrame
            The videos.
        path : str or os.PathLike
            The ``.npy`` file to write. An existing file is replaced when the new one is
            complete.
        dtype : {"float32", "float16"}, default="float32"
            Data type of the file. float16 needs half of the space and has three
            significant digits. `FrameWise` and `GRUClassifier` convert it to float32, for
            which they need memory.

        Returns
        -------
        memmap of shape (n_videos, n_frames * 2048)
            What `transform` returns, mapped from the file. Changes of the array do not change
            the file.

        Raises
        ------
        VideoDecodeError
            If a video cannot be read and ``on_error="raise"``.
        ValueError
            If `dtype` is unknown, or a feature is too large for it.
        OSError
            If the file cannot be written.
        """
        check_is_fitted(self, "weights_")
        if dtype not in ("float32", "float16"):
            raise ValueError(f"dtype={dtype!r} is unknown; choose 'float32' or 'float16'.")
        videos = as_video_list(X)
        with atomic_write(path) as unfinished:
            shape = self._shape(len(videos))
            out = np.lib.format.open_memmap(unfinished, mode="w+", dtype=dtype, shape=shape)
            preallocate(unfinished)
            self._embed(FittedVideos(videos), out=out)
            out.flush()
            del out
        # Changes are not written to the file. scikit-learn copies arrays that cannot be changed.
        return np.lib.format.open_memmap(path, mode="c")

    def read_frames(self, video: Video) -> np.ndarray:
        """Read the frames of a video as the network sees them.

        Parameters
        ----------
        video : str, PathLike, VideoClip, bytes, file or ndarray
            The video.

        Returns
        -------
        ndarray of shape (T, H, W, 3), uint8
            The sampled frames at the fitted size: RGB with ``modality_="rgb"``, otherwise
            motion images; T is at most `n_frames`. They are the input of a model that
            `export_onnx` has written.

        Raises
        ------
        NotFittedError
            If the transformer is not fitted.
        VideoDecodeError
            If the video cannot be read.
        """
        check_is_fitted(self, "weights_")
        return frame_reader(self)(video)

    def save_weights(self, path: str | PathLike[str]) -> None:
        """Save the backbone's weights in torchvision's layout, without ``fc.*``.

        Parameters
        ----------
        path : str or os.PathLike
            File to write: ``.safetensors``, or torch's format with any other extension. The
            parameter `weights` accepts it.

        Raises
        ------
        NotFittedError
            If the transformer is not fitted.
        ImportError
            If the package safetensors is required and not installed.
        OSError
            If the file cannot be written.
        """
        check_is_fitted(self, "weights_")
        save_weights(self.weights_, path)

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Return the column names of the flattened output.

        Parameters
        ----------
        input_features : object
            Not used.

        Returns
        -------
        ndarray of str
            ``frame0_resnet50_0``, ``frame0_resnet50_1``, ...
        """
        check_is_fitted(self, "weights_")
        names = [
            f"frame{frame}_resnet50_{feature}"
            for frame in range(self.n_frames)
            for feature in range(N_FEATURES)
        ]
        return np.asarray(names, dtype=object)

    def __getstate__(self) -> dict[str, Any]:
        """Return the state to save: the weights, but not the network."""
        state = dict(super().__getstate__())
        state.pop("_embedder", None)
        return state

    def _strict(self) -> bool:
        return self.on_error == "raise" or ALWAYS_RAISE.get()

    def _warn_of_failed(self, n_videos: int) -> None:
        if self.failed_:
            warn_caller(
                f"{len(self.failed_)} of {n_videos} videos cannot be read and are treated as "
                "missing; see the attribute failed_ for their paths and the reasons."
            )

    def _embed(self, fitted: FittedVideos, out: Any = None) -> np.ndarray:
        """Embed videos, reusing their digests and frames if they are known."""
        videos, device = fitted.videos, resolve_device(self.device, training=False)
        precision = self._precision(device)
        embedder = self._current_embedder()
        reader, memory = frame_reader(self), open_memory(self.memory)
        rows = range(len(videos)) if fitted.rows is None else fitted.rows
        here = [videos[row] for row in rows]
        sources = here if fitted.clips is None else fitted.clips
        embed = partial(
            embed_videos,
            embedder=embedder,
            read=reader if fitted.clips is None else None,
            device=self.device,
            n_jobs=self.n_jobs,
        )
        outcomes: Iterator[tuple[Outcome, bool]]
        if memory.location is None:
            outcomes = ((outcome, False) for outcome in embed(sources))
        else:
            depends_on = (
                reader.cache_key,
                self._weights_digest,
                self._normalisation,
                numeric_precision(*precision, device),
            )
            if fitted.digests is None:
                digests = digest_videos(here, n_jobs=self.n_jobs, verbose=self.verbose)
            else:
                digests = [fitted.digests[row] for row in rows]
            outcomes = embed_cached(here, digests, sources, embed, depends_on, memory)
        if out is None:
            out = self._empty_rows(len(videos))
        array = out.reshape(len(videos), self.n_frames, N_FEATURES)
        fill = partial(
            fill_rows, array, rows, outcomes, videos, strict=self._strict(), verbose=self.verbose
        )
        if fitted.rows is None:
            failed = fill()
        else:
            failed = gather_rows(fill)
            exchange_rows(array, rows)
        self.failed_ = list(failed.values())
        self._warn_of_failed(len(videos))
        return out

    def _precision(self, device: torch.device) -> tuple[str, bool]:
        """Return the engine, and whether it computes in bfloat16."""
        return self.engine, embedding_precision(self.engine, self.mixed_precision, device)

    def _current_embedder(self) -> FrameEmbedder:
        precision = self._precision(resolve_device(self.device, training=False))
        embedder: FrameEmbedder | None = getattr(self, "_embedder", None)
        if embedder is None or (embedder.engine, embedder.mixed_precision) != precision:
            embedder = FrameEmbedder(self.weights_, self._normalisation, *precision)
            self._embedder = embedder
        return embedder

    def _embed_images(self, images: np.ndarray) -> np.ndarray:
        return self._current_embedder()(images, self.device)

    def _features_key(self) -> tuple[Any, ...]:
        """Describe what the features of a window depend on."""
        reading = tuple(sorted(frame_reader(self).cache_key.items()))
        device = resolve_device(self.device, training=False)
        return reading, self._weights_digest, self._normalisation, *self._precision(device), device

    def _empty_rows(self, n_videos: int) -> np.ndarray:
        folder = cache_folder(open_memory(self.memory))
        return temporary_array(self._shape(n_videos), np.float32, self.max_nbytes, folder)

    def _shape(self, n_videos: int) -> tuple[int, ...]:
        if self.flatten:
            return n_videos, self.n_frames * N_FEATURES
        return n_videos, self.n_frames, N_FEATURES
