"""How the learning rate changes during training, and which optimizers there are."""

from __future__ import annotations

from typing import Any

import torch
from skorch.callbacks import LRScheduler
from torch.optim import lr_scheduler

__all__ = ["FUSED", "OPTIMIZERS", "SCHEDULES", "learning_rate_schedule"]

#: Optimizers by name.
OPTIMIZERS: dict[str, type[torch.optim.Optimizer]] = {
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "nadam": torch.optim.NAdam,
    "radam": torch.optim.RAdam,
    "rmsprop": torch.optim.RMSprop,
    "sgd": torch.optim.SGD,
}

#: Those that torch computes in one pass over all weights, also on a CPU.
FUSED = (torch.optim.Adam, torch.optim.AdamW, torch.optim.SGD)

#: The names that `learning_rate_schedule` knows.
SCHEDULES = ("exponential", "step", "cosine", "plateau", "one_cycle")

# Epochs between two steps, and epochs without progress that are not yet a plateau.
_STEP, _PATIENCE = 5, 2


def learning_rate_schedule(
    name: str | None, *, decay: float, lr: float, max_epochs: int, n_batches: int, monitor: str
) -> list[tuple[str, Any]]:
    """Make the callback that changes the learning rate.

    Parameters
    ----------
    name : {"exponential", "step", "cosine", "plateau", "one_cycle"} or None
        ``"exponential"`` multiplies the rate by `decay` after every epoch;
        ``"step"`` does the same at once for every five epochs; ``"plateau"``
        multiplies it by `decay` after three epochs in which `monitor` did not
        fall; ``"cosine"`` lowers it to zero along a half cosine; ``"one_cycle"``
        raises it to `lr` and lowers it again, and momentum (Adam's first beta) the other
        way, from 0.95 to 0.85 and back [1]_; None keeps it.
    decay : float
        Factor, at most 1.
    lr : float
        The highest rate.
    max_epochs : int
        Epochs of the whole training.
    n_batches : int
        Training steps in an epoch.
    monitor : str
        Loss that ``"plateau"`` looks at.

    Returns
    -------
    list of (str, skorch.callbacks.LRScheduler)
        One named callback, or none.

    References
    ----------
    .. [1] L. N. Smith, N. Topin, "Super-Convergence", 2017, arXiv:1708.07120.
    """
    if name is None or (name == "plateau" and decay == 1):
        return []
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
            {"max_lr": lr, "total_steps": max_epochs * n_batches, "step_every": "batch"},
        ),
    }
    policy, options = policies[name]
    return [("lr_schedule", LRScheduler(policy=policy, **options))]
