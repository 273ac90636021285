"""The recurrent network: a GRU over a clip's frames, then fully connected layers."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence

__all__ = ["GRUNetwork"]


class GRUNetwork(nn.Module):
    """Classify sequences by the GRU's [1]_ state after their last frame.

    Parameters
    ----------
    input_size : int
        Length of a frame's feature vector.
    n_classes : int
        Number of logits.
    hidden_size : int, default=64
        Units of each GRU layer.
    num_layers : int, default=1
        GRU layers on top of each other.
    dropout : float, default=0.0
        Share of units dropped in training, between GRU layers and before each
        fully connected layer.
    fc_sizes : sequence of int, default=()
        Units of the fully connected layers, with ReLU, between the GRU and the
        last layer, which puts out the logits.

    References
    ----------
    .. [1] K. Cho et al., "Learning Phrase Representations using RNN
       Encoder-Decoder for Statistical Machine Translation", 2014,
       arXiv:1406.1078; computed in cuDNN's variant, which applies the reset
       gate after the matrix product.
    """

    def __init__(
        self,
        input_size: int,
        n_classes: int,
        hidden_size: int = 64,
        num_layers: int = 1,
        dropout: float = 0.0,
        fc_sizes: Sequence[int] = (),
    ) -> None:
        super().__init__()
        self.gru = nn.GRU(
            input_size,
            hidden_size,
            num_layers,
            batch_first=True,
            dropout=dropout if num_layers > 1 else 0.0,
        )
        layers: list[nn.Module] = []
        size = hidden_size
        for n_units in fc_sizes:
            layers += [nn.Dropout(dropout), nn.Linear(size, n_units), nn.ReLU()]
            size = n_units
        self.fc = nn.Sequential(*layers, nn.Dropout(dropout), nn.Linear(size, n_classes))

    def forward(self, sequences: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """Compute the logits of padded sequences.

        Parameters
        ----------
        sequences : Tensor of shape (n, T, input_size)
            Feature vectors; what lies beyond a sequence's length is not looked at.
        lengths : Tensor of shape (n,), int64
            Number of real frames of each sequence, at least 1.

        Returns
        -------
        Tensor of shape (n, n_classes)
            Logits.
        """
        longest = int(lengths.max())
        if bool((lengths == longest).all()):
            _, state = self.gru(sequences[:, :longest])
        else:
            packed = pack_padded_sequence(
                sequences, lengths.cpu(), batch_first=True, enforce_sorted=False
            )
            _, state = self.gru(packed)
        return self.fc(state[-1])
