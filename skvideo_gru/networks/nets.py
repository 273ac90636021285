"""The skorch nets around both networks, and the data set that feeds the GRU."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from skorch import NeuralNet, NeuralNetClassifier
from torch import nn
from torch.utils.data import Dataset

__all__ = ["MixedPrecisionNet", "SequenceDataset", "WeightedNet", "identity_collate"]


class SequenceDataset(Dataset):
    """Sequences that a loader takes by the batch: not one by one, to be stacked again.

    Parameters
    ----------
    inputs : dict of str to ndarray
        The network's inputs, and ``"weight"`` where sequences have weights; one row
        for each sequence.
    y : ndarray of shape (n,), int64, optional
        Classes; zeros where there are none.
    """

    def __init__(self, inputs: dict[str, np.ndarray], y: np.ndarray | None = None) -> None:
        self.inputs = inputs
        self.y = np.zeros(len(inputs["lengths"]), np.int64) if y is None else y

    def __len__(self) -> int:
        return len(self.y)

    def __getitem__(self, row: int) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
        return self.__getitems__([row])

    def __getitems__(self, rows: list[int]) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
        chosen = torch.tensor(rows)  # torch gathers with all threads, numpy with one

        def gather(values: np.ndarray) -> torch.Tensor:
            return torch.from_numpy(values).index_select(0, chosen)

        return {name: gather(values) for name, values in self.inputs.items()}, gather(self.y)


def identity_collate(batch: Any) -> Any:
    """Collate a batch that is one already.

    Parameters
    ----------
    batch : object
        What `SequenceDataset` gave.

    Returns
    -------
    object
        The same.
    """
    return batch


class MixedPrecisionNet(NeuralNet):
    """A net that may train in bfloat16 where that does no harm.

    Parameters
    ----------
    *args : tuple
        What skorch's net takes.
    mixed_precision : bool, default=False
        Whether it does.
    **kwargs : dict
        What skorch's net takes.
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
            What skorch passes besides.

        Returns
        -------
        Tensor of shape (n, n_classes)
            Logits, in the weights' type.
        """
        if not (self.mixed_precision and self.module_.training):
            return super().infer(x, **fit_params)
        with torch.autocast(torch.device(self.device).type, torch.bfloat16):
            logits = super().infer(x, **fit_params)
        return logits.to(next(self.module_.parameters()).dtype)


class WeightedNet(MixedPrecisionNet, NeuralNetClassifier):
    """A net in whose loss every sequence may have a weight."""

    def infer(self, x: dict[str, torch.Tensor], **fit_params: Any) -> torch.Tensor:
        """Run the network on a batch.

        Parameters
        ----------
        x : dict of str to Tensor
            Inputs, and perhaps weights.
        **fit_params : dict
            What skorch passes besides.

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
        """Compute the cross-entropy, weighted by class and by sequence if there are weights.

        In training it is a batch's weighted mean, as torch's. Of what is held out, whose
        weights are 1 on average, it is the mean: skorch averages batches by their sizes,
        which gives the weighted mean of all, however they are ordered.

        Parameters
        ----------
        y_pred : Tensor of shape (n, n_classes)
            Logits.
        y_true : Tensor of shape (n,), int64
            Classes.
        X : dict of str to Tensor
            Inputs, and perhaps weights.
        training : bool, default=False
            Whether the network is being trained.

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
