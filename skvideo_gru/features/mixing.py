"""Mixup: clips of a batch are blended in pairs, with both labels."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.utils.data import default_collate

from ..networks import MixedPrecisionNet

# Both parameters of the beta distribution of the shares. Most pairs are blended little.
_ALPHA = 0.4


def collate_pairs(batch: list[Any]) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
    """Collate clips, and draw a partner for each and the share of the clip itself.

    Parameters
    ----------
    batch : list of (dict, int)
        Inputs and class of each clip.

    Returns
    -------
    inputs : dict of str to Tensor
        The inputs, ``"partner"`` (rows of the batch) and ``"share"`` (from 0.5 to 1). The share
        is 1 for a clip whose partner has another number of frames.
    y : Tensor of shape (n,), int64
        Classes.
    """
    inputs, y = default_collate(batch)
    partner = torch.randperm(len(y))
    share = torch.distributions.Beta(_ALPHA, _ALPHA).sample((len(y),))
    share = torch.maximum(share, 1 - share)
    if "lengths" in inputs:
        alike = inputs["lengths"] == inputs["lengths"][partner]
        share = torch.where(alike, share, torch.ones_like(share))
    return {**inputs, "partner": partner, "share": share}, y


def blend(images: torch.Tensor, partner: torch.Tensor, share: torch.Tensor) -> torch.Tensor:
    """Blend each clip with its partner.

    Parameters
    ----------
    images : Tensor of shape (n * T, C, H, W), float32
        The frames of n clips, clip after clip.
    partner : Tensor of shape (n,), int64
        The row of each clip's partner.
    share : Tensor of shape (n,), float32
        The share of the clip itself.

    Returns
    -------
    Tensor of shape (n * T, C, H, W), float32
        The blended frames.
    """
    clips = images.unflatten(0, (len(partner), -1))
    blended = torch.lerp(clips[partner], clips, share.view(-1, 1, 1, 1, 1))
    return blended.flatten(0, 1).contiguous(memory_format=torch.channels_last)


class MixupNet(MixedPrecisionNet):
    """A net whose loss supports the batches of `collate_pairs` (mixup [1]_).

    References
    ----------
    .. [1] H. Zhang et al., "mixup: Beyond Empirical Risk Minimization", 2017,
       arXiv:1710.09412.
    """

    def get_loss(
        self, y_pred: torch.Tensor, y_true: torch.Tensor, X: Any = None, training: bool = False
    ) -> torch.Tensor:
        """Compute the weighted mean of the cross-entropies for blended labels.

        Parameters
        ----------
        y_pred : Tensor of shape (n, n_classes)
            Logits.
        y_true : Tensor of shape (n,), int64
            Classes.
        X : dict of str to Tensor
            Inputs. Without ``"partner"`` the loss is the criterion's.
        training : bool, default=False
            Whether the loss is for training.

        Returns
        -------
        Tensor of shape ()
            The loss.
        """
        if "partner" not in X:
            return super().get_loss(y_pred, y_true, X=X, training=training)
        criterion, device = self.criterion_, y_pred.device
        classes = nn.functional.one_hot(y_true.to(device), y_pred.shape[1]).to(y_pred.dtype)
        partner, share = X["partner"].to(device), X["share"].to(device)
        target = torch.lerp(classes[partner], classes, share[:, None])
        loss = nn.functional.cross_entropy(
            y_pred,
            target,
            criterion.weight,
            reduction="sum",
            label_smoothing=criterion.label_smoothing,
        )
        # With one class per clip, torch divides by the weights of the classes, not by n.
        return loss / (target @ criterion.weight).sum()
