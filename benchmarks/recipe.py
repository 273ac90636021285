"""Ablation of the training of the backbone, on real clips.

Run ``python benchmarks/recipe.py MANIFEST [SEEDS] [VARIANTS]``; SEEDS (0,1,2) and VARIANTS (all)
are separated by commas. Frames have 32 pixels and training takes 8 epochs. Seed 0 holds out the
location with the most clips for the test, seed 1 the second largest, and so on. A fifth of the
clips of the other locations is also held out. The standard pipeline trains on the rest, with the
change that the name of the variant describes. Each printed line is a row of a Markdown table:
accuracy and macro-F1 on held-out clips of known and of unknown locations.
"""

import sys
import time
from collections import Counter
from contextlib import nullcontext
from unittest.mock import patch

import numpy as np
import torch
from joblib import Parallel, delayed
from sklearn.metrics import accuracy_score, f1_score
from sklearn.model_selection import train_test_split
from skorch.callbacks import Callback, EarlyStopping
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.utils.data import Subset

from skvideo_gru import load_video_manifest, make_video_classifier, read_frames
from skvideo_gru.features import training
from skvideo_gru.networks import resnet

SIZE, FRAMES, EPOCHS = 32, 10, 8
default_augment, DefaultNet = training.augment, training.MixedPrecisionNet


def augmentation(change):
    """Patch the augmentation: apply `change` to its normalised output (n, T, 3, H, W)."""

    def augment(frames, normalisation, augmentation):
        images = default_augment(frames, normalisation, augmentation)
        return change(images.unflatten(0, frames.shape[:2])).flatten(0, 1)

    return patch.object(training, "augment", augment)


def flip(clips):
    """Mirror half of the clips."""
    chosen = torch.rand(len(clips), device=clips.device) < 0.5
    clips[chosen] = clips[chosen].flip(-1)
    return clips


def crop(clips):
    """Crop each clip to at least 0.7 of its height and width, and resize it."""
    n, n_frames = clips.shape[:2]
    scale = 0.7 + 0.3 * torch.rand(n, device=clips.device)
    matrix = torch.zeros(n, 2, 3, device=clips.device)
    matrix[:, 0, 0] = matrix[:, 1, 1] = scale
    matrix[:, :, 2] = (2 * torch.rand(n, 2, device=clips.device) - 1) * (1 - scale)[:, None]
    matrix = matrix.repeat_interleave(n_frames, 0)
    flat = clips.flatten(0, 1)
    grid = nn.functional.affine_grid(matrix, list(flat.shape), align_corners=False)
    return nn.functional.grid_sample(flat, grid, align_corners=False).unflatten(0, (n, n_frames))


def colour(clips):
    """Reduce the saturation at random, and add a random tint."""
    n = len(clips)
    grey = clips.mean(2, keepdim=True)
    clips = grey + (clips - grey) * torch.rand(n, 1, 1, 1, 1, device=clips.device)
    return clips + 0.4 * torch.rand(n, 1, 3, 1, 1, device=clips.device) - 0.2


def no_augmentation():
    """Patch the augmentation: only normalise frames."""

    def augment(frames, normalisation, augmentation):
        return resnet.normalise(frames.flatten(0, 1), normalisation)

    return patch.object(training, "augment", augment)


class Mixup(DefaultNet):
    """Train on weighted means of two frames, with weighted means of their losses."""

    def infer(self, x, **fit_params):
        """Mix the frames."""
        if self.module_.training:
            self.share = float(torch.distributions.Beta(0.2, 0.2).sample())
            self.order = torch.randperm(len(x))
            x = self.share * x + (1 - self.share) * x[self.order]
            x = x.round().to(torch.uint8)
        return super().infer(x, **fit_params)

    def get_loss(self, y_pred, y_true, *args, **kwargs):
        """Mix the losses."""
        one = super().get_loss(y_pred, y_true, *args, **kwargs)
        other = super().get_loss(y_pred, y_true[self.order], *args, **kwargs)
        return self.share * one + (1 - self.share) * other


class Average(Callback):
    """Replace the weights by their moving average after training."""

    def on_train_begin(self, net, **_):
        """Start with the initial weights."""
        self.mean = AveragedModel(
            net.module_, multi_avg_fn=get_ema_multi_avg_fn(0.98), use_buffers=True
        )

    def on_batch_end(self, net, training, **_):
        """Add the weights of a step to the average."""
        self.mean.update_parameters(net.module_)

    def on_train_end(self, net, **_):
        """Replace the weights by the average."""
        net.module_.load_state_dict(self.mean.module.state_dict())
        del self.mean


def averaged(*args, callbacks, **kwargs):
    """Create the net with the averaging callback."""
    return DefaultNet(*args, callbacks=[*callbacks, ("average", Average())], **kwargs)


def unweighted(*args, criterion__weight, **kwargs):
    """Create the net without class weights."""
    return DefaultNet(*args, **kwargs)


def best_epoch(*args, train_split, callbacks, **kwargs):
    """Create the net that holds out a tenth of the clips and restores its best epoch on them.

    The held-out clips are augmented too, and the learning-rate schedule ends a tenth early.
    """

    def split(frames, *_, **__):
        held_out = torch.randperm(len(frames.clips))[: len(frames.clips) // 10]
        clip = torch.arange(len(frames)) // frames.per_clip
        held_out = torch.isin(clip, held_out)
        parts = [torch.nonzero(part).flatten().tolist() for part in (~held_out, held_out)]
        return tuple(Subset(frames, part) for part in parts)

    restore_best = ("best", EarlyStopping(patience=EPOCHS, load_best=True, sink=lambda _: None))
    return DefaultNet(*args, train_split=split, callbacks=[*callbacks, restore_best], **kwargs)


def cosine(optimizer, max_lr, total_steps, **_):
    """Create a cosine schedule of the learning rate, with constant momentum."""
    return torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, total_steps)


def stochastic_depth():
    """Skip the residual branch of each block for a tenth of the frames."""

    def drop(norm, inputs, out):
        if not norm.training:
            return out
        return out * (torch.rand(len(out), 1, 1, 1, device=out.device) > 0.1) / 0.9

    start = training._start

    def hooked(weights):
        network = start(weights)
        for module in network.modules():
            if isinstance(module, resnet.Bottleneck):
                module.bn3.register_forward_hook(drop)
        return network

    return patch.object(training, "_start", hooked)


def net(factory):
    """Patch the training net."""
    return patch.object(training, "MixedPrecisionNet", factory)


# Name: a context for training, and parameters of the featurizer.
VARIANTS = {
    "standard": (nullcontext, {}),
    "no augmentation": (no_augmentation, {}),
    "flips": (lambda: augmentation(flip), {}),
    "crops": (lambda: augmentation(crop), {}),
    "colour": (lambda: augmentation(colour), {}),
    "all three": (lambda: augmentation(lambda x: colour(crop(flip(x)))), {}),
    "mixup": (lambda: net(Mixup), {}),
    "average of weights (EMA)": (lambda: net(averaged), {}),
    "best epoch on a held-out tenth": (lambda: net(best_epoch), {}),
    "stochastic depth": (stochastic_depth, {}),
    "no class weights": (lambda: net(unweighted), {}),
    "no label smoothing": (nullcontext, {"label_smoothing": 0.0}),
    "no weight decay": (nullcontext, {"weight_decay": 0.0}),
    "no zero-init residual": (
        lambda: patch.object(resnet.ResNet50, "zero_init_residual"),
        {},
    ),
    "cosine": (lambda: patch.object(training, "OneCycleLR", cosine), {}),
    "clip": (nullcontext, {"objective": "clip"}),
    "strong": (nullcontext, {"augmentation": "strong"}),
    "motion": (nullcontext, {"modality": "motion"}),
    "motion and strong": (nullcontext, {"modality": "motion", "augmentation": "strong"}),
    "untrained": (nullcontext, {"max_epochs": 0}),
    "untrained and motion": (nullcontext, {"max_epochs": 0, "modality": "motion"}),
}


def main(manifest: str, seeds: str = "0,1,2", variants: str = ",".join(VARIANTS)) -> None:
    """Train the pipelines and print one row per variant and seed."""
    data = load_video_manifest(manifest)
    read = delayed(read_frames)
    clips = Parallel(-1)(read(path, n_frames=FRAMES, frame_size=SIZE) for path in data.data)
    locations = [location for location, _ in Counter(data.groups).most_common()]
    print("| variant | seed | location known | unknown | seconds |\n|---|---|---|---|---|")
    for seed in map(int, seeds.split(",")):
        unknown = np.flatnonzero(data.groups == locations[seed])
        train, known = train_test_split(
            np.flatnonzero(data.groups != locations[seed]),
            test_size=0.2,
            stratify=data.target[data.groups != locations[seed]],
            random_state=seed,
        )
        for name in variants.split(","):
            context, params = VARIANTS[name]
            # Motion images are computed from frames larger than the input of the network.
            videos = data.data if "modality" in params else clips
            options = {"n_frames": FRAMES, "frame_size": SIZE, "max_epochs": EPOCHS, **params}
            pipe = make_video_classifier(
                random_state=seed,
                **{f"features__{option}": value for option, value in options.items()},
            )
            begin = time.perf_counter()
            with context():
                pipe.fit([videos[row] for row in train], data.target[train])
            scores = []
            for rows in (known, unknown):
                predicted = pipe.predict([videos[row] for row in rows])
                true = data.target[rows]
                f1 = f1_score(true, predicted, average="macro")
                scores.append(f"{accuracy_score(true, predicted):.3f} / {f1:.3f}")
            took = time.perf_counter() - begin
            print(f"| {name} | {seed} | {' | '.join(scores)} | {took:.0f} |", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
