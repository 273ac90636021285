"""Arrays of sequences: validation, folding of flattened rows, and padding."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils import gen_batches
from sklearn.utils.validation import validate_data

# Bytes of sequences that are processed at once.
_BATCH = 2**27


def is_three_d(X: Any) -> bool:
    """Check whether data is sequences, not flattened rows.

    Parameters
    ----------
    X : array-like
        Data as passed by the user.

    Returns
    -------
    bool
        True if it has three dimensions.

    Raises
    ------
    ValueError
        If it is a list of arrays of different shapes.
    """
    try:
        return (X.ndim if hasattr(X, "ndim") else np.asarray(X).ndim) == 3
    except ValueError as error:
        raise ValueError(
            f"X contains sequences of different shapes ({error}). Pad the shorter ones with "
            "trailing frames of NaN."
        ) from error


def fold_rows(X: np.ndarray, frame_dim: int) -> np.ndarray:
    """Fold flattened rows into sequences of frames.

    Parameters
    ----------
    X : ndarray of shape (n, T * frame_dim) or (n, T, frame_dim)
        Rows, frame after frame, or sequences, which are returned unchanged.
    frame_dim : int
        Length of a frame's feature vector.

    Returns
    -------
    ndarray of shape (n, T, frame_dim)
        A view of `X`.

    Raises
    ------
    ValueError
        If the width of the rows is not a multiple of `frame_dim`, or `X` has more
        than three dimensions.
    """
    if X.ndim == 3:
        return X
    if X.ndim != 2:
        raise ValueError(
            f"Expected an array of shape (n, T * {frame_dim}) or (n, T, {frame_dim}), "
            f"got an array with {X.ndim} dimensions."
        )
    n_frames, rest = divmod(X.shape[1], frame_dim)
    if rest:
        raise ValueError(
            f"X has {X.shape[1]} columns, not a multiple of frame_dim={frame_dim}; "
            "set frame_dim to the number of features per frame."
        )
    return X.reshape(len(X), n_frames, frame_dim)


def row_batches(sequences: np.ndarray) -> Iterator[slice]:
    """Divide sequences into batches of a size that fits in memory.

    Parameters
    ----------
    sequences : ndarray of shape (n, T, d)
        Sequences.

    Returns
    -------
    iterator of slice
        The rows of each batch. The last batch is at least half as large as the others.
    """
    row_size = sequences.shape[1] * sequences.shape[2] * sequences.itemsize
    n_rows = max(1, _BATCH // max(1, row_size))
    return gen_batches(len(sequences), n_rows, min_batch_size=n_rows // 2)


def real_frames(sequences: np.ndarray) -> np.ndarray:
    """Find the frames that are not padding.

    Padding is the trailing frames of a sequence in which every feature is NaN.

    Parameters
    ----------
    sequences : ndarray of shape (n, T, d)
        Sequences.

    Returns
    -------
    ndarray of shape (n, T), bool
        True for a frame, False for padding.

    Raises
    ------
    ValueError
        If there is a NaN anywhere else.
    """
    real = np.empty(sequences.shape[:2], bool)
    for rows in row_batches(sequences):
        missing = np.isnan(sequences[rows])
        frames = ~missing.all(axis=2)
        # A frame before a real one is not padding.
        real[rows] = np.logical_or.accumulate(frames[:, ::-1], axis=1)[:, ::-1]
        wrong = np.argwhere(missing.any(axis=2) & real[rows])
        if len(wrong):
            row, frame = wrong[0]
            raise ValueError(
                f"Input X contains NaN in sequence {rows.start + row}, frame {frame}. NaN marks "
                "padding and is allowed only in whole frames at the end of a sequence. Impute or "
                "remove it."
            )
    return real


def sequence_lengths(sequences: np.ndarray) -> np.ndarray:
    """Count the frames of every sequence, without padding.

    Parameters
    ----------
    sequences : ndarray of shape (n, T, d)
        Sequences, padded with trailing frames of NaN.

    Returns
    -------
    ndarray of shape (n,), int64
        Their lengths; 0 for a row without frames.

    Raises
    ------
    ValueError
        If a NaN occurs before a sequence's padding.
    """
    return real_frames(sequences).sum(axis=1, dtype=np.int64)


def validate_sequences(
    estimator: BaseEstimator, X: Any, frame_dim: int, *, dtype: Any, reset: bool
) -> np.ndarray:
    """Validate an estimator's sequences as scikit-learn validates arrays.

    Sets ``n_features_in_`` (frames times features for 3-D input), ``frame_dim_``
    and, for a DataFrame, ``feature_names_in_``, or checks against them.

    Parameters
    ----------
    estimator : estimator
        The estimator that receives the data.
    X : array-like of shape (n, T * frame_dim) or (n, T, d)
        The data.
    frame_dim : int
        Features per frame of 2-D input.
    dtype : dtype or list of dtype
        Type to convert to, as in ``check_array``. If it is a list, float16 is
        converted to float32.
    reset : bool
        Whether this is a fit.

    Returns
    -------
    ndarray of shape (n, T, d)
        The sequences.

    Raises
    ------
    ValueError
        If the data is infinite, empty, of the wrong width or cannot be folded.
    """
    three_d = is_three_d(X)
    if isinstance(dtype, list) and _is_half_precision(X):
        dtype = np.float32  # scikit-learn would take the first of the list, float64
    X = validate_data(
        estimator,
        X,
        dtype=dtype,
        ensure_all_finite="allow-nan",
        allow_nd=three_d,
        force_writeable=True,  # torch shares the memory and requires it to be writeable
        # For 3-D input scikit-learn would count frames as features.
        ensure_2d=not three_d,
        reset=reset,
    )
    if min(X.strides) < 0:
        X = X.copy()  # torch does not support negative strides
    if reset:
        estimator.frame_dim_ = X.shape[2] if three_d else frame_dim
        estimator.n_features_in_ = int(np.prod(X.shape[1:]))
    elif three_d and X.shape[2] != estimator.frame_dim_:
        raise ValueError(
            f"X has {X.shape[2]} features per frame, but {type(estimator).__name__} "
            f"is expecting {estimator.frame_dim_} features as input."
        )
    return fold_rows(X, estimator.frame_dim_)


def _is_half_precision(X: Any) -> bool:
    """Check whether all numbers of an array, a table or a list of arrays are float16."""
    if isinstance(X, list | tuple):
        return bool(X) and all(map(_is_half_precision, X))
    is_table = hasattr(X, "dtypes") and getattr(X, "ndim", 2) == 2
    dtypes = X.dtypes if is_table else [getattr(X, "dtype", None)]
    return all(str(dtype).removeprefix("torch.") == "float16" for dtype in dtypes)
