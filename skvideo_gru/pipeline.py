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
 benchmarks/tank_wagon.md."""A Pipeline that holds out videos for early stopping before its first step.

 benchmarks/tank_wagon.md.Except for this, it is scikit-learn's Pipeline, with the same parameters. With
 benchmarks/tank_wagon.md.``GRUClassifier(early_stopping=True)`` as its last step, `fit` first splits the
 benchmarks/tank_wagon.md.videos as that classifier would: by its `validation_fraction`, stratified by class,
 benchmarks/tank_wagon.md.by whole `groups` if these are given. All steps are fitted without the held-out
 benchmarks/tank_wagon.md.videos. The classifier receives their features as `X_val`. In a plain Pipeline a trained
 benchmarks/tank_wagon.md.backbone has learned the labels of the videos that the classifier holds out.

 benchmarks/tank_wagon.md.See Also
 benchmarks/tank_wagon.md.--------
 benchmarks/tank_wagon.md.make_video_classifier : Creates the standard pipeline.

 benchmarks/tank_wagon.md.Examples
 benchmarks/tank_wagon.md.--------
 benchmarks/tank_wagon.md.>>> from skvideo_gru import GRUClassifier, ResNet50FrameFeaturizer, VideoPipeline
 benchmarks/tank_wagon.md.>>> steps = [("features", ResNet50FrameFeaturizer()), ("gru", GRUClassifier())]
 benchmarks/tank_wagon.md.>>> pipe = VideoPipeline(steps).set_params(gru__early_stopping=True)
 benchmarks/tank_wagon.md."""

 benchmarks/tank_wagon.md.steps: list[tuple[str, Any]]

 benchmarks/tank_wagon.md.def fit(self, X: Any, y: Any = None, **params: Any) -> Self:
 benchmarks/tank_wagon.md.    """Fit all steps.

 benchmarks/tank_wagon.md.    Parameters
 benchmarks/tank_wagon.md.    ----------
 benchmarks/tank_wagon.md.    X : sequence of videos, DataFrame or array-like
 benchmarks/tank_wagon.md.        Input of the first step.
 benchmarks/tank_wagon.md.    y : array-like of shape (n,), optional
 benchmarks/tank_wagon.md.        Labels.
 benchmarks/tank_wagon.md.    **params : dict
 benchmarks/tank_wagon.md.        Parameters of the steps' `fit`, as in Pipeline; ``gru__groups=groups``
 benchmarks/tank_wagon.md.        (with metadata routing, ``groups=groups``) are groups for the split.

 benchmarks/tank_wagon.md.    Returns
 benchmarks/tank_wagon.md.    -------
 benchmarks/tank_wagon.md.    VideoPipeline
 benchmarks/tank_wagon.md.        The fitted pipeline.

 benchmarks/tank_wagon.md.    Raises
 benchmarks/tank_wagon.md.    ------
 benchmarks/tank_wagon.md.    ValueError
 benchmarks/tank_wagon.md.        If the data does not allow the split, or a step raises it.
 benchmarks/tank_wagon.md.    """
 benchmarks/tank_wagon.md.    gru = self.steps[-1][1]
 benchmarks/tank_wagon.md.    stopping = isinstance(gru, GRUClassifier) and gru.early_stopping
 benchmarks/tank_wagon.md.    if not stopping or y is None or len(self.steps) == 1:
 benchmarks/tank_wagon.md.        return super().fit(X, y, **params)
 benchmarks/tank_wagon.md.    for_front, for_gru = self._split_params(params)
 benchmarks/tank_wagon.md.    if for_gru.get("X_val") is not None:
 benchmarks/tank_wagon.md.        return super().fit(X, y, **params)
 benchmarks/tank_wagon.md.    gru._validate_params()
 benchmarks/tank_wagon.md.    check_consistent_length(X, y)
 benchmarks/tank_wagon.md.    labels, groups = column_or_1d(y), for_gru.pop("groups", None)
 benchmarks/tank_wagon.md.    if groups is not None:
 benchmarks/tank_wagon.md.        check_consistent_length(X, groups)
 benchmarks/tank_wagon.md.        groups = column_or_1d(groups)
 benchmarks/tank_wagon.md.    seed = int(check_random_state(gru.random_state).randint(np.iinfo(np.int32).max))
 benchmarks/tank_wagon.md.    train, held_out = split_rows(labels, groups, gru.validation_fraction, seed)
 benchmarks/tank_wagon.md.    front = Pipeline(self.steps[:-1], memory=self.memory, verbose=self.verbose)
 benchmarks/tank_wagon.md.    Xt = front.fit_transform(
 benchmarks/tank_wagon.md.        _safe_indexing(X, train),
 benchmarks/tank_wagon.md.        _safe_indexing(y, train),
 benchmarks/tank_wagon.md.        **_check_method_params(X, for_front, indices=train),
 benchmarks/tank_wagon.md.    )
 benchmarks/tank_wagon.md.    validation = {
 benchmarks/tank_wagon.md.        "X_val": front.transform(_safe_indexing(X, held_out)),
 benchmarks/tank_wagon.md.        "y_val": _safe_indexing(y, held_out),
 benchmarks/tank_wagon.md.    }
 benchmarks/tank_wagon.md.    if (weight := for_gru.get("sample_weight")) is not None:
 benchmarks/tank_wagon.md.        validation["sample_weight_val"] = _safe_indexing(weight, held_out)
 benchmarks/tank_wagon.md.    of_train = _check_method_params(X, for_gru, indices=train)
 benchmarks/tank_wagon.md.    gru.fit(Xt, _safe_indexing(y, train), **of_train, **validation)
 benchmarks/tank_wagon.md.    self.steps = [*front.steps, self.steps[-1]]
 benchmarks/tank_wagon.md.    return self

 benchmarks/tank_wagon.md.def _split_params(self, params: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
 benchmarks/tank_wagon.md.    """Separate the parameters of `fit` for the last step from those for the others."""
 benchmarks/tank_wagon.md.    last = self.steps[-1][0]
 benchmarks/tank_wagon.md.    if get_config()["enable_metadata_routing"]:
 benchmarks/tank_wagon.md.        routed = process_routing(self, "fit", **params) if params else {}
 benchmarks/tank_wagon.md.        calls = [call for name in routed if name != last for call in routed[name].values()]
 benchmarks/tank_wagon.md.        for_front = {name: params[name] for call in calls for name in call}
 benchmarks/tank_wagon.md.        return for_front, dict(routed[last]["fit"]) if last in routed else {}
 benchmarks/tank_wagon.md.    prefix = f"{last}__"
 benchmarks/tank_wagon.md.    for_front = {n: value for n, value in params.items() if not n.startswith(prefix)}
 benchmarks/tank_wagon.md.    return for_front, {
 benchmarks/tank_wagon.md.        n.removeprefix(prefix): value for n, value in params.items() if n.startswith(prefix)
 benchmarks/tank_wagon.md.    }


def make_video_classifier(
 benchmarks/tank_wagon.md.*,
 benchmarks/tank_wagon.md.memory: Any = None,
 benchmarks/tank_wagon.md.random_state: Any = None,
 benchmarks/tank_wagon.md.device: Any = "auto",
 benchmarks/tank_wagon.md.n_jobs: int | None = None,
 benchmarks/tank_wagon.md.verbose: int = 0,
 benchmarks/tank_wagon.md.**params: Any,
) -> VideoPipeline:
 benchmarks/tank_wagon.md."""Make the standard video classifier.

 benchmarks/tank_wagon.md.Parameters
 benchmarks/tank_wagon.md.----------
 benchmarks/tank_wagon.md.memory : str, os.PathLike or joblib.Memory, optional
 benchmarks/tank_wagon.md.    Cache of features and trained backbones. With it, a search decodes and embeds
 benchmarks/tank_wagon.md.    every video once for each backbone instead of once for each candidate.
 benchmarks/tank_wagon.md.random_state : int, RandomState instance or None, default=None
 benchmarks/tank_wagon.md.    Seed of the featurizer and of the classifier.
 benchmarks/tank_wagon.md.device : str or torch.device, default="auto"
 benchmarks/tank_wagon.md.    Device of both networks.
 benchmarks/tank_wagon.md.n_jobs : int, optional
 benchmarks/tank_wagon.md.    Number of joblib workers that decode and embed.
 benchmarks/tank_wagon.md.verbose : int, default=0
 benchmarks/tank_wagon.md.    With 1 or more, progress bars on a terminal.
 benchmarks/tank_wagon.md.**params : dict
 benchmarks/tank_wagon.md.    Parameters of the steps by prefix: ``features__frame_size=64``,
 benchmarks/tank_wagon.md.    ``gru__hidden_size=128``.

 benchmarks/tank_wagon.md.Returns
 benchmarks/tank_wagon.md.-------
 benchmarks/tank_wagon.md.VideoPipeline
 benchmarks/tank_wagon.md.    Steps ``features`` (`ResNet50FrameFeaturizer`), ``scale`` (`FrameWise`
 benchmarks/tank_wagon.md.    around ``MinMaxScaler``) and ``gru`` (`GRUClassifier` with ``delta_weight=100``).

 benchmarks/tank_wagon.md.Raises
 benchmarks/tank_wagon.md.------
 benchmarks/tank_wagon.md.ValueError
 benchmarks/tank_wagon.md.    If a step has no such parameter.

 benchmarks/tank_wagon.md.Examples
 benchmarks/tank_wagon.md.--------
 benchmarks/tank_wagon.md.>>> from skvideo_gru import make_video_classifier
 benchmarks/tank_wagon.md.>>> pipe = make_video_classifier(random_state=0, gru__hidden_size=128)
 benchmarks/tank_wagon.md.>>> list(pipe.named_steps)
 benchmarks/tank_wagon.md.['features', 'scale', 'gru']
 benchmarks/tank_wagon.md."""
 benchmarks/tank_wagon.md.features = ResNet50FrameFeaturizer(
 benchmarks/tank_wagon.md.    memory=memory, random_state=random_state, device=device, n_jobs=n_jobs, verbose=verbose
 benchmarks/tank_wagon.md.)
 benchmarks/tank_wagon.md.# A backbone trained on single frames overfits to the appearance of the training videos,
 benchmarks/tank_wagon.md.# but not to their changes, which therefore get a higher weight; see
 benchmarks/tank_wagon.md.# benchmarks/tank_wagon.md.
 benchmarks/tank_wagon.md.gru = GRUClassifier(
 benchmarks/tank_wagon.md.    delta_weight=100.0, random_state=random_state, device=device, verbose=verbose
 benchmarks/tank_wagon.md.)
 benchmarks/tank_wagon.md.steps = [("features", features), ("scale", FrameWise(MinMaxScaler())), ("gru", gru)]
 benchmarks/tank_wagon.md.return VideoPipeline(steps).set_params(**params)
