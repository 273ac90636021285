"""The backbone's training, on single frames or on their order."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from skorch.callbacks import LRScheduler
from torch import nn
from torch.optim.lr_scheduler import OneCycleLR
from torch.utils.data import DataLoader, Dataset

from ..networks import (
    IMAGENET,
    N_FEATURES,
    Checkpoint,
    EpochProgress,
    GRUNetwork,
    MixedPrecisionNet,
    Normalisation,
    ResNet50,
    Weights,
    build_network,
    diverged,
    epoch_records,
    initialize_net,
    resolve_device,
    run_epochs,
    seeded,
    to_numpy,
)
from ..video import segment_indices
from .augmentation import augment

__all__ = ["train_backbone"]

_Augment = Callable[[torch.Tensor], torch.Tensor]


class _FrameObjective(nn.Module):
    """Classify single frames: the backbone and a linear layer."""

    def __init__(self, n_classes: int, weights: Weights | None, augment: _Augment) -> None:
        super().__init__()
        self.backbone = _start(weights)
        self.augment = augment
        self.head = nn.Linear(N_FEATURES, n_classes)

    def forward(self, frames: torch.Tensor) -> torch.Tensor:
        return self.head(self.backbone(self.augment(frames[:, None])))


class _ClipObjective(nn.Module):
    """Classify clips: the backbone on each of their frames and a temporary GRU."""

    def __init__(self, n_classes: int, weights: Weights | None, augment: _Augment) -> None:
        super().__init__()
        self.backbone = _start(weights)
        self.augment = augment
        self.head = GRUNetwork(N_FEATURES, n_classes)

    def forward(self, frames: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        real = torch.arange(frames.shape[1], device=frames.device) < lengths[:, None]
        found = self.backbone(self.augment(frames)[real.flatten()])
        features = found.new_zeros((*real.shape, N_FEATURES))
        # Torch draws a GRU's weights for few inputs: so many would drive its gates to their ends.
        features[real] = found / math.sqrt(N_FEATURES)
        return self.head(features, lengths)


def _start(weights: Weights | None) -> ResNet50:
    if weights is not None:
        return build_network(weights)
    network = ResNet50()
    network.zero_init_residual()
    return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


class _RandomFrames(Dataset):
    """Some random frames of every clip, anew in every epoch."""

    def __init__(self, clips: Sequence[np.ndarray], y: np.ndarray, per_clip: int) -> None:
        self.clips, self.y, self.per_clip = clips, y, per_clip

    def __len__(self) -> int:
        return len(self.clips) * self.per_clip

    def __getitem__(self, index: int) -> tuple[np.ndarray, int]:
        clip = self.clips[index // self.per_clip]
        return clip[int(torch.randint(len(clip), ()))], self.y[index // self.per_clip]


class _FramesInOrder(Dataset):
    """A random frame of each of a clip's equal segments, black ones where it is shorter."""

    def __init__(self, clips: Sequence[np.ndarray], y: np.ndarray, per_clip: int) -> None:
        self.clips, self.y = clips, y
        self.longest = min(per_clip, max(map(len, clips)))

    def __len__(self) -> int:
        return len(self.clips)

    def __getitem__(self, index: int) -> tuple[dict[str, Any], int]:
        clip = self.clips[index]
        n_frames = min(self.longest, len(clip))
        frames = np.zeros((self.longest, *clip.shape[1:]), np.uint8)
        frames[:n_frames] = clip[segment_indices(len(clip), torch.rand(n_frames).numpy())]
        return {"frames": frames, "lengths": n_frames}, self.y[index]


def train_backbone(
    clips: Sequence[np.ndarray],
    y: np.ndarray,
    *,
    weights: Weights | None = None,
    normalisation: Normalisation = IMAGENET,
    objective: str = "frame",
    max_epochs: int = 15,
    lr: float = 1e-3,
    weight_decay: float = 0.05,
    label_smoothing: float = 0.1,
    frames_per_clip: int = 4,
    batch_size: int = 64,
    augmentation: str = "light",
    mixed_precision: bool = False,
    seed: int = 0,
    device: str | torch.device = "auto",
    checkpoint: Path | None = None,
    verbose: int = 0,
) -> tuple[Weights, list[dict[str, float]]]:
    """Train a ResNet-50 to classify frames or clips.

    Cross-entropy with inverse-frequency class weights and label smoothing,
    AdamW [1]_, one-cycle schedule [2]_, random augmentation. From scratch, every
    residual block starts as the identity.

    Parameters
    ----------
    clips : sequence of ndarray of shape (T, H, W, 3), uint8
        The training clips' frames, at least one each.
    y : ndarray of shape (n_clips,), int64
        Classes 0, 1, ..., each at least once.
    weights : dict of str to ndarray, optional
        Weights to start from. None starts from scratch.
    normalisation : ((float, float, float), (float, float, float)), optional
        Mean and standard deviation of red, green and blue, in [0, 1], that turn
        pixels into the network's input; by default ImageNet's.
    objective : {"frame", "clip"}, default="frame"
        Learn from single frames, or from their order, through a temporary GRU.
    max_epochs : int, default=15
        Passes over the clips.
    lr : float, default=1e-3
        Highest learning rate of the schedule.
    weight_decay : float, default=0.05
        Weight decay.
    label_smoothing : float, default=0.1
        Share of the target spread over all classes.
    frames_per_clip : int, default=4
        Frames of each clip in an epoch: any, or for ``"clip"`` one at random from each of
        as many equal segments [3]_.
    batch_size : int, default=64
        Frames in a training step.
    augmentation : {"light", "strong"}, default="light"
        How examples vary at random, with ``"clip"`` all frames of a clip alike. Both
        change contrast by up to a fifth and brightness by up to 0.2 of the
        normalisation's deviation. ``"light"`` shifts by up to 1/32 of the frame;
        ``"strong"`` by up to 1/10, shows between 4/5 and 6/5 of its height and width, and
        mirrors half of them.
    mixed_precision : bool, default=False
        Whether to compute in bfloat16 where that does no harm.
    seed : int, default=0
        Seed of everything random.
    device : str or torch.device, default="auto"
        Where to compute.
    checkpoint : Path, optional
        File that an interrupted training is kept in, and goes on from.
    verbose : int, default=0
        With 1 or more, a progress bar.

    Returns
    -------
    weights : dict of str to ndarray
        The trained backbone's state dict.
    history : list of dict
        Numbers of every epoch.

    Raises
    ------
    ValueError
        If the training diverges.

    References
    ----------
    .. [1] I. Loshchilov, F. Hutter, "Decoupled Weight Decay Regularization",
       2017, arXiv:1711.05101.
    .. [2] L. N. Smith, N. Topin, "Super-Convergence", 2017, arXiv:1708.07120.
    .. [3] L. Wang et al., "Temporal Segment Networks", 2016, arXiv:1608.00859.
    """
    data: Any
    module: type[nn.Module]
    if objective == "frame":
        data, module = _RandomFrames(clips, y, frames_per_clip), _FrameObjective
        per_step = batch_size
    else:
        data, module = _FramesInOrder(clips, y, frames_per_clip), _ClipObjective
        per_step = max(2, batch_size // data.longest)
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
    if checkpoint is not None:
        callbacks.append(Checkpoint(checkpoint))
    if verbose:
        callbacks.append(EpochProgress(f"backbone ({objective})"))
    with seeded(seed):
        net = MixedPrecisionNet(
            module,
            mixed_precision=mixed_precision,
            module__n_classes=len(counts),
            module__weights=weights,
            module__augment=partial(
                augment, normalisation=normalisation, augmentation=augmentation
            ),
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
        initialize_net(net)
        run_epochs(net, data)
    if diverged(net):
        raise ValueError(
            f"The backbone's training has diverged: loss or weights are not finite. Lower lr={lr}."
        )
    return to_numpy(net.module_.backbone.state_dict()), epoch_records(net)
