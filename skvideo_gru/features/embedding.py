"""Compute the feature vectors of frames with the frozen backbone, in torch or another engine."""

from __future__ import annotations

import importlib
import threading
from collections.abc import Callable
from math import isfinite
from numbers import Real
from typing import Any

import joblib
import numpy as np
import torch

from ..extras import import_extra
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
    resolve_mixed_precision,
    to_onnx,
)

#: Engines that can run the network, and the packages that they require.
ENGINES: dict[str, tuple[str, ...]] = {
    "torch": ("torch",),
    "onnxruntime": ("onnx", "onnxruntime"),
    "openvino": ("onnx", "openvino"),  # torch's ONNX exporter requires onnx
}

Network = Callable[[torch.Tensor], torch.Tensor]

# Torch exports one network at a time.
_BUILDING = threading.Lock()


def frames_per_batch(n_pixels: int, device: torch.device) -> int:
    """Choose the number of frames per batch.

    A batch contains eight frames of 224 x 224 pixels on a CPU, which fit into its caches,
    and 128 on a GPU. Batches of smaller frames contain more of them.

    Parameters
    ----------
    n_pixels : int
        Number of pixels of a frame.
    device : torch.device
        Device of the network.

    Returns
    -------
    int
        Number of frames.
    """
    largest = 8 if device.type == "cpu" else 128
    return max(1, largest * 224**2 // n_pixels)


def embedding_precision(engine: str, mixed_precision: bool | str, device: torch.device) -> bool:
    """Convert a `mixed_precision` parameter to a bool for an engine.

    Parameters
    ----------
    engine : {"torch", "onnxruntime", "openvino"}
        What runs the network on a CPU.
    mixed_precision : bool or "auto"
        ``"auto"`` selects bfloat16 if the engine and the hardware compute in it.
    device : torch.device
        Device of the network.

    Returns
    -------
    bool
        Whether the network computes in bfloat16.
    """
    if mixed_precision == "auto" and engine == "onnxruntime" and device.type == "cpu":
        return False
    return resolve_mixed_precision(mixed_precision, device)


def check_engine(engine: str, mixed_precision: bool, device: torch.device) -> None:
    """Check that an engine is installed and supports the options.

    Parameters
    ----------
    engine : {"torch", "onnxruntime", "openvino"}
        The engine.
    mixed_precision : bool
        Whether the network computes in bfloat16.
    device : torch.device
        Device of the network. On a GPU, torch is always used.

    Raises
    ------
    ImportError
        If one of its packages is not installed.
    ValueError
        If the engine does not support bfloat16.
    """
    if device.type != "cpu":
        return
    for package in ENGINES[engine]:
        import_extra(package, extra=engine, purpose=f"engine={engine!r}")
    if engine == "onnxruntime" and mixed_precision:
        raise ValueError(
            "engine='onnxruntime' does not support mixed_precision=True; use 'torch' or "
            "'openvino'."
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
            kind = "positive, finite numbers" if name == "pixel_std" else "finite numbers"
            raise ValueError(f"{name}={values!r} must contain three {kind}.")
    return tuple(map(float, mean)), tuple(map(float, std))


def numeric_precision(engine: str, mixed_precision: bool, device: torch.device) -> str:
    """Name the numeric precision of the features, a part of their cache key.

    Parameters
    ----------
    engine : {"torch", "onnxruntime", "openvino"}
        What runs the network on a CPU.
    mixed_precision : bool
        Whether the network computes in bfloat16.
    device : torch.device
        Device of the network. Torch computes float32 in TF32 on GPUs that support it,
        unless ``torch.backends.cudnn`` disables it.

    Returns
    -------
    str
        ``"float32"``, ``"TF32"``, or ``"bfloat16 by"`` and the engine.
    """
    if mixed_precision:  # each engine rounds different intermediate results
        return f"bfloat16 by {engine if device.type == 'cpu' else 'torch'}"
    conv: Any = torch.backends.cudnn.conv  # type: ignore[attr-defined]
    tf32 = device.type == "cuda" and conv.fp32_precision == "tf32"
    return "TF32" if tf32 else "float32"


class FrameEmbedder:
    """Compute the feature vectors of frames with a frozen backbone.

    Each process builds the network once, when it is first used. A pickled embedder
    contains only the weights.

    Parameters
    ----------
    weights : dict of str to ndarray
        The backbone's state dict.
    normalisation : ((float, float, float), (float, float, float)), optional
        Mean and standard deviation of red, green and blue, for values in [0, 1].
    engine : {"torch", "onnxruntime", "openvino"}, default="torch"
        What runs the network on a CPU; the other two require the packages of these names.
        On a GPU, torch is always used.
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
        """Identify the network.

        Returns
        -------
        str
            Hash of the weights and the normalisation.
        """
        if not self._digest:
            self._digest = str(joblib.hash((self.weights, self.normalisation)))
        return self._digest

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the weights and settings, without the network."""
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
            Device of the network.

        Returns
        -------
        ndarray of shape (T, 2048), float32
            One feature vector per frame.

        Raises
        ------
        ImportError
            If the engine is not installed.
        ValueError
            If the engine does not support bfloat16.
        """
        if not len(frames):
            return np.empty((0, N_FEATURES), np.float32)
        device = resolve_device(device, training=False)
        with _BUILDING:
            if device not in self._networks:
                self._networks[device] = self._build(device)
        network = self._networks[device]
        pixels = torch.from_numpy(np.ascontiguousarray(frames))
        if device.type == "cuda":
            pixels = pixels.pin_memory()  # allows an asynchronous transfer
        with torch.inference_mode():
            batches = pixels.split(frames_per_batch(frames[0, ..., 0].size, device))
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


# The latest unpickled embedder: the next task in this process reuses its network.
_last_unpickled: list[FrameEmbedder] = []


def _unpickle(
    digest: str, weights: Weights, normalisation: Normalisation, *how: Any
) -> FrameEmbedder:
    for known in _last_unpickled[:]:  # a copy, because another thread may replace the entry
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
    axes = {"frames": {0: "n", 2: "height", 3: "width"}, "features": {0: "n"}}
    return to_onnx(folded, {"frames": torch.zeros(1, 3, 64, 64)}, "features", axes)


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
        # By default, OpenVINO computes in bfloat16 if the processor supports it.
        "INFERENCE_PRECISION_HINT": "bf16" if dtype == torch.bfloat16 else "f32",
    }
    # OpenVINO's convert_model would send usage statistics over the internet.
    compiled = core.compile_model(core.read_model(_exported(folded)), "CPU", options)

    def run(inputs: torch.Tensor) -> torch.Tensor:
        # `compiled` has one inference request, which threads would share.
        request = compiled.create_infer_request()
        return torch.from_numpy(request.infer(inputs.contiguous().numpy(), share_inputs=True)[0])

    # If several threads ran the first inference at once, they would deadlock.
    run(torch.zeros(1, 3, 32, 32))
    return run
