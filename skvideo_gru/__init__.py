"""Video classification the scikit-learn way."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .classifier import GRUClassifier
    from .datasets import load_video_folder, load_video_manifest
    from .decoding import read_frames
    from .errors import VideoDecodeError
    from .featurizer import ResNet50FrameFeaturizer
    from .filmstrips import FilmStripDisplay
    from .generated import make_order_videos
    from .mistakes import MistakesDisplay
    from .persistence import SKOPS_TRUSTED_TYPES
    from .pipeline import make_video_classifier
    from .plotting import TrainingDisplay
    from .reporting import evaluation_report
    from .scaling import FrameWise
    from .search_display import SearchDisplay
    from .videos import VideoClip

__version__ = "0.1.0"

__all__ = [
    "SKOPS_TRUSTED_TYPES",
    "FilmStripDisplay",
    "FrameWise",
    "GRUClassifier",
    "MistakesDisplay",
    "ResNet50FrameFeaturizer",
    "SearchDisplay",
    "TrainingDisplay",
    "VideoClip",
    "VideoDecodeError",
    "evaluation_report",
    "load_video_folder",
    "load_video_manifest",
    "make_order_videos",
    "make_video_classifier",
    "read_frames",
]

# A name is imported when it is first asked for, so that the command line answers
# at once instead of loading torch.
_MODULES = {
    "SKOPS_TRUSTED_TYPES": "persistence",
    "FilmStripDisplay": "filmstrips",
    "FrameWise": "scaling",
    "GRUClassifier": "classifier",
    "MistakesDisplay": "mistakes",
    "ResNet50FrameFeaturizer": "featurizer",
    "SearchDisplay": "search_display",
    "TrainingDisplay": "plotting",
    "VideoClip": "videos",
    "VideoDecodeError": "errors",
    "evaluation_report": "reporting",
    "load_video_folder": "datasets",
    "load_video_manifest": "datasets",
    "make_order_videos": "generated",
    "make_video_classifier": "pipeline",
    "read_frames": "decoding",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_MODULES[name]}", __name__), name)


def __dir__() -> list[str]:
    return [*globals(), *__all__]
