"""Export of a whole fitted pipeline to one ONNX file."""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from sklearn.decomposition import PCA
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import MaxAbsScaler, MinMaxScaler, RobustScaler, StandardScaler
from sklearn.utils.validation import check_is_fitted
from torch import nn

from .. import __version__
from ..extras import import_extra
from ..features import ResNet50FrameFeaturizer, frame_reader
from ..networks import (
    N_FEATURES,
    Normalisation,
    build_network,
    fold_batch_norm,
    normalise,
    to_onnx,
)
from ..persistence import atomic_write, check_writable
from ..sequence import FrameWise, GRUClassifier

# Transformers that scale and shift each feature.
_SCALERS = (MaxAbsScaler, MinMaxScaler, RobustScaler, StandardScaler)

# Samplings that return fewer frames of short videos.
_VARYING = ("fps", "dense")

# Numbers of data types in ONNX.
_INT32, _INT64 = 6, 7


def export_onnx(model: Any, path: str | os.PathLike[str]) -> None:
    """Export a fitted pipeline to an ONNX file, for use without this package.

    The file contains all that is between the frames of a video and its class
    probabilities: the normalisation of pixels, the ResNet-50, the scaling, and the GRU with
    its pooling. It does not contain the decoding of videos and the sampling of frames.

    Parameters
    ----------
    model : Pipeline
        A fitted pipeline from `make_video_classifier`, or a fitted search over one with
        ``refit=True``.
    path : str or os.PathLike
        The file to write. An existing file is replaced when the new one is complete.

    Raises
    ------
    NotFittedError
        If the model is not fitted.
    ImportError
        If the package onnx is not installed.
    ValueError
        If the model is neither a pipeline nor a search, or one of its steps cannot be
        exported.
    OSError
        If the file cannot be written.

    See Also
    --------
    ResNet50FrameFeaturizer.read_frames : Reads the frames that the ONNX model expects.

    Notes
    -----
    The inputs and the output of the ONNX model are:

    ``frames``
        uint8 of shape (N, T, H, W, 3). N is any number of videos. T is ``n_frames``, and H
        and W are the fitted ``frame_size_``. The frames are RGB with ``modality_="rgb"``,
        otherwise motion images.
    ``lengths``
        int64 of shape (N,), only with the samplings ``"fps"`` and ``"dense"``: the number of
        frames of each video, from 1 to T. The frames after it are ignored. T may then be
        any number up to ``n_frames``.
    ``probabilities``
        float32 of shape (N, n_classes), in the order of the metadata ``classes``.

    The metadata of the file describe the frames: ``modality``, ``sampling``, ``n_frames``,
    ``frame_size`` (height, width), ``resize``, for some samplings ``fps``, ``stride`` or
    ``seed``. Further metadata are ``classes`` and ``skvideo_gru_version``. Values other than
    text are JSON.

    Scaling may consist of ``MinMaxScaler``, ``MaxAbsScaler``, ``RobustScaler`` and
    ``StandardScaler``, on flattened rows or in `FrameWise`, and of ``PCA`` in `FrameWise`.
    The ONNX model computes in float32, also if the pipeline uses ``mixed_precision`` or
    float64. It uses version 17 of ONNX's operators, which ONNX Runtime supports since
    version 1.12.

    Examples
    --------
    >>> from skvideo_gru import export_onnx
    >>> export_onnx(pipe, "model.onnx")  # doctest: +SKIP
    """
    check_writable(path)
    pipe = getattr(model, "best_estimator_", model)
    network = _network(pipe)
    onnx = import_extra("onnx", extra="onnxruntime", purpose="export_onnx")
    features, gru = pipe[0], pipe[-1]
    frames = torch.zeros(2, features.n_frames, *features.frame_size_, 3, dtype=torch.uint8)
    inputs, axes = {"frames": frames}, {"frames": {0: "n"}, "probabilities": {0: "n"}}
    if features.sampling in _VARYING:
        inputs["lengths"] = torch.full((2,), features.n_frames)
        axes["frames"][1], axes["lengths"] = "t", {0: "n"}
    exported = onnx.load_from_string(to_onnx(network, inputs, "probabilities", axes))
    if "lengths" in inputs:
        _connect_lengths(exported.graph, onnx.helper)
    metadata = {
        **frame_reader(features).options,
        "modality": features.modality_,
        "classes": gru.classes_.tolist(),
        "skvideo_gru_version": __version__,
    }
    texts = {
        k: v if isinstance(v, str) else json.dumps(v, default=str) for k, v in metadata.items()
    }
    onnx.helper.set_model_props(exported, texts)
    with atomic_write(path) as unfinished:
        onnx.save(exported, unfinished)


def _network(pipe: Any) -> _VideoClassifier:
    """Check a pipeline, and build the network that is equivalent to it."""
    if (
        not isinstance(pipe, Pipeline)
        or not isinstance(pipe[0], ResNet50FrameFeaturizer)
        or not isinstance(pipe[-1], GRUClassifier)
    ):
        raise ValueError(
            "Expected a pipeline from make_video_classifier, or a fitted search with refit=True "
            f"over such a pipeline, got {type(pipe).__name__}. Export the pipelines of an "
            "ensemble one by one, and average their probabilities."
        )
    features, gru = pipe[0], pipe[-1]
    check_is_fitted(features, "weights_")
    check_is_fitted(gru, "net_")
    layers, n_features = [], N_FEATURES
    for name, step in pipe.steps[1:-1]:
        for transformer, frame_wise in _transformers(step):
            n_frames = 1 if frame_wise else features.n_frames
            layer = _affine(transformer, name, n_frames)
            layers.append(layer)
            n_features = layer.offset.shape[1]
    if gru.frame_dim_ != n_features:
        raise ValueError(
            f"The GRU was fitted on {gru.frame_dim_} features per frame, but the step before it "
            f"returns {n_features}. Set its frame_dim to {n_features} and fit again."
        )
    return _VideoClassifier(
        fold_batch_norm(build_network(features.weights_)),
        features._normalisation,
        nn.Sequential(*layers),
        copy.deepcopy(gru.module_).cpu().float(),
    ).eval()


def _transformers(step: Any, frame_wise: bool = False) -> Iterator[tuple[Any, bool]]:
    """Yield the transformers of a step, and whether they transform single frames."""
    if step is None or step == "passthrough":
        return
    if isinstance(step, FrameWise):
        yield from _transformers(step.transformer_, True)
    elif isinstance(step, Pipeline):
        for _, inner in step.steps:
            yield from _transformers(inner, frame_wise)
    else:
        yield step, frame_wise


def _affine(transformer: Any, name: str, n_frames: int) -> _Affine:
    """Convert a fitted transformer to a layer; `n_frames` is 1 if it transforms frames."""
    kind = type(transformer)
    if kind not in (*_SCALERS, PCA) or (kind is PCA and n_frames > 1):
        known = ", ".join(scaler.__name__ for scaler in _SCALERS)
        raise ValueError(
            f"The step {name!r} contains {kind.__name__}, which cannot be exported. Use one of "
            f"{known}, on flattened rows or in FrameWise, or PCA in FrameWise."
        )
    linear = copy.copy(transformer)
    clip = getattr(transformer, "clip", False)
    if clip:
        linear.clip = False
    n_inputs = transformer.n_features_in_
    # An affine function is known from its values at the origin and at the unit vectors.
    offset = linear.transform(np.zeros((1, n_inputs)))
    if kind is PCA:
        scale = linear.transform(np.eye(n_inputs)) - offset
    else:
        scale = linear.transform(np.ones((1, n_inputs))) - offset
        scale, offset = scale.reshape(n_frames, -1), offset.reshape(n_frames, -1)
    if not (np.isfinite(scale).all() and np.isfinite(offset).all()):
        raise ValueError(
            f"The step {name!r} has values that are not finite: no training video has as many "
            "frames as n_frames. Use FrameWise around the scaler and fit again."
        )
    limits = None
    if clip:
        limits = transformer.feature_range if kind is MinMaxScaler else (-1, 1)
    return _Affine(scale, offset, limits, is_matrix=kind is PCA)


class _Affine(nn.Module):
    """Scale the features of frames: (n, T, d) to (n, T, k)."""

    scale: torch.Tensor
    offset: torch.Tensor

    def __init__(
        self, scale: np.ndarray, offset: np.ndarray, limits: Any, *, is_matrix: bool
    ) -> None:
        super().__init__()
        self.register_buffer("scale", torch.as_tensor(scale, dtype=torch.float32))
        self.register_buffer("offset", torch.as_tensor(offset, dtype=torch.float32))
        self.limits, self.is_matrix = limits, is_matrix

    def forward(self, frames: torch.Tensor) -> torch.Tensor:
        if self.is_matrix:
            return frames @ self.scale + self.offset
        # Rows of frames beyond the last one of the batch are not used.
        n_frames = frames.shape[1]
        scaled = frames * self.scale[:n_frames] + self.offset[:n_frames]
        return scaled if self.limits is None else scaled.clamp(*self.limits)


class _VideoClassifier(nn.Module):
    """The network from frames to probabilities."""

    def __init__(
        self, backbone: nn.Module, normalisation: Normalisation, scaling: nn.Module, gru: nn.Module
    ) -> None:
        super().__init__()
        self.backbone, self.normalisation = backbone, normalisation
        self.scaling, self.gru = scaling, gru

    def forward(self, frames: torch.Tensor, lengths: torch.Tensor | None = None) -> torch.Tensor:
        n_videos, n_frames = frames.shape[:2]
        pixels = normalise(frames.flatten(0, 1), self.normalisation)
        features = self.backbone(pixels).reshape(n_videos, n_frames, N_FEATURES)
        if lengths is None:
            lengths = torch.full((n_videos,), n_frames)
        return self.gru(self.scaling(features), lengths).softmax(dim=1)


def _connect_lengths(graph: Any, helper: Any) -> None:
    """Let the GRU stop at the length of each sequence.

    Torch exports the lengths of packed sequences only with warnings. A GRU of ONNX receives
    them as its fifth input.
    """
    if all(known.name != "lengths" for known in graph.input):  # with pooling="last"
        graph.input.append(helper.make_tensor_value_info("lengths", _INT64, ["n"]))
    for node in graph.node:
        if node.op_type == "GRU":
            node.input[4] = "sequence_lens"
    graph.node.insert(0, helper.make_node("Cast", ["lengths"], ["sequence_lens"], to=_INT32))
