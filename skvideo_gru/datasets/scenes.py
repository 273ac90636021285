"""The motions of generated clips: paths of shapes, figures and the camera, by class."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np

_Rng = np.random.Generator
_Floats = Any  # an array over time, or a number


class Track(NamedTuple):
    """Position (-1 to 1 inside the frame), relative size and angle of a shape over time."""

    x: _Floats
    y: _Floats
    size: _Floats = 1.0
    angle: _Floats = None


class Camera(NamedTuple):
    """Position and zoom of the camera over time."""

    x: _Floats = 0.0
    y: _Floats = 0.0
    zoom: _Floats = 1.0


_Scene = tuple[list[Track], Camera]


def _place(rng: _Rng) -> tuple[_Floats, _Floats]:
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
    return [Track(x + np.cos(angle) * way, y + np.sin(angle) * way)], Camera()


def _go_and_turn(rng: _Rng, time: np.ndarray, *, direction: float) -> _Scene:
    x, y = _place(rng)
    first = direction + rng.normal(0, 0.1)
    second = first + rng.choice([-1, 1]) * np.pi / 2
    turn, length = rng.uniform(0.4, 0.6), 1.2 * _speed(rng)
    before, after = length * np.minimum(time, turn), length * np.maximum(time - turn, 0)
    x = x + np.cos(first) * (before - 0.3) + np.cos(second) * after
    y = y + np.sin(first) * (before - 0.3) + np.sin(second) * after
    return [Track(x, y)], Camera()


def _go_and_stop(rng: _Rng, time: np.ndarray) -> _Scene:
    x, y = _place(rng)
    angle = rng.uniform(0, 2 * np.pi)
    way = 1.2 * _speed(rng) * np.minimum(time * rng.uniform(1.5, 3), 1) - 0.8
    return [Track(x + np.cos(angle) * way, y + np.sin(angle) * way)], Camera()


def _rotate(rng: _Rng, time: np.ndarray, *, sign: int) -> _Scene:
    angle = rng.uniform(0, 2 * np.pi) + sign * rng.uniform(2, 8) * time
    return [Track(*_place(rng), rng.uniform(1.2, 2), angle)], Camera()


def _resize(rng: _Rng, time: np.ndarray, *, sign: int) -> _Scene:
    size = 1.2 * np.exp(sign * rng.uniform(0.8, 2) * (_eased(rng, time) - 0.5))
    return [Track(*_place(rng), size)], Camera()


def _pulse(rng: _Rng, time: np.ndarray) -> _Scene:
    return [Track(*_place(rng), 1.3 + 0.4 * np.sin(rng.uniform(8, 20) * time))], Camera()


def _appear(rng: _Rng, time: np.ndarray) -> _Scene:
    size = 1.3 * np.clip((time - rng.uniform(0.2, 0.8)) / 0.08, 0.001, 1)
    return [Track(*_place(rng), size)], Camera()


def _oscillate(rng: _Rng, time: np.ndarray, *, axis: str) -> _Scene:
    track = Track(*_place(rng))
    way = 0.3 * _speed(rng) * np.sin(rng.uniform(6, 20) * time + rng.uniform(0, 2 * np.pi))
    return [track._replace(**{axis: getattr(track, axis) + way})], Camera()


def _circle(rng: _Rng, time: np.ndarray, *, sign: int) -> _Scene:
    x, y = _place(rng)
    angle = rng.uniform(0, 2 * np.pi) + sign * rng.uniform(4, 13) * time
    radius = rng.uniform(0.25, 0.6)
    return [Track(x / 2 + radius * np.cos(angle), y / 2 + radius * np.sin(angle))], Camera()


def _walk(rng: _Rng, time: np.ndarray) -> _Scene:
    """Move several shapes at random."""
    tracks = [
        Track(*(rng.uniform(-0.8, 0.8) + np.cumsum(rng.normal(0, 0.08, len(time))) for _ in "xy"))
        for _ in range(rng.integers(2, 5))
    ]
    return tracks, Camera()


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
    first = Track(x / 2 + (1 - share) * along_x, y / 2 + (1 - share) * along_y)
    return [first, Track(x / 2 - share * along_x, y / 2 - share * along_y)], Camera()


def _figure(
    rng: _Rng, x: _Floats, y: _Floats, swings: np.ndarray, lean: _Floats = 0.0
) -> list[Track]:
    """Draw a body as a trunk, a head, two hands and two feet.

    `swings` has a row per limb, the angle by which it swings; `lean` is the body's angle.
    """
    height, width = rng.uniform(0.5, 0.9), rng.uniform(0.25, 0.4)
    tracks = [Track(x, y, rng.uniform(0.7, 1)), _at(x, y, 0.5 * height, -np.pi / 2 + lean, 0.5)]
    for limb, swing in enumerate(swings):
        side = width * (2 * (limb % 2) - 1)
        joint = 0.3 * height if limb < 2 else -0.1 * height
        angle = np.pi / 2 - side + lean + swing
        base = _at(x, y, joint, -np.pi / 2 + lean, 0.4)
        tracks.append(_at(base.x, base.y, 0.45 * height, angle, 0.4))
    return tracks


def _at(x: _Floats, y: _Floats, distance: _Floats, angle: _Floats, size: float) -> Track:
    return Track(x + distance * np.cos(angle), y + distance * np.sin(angle), size)


def _swings(rng: _Rng, time: np.ndarray, width: float, n_limbs: int = 4) -> np.ndarray:
    """Swing limbs to and fro, opposite ones in turn."""
    phase = rng.uniform(0, 2 * np.pi) + np.pi * np.array([0, 1, 1, 0])[:, None]
    swing = width * np.sin(rng.uniform(12, 30) * time + phase)
    return swing * (np.arange(4)[:, None] < n_limbs)


def _stride(rng: _Rng, time: np.ndarray, *, sign: int) -> _Scene:
    x, y = _place(rng)
    way = sign * _speed(rng) * (time - 0.5)
    return _figure(rng, x + way, y, _swings(rng, time, 0.7)), Camera()


def _wave(rng: _Rng, time: np.ndarray) -> _Scene:
    """Stand and move the arms."""
    n_limbs = int(rng.integers(1, 3))
    swings = _swings(rng, time, rng.uniform(0.5, 1.2), n_limbs)
    swings[:n_limbs] += rng.uniform(0, 2.5)
    return _figure(rng, *_place(rng), swings), Camera()


def _jump(rng: _Rng, time: np.ndarray) -> _Scene:
    x, y = _place(rng)
    n_jumps = rng.uniform(1, 3)
    y = y - 0.4 * _speed(rng) * abs(np.sin(np.pi * n_jumps * time))
    return _figure(rng, x, y, _swings(rng, time, 0.3)), Camera()


def _fall(rng: _Rng, time: np.ndarray) -> _Scene:
    x, y = _place(rng)
    start, side = rng.uniform(0.1, 0.6), rng.choice([-1, 1])
    fallen = np.clip((time - start) / rng.uniform(0.1, 0.4), 0, 1) ** 2
    x, y = x + 0.2 * side * fallen, y + 0.4 * fallen
    swings = _swings(rng, time, 0.3) * (1 - fallen)
    return _figure(rng, x, y, swings, side * np.pi / 2 * fallen), Camera()


def _meet_figures(rng: _Rng, time: np.ndarray, *, struggle: bool) -> _Scene:
    """Let two figures stand close, with limbs that move little, or violently and at random."""
    x, y = _place(rng)
    apart = rng.uniform(0.2, 0.4)
    tracks = []
    for side in (-1, 1):
        swings = _swings(rng, time, 0.2)
        push: _Floats = 0.0
        if struggle:
            swings = np.cumsum(rng.normal(0, 0.6, (4, len(time))), axis=1)
            push = np.cumsum(rng.normal(0, 0.05, len(time)))
        tracks += _figure(rng, x + side * apart + push, y, swings, -0.3 * side * struggle)
    return tracks, Camera()


def _pan(rng: _Rng, time: np.ndarray, *, direction: float) -> _Scene:
    way = _speed(rng) * _eased(rng, time)
    tracks = [Track(*_place(rng))] if rng.random() < 0.5 else []
    return tracks, Camera(np.cos(direction) * way, np.sin(direction) * way)


def _zoom(rng: _Rng, time: np.ndarray, *, sign: int) -> _Scene:
    zoom = np.exp(sign * rng.uniform(0.5, 1.4) * (_eased(rng, time) - 0.5))
    return [], Camera(zoom=zoom)


def _shake(rng: _Rng, time: np.ndarray) -> _Scene:
    return [], Camera(*rng.normal(0, 0.1 * _speed(rng), (2, len(time))))


_DIRECTIONS = ("right", "down right", "down", "down left", "left", "up left", "up", "up right")
#: For each class, a function that draws the paths in a clip, over time from 0 to 1.
MOTIONS: dict[str, Callable[[_Rng, np.ndarray], _Scene]] = {
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
    "stride right": partial(_stride, sign=1),
    "stride left": partial(_stride, sign=-1),
    "wave": _wave,
    "jump": _jump,
    "fall": _fall,
    "stand together": partial(_meet_figures, struggle=False),
    "struggle": partial(_meet_figures, struggle=True),
    "zoom out": partial(_zoom, sign=1),
    "zoom in": partial(_zoom, sign=-1),
    "shake": _shake,
}
