"""Export of networks to the ONNX format."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from io import BytesIO

import torch
from torch import nn

# Version of ONNX's operators. ONNX Runtime reads it since version 1.12.
_OPSET = 17


def to_onnx(
    network: nn.Module,
    inputs: Mapping[str, torch.Tensor],
    output: str,
    dynamic_axes: Mapping[str, Mapping[int, str]],
) -> bytes:
    """Export a network to ONNX by tracing it.

    Parameters
    ----------
    network : Module
        The network, in evaluation mode.
    inputs : mapping of str to Tensor
        Names and example values of the inputs, in the order of `network.forward`.
    output : str
        Name of the output.
    dynamic_axes : mapping of str to mapping of int to str
        Names of the axes of inputs and outputs whose length may differ from the example.

    Returns
    -------
    bytes
        The ONNX model.
    """
    file = BytesIO()
    with warnings.catch_warnings():
        # The deprecated exporter takes 2 seconds and requires onnx only. The new one takes 13.
        # Tracing warns of branches, which are the same for all inputs.
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.simplefilter("ignore", torch.jit.TracerWarning)
        warnings.filterwarnings("ignore", "Exporting a model to ONNX with a batch_size other")
        torch.onnx.export(
            network,
            tuple(inputs.values()),
            file,  # type: ignore[arg-type]
            input_names=list(inputs),
            output_names=[output],
            dynamic_axes=dynamic_axes,
            opset_version=_OPSET,
            dynamo=False,
        )
    return file.getvalue()
