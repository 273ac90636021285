"""Which frames, and which places in them, a prediction depends on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from sklearn.pipeline import Pipeline

from ..features import ResNet50FrameFeaturizer
from ..networks import N_FEATURES, ResNet50, build_network, normalise, resolve_device
from ..sequence import GRUClassifier
from ..video import Video
from .evaluation import fitted_pipeline

# The smallest height and width of a heat map.
_SMALLEST_MAP = 4

# Frames that pass through the backbone at once, which bounds the memory for their gradients.
_FRAMES_PER_BATCH = 8

# Rows of features that pass through the scaler at once, and the change of each feature.
_ROWS_PER_BATCH = 64
_STEP = 1e-3


@dataclass(frozen=True)
class Attribution:
    """What a prediction depends on.

    Attributes
    ----------
    heat : ndarray of shape (T, h, w), float32
        Where in each frame the class is seen, from 0 to 1 for the largest value of the clip:
        Grad-CAM [1]_. All are 0 if nothing speaks for the class.
    attention : ndarray of shape (T,), float32, or None
        The weights of the frames in the attention pooling; their sum is 1. None with another
        pooling.

    References
    ----------
    .. [1] R. R. Selvaraju et al., "Grad-CAM: Visual Explanations from Deep Networks via
       Gradient-based Localization", 2017, arXiv:1610.02391.
    """

    heat: np.ndarray
    attention: np.ndarray | None


def attribute(pipe: Pipeline, video: Video, column: int | None = None) -> Attribution:
    """Find the frames, and the places in them, that the logit of a class depends on.

    Grad-CAM weights the channels of a convolutional layer by the mean gradients of the logit,
    which here pass from the GRU through the scaler to the backbone. The layer is the deepest
    one whose output has at least 4 x 4 pixels: with frames of 32 pixels the second of the
    four stages, with 128 pixels or more the last.

    Parameters
    ----------
    pipe : Pipeline
        A fitted pipeline of a `ResNet50FrameFeaturizer`, transformers of frames and a
        `GRUClassifier`. A transformer in between must compute each frame from the same frame.
    video : Video
        The video.
    column : int, optional
        The column of the class in the probabilities; by default the most probable one.

    Returns
    -------
    Attribution
        The heat maps and the attention weights.

    Raises
    ------
    ValueError
        If `pipe` has other steps.
    VideoDecodeError
        If the video is unreadable.
    """
    pipe = explainable_pipeline(pipe)
    features, gru = pipe[0], pipe[-1]
    images = features.read_frames(video)
    rows = np.asarray(features.transform([video]), np.float64)
    scaled = _scale(pipe, rows)
    gradients, attention = _through_gru(gru, scaled[0, : len(images)], column)
    of_features = _through_scaler(pipe, rows, scaled, gradients)
    network = build_network(features.weights_).eval()
    device = resolve_device(features.device, training=False)
    inputs = normalise(torch.from_numpy(images), features._normalisation)
    heat = _grad_cam(network.to(device), inputs, of_features)
    largest = heat.max(initial=0)
    return Attribution(heat / largest if largest else heat, attention)


def explainable_pipeline(estimator: Any) -> Pipeline:
    """Return the pipeline of an estimator if `attribute` accepts it.

    Parameters
    ----------
    estimator : Pipeline or search
        A pipeline, or a fitted search with ``refit=True``.

    Returns
    -------
    Pipeline
        The pipeline, or the best pipeline of the search.

    Raises
    ------
    ValueError
        If `estimator` is neither, or its pipeline has other steps.
    """
    pipe = fitted_pipeline(estimator)
    expected = isinstance(pipe[0], ResNet50FrameFeaturizer) and isinstance(pipe[-1], GRUClassifier)
    if not expected:
        raise ValueError(
            "Expected a pipeline with a ResNet50FrameFeaturizer as its first step and a "
            f"GRUClassifier as its last, got {[type(step).__name__ for _, step in pipe.steps]}."
        )
    if not keeps_frames(pipe):
        raise ValueError(
            "The steps before the GRUClassifier do not keep the frames apart, so frames cannot be "
            "explained. Wrap them in FrameWise."
        )
    return pipe


def keeps_frames(pipe: Pipeline) -> bool:
    """Return whether the classifier of a fitted pipeline receives each frame separately.

    Parameters
    ----------
    pipe : Pipeline
        The pipeline, from a ResNet50FrameFeaturizer to a GRUClassifier.

    Returns
    -------
    bool
        False if a step in between, such as a PCA without FrameWise, combines the frames.
    """
    return pipe[-1].n_features_in_ == pipe[0].n_frames * pipe[-1].frame_dim_


def _scale(pipe: Pipeline, rows: np.ndarray) -> np.ndarray:
    """Apply the steps between featurizer and classifier; return (n, T, d)."""
    scaled = pipe[1:-1].transform(rows) if len(pipe.steps) > 2 else rows
    return np.asarray(scaled).reshape(len(rows), pipe[0].n_frames, -1)


def _through_gru(
    gru: GRUClassifier, sequence: np.ndarray, column: int | None
) -> tuple[np.ndarray, np.ndarray | None]:
    """Return the gradients of a logit, (T, d), and the attention weights."""
    module = gru.module_.eval()
    weight = next(module.parameters())
    inputs = torch.tensor(sequence[None], dtype=weight.dtype, device=weight.device)
    inputs.requires_grad_()
    # cuDNN has no gradients of recurrent networks in evaluation mode.
    with torch.enable_grad(), torch.backends.cudnn.flags(enabled=False):
        logits = module(inputs, torch.tensor([len(sequence)]))[0]
        logit = logits.max() if column is None else logits[column]
        (gradients,) = torch.autograd.grad(logit, inputs)
    attention = None
    if module.pooling in ("attention", "pyramid"):
        with torch.inference_mode():
            attention = module.attention_weights(inputs)[0].float().cpu().numpy()
    return gradients[0].double().cpu().numpy(), attention


def _through_scaler(
    pipe: Pipeline, rows: np.ndarray, scaled: np.ndarray, gradients: np.ndarray
) -> np.ndarray:
    """Turn gradients of scaled features, (T, d), into those of features, (T, 2048).

    Transformers have no gradients. As each computes a frame from the same frame, changing one
    feature in all frames shows the effect on each; this is exact for linear transformers.
    """
    if len(pipe.steps) == 2:
        return gradients
    n_frames = len(gradients)
    slopes = _slopes_of_features(pipe, rows, scaled, n_frames)
    if slopes is not None:
        return slopes * gradients
    through = np.empty((n_frames, N_FEATURES))
    for first in range(0, N_FEATURES, _ROWS_PER_BATCH):
        columns = np.arange(first, min(first + _ROWS_PER_BATCH, N_FEATURES))
        effects = _effects(pipe, rows, scaled, columns[:, None] == np.arange(N_FEATURES))
        through[:, columns] = np.einsum("ktd,td->tk", effects[:, :n_frames], gradients)
    return through


def _slopes_of_features(
    pipe: Pipeline, rows: np.ndarray, scaled: np.ndarray, n_frames: int
) -> np.ndarray | None:
    """Return the slope of each scaled feature, (T, 2048); None if features affect others.

    Any two features differ in a bit of their numbers. For each bit, the features with it are
    changed, then those without it; the others must stay as they are.
    """
    if scaled.shape[2] != N_FEATURES:
        return None
    numbers, bits = np.arange(N_FEATURES), np.arange((N_FEATURES - 1).bit_length())
    with_bit = (numbers >> bits[:, None]) % 2 == 1
    changed = np.concatenate([with_bit, ~with_bit])
    effects = _effects(pipe, rows, scaled, changed)[:, :n_frames]  # without padding
    if np.any((effects != 0).any(axis=1) & ~changed):
        return None
    return effects[0] + effects[len(with_bit)]


def _effects(
    pipe: Pipeline, rows: np.ndarray, scaled: np.ndarray, changed: np.ndarray
) -> np.ndarray:
    """Change features in all frames and return the effects per unit.

    Parameters
    ----------
    pipe : Pipeline
        The pipeline.
    rows : ndarray of shape (1, T * 2048)
        The features.
    scaled : ndarray of shape (1, T, d)
        The scaled features.
    changed : ndarray of shape (k, 2048), bool
        The features to change in each of `k` trials.

    Returns
    -------
    ndarray of shape (k, T, d)
        The changes of the scaled features, divided by that of the features.
    """
    inputs = rows.reshape(pipe[0].n_frames, N_FEATURES) + _STEP * changed[:, None]
    return (_scale(pipe, inputs.reshape(len(changed), *rows.shape[1:])) - scaled) / _STEP


def _grad_cam(network: ResNet50, inputs: torch.Tensor, gradients: np.ndarray) -> np.ndarray:
    """Compute the heat maps, (T, h, w), from the gradients of the features."""
    device = network.conv1.weight.device
    stages = [network.layer1, network.layer2, network.layer3, network.layer4]
    maps = []
    batches = inputs.split(_FRAMES_PER_BATCH), torch.as_tensor(gradients).split(_FRAMES_PER_BATCH)
    for images, of_features in zip(*batches, strict=True):
        with torch.no_grad():
            x = network.maxpool(network.relu(network.bn1(network.conv1(images.to(device)))))
            x, n_stages = stages[0](x), 1
            while n_stages < len(stages) and (min(x.shape[2:]) + 1) // 2 >= _SMALLEST_MAP:
                x, n_stages = stages[n_stages](x), n_stages + 1
        with torch.enable_grad():
            activations = x.requires_grad_()
            for stage in stages[n_stages:]:
                x = stage(x)
            found = x.mean(dim=(2, 3))
            (slopes,) = torch.autograd.grad(found, activations, of_features.to(found))
        weights = slopes.mean(dim=(2, 3), keepdim=True)
        maps.append((weights * activations).sum(dim=1).relu().detach().cpu().numpy())
    return np.concatenate(maps)
