import numpy as np
import pytest

from skvideo_gru.features.motion import motion_detail, motion_images


@pytest.fixture
def clip():
    """Outlines and changes of a video; the first change is 0."""
    outlines, changes = np.random.default_rng(0).integers(0, 256, (2, 30, 5, 6), dtype=np.uint8)
    changes[0] = 0
    return outlines, changes


def test_images_show_outlines_and_the_largest_changes_before_and_after(clip):
    outlines, changes = clip
    step, indices = 1.5, np.array([0, 4, 15, 29])
    images = motion_images(outlines, changes, indices, step)
    assert images.shape == (4, 5, 6, 3)
    assert images.dtype == np.uint8
    for image, index in zip(images, indices, strict=True):
        for row, column in np.ndindex(5, 6):
            between = changes[1:, row, column].tolist()  # of frames k and k + 1
            before = between[max(0, index - 6) : index] or between[:1]
            after = between[index : index + 6] or between[-1:]
            values = (outlines[index, row, column], max(before), max(after))
            shown = [(255 * float(value)) ** 0.5 for value in values]
            np.testing.assert_allclose(image[row, column], shown, atol=0.51)


def test_without_outlines_images_show_the_changes_during_the_frame(clip):
    outlines, changes = clip
    indices = np.array([0, 4, 29])
    images = motion_images(None, changes, indices, 3.0)
    np.testing.assert_array_equal(
        images[..., 1:], motion_images(outlines, changes, indices, 3.0)[..., 1:]
    )
    shown = np.stack([changes[:3].max(0), changes[2:7].max(0), changes[27:].max(0)])
    np.testing.assert_allclose(images[..., 0], np.sqrt(255 * shown.astype(float)), atol=0.51)


def test_the_direction_of_time_exchanges_before_and_after(clip):
    outlines, changes = clip
    reverse = np.concatenate([changes[:1], changes[:0:-1]])
    forwards = motion_images(outlines, changes, np.arange(30), 2)
    backwards = motion_images(outlines[::-1], reverse, np.arange(30), 2)[::-1]
    np.testing.assert_array_equal(forwards, backwards[..., [0, 2, 1]])


def test_a_single_frame_does_not_move(clip):
    outlines, changes = clip
    images = motion_images(outlines[:1], changes[:1], np.array([0, 0]), 0.0)
    assert images[..., 0].any()
    assert not images[..., 1:].any()


@pytest.mark.parametrize(
    ("size", "detail"),
    [((32, 32), 4), ((64, 64), 2), ((48, 80), 1), ((224, 224), 1), ((9, 30), 4)],
)
def test_changes_are_computed_at_up_to_128_pixels(size, detail):
    assert motion_detail(*size) == detail
