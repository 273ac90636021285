"""Independent references and toy data for several test modules."""

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

# The layout of torchvision's resnet50, as published.
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


def small_network(weights):
    """A network of the input and output of ResNet-50, for tests of its training."""
    layers = [nn.Conv2d(3, 8, 3, stride=4), nn.BatchNorm2d(8), nn.ReLU(), nn.AdaptiveAvgPool2d(1)]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(8, 2048))


def reference_features(state, x):
    """ResNet-50 as functions of a state dict, after the paper."""

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


def tone_clips(n=16, n_frames=3, size=32):
    """Noise clips: even ones dark, odd ones bright."""
    rng = np.random.default_rng(0)
    base = np.array([60, 190])[np.arange(n) % 2]
    noise = rng.normal(0, 20, (n, n_frames, size, size, 3))
    return list((base[:, None, None, None, None] + noise).clip(0, 255).astype(np.uint8))


def order_data(n=80, n_frames=6, d=3, seed=0):
    """Sequences of two classes, sorted ascending or descending."""
    rng = np.random.default_rng(seed)
    X = np.sort(rng.normal(size=(n, n_frames, d)), axis=1).astype(np.float32)
    y = np.arange(n) % 2
    X[y == 1] = X[y == 1, ::-1]
    return X, y
