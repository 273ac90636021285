"""ResNet-50, and its folded form for inference."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_weights

from .convolution import Convolution

#: Number of features per frame.
N_FEATURES = 2048

#: Mean and standard deviation of red, green and blue, for values in [0, 1].
Normalisation = tuple[tuple[float, ...], tuple[float, ...]]

#: ImageNet's values, which torchvision's weights require.
IMAGENET: Normalisation = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


class Bottleneck(nn.Module):
    """The residual block of ResNet-50: 1x1 reduce, 3x3, 1x1 expand by four.

    The 3x3 convolution has the stride, so that no input position is skipped.

    Parameters
    ----------
    in_channels : int
        Channels of the input.
    channels : int
        Channels of the 3x3 convolution; the block outputs four times as many.
    stride : int, default=1
        Stride of the 3x3 convolution.
    """

    expansion = 4

    def __init__(self, in_channels: int, channels: int, stride: int = 1) -> None:
        super().__init__()
        out_channels = channels * self.expansion
        self.conv1 = Convolution(in_channels, channels, 1)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = Convolution(channels, channels, 3, stride)
        self.bn2 = nn.BatchNorm2d(channels)
        self.conv3 = Convolution(channels, out_channels, 1)
        self.bn3 = nn.BatchNorm2d(out_channels)
        self.relu = nn.ReLU(inplace=True)
        self.downsample: nn.Module = nn.Identity()
        if stride != 1 or in_channels != out_channels:
            self.downsample = nn.Sequential(
                Convolution(in_channels, out_channels, 1, stride),
                nn.BatchNorm2d(out_channels),
            )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Add the output of the three convolutions to the shortcut.

        Parameters
        ----------
        x : Tensor of shape (n, in_channels, h, w)
            Input.

        Returns
        -------
        Tensor of shape (n, 4 * channels, h / stride, w / stride)
            Output, after a ReLU.
        """
        shortcut = self.downsample(x)
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.relu(self.bn2(self.conv2(out)))
        out = self.bn3(self.conv3(out))
        out += shortcut
        return self.relu(out)


class ResNet50(nn.Module):
    """ResNet-50 [1]_ up to its global average pooling.

    Parameters have the names and shapes of torchvision's ``resnet50``. Its state dicts
    load strictly with ``n_classes=1000``, and without their ``fc.*`` entries by default.

    Parameters
    ----------
    n_classes : int, optional
        Number of logits, the outputs of a fully connected layer ``fc``. By default the
        network has no such layer and outputs 2048 features.

    References
    ----------
    .. [1] K. He, X. Zhang, S. Ren, J. Sun, "Deep Residual Learning for Image
       Recognition", 2015, arXiv:1512.03385.
    """

    def __init__(self, n_classes: int | None = None) -> None:
        super().__init__()
        self.conv1 = Convolution(3, 64, 7, stride=2)
        self.bn1 = nn.BatchNorm2d(64)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        self.layer1 = _stage(64, 64, n_blocks=3, stride=1)
        self.layer2 = _stage(256, 128, n_blocks=4, stride=2)
        self.layer3 = _stage(512, 256, n_blocks=6, stride=2)
        self.layer4 = _stage(1024, 512, n_blocks=3, stride=2)
        self.fc = nn.Identity() if n_classes is None else nn.Linear(N_FEATURES, n_classes)
        for module in self.modules():
            # The meta device has no values, and initialisation there imports much of torch.
            if isinstance(module, nn.Conv2d) and not module.weight.is_meta:
                # He et al. 2015, arXiv:1502.01852: preserves the variance through ReLUs.
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Compute the feature vectors of images.

        Parameters
        ----------
        x : Tensor of shape (n, 3, h, w), float
            Normalised images.

        Returns
        -------
        Tensor of shape (n, 2048) or (n, n_classes)
            Features after global average pooling, or logits.
        """
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(x.mean(dim=(2, 3)))

    def zero_init_residual(self) -> None:
        """Initialise every block as the identity, with a zero scale in its last BatchNorm.

        Training from scratch then starts with a shallow network, which converges faster
        (Goyal et al. 2017, arXiv:1706.02677).
        """
        for module in self.modules():
            if isinstance(module, Bottleneck):
                nn.init.zeros_(module.bn3.weight)


def _stage(in_channels: int, channels: int, n_blocks: int, stride: int) -> nn.Sequential:
    blocks = [Bottleneck(in_channels, channels, stride)]
    blocks += [Bottleneck(channels * Bottleneck.expansion, channels) for _ in range(1, n_blocks)]
    return nn.Sequential(*blocks)


def fold_batch_norm(network: ResNet50) -> ResNet50:
    """Fold every BatchNorm into the convolution before it.

    In inference a BatchNorm is a constant affine map, which the weights of the
    convolution can include.

    Parameters
    ----------
    network : ResNet50
        The network, which is modified.

    Returns
    -------
    ResNet50
        The same network in evaluation mode. It computes the same up to rounding.
    """
    network.eval()
    _fold_pair(network, "conv1", "bn1")
    for block in [m for m in network.modules() if isinstance(m, Bottleneck)]:
        for number in (1, 2, 3):
            _fold_pair(block, f"conv{number}", f"bn{number}")
        if isinstance(block.downsample, nn.Sequential):
            _fold_pair(block.downsample, "0", "1")
    return network


def _fold_pair(parent: nn.Module, conv: str, norm: str) -> None:
    modules: dict[str, Any] = dict(parent.named_children())
    before, after = modules[conv], modules[norm]
    before.weight, before.bias = fuse_conv_bn_weights(
        before.weight,
        before.bias,
        after.running_mean,
        after.running_var,
        after.eps,
        after.weight,
        after.bias,
    )
    setattr(parent, norm, nn.Identity())


def normalise(frames: torch.Tensor, normalisation: Normalisation = IMAGENET) -> torch.Tensor:
    """Normalise pixels for the network.

    Parameters
    ----------
    frames : Tensor of shape (n, H, W, 3), uint8
        Frames.
    normalisation : ((float, float, float), (float, float, float)), optional
        Mean and standard deviation of red, green and blue, for values in [0, 1].

    Returns
    -------
    Tensor of shape (n, 3, H, W), float32
        The input, in channels-last memory format.
    """
    mean, std = (torch.tensor(values, device=frames.device) * 255 for values in normalisation)
    return ((frames.float() - mean) / std).permute(0, 3, 1, 2)
