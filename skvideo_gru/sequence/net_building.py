"""Build, save and restore the skorch net of a classifier."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from numbers import Integral
from typing import Any

import numpy as np
import torch
from skorch.callbacks import Callback, EarlyStopping, GradientNormClipping
from skorch.helper import predefined_split
from torch import nn

from ..networks import (
    FUSED,
    OPTIMIZERS,
    EpochEvents,
    EpochProgress,
    GRUNetwork,
    SequenceDataset,
    WeightedNet,
    identity_collate,
    learning_rate_schedule,
    resolve_device,
    resolve_mixed_precision,
    seeded,
    to_builtin,
)
from .training_data import TrainingData, relative_weights
from .weighting import class_weights, held_out_weights

# A data loader without its own generator draws a seed from torch's global generator,
# even if it does not shuffle.
_PREDICTING: dict[str, Any] = {
    "iterator_valid__collate_fn": identity_collate,
    "iterator_valid__generator": torch.Generator(),
}

# Arguments that would bypass sequence weights or would be lost when a model is saved.
_NOT_IN_NET_PARAMS = {
    "callbacks": "pass them as the parameter callbacks of GRUClassifier",
    "criterion": "the loss is always cross-entropy. Set class_weight or label_smoothing instead",
    "module": "the network is always a GRU. Set hidden_size, num_layers or pooling instead",
    "train_split": "use early_stopping with validation_fraction, groups, or "
    "X_val and y_val instead",
    "predict_nonlinearity": "the probabilities are always the softmax of the logits. Remove it",
}


def check_net_params(params: Mapping[str, Any]) -> None:
    """Check the parameters of a classifier whose content matters, not only the type.

    Parameters
    ----------
    params : mapping of str to object
        The parameters of a `GRUClassifier`.

    Raises
    ------
    ValueError
        If `fc_sizes`, `net_params`, `callbacks` or `device` is not valid.
    """
    if not all(
        isinstance(size, Integral) and type(size) is not bool and int(size) > 0
        for size in params["fc_sizes"]
    ):
        raise ValueError(f"fc_sizes={params['fc_sizes']!r} must contain positive ints only.")
    for name, value in (params["net_params"] or {}).items():
        part, _, rest = name.partition("__")
        if part == "module" and rest in params:
            raise ValueError(
                f"net_params must not contain {name!r}: set {rest} of GRUClassifier instead."
            )
        whole = part if part in ("criterion", "module") else name
        if whole in _NOT_IN_NET_PARAMS:
            raise ValueError(f"net_params must not contain {name!r}: {_NOT_IN_NET_PARAMS[whole]}.")
        if name in ("batch_size", "max_epochs") and not (
            isinstance(value, Integral) and type(value) is not bool and int(value) > 0
        ):
            raise ValueError(f"net_params: {name}={value!r} must be a positive int.")
    for entry in _copy_callbacks(params["callbacks"]):
        callback = entry[1] if isinstance(entry, tuple) and len(entry) == 2 else entry
        of_skorch = callback if isinstance(callback, type) else type(callback)
        if not issubclass(of_skorch, Callback):
            raise ValueError(
                f"callbacks={params['callbacks']!r} must contain callbacks of skorch, or pairs of "
                "a name and a callback."
            )
    resolve_device(params["device"])


def build_net(
    params: Mapping[str, Any],
    train: TrainingData,
    held_out: TrainingData | None = None,
    *,
    classes: np.ndarray,
    partial: bool = False,
) -> WeightedNet:
    """Build the net that a classifier trains.

    Parameters
    ----------
    params : mapping of str to object
        The parameters of a `GRUClassifier`.
    train : TrainingData
        The training sequences.
    held_out : TrainingData, optional
        The sequences for early stopping; None trains for all epochs.
    classes : ndarray of shape (n_classes,)
        The labels, sorted.
    partial : bool, default=False
        Whether the net is for `partial_fit`: without learning-rate schedule and
        progress bar.

    Returns
    -------
    WeightedNet
        The net, not initialised.

    Raises
    ------
    ValueError
        If `class_weight` is not valid.
    """
    weights = class_weights(params["class_weight"], classes, train)
    split = None
    if held_out is not None:
        validation = to_dataset(held_out, classes)
        validation.inputs["weight"] = held_out_weights(held_out, weights, classes)
        split = predefined_split(validation)
    device, mixed_precision = resolve_device(params["device"]), params["mixed_precision"]
    if mixed_precision == "auto":
        float32 = train.sequences.dtype == np.float32
        mixed_precision = float32 and resolve_mixed_precision("auto", device)
    module = ["hidden_size", "num_layers", "bidirectional", "dropout", "pooling", "delta_weight"]
    options = {
        "module__input_size": train.sequences.shape[2],
        "module__n_classes": len(classes),
        **{f"module__{name}": params[name] for name in module},
        "module__fc_sizes": tuple(map(to_builtin, params["fc_sizes"])),
        "module__dtype": train.sequences.dtype.name,
        "criterion": nn.CrossEntropyLoss,
        "criterion__weight": torch.from_numpy(weights.astype(train.sequences.dtype)),
        "criterion__label_smoothing": params["label_smoothing"],
        "optimizer": OPTIMIZERS[params["optimizer"]],
        "optimizer__weight_decay": params["weight_decay"],
        "lr": params["lr"],
        "max_epochs": params["max_epochs"],
        "batch_size": params["batch_size"],
        "iterator_train__shuffle": True,
        "iterator_train__collate_fn": identity_collate,
        **_PREDICTING,
        "train_split": split,
        "classes": np.arange(len(classes)),
        "mixed_precision": mixed_precision,
        "device": device,
        "verbose": 0,
        **(params["net_params"] or {}),
    }
    options = {name: to_builtin(value) for name, value in options.items()}
    if options["optimizer"] in FUSED and not options.get("optimizer__foreach"):
        options.setdefault("optimizer__fused", True)
    callbacks: list[Any] = []
    if not partial:
        callbacks += learning_rate_schedule(
            params["lr_schedule"],
            decay=params["lr_decay"],
            lr=options["lr"],
            max_epochs=options["max_epochs"],
            n_batches=math.ceil(len(train.y) / options["batch_size"]),
            monitor="train_loss" if held_out is None else "valid_loss",
        )
    if params["max_grad_norm"] is not None:
        clipping = GradientNormClipping(gradient_clip_value=params["max_grad_norm"])
        callbacks.append(("max_grad_norm", clipping))
    if params["verbose"] and not partial:
        callbacks.append(("progress", EpochProgress("GRU")))
    callbacks += _copy_callbacks(params["callbacks"])
    if not partial:
        callbacks.append(("events", EpochEvents("gru")))
    if held_out is not None:  # the last, because it can end the training before the others run
        stop = EarlyStopping(patience=params["n_iter_no_change"], load_best=True)
        callbacks.append(("early_stopping", stop))
    return WeightedNet(GRUNetwork, **options, callbacks=callbacks)


def _copy_callbacks(callbacks: list[Any] | None) -> list[Any]:
    try:
        return copy.deepcopy(list(callbacks or []))
    except TypeError as error:
        raise ValueError(
            f"callbacks={callbacks!r} cannot be copied: {error}. Open files and similar "
            "resources in the method on_train_begin of the callback."
        ) from error


def to_dataset(data: TrainingData, classes: np.ndarray) -> SequenceDataset:
    """Convert training data to the data set that a net reads.

    Parameters
    ----------
    data : TrainingData
        Sequences, labels and weights.
    classes : ndarray of shape (n_classes,)
        The labels, sorted.

    Returns
    -------
    SequenceDataset
        The same, with class numbers for labels and with relative weights.
    """
    inputs = {"sequences": data.sequences, "lengths": data.lengths}
    if data.weight is not None:
        inputs["weight"] = relative_weights(data.weight, data.sequences.dtype)
    return SequenceDataset(inputs, np.searchsorted(classes, data.y), data.rows)


def net_state(net: WeightedNet) -> dict[str, Any]:
    """Extract the state of a trained net to save.

    Parameters
    ----------
    net : WeightedNet
        The net.

    Returns
    -------
    dict
        The network's arguments, the batch size, and the weights as arrays, which
        load on any device.
    """
    weights = net.module_.state_dict()
    return {
        "module": net.get_params_for("module"),
        "batch_size": net.batch_size,
        "weights": {name: value.cpu().numpy() for name, value in weights.items()},
    }


def _no_optimizer(*_: Any, **__: Any) -> None:
    """Take the place of an optimizer: torch imports its compiler for one, which takes seconds."""


def restore_net(
    state: Mapping[str, Any], history: list[dict[str, float]], device: str | torch.device
) -> WeightedNet:
    """Build a net from its saved state.

    Parameters
    ----------
    state : mapping
        What `net_state` returned.
    history : list of dict
        Records of the trained epochs.
    device : str or torch.device
        The device; if it is missing, the CPU is used, with a warning.

    Returns
    -------
    WeightedNet
        The net, which predicts as the saved one; it has no optimizer.
    """
    net = WeightedNet(
        GRUNetwork,
        **{f"module__{name}": value for name, value in state["module"].items()},
        criterion=nn.CrossEntropyLoss,
        optimizer=_no_optimizer,
        batch_size=state["batch_size"],
        **_PREDICTING,
        classes=np.arange(state["module"]["n_classes"]),
        device=resolve_device(device, training=False),
        verbose=0,
    )
    with seeded(0):
        net.initialize()
    weights = {name: torch.tensor(value) for name, value in state["weights"].items()}
    net.module_.load_state_dict(weights)
    for record in history:
        net.history.new_epoch()
        for name, value in record.items():
            net.history.record(name, value)
    return net
