"""Checkpoints: resume an interrupted training."""

from __future__ import annotations

import json
import os
import pickle
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from skorch.callbacks import Callback, LRScheduler

from ..caller_warnings import warn_caller
from ..persistence import atomic_write
from .processes import first_result, gather_results, process_index

# Seconds between two writes: a file is several times as large as the weights.
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

    The state contains weights, optimizer, learning rate, history, and the random state and
    BatchNorm's statistics of each process, so that a resumed training gives the same result.
    The first process reads and writes the file. A file that cannot be read or written is a
    warning. This callback must follow the learning-rate schedule.

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
        found = first_result(lambda: self._read(net))
        if found is None:
            return
        states, history, of_processes = found
        for name, part in _parts(net).items():
            part.load_state_dict(states[name])
        net.history.extend(history)
        net.resumed_epochs_ = len(history)
        own = of_processes[process_index()]
        net.module_.load_state_dict(own["buffers"], strict=False)
        torch.set_rng_state(own["random"])

    def _read(self, net: Any) -> tuple[dict[str, Any], list[Any], list[dict[str, Any]]] | None:
        """Return the states of the net's parts, the history and the states of processes."""
        if not self.path.exists():
            return None
        try:
            state = torch.load(self.path, map_location="cpu", weights_only=True)
            states = {name: state[name] for name in _parts(net)}
            return states, json.loads(state["history"]), state["processes"]
        except _UNREADABLE as error:
            warn_caller(
                f"{self.path}: the checkpoint cannot be read ({error!r}). Training starts "
                "from the beginning."
            )
            return None

    def on_epoch_end(self, net: Any, **_: Any) -> None:
        """Write the file if epochs remain and the latest write is 30 seconds ago.

        Parameters
        ----------
        net : skorch.NeuralNet
            The net in training.
        **_ : dict
            Other arguments of skorch's callbacks.
        """
        if len(net.history) >= net.max_epochs or not first_result(self._is_due):
            return
        of_processes = gather_results(lambda: _own_state(net))
        if process_index() == 0:
            self._write(net, of_processes)
        self.written_ = time.monotonic()

    def _is_due(self) -> bool:
        return time.monotonic() - self.written_ >= _PAUSE

    def _write(self, net: Any, of_processes: list[dict[str, Any]]) -> None:
        state = {name: part.state_dict() for name, part in _parts(net).items()}
        history = json.dumps(net.history.to_list())  # NumPy scalars fail weights_only=True
        state |= {"history": history, "processes": of_processes}
        try:
            os.makedirs(self.path.parent, exist_ok=True)
            with atomic_write(self.path) as unfinished:
                torch.save(state, unfinished)
        except (OSError, RuntimeError) as error:
            warn_caller(
                f"{self.path}: the checkpoint cannot be written ({error}). An interrupted "
                "training will start from the beginning. Free disk space or use another folder."
            )


def remove_checkpoint(path: Path) -> None:
    """Remove the file of a `Checkpoint` after its training, in the first process.

    Parameters
    ----------
    path : Path
        The file. It may be missing, or belong to another user of a shared folder.
    """
    if process_index() == 0:
        with suppress(OSError):
            path.unlink()


def _own_state(net: Any) -> dict[str, Any]:
    """Return the state in which this process differs from the others."""
    buffers = {name: value.cpu() for name, value in net.module_.named_buffers()}
    return {"random": torch.get_rng_state(), "buffers": buffers}


def _parts(net: Any) -> dict[str, Any]:
    """Return the parts of a net that training changes, by name."""
    schedulers = [cb.lr_scheduler_ for _, cb in net.callbacks_ if isinstance(cb, LRScheduler)]
    parts = {"module": net.module_, "optimizer": net.optimizer_}
    return parts | {f"schedule{number}": part for number, part in enumerate(schedulers)}
