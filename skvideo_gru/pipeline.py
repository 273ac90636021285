"""The standard pipeline from videos to classes."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from itertools import pairwise
from typing import Any, Self

import numpy as np
from sklearn import get_config
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import MinMaxScaler
from sklearn.utils import _safe_indexing, check_consistent_length, check_random_state, column_or_1d
from sklearn.utils.metadata_routing import process_routing
from sklearn.utils.validation import _check_method_params

from .features import ResNet50FrameFeaturizer
from .networks import N_FEATURES, first_result
from .sequence import (
    MISSING_REPORTED,
    FrameWise,
    GRUClassifier,
    check_fit_arguments,
    split_rows,
    weighted_rows,
)
from .targets import check_target

# Arguments of the classifier's `fit` that contain validation data.
_VALIDATION = ("X_val", "y_val", "sample_weight_val")


class VideoPipeline(Pipeline):
    """A Pipeline that holds out videos for early stopping before its first step.

    Except for this and the number of features per frame, it is scikit-learn's Pipeline,
    with the same parameters. With ``GRUClassifier(early_stopping=True)`` as its last step,
    `fit` first splits the videos as that classifier would: by its `validation_fraction`,
    stratified by class, by whole `groups` if these are given. All steps are fitted without
    the held-out videos. The classifier receives their features as `X_val`. In a plain
    Pipeline a trained backbone has learned the labels of the videos that the classifier
    holds out.

    A `FrameWise` step directly before the classifier determines its number of features
    per frame: after ``scale__transformer=PCA(64)`` it is 64, whatever `frame_dim` is.

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
            If the data does not allow the split, or a step raises it. Parameters of the
            steps, and the arguments for the classifier, are checked before a video is read.
        """
        check_values(self)
        gru = self.steps[-1][1]
        if not isinstance(gru, GRUClassifier) or len(self.steps) == 1:
            return super().fit(X, y, **params)
        reported = isinstance(self.steps[0][1], ResNet50FrameFeaturizer)
        token = MISSING_REPORTED.set(reported)
        try:
            return self._fit_classifier(X, y, params)
        finally:
            MISSING_REPORTED.reset(token)

    def _fit_classifier(self, X: Any, y: Any, params: dict[str, Any]) -> Self:
        """Fit the steps before a GRU, and the GRU, which can hold out videos."""
        gru = self.steps[-1][1]
        labels = check_target(gru, y)
        for_front, for_gru = self._split_params(params)
        groups = for_gru.pop("groups", None)
        validation = {name: for_gru.get(name) for name in _VALIDATION}
        check_fit_arguments(gru.early_stopping, groups, validation)
        check_consistent_length(X, y, groups, for_gru.get("sample_weight"))
        rows = weighted_rows(labels, for_gru.get("sample_weight"), gru.class_weight)
        if not gru.early_stopping or for_gru.get("X_val") is not None:
            return super().fit(X, y, **params)
        groups = None if groups is None else column_or_1d(groups)
        draw = check_random_state(gru.random_state).randint
        seed = first_result(lambda: int(draw(np.iinfo(np.int32).max)))
        of_rows = None if groups is None else groups[rows]
        train, held_out = split_rows(labels[rows], of_rows, gru.validation_fraction, seed)
        # The classifier ignores videos without weight, but the other steps are fitted on them.
        others = np.setdiff1d(np.arange(len(labels)), rows)
        train, held_out = np.concatenate([rows[train], others]), rows[held_out]
        front = Pipeline(self.steps[:-1], memory=self.memory, verbose=self.verbose)
        Xt = front.fit_transform(
            _safe_indexing(X, train),
            _safe_indexing(y, train),
            **_check_method_params(X, for_front, indices=train),
        )
        validation = {
            "X_val": _fold(front.steps[-1][1], front.transform(_safe_indexing(X, held_out))),
            "y_val": _safe_indexing(y, held_out),
        }
        if (weight := for_gru.get("sample_weight")) is not None:
            validation["sample_weight_val"] = _safe_indexing(weight, held_out)
        of_train = _check_method_params(X, for_gru, indices=train)
        Xt = _fold(front.steps[-1][1], Xt)
        gru.fit(Xt, _safe_indexing(y, train), **of_train, **validation)
        self.steps = [*front.steps, self.steps[-1]]
        return self

    def _fit(self, *args: Any, **kwargs: Any) -> Any:
        """Fit all steps but the last and transform the data; fold it for the classifier."""
        Xt = super()._fit(*args, **kwargs)
        if len(self.steps) > 1 and isinstance(self.steps[-1][1], GRUClassifier):
            return _fold(self.steps[-2][1], Xt)
        return Xt

    def _split_params(self, params: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        """Separate the parameters of `fit` for the last step from those for the others."""
        last = self.steps[-1][0]
        if get_config()["enable_metadata_routing"]:
            routed = process_routing(self, "fit", **params) if params else {}
            front = Pipeline(self.steps[:-1]).get_metadata_routing()
            for_front = {name: params[name] for name in front.consumes("fit_transform", params)}
            return for_front, dict(routed[last]["fit"]) if last in routed else {}
        prefix = f"{last}__"
        for_front = {n: value for n, value in params.items() if not n.startswith(prefix)}
        return for_front, {
            n.removeprefix(prefix): value for n, value in params.items() if n.startswith(prefix)
        }


def _fold(transformer: Any, Xt: Any) -> Any:
    """Fold the rows of a fitted FrameWise into sequences (n, T, d)."""
    if isinstance(transformer, FrameWise) and len(getattr(Xt, "shape", ())) == 2:
        n_frames = transformer.n_features_in_ // transformer.frame_dim_
        return np.asarray(Xt).reshape(len(Xt), n_frames, -1)
    return Xt


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

    Every argument sets parameters of the steps. To change `memory` or `verbose` later, set
    them for the steps too, for example ``set_params(features__memory=None)``: the
    parameters of these names without a prefix are those of scikit-learn's Pipeline.

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
        With 1 or more, progress bars; without a terminal or notebook, a line every 30 seconds.
    **params : dict
        Parameters of the steps by prefix: ``features__frame_size=64``,
        ``gru__hidden_size=128``.

    Returns
    -------
    VideoPipeline
        Steps ``features`` (`ResNet50FrameFeaturizer`), ``scale`` (`FrameWise`
        around ``MinMaxScaler``) and ``gru`` (`GRUClassifier` with ``delta_weight=100`` and
        ``label_smoothing=0.05``).

    Raises
    ------
    ValueError
        If the pipeline has no such parameter; the message suggests similar names.

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
    # but not to their changes, which therefore get a higher weight. It hardly matters for one
    # trained on clips. The backbone has fitted the GRU's training videos: without label smoothing,
    # the probabilities of other videos are far too certain. See benchmarks/accuracy.md.
    gru = GRUClassifier(
        delta_weight=100.0,
        label_smoothing=0.05,
        mixed_precision=mixed_precision,
        random_state=random_state,
        device=device,
        verbose=verbose,
    )
    steps = [("features", features), ("scale", FrameWise(MinMaxScaler())), ("gru", gru)]
    pipe = VideoPipeline(steps)
    for name in sorted(params):  # a step precedes its parameters
        check_parameter(name, pipe.get_params())
        pipe.set_params(**{name: params[name]})
    return pipe


def check_parameter(name: str, known: Iterable[str]) -> None:
    """Check the name of a parameter.

    Parameters
    ----------
    name : str
        The name.
    known : iterable of str
        The names of all parameters.

    Raises
    ------
    ValueError
        If the name is unknown; the message suggests similar names.
    """
    endings = {parameter: parameter.rpartition("__")[2] for parameter in known}
    if name in endings:
        return
    # Steps share names such as `lr`: names that end alike are compared first.
    close = get_close_matches(name.rpartition("__")[2], set(endings.values()), n=1)
    candidates = [parameter for parameter in endings if endings[parameter] in close]
    nearest = get_close_matches(name, candidates, cutoff=0)
    raise ValueError(
        f"The pipeline has no parameter {name!r}; "
        + (f"did you mean {' or '.join(nearest)}?" if nearest else "see its get_params().")
    )


def check_values(pipe: Pipeline) -> None:
    """Check the parameters of all steps, and of the estimators in them.

    Parameters
    ----------
    pipe : Pipeline
        The pipeline. Estimators that declare no constraints are not checked.

    Raises
    ------
    ValueError
        If a value is not valid, or the numbers of a video cannot be divided by the `frame_dim` of
        the step after the featurizer.
    """
    for value in pipe.get_params().values():
        if hasattr(value, "_parameter_constraints") and not isinstance(value, type):
            value._validate_params()
    active = [pair for pair in pipe.steps if pair[1] is not None and pair[1] != "passthrough"]
    for (_, features), (name, step) in pairwise(active):
        if (
            isinstance(features, ResNet50FrameFeaturizer)
            and features.flatten
            and isinstance(step, FrameWise | GRUClassifier)
            and (width := features.n_frames * N_FEATURES) % step.frame_dim
        ):
            raise ValueError(
                f"{name}__frame_dim={step.frame_dim} does not divide the {width} numbers of a "
                f"video, {features.n_frames} frames of {N_FEATURES}. Set it to {N_FEATURES}."
            )
