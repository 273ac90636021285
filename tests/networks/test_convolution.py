import pytest
import torch
import torch.nn.functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from skvideo_gru.networks.convolution import Convolution


class Counter(TorchDispatchMode):
    """Counts the convolutions that torch computes as such."""

    n_convolutions = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.n_convolutions += func is torch.ops.aten.convolution.default
        return func(*args, **(kwargs or {}))


def convolve(layer, x):
    """Return the output and the gradients of input and weights for a fixed loss."""
    x = x.clone().requires_grad_()
    with Counter() as counter:
        out = layer(x)
    slopes = torch.arange(out.numel(), dtype=out.dtype).reshape(out.shape)
    grads = torch.autograd.grad((out * slopes).sum(), [x, layer.weight])
    return [out, *grads], counter.n_convolutions


@pytest.mark.parametrize("memory_format", [torch.channels_last, torch.contiguous_format])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize(
    ("side", "size", "is_product"),
    [
        (1, (1, 1), True),
        (1, (2, 5), True),
        (1, (8, 8), True),
        (1, (32, 9), False),
        (3, (1, 1), True),
        (3, (2, 2), True),
        (3, (1, 2), True),
        (3, (2, 1), True),
        (3, (2, 3), False),
        (7, (1, 1), False),
    ],
)
def test_output_and_gradients_equal_those_of_torch(side, size, is_product, stride, memory_format):
    torch.manual_seed(0)
    layer = Convolution(3, 5, side, stride).double().to(memory_format=memory_format)
    plain = torch.nn.Conv2d(3, 5, side, stride, padding=side // 2, bias=False).double()
    plain.load_state_dict(layer.state_dict())
    x = torch.randn(4, 3, *size, dtype=torch.double).contiguous(memory_format=memory_format)
    own, n_convolutions = convolve(layer, x)
    expected, _ = convolve(plain, x)
    for a, b in zip(own, expected, strict=True):
        torch.testing.assert_close(a, b)
    assert n_convolutions == (0 if is_product else 1)


def test_inference_and_bfloat16_use_the_convolution_of_torch():
    x = torch.randn(2, 3, 2, 2)
    layer = Convolution(3, 5, 3)
    with Counter() as counter, torch.autocast("cpu", torch.bfloat16):
        layer(x)
    assert counter.n_convolutions == 1
    with Counter() as counter, torch.no_grad():
        layer.eval()(x)
    assert counter.n_convolutions == 1


def test_a_folded_convolution_adds_its_bias():
    layer = Convolution(3, 5, 1)
    layer.bias = torch.nn.Parameter(torch.randn(5))
    x = torch.randn(2, 3, 2, 2)
    torch.testing.assert_close(layer(x), F.conv2d(x, layer.weight, layer.bias))
