"""Read the images of a video that the backbone sees."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.utils._param_validation import Interval, StrOptions

from ..networks import to_builtin
from ..video import RESIZES, SAMPLINGS, Video, read_frames
from .motion import motion_detail, motion_images

__all__ = ["READING_CONSTRAINTS", "FrameReader", "reading_options"]

#: Valid values of the featurizer's parameters about reading.
READING_CONSTRAINTS: dict[str, list[Any]] = {
    "n_frames": [Interval(Integral, 1, None, closed="left")],
    "sampling": [StrOptions(set(SAMPLINGS) - {"all"})],
    "fps": [Interval(Real, 0, None, closed="neither")],
    "stride": [Interval(Integral, 1, None, closed="left")],
    "frame_size": [Interval(Integral, 1, None, closed="left"), tuple, list, None],
    "resize": [StrOptions(set(RESIZES))],
    "modality": [StrOptions({"rgb", "motion"})],
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


@dataclass(frozen=True)
class FrameReader:
    """Read videos in one modality with fixed options.

    Attributes
    ----------
    modality : {"rgb", "motion"}
        What the network sees: frames or motion images.
    options : dict of str to object
        Keyword arguments of `read_frames`.
    """

    modality: str
    options: dict[str, Any]

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
            return read_frames(video, **self.options)
        height, width = self.options["frame_size"]
        detail = motion_detail(height, width)
        larger = self.options | {"frame_size": (height * detail, width * detail)}
        return motion_images(read_frames(video, **larger), detail)

    @property
    def cache_key(self) -> dict[str, Any]:
        """Describe what the images depend on, besides the video.

        Returns
        -------
        dict of str to object
            The options, and the modality if it is not ``"rgb"``.
        """
        return self.options | ({} if self.modality == "rgb" else {"modality": self.modality})
