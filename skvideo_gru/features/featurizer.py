"""The transformer from videos to sequences of ResNet-50 features."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from math import isfinite
from numbers import Integral, Real
from os import PathLike
from typing import Any, NamedTuple, Self

import joblib
import numpy as np
import torch
from joblib import Memory
from sklearn.base import BaseEstimator, TransformerMixin, _fit_context
from sklearn.utils import check_consistent_length, check_random_state, column_or_1d
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, check_memory

from ..networks import (
    IMAGENET,
    N_FEATURES,
    Normalisation,
    Weights,
    initial_weights,
    load_weights,
    resolve_device,
    save_weights,
    to_builtin,
)
from ..persistence import Versioned, atomic_write, preallocate, restore_on_error
from ..video import (
    ALWAYS_RAISE,
    RESIZES,
    SAMPLINGS,
    Video,
    VideoDecodeError,
    as_video_list,
    check_frame_size,
    describe_video,
    opening,
    read_frames,
)
from .caching import CACHE_VERSION, backbone, cached, checkpoint_path
from .embedding import ENGINES, FrameEmbedder, check_engine, numeric_precision
from .extraction import (
    Outcome,
    Reader,
    decode_videos,
    digest_videos,
    embed_cached,
    embed_videos,
    video_progress,
)
from .motion import motion_detail, motion_images
from .training import train_backbone

__all__ = ["ResNet50FrameFeaturizer"]


class _Backbone(NamedTuple):
    """A backbone as the cache keeps it."""

    weights: Weights
    history: list[dict[str, float]]
    #: A hash of the weights, which takes longer to make than they to be read.
    digest: str
    #: Why which of the training videos could not be read.
    failed: dict[int, str]


# What tells the videos' contents apart, where a cache needs it.
_Digests = list[str | VideoDecodeError] | None


class ResNet50FrameFeaturizer(TransformerMixin, Versioned, BaseEstimator):
    """Turn videos into sequences of ResNet-50 feature vectors.

    `fit` with labels trains a ResNet-50 [1]_ from scratch on the training
    videos' frames and freezes it; `transform` decodes frames spread over each
    video and turns every one into 2048 numbers, the network's output after
    global average pooling.

    Parameters
    ----------
    n_frames : int, default=20
        Frames taken of each video.
    sampling : {"uniform", "fps", "dense", "random"}, default="uniform"
        Which ones: the centres of equal segments, `fps` of every second, every
        `stride`-th around the middle, or one at random from each segment (the
        same ones every time, by `random_state`); see `read_frames`. With
        ``"fps"`` and ``"dense"`` `n_frames` is the largest number, and the rows
        of shorter videos end in NaN.
    fps : float, default=2.0
        Frames of each second, for ``sampling="fps"``.
    stride : int, default=1
        Distance from one frame to the next, for ``sampling="dense"``.
    frame_size : int or (int, int), optional
        Height and width in pixels that frames are brought to. None means 64, or
        224 where `weights` are given.
    resize : {"stretch", "crop", "pad"}, default="stretch"
        How frames are brought to `frame_size`, see `read_frames`.
    modality : {"rgb", "motion"}, default="rgb"
        What the network sees: frames in their colours; or pictures of their outlines
        and of what moves, which differ less from camera to camera, drawn from frames
        of up to 256 pixels where `frame_size` is less. `weights` expect
        what they were trained with, ImageNet's the first.
    on_error : {"raise", "nan"}, default="raise"
        What to do about a video that cannot be read: raise the error, or go on
        without it: it is not trained on, its row is NaN, and one warning tells
        how many there were.
    allow_partial : bool, default=False
        Whether a video that breaks on the way counts as its frames before that.
    objective : {"frame", "clip"}, default="frame"
        What the backbone learns from: single frames, or their order, through a
        temporary GRU, for classes that no single frame shows.
    max_epochs : int, default=15
        Epochs of the backbone's training. With 0 it keeps its initial weights.
    lr : float, default=1e-3
        Highest learning rate of the one-cycle schedule.
    weight_decay : float, default=0.05
        Weight decay of AdamW.
    label_smoothing : float, default=0.1
        Share of each training target that is spread over all classes.
    frames_per_clip : int, default=4
        Frames of each clip in an epoch: any, or for ``objective="clip"`` one at
        random from each of as many equal segments.
    batch_size : int, default=64
        Frames in a training step.
    augmentation : {"light", "strong"}, default="light"
        How much the training frames vary at random: a little in place, contrast and
        brightness; or much in place and size too, and mirrored left to right, which
        serves cameras that training has not seen. Not for classes that differ in left
        and right.
    mixed_precision : bool, default=False
        Whether the network computes in bfloat16: in training what torch's autocast
        deems safe, and all of it afterwards. It is for GPUs and for processors with AMX,
        which are faster so; features keep two or three decimal digits.
    weights : str or os.PathLike, optional
        File of a state dict in torchvision's layout to start from, instead of
        a random initialisation: ``.safetensors``, or what ``torch.save`` wrote.
        With ``max_epochs=0`` it is used as it is.
    pixel_mean, pixel_std : (float, float, float), default=ImageNet's
        Mean and standard deviation of red, green and blue, for values in [0, 1],
        by which pixels are normalised before the network: those that the
        `weights` were trained with.
    engine : {"torch", "onnxruntime", "openvino"}, default="torch"
        What runs the frozen network on a CPU. ONNX Runtime and OpenVINO are faster
        with frames of 224 pixels, and need the packages of these names. A GPU is
        torch's.
    flatten : bool, default=True
        Whether `transform` returns rows, as scikit-learn's scalers want them,
        or a 3-D array.
    memory : str, os.PathLike or joblib.Memory, optional
        Where features and trained backbones are kept. A video's features are
        found again by the file's content, not its name; an interrupted `fit` or
        `transform` goes on where it was. Without a `random_state`, a backbone
        trained on the same videos is taken from here too.
    random_state : int, RandomState instance or None, default=None
        Seed of the initialisation and the training.
    device : str or torch.device, default="auto"
        Where the network computes; ``"auto"`` takes a GPU where there is one.
    n_jobs : int, optional
        Number of joblib workers that decode and embed. Beside a GPU, threads that
        decode while it embeds; by default all cores.
    verbose : int, default=0
        With 1 or more, progress bars on a terminal.

    Attributes
    ----------
    weights_ : dict of str to ndarray
        The frozen backbone's state dict.
    frame_size_ : (int, int)
        Height and width of the frames.
    history_ : list of dict
        Numbers of every epoch of the backbone's training.
    classes_ : ndarray of shape (n_classes,)
        Labels that the backbone was trained on; only if it was.
    failed_ : list of (str, str)
        Path and reason of each video that the latest `fit` or `transform` could
        not read, with ``on_error="nan"``.

    See Also
    --------
    GRUClassifier : Classifies the sequences.
    FrameWise : Scales them.

    References
    ----------
    .. [1] K. He, X. Zhang, S. Ren, J. Sun, "Deep Residual Learning for Image
       Recognition", 2015, arXiv:1512.03385.

    Examples
    --------
    >>> import numpy as np
    >>> from skvideo_gru import ResNet50FrameFeaturizer
    >>> videos = [np.full((30, 48, 64, 3), grey, np.uint8) for grey in (50, 200)]
    >>> featurizer = ResNet50FrameFeaturizer(n_frames=4, frame_size=32, random_state=0)
    >>> featurizer.fit_transform(videos).shape
    (2, 8192)
    """

    _parameter_constraints: dict[str, list[Any]] = {
        "n_frames": [Interval(Integral, 1, None, closed="left")],
        "sampling": [StrOptions(set(SAMPLINGS) - {"all"})],
        "fps": [Interval(Real, 0, None, closed="neither")],
        "stride": [Interval(Integral, 1, None, closed="left")],
        "frame_size": [Interval(Integral, 1, None, closed="left"), tuple, list, None],
        "resize": [StrOptions(set(RESIZES))],
        "modality": [StrOptions({"rgb", "motion"})],
        "on_error": [StrOptions({"raise", "nan"})],
        "allow_partial": ["boolean"],
        "objective": [StrOptions({"frame", "clip"})],
        "max_epochs": [Interval(Integral, 0, None, closed="left")],
        "lr": [Interval(Real, 0, None, closed="neither")],
        "weight_decay": [Interval(Real, 0, None, closed="left")],
        "label_smoothing": [Interval(Real, 0, 1, closed="left")],
        "frames_per_clip": [Interval(Integral, 1, None, closed="left")],
        "batch_size": [Interval(Integral, 2, None, closed="left")],
        "augmentation": [StrOptions({"light", "strong"})],
        "mixed_precision": ["boolean"],
        "weights": [str, PathLike, None],
        "pixel_mean": ["array-like"],
        "pixel_std": ["array-like"],
        "engine": [StrOptions(set(ENGINES))],
        "flatten": ["boolean"],
        "memory": [str, PathLike, Memory, None],
        "random_state": ["random_state"],
        "device": [str, torch.device],
        "n_jobs": [Integral, None],
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        n_frames=20,
        *,
        sampling="uniform",
        fps=2.0,
        stride=1,
        frame_size=None,
        resize="stretch",
        modality="rgb",
        on_error="raise",
        allow_partial=False,
        objective="frame",
        max_epochs=15,
        lr=1e-3,
        weight_decay=0.05,
        label_smoothing=0.1,
        frames_per_clip=4,
        batch_size=64,
        augmentation="light",
        mixed_precision=False,
        weights=None,
        pixel_mean=IMAGENET[0],
        pixel_std=IMAGENET[1],
        engine="torch",
        flatten=True,
        memory=None,
        random_state=None,
        device="auto",
        n_jobs=None,
        verbose=0,
    ):
        self.n_frames = n_frames
        self.sampling = sampling
        self.fps = fps
        self.stride = stride
        self.frame_size = frame_size
        self.resize = resize
        self.modality = modality
        self.on_error = on_error
        self.allow_partial = allow_partial
        self.objective = objective
        self.max_epochs = max_epochs
        self.lr = lr
        self.weight_decay = weight_decay
        self.label_smoothing = label_smoothing
        self.frames_per_clip = frames_per_clip
        self.batch_size = batch_size
        self.augmentation = augmentation
        self.mixed_precision = mixed_precision
        self.weights = weights
        self.pixel_mean = pixel_mean
        self.pixel_std = pixel_std
        self.engine = engine
        self.flatten = flatten
        self.memory = memory
        self.random_state = random_state
        self.device = device
        self.n_jobs = n_jobs
        self.verbose = verbose

    def fit(self, X: Any, y: Any = None) -> Self:
        """Train the backbone, or set its initial weights.

        Parameters
        ----------
        X : sequence of videos, or DataFrame
            The training videos, see `as_video_list`.
        y : array-like of shape (n_videos,), optional
            Labels. Without them the backbone keeps its initial weights.

        Returns
        -------
        ResNet50FrameFeaturizer
            The fitted transformer.

        Raises
        ------
        VideoDecodeError
            If a video cannot be read.
        ValueError
            If a parameter, `X` or `y` is not valid.
        """
        videos, _, _ = self._fit(X, y)
        self._warn_of_failed(len(videos), stacklevel=3)
        return self

    def fit_transform(self, X: Any, y: Any = None) -> np.ndarray:
        """Fit and transform the same videos, decoding each of them once.

        Parameters
        ----------
        X : sequence of videos, or DataFrame
            The training videos.
        y : array-like of shape (n_videos,), optional
            Labels.

        Returns
        -------
        ndarray of shape (n_videos, n_frames * 2048), float32
            The feature sequences; 3-D with ``flatten=False``.

        Raises
        ------
        VideoDecodeError
            If a video cannot be read.
        ValueError
            If a parameter, `X` or `y` is not valid.
        """
        return self._features(*self._fit(X, y))

    def transform(self, X: Any) -> np.ndarray:
        """Decode videos and embed their frames.

        Parameters
        ----------
        X : sequence of videos, or DataFrame
            The videos.

        Returns
        -------
        ndarray of shape (n_videos, n_frames * 2048), float32
            A row for each video, frame after frame, NaN where there is none; with
            ``flatten=False`` of shape (n_videos, n_frames, 2048).

        Raises
        ------
        VideoDecodeError
            If a video cannot be read.
        """
        check_is_fitted(self, "weights_")
        return self._features(as_video_list(X))

    def transform_to_file(
        self, X: Any, path: str | PathLike[str], dtype: str = "float32"
    ) -> np.memmap:
        """Decode videos and embed their frames into a file.

        For more videos than memory can hold the features of. With `memory`, an
        interrupted run goes on where it was.

        Parameters
        ----------
        X : sequence of videos, or DataFrame
            The videos.
        path : str or os.PathLike
            The ``.npy`` file to write. What was there is replaced at once, when
            all is written.
        dtype : {"float32", "float16"}, default="float32"
            Type of the numbers in the file; the second takes half of the space
            and keeps three decimal digits.

        Returns
        -------
        memmap of shape (n_videos, n_frames * 2048)
            What `transform` returns, read from the file where it is looked at.

        Raises
        ------
        VideoDecodeError
            If a video cannot be read.
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
            self._features(videos, out=out)
            out.flush()
            del out
        return np.lib.format.open_memmap(path, mode="r")

    def save_weights(self, path: str | PathLike[str]) -> None:
        """Save the backbone's weights in torchvision's layout, without ``fc.*``.

        Parameters
        ----------
        path : str or os.PathLike
            File to write, ``.safetensors`` or else in torch's own format. `weights`
            takes it back.

        Raises
        ------
        NotFittedError
            If there are none yet.
        ImportError
            If the package safetensors is needed and not installed.
        OSError
            If the file cannot be written.
        """
        check_is_fitted(self, "weights_")
        save_weights(self.weights_, path)

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Name the columns of the rows that `transform` returns.

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
        """Return what is saved: the weights, not the network built from them."""
        state = dict(super().__getstate__())
        state.pop("_embedder", None)
        return state

    def __sklearn_tags__(self):
        """Tell scikit-learn that rows are videos, not numbers."""
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.input_tags.one_d_array = True
        tags.input_tags.string = True
        tags.target_tags.required = False
        tags.transformer_tags.preserves_dtype = []
        return tags

    @_fit_context(prefer_skip_nested_validation=True)
    def _fit(self, X: Any, y: Any = None) -> tuple[list[Video], _Digests, list[Any] | None]:
        """Fit, and return the videos, with digests and frames where they were made."""
        with restore_on_error(self):
            return self._fit_anew(X, y)

    def _fit_anew(self, X: Any, y: Any) -> tuple[list[Video], _Digests, list[Any] | None]:
        # Nothing of an earlier fit stays.
        for name in ("weights_", "frame_size_", "history_", "classes_", "failed_", "_embedder"):
            if hasattr(self, name):
                delattr(self, name)
        videos = as_video_list(X)
        default_size = 64 if self.weights is None else 224
        size = self.frame_size if self.frame_size is not None else default_size
        self.frame_size_ = check_frame_size(size)
        self._normalisation = self._check_normalisation()
        training = y is not None and self.max_epochs > 0
        device = resolve_device(self.device, training=training)
        check_engine(self.engine, self.mixed_precision, device)
        self.history_: list[dict[str, float]] = []
        self.failed_: list[tuple[str, str]] = []
        seed = self._seed()
        self._sampling_seed = seed or 0
        start = None if self.weights is None else load_weights(self.weights)
        digests = clips = None
        if y is not None:
            check_consistent_length(videos, y)
        if training:
            digests, clips = self._train(videos, y, start, seed)
        elif start is not None:
            self.weights_, self._weights_digest = start, joblib.hash(start)
        else:
            key = (CACHE_VERSION, "initial", seed)
            self._set_backbone(self._kept_backbone(key, partial(_untrained, _definite(seed))))
        return videos, digests, clips

    def _check_normalisation(self) -> Normalisation:
        for name in ("pixel_mean", "pixel_std"):
            values = getattr(self, name)
            numbers = all(isinstance(value, Real) and isfinite(value) for value in values)
            if len(values) != 3 or not numbers or (name == "pixel_std" and min(values) <= 0):
                kind = "positive numbers" if name == "pixel_std" else "numbers"
                raise ValueError(f"{name}={values!r} must hold three {kind}.")
        mean, std = (tuple(map(float, v)) for v in (self.pixel_mean, self.pixel_std))
        return mean, std

    def _kept_backbone(self, key: Any, make: Callable[[], _Backbone]) -> _Backbone:
        memory = self._memory()
        if memory.location is None:
            return make()
        cache = cached(memory, backbone)
        found = cache(key, make)
        if found.failed and self.on_error == "raise":
            # A fit that went on without some videos has kept it: now they are to be read.
            found = make()
            cache.call(key, lambda: found)
        return found

    def _set_backbone(self, made: _Backbone) -> None:
        self.weights_, self.history_, self._weights_digest, _ = made

    def _train(
        self, videos: list[Video], y: Any, start: Weights | None, seed: int | None
    ) -> tuple[_Digests, list[Any] | None]:
        y = column_or_1d(y)
        check_classification_targets(y)
        encoded = self._encode(y, {})
        names = [
            "objective",
            "max_epochs",
            "lr",
            "weight_decay",
            "label_smoothing",
            "frames_per_clip",
            "batch_size",
            "augmentation",
            "mixed_precision",
        ]
        recipe = {name: to_builtin(getattr(self, name)) for name in names}
        clips: list[Any] = []

        def train() -> _Backbone:
            clips.extend(
                decode_videos(videos, self._reader(), n_jobs=self.n_jobs, verbose=self.verbose)
            )
            failed = {
                row: frames.reason
                for row, frames in enumerate(clips)
                if isinstance(frames, VideoDecodeError)
            }
            good = self._readable(videos, failed)
            weights, history = train_backbone(
                [clips[row] for row in good],
                self._encode(y[good], failed),
                weights=start,
                normalisation=self._normalisation,
                seed=_definite(seed),
                device=self.device,
                checkpoint=checkpoint,
                verbose=self.verbose,
                **recipe,
            )
            return _Backbone(weights, history, joblib.hash(weights), failed)

        key = digests = checkpoint = None
        memory = self._memory()
        if memory.location is not None:
            digests = self._digests(videos)
            key = (
                CACHE_VERSION,
                seed,
                joblib.hash(start),
                recipe,
                self._normalisation,
                self._pictures(),
                opening.MAX_PIXELS,
                list(map(str, digests)),
                encoded.tolist(),
            )
            checkpoint = checkpoint_path(memory, key)
        trained = self._kept_backbone(key, train)
        self._set_backbone(trained)
        self._encode(y[self._readable(videos, trained.failed)], trained.failed)
        if checkpoint is not None:
            with suppress(OSError):  # it may be another user's, in a folder shared
                checkpoint.unlink()
        return digests, clips or None

    def _readable(self, videos: list[Video], failed: dict[int, str]) -> list[int]:
        """Note the training videos that cannot be read, and return the others' rows."""
        self.failed_ = []
        for row, reason in failed.items():
            self._fail(VideoDecodeError(describe_video(videos[row]), reason))
        if len(failed) == len(videos):
            path, reason = self.failed_[0]
            raise VideoDecodeError(path, f"{reason}; none of {len(videos)} videos can be read")
        return [row for row in range(len(videos)) if row not in failed]

    def _encode(self, y: np.ndarray, failed: dict[int, str]) -> np.ndarray:
        self.classes_, encoded = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            lost = f" ({len(failed)} videos cannot be read)" if failed else ""
            raise ValueError(
                "Training the backbone needs at least 2 classes, got 1 class: "
                f"{self.classes_.tolist()}{lost}. Give more, or max_epochs=0 to leave it "
                "untrained."
            )
        return encoded

    def _fail(self, error: VideoDecodeError) -> None:
        if self.on_error == "raise" or ALWAYS_RAISE.get():
            raise error
        self.failed_.append((error.path, error.reason))

    def _warn_of_failed(self, n_videos: int, stacklevel: int) -> None:
        if self.failed_:
            warnings.warn(
                f"{len(self.failed_)} of {n_videos} videos cannot be read and count as missing; "
                "failed_ holds their paths and the reasons.",
                stacklevel=stacklevel,
            )

    def _seed(self) -> int | None:
        if self.random_state is None:
            return None
        return int(check_random_state(self.random_state).randint(np.iinfo(np.int32).max))

    def _memory(self) -> Memory:
        memory = self.memory
        return check_memory(os.fspath(memory) if isinstance(memory, PathLike) else memory)

    def _reading(self) -> dict[str, Any]:
        """Collect what `read_frames` needs, and nothing that makes no difference."""
        names = {"fps": ["fps"], "dense": ["stride"]}.get(self.sampling, [])
        reading = {
            name: to_builtin(getattr(self, name))
            for name in ("sampling", "n_frames", "resize", *names)
        }
        if "fps" in reading:
            reading["fps"] = float(reading["fps"])
        if self.sampling == "random":
            reading["seed"] = self._sampling_seed
        if self.allow_partial:
            reading["allow_partial"] = True
        return reading | {"frame_size": self.frame_size_}

    def _digests(self, videos: list[Video]) -> list[str | VideoDecodeError]:
        return digest_videos(videos, n_jobs=self.n_jobs, verbose=self.verbose)

    def _reader(self) -> Reader:
        return partial(_read_pictures, self.modality, self._reading())

    def _pictures(self) -> dict[str, Any]:
        """Collect what the network's pictures depend on besides the video."""
        other = {} if self.modality == "rgb" else {"modality": self.modality}
        return self._reading() | other

    def _features(
        self,
        videos: list[Video],
        digests: _Digests = None,
        clips: list[Any] | None = None,
        out: Any = None,
    ) -> np.ndarray:
        """Embed videos, taking frames from `clips` where they are decoded already."""
        embedder: FrameEmbedder | None = getattr(self, "_embedder", None)
        how = self.engine, self.mixed_precision
        if embedder is None or (embedder.engine, embedder.mixed_precision) != how:
            embedder = FrameEmbedder(self.weights_, self._normalisation, *how)
            self._embedder = embedder
        sources = videos if clips is None else clips
        embed = partial(
            embed_videos,
            embedder=embedder,
            read=self._reader() if clips is None else None,
            device=self.device,
            n_jobs=self.n_jobs,
        )
        memory = self._memory()
        outcomes: Iterator[tuple[Outcome, bool]]
        if memory.location is None:
            outcomes = ((outcome, False) for outcome in embed(sources))
        else:
            depends_on = (
                self._pictures(),
                self._weights_digest,
                self._normalisation,
                numeric_precision(*how, resolve_device(self.device, training=False)),
            )
            digests = digests or self._digests(videos)
            outcomes = embed_cached(videos, digests, sources, embed, depends_on, memory)
        self.failed_ = []
        if out is None:
            out = np.empty(self._shape(len(videos)), np.float32)
        features = out.reshape(len(videos), self.n_frames, N_FEATURES)
        n_frames = n_cached = 0
        with video_progress("features", len(videos), self.verbose) as bar:
            for row, (outcome, cached) in enumerate(outcomes):
                features[row] = np.nan
                if isinstance(outcome, VideoDecodeError):
                    self._fail(outcome)
                else:
                    _put(outcome, features[row], videos[row])
                    n_frames += len(outcome)
                n_cached += cached
                bar.set_postfix_str(
                    f"{n_frames / max(bar.format_dict['elapsed'], 1e-3):.0f} frames/s, "
                    f"{n_cached} cached, {len(self.failed_)} failed",
                    refresh=False,
                )
                bar.update()
        # Whoever called `transform`, which scikit-learn wraps.
        self._warn_of_failed(len(videos), stacklevel=5)
        return out

    def _shape(self, n_videos: int) -> tuple[int, ...]:
        if self.flatten:
            return n_videos, self.n_frames * N_FEATURES
        return n_videos, self.n_frames, N_FEATURES


def _read_pictures(modality: str, reading: dict[str, Any], video: Video) -> np.ndarray:
    if modality == "rgb":
        return read_frames(video, **reading)
    height, width = reading["frame_size"]
    detail = motion_detail(height, width)
    larger = reading | {"frame_size": (height * detail, width * detail)}
    return motion_images(read_frames(video, **larger), detail)


def _put(features: np.ndarray, row: np.ndarray, video: Video) -> None:
    with np.errstate(over="ignore"):
        row[: len(features)] = features
    if row.dtype == np.float16 and np.isinf(row).any():
        raise ValueError(
            f"{describe_video(video)}: a feature of {np.abs(features).max():.3g} is too large for "
            "dtype='float16'; use 'float32'."
        )


def _untrained(seed: int) -> _Backbone:
    weights = initial_weights(seed)
    return _Backbone(weights, [], joblib.hash(weights), {})


def _definite(seed: int | None) -> int:
    return int(np.random.default_rng().integers(2**31)) if seed is None else seed
