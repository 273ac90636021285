"""The standard pipeline from videos to classes."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from sklearn import get_config
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import MinMaxScaler
from sklearn.utils import _safe_indexing, check_consistent_length, check_random_state, column_or_1d
from sklearn.utils.metadata_routing import process_routing
from sklearn.utils.validation import _check_method_params

from .features import ResNet50FrameFeaturizer
from .sequence import FrameWise, GRUClassifier, split_rows

__all__ = ["VideoPipeline", "make_video_classifier"]


class VideoPipeline(Pipeline):
    """A Pipeline that holds out videos for early stopping before its first step.

    Except for this, it is scikit-learn's Pipeline, with the same parameters. With
    ``GRUClassifier(early_stopping=True)`` as its last step, `fit` first splits the
    videos as that classifier would: by its `validation_fraction`, stratified by class,
    by whole `groups` if these are given. All steps are fitted without the held-out
    videos. The classifier receives their features as `X_val`. In a plain Pipeline a trained
    backbone has learned the labels of the videos that the classifier holds out.

    See Also
    --------
    make_video_classifier : Creates the standard pipeline.

    Examples
    --------
    >>> from skvideo_gru import GRUClassifier, ResNet50FrameFeaturizer, VideoPipeline
    >>> steps = [("features", ResNet50FrameFeaturizer()), ("gru", GRUClassifier())]
    >>> pipe = VideoPipeline(steps).set_params(gru__early_stopping=True)
    """

    steps: list[tuple[str, Any]]

    def fit(self, X: Any, y: Any = None, **params: Any) -> Self:
        """Fit all steps.

        Parameters
        ----------
        X : sequence of videos, DataFrame or array-like
            Input of the first step.
        y : array-like of shape (n,), optional
            Labels.
        **params : dict
            Parameters of the steps' `fit`, as in Pipeline; ``gru__groups=groups``
            (with metadata routing, ``groups=groups``) are groups for the split.

        Returns
        -------
        VideoPipeline
            The fitted pipeline.

        Raises
        ------
        ValueError
            If the data does not allow the split, or a step raises it.
        """
        gru = self.steps[-1][1]
        stopping = isinstance(gru, GRUClassifier) and gru.early_stopping
        if not stopping or y is None or len(self.steps) == 1:
            return super().fit(X, y, **params)
        for_front, for_gru = self._split_params(params)
        if for_gru.get("X_val") is not None:
            return super().fit(X, y, **params)
        gru._validate_params()
        check_consistent_length(X, y)
        labels, groups = column_or_1d(y), for_gru.pop("groups", None)
        if groups is not None:
            check_consistent_length(X, groups)
            groups = column_or_1d(groups)
        seed = int(check_random_state(gru.random_state).randint(np.iinfo(np.int32).max))
        train, held_out = split_rows(labels, groups, gru.validation_fraction, seed)
        front = Pipeline(self.steps[:-1], memory=self.memory, verbose=self.verbose)
        Xt = front.fit_transform(
            _safe_indexing(X, train),
            _safe_indexing(y, train),
            **_check_method_params(X, for_front, indices=train),
        )
        validation = {
            "X_val": front.transform(_safe_indexing(X, held_out)),
            "y_val": _safe_indexing(y, held_out),
        }
        if (weight := for_gru.get("sample_weight")) is not None:
            validation["sample_weight_val"] = _safe_indexing(weight, held_out)
        of_train = _check_method_params(X, for_gru, indices=train)
        gru.fit(Xt, _safe_indexing(y, train), **of_train, **validation)
        self.steps = [*front.steps, self.steps[-1]]
        return self

    def _split_params(self, params: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        """Separate the parameters of `fit` for the last step from those for the others."""
        last = self.steps[-1][0]
        if get_config()["enable_metadata_routing"]:
            routed = process_routing(self, "fit", **params) if params else {}
            calls = [call for name in routed if name != last for call in routed[name].values()]
            for_front = {name: params[name] for call in calls for name in call}
            return for_front, dict(routed[last]["fit"]) if last in routed else {}
        prefix = f"{last}__"
        for_front = {n: value for n, value in params.items() if not n.startswith(prefix)}
        return for_front, {
            n.removeprefix(prefix): value for n, value in params.items() if n.startswith(prefix)
        }


def make_video_classifier(
    *,
    memory: Any = None,
    random_state: Any = None,
    device: Any = "auto",
    n_jobs: int | None = None,
    mixed_precision: bool | str = False,
    verbose: int = 0,
    **params: Any,
) -> VideoPipeline:
    """Make the standard video classifier.

    Parameters
    ----------
    memory : str, os.PathLike or joblib.Memory, optional
        Cache of features and trained backbones. With it, a search decodes and embeds
        every video once for each backbone instead of once for each candidate.
    random_state : int, RandomState instance or None, default=None
        Seed of the featurizer and of the classifier.
    device : str or torch.device, default="auto"
        Device of both networks.
    n_jobs : int, optional
        Number of joblib workers that decode and embed.
    mixed_precision : bool or "auto", default=False
        Whether both networks use bfloat16; ``"auto"`` where the hardware supports it.
    verbose : int, default=0
        With 1 or more, progress bars on a terminal.
    **params : dict
        Parameters of the steps by prefix: ``features__frame_size=64``,
        ``gru__hidden_size=128``.

    Returns
    -------
    VideoPipeline
        Steps ``features`` (`ResNet50FrameFeaturizer`), ``scale`` (`FrameWise`
        around ``MinMaxScaler``) and ``gru`` (`GRUClassifier` with ``delta_weight=100``).

    Raises
    ------
    ValueError
        If a step has no such parameter.

    Examples
    --------
    >>> from skvideo_gru import make_video_classifier
    >>> pipe = make_video_classifier(random_state=0, gru__hidden_size=128)
    >>> list(pipe.named_steps)
    ['features', 'scale', 'gru']
    """
    features = ResNet50FrameFeaturizer(
        mixed_precision=mixed_precision,
        memory=memory,
        random_state=random_state,
        device=device,
        n_jobs=n_jobs,
        verbose=verbose,
    )
    # A backbone trained on single frames overfits to the appearance of the training videos,
    # but not to their changes, which therefore get a higher weight; see
    # benchmarks/accuracy.md.
    gru = GRUClassifier(
        delta_weight=100.0,
        mixed_precision=mixed_precision,
        random_state=random_state,
        device=device,
        verbose=verbose,
    )
    steps = [("features", features), ("scale", FrameWise(MinMaxScaler())), ("gru", gru)]
    return VideoPipeline(steps).set_params(**params)
