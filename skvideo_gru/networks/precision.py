"""Choice of the numeric precision that suits the hardware."""

from __future__ import annotations

import torch

# Instruction sets of a CPU that compute in bfloat16.
_BFLOAT16 = ("amx_bf16", "avx512_bf16")


def resolve_mixed_precision(mixed_precision: bool | str, device: torch.device) -> bool:
    """Convert a `mixed_precision` parameter to a bool.

    Parameters
    ----------
    mixed_precision : bool or "auto"
        ``"auto"`` selects bfloat16 if the hardware computes in it: NVIDIA GPUs since Ampere,
        AMD GPUs, and CPUs with AMX-BF16 or AVX512-BF16. Elsewhere it would be emulated.
    device : torch.device
        Device of the network.

    Returns
    -------
    bool
        Whether to compute in bfloat16.
    """
    if mixed_precision != "auto":
        return bool(mixed_precision)
    if device.type == "cuda":
        with torch.cuda.device(device):
            return torch.cuda.is_bf16_supported(including_emulation=False)
    if device.type == "cpu":
        capabilities = torch.cpu.get_capabilities()
        return any(capabilities.get(name, False) for name in _BFLOAT16)
    return False
