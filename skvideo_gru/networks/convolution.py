"""A convolution that is faster on small maps, in training on a CPU."""

from __future__ import annotations

import math

import torch
from torch import nn

# Largest number of outputs per channel of a 1x1 convolution, and largest sides of the input
# of a 3x3 convolution, that are computed as a matrix product.
_FEW_OUTPUTS, _SMALL_SIDE = 64, 2


class Convolution(nn.Conv2d):
    """A square convolution without bias whose padding keeps the size of the map.

    In training on a CPU without autocast, a convolution of a small map is computed as a
    matrix product. The result is the same up to rounding. For such maps, oneDNN spends most
    of the time on rearranging the weights, and on taps of the kernel that see only padding
    (``benchmarks/training.py``).

    Parameters
    ----------
    in_channels, out_channels : int
        Channels of the input and of the output.
    kernel_size : int
        Side of the kernel, an odd number.
    stride : int, default=1
        Stride of both sides.
    """

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: int, stride: int = 1
    ) -> None:
        padding = kernel_size // 2
        super().__init__(
            in_channels, out_channels, kernel_size, stride, padding=padding, bias=False
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Convolve maps.

        Parameters
        ----------
        x : Tensor of shape (n, in_channels, h, w)
            Input.

        Returns
        -------
        Tensor of shape (n, out_channels, ceil(h / stride), ceil(w / stride))
            Output.
        """
        h, w = x.shape[2:]
        step, side = self.stride[0], self.kernel_size[0]
        # Where the gain was measured. A folded convolution, of inference, has a bias.
        on_cpu = x.device.type == "cpu" and not torch.is_autocast_enabled("cpu")
        if self.training and on_cpu and self.bias is None:
            if side == 1 and math.ceil(h / step) * math.ceil(w / step) <= _FEW_OUTPUTS:
                return self._pointwise(x)
            if side == 3 and max(h, w) <= _SMALL_SIDE:
                return self._dense(x)
        return super().forward(x)

    def _pointwise(self, x: torch.Tensor) -> torch.Tensor:
        """Multiply the channels of each position by the kernel of one tap."""
        step = self.stride[0]
        pixels = x[:, :, ::step, ::step].permute(0, 2, 3, 1)
        # The permutation preserves the strides that torch's DDP expects of the gradient.
        weight = self.weight.permute(0, 2, 3, 1).flatten(1)
        return nn.functional.linear(pixels, weight).permute(0, 3, 1, 2)

    def _dense(self, x: torch.Tensor) -> torch.Tensor:
        """Multiply each whole map by a matrix of the taps between its inputs and outputs."""
        n, _, h, w = x.shape
        step = self.stride[0]
        rows, columns = range(0, h, step), range(0, w, step)
        taps = self.weight.permute(0, 2, 3, 1)
        # The tap between input i and output o is i - o + 1, which is always in the kernel.
        matrix = torch.cat(
            [
                taps[:, 1 - row : 1 - row + h, 1 - column : 1 - column + w].flatten(1)
                for row in rows
                for column in columns
            ]
        )
        outputs = nn.functional.linear(x.permute(0, 2, 3, 1).flatten(1), matrix)
        return outputs.view(n, len(rows), len(columns), -1).permute(0, 3, 1, 2)
