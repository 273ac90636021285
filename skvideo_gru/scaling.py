"""A meta-transformer that scales frames instead of flattened videos."""

from __future__ import annotations

from numbers import Integral
from typing import Any, Self

import numpy as np
from scipy.sparse import issparse
from sklearn.base import BaseEstimator, MetaEstimatorMixin, TransformerMixin, _fit_context, clone
from sklearn.utils import check_consistent_length, get_tags
from sklearn.utils._param_validation import HasMethods, Interval
from sklearn.utils.validation import check_is_fitted

from .sequences import is_three_d, real_frames, validate_sequences

__all__ = ["FrameWise"]


class FrameWise(TransformerMixin, MetaEstimatorMixin, BaseEstimator):
    """Apply a transformer to frames instead of flattened videos.

    A scaler on flattened rows learns a range for every feature of every frame;
    inside this one it learns a range for every feature over all frames, which
    fits videos of different lengths too. Padding (trailing frames of NaN) is
    neither learnt from nor changed.

    Parameters
    ----------
    transformer : transformer
        Any scikit-learn transformer for 2-D arrays, ``MinMaxScaler()`` say. It
        is cloned before it is fitted.
    frame_dim : int, default=2048
        Length of a frame's feature vector, by which 2-D rows are folded.

    Attributes
    ----------
    transformer_ : transformer
        The fitted clone.
    n_features_in_ : int
        Features a row; for 3-D input frames times features.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.preprocessing import MinMaxScaler
    >>> from skvideo_gru import FrameWise
    >>> X = np.array([[0.0, 10.0], [5.0, np.nan]])
    >>> FrameWise(MinMaxScaler(), frame_dim=1).fit_transform(X)
    array([[0. , 1. ],
           [0.5, nan]])
    """

    _parameter_constraints: dict[str, list[Any]] = {
        "transformer": [HasMethods(["fit", "transform"])],
        "frame_dim": [Interval(Integral, 1, None, closed="left")],
    }

    def __init__(self, transformer, frame_dim=2048):
        self.transformer = transformer
        self.frame_dim = frame_dim

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(self, X: Any, y: Any = None) -> Self:
        """Fit the transformer on all real frames.

        Parameters
        ----------
        X : array-like of shape (n, T * frame_dim) or (n, T, frame_dim)
            Sequences.
        y : array-like of shape (n,), optional
            Targets; every frame gets its video's.

        Returns
        -------
        FrameWise
            The fitted transformer.

        Raises
        ------
        ValueError
            If the width of the rows is no multiple of `frame_dim`, NaN stands
            before a sequence's end, or there is no real frame at all.
        """
        sequences, real = self._sequences(X, reset=True)
        if not real.any():
            raise ValueError("X holds no real frame: all rows are NaN.")
        targets = None
        if y is not None:
            check_consistent_length(sequences, y)
            targets = np.repeat(np.asarray(y), real.sum(axis=1), axis=0)
        self.transformer_ = clone(self.transformer).fit(sequences[real], targets)
        return self

    def transform(self, X: Any) -> np.ndarray:
        """Transform every real frame.

        Parameters
        ----------
        X : array-like of shape (n, T * frame_dim) or (n, T, frame_dim)
            Sequences.

        Returns
        -------
        ndarray of shape (n, T * d) or (n, T, d)
            In the form of `X`, with the `d` features that the transformer puts
            out for a frame, and NaN where there was padding.

        Raises
        ------
        ValueError
            If `X` does not fit or holds NaN before a sequence's end.
        """
        check_is_fitted(self)
        sequences, real = self._sequences(X, reset=False)
        n, n_frames, width = sequences.shape
        # A transformer may not accept an empty array: send it one row of zeros instead.
        frames = sequences[real] if real.any() else np.zeros((1, width), sequences.dtype)
        transformed = self.transformer_.transform(frames)
        if issparse(transformed):
            transformed = transformed.toarray()
        transformed = np.asarray(transformed)
        # Padding is NaN, which neither ints nor bools can be.
        dtype = np.result_type(transformed.dtype, np.float32)
        out = np.full((n, n_frames, transformed.shape[1]), np.nan, dtype)
        if real.any():
            out[real] = transformed
        return out if is_three_d(X) else out.reshape(n, -1)

    def _sequences(self, X: Any, *, reset: bool) -> tuple[np.ndarray, np.ndarray]:
        dtypes = [np.float32, np.float64]
        sequences = validate_sequences(self, X, self.frame_dim, dtype=dtypes, reset=reset)
        return sequences, real_frames(sequences)

    def __sklearn_tags__(self):
        """Tell scikit-learn what input is accepted."""
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.target_tags.required = get_tags(self.transformer).target_tags.required
        tags.transformer_tags = get_tags(self.transformer).transformer_tags
        return tags
