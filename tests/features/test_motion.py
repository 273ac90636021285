import numpy as np
import pytest

from skvideo_gru.features.motion import motion_detail, motion_images


@pytest.fixture
def clip():
    return np.random.default_rng(0).integers(0, 256, (4, 5, 6, 3), dtype=np.uint8)


def test_pictures_are_outlines_and_changes_before_and_after(clip):
    pictures = motion_images(clip)
    assert pictures.shape == clip.shape
    assert pictures.dtype == np.uint8
    grey = clip.astype(float).sum(3) / 3
    even = grey * 64 / np.sqrt(((grey - grey.mean()) ** 2).mean())
    for t, row, column in np.ndindex(grey.shape):
        steep = 0.0
        if 0 < row < 4:
            steep += abs(even[t, row + 1, column] - even[t, row - 1, column])
        if 0 < column < 5:
            steep += abs(even[t, row, column + 1] - even[t, row, column - 1])
        changes = [abs(grey[k + 1, row, column] - grey[k, row, column]) for k in range(3)]
        before = max([0.0] + [0.9 ** (t - 1 - k) * changes[k] for k in range(t)])
        after = max([0.0] + [0.9 ** (k - t) * changes[k] for k in range(t, 3)])
        expected = [(255 * min(255, value)) ** 0.5 for value in (steep, before, after)]
        np.testing.assert_allclose(pictures[t, row, column], expected, rtol=0, atol=1.01)


def test_the_way_of_time_shows(clip):
    forwards, backwards = motion_images(clip), motion_images(clip[::-1])[::-1]
    np.testing.assert_array_equal(forwards, backwards[..., [0, 2, 1]])


def test_brightness_makes_no_difference():
    clip = np.random.default_rng(0).integers(60, 120, (3, 8, 8, 3), dtype=np.uint8)
    difference = motion_images(clip).astype(int) - motion_images(clip + 40)
    assert np.abs(difference).max() <= 1


def test_what_stands_still_has_outlines_only(clip):
    pictures = motion_images(clip[:1].repeat(3, axis=0))
    assert pictures[..., 0].any()
    assert not pictures[..., 1:].any()


def test_a_single_frame_does_not_move(clip):
    pictures = motion_images(clip[:1])
    assert pictures[..., 0].any()
    assert not pictures[..., 1:].any()


def test_a_flat_clip_is_black():
    assert not motion_images(np.full((3, 4, 4, 3), 90, np.uint8)).any()


def test_a_small_picture_shows_the_strongest_of_a_larger_one(clip):
    larger = clip.repeat(2, axis=1)[:, :9]
    whole, small = motion_images(larger), motion_images(larger, 3)
    assert small.shape == (4, 3, 2, 3)
    for row, column in np.ndindex(3, 2):
        block = whole[:, 3 * row : 3 * row + 3, 3 * column : 3 * column + 3]
        np.testing.assert_array_equal(small[:, row, column], block.max(axis=(1, 2)))


@pytest.mark.parametrize(
    ("size", "detail"),
    [((32, 32), 8), ((64, 64), 4), ((48, 80), 3), ((224, 224), 1), ((9, 300), 1)],
)
def test_frames_are_drawn_from_up_to_256_pixels(size, detail):
    assert motion_detail(*size) == detail
