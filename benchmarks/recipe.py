"""What each part of the backbone's training brings, on real clips.

Run it as ``python benchmarks/recipe.py MANIFEST [SEEDS] [VARIANTS]``, both with commas
between them; by default 0,1,2 and all. Frames have 32 pixels, training 8 epochs. Seed 0 keeps
the location with most clips for the test, seed 1 the next one; of the other locations' clips a
fifth is kept too. The standard pipeline learns from the rest, with a training that differs in
what the variant's name says. Every line printed is a row of a Markdown table: accuracy and
macro-F1 on clips of locations known and unknown.
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

from skvideo_gru import backbone, load_video_manifest, make_video_classifier, read_frames, resnet

SIZE, FRAMES, EPOCHS = 32, 10, 8
augment_as_it_is, net_as_it_is = backbone._augment, backbone.MixedPrecisionNet


def augmentation(change):
    """Patch the augmentation by what `change` makes of normalised (n, T, 3, H, W)."""

    def augment(frames, normalisation, augmentation):
        pictures = augment_as_it_is(frames, normalisation, augmentation)
        return change(pictures.unflatten(0, frames.shape[:2])).flatten(0, 1)

    return patch.object(backbone, "_augment", augment)


def flip(clips):
    """Mirror half of the clips."""
    chosen = torch.rand(len(clips), device=clips.device) < 0.5
    clips[chosen] = clips[chosen].flip(-1)
    return clips


def crop(clips):
    """Take a part of each clip, at least 0.7 of height and width, and enlarge it."""
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
    """Take saturation away at random, and tint."""
    n = len(clips)
    grey = clips.mean(2, keepdim=True)
    clips = grey + (clips - grey) * torch.rand(n, 1, 1, 1, 1, device=clips.device)
    return clips + 0.4 * torch.rand(n, 1, 3, 1, 1, device=clips.device) - 0.2


def plain():
    """Leave frames as they are."""

    def augment(frames, normalisation, augmentation):
        return resnet.normalise(frames.flatten(0, 1), normalisation)

    return patch.object(backbone, "_augment", augment)


class Mixup(net_as_it_is):
    """Train on weighted means of two frames, and of their losses."""

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
    """Take the moving average of the weights in the end."""

    def on_train_begin(self, net, **_):
        """Begin with the first weights."""
        self.mean = AveragedModel(
            net.module_, multi_avg_fn=get_ema_multi_avg_fn(0.98), use_buffers=True
        )

    def on_batch_end(self, net, training, **_):
        """Take in the weights of a step."""
        self.mean.update_parameters(net.module_)

    def on_train_end(self, net, **_):
        """Put the average in their place."""
        net.module_.load_state_dict(self.mean.module.state_dict())
        del self.mean


def averaged(*args, callbacks, **kwargs):
    """Make the net with one callback more."""
    return net_as_it_is(*args, callbacks=[*callbacks, ("average", Average())], **kwargs)


def unweighted(*args, criterion__weight, **kwargs):
    """Make the net without class weights."""
    return net_as_it_is(*args, **kwargs)


def best_epoch(*args, train_split, callbacks, **kwargs):
    """Make the net that holds out a tenth of the clips and returns to its best epoch on them.

    They are augmented too, and the schedule ends a tenth before its end.
    """

    def split(frames, *_, **__):
        held_out = torch.randperm(len(frames.clips))[: len(frames.clips) // 10]
        clip = torch.arange(len(frames)) // frames.per_clip
        held_out = torch.isin(clip, held_out)
        parts = [torch.nonzero(part).flatten().tolist() for part in (~held_out, held_out)]
        return tuple(Subset(frames, part) for part in parts)

    keep = ("best", EarlyStopping(patience=EPOCHS, load_best=True, sink=lambda _: None))
    return net_as_it_is(*args, train_split=split, callbacks=[*callbacks, keep], **kwargs)


def cosine(optimizer, max_lr, total_steps, **_):
    """Let the learning rate fall from the first step on, and the momentum be."""
    return torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, total_steps)


def stochastic_depth():
    """Leave out each block's own part for a tenth of the frames."""

    def drop(norm, inputs, out):
        if not norm.training:
            return out
        return out * (torch.rand(len(out), 1, 1, 1, device=out.device) > 0.1) / 0.9

    start = backbone._start

    def hooked(weights):
        network = start(weights)
        for module in network.modules():
            if isinstance(module, resnet.Bottleneck):
                module.bn3.register_forward_hook(drop)
        return network

    return patch.object(backbone, "_start", hooked)


def net(made):
    """Patch the net that trains."""
    return patch.object(backbone, "MixedPrecisionNet", made)


# Name: a context in which to train, and parameters of the featurizer.
VARIANTS = {
    "as it is": (nullcontext, {}),
    "no augmentation": (plain, {}),
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
    "no zero start": (lambda: patch.object(resnet.ResNet50, "zero_init_residual"), {}),
    "cosine": (lambda: patch.object(backbone, "OneCycleLR", cosine), {}),
    "clip": (nullcontext, {"objective": "clip"}),
    "strong": (nullcontext, {"augmentation": "strong"}),
    "motion": (nullcontext, {"modality": "motion"}),
    "motion and strong": (nullcontext, {"modality": "motion", "augmentation": "strong"}),
    "untrained": (nullcontext, {"max_epochs": 0}),
    "untrained and motion": (nullcontext, {"max_epochs": 0, "modality": "motion"}),
}


def main(manifest: str, seeds: str = "0,1,2", variants: str = ",".join(VARIANTS)) -> None:
    """Train, and print a row for each variant and seed."""
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
            # Motion is drawn from larger frames than the network sees.
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
