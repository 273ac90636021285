"""Learning-rate schedules and optimizers."""

from __future__ import annotations

from typing import Any

import torch
from skorch.callbacks import LRScheduler
from torch.optim import lr_scheduler

#: Optimizers by name.
OPTIMIZERS: dict[str, type[torch.optim.Optimizer]] = {
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "nadam": torch.optim.NAdam,
    "radam": torch.optim.RAdam,
    "rmsprop": torch.optim.RMSprop,
    "sgd": torch.optim.SGD,
}

#: Optimizers with a fused implementation in torch, also for CPUs.
FUSED = (torch.optim.Adam, torch.optim.AdamW, torch.optim.SGD)

#: The names of the schedules.
SCHEDULES = ("exponential", "step", "cosine", "plateau", "one_cycle")

# Epochs between two steps; epochs without improvement that are not yet a plateau.
_STEP, _PATIENCE = 5, 2


def learning_rate_schedule(
    name: str | None,
    *,
    lr: float,
    max_epochs: int,
    n_batches: int,
    decay: float = 1.0,
    monitor: str = "train_loss",
) -> list[tuple[str, Any]]:
    """Create the callback that changes the learning rate.

    Parameters
    ----------
    name : {"exponential", "step", "cosine", "plateau", "one_cycle"} or None
        ``"exponential"`` multiplies the rate by `decay` after every epoch. ``"step"``
        multiplies it by `decay` to the power of 5 after every five epochs. ``"plateau"``
        multiplies it by `decay` after three epochs in which `monitor` did not decrease.
        ``"cosine"`` decreases it to zero along a half cosine. ``"one_cycle"`` increases it
        to `lr` and decreases it again, while momentum (Adam's first beta) goes from 0.95
        to 0.85 and back [1]_; a single training step has the rate `lr`. None keeps it
        constant.
    lr : float
        The maximum rate.
    max_epochs : int
        Number of training epochs.
    n_batches : int
        Training steps per epoch.
    decay : float, default=1.0
        Factor, at most 1.
    monitor : str, default="train_loss"
        Loss that ``"plateau"`` monitors.

    Returns
    -------
    list of (str, skorch.callbacks.LRScheduler)
        One named callback, or an empty list if the rate is constant.

    References
    ----------
    .. [1] L. N. Smith, N. Topin, "Super-Convergence", 2017, arXiv:1708.07120.
    """
    n_steps = max_epochs * n_batches
    if name is None or (name == "plateau" and decay == 1):
        return []
    if name == "one_cycle" and n_steps == 1:
        return []  # the first and last rate of a cycle is nearly 0
    policies: dict[str, tuple[Any, dict[str, Any]]] = {
        "exponential": (lr_scheduler.ExponentialLR, {"gamma": decay}),
        "step": (lr_scheduler.StepLR, {"step_size": _STEP, "gamma": decay**_STEP}),
        "cosine": (lr_scheduler.CosineAnnealingLR, {"T_max": max_epochs}),
        "plateau": (
            lr_scheduler.ReduceLROnPlateau,
            {"factor": decay, "patience": _PATIENCE, "monitor": monitor},
        ),
        "one_cycle": (
            lr_scheduler.OneCycleLR,
            {"max_lr": lr, "total_steps": n_steps, "step_every": "batch"},
        ),
    }
    policy, options = policies[name]
    return [("lr_schedule", LRScheduler(policy=policy, **options))]
