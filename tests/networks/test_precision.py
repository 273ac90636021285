import pytest
import torch
from conftest import needs_gpu

from skvideo_gru.networks.precision import resolve_mixed_precision

CPU = torch.device("cpu")


@pytest.mark.parametrize("capability", ["amx_bf16", "avx512_bf16", None])
def test_auto_is_bfloat16_on_processors_that_compute_in_it(monkeypatch, capability):
    known = dict.fromkeys(["avx2", "avx512_f", "amx_tile", "amx_bf16", "avx512_bf16"], False)
    known |= {} if capability is None else {capability: True}
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: known)
    assert resolve_mixed_precision("auto", CPU) is (capability is not None)
    for value in (True, False):
        assert resolve_mixed_precision(value, CPU) is value


def test_auto_is_float32_on_processors_without_known_capabilities(monkeypatch):
    monkeypatch.setattr(torch.cpu, "get_capabilities", dict)
    assert resolve_mixed_precision("auto", CPU) is False
    assert resolve_mixed_precision("auto", torch.device("meta")) is False


@needs_gpu
def test_auto_on_a_gpu_depends_on_its_architecture():
    native = torch.cuda.get_device_capability()[0] >= 8
    assert resolve_mixed_precision("auto", torch.device("cuda")) is native
