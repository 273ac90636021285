"""Checkpoints: resume an interrupted training."""

from __future__ import annotations

import json
import os
import pickle
import time
from pathlib import Path
from typing import Any

import torch
from skorch.callbacks import Callback, LRScheduler

from ..caller_warnings import warn_caller
from ..persistence import atomic_write

__all__ = ["Checkpoint"]

# Seconds between two writes: a file is three times as large as the weights.
_PAUSE = 30.0

# Errors that torch raises for damaged files and for files that are not checkpoints.
_UNREADABLE = (
    OSError,
    EOFError,
    RuntimeError,
    KeyError,
    TypeError,
    ValueError,
    pickle.UnpicklingError,
)


class Checkpoint(Callback):
    """Write the training state after epochs, and resume from it.

    The state contains weights, optimizer, learning rate, history and torch's random
    state, so that a resumed training gives the same result. A file that cannot be read
    or written is a warning. This callback must follow the learning-rate schedule.

    Parameters
    ----------
    path : Path
        The file. Its folder is created if necessary.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def on_train_begin(self, net: Any, **_: Any) -> None:
        """Resume from the file if it exists.

        Parameters
        ----------
        net : skorch.NeuralNet
            The initialised net.
        **_ : dict
            Other arguments of skorch's callbacks.
        """
        self.written_ = time.monotonic()
        if not self.path.exists():
            return
        try:
            state = torch.load(self.path, map_location="cpu", weights_only=True)
            states = [(part, state[name]) for name, part in _parts(net).items()]
            history, random = json.loads(state["history"]), state["random"]
        except _UNREADABLE as error:
            warn_caller(
                f"{self.path}: the checkpoint cannot be read ({error!r}). Training starts "
                "from the beginning."
            )
            return
        for part, part_state in states:
            part.load_state_dict(part_state)
        net.history.extend(history)
        net.resumed_epochs_ = len(history)
        torch.set_rng_state(random)

    def on_epoch_end(self, net: Any, **_: Any) -> None:
        """Write the file if epochs remain and the latest write is 30 seconds ago.

        Parameters
        ----------
        net : skorch.NeuralNet
            The net in training.
        **_ : dict
            Other arguments of skorch's callbacks.
        """
        now = time.monotonic()
        if len(net.history) >= net.max_epochs or now - self.written_ < _PAUSE:
            return
        state = {name: part.state_dict() for name, part in _parts(net).items()}
        history = json.dumps(net.history.to_list())  # NumPy scalars fail weights_only=True
        state |= {"history": history, "random": torch.get_rng_state()}
        try:
            os.makedirs(self.path.parent, exist_ok=True)
            with atomic_write(self.path) as unfinished:
                torch.save(state, unfinished)
        except (OSError, RuntimeError) as error:
            warn_caller(
                f"{self.path}: the checkpoint cannot be written ({error}). An interrupted "
                "training will start from the beginning. Free disk space or use another folder."
            )
        self.written_ = time.monotonic()


def _parts(net: Any) -> dict[str, Any]:
    """Return the parts of a net that training changes, by name."""
    schedulers = [cb.lr_scheduler_ for _, cb in net.callbacks_ if isinstance(cb, LRScheduler)]
    parts = {"module": net.module_, "optimizer": net.optimizer_}
    return parts | {f"schedule{number}": part for number, part in enumerate(schedulers)}
