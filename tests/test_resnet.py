import pytest
import torch
import torch.nn.functional as F

from skvideo_gru.resnet import ResNet50, fold_batch_norm

# torchvision's resnet50, written down from its published layout.
BLOCKS = {"layer1": (3, 64), "layer2": (4, 128), "layer3": (6, 256), "layer4": (3, 512)}


def torchvision_shapes():
    shapes = {}

    def norm(name, width):
        for part in ("weight", "bias", "running_mean", "running_var"):
            shapes[f"{name}.{part}"] = (width,)
        shapes[f"{name}.num_batches_tracked"] = ()

    shapes["conv1.weight"] = (64, 3, 7, 7)
    norm("bn1", 64)
    width_in = 64
    for stage, (n_blocks, width) in BLOCKS.items():
        for block in range(n_blocks):
            name = f"{stage}.{block}"
            shapes[f"{name}.conv1.weight"] = (width, width_in, 1, 1)
            shapes[f"{name}.conv2.weight"] = (width, width, 3, 3)
            shapes[f"{name}.conv3.weight"] = (4 * width, width, 1, 1)
            for number, channels in ((1, width), (2, width), (3, 4 * width)):
                norm(f"{name}.bn{number}", channels)
            if block == 0:
                shapes[f"{name}.downsample.0.weight"] = (4 * width, width_in, 1, 1)
                norm(f"{name}.downsample.1", 4 * width)
            width_in = 4 * width
    shapes["fc.weight"] = (1000, 2048)
    shapes["fc.bias"] = (1000,)
    return shapes


def random_state(seed=0):
    """A state dict with every number different from its initial value."""
    generator = torch.Generator().manual_seed(seed)
    state = {}
    for name, shape in torchvision_shapes().items():
        if name.endswith("num_batches_tracked"):
            state[name] = torch.tensor(7)
        elif name.endswith("running_var"):
            state[name] = torch.rand(shape, generator=generator) + 0.5
        elif name.endswith(("running_mean", "bias")):
            state[name] = 0.1 * torch.randn(shape, generator=generator)
        elif len(shape) == 1:
            state[name] = 0.5 + 0.5 * torch.rand(shape, generator=generator)
        else:
            fan_in = shape[1] * (shape[2] * shape[3] if len(shape) == 4 else 1)
            state[name] = torch.randn(shape, generator=generator) * (2 / fan_in) ** 0.5
    return state


def reference_features(state, x):
    """ResNet-50 by functions alone, from the paper and the state dict."""

    def norm(x, name):
        return F.batch_norm(
            x,
            state[f"{name}.running_mean"],
            state[f"{name}.running_var"],
            state[f"{name}.weight"],
            state[f"{name}.bias"],
            eps=1e-5,
        )

    x = F.relu(norm(F.conv2d(x, state["conv1.weight"], stride=2, padding=3), "bn1"))
    x = F.max_pool2d(x, 3, stride=2, padding=1)
    for stage, (n_blocks, _) in BLOCKS.items():
        for block in range(n_blocks):
            name = f"{stage}.{block}"
            stride = 2 if block == 0 and stage != "layer1" else 1
            out = F.relu(norm(F.conv2d(x, state[f"{name}.conv1.weight"]), f"{name}.bn1"))
            out = F.conv2d(out, state[f"{name}.conv2.weight"], stride=stride, padding=1)
            out = F.conv2d(F.relu(norm(out, f"{name}.bn2")), state[f"{name}.conv3.weight"])
            if block == 0:
                x = F.conv2d(x, state[f"{name}.downsample.0.weight"], stride=stride)
                x = norm(x, f"{name}.downsample.1")
            x = F.relu(norm(out, f"{name}.bn3") + x)
    return F.adaptive_avg_pool2d(x, 1).flatten(1)


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
    assert any(isinstance(m, torch.nn.BatchNorm2d) for m in network.modules())


def test_zero_init_makes_every_block_its_shortcut():
    network = ResNet50().eval()
    network.zero_init_residual()
    x = torch.rand(2, 64, 8, 8)
    block = network.layer1[0]
    with torch.inference_mode():
        torch.testing.assert_close(block(x), block.downsample(x).relu())
