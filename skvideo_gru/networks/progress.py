"""Progress of long work: bars on terminals and in notebooks, lines elsewhere, listeners."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from skorch.callbacks import Callback
from tqdm.auto import tqdm

from .processes import process_index
from .runtime import epoch_records

# Receives the name of a network and the records of its newest epochs.
_Listener = Callable[[str, list[dict[str, float]]], None]
_LISTENER: ContextVar[_Listener | None] = ContextVar("LISTENER", default=None)

# Without a terminal: seconds between two lines, and their format.
_INTERVAL = 30.0
_LINE = "{desc}: {n_fmt}/{total_fmt} {unit}s in {elapsed}, {remaining} left{postfix}"


def progress_bar(
    description: str,
    total: int | None,
    unit: str,
    *,
    done: Iterable[Any] | None = None,
    initial: int = 0,
    hidden: bool = False,
) -> tqdm:
    """Create a progress bar.

    In a Jupyter notebook the bar is a widget. Without a terminal, for example in a log
    file, a line is written every 30 seconds, and none for shorter work. Of several processes
    that fit together, only the first shows it.

    Parameters
    ----------
    description : str
        Label of the bar.
    total : int or None
        Number of units; None if it is not known.
    unit : str
        Name of a unit, singular.
    done : iterable, optional
        One item per completed unit. Without it, the caller updates the bar.
    initial : int, default=0
        Number of units that are already complete.
    hidden : bool, default=False
        Whether nothing is shown.

    Returns
    -------
    tqdm
        The bar, an iterator over `done`.
    """
    hidden = hidden or process_index() > 0
    options: dict[str, Any] = {
        "desc": description,
        "total": total,
        "unit": unit,
        "initial": initial,
    }
    if not (hidden or _is_interactive()):
        options |= {
            "file": _Lines(),
            "bar_format": _LINE,
            "mininterval": _INTERVAL,
            "delay": _INTERVAL,
            "miniters": 1,
        }
    return tqdm(done, disable=hidden, **options)


def _is_interactive() -> bool:
    # As tqdm.auto recognises the kernel of a notebook, whose stderr is not a terminal.
    return "ipykernel.zmqshell" in sys.modules or bool(sys.stderr and sys.stderr.isatty())


class _Lines:
    """A file that writes each state of a bar as a line to stderr."""

    def write(self, text: str) -> None:
        if (line := text.strip()) and sys.stderr:
            sys.stderr.write(f"{line}\n")
            sys.stderr.flush()

    def flush(self) -> None:
        pass


class EpochProgress(Callback):
    """A progress bar over epochs, with the losses.

    Parameters
    ----------
    description : str
        Label of the bar.
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
            Other arguments of skorch's callbacks.
        """
        resumed = getattr(net, "resumed_epochs_", 0)
        self.bar_ = progress_bar(self.description, net.max_epochs, "epoch", initial=resumed)

    def on_epoch_end(self, net: Any, **_: Any) -> None:
        """Advance the bar.

        Parameters
        ----------
        net : skorch.NeuralNet
            The net in training.
        **_ : dict
            Other arguments of skorch's callbacks.
        """
        names = [name for name in ("train_loss", "valid_loss") if name in net.history[-1]]
        losses = {name: f"{net.history[-1, name]:.3f}" for name in names}
        self.bar_.set_postfix(losses, refresh=False)
        self.bar_.update()

    def on_train_end(self, net: Any, **_: Any) -> None:
        """Close the bar.

        Parameters
        ----------
        net : skorch.NeuralNet
            The net in training.
        **_ : dict
            Other arguments of skorch's callbacks.
        """
        self.bar_.close()
        del self.bar_  # it refers to the terminal and cannot be pickled


@contextmanager
def listen_to_epochs(listener: _Listener) -> Iterator[None]:
    """Call a function after every epoch of the networks that are trained inside the block.

    It is not called for trainings in other threads or processes, and for `partial_fit`.

    Parameters
    ----------
    listener : callable
        It is called with ``"backbone"`` or ``"gru"``, and the `epoch_records` of the
        epochs since its last call for the same training: one, or several if an
        interrupted training was resumed.

    Yields
    ------
    None
        Nothing.
    """
    token = _LISTENER.set(listener)
    try:
        yield
    finally:
        _LISTENER.reset(token)


class EpochEvents(Callback):
    """Calls the function of `listen_to_epochs` after every epoch.

    Parameters
    ----------
    name : str
        Name of the network.
    """

    def __init__(self, name: str) -> None:
        self.name = name

    def on_train_begin(self, net: Any, **_: Any) -> None:
        """Begin to count the epochs.

        Parameters
        ----------
        net : skorch.NeuralNet
            The net in training.
        **_ : dict
            Other arguments of skorch's callbacks.
        """
        self.n_reported_ = 0

    def on_epoch_end(self, net: Any, **_: Any) -> None:
        """Call the function.

        Parameters
        ----------
        net : skorch.NeuralNet
            The net in training.
        **_ : dict
            Other arguments of skorch's callbacks.
        """
        if (listener := _LISTENER.get()) is not None:
            listener(self.name, epoch_records(net, self.n_reported_))
            self.n_reported_ = len(net.history)

    def on_train_end(self, net: Any, **_: Any) -> None:
        """Call the function for an epoch after which another callback ended the training.

        Parameters
        ----------
        net : skorch.NeuralNet
            The net in training.
        **_ : dict
            Other arguments of skorch's callbacks.
        """
        if net.history and "train_loss" in net.history[-1] and self.n_reported_ < len(net.history):
            self.on_epoch_end(net)
