"""What both networks need to run: a device, a seed, a progress bar."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from skorch.callbacks import Callback, EarlyStopping
from tqdm import tqdm

__all__ = [
    "EpochProgress",
    "check_same_network",
    "diverged",
    "epoch_records",
    "initialize_net",
    "resolve_device",
    "run_epochs",
    "seeded",
    "to_builtin",
]

# Torch's generators belong to the whole process.
_SEEDED = threading.RLock()


def to_builtin(value: Any) -> Any:
    """Turn a number of numpy's, as a grid holds them, into one of Python's.

    Parameters
    ----------
    value : object
        Any value; torch wants no numpy's numbers.

    Returns
    -------
    object
        The same otherwise.
    """
    return value.item() if isinstance(value, np.generic) else value


def resolve_device(device: str | torch.device, *, training: bool = True) -> torch.device:
    """Turn a `device` parameter into a torch device.

    Parameters
    ----------
    device : str or torch.device
        ``"auto"`` takes the GPU where there is one; anything else is torch's
        own spelling (``"cpu"``, ``"cuda"``, ``"cuda:1"``).
    training : bool, default=True
        Without training, a missing device is a warning and the CPU does: a model
        made with one must work on a machine without.

    Returns
    -------
    torch.device
        The device.

    Raises
    ------
    ValueError
        If torch does not know the device, or this machine has none such.
    """
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        resolved = torch.device(device)
    except RuntimeError as error:
        raise ValueError(f"device={device!r} is unknown; use 'auto', 'cpu' or 'cuda'.") from error
    if not _is_there(resolved):
        message = f"device={str(device)!r}: torch sees no such device on this machine"
        if training:
            raise ValueError(f"{message}; use device='auto'.")
        warnings.warn(f"{message}; computing on the CPU.", stacklevel=3)
        return torch.device("cpu")
    return resolved


def _is_there(device: torch.device) -> bool:
    if device.type == "cuda":
        return (device.index or 0) < torch.cuda.device_count()
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, ImportError):  # each kind says it in its own way
        return False
    return True


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed torch inside the block and leave its global generators as they were.

    One thread after the other, so that none draws from what another has seeded:
    trainings on threads of one process take turns.

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


class EpochProgress(Callback):
    """A progress bar over epochs, with the losses; silent where there is no terminal.

    Parameters
    ----------
    description : str
        What is being trained.
    """

    def __init__(self, description: str) -> None:
        self.description = description

    def on_train_begin(self, net: Any, **_: Any) -> None:
        """Open the bar.

        Parameters
        ----------
        net : skorch.NeuralNet
            The net in training.
        **_ : dict
            What skorch passes besides.
        """
        self.bar_ = tqdm(
            total=net.max_epochs,
            initial=_resumed_epochs(net),
            desc=self.description,
            unit="epoch",
            disable=None,
        )

    def on_epoch_end(self, net: Any, **_: Any) -> None:
        """Move the bar.

        Parameters
        ----------
        net : skorch.NeuralNet
            The net in training.
        **_ : dict
            What skorch passes besides.
        """
        names = [name for name in ("train_loss", "valid_loss") if name in net.history[-1]]
        self.bar_.set_postfix({name: f"{net.history[-1, name]:.3f}" for name in names})
        self.bar_.update()

    def on_train_end(self, net: Any, **_: Any) -> None:
        """Close the bar.

        Parameters
        ----------
        net : skorch.NeuralNet
            The net in training.
        **_ : dict
            What skorch passes besides.
        """
        self.bar_.close()
        del self.bar_  # It holds a terminal and cannot be pickled.


def _resumed_epochs(net: Any) -> int:
    """Count the epochs that a checkpoint has brought."""
    return getattr(net, "resumed_epochs_", 0)


def check_same_network(net: Any, start: Any) -> None:
    """Check that a skorch net can take the weights of another.

    Parameters
    ----------
    net : skorch.NeuralNet
        The net.
    start : skorch.NeuralNet
        The other.

    Raises
    ------
    ValueError
        If their networks differ.
    """
    now, before = net.get_params_for("module"), start.get_params_for("module")
    # No weight depends on the dropout.
    changed = sorted(n for n in now if now[n] != before[n] and n != "dropout")
    if changed:
        raise ValueError(
            f"{', '.join(changed)} changed since the fit that this one goes on from; fit a clone "
            "to begin anew."
        )


def initialize_net(net: Any, start: Any = None) -> None:
    """Initialise a skorch net, or let it begin where another has ended.

    Parameters
    ----------
    net : skorch.NeuralNet
        The net, not yet initialised.
    start : skorch.NeuralNet, optional
        A trained net of the same shape, whose weights this one begins with.

    Raises
    ------
    ValueError
        If the other's network differs.
    """
    if start is not None:
        check_same_network(net, start)
    net.initialize()
    if start is not None:
        net.module_.load_state_dict(start.module_.state_dict())


def diverged(net: Any) -> bool:
    """Tell whether a training has ended in numbers that are not finite.

    Parameters
    ----------
    net : skorch.NeuralNet
        A trained net.

    Returns
    -------
    bool
        True if weights are not finite, or the last training loss; of losses on held-out
        data all, as early stopping may have gone back to before it happened.
    """
    stopping = "valid_loss" in net.history[-1]
    losses = net.history[:, "valid_loss"] if stopping else net.history[-1:, "train_loss"]
    weights = net.module_.state_dict().values()
    return not (np.isfinite(losses).any() and all(bool(w.isfinite().all()) for w in weights))


def run_epochs(net: Any, X: Any, epochs: int | None = None) -> None:
    """Train an initialised skorch net; Ctrl-C gets through.

    skorch ends training early by a KeyboardInterrupt that it swallows, and with
    it the user's own: half-trained networks would count as trained.

    Parameters
    ----------
    net : skorch.NeuralNet
        The net, initialised.
    X : Dataset
        What the net's ``fit`` would be given.
    epochs : int, optional
        How many; by default those that are left of the net's ``max_epochs``.

    Raises
    ------
    KeyboardInterrupt
        If the user asked for it.
    """
    net.notify("on_train_begin", X=X, y=None)
    try:
        left = net.max_epochs - _resumed_epochs(net)
        net.fit_loop(X, None, epochs=left if epochs is None else epochs)
    except KeyboardInterrupt:
        stoppers = [cb for _, cb in net.callbacks_ if isinstance(cb, EarlyStopping)]
        if not any(cb.misses_ == cb.patience for cb in stoppers):
            raise
    finally:
        net.notify("on_train_end", X=X, y=None)


def epoch_records(net: Any) -> list[dict[str, float]]:
    """Take the numbers of every epoch from a net's history.

    Parameters
    ----------
    net : skorch.NeuralNet
        A trained net.

    Returns
    -------
    list of dict
        For each epoch its number, losses, duration in seconds and what else the
        callbacks noted as one number.
    """
    return [
        {
            key: to_builtin(value)
            for key, value in epoch.items()
            if isinstance(value, int | float | np.number) and not isinstance(value, bool)
        }
        for epoch in net.history
    ]
