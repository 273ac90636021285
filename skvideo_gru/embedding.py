"""Frames to feature vectors: the frozen backbone at work, by torch or ONNX Runtime."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Callable
from io import BytesIO
from typing import Any

import joblib
import numpy as np
import torch

from .resnet import IMAGENET, N_FEATURES, Normalisation, fold_batch_norm, normalise
from .runtime import resolve_device
from .weights import Weights, build_network

__all__ = ["ENGINES", "FrameEmbedder", "frames_per_batch"]

#: What can run the network.
ENGINES = ("torch", "onnxruntime")

Network = Callable[[torch.Tensor], np.ndarray]


def frames_per_batch(height: int, width: int) -> int:
    """Choose how many frames the network computes at once.

    Eight frames of 224 pixels fill a processor's cache best; smaller frames go
    in larger batches.

    Parameters
    ----------
    height, width : int
        A frame's size.

    Returns
    -------
    int
        Number of frames.
    """
    return max(1, 8 * 224 * 224 // (height * width))


class FrameEmbedder:
    """Turn frames into feature vectors with a frozen backbone.

    The network is built when it is first needed, and again in every process
    that the embedder is sent to, but only once there; only the weights travel.

    Parameters
    ----------
    weights : dict of str to ndarray
        The backbone's state dict.
    normalisation : ((float, float, float), (float, float, float)), optional
        Mean and standard deviation of red, green and blue, in [0, 1].
    engine : {"torch", "onnxruntime"}, default="torch"
        What runs the network on a CPU. For the second the package onnxruntime is
        needed. A GPU is torch's.
    """

    def __init__(
        self,
        weights: Weights,
        normalisation: Normalisation = IMAGENET,
        engine: str = "torch",
    ) -> None:
        self.weights, self.normalisation, self.engine = weights, normalisation, engine
        self._networks: dict[torch.device, Network] = {}
        self._digest = ""

    @property
    def digest(self) -> str:
        """What the features depend on besides the frames.

        Returns
        -------
        str
            A hash of weights and normalisation.
        """
        if not self._digest:
            self._digest = str(joblib.hash((self.weights, self.normalisation)))
        return self._digest

    def __reduce__(self) -> tuple[Any, ...]:
        """Travel without the network."""
        return _arrive, (self.digest, self.weights, self.normalisation, self.engine)

    def __call__(self, frames: np.ndarray, device: str | torch.device = "auto") -> np.ndarray:
        """Embed frames.

        Parameters
        ----------
        frames : ndarray of shape (T, H, W, 3), uint8
            Frames.
        device : str or torch.device, default="auto"
            Where to compute.

        Returns
        -------
        ndarray of shape (T, 2048), float32
            One feature vector a frame.

        Raises
        ------
        ImportError
            If onnxruntime is needed and not installed.
        """
        device = resolve_device(device, training=False)
        if device not in self._networks:
            on_onnx = self.engine == "onnxruntime" and device.type == "cpu"
            self._networks[device] = (_onnx_network if on_onnx else _torch_network)(
                self.weights, device
            )
        network = self._networks[device]
        with torch.inference_mode():
            batches = torch.from_numpy(np.ascontiguousarray(frames)).split(
                frames_per_batch(*frames.shape[1:3])
            )
            parts = [network(normalise(part.to(device), self.normalisation)) for part in batches]
        return np.concatenate(parts) if parts else np.empty((0, N_FEATURES), np.float32)


# The embedder that came to this process last, so that the next task finds its network built.
_arrived: list[FrameEmbedder] = []


def _arrive(
    digest: str, weights: Weights, normalisation: Normalisation, engine: str
) -> FrameEmbedder:
    if not _arrived or (_arrived[0].digest, _arrived[0].engine) != (digest, engine):
        embedder = FrameEmbedder(weights, normalisation, engine)
        embedder._digest = digest
        _arrived[:] = [embedder]
    return _arrived[0]


def _torch_network(weights: Weights, device: torch.device) -> Network:
    network = fold_batch_norm(build_network(weights)).to(device)
    network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def run(inputs: torch.Tensor) -> np.ndarray:
        return network(inputs).float().cpu().numpy()

    return run


def _onnx_network(weights: Weights, device: torch.device) -> Network:
    try:
        importlib.import_module("onnx")  # torch's exporter wants it
        onnxruntime = importlib.import_module("onnxruntime")
    except ImportError as error:
        raise ImportError(
            f"engine='onnxruntime' needs the package {error.name}: "
            "pip install 'skvideo-gru[onnxruntime]'."
        ) from error
    network = fold_batch_norm(build_network(weights))
    exported = BytesIO()
    with warnings.catch_warnings():
        # The exporter by tracing is the old one: the new one takes 13 seconds, this one 2.
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.onnx.export(
            network,
            (torch.zeros(1, 3, 64, 64),),
            exported,  # type: ignore[arg-type]
            input_names=["frames"],
            dynamic_axes={"frames": {0: "n", 2: "height", 3: "width"}},
            dynamo=False,
        )
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(
        exported.getvalue(), options, providers=["CPUExecutionProvider"]
    )

    def run(inputs: torch.Tensor) -> np.ndarray:
        return session.run(None, {"frames": inputs.contiguous().numpy()})[0]

    return run
