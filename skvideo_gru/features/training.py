"""The backbone's training, on single frames or on whole clips."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from skorch.callbacks import Callback
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_swa_avg_fn
from torch.utils.data import DataLoader, Dataset, RandomSampler

from ..networks import (
    IMAGENET,
    N_FEATURES,
    Checkpoint,
    EpochEvents,
    EpochProgress,
    GRUNetwork,
    Normalisation,
    ResNet50,
    Weights,
    build_network,
    diverged,
    epoch_records,
    gather_results,
    initialize_net,
    learning_rate_schedule,
    n_processes,
    remove_checkpoint,
    resolve_device,
    run_epochs,
    seeded,
    to_numpy,
    train_together,
)
from ..video import segment_indices
from .augmentation import augment
from .mixing import MixupNet, blend, collate_pairs

# The smallest number of epochs of a training without `max_epochs`.
_MIN_EPOCHS = 5
# The weights after at least so many steps are averaged, and after at most twice as many, if the
# second half of the training has them; otherwise after all of its steps.
_N_AVERAGED = 150
# Largest share of a clip that the augmentation "time" removes.
_TIME = 0.2

_Augment = Callable[[torch.Tensor], torch.Tensor]


class _Objective(nn.Module):
    """The backbone, on augmented and perhaps blended frames."""

    def __init__(self, weights: Weights | None, augment: _Augment) -> None:
        super().__init__()
        self.backbone = _start(weights)
        self.augment = augment
        # A part of the module, so that checkpoints contain it.
        self.average = AveragedModel(
            self.backbone, avg_fn=get_swa_avg_fn(), use_buffers=True
        ).requires_grad_(False)

    def images(self, frames: torch.Tensor, pairs: dict[str, torch.Tensor]) -> torch.Tensor:
        """Return the network's input for frames of shape (N, T, H, W, 3)."""
        images = self.augment(frames)
        return blend(images, **pairs) if pairs else images


class _FrameObjective(_Objective):
    """Classify single frames: the backbone and a linear layer."""

    def __init__(self, n_classes: int, **options: Any) -> None:
        super().__init__(**options)
        self.head = nn.Linear(N_FEATURES, n_classes)

    def forward(self, frames: torch.Tensor, **pairs: torch.Tensor) -> torch.Tensor:
        return self.head(self.backbone(self.images(frames[:, None], pairs)))


class _ClipObjective(_Objective):
    """Classify clips: the backbone on each of their frames and a temporary GRU."""

    def __init__(self, n_classes: int, **options: Any) -> None:
        super().__init__(**options)
        self.head = GRUNetwork(N_FEATURES, n_classes, pooling="mean")

    def forward(
        self, frames: torch.Tensor, lengths: torch.Tensor, **pairs: torch.Tensor
    ) -> torch.Tensor:
        real = torch.arange(frames.shape[1], device=frames.device) < lengths[:, None]
        found = self.backbone(self.images(frames, pairs)[real.flatten()])
        features = found.new_zeros((*real.shape, N_FEATURES))
        # Torch initialises a GRU for few inputs; with 2048 its gates would saturate.
        features[real] = found / math.sqrt(N_FEATURES)
        return self.head(features, lengths)


class _Averaging(Callback):
    """Average the backbone's weights over steps of the second half of the training."""

    def __init__(self, n_batches: int) -> None:
        self.n_batches = n_batches  # of an epoch

    def on_batch_end(self, net: Any, training: bool = False, **_: Any) -> None:
        n_first = self.n_batches * net.max_epochs // 2
        every = max(1, n_first // _N_AVERAGED)
        step = self.n_batches * (len(net.history) - 1) + len(net.history[-1, "batches"])
        if step > n_first and (step - 1 - n_first) % every == 0:
            module = getattr(net.module_, "module", net.module_)  # of several processes
            module.average.update_parameters(module.backbone)


def _start(weights: Weights | None) -> ResNet50:
    if weights is not None:
        return build_network(weights)
    network = ResNet50()
    network.zero_init_residual()
    return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


class _RandomFrames(Dataset):
    """Random frames of each clip, different in every epoch."""

    def __init__(self, clips: Sequence[np.ndarray], y: np.ndarray, per_clip: int) -> None:
        self.clips, self.y, self.per_clip = clips, y, per_clip

    def __len__(self) -> int:
        return len(self.clips) * self.per_clip

    def __getitem__(self, index: int) -> tuple[dict[str, Any], int]:
        clip = self.clips[index // self.per_clip]
        frame = clip[int(torch.randint(len(clip), ()))]
        return {"frames": frame}, self.y[index // self.per_clip]


class _FramesInOrder(Dataset):
    """A random frame of each of a clip's equal segments, padded with black frames.

    With `cut`, the segments divide a random part of the clip, at least 1 - `cut` of it.
    """

    def __init__(
        self, clips: Sequence[np.ndarray], y: np.ndarray, per_clip: int, cut: float = 0.0
    ) -> None:
        self.clips, self.y, self.cut = clips, y, cut
        self.longest = min(per_clip, max(map(len, clips)))

    def __len__(self) -> int:
        return len(self.clips)

    def __getitem__(self, index: int) -> tuple[dict[str, Any], int]:
        clip = self.clips[index]
        n_frames = min(self.longest, len(clip))
        frames = np.zeros((self.longest, *clip.shape[1:]), np.uint8)
        cut, offset = torch.rand(2).tolist()
        length, start = 1 - self.cut * cut, self.cut * cut * offset
        shares = torch.rand(n_frames).numpy()
        frames[:n_frames] = clip[segment_indices(len(clip), shares, start, length)]
        return {"frames": frames, "lengths": n_frames}, self.y[index]


def train_backbone(
    clips: Sequence[np.ndarray],
    y: np.ndarray,
    *,
    weights: Weights | None = None,
    normalisation: Normalisation = IMAGENET,
    objective: str = "clip",
    max_epochs: int | None = None,
    n_steps: int = 1200,
    lr: float = 1e-3,
    weight_decay: float = 0.05,
    label_smoothing: float = 0.1,
    frames_per_clip: int = 4,
    batch_size: int = 64,
    augmentation: Collection[str] = ("shift", "scale", "rotate", "light", "erase", "time"),
    mixed_precision: bool = False,
    seed: int = 0,
    device: str | torch.device = "auto",
    checkpoint: Path | None = None,
    verbose: int = 0,
) -> tuple[Weights, list[dict[str, float]]]:
    """Train a ResNet-50 to classify frames or clips.

    Cross-entropy with inverse-frequency class weights and label smoothing,
    AdamW [1]_, one-cycle schedule [2]_, random augmentation. From scratch, every
    residual block starts as the identity. The result is the mean [6]_ of the weights after
    evenly spread steps of the second half, at most 300. Several processes train one
    backbone, each on its share of the clips. The loss of each is weighted by the classes of
    all clips.

    Parameters
    ----------
    clips : sequence of ndarray of shape (T, H, W, 3), uint8
        The training clips' frames, at least one each. With several processes, the share of
        this process, at least two.
    y : ndarray of shape (n_clips,), int64
        Classes 0, 1, ..., each at least once in one of the processes.
    weights : dict of str to ndarray, optional
        Weights to start from. None starts from scratch.
    normalisation : ((float, float, float), (float, float, float)), optional
        Mean and standard deviation of red, green and blue, in [0, 1], that turn
        pixels into the network's input; by default ImageNet's.
    objective : {"frame", "clip"}, default="clip"
        Classify single frames, or sequences of frames through a temporary GRU.
    max_epochs : int, optional
        Passes over the clips. By default the smallest number, at least 5, that makes `n_steps`
        optimizer steps.
    n_steps : int, default=1200
        Optimizer steps of a training without `max_epochs`.
    lr : float, default=1e-3
        Highest learning rate of the schedule.
    weight_decay : float, default=0.05
        Weight decay.
    label_smoothing : float, default=0.1
        Share of the target that is spread over all classes.
    frames_per_clip : int, default=4
        Frames of each clip in an epoch, drawn at random; for ``"clip"`` one from each of as
        many equal segments [3]_.
    batch_size : int, default=64
        Frames in a training step of all processes; two frames or clips at least for each
        process.
    augmentation : collection of str, optional
        What varies at random, for all frames of a clip alike. ``"shift"``: the position,
        by up to 15% of the frame. ``"scale"``: the size, by a factor from 1/1.4 to 1.4.
        ``"rotate"``: by up to 0.15 radians. ``"mirror"``: left and right, for half of the
        clips. ``"light"``: the contrast, by up to a fifth, and the brightness, by up to
        0.2 of the normalisation's deviation. ``"erase"`` [4]_: in half of the clips, a
        rectangle with sides from 15% to 50% of the frame's becomes the normalisation's mean.
        ``"time"``, with ``objective="clip"``: up to a fifth of the clip is removed from its
        ends. ``"mixup"`` [5]_: each clip is blended with a random one of the batch that has as
        many frames, and so are the labels. By default all but ``"mirror"`` and ``"mixup"``.
    mixed_precision : bool, default=False
        Whether to use autocast to bfloat16.
    seed : int, default=0
        Random seed.
    device : str or torch.device, default="auto"
        Device.
    checkpoint : Path, optional
        Checkpoint file from which an interrupted training resumes.
    verbose : int, default=0
        With 1 or more, a progress bar.

    Returns
    -------
    weights : dict of str to ndarray
        The trained backbone's state dict.
    history : list of dict
        Records of each epoch.

    Raises
    ------
    ValueError
        If the training diverges, or a process has fewer than two clips.

    References
    ----------
    .. [1] I. Loshchilov, F. Hutter, "Decoupled Weight Decay Regularization",
       2017, arXiv:1711.05101.
    .. [2] L. N. Smith, N. Topin, "Super-Convergence", 2017, arXiv:1708.07120.
    .. [3] L. Wang et al., "Temporal Segment Networks", 2016, arXiv:1608.00859.
    .. [4] Z. Zhong et al., "Random Erasing Data Augmentation", 2017, arXiv:1708.04896.
    .. [5] H. Zhang et al., "mixup: Beyond Empirical Risk Minimization", 2017, arXiv:1710.09412.
    .. [6] P. Izmailov et al., "Averaging Weights Leads to Wider Optima and Better
       Generalization", 2018, arXiv:1803.05407.
    """
    everyone = gather_results(lambda: y)
    if n_processes() > 1 and min(map(len, everyone)) < 2:
        raise ValueError(
            f"Training in {n_processes()} processes requires at least two readable videos for "
            f"each, got {sum(map(len, everyone))} videos. Start fewer processes."
        )
    data: Any
    module: type[nn.Module]
    if objective == "frame":
        data, module = _RandomFrames(clips, y, frames_per_clip), _FrameObjective
        per_step = batch_size
    else:
        cut = _TIME if "time" in augmentation else 0.0
        data, module = _FramesInOrder(clips, y, frames_per_clip, cut), _ClipObjective
        data.longest = max(gather_results(lambda: data.longest))
        per_step = batch_size // data.longest
    # BatchNorm needs more than one frame per batch.
    per_step = max(2, per_step // n_processes())
    # All processes make the same number of steps, without a smaller batch at the end.
    n_batches = max(1, min(gather_results(lambda: len(data))) // per_step)
    sampler = RandomSampler(data, num_samples=min(len(data), n_batches * per_step))
    if max_epochs is None:
        max_epochs = max(_MIN_EPOCHS, math.ceil(n_steps / n_batches))
    counts = np.bincount(np.concatenate(everyone))
    class_weight = counts.sum() / (len(counts) * counts)
    callbacks: list[Any] = learning_rate_schedule(
        "one_cycle", lr=lr, max_epochs=max_epochs, n_batches=n_batches
    )
    callbacks.append(_Averaging(n_batches))
    if checkpoint is not None:
        callbacks.append(Checkpoint(checkpoint))
    if verbose:
        callbacks.append(EpochProgress(f"backbone ({objective})"))
    callbacks.append(EpochEvents("backbone"))
    with seeded(seed):
        net = MixupNet(
            module,
            mixed_precision=mixed_precision,
            module__n_classes=len(counts),
            module__weights=weights,
            module__augment=partial(augment, normalisation=normalisation, parts=augmentation),
            criterion=nn.CrossEntropyLoss,
            criterion__weight=torch.tensor(class_weight, dtype=torch.float32),
            criterion__label_smoothing=label_smoothing,
            optimizer=torch.optim.AdamW,
            optimizer__weight_decay=weight_decay,
            optimizer__fused=True,
            lr=lr,
            max_epochs=max_epochs,
            batch_size=per_step,
            iterator_train=DataLoader,
            iterator_train__sampler=sampler,
            iterator_train__collate_fn=collate_pairs if "mixup" in augmentation else None,
            train_split=None,
            callbacks=callbacks,
            device=resolve_device(device),
            verbose=0,
        )
        initialize_net(net)
        with train_together(net, seed):
            run_epochs(net, data)
    if diverged(net):
        if checkpoint is not None:
            remove_checkpoint(checkpoint)
        raise ValueError(
            "The training of the backbone has diverged: the loss or the weights are not finite. "
            f"Reduce lr (now {lr})."
        )
    return to_numpy(net.module_.average.module.state_dict()), epoch_records(net)
