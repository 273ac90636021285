"""Convert decoded frames to upright RGB arrays of a given size."""

from __future__ import annotations

from numbers import Integral
from typing import Any

import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import Interpolation, VideoReformatter

#: Values of the parameter `resize`.
RESIZES = ("stretch", "crop", "pad")


def check_frame_size(frame_size: Any) -> tuple[int, int] | None:
    """Convert `frame_size` to the form (height, width).

    Parameters
    ----------
    frame_size : int, (int, int) or None
        As in `read_frames`.

    Returns
    -------
    (int, int) or None
        Height and width in pixels; None for the video's size.

    Raises
    ------
    ValueError
        If it is none of these or not positive.
    """
    if frame_size is None:
        return None
    size = (frame_size, frame_size) if np.ndim(frame_size) == 0 else tuple(frame_size)
    integers = all(isinstance(n, Integral) and not isinstance(n, bool) for n in size)
    if len(size) != 2 or not integers or min(size) < 1:
        raise ValueError(
            f"frame_size={frame_size!r} must be a positive int or a pair of them, (height, width)."
        )
    return int(size[0]), int(size[1])


class FrameConverter:
    """Convert decoded frames to upright RGB arrays.

    FFmpeg's scaler is costly to set up and is reused for all frames. Frames flagged as
    interlaced are scaled as whole frames, without deinterlacing.

    Parameters
    ----------
    size : (int, int), optional
        Height and width of the arrays. None keeps the frames' size.
    resize : {"stretch", "crop", "pad"}, default="stretch"
        How frames are resized, see `read_frames`.
    pixel_aspect : float, default=1.0
        Width of a stored pixel divided by its height.
    """

    def __init__(
        self,
        size: tuple[int, int] | None = None,
        resize: str = "stretch",
        pixel_aspect: float = 1.0,
    ) -> None:
        self.size, self.resize, self.pixel_aspect = size, resize, pixel_aspect
        self._scaler = VideoReformatter()
        self._orientation: tuple[bool, bool, bool] | None = None

    def __call__(self, frame: VideoFrame) -> np.ndarray:
        """Convert one frame.

        Parameters
        ----------
        frame : av.VideoFrame
            A decoded frame.

        Returns
        -------
        ndarray of shape (H, W, 3), uint8
            The frame, upright and in RGB order.
        """
        if self._orientation is None:
            # Read from a small copy: PyAV's side data and their frame reference each
            # other and are freed only by Python's garbage collector.
            self._orientation = _orientation(frame.reformat(16, 16, "gray"))
        transposed, flip_rows, flip_columns = self._orientation
        if self.size is None:
            pixels = self._scaler.reformat(frame, format="rgb24").to_ndarray()
        else:
            # Scaling before rotating leaves fewer pixels to rotate.
            height, width = self.size[::-1] if transposed else self.size
            pixels = self._to_size(frame, height, width)
        if transposed:
            pixels = pixels.transpose(1, 0, 2)
        return pixels[:: -1 if flip_rows else 1, :: -1 if flip_columns else 1]

    def _to_size(self, frame: VideoFrame, height: int, width: int) -> np.ndarray:
        if self.resize == "stretch":
            return self._scale(frame, height, width)
        across, down = width / (frame.width * self.pixel_aspect), height / frame.height
        factor = max(across, down) if self.resize == "crop" else min(across, down)
        inner_height = round(frame.height * factor)
        inner_width = round(frame.width * self.pixel_aspect * factor)
        if self.resize == "crop":
            pixels = self._scale(frame, max(inner_height, height), max(inner_width, width))
            top, left = (pixels.shape[0] - height) // 2, (pixels.shape[1] - width) // 2
            return pixels[top : top + height, left : left + width]
        inner_height, inner_width = np.clip((inner_height, inner_width), 1, (height, width))
        top, left = (height - inner_height) // 2, (width - inner_width) // 2
        pixels = np.zeros((height, width, 3), np.uint8)
        pixels[top : top + inner_height, left : left + inner_width] = self._scale(
            frame, int(inner_height), int(inner_width)
        )
        return pixels

    def _scale(self, frame: VideoFrame, height: int, width: int) -> np.ndarray:
        if frame.interlaced_frame:
            frame = _without_flags(frame)
        # AREA averages the pixels that are merged, so that nothing aliases, and
        # interpolates if the image becomes larger.
        return self._scaler.reformat(
            frame, width, height, "rgb24", interpolation=Interpolation.AREA
        ).to_ndarray()


def _without_flags(frame: VideoFrame) -> VideoFrame:
    """Copy a frame without its interlaced flag, which makes FFmpeg scale each field alone."""
    copy = VideoFrame(frame.width, frame.height, frame.format.name)
    for target, source in zip(copy.planes, frame.planes, strict=True):
        n_rows = min(plane.buffer_size // plane.line_size for plane in (target, source))
        n_bytes = min(target.line_size, source.line_size)
        rows = np.zeros((target.buffer_size // target.line_size, target.line_size), np.uint8)
        pixels = np.frombuffer(bytes(source), np.uint8)[: n_rows * source.line_size]
        rows[:n_rows, :n_bytes] = pixels.reshape(n_rows, -1)[:, :n_bytes]
        content = np.zeros(target.buffer_size, np.uint8)
        content[: rows.size] = rows.ravel()
        target.update(content.tobytes())
    copy.colorspace, copy.color_range = frame.colorspace, frame.color_range
    copy.color_primaries, copy.color_trc = frame.color_primaries, frame.color_trc
    return copy


def _orientation(frame: VideoFrame) -> tuple[bool, bool, bool]:
    """Read a display matrix as: swap the axes, then flip rows, then flip columns."""
    matrix: Any = frame.side_data.get("DISPLAYMATRIX")
    if matrix is None:
        return False, False, False
    # Nine 32-bit numbers, row by row: x' = a x + c y, y' = b x + d y.
    a, b, _, c, d = np.frombuffer(bytes(matrix), np.int32)[:5].astype(np.int64)
    if abs(a) + abs(d) >= abs(b) + abs(c):
        return False, bool(d < 0), bool(a < 0)
    return True, bool(b < 0), bool(c < 0)
