import numpy as np
import pytest
import torch

from skvideo_gru.features.augmentation import _warp, augment
from skvideo_gru.networks.resnet import IMAGENET, normalise


@pytest.mark.parametrize("augmentation", ["light", "strong"])
def test_augmentation_treats_the_frames_of_a_clip_alike(augmentation):
    clip = np.random.default_rng(0).integers(0, 256, (1, 32, 32, 3), dtype=np.uint8)
    clips = torch.tensor(np.stack([clip.repeat(4, 0)] * 3))
    with torch.random.fork_rng():
        torch.manual_seed(0)
        out = augment(clips, IMAGENET, augmentation).reshape(3, 4, 3, 32, 32)
    for frame in range(1, 4):
        assert torch.equal(out[:, 0], out[:, frame])
    assert not torch.equal(out[0], out[1])
    plain = normalise(clips[0])
    assert 0.2 < (out[0] - plain).abs().mean() < 2.0


def test_strong_augmentation_mirrors_scales_and_shifts():
    n, height, width = 200, 32, 48
    x, y = (torch.linspace(-1 + 1 / size, 1 - 1 / size, size) for size in (width, height))
    ramps = torch.stack([x.expand(height, width), y[:, None].expand(height, width)])
    images = ramps.repeat(n, 1, 1, 1)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        warped = _warp(images, 1)
        torch.manual_seed(0)
        with torch.autocast("cpu", torch.bfloat16):
            assert torch.equal(_warp(images, 1), warped)
    across, down = warped.numpy().transpose(1, 0, 2, 3)

    def line(values, places):  # in the middle: farther out the edge may repeat
        middle = slice(len(places) // 4, -len(places) // 4)
        return np.polyfit(places[middle], values[:, middle].T, 1)

    slope_across, shift_across = line(across[:, height // 2], x)
    slope_down, shift_down = line(down[:, :, width // 2], y)
    np.testing.assert_allclose(abs(slope_across), slope_down, atol=1e-5)
    assert 0.4 < (slope_across < 0).mean() < 0.6  # mirrored
    for values, low, high in [
        (slope_down, 0.8, 1.2), (shift_across, -0.2, 0.2), (shift_down, -0.2, 0.2)
    ]:  # fmt: skip
        assert low - 1e-5 <= values.min() < low + 0.04
        assert high - 0.04 < values.max() <= high + 1e-5
    assert across.max() <= x[-1] + 1e-5  # beyond the frame its edge repeats
