from functools import partial

import numpy as np
import pytest
import torch
from conftest import make_frames
from references import small_network
from torch import nn

from skvideo_gru.features import training
from skvideo_gru.features.mixing import MixupNet, blend, collate_pairs
from skvideo_gru.features.training import train_backbone


def batch_of(lengths):
    return [
        ({"frames": np.full((4, 2, 2, 3), row % 256, np.uint8), "lengths": length}, row % 3)
        for row, length in enumerate(lengths)
    ]


def test_pairs_are_drawn_for_each_clip():
    torch.manual_seed(0)
    inputs, y = collate_pairs(batch_of([4] * 300))
    assert inputs["frames"].shape == (300, 4, 2, 2, 3)
    assert y.tolist() == [row % 3 for row in range(300)]
    assert sorted(inputs["partner"].tolist()) == list(range(300))
    share = inputs["share"].numpy()
    assert share.min() >= 0.5 and share.max() <= 1
    # The larger of B and 1 - B, for B of the distribution Beta(0.4, 0.4).
    expected = np.random.default_rng(0).beta(0.4, 0.4, 100_000)
    expected = np.maximum(expected, 1 - expected)
    assert share.mean() == pytest.approx(expected.mean(), abs=0.03)
    assert np.median(share) == pytest.approx(np.median(expected), abs=0.03)


def test_clips_of_different_lengths_are_not_blended():
    inputs, _ = collate_pairs(batch_of([4, 3] * 20))
    alike = inputs["lengths"] == inputs["lengths"][inputs["partner"]]
    assert 0 < alike.sum() < 40
    assert (inputs["share"][~alike] == 1).all()
    assert (inputs["share"][alike] < 1).any()


def test_frames_are_blended_with_those_of_the_partner():
    images = torch.randn(6, 3, 5, 4)  # two frames of each of three clips
    partner, share = torch.tensor([1, 2, 0]), torch.tensor([0.75, 1.0, 0.5])
    blended = blend(images, partner, share)
    torch.testing.assert_close(blended[1], 0.75 * images[1] + 0.25 * images[3])
    torch.testing.assert_close(blended[2:4], images[2:4])
    torch.testing.assert_close(blended[4], (images[4] + images[0]) / 2)


def make_net(weight):
    criterion = partial(nn.CrossEntropyLoss, weight=weight, label_smoothing=0.1)
    return MixupNet(partial(nn.Linear, 3, 3), criterion=criterion, device="cpu").initialize()


def test_the_loss_is_that_of_blended_targets():
    weight = torch.tensor([1.0, 2.0, 0.5], dtype=torch.float64)
    net = make_net(weight)
    logits = torch.randn(4, 3, dtype=torch.float64, requires_grad=True)
    y, partner = torch.tensor([0, 1, 2, 1]), torch.tensor([1, 2, 3, 0])
    share = torch.tensor([0.6, 0.9, 1.0, 0.5], dtype=torch.float64)
    loss = net.get_loss(logits, y, {"partner": partner, "share": share}, training=True)
    own, other = (nn.functional.one_hot(rows, 3).double() for rows in (y, y[partner]))
    target = share[:, None] * own + (1 - share[:, None]) * other
    smooth = 0.9 * target + 0.1 / 3
    expected = -(weight * smooth * logits.log_softmax(1)).sum() / (weight * target).sum()
    torch.testing.assert_close(loss, expected)
    (gradient,) = torch.autograd.grad(loss, logits)
    (expected_gradient,) = torch.autograd.grad(expected, logits)
    torch.testing.assert_close(gradient, expected_gradient)


@pytest.mark.parametrize("pairs", [{}, {"partner": torch.arange(4), "share": torch.ones(4)}])
def test_without_blending_the_loss_is_the_criterions(pairs):
    weight = torch.tensor([1.0, 2.0, 0.5])
    logits, y = torch.randn(4, 3), torch.tensor([0, 1, 2, 1])
    loss = make_net(weight).get_loss(logits, y, pairs, training=True)
    torch.testing.assert_close(loss, nn.CrossEntropyLoss(weight, label_smoothing=0.1)(logits, y))


@pytest.mark.parametrize("objective", ["frame", "clip"])
def test_training_blends_clips_only_with_mixup(objective, monkeypatch):
    clips = [make_frames(n, 32, 32, seed=n) for n in (3, 4, 4, 5)]
    options = {"objective": objective, "max_epochs": 1, "frames_per_clip": 4, "batch_size": 16}
    options |= {"device": "cpu", "lr": 1e-12}
    n_blended = []

    def counted(images, partner, share):
        n_blended.append(int((share < 1).sum()))
        return blend(images, partner, share)

    monkeypatch.setattr(training, "blend", counted)
    monkeypatch.setattr(training, "_start", small_network)
    y = np.arange(4) % 2
    train_backbone(clips, y, augmentation=["shift"], **options)
    assert n_blended == []
    train_backbone(clips, y, augmentation=["shift", "mixup"], **options)
    assert sum(n_blended) > 0
