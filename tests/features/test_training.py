import numpy as np
import pytest
import torch
from conftest import needs_gpu
from references import small_network, tone_clips
from torch.optim.optimizer import register_optimizer_step_post_hook

from skvideo_gru.features import training
from skvideo_gru.features.training import _FramesInOrder, train_backbone
from skvideo_gru.networks.weights import initial_weights


def order_clips(n=12, n_frames=4, size=32):
    """Clips that get brighter (even ones) or darker."""
    light = np.linspace(30, 220, n_frames)[None, :].repeat(n, 0)
    light[1::2] = light[1::2, ::-1]
    clips = light[:, :, None, None, None] + np.zeros((n, n_frames, size, size, 3))
    return list(clips.astype(np.uint8))


def test_one_frame_of_each_segment_is_drawn():
    lengths = [3, 10, 2]
    clips = [np.arange(n, dtype=np.uint8)[:, None, None, None] for n in lengths]
    data = _FramesInOrder(clips, np.array([0, 1, 0]), 4)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        drawn = [data[1] for _ in range(200)]
    moments = np.array([example["frames"].ravel() for example, _ in drawn])
    assert {(example["lengths"], target) for example, target in drawn} == {(4, 1)}
    # Segments of two and a half frames: the frame between two belongs to each with weight 1/2.
    assert [set(column) for column in moments.T] == [{0, 1, 2}, {2, 3, 4}, {5, 6, 7}, {7, 8, 9}]
    assert data[0][0]["frames"].ravel().tolist() == [0, 1, 2, 0]
    assert data[2][0]["frames"].ravel().tolist() == [0, 1, 0, 0]
    assert data[2][0]["lengths"] == 2


def test_time_augmentation_selects_a_random_part_of_the_clip():
    clip = np.arange(100, dtype=np.uint8)[:, None, None, None]
    data = _FramesInOrder([clip], np.array([0]), 5, cut=0.2)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        moments = np.array([data[0][0]["frames"].ravel() for _ in range(3000)]).astype(int)
    assert (np.diff(moments) >= 0).all()
    assert moments.min() == 0
    assert moments.max() == 99
    # On average 0.05 of the clip is cut off at each end, and a segment is 0.18 long.
    assert abs(moments[:, 0].mean() + 0.5 - (5 + 9)) < 0.5
    assert abs(moments[:, 4].mean() + 0.5 - (95 - 9)) < 0.5


def test_length_of_training_in_steps():
    clips, y = tone_clips(4), np.arange(4) % 2
    options = {"batch_size": 8, "frames_per_clip": 2, "device": "cpu"}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "_start", small_network)
        for objective in ("frame", "clip"):
            _, history = train_backbone(clips, y, objective=objective, n_steps=7, **options)
            assert sum(record["train_batch_count"] for record in history) == 7
        _, history = train_backbone(clips, y, n_steps=1, **options)
        assert len(history) == 5
        _, history = train_backbone(clips, y, max_epochs=2, **options)
        assert len(history) == 2


def test_the_weights_are_a_mean_of_the_second_half(monkeypatch):
    networks, after_steps = [], []

    def start(weights):
        networks.append(small_network(weights))
        return networks[-1]

    monkeypatch.setattr(training, "_start", start)
    monkeypatch.setattr(training, "_N_AVERAGED", 3)
    handle = register_optimizer_step_post_hook(
        lambda *_: after_steps.append(
            {name: value.numpy().copy() for name, value in networks[-1].state_dict().items()}
        )
    )
    options = {"max_epochs": 6, "batch_size": 8, "frames_per_clip": 2, "device": "cpu"}
    try:
        weights, _ = train_backbone(tone_clips(8), np.arange(8) % 2, **options)
    finally:
        handle.remove()
    assert len(after_steps) == 12
    for name, value in weights.items():
        if not name.endswith("num_batches_tracked"):
            expected = np.mean([after_steps[step][name] for step in (6, 8, 10)], axis=0)
            np.testing.assert_allclose(value, expected, rtol=1e-5, atol=1e-7, err_msg=name)
            assert not np.allclose(value, after_steps[-1][name], rtol=1e-5, atol=1e-7), name


@pytest.mark.parametrize(
    ("objective", "clips"), [("frame", tone_clips(8)), ("clip", order_clips())]
)
def test_training_changes_every_weight_and_reduces_the_loss(objective, clips):
    y = np.arange(len(clips)) % 2
    options = {"objective": objective, "batch_size": 16, "lr": 1e-3, "device": "cpu"}
    start, _ = train_backbone(clips, y, max_epochs=1, seed=0, **{**options, "lr": 1e-12})
    weights, history = train_backbone(clips, y, max_epochs=4, seed=0, **options)
    for name, value in weights.items():
        if not name.endswith("num_batches_tracked"):
            assert not np.allclose(value, start[name], rtol=0, atol=1e-9), name
    assert [record["epoch"] for record in history] == [1, 2, 3, 4]
    assert history[-1]["train_loss"] < history[0]["train_loss"]


def test_training_depends_only_on_the_seed():
    clips, y = tone_clips(6), np.arange(6) % 2
    options = {"max_epochs": 1, "batch_size": 8, "device": "cpu"}
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first, _ = train_backbone(clips, y, seed=0, **options)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    second, _ = train_backbone(clips, y, seed=0, **options)
    third, _ = train_backbone(clips, y, seed=1, **options)
    for name in first:
        np.testing.assert_allclose(first[name], second[name], rtol=1e-4, atol=1e-6)
    assert not np.allclose(first["conv1.weight"], third["conv1.weight"], atol=1e-3)


def test_training_starts_from_given_weights():
    clips, y = tone_clips(4), np.arange(4) % 2
    start = initial_weights(7)
    end, _ = train_backbone(clips, y, weights=start, max_epochs=1, lr=1e-12, device="cpu")
    np.testing.assert_allclose(end["conv1.weight"], start["conv1.weight"], atol=1e-6)
    assert end["layer1.0.bn3.weight"].mean() > 0.9  # no zero initialisation


@pytest.mark.parametrize("objective", ["frame", "clip"])
def test_mixed_precision_changes_little(objective):
    clips, y = tone_clips(4), np.arange(4) % 2
    clips[0] = clips[0][:2]
    options = {"max_epochs": 2, "batch_size": 8, "frames_per_clip": 2, "device": "cpu"}
    options["objective"] = objective
    _, exact = train_backbone(clips, y, **options)
    _, mixed = train_backbone(clips, y, mixed_precision=True, **options)
    losses = [[record["train_loss"] for record in history] for history in (exact, mixed)]
    assert losses[0] != losses[1]
    np.testing.assert_allclose(losses[1], losses[0], rtol=0.1)


@needs_gpu
@pytest.mark.parametrize("objective", ["frame", "clip"])
@pytest.mark.parametrize("mixed_precision", [False, True])
def test_training_on_gpu_and_cpu_agrees(objective, mixed_precision):
    clips, y = tone_clips(4), np.arange(4) % 2
    clips[0] = clips[0][:2]
    options = {"max_epochs": 2, "batch_size": 8, "frames_per_clip": 2, "objective": objective}
    _, exact = train_backbone(clips, y, device="cpu", **options)
    weights, history = train_backbone(
        clips, y, device="cuda", mixed_precision=mixed_precision, **options
    )
    assert all(isinstance(value, np.ndarray) for value in weights.values())
    losses = [[record["train_loss"] for record in records] for records in (exact, history)]
    np.testing.assert_allclose(losses[1], losses[0], rtol=0.1)
