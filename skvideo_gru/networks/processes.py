"""One training in several processes, which torchrun starts.

The engine is torch's DistributedDataParallel. skorch's AccelerateMixin was tried first (skorch
1.4.0, accelerate 1.15.0). It also wraps the loss in DistributedDataParallel, which on CPUs is an
error for a loss without parameters. It divides the batches of a data set that every process must
hold, so that each process would decode all videos. And it shuffles with a generator of its own,
which a checkpoint does not contain. `accelerate launch` sets the same environment variables as
torchrun.
"""

from __future__ import annotations

import atexit
import gc
import os
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, TypeVar

import joblib
import numpy as np
import torch
from joblib.parallel import get_active_backend
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel

T = TypeVar("T")

# How long a process waits for the others, for example for a GRU that the first one trains.
# The end of another process is noticed at once.
_TIMEOUT = timedelta(days=1)


def n_processes() -> int:
    """Return the number of processes that fit together.

    Returns
    -------
    int
        The size of torch's process group, or of the group that torchrun's variable
        ``WORLD_SIZE`` announces; 1 without it.
    """
    if distributed.is_available() and distributed.is_initialized():
        return distributed.get_world_size()
    return int(os.environ.get("WORLD_SIZE") or 1)


def process_index() -> int:
    """Return the number of this process.

    Returns
    -------
    int
        0 for the first process, and if there is only one.
    """
    if n_processes() == 1:
        return 0
    return distributed.get_rank() if distributed.is_initialized() else int(os.environ["RANK"])


def local_index() -> int:
    """Return the number of this process among those on its machine.

    Returns
    -------
    int
        0 for the first process.
    """
    return int(os.environ.get("LOCAL_RANK") or process_index())


def _join() -> None:
    """Join the process group.

    Raises
    ------
    RuntimeError
        In a worker of joblib: the order of its work can differ between processes.
    """
    if get_active_backend()[0].nesting_level:
        raise RuntimeError(
            f"A fit in {n_processes()} processes cannot run in a worker of joblib. Set "
            "n_jobs=None in the search or ensemble, or start the script without torchrun."
        )
    if not distributed.is_initialized():
        # NCCL refuses two processes on one GPU.
        n_local = int(os.environ.get("LOCAL_WORLD_SIZE", n_processes()))
        backend = "cpu:gloo,cuda:nccl" if n_local <= torch.cuda.device_count() else "gloo"
        distributed.init_process_group(backend, timeout=_TIMEOUT)
        atexit.register(_leave)


def _leave() -> None:
    """End the threads of the group, which would abort the process after the interpreter's end."""
    if distributed.is_initialized():
        gc.collect()  # a DistributedDataParallel in a reference cycle keeps the group alive
        distributed.destroy_process_group()


def gather_results(make: Callable[[], T]) -> list[T]:
    """Call a function in every process and return all results in all of them.

    Parameters
    ----------
    make : callable
        The function. With several processes its result must be picklable.

    Returns
    -------
    list
        One result per process.

    Raises
    ------
    Exception
        The error of the first process in which the function failed, in all processes.
    """
    if n_processes() == 1:
        return [make()]
    _join()
    outcomes: list[Any] = [None] * n_processes()
    distributed.all_gather_object(outcomes, _attempt(make))
    return [_value(outcome) for outcome in outcomes]


def first_result(make: Callable[[], T]) -> T:
    """Call a function in the first process and return its result in all.

    Parameters
    ----------
    make : callable
        The function. With several processes its result must be picklable.

    Returns
    -------
    object
        The result.

    Raises
    ------
    Exception
        The error of the function, in all processes.
    """
    if n_processes() == 1:
        return make()
    _join()
    outcome = [_attempt(make) if process_index() == 0 else None]
    distributed.broadcast_object_list(outcome, src=0)
    return _value(outcome[0])


def own_result(make: Callable[[], T]) -> T:
    """Call a function in every process and return the result of this process.

    Parameters
    ----------
    make : callable
        The function.

    Returns
    -------
    object
        The result in this process.

    Raises
    ------
    Exception
        The error of the first process in which the function failed, in all processes.
    """
    results: list[T] = []
    gather_results(lambda: results.append(make()))
    return results[0]


def _attempt(make: Callable[[], Any]) -> tuple[Any, Exception | None]:
    try:
        return make(), None
    except Exception as error:  # any: the others must not wait for this process
        error.add_note(f"Raised in process {process_index()} of {n_processes()}.")
        return None, error


def _value(outcome: Any) -> Any:
    value, error = outcome
    if error is not None:
        raise error
    return value


def gather_rows(make: Callable[[], dict[int, T]]) -> dict[int, T]:
    """Call a function in every process and merge the rows that it returns.

    Parameters
    ----------
    make : callable
        Returns values by row, see `gather_results`.

    Returns
    -------
    dict of int to object
        The values of all processes, sorted by row.
    """
    return dict(sorted(item for part in gather_results(make) for item in part.items()))


def share_rows(y: np.ndarray) -> list[int]:
    """Return the rows that this process works on.

    Parameters
    ----------
    y : ndarray of shape (n,)
        Classes. Every process gets the same number of rows of each class, up to one.

    Returns
    -------
    list of int
        Sorted rows; all rows if there is only one process.
    """
    return sorted(np.argsort(y, kind="stable")[process_index() :: n_processes()].tolist())


def exchange_rows(array: np.ndarray, rows: Sequence[int]) -> None:
    """Send rows of an array to the other processes, and receive theirs.

    Parameters
    ----------
    array : ndarray
        The array, of the same shape in all processes, which is filled in place.
    rows : sequence of int
        The rows that this process has filled.
    """
    for source, sent in enumerate(gather_results(lambda: list(rows))):
        for row in sent if n_processes() > 1 else ():
            distributed.broadcast(torch.from_numpy(array[row]), src=source)


def check_same(value: Any, what: str) -> None:
    """Check that all processes have the same value.

    Parameters
    ----------
    value : object
        The value.
    what : str
        Its name, plural, for the error.

    Raises
    ------
    ValueError
        If the values differ.
    """
    if n_processes() > 1 and len(set(gather_results(lambda: joblib.hash(value)))) > 1:
        raise ValueError(
            f"The processes have different {what}. Pass the same to fit in all processes: set "
            "random_state where data is split or shuffled."
        )


def fit_in_first(estimator: Any, fit: Callable[[], Any]) -> None:
    """Fit an estimator in the first process and copy the result to the others.

    Parameters
    ----------
    estimator : estimator
        The estimator.
    fit : callable
        Fits it.
    """
    if n_processes() == 1:
        fit()
        return
    params = estimator.get_params(deep=False)
    state = first_result(lambda: _state_after(fit, estimator))
    if process_index() > 0:
        estimator.__setstate__(state | params)


def _state_after(fit: Callable[[], Any], estimator: Any) -> dict[str, Any]:
    fit()
    # Without the parameters: an object that the user passed may not be picklable.
    params = estimator.get_params(deep=False)
    return {name: value for name, value in estimator.__getstate__().items() if name not in params}


@contextmanager
def train_together(net: Any, seed: int) -> Iterator[None]:
    """Average the gradients of all processes inside the block.

    All processes start with the weights of the first. On GPUs, the statistics of BatchNorm are
    those of all processes. torch has no such layer for CPUs: there, each process normalises with
    the statistics of its share of the batch, and the running statistics are averaged at the end.
    If the training fails in one of several processes, this process ends.

    Parameters
    ----------
    net : skorch.NeuralNet
        The net, initialised.
    seed : int
        Seed of the training. Each process draws other random numbers.

    Yields
    ------
    None
        Nothing.
    """
    if n_processes() == 1:
        yield
        return
    _join()
    module = net.module_
    if torch.device(net.device).type == "cuda":
        module = nn.SyncBatchNorm.convert_sync_batchnorm(module)
    net.module_ = DistributedDataParallel(module, forward_sync_buffers=False)
    if process_index() > 0:
        own_seed = np.random.SeedSequence((seed, process_index())).generate_state(1)
        torch.manual_seed(int(own_seed[0]))
    try:
        yield
    except Exception as error:
        # A search would continue with its next candidate, while the others wait for this
        # process. torchrun ends them if it ends.
        traceback.print_exc()
        raise SystemExit(1) from error
    finally:
        net.module_ = module
    for buffer in module.buffers():
        if buffer.is_floating_point():
            distributed.all_reduce(buffer)
            buffer /= n_processes()


def mean_loss(module: nn.Module, loss: torch.Tensor) -> torch.Tensor:
    """Return the mean loss of all processes.

    Parameters
    ----------
    module : Module
        The network in training.
    loss : Tensor of shape ()
        The loss of this process.

    Returns
    -------
    Tensor of shape ()
        The mean; `loss` itself if this process trains `module` alone.
    """
    if not isinstance(module, DistributedDataParallel):
        return loss
    total = loss.detach().clone()
    distributed.all_reduce(total)
    return total / n_processes()
