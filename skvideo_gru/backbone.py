"""The backbone's life: its first weights, its training on frames or clips, its use."""

from __future__ import annotations

import importlib
import os
import tempfile
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from skorch import NeuralNet
from skorch.callbacks import LRScheduler
from torch import nn
from torch.optim.lr_scheduler import OneCycleLR
from torch.utils.data import DataLoader, Dataset

from .gru import GRUNetwork
from .resnet import N_FEATURES, ResNet50, fold_batch_norm
from .runtime import EpochProgress, epoch_records, fit_net, resolve_device, seeded

__all__ = [
    "FrameEmbedder",
    "Weights",
    "initial_weights",
    "load_weights",
    "save_weights",
    "train_backbone",
]

#: A backbone's state dict as numpy arrays, so that it knows no device.
Weights = dict[str, np.ndarray]

# ImageNet's mean and standard deviation of red, green and blue, for values in
# [0, 1]: what torchvision's weights expect, and as good as any from scratch.
_MEAN = (0.485, 0.456, 0.406)
_STD = (0.229, 0.224, 0.225)


def initial_weights(seed: int) -> Weights:
    """Draw the weights of an untrained ResNet-50.

    Parameters
    ----------
    seed : int
        Seed of the draw.

    Returns
    -------
    dict of str to ndarray
        A state dict.
    """
    with seeded(seed):
        return _to_numpy(ResNet50().state_dict())


def load_weights(path: str | os.PathLike[str]) -> Weights:
    """Load a state dict in torchvision's layout for ``resnet50``.

    Parameters
    ----------
    path : str or os.PathLike
        A file that ``torch.save`` wrote, or a ``.safetensors`` file, for which
        the package safetensors is needed. Neither can run code: the first is
        read with ``weights_only=True``. Entries ``fc.*`` are ignored.

    Returns
    -------
    dict of str to ndarray
        The state dict.

    Raises
    ------
    ValueError
        If the file is no state dict or does not fit.
    FileNotFoundError
        If there is no such file.
    ImportError
        If safetensors is needed and not installed.
    """
    name = os.fspath(path)
    if not os.path.exists(name):
        raise FileNotFoundError(f"weights={name!r}: there is no such file.")
    reader = "torch.load(weights_only=True)"
    try:
        if name.endswith(".safetensors"):
            reader = "safetensors"
            state = _safetensors(name).load_file(name)
        else:
            state = torch.load(path, map_location="cpu", weights_only=True)
        entries = {key: value for key, value in state.items() if not key.startswith("fc.")}
    except ImportError:
        raise
    except Exception as error:  # neither names errors of its own for a file it cannot read
        raise ValueError(
            f"weights={name!r} is no state dict that {reader} can read: {error}"
        ) from error
    try:
        with torch.device("meta"):
            network = ResNet50()
        network.load_state_dict(entries, strict=True, assign=True)
    except RuntimeError as error:
        raise ValueError(
            f"weights={name!r} does not fit a ResNet-50 in torchvision's layout: "
            f"{' '.join(str(error).split())}"
        ) from error
    return _to_numpy(network.state_dict())


def save_weights(weights: Weights, path: str | os.PathLike[str]) -> None:
    """Save a state dict so that `load_weights` and torchvision can load it.

    Parameters
    ----------
    weights : dict of str to ndarray
        The state dict.
    path : str or os.PathLike
        File to write: with the ending ``.safetensors`` in that format, for which
        the package safetensors is needed, else as ``torch.save`` does. What was
        there is replaced at once, when all is written.

    Raises
    ------
    ImportError
        If safetensors is needed and not installed.
    OSError
        If the file cannot be written.
    """
    name = os.fspath(path)
    state = {key: torch.tensor(array) for key, array in weights.items()}
    save = _safetensors(name).save_file if name.endswith(".safetensors") else torch.save
    folder = os.path.dirname(os.path.abspath(name))
    with tempfile.TemporaryDirectory(prefix=".weights-", dir=folder) as unfinished:
        save(state, os.path.join(unfinished, "weights"))
        os.replace(os.path.join(unfinished, "weights"), name)


def _safetensors(name: str) -> Any:
    try:
        return importlib.import_module("safetensors.torch")
    except ImportError as error:
        raise ImportError(
            f"{name!r} needs the package safetensors: pip install 'skvideo-gru[safetensors]'."
        ) from error


def _to_numpy(state: dict[str, torch.Tensor]) -> Weights:
    return {name: tensor.detach().cpu().numpy().copy() for name, tensor in state.items()}


def _network(weights: Weights) -> ResNet50:
    # On no device, so that no initial weights are drawn for nothing.
    with torch.device("meta"):
        network = ResNet50()
    state = {name: torch.tensor(array) for name, array in weights.items()}
    network.load_state_dict(state, assign=True)
    return network


def _channels_last(network: ResNet50) -> ResNet50:
    return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def _normalise(frames: torch.Tensor) -> torch.Tensor:
    """Turn uint8 (n, H, W, 3) into normalised float (n, 3, H, W), channels last in memory."""
    mean = torch.tensor(_MEAN, device=frames.device) * 255
    std = torch.tensor(_STD, device=frames.device) * 255
    return ((frames.float() - mean) / std).permute(0, 3, 1, 2)


def _augment(frames: torch.Tensor) -> torch.Tensor:
    """Shift and re-light clips at random, all frames of a clip alike.

    Takes uint8 (n, T, H, W, 3) and returns normalised float (n * T, 3, H, W).
    Shifts go up to 1/32 of the frame; beyond it its edge repeats.
    """
    n, n_frames, height, width, _ = frames.shape

    def shifted(length: int) -> torch.Tensor:
        reach = length // 32
        shift = torch.randint(-reach, reach + 1, (n, 1))
        return (torch.arange(length) + shift).clamp(0, length - 1).to(frames.device)

    rows, columns = shifted(height)[:, None, :, None], shifted(width)[:, None, None, :]
    clip = torch.arange(n, device=frames.device)[:, None, None, None]
    moment = torch.arange(n_frames, device=frames.device)[None, :, None, None]
    pictures = _normalise(frames[clip, moment, rows, columns].flatten(0, 1))
    contrast = 0.8 + 0.4 * torch.rand(n, 1, 1, 1)
    brightness = 0.4 * torch.rand(n, 1, 1, 1) - 0.2
    contrast = contrast.repeat_interleave(n_frames, 0).to(frames.device)
    return pictures * contrast + brightness.repeat_interleave(n_frames, 0).to(frames.device)


class _FrameObjective(nn.Module):
    """Classify single frames: the backbone and a linear layer."""

    def __init__(self, n_classes: int, weights: Weights | None) -> None:
        super().__init__()
        self.backbone = _start(weights)
        self.head = nn.Linear(N_FEATURES, n_classes)

    def forward(self, frames: torch.Tensor) -> torch.Tensor:
        return self.head(self.backbone(_augment(frames[:, None])))


class _ClipObjective(nn.Module):
    """Classify whole clips: the backbone on every frame and a temporary GRU."""

    def __init__(self, n_classes: int, weights: Weights | None) -> None:
        super().__init__()
        self.backbone = _start(weights)
        self.head = GRUNetwork(N_FEATURES, n_classes)

    def forward(self, frames: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        real = torch.arange(frames.shape[1], device=frames.device) < lengths[:, None]
        features = frames.new_zeros((*real.shape, N_FEATURES), dtype=torch.float32)
        features[real] = self.backbone(_augment(frames)[real.flatten()])
        return self.head(features, lengths)


def _start(weights: Weights | None) -> ResNet50:
    if weights is not None:
        return _channels_last(_network(weights))
    network = ResNet50()
    network.zero_init_residual()
    return _channels_last(network)


class _RandomFrames(Dataset):
    """Some random frames of every clip, anew in every epoch."""

    def __init__(self, clips: Sequence[np.ndarray], y: np.ndarray, per_clip: int) -> None:
        self.clips, self.y, self.per_clip = clips, y, per_clip

    def __len__(self) -> int:
        return len(self.clips) * self.per_clip

    def __getitem__(self, index: int) -> tuple[np.ndarray, int]:
        clip = self.clips[index // self.per_clip]
        return clip[int(torch.randint(len(clip), ()))], self.y[index // self.per_clip]


class _WholeClips(Dataset):
    """Every clip with all of its frames, and black ones up to the longest clip's length."""

    def __init__(self, clips: Sequence[np.ndarray], y: np.ndarray) -> None:
        self.clips, self.y = clips, y
        self.longest = max(map(len, clips))

    def __len__(self) -> int:
        return len(self.clips)

    def __getitem__(self, index: int) -> tuple[dict[str, Any], int]:
        clip = self.clips[index]
        frames = np.zeros((self.longest, *clip.shape[1:]), np.uint8)
        frames[: len(clip)] = clip
        return {"frames": frames, "lengths": len(clip)}, self.y[index]


def train_backbone(
    clips: Sequence[np.ndarray],
    y: np.ndarray,
    *,
    weights: Weights | None = None,
    objective: str = "frame",
    max_epochs: int = 15,
    lr: float = 1e-3,
    weight_decay: float = 0.05,
    label_smoothing: float = 0.1,
    frames_per_clip: int = 4,
    batch_size: int = 64,
    seed: int = 0,
    device: str | torch.device = "auto",
    verbose: int = 0,
) -> tuple[Weights, list[dict[str, float]]]:
    """Train a ResNet-50 to classify frames or clips.

    Cross-entropy with inverse-frequency class weights and label smoothing,
    AdamW [1]_, one-cycle schedule [2]_; shifts, contrast and brightness vary at
    random. From scratch, every residual block starts as the identity.

    Parameters
    ----------
    clips : sequence of ndarray of shape (T, H, W, 3), uint8
        The training clips' frames, at least one each.
    y : ndarray of shape (n_clips,), int64
        Classes 0, 1, ..., each at least once.
    weights : dict of str to ndarray, optional
        Weights to start from. None starts from scratch.
    objective : {"frame", "clip"}, default="frame"
        Learn from single frames, or from whole clips through a temporary GRU.
    max_epochs : int, default=15
        Passes over the clips.
    lr : float, default=1e-3
        Highest learning rate of the schedule.
    weight_decay : float, default=0.05
        Weight decay.
    label_smoothing : float, default=0.1
        Share of the target spread over all classes.
    frames_per_clip : int, default=4
        Random frames that ``"frame"`` takes of each clip in an epoch.
    batch_size : int, default=64
        Frames in a training step.
    seed : int, default=0
        Seed of everything random.
    device : str or torch.device, default="auto"
        Where to compute.
    verbose : int, default=0
        With 1 or more, a progress bar.

    Returns
    -------
    weights : dict of str to ndarray
        The trained backbone's state dict.
    history : list of dict
        Numbers of every epoch.

    References
    ----------
    .. [1] I. Loshchilov, F. Hutter, "Decoupled Weight Decay Regularization",
       2017, arXiv:1711.05101.
    .. [2] L. N. Smith, N. Topin, "Super-Convergence", 2017, arXiv:1708.07120.
    """
    data: Any
    module: type[nn.Module]
    if objective == "frame":
        data, module, per_step = (
            _RandomFrames(clips, y, frames_per_clip),
            _FrameObjective,
            batch_size,
        )
    else:
        data, module = _WholeClips(clips, y), _ClipObjective
        per_step = max(2, batch_size // max(map(len, clips)))
    n_examples = len(data)
    # A last batch of one frame would leave BatchNorm nothing to normalise over.
    drop_last = n_examples > per_step
    n_steps = n_examples // per_step if drop_last else 1
    counts = np.bincount(y)
    callbacks: list[Any] = [
        LRScheduler(
            policy=OneCycleLR, step_every="batch", max_lr=lr, total_steps=max_epochs * n_steps
        )
    ]
    if verbose:
        callbacks.append(EpochProgress(f"backbone ({objective})"))
    with seeded(seed):
        net = NeuralNet(
            module,
            module__n_classes=len(counts),
            module__weights=weights,
            criterion=nn.CrossEntropyLoss,
            criterion__weight=torch.tensor(len(y) / (len(counts) * counts), dtype=torch.float32),
            criterion__label_smoothing=label_smoothing,
            optimizer=torch.optim.AdamW,
            optimizer__weight_decay=weight_decay,
            optimizer__fused=True,
            lr=lr,
            max_epochs=max_epochs,
            batch_size=per_step,
            iterator_train=DataLoader,
            iterator_train__shuffle=True,
            iterator_train__drop_last=drop_last,
            train_split=None,
            callbacks=callbacks,
            device=resolve_device(device),
            verbose=0,
        )
        fit_net(net, data)
    return _to_numpy(net.module_.backbone.state_dict()), epoch_records(net)


class FrameEmbedder:
    """Turn frames into feature vectors with a frozen backbone.

    The network is built when it is first needed, and again in every process
    that the embedder is sent to; only the weights travel.

    Parameters
    ----------
    weights : dict of str to ndarray
        The backbone's state dict.
    """

    def __init__(self, weights: Weights) -> None:
        self.weights = weights
        self._networks: dict[torch.device, ResNet50] = {}

    def __getstate__(self) -> dict[str, Any]:
        """Return what travels: not the network."""
        return {"weights": self.weights, "_networks": {}}

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
        """
        device = resolve_device(device, training=False)
        if device not in self._networks:
            network = fold_batch_norm(_network(self.weights))
            self._networks[device] = _channels_last(network).to(device)
        network = self._networks[device]
        with torch.inference_mode():
            parts = [network(_normalise(part.to(device))) for part in _batches(frames)]
            return torch.cat(parts).float().cpu().numpy()


def _batches(frames: np.ndarray) -> Iterator[torch.Tensor]:
    # Eight frames of 224 pixels fill the cache best; smaller frames go in larger batches.
    n_pixels = frames.shape[1] * frames.shape[2]
    per_batch = max(1, 8 * 224 * 224 // n_pixels)
    yield from torch.from_numpy(np.ascontiguousarray(frames)).split(per_batch)
