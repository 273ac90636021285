"""Generated clips of moving shapes, whose classes differ only in the motion."""

from __future__ import annotations

from collections.abc import Callable
from itertools import cycle, islice

import numpy as np
from joblib import Parallel, delayed
from sklearn.utils import Bunch, check_random_state

from .scenes import MOTIONS, Camera, Track

_Rng = np.random.Generator
# A function of coordinates.
_Field = Callable[[np.ndarray, np.ndarray], np.ndarray]


def make_motion_clips(
    n_clips: int = 12900,
    *,
    n_frames: int = 24,
    frame_size: int = 64,
    random_state: int | np.random.RandomState | None = None,
    n_jobs: int | None = None,
) -> Bunch:
    """Generate clips of moving shapes to pretrain a backbone on.

    The 43 classes are motions of a shape (eight directions, turns, rotations, changes of
    size, oscillations, circles), of two shapes (they approach, collide, bounce, cross or
    depart), of figures with limbs (they stride, wave, jump, fall, stand together or
    struggle), and of the camera. Shapes, textures, sizes, speeds, places, still shapes and
    noise are random, so that the class is visible in the motion alone. Learning from
    images that a formula defines, instead of natural ones, follows [1]_.

    Parameters
    ----------
    n_clips : int, default=12900
        Number of clips; the classes take turns.
    n_frames : int, default=24
        Number of frames of each clip, at least 2.
    frame_size : int, default=64
        Height and width in pixels, at least 8.
    random_state : int, RandomState instance or None, default=None
        Seed of the random variation.
    n_jobs : int, optional
        Number of joblib workers.

    Returns
    -------
    Bunch
        `data`, a list of uint8 arrays of shape (n_frames, frame_size, frame_size, 3);
        `target`, an array of class names; and `target_names`, the sorted names.

    Raises
    ------
    ValueError
        If a number is out of range.

    References
    ----------
    .. [1] H. Kataoka et al., "Pre-training without Natural Images", 2021, arXiv:2101.08515.

    Examples
    --------
    >>> from skvideo_gru import make_motion_clips
    >>> clips = make_motion_clips(43, random_state=0)
    >>> clips.data[0].shape, len(clips.target_names)
    ((24, 64, 64, 3), 43)
    """
    for name, value, least in (
        ("n_clips", n_clips, 1),
        ("n_frames", n_frames, 2),
        ("frame_size", frame_size, 8),
    ):
        if value < least:
            raise ValueError(f"{name}={value} must be at least {least}.")
    seed = check_random_state(random_state).randint(np.iinfo(np.int32).max)
    labels = list(islice(cycle(MOTIONS), n_clips))
    clips = Parallel(n_jobs)(
        delayed(_draw_clip)(label, n_frames, frame_size, (seed, number))
        for number, label in enumerate(labels)
    )
    return Bunch(data=clips, target=np.array(labels), target_names=sorted(MOTIONS))


def _draw_clip(label: str, n_frames: int, size: int, seed: tuple[int, int]) -> np.ndarray:
    rng = np.random.default_rng(seed)
    time = np.linspace(0, 1, n_frames)
    tracks, camera = MOTIONS[label](rng, time)
    if rng.random() < 0.3:  # the camera is held by hand
        drift_x, drift_y = np.cumsum(rng.normal(0, 0.01, (2, n_frames)), axis=1)
        camera = camera._replace(x=camera.x + drift_x, y=camera.y + drift_y)
    still = [Track(*rng.uniform(-0.9, 0.9, 2)) for _ in range(rng.integers(3))]
    shapes = [(track, rng.uniform(0.15, 0.4), *_make_shape(rng)) for track in still + tracks]
    background = _make_texture(rng)
    over_time = [_broadcast(camera, time)]
    for track, *_ in shapes:
        angle = rng.uniform(0, 2 * np.pi) if track.angle is None else track.angle
        over_time.append(_broadcast(track._replace(angle=angle), time))
    y, x = (np.mgrid[:size, :size] + 0.5) * (2 / size) - 1
    frames = np.empty((n_frames, size, size, 3))
    for frame, (moved_x, moved_y, zoom), *placed in zip(frames, *over_time, strict=True):
        frame[:] = background(x * zoom + moved_x, y * zoom + moved_y)
        for (_, radius, distance, texture), (left, top, scale, angle) in zip(
            shapes, placed, strict=True
        ):
            radius = radius * scale
            u, v = (x - left) / radius, (y - top) / radius
            cosine, sine = np.cos(angle), np.sin(angle)
            u, v = cosine * u + sine * v, cosine * v - sine * u
            # One pixel of the outline is mixed with the background.
            covered = np.clip(distance(u, v) * radius * size / 2 + 0.5, 0, 1)[..., None]
            frame += covered * (texture(u, v) - frame)
    if rng.random() < 0.3:  # the light changes
        frames *= 1 + rng.normal(0, 0.1) * time[:, None, None, None]
    frames += rng.normal(0, rng.uniform(0, 0.03), frames.shape)
    return (255 * frames.clip(0, 1)).astype(np.uint8)


def _broadcast(track: Track | Camera, time: np.ndarray) -> np.ndarray:
    """Return one row per frame."""
    return np.stack([np.broadcast_to(np.asarray(value), time.shape) for value in track], axis=1)


def _make_texture(rng: _Rng) -> _Field:
    """Make a sum of colour waves."""
    n_waves = rng.integers(3, 7)
    wave_x, wave_y = rng.normal(0, rng.uniform(1, 5), (2, n_waves))
    phase = rng.uniform(0, 2 * np.pi, n_waves)
    colours = rng.uniform(-1, 1, (n_waves, 3)) * rng.uniform(0.05, 0.35) / np.sqrt(n_waves)
    mean = rng.uniform(0.2, 0.8, 3)

    def texture(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        waves = np.sin(wave_x * x[..., None] + wave_y * y[..., None] + phase)
        return mean + waves @ colours

    return texture


def _make_shape(rng: _Rng) -> tuple[_Field, _Field]:
    """Make an ellipse, a rectangle or a polygon: its distance to the outline, its texture."""
    kind, flat, n_sides = rng.integers(3), rng.uniform(0.5, 1), rng.integers(3, 7)

    def distance(u: np.ndarray, v: np.ndarray) -> np.ndarray:
        v = v / flat
        if kind == 0:
            return 1 - np.hypot(u, v)
        if kind == 1:
            return 1 - np.maximum(abs(u), abs(v))
        half = np.pi / n_sides
        side = np.arctan2(v, u) % (2 * half) - half
        return np.cos(half) / np.cos(side) - np.hypot(u, v)

    return distance, _make_texture(rng)
