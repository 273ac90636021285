"""Prediction with a trained net, and its saving and loading."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import check_is_fitted

from ..networks import GRUNetwork, SequenceDataset, WeightedNet, resolve_device, useful_threads
from ..persistence import Versioned
from .net_building import net_state, restore_net
from .sequences import sequence_lengths, validate_sequences

# Frames in one batch of running probabilities, which bounds the memory for long sequences.
_FRAMES_PER_BATCH = 4096


class SequencePredictor(ClassifierMixin, Versioned, BaseEstimator):
    """Base class of `GRUClassifier`: prediction, saving and loading.

    A subclass trains the net: its `fit` sets ``net_``, ``classes_``, ``class_prior_``,
    ``history_`` and ``_device``, the `device` parameter that the net was made for.
    """

    net_: WeightedNet
    classes_: np.ndarray
    class_prior_: np.ndarray
    history_: list[dict[str, float]]
    _device: str | torch.device

    @property
    def module_(self) -> GRUNetwork:
        """The trained network.

        Returns
        -------
        GRUNetwork
            The net's module.
        """
        return self.net_.module_

    @property
    def _dtype(self) -> str:
        """The dtype of the network."""
        return self.net_.get_params_for("module")["dtype"]

    def predict_proba(self, X: Any) -> np.ndarray:
        """Compute the probability of every class.

        Parameters
        ----------
        X : array-like of shape (n, T * frame_dim) or (n, T, d)
            Sequences, padded with trailing frames of NaN.

        Returns
        -------
        ndarray of shape (n, n_classes), float32 or float64
            Probabilities, in the order of ``classes_``; the class priors for a
            row without frames.

        Raises
        ------
        NotFittedError
            If the classifier is not fitted.
        ValueError
            If `X` is not valid.
        """
        sequences, lengths = self._sequences(X)
        proba = np.tile(self.class_prior_.astype(self._dtype), (len(lengths), 1))
        if lengths.any():
            rows = np.flatnonzero(lengths)
            inputs = {"sequences": sequences, "lengths": lengths[rows]}
            n_sequences = min(len(lengths), self.net_.batch_size)
            with useful_threads(self.net_, n_sequences * sequences.shape[1]):
                proba[rows] = self.net_.predict_proba(SequenceDataset(inputs, rows=rows))
        return proba

    def predict_proba_frames(self, X: Any) -> np.ndarray:
        """Compute the probability of every class after every frame.

        Parameters
        ----------
        X : array-like of shape (n, T * frame_dim) or (n, T, d)
            Sequences, padded with trailing frames of NaN.

        Returns
        -------
        ndarray of shape (n, T, n_classes), float32 or float64
            For each frame, the result of `predict_proba` for the sequence up to
            this frame; NaN for padding.

        Raises
        ------
        NotFittedError
            If the classifier is not fitted.
        ValueError
            If `X` is not valid.

        Notes
        -----
        The time is proportional to the number of frames, or to its square with
        ``bidirectional=True``, where each frame changes all outputs.
        """
        sequences, lengths = self._sequences(X)
        shape = (*sequences.shape[:2], len(self.classes_))
        running = np.full(shape, np.nan, dtype=self._dtype)
        fill = self._fill_by_prefix if self.module_.gru.bidirectional else self._fill_in_one_pass
        n_sequences = min(len(lengths), self.net_.batch_size)
        n_frames = min(n_sequences * sequences.shape[1], _FRAMES_PER_BATCH)
        with useful_threads(self.net_, n_frames):
            fill(running, sequences, lengths)
        return running

    def _fill_in_one_pass(
        self, running: np.ndarray, sequences: np.ndarray, lengths: np.ndarray
    ) -> None:
        order = np.argsort(lengths, kind="stable")
        order = order[lengths[order] > 0]
        module = self.module_.eval()
        while len(order):
            # The longest first: the batch is truncated to its longest sequence.
            longest = int(lengths[order[-1]])
            n_rows = max(1, min(self.net_.batch_size, _FRAMES_PER_BATCH // longest))
            order, rows = order[:-n_rows], order[-n_rows:]
            batch = torch.from_numpy(sequences[rows, :longest]).to(self.net_.device)
            with torch.inference_mode():
                proba = module.forward_frames(batch).softmax(dim=2).cpu().numpy()
            real = np.arange(longest) < lengths[rows, None]
            running[rows, :longest] = np.where(real[..., None], proba, np.nan)

    def _fill_by_prefix(
        self, running: np.ndarray, sequences: np.ndarray, lengths: np.ndarray
    ) -> None:
        for frame in range(int(lengths.max(initial=0))):
            rows = np.flatnonzero(lengths > frame)
            prefixes = {
                "sequences": sequences[:, : frame + 1],
                "lengths": np.full(len(rows), frame + 1),
            }
            running[rows, frame] = self.net_.predict_proba(SequenceDataset(prefixes, rows=rows))

    def predict(self, X: Any) -> np.ndarray:
        """Predict the most probable class.

        Parameters
        ----------
        X : array-like of shape (n, T * frame_dim) or (n, T, d)
            Sequences, padded with trailing frames of NaN.

        Returns
        -------
        ndarray of shape (n,)
            Labels.

        Raises
        ------
        NotFittedError
            If the classifier is not fitted.
        ValueError
            If `X` is not valid.
        """
        proba = self.predict_proba(X)
        return self.classes_[proba.argmax(axis=1)]

    def _sequences(self, X: Any) -> tuple[np.ndarray, np.ndarray]:
        check_is_fitted(self, "net_")
        sequences = validate_sequences(self, X, self.frame_dim, dtype=self._dtype, reset=False)
        lengths = sequence_lengths(sequences)
        if self.device != self._device and lengths.any():  # set since the fit
            device = resolve_device(self.device, training=False)
            self.net_.module_.to(device)
            self.net_.device, self._device = device, self.device
            self._in_parts = False  # the optimizer's state is on the former device
        return sequences, lengths

    def __getstate__(self) -> dict[str, Any]:
        """Return the state to save: the net's weights as arrays, without a device."""
        state = dict(super().__getstate__())
        for name in ("_in_parts", "_device"):  # optimizer and device are not saved
            state.pop(name, None)
        if "net_" in state:
            state["_saved_net"] = net_state(state.pop("net_"))
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restore the attributes and the net."""
        state = dict(state)
        saved = state.pop("_saved_net", None)
        super().__setstate__(state)
        if saved is None:
            return
        self._device, self._in_parts = self.device, False
        self.net_ = restore_net(saved, self.history_, self.device)

    def __sklearn_tags__(self):
        """Return scikit-learn's tags, for 3-D input."""
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        return tags
