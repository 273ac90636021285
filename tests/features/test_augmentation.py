import numpy as np
import pytest
import torch

from skvideo_gru.features.augmentation import (
    AUGMENTATIONS,
    _erase,
    _warp,
    augment,
    check_augmentation,
)
from skvideo_gru.networks.resnet import IMAGENET, normalise


@pytest.mark.parametrize("part", ["shift", "scale", "rotate", "mirror", "light", "erase"])
def test_augmentation_is_the_same_for_all_frames_of_a_clip(part):
    clip = np.random.default_rng(0).integers(0, 256, (1, 32, 32, 3), dtype=np.uint8)
    clips = torch.tensor(np.stack([clip.repeat(4, 0)] * 3))
    with torch.random.fork_rng():
        torch.manual_seed(0)
        out = augment(clips, IMAGENET, {part}).reshape(3, 4, 3, 32, 32)
    for frame in range(1, 4):
        assert torch.equal(out[:, 0], out[:, frame])
    assert not torch.equal(out[0], out[1]) or not torch.equal(out[0], out[2])
    plain = normalise(clips.flatten(0, 1)).reshape(out.shape)
    assert 0.05 < (out - plain).abs().mean() < 2.0


@pytest.mark.parametrize("parts", [(), ("time", "mixup")])
def test_without_parts_clips_are_only_normalised(parts):
    clips = torch.randint(0, 256, (2, 3, 8, 8, 3), dtype=torch.uint8)
    assert torch.equal(augment(clips, IMAGENET, parts), normalise(clips.flatten(0, 1)))


def test_names_of_parts_are_checked_and_sorted():
    assert check_augmentation(None) == check_augmentation([]) == ()
    assert check_augmentation(["time", "mirror", "time"]) == ("mirror", "time")
    assert check_augmentation(set(AUGMENTATIONS)) == AUGMENTATIONS
    for value in ("strong", ["shift", "turn"], [["shift"]], 3, True):
        with pytest.raises(ValueError, match="must be None or a list of names from .'shift'"):
            check_augmentation(value)


def test_clips_are_mirrored_scaled_and_shifted():
    n, height, width = 200, 32, 48
    x, y = (torch.linspace(-1 + 1 / size, 1 - 1 / size, size) for size in (width, height))
    ramps = torch.stack([x.expand(height, width), y[:, None].expand(height, width)])
    images = ramps.repeat(n, 1, 1, 1)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        warped = _warp(images, 1, {"mirror", "scale", "shift"})
        torch.manual_seed(0)
        with torch.autocast("cpu", torch.bfloat16):
            assert torch.equal(_warp(images, 1, {"mirror", "scale", "shift"}), warped)
    across, down = warped.numpy().transpose(1, 0, 2, 3)

    def line(values, places):  # in the middle: farther out the edge may repeat
        middle = slice(len(places) // 4, -len(places) // 4)
        return np.polyfit(places[middle], values[:, middle].T, 1)

    slope_across, shift_across = line(across[:, height // 2], x)
    slope_down, shift_down = line(down[:, :, width // 2], y)
    np.testing.assert_allclose(abs(slope_across), slope_down, atol=1e-5)
    assert 0.4 < (slope_across < 0).mean() < 0.6  # mirrored
    for values, low, high in [
        (slope_down, 1 / 1.4, 1.4), (shift_across, -0.3, 0.3), (shift_down, -0.3, 0.3)
    ]:  # fmt: skip
        assert low - 1e-5 <= values.min() < low + 0.06
        assert high - 0.06 < values.max() <= high + 1e-5
    assert across.max() <= x[-1] + 1e-5  # beyond the frame its edge repeats


@pytest.mark.parametrize("mirror", [[], ["mirror"]])
def test_rotation_keeps_angles_in_frames_that_are_not_square(mirror):
    n, height, width = 200, 32, 48
    x, y = np.arange(width) + 0.5 - width / 2, np.arange(height) + 0.5 - height / 2  # pixels
    ramps = np.stack(
        [np.broadcast_to(x, (height, width)), np.broadcast_to(y[:, None], (height, width))]
    )
    images = torch.tensor(ramps, dtype=torch.float32).repeat(n, 1, 1, 1)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        warped = _warp(images, 1, {"rotate", *mirror}).numpy()
    middle = warped[:, :, height // 4 : -height // 4, width // 4 : -width // 4]
    steps = np.stack(
        [np.diff(middle, axis=3)[:, :, 0, 0], np.diff(middle, axis=2)[:, :, 0, 0]], -1
    )
    np.testing.assert_allclose(
        steps.swapaxes(1, 2) @ steps, np.tile(np.eye(2), (n, 1, 1)), atol=1e-4
    )
    angles = np.arctan2(steps[:, 0, 1], steps[:, 1, 1])
    assert -0.15 - 1e-5 <= angles.min() < -0.14
    assert 0.14 < angles.max() <= 0.15 + 1e-5
    assert (np.linalg.det(steps) < 0).any() == bool(mirror)


def test_rectangles_are_erased_from_half_of_the_clips():
    height, width, n_frames = 60, 80, 2
    with torch.random.fork_rng():
        torch.manual_seed(0)
        erased = _erase(torch.ones(800, 3, height, width), n_frames) == 0
    clips = erased.numpy().reshape(400, n_frames * 3, height, width)
    assert (clips == clips[:, :1]).all()
    clips = clips[:, 0]
    assert 0.4 < clips.any(axis=(1, 2)).mean() < 0.6
    rows, columns = clips.any(axis=2), clips.any(axis=1)
    assert (clips == rows[:, :, None] & columns[:, None, :]).all()  # one rectangle
    for sides, size in ((rows, height), (columns, width)):
        assert 0.45 * size < sides.sum(axis=1).max() <= 0.5 * size + 1
