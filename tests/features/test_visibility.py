import numpy as np
import pytest

from skvideo_gru.features.visibility import agreement, summarise_clip


def test_a_summary_contains_means_and_colours():
    rng = np.random.default_rng(0)
    clip = rng.integers(0, 256, (6, 8, 12, 3), dtype=np.uint8)
    means = clip.reshape(3, 2, 4, 2, 4, 3, 3).mean(axis=(1, 3, 5)) / 255
    bins = np.histogramdd(clip.reshape(-1, 3), bins=[np.arange(0, 257, 64)] * 3)[0]
    expected = np.concatenate([means.ravel(), np.sqrt(bins / bins.sum()).ravel()])
    np.testing.assert_allclose(summarise_clip(clip), expected, atol=1e-6)


@pytest.mark.parametrize("shape", [(1, 1, 1), (2, 3, 5), (20, 32, 32)])
def test_clips_of_any_size_have_a_summary(shape):
    summary = summarise_clip(np.full((*shape, 3), 255, np.uint8))
    assert summary.shape == (208,)
    np.testing.assert_allclose(summary[:144], 1)


def test_agreement_of_visible_and_invisible_classes():
    rng = np.random.default_rng(0)
    y = np.repeat(["a", "b", "c"], (60, 30, 30))
    noise = rng.normal(0, 1, (len(y), 208))
    kappa, z = agreement(noise, y)
    assert abs(kappa) < 0.25 and abs(z) < 3
    kappa, z = agreement(noise + 5 * (y == "a")[:, None] - 5 * (y == "b")[:, None], y)
    assert kappa > 0.6 and z > 8


def test_z_is_standard_normal_for_random_labels():
    rng = np.random.default_rng(0)
    scores = [
        agreement(rng.normal(0, 1, (60, 208)), rng.permutation(np.arange(60) % 3))[1]
        for _ in range(100)
    ]
    assert 0.6 < np.std(scores) < 1.6 and abs(np.mean(scores)) < 0.6


def test_a_class_with_one_clip_tells_nothing():
    assert np.isnan(agreement(np.zeros((3, 208)), np.array([0, 0, 1]))).all()
