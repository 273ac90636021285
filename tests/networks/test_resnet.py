import pytest
import torch
import torch.nn.functional as F
from references import random_state, reference_features, torchvision_shapes

from skvideo_gru.networks.resnet import ResNet50, fold_batch_norm


def relative_error(a, b):
    return float((a - b).norm() / b.norm())


def test_names_and_shapes_are_those_of_torchvision():
    own = {name: tuple(value.shape) for name, value in ResNet50(1000).state_dict().items()}
    assert own == torchvision_shapes()
    assert sum(p.numel() for p in ResNet50(1000).parameters()) == 25_557_032


def test_a_state_dict_loads_strictly():
    state = random_state()
    ResNet50(1000).load_state_dict(state, strict=True)
    state = {name: value for name, value in state.items() if not name.startswith("fc.")}
    ResNet50().load_state_dict(state, strict=True)
    with pytest.raises(RuntimeError, match="Missing key"):
        ResNet50().load_state_dict({k: v for k, v in state.items() if k != "bn1.bias"})


@pytest.mark.parametrize("size", [(224, 224), (64, 64), (33, 50)])
def test_output_equals_an_independent_implementation(size):
    state = random_state()
    x = torch.randn(2, 3, *size, generator=torch.Generator().manual_seed(1))
    network = ResNet50(1000).eval()
    network.load_state_dict(state)
    with torch.inference_mode():
        features = reference_features(state, x)
        logits = F.linear(features, state["fc.weight"], state["fc.bias"])
        assert relative_error(network(x), logits) < 1e-5
        network.fc = torch.nn.Identity()
        assert network(x).shape == (2, 2048)
        assert relative_error(network(x), features) < 1e-5
        folded = fold_batch_norm(network)
        assert relative_error(folded(x), features) < 1e-5
        folded = folded.to(memory_format=torch.channels_last)
        assert relative_error(
            folded(x.contiguous(memory_format=torch.channels_last)), features
        ) < (1e-5)
    assert not any(isinstance(m, torch.nn.BatchNorm2d) for m in folded.modules())


def test_zero_init_makes_every_block_the_identity():
    network = ResNet50().eval()
    network.zero_init_residual()
    x = torch.rand(2, 64, 8, 8)
    block = network.layer1[0]
    with torch.inference_mode():
        torch.testing.assert_close(block(x), block.downsample(x).relu())
