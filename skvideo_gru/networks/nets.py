"""Nets of skorch for both networks, and the data set of the GRU."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from skorch import NeuralNet, NeuralNetClassifier
from torch import nn
from torch.utils.data import Dataset

from .processes import mean_loss


class SequenceDataset(Dataset):
    """Sequences that are loaded in whole batches, without collation.

    Parameters
    ----------
    inputs : dict of str to ndarray
        The network's inputs, with one row per sequence, and ``"weight"`` if sequences
        have weights.
    y : ndarray of shape (n,), int64, optional
        Classes; zeros by default.
    rows : ndarray of shape (n,), int64, optional
        Rows of ``inputs["sequences"]``; all by default.
    """

    def __init__(
        self,
        inputs: dict[str, np.ndarray],
        y: np.ndarray | None = None,
        rows: np.ndarray | None = None,
    ) -> None:
        self.inputs = inputs
        self.y = np.zeros(len(inputs["lengths"]), np.int64) if y is None else y
        self.rows = np.arange(len(self.y)) if rows is None else rows

    def __len__(self) -> int:
        return len(self.y)

    def __getitem__(self, row: int) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
        return self.__getitems__([row])

    def __getitems__(self, rows: list[int]) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
        def gather(values: np.ndarray, chosen: torch.Tensor) -> torch.Tensor:
            # torch uses all threads, NumPy one.
            return torch.from_numpy(values).index_select(0, chosen)

        chosen = torch.tensor(rows)
        stored = gather(self.rows, chosen)
        inputs = {
            name: gather(values, stored if name == "sequences" else chosen)
            for name, values in self.inputs.items()
        }
        return inputs, gather(self.y, chosen)


def identity_collate(batch: Any) -> Any:
    """Return a batch that is already collated.

    Parameters
    ----------
    batch : object
        A batch of `SequenceDataset`.

    Returns
    -------
    object
        The same batch.
    """
    return batch


class MixedPrecisionNet(NeuralNet):
    """A net with optional mixed-precision training in bfloat16.

    Parameters
    ----------
    *args : tuple
        Arguments of `skorch.NeuralNet`.
    mixed_precision : bool, default=False
        Whether training uses autocast to bfloat16.
    **kwargs : dict
        Arguments of `skorch.NeuralNet`.
    """

    def __init__(self, *args: Any, mixed_precision: bool = False, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.mixed_precision = mixed_precision

    def infer(self, x: Any, **fit_params: Any) -> torch.Tensor:
        """Run the network on a batch.

        Parameters
        ----------
        x : Tensor or dict of str to Tensor
            Inputs.
        **fit_params : dict
            Other arguments of skorch's `infer`.

        Returns
        -------
        Tensor of shape (n, n_classes)
            Logits, with the dtype of the weights.
        """
        if not (self.mixed_precision and self.module_.training):
            return super().infer(x, **fit_params)
        with torch.autocast(torch.device(self.device).type, torch.bfloat16):
            logits = super().infer(x, **fit_params)
        return logits.to(next(self.module_.parameters()).dtype)

    def train_step_single(self, batch: Any, **fit_params: Any) -> dict[str, Any]:
        """Compute the gradients of a batch.

        Parameters
        ----------
        batch : tuple
            Inputs and classes.
        **fit_params : dict
            Other arguments of skorch's `train_step_single`.

        Returns
        -------
        dict
            ``"loss"``, the mean of all processes, and ``"y_pred"``, the logits.
        """
        step = super().train_step_single(batch, **fit_params)
        return {**step, "loss": mean_loss(self.module_, step["loss"])}


class WeightedNet(MixedPrecisionNet, NeuralNetClassifier):
    """A net whose loss supports a weight per sequence."""

    def infer(self, x: dict[str, torch.Tensor], **fit_params: Any) -> torch.Tensor:
        """Run the network on a batch.

        Parameters
        ----------
        x : dict of str to Tensor
            Inputs, and optional weights.
        **fit_params : dict
            Other arguments of skorch's `infer`.

        Returns
        -------
        Tensor of shape (n, n_classes)
            Logits.
        """
        inputs = {name: value for name, value in x.items() if name != "weight"}
        return super().infer(inputs, **fit_params)

    def get_loss(
        self, y_pred: torch.Tensor, y_true: torch.Tensor, X: Any = None, training: bool = False
    ) -> torch.Tensor:
        """Compute the cross-entropy, weighted by class and optionally by sequence.

        In training it is the weighted mean of the batch, as in torch. For held-out data,
        whose weights are 1 on average, it is the sum of weighted losses divided by the
        batch size: skorch averages batches by size, which gives the weighted mean of all
        sequences in any order.

        Parameters
        ----------
        y_pred : Tensor of shape (n, n_classes)
            Logits.
        y_true : Tensor of shape (n,), int64
            Classes.
        X : dict of str to Tensor
            Inputs, and optional weights.
        training : bool, default=False
            Whether the loss is for training.

        Returns
        -------
        Tensor of shape ()
            The loss.
        """
        criterion = self.criterion_
        target = y_true.to(y_pred.device)
        weight = X["weight"].to(y_pred.device) if "weight" in X else torch.ones_like(target)
        losses = nn.functional.cross_entropy(
            y_pred,
            target,
            criterion.weight,
            reduction="none",
            label_smoothing=criterion.label_smoothing,
        )
        if training:
            return (weight * losses).sum() / (weight * criterion.weight[target]).sum()
        return (weight * losses).mean()
