"""A meta-transformer that applies a transformer to frames instead of flattened videos."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from numbers import Integral
from typing import Any, Self

import numpy as np
from scipy.sparse import issparse
from sklearn.base import (
    BaseEstimator,
    MetaEstimatorMixin,
    OneToOneFeatureMixin,
    TransformerMixin,
    _fit_context,
    clone,
)
from sklearn.utils import check_array, check_consistent_length, get_tags
from sklearn.utils._param_validation import HasMethods, Interval
from sklearn.utils.metadata_routing import (
    MetadataRouter,
    MethodMapping,
    _raise_for_params,
    process_routing,
)
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import _check_feature_names_in, check_is_fitted

from ..persistence import Versioned, restore_on_error, temporary_array
from .sequences import fold_rows, is_three_d, real_frames, row_batches, validate_sequences


def _inner_has(name: str) -> Callable[[Any], bool]:
    def check(self: Any) -> bool:
        getattr(getattr(self, "transformer_", self.transformer), name)
        return True

    return check


class FrameWise(TransformerMixin, MetaEstimatorMixin, Versioned, BaseEstimator):
    """Apply a transformer to frames instead of flattened videos.

    A scaler of flattened rows learns a range for every feature of every frame.
    Inside this meta-transformer, it learns one range for every feature over all frames,
    which also suits videos of different lengths. Padding (trailing frames of NaN) is
    ignored in `fit` and unchanged in `transform`.

    Parameters
    ----------
    transformer : transformer
        Any scikit-learn transformer for 2-D arrays, for example ``MinMaxScaler()``.
        It is cloned before it is fitted.
    frame_dim : int, default=2048
        Features per frame, for 2-D input. 3-D input determines it.
    max_nbytes : int or None, default=2**31
        Maximum size in bytes of sequences that are processed at once. Larger ones are
        processed in batches: `fit` uses the transformer's `partial_fit` if it has one, and
        the output of `transform` is in a file without a name, in the system's folder for
        temporary files, if it is larger too. None means any size.

    Attributes
    ----------
    transformer_ : transformer
        The fitted clone.
    n_features_in_ : int
        Features per row; for 3-D input frames times features.
    frame_dim_ : int
        Features per frame.
    feature_names_in_ : ndarray of str
        Column names, if `X` was a DataFrame.

    Notes
    -----
    If the transformer changes the number of features per frame, as ``PCA(64)`` does,
    the next step needs the new number: ``GRUClassifier(frame_dim=64)``. 3-D input determines
    it, and in a `VideoPipeline` the classifier learns it from this step.

    float16 and float32 input is transformed in float32, other input in float64.

    With `partial_fit`, ``MinMaxScaler`` and ``MaxAbsScaler`` learn the same as with `fit`,
    ``StandardScaler`` up to rounding, and ``IncrementalPCA`` an approximation.

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
        "max_nbytes": [Interval(Integral, 0, None, closed="left"), None],
    }

    def __init__(self, transformer, frame_dim=2048, max_nbytes=2**31):
        self.transformer = transformer
        self.frame_dim = frame_dim
        self.max_nbytes = max_nbytes

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(self, X: Any, y: Any = None, **params: Any) -> Self:
        """Fit the transformer on all frames, without padding.

        Parameters
        ----------
        X : array-like of shape (n, T * frame_dim) or (n, T, frame_dim)
            Sequences.
        y : array-like of shape (n,), optional
            Targets of the videos; they are repeated for every frame.
        **params : dict
            With scikit-learn's metadata routing, the metadata that the transformer
            requests; values per video are repeated for every frame.

        Returns
        -------
        FrameWise
            The fitted transformer.

        Raises
        ------
        ValueError
            If the width of the rows is not a multiple of `frame_dim`, NaN occurs
            before a sequence's padding, or there is no frame at all.
        """
        with restore_on_error(self):
            return self._fit(X, y, params, clone(self.transformer), "fit", reset=True)

    @available_if(_inner_has("partial_fit"))
    @_fit_context(prefer_skip_nested_validation=False)
    def partial_fit(self, X: Any, y: Any = None, **params: Any) -> Self:
        """Fit the transformer incrementally, if it supports that.

        Parameters
        ----------
        X : array-like of shape (n, T * frame_dim) or (n, T, frame_dim)
            Sequences; the width of 2-D input is the same in all calls.
        y : array-like of shape (n,), optional
            Targets of the videos; they are repeated for every frame.
        **params : dict
            As for `fit`.

        Returns
        -------
        FrameWise
            The transformer.

        Raises
        ------
        ValueError
            As `fit` does.
        """
        first = not hasattr(self, "transformer_")
        transformer = clone(self.transformer) if first else self.transformer_
        with restore_on_error(self):
            return self._fit(X, y, params, transformer, "partial_fit", reset=first)

    def _fit(
        self, X: Any, y: Any, params: dict[str, Any], transformer: Any, how: str, *, reset: bool
    ) -> Self:
        _raise_for_params(params, self, how)
        sequences, real = self._sequences(X, reset=reset)
        if not real.any():
            raise ValueError(
                "X contains no frame: all values are NaN. Pass at least one sequence with a frame."
            )
        requested = dict(process_routing(self, how, **params).transformer[how]) if params else {}
        of_frames = partial(np.repeat, repeats=real.sum(axis=1), axis=0)
        if y is not None:
            check_consistent_length(sequences, y)
            y = of_frames(np.asarray(y))
        for name, value in requested.items():
            of_videos = not isinstance(value, str) and hasattr(value, "__len__")
            if of_videos and len(value) == len(sequences) and name != "classes":
                requested[name] = of_frames(np.asarray(value))
        batches: Iterable[slice] = [slice(0, len(sequences))]
        can_divide = how == "fit" and not requested and hasattr(transformer, "partial_fit")
        if can_divide and _is_larger(sequences, self.max_nbytes):
            how, batches = "partial_fit", row_batches(sequences)
        end = 0
        for rows in batches:
            frames = _select(sequences[rows], real[rows], X)
            start, end = end, end + len(frames)
            if len(frames):
                of_batch = None if y is None else y[start:end]
                transformer = getattr(transformer, how)(frames, of_batch, **requested)
                self._a_frame = frames[:1].copy()
        self.transformer_ = transformer
        return self

    def get_metadata_routing(self) -> MetadataRouter:
        """Return the routing of metadata to the transformer.

        Returns
        -------
        MetadataRouter
            The routing.
        """
        methods = MethodMapping()
        for caller, callee in (("fit", "fit"), ("fit_transform", "fit"), ("partial_fit",) * 2):
            methods.add(caller=caller, callee=callee)
        return MetadataRouter(owner=self).add(transformer=self.transformer, method_mapping=methods)

    def transform(self, X: Any) -> np.ndarray:
        """Transform every frame, without padding.

        Parameters
        ----------
        X : array-like of shape (n, T * frame_dim) or (n, T, frame_dim)
            Sequences.

        Returns
        -------
        ndarray of shape (n, T * d) or (n, T, d)
            2-D or 3-D as `X`, with the transformer's `d` output features per frame;
            padding remains NaN.

        Raises
        ------
        ValueError
            If `X` is not valid or contains NaN before a sequence's padding.
        """
        check_is_fitted(self)
        sequences, real = self._sequences(X, reset=False)
        change, instead = self.transformer_.transform, self._a_frame.copy()
        out = _apply(change, X, sequences, real, instead, self.max_nbytes)
        return out if is_three_d(X) else out.reshape(len(out), -1)

    @available_if(_inner_has("inverse_transform"))
    def inverse_transform(self, X: Any) -> np.ndarray:
        """Apply the inverse transformation to every frame, if the transformer has one.

        Parameters
        ----------
        X : array-like of shape (n, T * d) or (n, T, d)
            Transformed sequences.

        Returns
        -------
        ndarray of shape (n, T * frame_dim) or (n, T, frame_dim)
            2-D or 3-D as `X`; padding remains NaN.

        Raises
        ------
        ValueError
            If `X` is not valid or contains NaN before a sequence's padding.
        """
        check_is_fitted(self)
        X = check_array(
            X, dtype=[np.float32, np.float64], ensure_all_finite="allow-nan", allow_nd=True
        )
        instead = self.transformer_.transform(self._a_frame.copy())
        sequences = fold_rows(X, instead.shape[1])
        if sequences.shape[2] != instead.shape[1]:
            raise ValueError(
                f"X has {sequences.shape[2]} features per frame, but the transformer outputs "
                f"{instead.shape[1]}; pass the output of transform."
            )
        real = real_frames(sequences)
        change = self.transformer_.inverse_transform
        out = _apply(change, X, sequences, real, instead, self.max_nbytes)
        return out if X.ndim == 3 else out.reshape(len(out), -1)

    @available_if(_inner_has("get_feature_names_out"))
    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Return the column names of the output of `transform`.

        Parameters
        ----------
        input_features : array-like of str, optional
            Names of the columns of `X`; by default those seen in `fit`.

        Returns
        -------
        ndarray of str
            The names of the input columns if the transformer is one-to-one, otherwise
            the transformer's names prefixed by ``frame0_``, ``frame1_`` and so on.
        """
        check_is_fitted(self)
        names = _check_feature_names_in(self, input_features)
        if isinstance(self.transformer_, OneToOneFeatureMixin):
            return names
        inner = self.transformer_.get_feature_names_out()
        n_frames = self.n_features_in_ // self.frame_dim_
        return np.asarray(
            [f"frame{frame}_{name}" for frame in range(n_frames) for name in inner], dtype=object
        )

    def _sequences(self, X: Any, *, reset: bool) -> tuple[np.ndarray, np.ndarray]:
        dtypes = [np.float64, np.float32]  # the first for integers
        sequences = validate_sequences(self, X, self.frame_dim, dtype=dtypes, reset=reset)
        return sequences, real_frames(sequences)

    def __sklearn_tags__(self):
        """Return scikit-learn's tags: 3-D input, and those of the transformer."""
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.target_tags.required = get_tags(self.transformer).target_tags.required
        tags.transformer_tags = get_tags(self.transformer).transformer_tags
        return tags


def _select(sequences: np.ndarray, real: np.ndarray, X: Any) -> np.ndarray:
    """Return the frames as (n_frames, d), in memory that a transformer may overwrite."""
    converted = isinstance(X, np.ndarray) and not np.may_share_memory(sequences, X)
    if converted and real.all():
        return sequences.reshape(-1, sequences.shape[2])
    return sequences[real]


def _is_larger(sequences: np.ndarray, max_nbytes: int | None) -> bool:
    return max_nbytes is not None and sequences.nbytes > max_nbytes


def _apply(
    change: Callable[[np.ndarray], Any],
    X: Any,
    sequences: np.ndarray,
    real: np.ndarray,
    instead: Any,
    max_nbytes: int | None,
) -> np.ndarray:
    """Transform the frames, in batches if there are many."""
    if not _is_larger(sequences, max_nbytes):
        return _apply_at_once(change, X, sequences, real, instead)
    out = None
    for rows in row_batches(sequences):
        part = _apply_at_once(change, X, sequences[rows], real[rows], instead)
        if out is None:
            out = temporary_array((len(sequences), *part.shape[1:]), part.dtype, max_nbytes)
        out[rows] = part
    assert out is not None  # there is at least one sequence
    return out


def _apply_at_once(
    change: Callable[[np.ndarray], Any],
    X: Any,
    sequences: np.ndarray,
    real: np.ndarray,
    instead: Any,
) -> np.ndarray:
    """Transform the frames and restore the padding."""
    n, n_frames, _ = sequences.shape
    # A transformer may not accept an empty array: `instead` is a frame that it has seen.
    changed = change(_select(sequences, real, X) if real.any() else instead)
    changed = np.asarray(changed.toarray() if issparse(changed) else changed)
    # Padding is NaN, which integers and bools cannot represent.
    dtype = np.result_type(changed.dtype, np.float32)
    if real.all():
        return changed.astype(dtype, copy=False).reshape(n, n_frames, changed.shape[1])
    out = np.full((n, n_frames, changed.shape[1]), np.nan, dtype)
    if real.any():
        out[real] = changed
    return out
