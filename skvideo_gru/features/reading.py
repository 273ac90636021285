"""Read the images of a video that the backbone sees."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from numbers import Integral, Real
from typing import Any, Self, cast

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils._param_validation import Interval, StrOptions

from ..networks import to_builtin
from ..video import (
    RESIZES,
    SAMPLINGS,
    FrameConverter,
    OutlineConverter,
    Video,
    check_frame_size,
    read_frames,
    read_outlines,
    select_frames,
)
from .motion import motion_detail, motion_images

#: Valid values of the featurizer's parameters about reading.
READING_CONSTRAINTS: dict[str, list[Any]] = {
    "n_frames": [Interval(Integral, 1, None, closed="left")],
    "sampling": [StrOptions(set(SAMPLINGS) - {"all"})],
    "fps": [Interval(Real, 0, None, closed="neither")],
    "stride": [Interval(Integral, 1, None, closed="left")],
    "frame_size": [Interval(Integral, 1, None, closed="left"), tuple, list, None],
    "resize": [StrOptions(set(RESIZES))],
    "modality": [StrOptions({"auto", "rgb", "motion", "changes"})],
    "allow_partial": ["boolean"],
}


def reading_options(
    params: Mapping[str, Any], frame_size: tuple[int, int], seed: int
) -> dict[str, Any]:
    """Select the options of `read_frames` that affect the frames.

    Options without effect, such as `fps` with uniform sampling, are omitted. They would
    otherwise change the cache key.

    Parameters
    ----------
    params : mapping of str to object
        Parameters of the featurizer.
    frame_size : (int, int)
        Height and width of the frames.
    seed : int
        Seed of random sampling.

    Returns
    -------
    dict of str to object
        Keyword arguments of `read_frames`.
    """
    names = {"fps": ["fps"], "dense": ["stride"]}.get(params["sampling"], [])
    options = {
        name: to_builtin(params[name]) for name in ("sampling", "n_frames", "resize", *names)
    }
    if "fps" in options:
        options["fps"] = float(options["fps"])
    if params["sampling"] == "random":
        options["seed"] = seed
    if params["allow_partial"]:
        options["allow_partial"] = True
    return options | {"frame_size": frame_size}


def starts_from_file(weights: Any) -> bool:
    """Return whether the featurizer's parameter `weights` is a file.

    Parameters
    ----------
    weights : "auto", str, os.PathLike or None
        The parameter.

    Returns
    -------
    bool
        Whether the backbone starts from the weights in a file.
    """
    return weights is not None and weights != "auto"


def resolve_frame_size(frame_size: Any, weights: Any) -> tuple[int, int]:
    """Return the size of the frames that the featurizer's parameters stand for.

    Parameters
    ----------
    frame_size, weights : object
        The parameters.

    Returns
    -------
    (int, int)
        Height and width in pixels.

    Raises
    ------
    ValueError
        If `frame_size` is not valid.
    """
    default_size = 224 if starts_from_file(weights) else 32
    size = default_size if frame_size is None else frame_size
    return cast(tuple[int, int], check_frame_size(size))


def resolve_modality(modality: str, weights: Any, training: bool) -> str:
    """Return the modality that the featurizer's parameters stand for, without seeing videos.

    Parameters
    ----------
    modality, weights : object
        The parameters.
    training : bool
        Whether the backbone is trained.

    Returns
    -------
    {"rgb", "motion", "changes"}
        The modality with which `fit` begins.
    """
    if modality != "auto":
        return str(modality)  # NumPy's text would have another cache key
    return "motion" if training and not starts_from_file(weights) else "rgb"


# How many times more images training reads. The number is odd, so that the images at the
# centres of the segments are among them.
_OVERSAMPLING = 3


@dataclass(frozen=True)
class FrameReader:
    """Read videos in one modality with fixed options.

    Attributes
    ----------
    modality : {"rgb", "motion", "changes"}
        What the network sees: frames or motion images, with or without outlines.
    options : dict of str to object
        Keyword arguments of `read_frames`.
    oversampling : int, default=1
        How many images are read for each of `n_frames`, with uniform sampling.
    """

    modality: str
    options: dict[str, Any]
    oversampling: int = 1

    def for_training(self) -> Self:
        """Return a reader of more images of each video, from which training draws.

        Returns
        -------
        FrameReader
            A reader of three times as many images with uniform sampling; otherwise the
            same reader.
        """
        uniform = self.options["sampling"] == "uniform"
        return replace(self, oversampling=_OVERSAMPLING if uniform else 1)

    def for_prediction(self, images: np.ndarray) -> np.ndarray:
        """Select the images that a reader without oversampling reads.

        Parameters
        ----------
        images : ndarray of shape (T * oversampling, ...)
            What this reader has read, or something for each of its images.

        Returns
        -------
        ndarray of shape (T, ...)
            The images at the centres of the segments.
        """
        return images[self.oversampling // 2 :: self.oversampling]

    def __call__(self, video: Video) -> np.ndarray:
        """Read one video.

        Parameters
        ----------
        video : str, PathLike, VideoClip, bytes, file or ndarray
            The video.

        Returns
        -------
        ndarray of shape (T, H, W, 3), uint8
            Its frames or motion images.

        Raises
        ------
        VideoDecodeError
            If the video cannot be read.
        """
        if self.modality == "rgb":
            n_frames = self.options["n_frames"] * self.oversampling
            return read_frames(video, **self.options | {"n_frames": n_frames})
        size = self.options["frame_size"]
        outlines, changes, times = read_outlines(
            video,
            frame_size=size,
            detail=motion_detail(*size),
            resize=self.options["resize"],
            allow_partial=self.options.get("allow_partial", False),
        )
        return self._motion_images(outlines, changes, times)

    def _motion_images(
        self, outlines: np.ndarray, changes: np.ndarray, times: ArrayLike
    ) -> np.ndarray:
        indices = self._select(times)
        sampled = self.for_prediction(indices)
        # A single image shows the changes in all frames.
        several = len(sampled) > 1
        distance = (sampled[-1] - sampled[0]) / (len(sampled) - 1) if several else len(changes)
        return motion_images(
            outlines if self.modality == "motion" else None, changes, indices, distance
        )

    def _select(self, times: ArrayLike) -> np.ndarray:
        names = ("sampling", "fps", "stride", "seed")
        sampling = {name: self.options[name] for name in names if name in self.options}
        return select_frames(
            times, n_frames=self.options["n_frames"] * self.oversampling, **sampling
        )

    @property
    def conversion(self) -> tuple[Any, ...]:
        """Describe what `make_converter` depends on.

        Returns
        -------
        tuple
            Readers with an equal description convert frames in the same way.
        """
        return self.modality, self.options["frame_size"], self.options["resize"]

    def make_converter(self, pixel_aspect: float) -> FrameConverter | OutlineConverter:
        """Make a function that converts the frames of a video, in order, for `images`.

        Parameters
        ----------
        pixel_aspect : float
            Width of a stored pixel divided by its height.

        Returns
        -------
        callable
            Converts one frame.
        """
        size, resize = self.options["frame_size"], self.options["resize"]
        if self.modality == "rgb":
            return FrameConverter(size, resize, pixel_aspect)
        return OutlineConverter(size, motion_detail(*size), resize, pixel_aspect)

    def needed(self, times: ArrayLike) -> np.ndarray:
        """Select the frames that `images` needs.

        Parameters
        ----------
        times : array-like of shape (n,)
            Times of the frames of a time range, in seconds.

        Returns
        -------
        ndarray of int64
            Indices into `times`: the sampled frames, or all frames for motion images.
        """
        return self._select(times) if self.modality == "rgb" else np.arange(np.size(times))

    def images(self, converted: Sequence[np.ndarray], times: ArrayLike) -> np.ndarray:
        """Compute the images of a time range from its converted frames.

        Parameters
        ----------
        converted : sequence of ndarray
            The converted frame at each time; those that are not needed are ignored.
        times : array-like of shape (n,)
            Their times in seconds.

        Returns
        -------
        ndarray of shape (T, H, W, 3), uint8
            What the reader returns for a `VideoClip` of this time range.
        """
        if self.modality == "rgb":
            return np.stack([converted[index] for index in self._select(times).tolist()])
        outlines, changes = np.stack(converted, axis=1)
        changes[0] = 0  # the frame before it is not in the time range
        return self._motion_images(outlines, changes, times)

    @property
    def cache_key(self) -> dict[str, Any]:
        """Describe what the images depend on, besides the video.

        Returns
        -------
        dict of str to object
            The options, and the modality if it is not ``"rgb"``.
        """
        return self.options | ({} if self.modality == "rgb" else {"modality": self.modality})


def frame_reader(featurizer: Any) -> FrameReader:
    """Return the reader of a featurizer's videos.

    Parameters
    ----------
    featurizer : ResNet50FrameFeaturizer
        The featurizer, fitted or not.

    Returns
    -------
    FrameReader
        The reader with which `transform` reads, or `fit` would begin to read.
    """
    params = vars(featurizer)
    if hasattr(featurizer, "frame_size_"):
        modality, size = featurizer.modality_, featurizer.frame_size_
        seed = featurizer._sampling_seed
    else:
        training = featurizer.max_epochs != 0
        modality = resolve_modality(featurizer.modality, featurizer.weights, training)
        size, seed = resolve_frame_size(featurizer.frame_size, featurizer.weights), 0
    return FrameReader(modality, reading_options(params, size, seed))
