"""Training that goes on where it was interrupted."""

from __future__ import annotations

import json
import os
import pickle
import time
import warnings
from pathlib import Path
from typing import Any

import torch
from skorch.callbacks import Callback, LRScheduler

from ..persistence import atomic_write

__all__ = ["Checkpoint"]

# Seconds between two writings: a file takes three times the weights' space.
_PAUSE = 30.0

# What torch raises for files that are damaged or something else.
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
    """Write the state of a training after its epochs, and begin with what was written.

    Weights, optimizer, learning rate, history and torch's random numbers are
    taken up, so that an interrupted training ends as it would have ended. A file
    that cannot be read or written is a warning. It must come behind the
    callback of the learning rate.

    Parameters
    ----------
    path : Path
        The file; in a folder that may have to be made.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def on_train_begin(self, net: Any, **_: Any) -> None:
        """Go on from the file, if there is one.

        Parameters
        ----------
        net : skorch.NeuralNet
            The net, initialised.
        **_ : dict
            What skorch passes besides.
        """
        self.written_ = time.monotonic()
        if not self.path.exists():
            return
        try:
            state = torch.load(self.path, map_location="cpu", weights_only=True)
            states = [(part, state[name]) for name, part in _parts(net).items()]
            history, random = json.loads(state["history"]), state["random"]
        except _UNREADABLE as error:
            warnings.warn(
                f"{self.path}: the interrupted training cannot be read ({error!r}) and begins "
                "anew.",
                stacklevel=2,
            )
            return
        for part, its_state in states:
            part.load_state_dict(its_state)
        net.history.extend(history)
        net.resumed_epochs_ = len(history)
        torch.set_rng_state(random)

    def on_epoch_end(self, net: Any, **_: Any) -> None:
        """Write the file, if there are epochs to come and it is time.

        Parameters
        ----------
        net : skorch.NeuralNet
            The net in training.
        **_ : dict
            What skorch passes besides.
        """
        now = time.monotonic()
        if len(net.history) >= net.max_epochs or now - self.written_ < _PAUSE:
            return
        state = {name: part.state_dict() for name, part in _parts(net).items()}
        history = json.dumps(net.history.to_list())  # holds numpy's numbers, which torch distrusts
        state |= {"history": history, "random": torch.get_rng_state()}
        try:
            os.makedirs(self.path.parent, exist_ok=True)
            with atomic_write(self.path) as unfinished:
                torch.save(state, unfinished)
        except (OSError, RuntimeError) as error:
            warnings.warn(
                f"{self.path}: the training cannot be written and could not be resumed ({error}).",
                stacklevel=2,
            )
        self.written_ = time.monotonic()


def _parts(net: Any) -> dict[str, Any]:
    """Everything of a net that training changes and torch can save."""
    schedulers = [cb.lr_scheduler_ for _, cb in net.callbacks_ if isinstance(cb, LRScheduler)]
    parts = {"module": net.module_, "optimizer": net.optimizer_}
    return parts | {f"schedule{number}": part for number, part in enumerate(schedulers)}
