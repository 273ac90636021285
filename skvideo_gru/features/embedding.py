"""Frames to feature vectors: the frozen backbone at work, by torch or another engine."""

from __future__ import annotations

import importlib
import threading
import warnings
from collections.abc import Callable
from io import BytesIO
from math import isfinite
from numbers import Real
from typing import Any

import joblib
import numpy as np
import torch

from ..networks import (
    IMAGENET,
    N_FEATURES,
    Normalisation,
    ResNet50,
    Weights,
    build_network,
    fold_batch_norm,
    normalise,
    resolve_device,
)

__all__ = [
    "ENGINES",
    "FrameEmbedder",
    "check_engine",
    "check_normalisation",
    "frames_per_batch",
    "numeric_precision",
]

#: What can run the network, and the packages that it takes.
ENGINES: dict[str, tuple[str, ...]] = {
    "torch": ("torch",),
    "onnxruntime": ("onnx", "onnxruntime"),
    "openvino": ("onnx", "openvino"),  # both read what torch's exporter writes with the first
}

Network = Callable[[torch.Tensor], torch.Tensor]

# Torch exports one network at a time.
_BUILDING = threading.Lock()


def frames_per_batch(n_pixels: int, device: torch.device) -> int:
    """Choose how many frames the network computes at once.

    Eight frames of 224 pixels fill a processor's cache best, and a GPU wants many;
    smaller frames go in larger batches.

    Parameters
    ----------
    n_pixels : int
        Pixels of a frame.
    device : torch.device
        Where the network computes.

    Returns
    -------
    int
        Number of frames.
    """
    largest = 8 if device.type == "cpu" else 128
    return max(1, largest * 224**2 // n_pixels)


def check_engine(engine: str, mixed_precision: bool, device: torch.device) -> None:
    """Tell early whether an engine can do what it is asked.

    Parameters
    ----------
    engine : {"torch", "onnxruntime", "openvino"}
        The engine.
    mixed_precision : bool
        Whether it is to compute in bfloat16.
    device : torch.device
        Where; a GPU is always torch's.

    Raises
    ------
    ImportError
        If one of its packages is not installed.
    ValueError
        If it cannot compute in bfloat16.
    """
    if device.type != "cpu":
        return
    for package in ENGINES[engine]:
        try:
            importlib.import_module(package)
        except ImportError as error:
            raise ImportError(
                f"engine={engine!r} needs the package {package}: "
                f"pip install 'skvideo-gru[{engine}]'."
            ) from error
    if engine == "onnxruntime" and mixed_precision:
        raise ValueError(
            "engine='onnxruntime' has no mixed_precision=True; take 'torch' or 'openvino'."
        )


def check_normalisation(mean: Any, std: Any) -> Normalisation:
    """Check the parameters `pixel_mean` and `pixel_std`.

    Parameters
    ----------
    mean, std : sequence of float
        Mean and standard deviation of red, green and blue, for values in [0, 1].

    Returns
    -------
    ((float, float, float), (float, float, float))
        The same as tuples.

    Raises
    ------
    ValueError
        If they are not three finite numbers, or a deviation is not positive.
    """
    for name, values in (("pixel_mean", mean), ("pixel_std", std)):
        numbers = all(isinstance(value, Real) and isfinite(value) for value in values)
        if len(values) != 3 or not numbers or (name == "pixel_std" and min(values) <= 0):
            kind = "positive numbers" if name == "pixel_std" else "numbers"
            raise ValueError(f"{name}={values!r} must contain three {kind}.")
    return tuple(map(float, mean)), tuple(map(float, std))


def numeric_precision(engine: str, mixed_precision: bool, device: torch.device) -> str:
    """Name the arithmetic of the features; others differ in more than the last digit.

    Parameters
    ----------
    engine : {"torch", "onnxruntime", "openvino"}
        What runs the network on a CPU.
    mixed_precision : bool
        Whether in bfloat16.
    device : torch.device
        Where it runs. Torch computes float32 in TF32 on GPUs that have it, unless
        ``torch.backends.cudnn`` says otherwise.

    Returns
    -------
    str
        The name.
    """
    if mixed_precision:  # whose roundings each engine places elsewhere
        return f"bfloat16 by {engine if device.type == 'cpu' else 'torch'}"
    conv: Any = torch.backends.cudnn.conv  # type: ignore[attr-defined]
    tf32 = device.type == "cuda" and conv.fp32_precision == "tf32"
    return "TF32" if tf32 else "float32"


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
    engine : {"torch", "onnxruntime", "openvino"}, default="torch"
        What runs the network on a CPU. The others are packages of these names. A GPU
        is torch's.
    mixed_precision : bool, default=False
        Whether the network computes in bfloat16; not with ``"onnxruntime"``.
    """

    def __init__(
        self,
        weights: Weights,
        normalisation: Normalisation = IMAGENET,
        engine: str = "torch",
        mixed_precision: bool = False,
    ) -> None:
        self.weights, self.normalisation = weights, normalisation
        self.engine, self.mixed_precision = engine, mixed_precision
        self._networks: dict[torch.device, Network] = {}
        self._digest = ""

    @property
    def digest(self) -> str:
        """Name the network.

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
        return _unpickle, (self.digest, self.weights, self.normalisation, *self._how)

    @property
    def _how(self) -> tuple[str, bool]:
        return self.engine, self.mixed_precision

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
            If the engine is not installed.
        ValueError
            If it has no bfloat16.
        """
        if not len(frames):
            return np.empty((0, N_FEATURES), np.float32)
        device = resolve_device(device, training=False)
        with _BUILDING:
            if device not in self._networks:
                self._networks[device] = self._build(device)
        network = self._networks[device]
        whole = torch.from_numpy(np.ascontiguousarray(frames))
        if device.type == "cuda":
            whole = whole.pin_memory()  # so that the processor need not wait for the transfer
        with torch.inference_mode():
            batches = whole.split(frames_per_batch(frames[0, ..., 0].size, device))
            parts = [
                network(normalise(part.to(device, non_blocking=True), self.normalisation))
                for part in batches
            ]
            return torch.cat(parts).float().cpu().numpy()

    def _build(self, device: torch.device) -> Network:
        check_engine(*self._how, device)
        folded = fold_batch_norm(build_network(self.weights))
        dtype = torch.bfloat16 if self.mixed_precision else torch.float32
        if self.engine == "torch" or device.type != "cpu":
            return _torch_network(folded, device, dtype)
        if self.engine == "onnxruntime":
            return _onnx_network(folded)
        return _openvino_network(folded, dtype)


# The embedder that came to this process last, so that the next task finds its network built.
_last_unpickled: list[FrameEmbedder] = []


def _unpickle(
    digest: str, weights: Weights, normalisation: Normalisation, *how: Any
) -> FrameEmbedder:
    for known in _last_unpickled[:]:  # a copy: another thread's may take its place
        if (known.digest, *known._how) == (digest, *how):
            return known
    embedder = FrameEmbedder(weights, normalisation, *how)
    embedder._digest = digest
    _last_unpickled[:] = [embedder]
    return embedder


def _torch_network(folded: ResNet50, device: torch.device, dtype: torch.dtype) -> Network:
    network = folded.to(device, dtype)
    network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return lambda inputs: network(inputs.to(dtype))


def _exported(folded: ResNet50) -> bytes:
    """Write the network in ONNX's format."""
    file = BytesIO()
    with warnings.catch_warnings():
        # The exporter by tracing is the old one: the new one takes 13 seconds, this one 2.
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.onnx.export(
            folded,
            (torch.zeros(1, 3, 64, 64),),
            file,  # type: ignore[arg-type]
            input_names=["frames"],
            dynamic_axes={"frames": {0: "n", 2: "height", 3: "width"}},
            dynamo=False,
        )
    return file.getvalue()


def _onnx_network(folded: ResNet50) -> Network:
    onnxruntime = importlib.import_module("onnxruntime")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(
        _exported(folded), options, providers=["CPUExecutionProvider"]
    )

    def run(inputs: torch.Tensor) -> torch.Tensor:
        return torch.from_numpy(session.run(None, {"frames": inputs.contiguous().numpy()})[0])

    return run


def _openvino_network(folded: ResNet50, dtype: torch.dtype) -> Network:
    core = importlib.import_module("openvino").Core()
    options = {
        "INFERENCE_NUM_THREADS": torch.get_num_threads(),
        # Left to itself it computes in bfloat16 where the processor can.
        "INFERENCE_PRECISION_HINT": "bf16" if dtype == torch.bfloat16 else "f32",
    }
    # Not its own convert_model, which reports its use over the network.
    compiled = core.compile_model(core.read_model(_exported(folded)), "CPU", options)

    def run(inputs: torch.Tensor) -> torch.Tensor:
        # A request of its own for each call: threads would share that of `compiled`.
        request = compiled.create_infer_request()
        return torch.from_numpy(request.infer(inputs.contiguous().numpy(), share_inputs=True)[0])

    # Threads that are the first to use it, several at once, would wait for each other for ever.
    run(torch.zeros(1, 3, 32, 32))
    return run
