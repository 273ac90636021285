"""A meta-transformer that scales frames instead of flattened videos."""

from __future__ import annotations

from collections.abc import Callable
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

from ..persistence import Versioned, restore_on_error
from .sequences import fold_rows, is_three_d, real_frames, validate_sequences

__all__ = ["FrameWise"]


def _inner_has(name: str) -> Callable[[Any], bool]:
    def check(self: Any) -> bool:
        getattr(getattr(self, "transformer_", self.transformer), name)
        return True

    return check


class FrameWise(TransformerMixin, MetaEstimatorMixin, Versioned, BaseEstimator):
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
    frame_dim_ : int
        Features a frame.
    feature_names_in_ : ndarray of str
        Column names, where `X` was a DataFrame.

    Notes
    -----
    Rows do not tell how long a frame's vector is. Where the transformer changes that,
    as ``PCA(64)`` does, what comes next is to be told: ``GRUClassifier(frame_dim=64)``.

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
    def fit(self, X: Any, y: Any = None, **params: Any) -> Self:
        """Fit the transformer on all real frames.

        Parameters
        ----------
        X : array-like of shape (n, T * frame_dim) or (n, T, frame_dim)
            Sequences.
        y : array-like of shape (n,), optional
            Targets; every frame gets its video's.
        **params : dict
            With scikit-learn's metadata routing, what the transformer requests; of
            values for each video, every frame gets its video's.

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
        with restore_on_error(self):
            return self._fit(X, y, params, clone(self.transformer), "fit", reset=True)

    @available_if(_inner_has("partial_fit"))
    @_fit_context(prefer_skip_nested_validation=False)
    def partial_fit(self, X: Any, y: Any = None, **params: Any) -> Self:
        """Go on fitting the transformer, if it can, on further real frames.

        Parameters
        ----------
        X : array-like of shape (n, T * frame_dim) or (n, T, frame_dim)
            Sequences; those of 2-D calls all have one width.
        y : array-like of shape (n,), optional
            Targets; every frame gets its video's.
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
            raise ValueError("X holds no real frame: all rows are NaN.")
        requested = dict(process_routing(self, how, **params).transformer[how]) if params else {}
        of_frames = partial(np.repeat, repeats=real.sum(axis=1), axis=0)
        if y is not None:
            check_consistent_length(sequences, y)
            y = of_frames(np.asarray(y))
        for name, value in requested.items():
            of_videos = not isinstance(value, str) and hasattr(value, "__len__")
            if of_videos and len(value) == len(sequences) and name != "classes":
                requested[name] = of_frames(np.asarray(value))
        frames = sequences[real]
        self.transformer_ = getattr(transformer, how)(frames, y, **requested)
        self._a_frame = frames[:1].copy()
        return self

    def get_metadata_routing(self) -> MetadataRouter:
        """Tell scikit-learn that what the transformer requests goes to it.

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
        out = _apply(self.transformer_.transform, sequences, real, self._a_frame)
        return out if is_three_d(X) else out.reshape(len(out), -1)

    @available_if(_inner_has("inverse_transform"))
    def inverse_transform(self, X: Any) -> np.ndarray:
        """Bring every real frame back, if the transformer can.

        Parameters
        ----------
        X : array-like of shape (n, T * d) or (n, T, d)
            Transformed sequences.

        Returns
        -------
        ndarray of shape (n, T * frame_dim) or (n, T, frame_dim)
            In the form of `X`, with NaN where there was padding.

        Raises
        ------
        ValueError
            If `X` does not fit or holds NaN before a sequence's end.
        """
        check_is_fitted(self)
        X = check_array(
            X, dtype=[np.float32, np.float64], ensure_all_finite="allow-nan", allow_nd=True
        )
        instead = self.transformer_.transform(self._a_frame)
        sequences = fold_rows(X, instead.shape[1])
        if sequences.shape[2] != instead.shape[1]:
            raise ValueError(
                f"X has {sequences.shape[2]} features a frame, but the transformer puts out "
                f"{instead.shape[1]}."
            )
        real = real_frames(sequences)
        out = _apply(self.transformer_.inverse_transform, sequences, real, instead)
        return out if X.ndim == 3 else out.reshape(len(out), -1)

    @available_if(_inner_has("get_feature_names_out"))
    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Name the columns of the rows that `transform` returns.

        Parameters
        ----------
        input_features : array-like of str, optional
            Names of the columns of `X`; None takes those seen in `fit`.

        Returns
        -------
        ndarray of str
            The columns' own names where the transformer keeps its features, else
            ``frame0_`` and the transformer's names, ``frame1_`` and so on.
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
        dtypes = [np.float64, np.float32]  # the first for ints
        sequences = validate_sequences(self, X, self.frame_dim, dtype=dtypes, reset=reset)
        return sequences, real_frames(sequences)

    def __sklearn_tags__(self):
        """Tell scikit-learn what input is accepted."""
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.target_tags.required = get_tags(self.transformer).target_tags.required
        tags.transformer_tags = get_tags(self.transformer).transformer_tags
        return tags


def _apply(
    change: Callable[[np.ndarray], Any], sequences: np.ndarray, real: np.ndarray, instead: Any
) -> np.ndarray:
    """Change the real frames and put them back among the padding."""
    n, n_frames, _ = sequences.shape
    # A transformer may not accept an empty array: send it one that it knows instead.
    changed = change(sequences[real] if real.any() else instead)
    changed = np.asarray(changed.toarray() if issparse(changed) else changed)
    # Padding is NaN, which neither ints nor bools can be.
    dtype = np.result_type(changed.dtype, np.float32)
    out = np.full((n, n_frames, changed.shape[1]), np.nan, dtype)
    if real.any():
        out[real] = changed
    return out
