"""The standard pipeline from videos to classes."""

from __future__ import annotations

from typing import Any

from sklearn.pipeline import Pipeline
from sklearn.preprocessing import MinMaxScaler

from .features import ResNet50FrameFeaturizer
from .sequence import FrameWise, GRUClassifier

__all__ = ["make_video_classifier"]


def make_video_classifier(
    *,
    memory: Any = None,
    random_state: Any = None,
    device: Any = "auto",
    n_jobs: int | None = None,
    verbose: int = 0,
    **params: Any,
) -> Pipeline:
    """Make the standard video classifier.

    Parameters
    ----------
    memory : str, os.PathLike or joblib.Memory, optional
        Where features and trained backbones are kept: with it a search decodes
        and embeds every video once for each backbone, not once for each
        candidate.
    random_state : int, RandomState instance or None, default=None
        Seed of the featurizer and of the classifier.
    device : str or torch.device, default="auto"
        Where both networks compute.
    n_jobs : int, optional
        Number of joblib workers that decode and embed.
    verbose : int, default=0
        With 1 or more, progress bars on a terminal.
    **params : dict
        Parameters of the steps by prefix: ``features__frame_size=64``,
        ``gru__hidden_size=128``.

    Returns
    -------
    Pipeline
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
        memory=memory, random_state=random_state, device=device, n_jobs=n_jobs, verbose=verbose
    )
    # A backbone that was trained on single frames knows the training videos' looks by
    # heart, but not their changes; so these count more, see benchmarks/tank_wagon.md.
    gru = GRUClassifier(
        delta_weight=100.0, random_state=random_state, device=device, verbose=verbose
    )
    steps = [("features", features), ("scale", FrameWise(MinMaxScaler())), ("gru", gru)]
    return Pipeline(steps).set_params(**params)
