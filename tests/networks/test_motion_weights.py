import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score

from skvideo_gru import ResNet50FrameFeaturizer, make_motion_clips
from skvideo_gru.networks import ResNet50, initial_weights, save_weights
from skvideo_gru.networks.motion_weights import motion_weights, pack_weights


def unpacked(path):
    """Read a packed file as its description says."""
    arrays = np.load(path)
    return {
        name: arrays[name] * arrays.get(f"{name}/scale", np.ones((), arrays[name].dtype))
        for name in arrays
        if not name.endswith("/scale")
    }


def test_packed_weights_are_nearly_equal(tmp_path):
    weights = initial_weights(0)
    weights["conv1.weight"][0] = 0
    pack_weights(weights, tmp_path / "packed.npz")
    found = unpacked(tmp_path / "packed.npz")
    assert list(found) == list(weights)
    for name, values in weights.items():
        if values.ndim > 1:
            largest = abs(values).reshape(len(values), -1).max(axis=1)
            error = abs(found[name] - values).reshape(len(values), -1).max(axis=1)
            assert (error <= 1.001 * largest / 62).all()
        else:
            np.testing.assert_array_equal(found[name], values)


def test_the_file_of_the_package_is_a_complete_state_dict():
    weights = motion_weights()
    network = ResNet50()
    network.load_state_dict({name: torch.tensor(values) for name, values in weights.items()})
    assert all(np.isfinite(values).all() for values in weights.values())
    with pytest.raises(ValueError, match="read-only"):
        weights["conv1.weight"][0] = 0


def test_the_network_has_learned_motion(tmp_path):
    """Its features distinguish the motions of new clips better than those of a random network."""
    kinds = ["go right", "go left", "go up", "go down", "grow", "shrink"]
    clips = make_motion_clips(36 * 6, n_frames=12, random_state=12345)
    chosen = np.flatnonzero(np.isin(clips.target, kinds))
    videos = [clips.data[row] for row in chosen]
    accuracies = []
    for weights in (motion_weights(), initial_weights(0)):
        save_weights({k: v.copy() for k, v in weights.items()}, tmp_path / "weights.pth")
        featurizer = ResNet50FrameFeaturizer(
            4, weights=tmp_path / "weights.pth", modality="motion", frame_size=32, max_epochs=0
        )
        features = featurizer.fit_transform(videos).reshape(len(videos), 4, 2048).mean(axis=1)
        classifier = LogisticRegression(max_iter=1000)
        accuracies.append(cross_val_score(classifier, features, clips.target[chosen], cv=4).mean())
    assert accuracies[0] > accuracies[1] + 0.2
