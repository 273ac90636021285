"""The recurrent network: a GRU over the frames of a sequence, then fully connected layers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

#: How a sequence of outputs is reduced to one vector.
POOLINGS = ("last", "mean", "max", "attention", "pyramid")

_N_QUARTERS = 4


class GRUNetwork(nn.Module):
    """Classify sequences with a GRU [1]_ and fully connected layers.

    Parameters
    ----------
    input_size : int
        Features per frame.
    n_classes : int
        Number of logits.
    hidden_size : int, default=64
        Units of each GRU layer, in each direction.
    num_layers : int, default=1
        Number of stacked GRU layers.
    bidirectional : bool, default=False
        Whether a second GRU processes the frames in reverse order.
    dropout : float, default=0.0
        Dropout probability between GRU layers and before each fully connected layer.
    pooling : {"last", "mean", "max", "attention", "pyramid"}, default="last"
        How the outputs are reduced: the state after the last frame (of the backward GRU,
        after the first), the mean or maximum over the frames, a weighted mean whose
        weights are learned from the outputs, or that weighted mean and the means over the
        four quarters of the sequence, concatenated. Quarters overlap if 4 does not divide
        the number of frames.
    delta_weight : float, default=0.0
        Weight of frame-to-frame differences relative to the features. The positive and
        the negative part of each feature's difference from the previous frame (0 for the
        first frame) are additional inputs. Differences are multiplied by the square root
        of the weight, and features divided by it. With 0, the features are the only input.
    fc_sizes : sequence of int, default=()
        Units of the fully connected layers, with ReLU, between the GRU and the last
        layer, which outputs the logits.
    dtype : {"float32", "float64"}, default="float32"
        Data type of weights, inputs and outputs.

    References
    ----------
    .. [1] K. Cho et al., "Learning Phrase Representations using RNN
       Encoder-Decoder for Statistical Machine Translation", 2014,
       arXiv:1406.1078; in cuDNN's variant, which applies the reset gate after the
       matrix product.
    """

    def __init__(
        self,
        input_size: int,
        n_classes: int,
        hidden_size: int = 64,
        num_layers: int = 1,
        bidirectional: bool = False,
        dropout: float = 0.0,
        pooling: str = "last",
        delta_weight: float = 0.0,
        fc_sizes: Sequence[int] = (),
        dtype: str = "float32",
    ) -> None:
        super().__init__()
        self.pooling = pooling
        self.delta_weight = delta_weight
        self.gru = nn.GRU(
            input_size * (3 if delta_weight else 1),
            hidden_size,
            num_layers,
            batch_first=True,
            dropout=dropout if num_layers > 1 else 0.0,
            bidirectional=bidirectional,
        )
        size = hidden_size * (2 if bidirectional else 1)
        if pooling in ("attention", "pyramid"):
            self.attention = nn.Linear(size, 1)
        if pooling == "pyramid":
            size *= 1 + _N_QUARTERS
        layers: list[nn.Module] = []
        for n_units in fc_sizes:
            layers += [nn.Dropout(dropout), nn.Linear(size, n_units), nn.ReLU()]
            size = n_units
        self.fc = nn.Sequential(*layers, nn.Dropout(dropout), nn.Linear(size, n_classes))
        self.to(getattr(torch, dtype))  # after initialisation, for equal weights in both dtypes

    def forward(self, sequences: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """Compute the logits of padded sequences.

        Parameters
        ----------
        sequences : Tensor of shape (n, T, input_size)
            Feature vectors; padding beyond a sequence's length is ignored.
        lengths : Tensor of shape (n,), int64
            Number of frames of each sequence without padding, at least 1.

        Returns
        -------
        Tensor of shape (n, n_classes)
            Logits.
        """
        sequences = self._with_changes(sequences)
        longest = int(lengths.max())
        if bool((lengths == longest).all()):
            outputs, state = self._recur(sequences[:, :longest])
        else:
            packed = pack_padded_sequence(
                sequences, lengths.cpu(), batch_first=True, enforce_sorted=False
            )
            packed_outputs, state = self._recur(packed)
            outputs, _ = pad_packed_sequence(packed_outputs, batch_first=True)
        return self.fc(self._pool(outputs, state, lengths.to(outputs.device)))

    def forward_frames(self, sequences: torch.Tensor) -> torch.Tensor:
        """Compute the logits after every frame, in one pass.

        Parameters
        ----------
        sequences : Tensor of shape (n, T, input_size)
            Feature vectors.

        Returns
        -------
        Tensor of shape (n, T, n_classes)
            For each frame, the logits of the sequence that ends with it.

        Raises
        ------
        ValueError
            If the network is bidirectional: its state then depends on later frames.
        """
        if self.gru.bidirectional:
            raise ValueError(
                "Logits after each frame are not defined for a bidirectional network."
            )
        outputs, _ = self._recur(self._with_changes(sequences))
        return self.fc(self._running_pool(outputs))

    def attention_weights(self, sequences: torch.Tensor) -> torch.Tensor:
        """Compute the weights of the frames in the attention pooling.

        Parameters
        ----------
        sequences : Tensor of shape (n, T, input_size)
            Feature vectors, without padding.

        Returns
        -------
        Tensor of shape (n, T)
            The weights; their sum over the frames is 1.
        """
        outputs, _ = self._recur(self._with_changes(sequences))
        return self.attention(outputs).squeeze(2).softmax(dim=1)

    def _running_pool(self, outputs: torch.Tensor) -> torch.Tensor:
        if self.pooling == "last":
            return outputs
        if self.pooling == "mean":
            counts = torch.arange(1, outputs.shape[1] + 1, device=outputs.device)
            return outputs.cumsum(dim=1) / counts[:, None]
        if self.pooling == "max":
            return outputs.cummax(dim=1).values
        # An online softmax over the frames so far, relative to their maximum.
        scores = self.attention(outputs)
        highest = scores.cummax(dim=1).values
        rescale = (highest[:, :-1] - highest[:, 1:]).exp()
        share = (scores - highest).exp()
        total, weighted = share[:, 0], share[:, 0] * outputs[:, 0]
        pooled = [weighted / total]
        for frame in range(1, outputs.shape[1]):
            total = rescale[:, frame - 1] * total + share[:, frame]
            weighted = rescale[:, frame - 1] * weighted + share[:, frame] * outputs[:, frame]
            pooled.append(weighted / total)
        attended = torch.stack(pooled, dim=1)
        if self.pooling == "attention":
            return attended
        n_frames = torch.arange(1, outputs.shape[1] + 1, device=outputs.device)
        quarters = _mean_of_quarters(outputs, n_frames.expand(len(outputs), -1))
        return torch.cat([attended, quarters], dim=2)

    def _with_changes(self, sequences: torch.Tensor) -> torch.Tensor:
        if not self.delta_weight:
            return sequences
        gain = math.sqrt(self.delta_weight)
        frames = sequences.transpose(0, 1)  # the memory layout that torch's GRU requires
        # Not torch.diff, which torch cannot export to ONNX.
        change = gain * (frames - torch.cat([frames[:1], frames[:-1]]))
        changes = [change.relu(), (-change).relu()]
        return torch.cat([frames / gain, *changes], dim=2).transpose(0, 1)

    def _recur(self, sequences: Any) -> tuple[Any, torch.Tensor]:
        if not sequences.is_cuda:
            return self.gru(sequences)
        # Under autocast, cuDNN's GRU computes in float16 even if bfloat16 is requested.
        with torch.autocast("cuda", enabled=False):
            return self.gru(sequences.to(self.gru.weight_ih_l0.dtype))

    def _pool(
        self, outputs: torch.Tensor, state: torch.Tensor, lengths: torch.Tensor
    ) -> torch.Tensor:
        if self.pooling == "last":
            return (
                torch.cat([state[-2], state[-1]], dim=1) if self.gru.bidirectional else state[-1]
            )
        real = torch.arange(outputs.shape[1], device=lengths.device) < lengths[:, None]
        if self.pooling == "mean":
            return outputs.where(real[..., None], 0).sum(dim=1) / lengths[:, None]
        if self.pooling == "max":
            return outputs.where(real[..., None], -torch.inf).amax(dim=1)
        scores = self.attention(outputs).squeeze(2).where(real, -torch.inf)
        attended = (scores.softmax(dim=1)[..., None] * outputs).sum(dim=1)
        if self.pooling == "attention":
            return attended
        return torch.cat([attended, _mean_of_quarters(outputs, lengths[:, None])[:, 0]], dim=1)


def _mean_of_quarters(outputs: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
    """Average outputs (n, T, h) over the quarters of the first `lengths` (n, m) frames.

    Returns (n, m, 4 h). The bounds are those of torch's adaptive average pooling.
    """
    quarters = torch.arange(_N_QUARTERS, device=outputs.device)
    starts = lengths[..., None] * quarters // _N_QUARTERS
    ends = (lengths[..., None] * (quarters + 1) + _N_QUARTERS - 1) // _N_QUARTERS
    totals = torch.cat([torch.zeros_like(outputs[:, :1]), outputs.cumsum(dim=1)], dim=1)
    # Not indexing by tensors, of which torch warns when it exports to ONNX.
    at_starts, at_ends = (
        totals.gather(1, bounds.flatten(1)[..., None].expand(-1, -1, outputs.shape[2]))
        for bounds in (starts, ends)
    )
    means = (at_ends - at_starts) / (ends - starts).flatten(1)[..., None]
    return means.unflatten(1, (-1, _N_QUARTERS)).flatten(2)
