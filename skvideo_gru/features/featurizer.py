"""The transformer from videos to sequences of ResNet-50 features."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from numbers import Integral
from os import PathLike
from typing import Any, Self

import numpy as np
import torch
from joblib import Memory
from sklearn.base import BaseEstimator, _fit_context
from sklearn.utils import check_consistent_length, check_random_state
from sklearn.utils._param_validation import Interval, StrOptions

from ..caller_warnings import warn_caller
from ..networks import (
    IMAGENET,
    Weights,
    check_same,
    first_result,
    load_weights,
    motion_weights,
    own_result,
    record_backbone_labels,
    resolve_device,
    resolve_mixed_precision,
    share_rows,
    to_builtin,
)
from ..persistence import restore_on_error
from ..targets import check_target
from ..video import (
    Video,
    as_video_list,
    describe_video,
    longest_duration,
    video_bounds,
)
from .augmentation import check_augmentation
from .caching import open_memory
from .embedding import ENGINES, check_engine, check_normalisation, embedding_precision
from .fitting import RECIPE_CONSTRAINTS, BackboneFitter, FittedVideos
from .reading import (
    READING_CONSTRAINTS,
    frame_reader,
    resolve_frame_size,
    resolve_modality,
    starts_from_file,
)
from .transforming import FrameTransformer

# With so many videos, a backbone starts from random weights, because learned ones did not
# increase the accuracy, and is trained in twice as many steps; see benchmarks/accuracy.md.
MANY_VIDEOS = 300


class ResNet50FrameFeaturizer(FrameTransformer):
    """Turn videos into sequences of ResNet-50 feature vectors.

    `fit` with labels trains a ResNet-50 [1]_ on the frames of the training videos and
    freezes it with the mean of its weights in the second half of the training [2]_.
    `transform` samples frames from each video and turns each frame into 2048 numbers, the
    network's output after global average pooling.

    Parameters
    ----------
    n_frames : int, default=20
        Number of frames sampled from each video.
    sampling : {"uniform", "fps", "dense", "random"}, default="uniform"
        Which frames are sampled: the centres of equal segments, `fps` frames per second,
        every `stride`-th frame around the middle, or one random frame per segment (fixed
        by `random_state`); see `read_frames`. With ``"fps"`` and ``"dense"``, `n_frames`
        is the maximum, and the rows of shorter videos are padded with NaN.
    fps : float, default=2.0
        Frames per second with ``sampling="fps"``.
    stride : int, default=1
        Distance between frames with ``sampling="dense"``.
    frame_size : int or (int, int), optional
        Height and width of the frames in pixels. By default 32, or 224 with a file of
        `weights`.
    resize : {"stretch", "crop", "pad"}, default="stretch"
        How frames are resized to `frame_size`, see `read_frames`.
    modality : {"auto", "rgb", "motion", "changes"}, default="auto"
        Input of the network: RGB frames, or motion images. A motion
        image has three channels: the outlines in a frame, the changes before it and the
        changes after it. With ``"changes"``, the first channel shows the changes during the
        frame instead. All frames of a video are decoded for motion images. ``"auto"``
        means ``"motion"`` for a backbone that is trained, and ``"rgb"`` for an untrained one
        and with a file of `weights`. It also means ``"rgb"`` if only RGB frames show the
        classes. To find this out, a linear classifier of the images is cross-validated on the
        training videos.
    on_error : {"raise", "nan"}, default="raise"
        How to treat a video that cannot be read: raise the error, or omit the video from
        training, return a row of NaN and issue one warning with the number of such videos.
    allow_partial : bool, default=False
        Whether a corrupt video is truncated at the error instead of unreadable.
    objective : {"frame", "clip"}, default="clip"
        What the backbone is trained to classify: single frames, or sequences of frames
        through a temporary GRU, for classes that single frames do not show.
    max_epochs : int, optional
        Epochs of the backbone's training. With 0 it keeps its initial weights. By default
        the smallest number, at least 5, that makes 1200 optimizer steps, or 2400 with at
        least 300 videos, unreadable ones included.
    lr : float, default=1e-3
        Maximum learning rate of the one-cycle schedule.
    weight_decay : float, default=0.05
        Weight decay of AdamW.
    label_smoothing : float, default=0.1
        Share of each training target that is spread over all classes.
    frames_per_clip : int, default=4
        Frames of each clip per epoch, drawn at random; with ``objective="clip"`` one from
        each of as many equal segments.
    batch_size : int, default=64
        Frames per training step; two frames or clips at least.
    augmentation : collection of str or None
        Random variation of the training clips, for all frames of a clip alike.
        ``"shift"``: the position, by up to 15% of the frame. ``"scale"``: the size, by a
        factor of up to 1.4. ``"rotate"``: by up to 0.15 radians. ``"mirror"``: left and
        right; do not use it for classes that differ in direction. ``"light"``: contrast
        and brightness. ``"erase"``: a rectangle is removed. ``"time"``: up to a fifth of
        the clip is removed from its ends, with ``objective="clip"``. ``"mixup"``: clips are
        blended in pairs, and so are their labels. By default all but ``"mirror"`` and
        ``"mixup"``.
    mixed_precision : bool or "auto", default=False
        Whether the network computes in bfloat16: in training with torch's autocast, and
        entirely afterwards. Features are then accurate to 2-3 significant digits.
        ``"auto"`` uses it where the hardware supports it: on GPUs with bfloat16, and on
        processors with AMX or AVX512-BF16. The result then depends on the hardware.
        With True on other hardware, training takes many times as long, and warns.
    weights : "auto", str, os.PathLike or None, default="auto"
        Initial weights. ``"auto"`` means weights that come with the package for a backbone
        that is trained on motion images of fewer than 300 videos, and random ones
        otherwise. The former were learned from generated clips of moving shapes, such as
        `make_motion_clips` returns. None means random weights. A path is a file with a
        state dict in torchvision's layout, ``.safetensors`` or written by ``torch.save``;
        with ``max_epochs=0`` the network is frozen with these weights.
    pixel_mean, pixel_std : (float, float, float), default=ImageNet's
        Mean and standard deviation of red, green and blue, for values in [0, 1], that
        pixels are normalised with. They must match `weights`.
    engine : {"torch", "onnxruntime", "openvino"}, default="torch"
        What runs the frozen network on a CPU. ONNX Runtime and OpenVINO are faster for
        frames of 224 pixels and require the packages of these names. On a GPU, torch is
        always used.
    flatten : bool, default=True
        Whether `transform` returns flattened rows, which scikit-learn's scalers require,
        or a 3-D array.
    memory : str, os.PathLike or joblib.Memory, optional
        Cache of features and trained backbones. The key of a video is its content, not
        its name. An interrupted `fit` or `transform` resumes. Without a `random_state`,
        a backbone trained on the same videos is reused too.
    random_state : int, RandomState instance or None, default=None
        Seed of initialisation and training.
    device : str or torch.device, default="auto"
        Where the network computes; ``"auto"`` uses a GPU if one is available.
    n_jobs : int, optional
        Number of joblib workers that decode and embed. With a GPU, number of decoding
        threads; by default all cores.
    max_nbytes : int or None, default=2**31
        Maximum size in memory, in bytes, of all decoded training frames, and of the
        features that `transform` returns. Larger ones are in a file without a name, in the
        folder of `memory` or the system's folder for temporary files, and mapped into
        memory. The file is removed when it is no longer used. The results are the same.
        None means any size.
    verbose : int, default=0
        With 1 or more, progress bars; without a terminal or notebook, a line every 30 seconds.

    Attributes
    ----------
    weights_ : dict of str to ndarray
        State dict of the frozen backbone.
    frame_size_ : (int, int)
        Height and width of the frames.
    modality_ : {"rgb", "motion", "changes"}
        What the network sees.
    history_ : list of dict
        Losses and durations of the backbone's training epochs.
    classes_ : ndarray of shape (n_classes,)
        Labels that the backbone was trained on; absent without training.
    max_duration_ : float or None
        Duration of the longest training video in seconds, as its container states it; of
        more than 100 videos, 100 are compared. None if unknown, for example for arrays.
    failed_ : list of (str, str)
        Path and reason of each video that the latest `fit` or `transform` could not
        read, with ``on_error="nan"``.

    See Also
    --------
    GRUClassifier : Classifies the sequences.
    FrameWise : Scales the sequences.

    References
    ----------
    .. [1] K. He, X. Zhang, S. Ren, J. Sun, "Deep Residual Learning for Image
       Recognition", 2015, arXiv:1512.03385.
    .. [2] P. Izmailov et al., "Averaging Weights Leads to Wider Optima and Better
       Generalization", 2018, arXiv:1803.05407.

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
        **READING_CONSTRAINTS,
        **RECIPE_CONSTRAINTS,
        "on_error": [StrOptions({"raise", "nan"})],
        "weights": [str, PathLike, None],
        "pixel_mean": ["array-like"],
        "pixel_std": ["array-like"],
        "engine": [StrOptions(set(ENGINES))],
        "flatten": ["boolean"],
        "memory": [str, PathLike, Memory, None],
        "random_state": ["random_state"],
        "device": [str, torch.device],
        "n_jobs": [Integral, None],
        "max_nbytes": [Interval(Integral, 0, None, closed="left"), None],
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
        modality="auto",
        on_error="raise",
        allow_partial=False,
        objective="clip",
        max_epochs=None,
        lr=1e-3,
        weight_decay=0.05,
        label_smoothing=0.1,
        frames_per_clip=4,
        batch_size=64,
        augmentation=("shift", "scale", "rotate", "light", "erase", "time"),
        mixed_precision=False,
        weights="auto",
        pixel_mean=IMAGENET[0],
        pixel_std=IMAGENET[1],
        engine="torch",
        flatten=True,
        memory=None,
        random_state=None,
        device="auto",
        n_jobs=None,
        max_nbytes=2**31,
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
        self.max_nbytes = max_nbytes
        self.verbose = verbose

    def fit(self, X: Any, y: Any = None) -> Self:
        """Train the backbone, or set its initial weights.

        Parameters
        ----------
        X : sequence of videos, or DataFrame
            The training videos: paths, `VideoClip`, bytes, binary files or RGB arrays.
        y : array-like of shape (n_videos,), optional
            Labels. Without labels the backbone keeps its initial weights.

        Returns
        -------
        ResNet50FrameFeaturizer
            The fitted transformer.

        Raises
        ------
        VideoDecodeError
            If a video cannot be read and ``on_error="raise"``.
        ValueError
            If a parameter, `X` or `y` is not valid.
        """
        fitted = self._fit(X, y)
        self._warn_of_failed(len(fitted.videos))
        return self

    @_fit_context(prefer_skip_nested_validation=True)
    def fit_transform(self, X: Any, y: Any = None) -> np.ndarray:
        """Fit and transform the same videos; each video is decoded once per modality.

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
            If a video cannot be read and ``on_error="raise"``.
        ValueError
            If a parameter, `X` or `y` is not valid.
        OSError
            If the disk has not enough space for features that are larger than `max_nbytes`.
        """
        videos = as_video_list(X)
        # Before the training, so that a full disk is an error at once.
        out = own_result(lambda: self._empty_rows(len(videos)))
        return self._embed(self._fit(videos, y), out)

    def _validate_params(self) -> None:
        super()._validate_params()
        check_augmentation(self.augmentation)
        check_normalisation(self.pixel_mean, self.pixel_std)
        if self.n_jobs == 0:
            raise ValueError("n_jobs=0 is no number of workers; use None, -1, or 1 or more.")

    def __sklearn_tags__(self):
        """Return scikit-learn's tags: the input is a list of videos."""
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.input_tags.one_d_array = True
        tags.input_tags.string = True
        tags.target_tags.required = False
        tags.transformer_tags.preserves_dtype = []
        return tags

    @_fit_context(prefer_skip_nested_validation=True)
    def _fit(self, X: Any, y: Any = None) -> FittedVideos:
        """Fit, and return the videos with the digests and frames that were computed."""
        with restore_on_error(self):
            # Discard the results of an earlier fit.
            for name in (
                "weights_",
                "frame_size_",
                "modality_",
                "history_",
                "classes_",
                "max_duration_",
                "failed_",
                "_embedder",
            ):
                if hasattr(self, name):
                    delattr(self, name)
            return self._fit_backbone(as_video_list(X), y)

    def _fit_backbone(self, videos: list[Video], y: Any) -> FittedVideos:
        self.frame_size_ = resolve_frame_size(self.frame_size, self.weights)
        self._normalisation = check_normalisation(self.pixel_mean, self.pixel_std)
        training = y is not None and self.max_epochs != 0
        self.modality_ = resolve_modality(self.modality, self.weights, training)
        device = resolve_device(self.device, training=training)
        mixed_precision = embedding_precision(self.engine, self.mixed_precision, device)
        check_engine(self.engine, mixed_precision, device)
        if training and mixed_precision and not resolve_mixed_precision("auto", device):
            warn_caller(
                "mixed_precision=True: this device does not compute in bfloat16. It is emulated, "
                "so that training takes many times as long as in float32; use 'auto' or False."
            )
        seed = None
        if self.random_state is not None:
            seed = int(check_random_state(self.random_state).randint(np.iinfo(np.int32).max))
        seed = first_result(lambda: seed)
        self._sampling_seed = seed or 0
        reader = frame_reader(self)
        may_differ = self.modality == "auto" and self.modality_ == "motion"
        fitter = BackboneFitter(
            reader=reader,
            rgb_reader=replace(reader, modality="rgb") if may_differ else None,
            normalisation=self._normalisation,
            recipe={name: to_builtin(getattr(self, name)) for name in RECIPE_CONSTRAINTS}
            | {
                "augmentation": check_augmentation(self.augmentation),
                "mixed_precision": resolve_mixed_precision(self.mixed_precision, device),
                "n_steps": 2400 if len(videos) >= MANY_VIDEOS else 1200,
            },
            start=self._choose_start(training, len(videos)),
            seed=seed,
            memory=open_memory(self.memory),
            strict=self._strict(),
            device=self.device,
            n_jobs=self.n_jobs,
            max_nbytes=self.max_nbytes,
            verbose=self.verbose,
        )
        if y is not None:
            check_consistent_length(videos, y)
        named = [(describe_video(video), video_bounds(video)) for video in videos]
        check_same((named, None if y is None else list(y)), "videos or labels")
        check_same(fitter.recipe, "parameters")
        if training:
            target = check_target(self, y)
            made, fitted = fitter.train(videos, target)
            self.modality_ = made.modality or self.modality_
            self.classes_ = np.unique(
                target[[row not in made.failed for row in range(len(videos))]]
            )
        else:
            made = fitter.untrained()
            fitted = FittedVideos(videos, rows=share_rows(np.zeros(len(videos))))
        record_backbone_labels(y, trained=training)
        self.weights_, self.history_, self._weights_digest = (
            made.weights,
            made.history,
            made.digest,
        )
        self.failed_ = [(describe_video(videos[row]), why) for row, why in made.failed.items()]
        self.max_duration_ = longest_duration(videos)
        return fitted

    def _choose_start(self, training: bool, n_videos: int) -> Weights | None:
        if starts_from_file(self.weights):
            return load_weights(self.weights)
        learned = self.weights == "auto" and training and self.modality_ == "motion"
        return motion_weights() if learned and n_videos < MANY_VIDEOS else None


def find_featurizers(part: Any) -> Iterator[ResNet50FrameFeaturizer]:
    """Find the featurizers in a model, fitted or not.

    Parameters
    ----------
    part : estimator, or list or tuple of estimators
        The model. Fitted parts, such as ``estimator_``, are searched like parameters.

    Yields
    ------
    ResNet50FrameFeaturizer
        Each featurizer, more than once if the model refers to it more than once.
    """
    if isinstance(part, ResNet50FrameFeaturizer):
        yield part
    elif isinstance(part, list | tuple):
        for member in part:
            yield from find_featurizers(member)
    elif isinstance(part, BaseEstimator) or hasattr(part, "estimator"):
        for value in vars(part).values():
            yield from find_featurizers(value)
