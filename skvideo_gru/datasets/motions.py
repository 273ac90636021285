"""Generated clips of moving shapes, whose classes differ only in the motion."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import cycle, islice
from typing import NamedTuple

import numpy as np
from joblib import Parallel, delayed
from sklearn.utils import Bunch, check_random_state

__all__ = ["make_motion_clips"]

_Rng = np.random.Generator
# A function of coordinates.
_Field = Callable[[np.ndarray, np.ndarray], np.ndarray]


class _Track(NamedTuple):
    """Position (-1 to 1 inside the frame), relative size and angle of a shape over time."""

    x: np.ndarray | float
    y: np.ndarray | float
    size: np.ndarray | float = 1.0
    angle: np.ndarray | float | None = None


class _Camera(NamedTuple):
    """Position and zoom of the camera over time."""

    x: np.ndarray | float = 0.0
    y: np.ndarray | float = 0.0
    zoom: np.ndarray | float = 1.0


_Scene = tuple[list[_Track], _Camera]


def make_motion_clips(
    n_clips: int = 7200,
    *,
    n_frames: int = 24,
    frame_size: int = 64,
    random_state: int | np.random.RandomState | None = None,
    n_jobs: int | None = None,
) -> Bunch:
    """Generate clips of moving shapes to pretrain a backbone on.

    The 36 classes are motions of a shape (eight directions, turns, rotations, changes of
    size, oscillations, circles), of two shapes (they approach, collide, bounce, cross or
    depart), and of the camera. Shapes, textures, sizes, speeds, places, still shapes and
    noise are random, so that the class is visible in the motion alone. Learning from
    images that a formula defines, instead of natural ones, follows [1]_.

    Parameters
    ----------
    n_clips : int, default=7200
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
    >>> clips = make_motion_clips(36, random_state=0)
    >>> clips.data[0].shape, len(clips.target_names)
    ((24, 64, 64, 3), 36)
    """
    for name, value, least in (
        ("n_clips", n_clips, 1),
        ("n_frames", n_frames, 2),
        ("frame_size", frame_size, 8),
    ):
        if value < least:
            raise ValueError(f"{name}={value} must be at least {least}.")
    seed = check_random_state(random_state).randint(np.iinfo(np.int32).max)
    labels = list(islice(cycle(_MOTIONS), n_clips))
    clips = Parallel(n_jobs)(
        delayed(_draw_clip)(label, n_frames, frame_size, (seed, number))
        for number, label in enumerate(labels)
    )
    return Bunch(data=clips, target=np.array(labels), target_names=sorted(_MOTIONS))


def _draw_clip(label: str, n_frames: int, size: int, seed: tuple[int, int]) -> np.ndarray:
    rng = np.random.default_rng(seed)
    time = np.linspace(0, 1, n_frames)
    tracks, camera = _MOTIONS[label](rng, time)
    if rng.random() < 0.3:  # the camera is held by hand
        drift_x, drift_y = np.cumsum(rng.normal(0, 0.01, (2, n_frames)), axis=1)
        camera = camera._replace(x=camera.x + drift_x, y=camera.y + drift_y)
    still = [_Track(*rng.uniform(-0.9, 0.9, 2)) for _ in range(rng.integers(3))]
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


def _broadcast(track: _Track | _Camera, time: np.ndarray) -> np.ndarray:
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


def _place(rng: _Rng) -> tuple[float, float]:
    x, y = rng.uniform(-0.4, 0.4, 2)
    return x, y


def _speed(rng: _Rng) -> float:
    return rng.uniform(0.6, 1.6)


def _eased(rng: _Rng, time: np.ndarray) -> np.ndarray:
    """Let a motion from 0 to 1 be steady, become faster or become slower."""
    return time ** rng.choice([0.5, 1, 2])


def _go(rng: _Rng, time: np.ndarray, *, direction: float) -> _Scene:
    x, y = _place(rng)
    angle = direction + rng.normal(0, 0.12)
    way = (_eased(rng, time) - 0.5) * _speed(rng)
    return [_Track(x + np.cos(angle) * way, y + np.sin(angle) * way)], _Camera()


def _go_and_turn(rng: _Rng, time: np.ndarray, *, direction: float) -> _Scene:
    x, y = _place(rng)
    first = direction + rng.normal(0, 0.1)
    second = first + rng.choice([-1, 1]) * np.pi / 2
    turn, length = rng.uniform(0.4, 0.6), 1.2 * _speed(rng)
    before, after = length * np.minimum(time, turn), length * np.maximum(time - turn, 0)
    x = x + np.cos(first) * (before - 0.3) + np.cos(second) * after
    y = y + np.sin(first) * (before - 0.3) + np.sin(second) * after
    return [_Track(x, y)], _Camera()


def _go_and_stop(rng: _Rng, time: np.ndarray) -> _Scene:
    x, y = _place(rng)
    angle = rng.uniform(0, 2 * np.pi)
    way = 1.2 * _speed(rng) * np.minimum(time * rng.uniform(1.5, 3), 1) - 0.8
    return [_Track(x + np.cos(angle) * way, y + np.sin(angle) * way)], _Camera()


def _rotate(rng: _Rng, time: np.ndarray, *, sign: int) -> _Scene:
    angle = rng.uniform(0, 2 * np.pi) + sign * rng.uniform(2, 8) * time
    return [_Track(*_place(rng), rng.uniform(1.2, 2), angle)], _Camera()


def _resize(rng: _Rng, time: np.ndarray, *, sign: int) -> _Scene:
    size = 1.2 * np.exp(sign * rng.uniform(0.8, 2) * (_eased(rng, time) - 0.5))
    return [_Track(*_place(rng), size)], _Camera()


def _pulse(rng: _Rng, time: np.ndarray) -> _Scene:
    return [_Track(*_place(rng), 1.3 + 0.4 * np.sin(rng.uniform(8, 20) * time))], _Camera()


def _appear(rng: _Rng, time: np.ndarray) -> _Scene:
    size = 1.3 * np.clip((time - rng.uniform(0.2, 0.8)) / 0.08, 0.001, 1)
    return [_Track(*_place(rng), size)], _Camera()


def _oscillate(rng: _Rng, time: np.ndarray, *, axis: str) -> _Scene:
    track = _Track(*_place(rng))
    way = 0.3 * _speed(rng) * np.sin(rng.uniform(6, 20) * time + rng.uniform(0, 2 * np.pi))
    return [track._replace(**{axis: getattr(track, axis) + way})], _Camera()


def _circle(rng: _Rng, time: np.ndarray, *, sign: int) -> _Scene:
    x, y = _place(rng)
    angle = rng.uniform(0, 2 * np.pi) + sign * rng.uniform(4, 13) * time
    radius = rng.uniform(0.25, 0.6)
    return [_Track(x / 2 + radius * np.cos(angle), y / 2 + radius * np.sin(angle))], _Camera()


def _walk(rng: _Rng, time: np.ndarray) -> _Scene:
    """Move several shapes at random."""
    tracks = [
        _Track(*(rng.uniform(-0.8, 0.8) + np.cumsum(rng.normal(0, 0.08, len(time))) for _ in "xy"))
        for _ in range(rng.integers(2, 5))
    ]
    return tracks, _Camera()


def _meet(rng: _Rng, time: np.ndarray, *, kind: str) -> _Scene:
    """Move two shapes along a line."""
    x, y = _place(rng)
    length, angle, share = 0.8 * _speed(rng), rng.uniform(0, 2 * np.pi), rng.uniform(0, 0.6)
    eased = _eased(rng, time)
    distance = {
        "approach": length * (1 - eased) + 0.25,
        "depart": length * eased + 0.25,
        "collide": length * np.maximum(1 - rng.uniform(1.6, 2.5) * time, 0) + 0.2,
        "bounce": length * abs(1 - 2 * time) + 0.2,
        "cross": length * (1 - 2 * time),
    }[kind]
    along_x, along_y = distance * np.cos(angle), distance * np.sin(angle)
    first = _Track(x / 2 + (1 - share) * along_x, y / 2 + (1 - share) * along_y)
    return [first, _Track(x / 2 - share * along_x, y / 2 - share * along_y)], _Camera()


def _pan(rng: _Rng, time: np.ndarray, *, direction: float) -> _Scene:
    way = _speed(rng) * _eased(rng, time)
    tracks = [_Track(*_place(rng))] if rng.random() < 0.5 else []
    return tracks, _Camera(np.cos(direction) * way, np.sin(direction) * way)


def _zoom(rng: _Rng, time: np.ndarray, *, sign: int) -> _Scene:
    zoom = np.exp(sign * rng.uniform(0.5, 1.4) * (_eased(rng, time) - 0.5))
    return [], _Camera(zoom=zoom)


def _shake(rng: _Rng, time: np.ndarray) -> _Scene:
    return [], _Camera(*rng.normal(0, 0.1 * _speed(rng), (2, len(time))))


_DIRECTIONS = ("right", "down right", "down", "down left", "left", "up left", "up", "up right")
_MOTIONS: dict[str, Callable[[_Rng, np.ndarray], _Scene]] = {
    **{f"go {d}": partial(_go, direction=n * np.pi / 4) for n, d in enumerate(_DIRECTIONS)},
    **{
        f"go {d}, turn": partial(_go_and_turn, direction=n * np.pi / 2)
        for n, d in enumerate(_DIRECTIONS[::2])
    },
    **{f"pan {d}": partial(_pan, direction=n * np.pi / 2) for n, d in enumerate(_DIRECTIONS[::2])},
    "go, stop": _go_and_stop,
    "rotate right": partial(_rotate, sign=1),
    "rotate left": partial(_rotate, sign=-1),
    "grow": partial(_resize, sign=1),
    "shrink": partial(_resize, sign=-1),
    "pulse": _pulse,
    "appear": _appear,
    "oscillate horizontally": partial(_oscillate, axis="x"),
    "oscillate vertically": partial(_oscillate, axis="y"),
    "circle right": partial(_circle, sign=1),
    "circle left": partial(_circle, sign=-1),
    "walk": _walk,
    **{
        kind: partial(_meet, kind=kind)
        for kind in ("approach", "depart", "collide", "bounce", "cross")
    },
    "zoom out": partial(_zoom, sign=1),
    "zoom in": partial(_zoom, sign=-1),
    "shake": _shake,
}
