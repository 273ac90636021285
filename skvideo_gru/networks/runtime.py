"""Utilities to train and run both networks: device, seed, training loop."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache, partial
from typing import Any

import numpy as np
import torch
from skorch.callbacks import EarlyStopping

from ..caller_warnings import warn_caller
from .processes import local_index, n_processes

# Torch's random generators are global to the process.
_SEEDED = threading.RLock()


def to_builtin(value: Any) -> Any:
    """Convert a NumPy scalar to a Python number.

    Parameters
    ----------
    value : object
        Any value. Parameter grids contain NumPy scalars, which torch rejects.

    Returns
    -------
    object
        The Python number, or `value` if it is not a NumPy scalar.
    """
    return value.item() if isinstance(value, np.generic) else value


def resolve_device(device: str | torch.device, *, training: bool = True) -> torch.device:
    """Convert a `device` parameter to a torch device.

    Parameters
    ----------
    device : str or torch.device
        ``"auto"`` selects a GPU if there is one. Other values are torch's
        (``"cpu"``, ``"cuda"``, ``"cuda:1"``). Of several processes that fit together, each
        gets another GPU, unless the value has a number.
    training : bool, default=True
        For training, a missing device is an error. Otherwise the CPU is used with a
        warning, so that a model trained on a GPU runs on a machine without one.

    Returns
    -------
    torch.device
        The device.

    Raises
    ------
    ValueError
        If torch does not know the device, or it is missing and `training` is true.
    """
    _use_one_thread_after_fork()
    automatic = device == "auto"
    if automatic:
        device = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        resolved = torch.device(device)
    except RuntimeError as error:
        raise ValueError(f"device={device!r} is unknown; use 'auto', 'cpu' or 'cuda'.") from error
    if not automatic and not _is_available(resolved):
        message = f"device={str(device)!r}: this device is not available"
        if training:
            raise ValueError(f"{message}; use device='auto'.")
        warn_caller(f"{message}; the CPU is used instead.")
        return torch.device("cpu")
    if resolved == torch.device("cuda") and n_processes() > 1:
        return torch.device("cuda", local_index() % torch.cuda.device_count())
    return resolved


@cache
def _use_one_thread_after_fork() -> None:
    """Let forked processes compute with one thread.

    The threads that torch has started do not exist in a forked process, which would wait
    for them forever.
    """
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=partial(torch.set_num_threads, 1))


def _is_available(device: torch.device) -> bool:
    if device.type == "cuda":
        return (device.index or 0) < torch.cuda.device_count()
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, ImportError):  # depends on the kind of device
        return False
    return True


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed torch inside the block and restore its global generators afterwards.

    A lock serialises the threads of a process, because they share the generators.

    Parameters
    ----------
    seed : int
        The seed.

    Yields
    ------
    None
        Nothing.
    """
    with _SEEDED, torch.random.fork_rng(range(torch.cuda.device_count())):
        torch.manual_seed(seed)
        yield


def check_same_network(net: Any, start: Any) -> None:
    """Check that a skorch net can load the weights of another.

    Parameters
    ----------
    net : skorch.NeuralNet
        The net.
    start : skorch.NeuralNet
        The other net.

    Raises
    ------
    ValueError
        If the architectures differ.
    """
    now, before = net.get_params_for("module"), start.get_params_for("module")
    # The dropout does not affect the weights.
    changed = sorted(n for n in now if now[n] != before[n] and n != "dropout")
    if changed:
        raise ValueError(
            f"The parameters {', '.join(changed)} have changed since the previous fit, so "
            "training cannot continue from its weights. Restore them, or fit a clone."
        )


def initialize_net(net: Any, start: Any = None) -> None:
    """Initialise a skorch net, optionally with the weights of another.

    Parameters
    ----------
    net : skorch.NeuralNet
        The net, not yet initialised.
    start : skorch.NeuralNet, optional
        A trained net of the same architecture, whose weights are copied.

    Raises
    ------
    ValueError
        If the architectures differ.
    """
    if start is not None:
        check_same_network(net, start)
    net.initialize()
    if start is not None:
        net.module_.load_state_dict(start.module_.state_dict())


def diverged(net: Any) -> bool:
    """Check whether training has ended with weights or losses that are not finite.

    Parameters
    ----------
    net : skorch.NeuralNet
        A trained net.

    Returns
    -------
    bool
        True if a weight or the last training loss is not finite. With validation losses:
        if none is finite, as early stopping may have restored earlier weights.
    """
    stopping = "valid_loss" in net.history[-1]
    losses = net.history[:, "valid_loss"] if stopping else net.history[-1:, "train_loss"]
    weights = net.module_.state_dict().values()
    return not (np.isfinite(losses).any() and all(bool(w.isfinite().all()) for w in weights))


def run_epochs(net: Any, X: Any, epochs: int | None = None) -> None:
    """Train an initialised skorch net; re-raise the user's KeyboardInterrupt.

    skorch stops early with a KeyboardInterrupt, and suppresses it. It would also suppress
    the user's Ctrl-C, and return a partly trained network.

    Parameters
    ----------
    net : skorch.NeuralNet
        The net, initialised.
    X : Dataset
        The training data.
    epochs : int, optional
        Number of epochs; by default those that remain of the net's ``max_epochs``.

    Raises
    ------
    KeyboardInterrupt
        If the user interrupts.
    """
    net.notify("on_train_begin", X=X, y=None)
    try:
        left = net.max_epochs - getattr(net, "resumed_epochs_", 0)
        net.fit_loop(X, None, epochs=left if epochs is None else epochs)
    except KeyboardInterrupt:
        stoppers = [cb for _, cb in net.callbacks_ if isinstance(cb, EarlyStopping)]
        if not any(cb.misses_ == cb.patience for cb in stoppers):
            raise
    finally:
        net.notify("on_train_end", X=X, y=None)


def epoch_records(net: Any, first: int = 0) -> list[dict[str, float]]:
    """Return the scalar records of epochs from a net's history.

    Parameters
    ----------
    net : skorch.NeuralNet
        A trained net.
    first : int, default=0
        Number of epochs at the beginning to leave out.

    Returns
    -------
    list of dict
        For each epoch its number, losses, duration in seconds, and other scalars that
        callbacks recorded.
    """
    return [
        {
            key: to_builtin(value)
            for key, value in epoch.items()
            if isinstance(value, int | float | np.number) and not isinstance(value, bool)
        }
        for epoch in net.history[first:]
    ]
