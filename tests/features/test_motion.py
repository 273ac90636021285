import numpy as np
import pytest

from skvideo_gru.features.motion import motion_detail, motion_images


@pytest.fixture
def clip():
    """Grey frames and their changes."""
    grey = np.random.default_rng(0).integers(0, 256, (30, 5, 6), dtype=np.uint8)
    changes = np.zeros_like(grey)
    changes[1:] = np.abs(np.diff(grey.astype(int), axis=0))
    return grey, changes


def test_images_show_the_frame_and_the_largest_changes_before_and_after(clip):
    grey, changes = clip
    step, indices = 1.5, np.array([0, 4, 15, 29])
    images = motion_images(grey, changes, indices, step)
    assert images.shape == (4, 5, 6, 3)
    assert images.dtype == np.uint8
    for image, index in zip(images, indices, strict=True):
        frame = grey[index].astype(float)
        expected = 128 + 48 * (frame - frame.mean()) / frame.std()
        np.testing.assert_allclose(image[..., 0], expected.clip(0, 255), atol=1.01)
        for row, column in np.ndindex(5, 6):
            values = grey[:, row, column].astype(int)
            between = [abs(values[k + 1] - values[k]) for k in range(29)]
            before = between[max(0, index - 6) : index] or between[:1]
            after = between[index : index + 6] or between[-1:]
            shown = [(255 * max(part)) ** 0.5 for part in (before, after)]
            np.testing.assert_allclose(image[row, column, 1:], shown, atol=0.51)


def test_the_direction_of_time_exchanges_before_and_after(clip):
    grey, changes = clip
    reverse = np.concatenate([changes[:1], changes[:0:-1]])
    forwards = motion_images(grey, changes, np.arange(30), 2)
    backwards = motion_images(grey[::-1], reverse, np.arange(30), 2)[::-1]
    np.testing.assert_array_equal(forwards, backwards[..., [0, 2, 1]])


def test_brightness_and_contrast_make_no_difference():
    grey = np.random.default_rng(0).integers(60, 120, (3, 8, 8), dtype=np.uint8)
    zeros = np.zeros_like(grey)
    first = motion_images(grey, zeros, np.arange(3), 1).astype(int)
    second = motion_images(2 * grey + 5, zeros, np.arange(3), 1)
    assert np.abs(first - second).max() <= 1


def test_a_single_frame_has_no_changes(clip):
    grey, changes = clip
    images = motion_images(grey[:1], changes[:1], np.array([0, 0]), 0.0)
    assert images[..., 0].any()
    assert not images[..., 1:].any()


@pytest.mark.parametrize(
    ("size", "detail"),
    [((32, 32), 4), ((64, 64), 2), ((48, 80), 1), ((224, 224), 1), ((9, 30), 4)],
)
def test_changes_are_computed_at_up_to_128_pixels(size, detail):
    assert motion_detail(*size) == detail
