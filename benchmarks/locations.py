"""Accuracy on unseen cameras: leave-one-location-out cross-validation.

Run ``python benchmarks/locations.py MANIFEST [SEEDS] [NAME=VALUE ...]``, where NAME=VALUE are
parameters of the featurizer, for example ``frame_size=32 modality=motion``. The script trains
SEEDS backbones per group, which takes long with the default parameters. It prints a Markdown
table of the standard pipeline with these parameters, of the same pipeline with
``gru__delta_weight=0``, and of an ensemble of SEEDS pipelines (1) with random states 0, 1, 2 ...
"""

import sys
import tempfile
from functools import partial

import numpy as np
from options import features_options
from sklearn.ensemble import VotingClassifier
from sklearn.metrics import accuracy_score, f1_score
from sklearn.model_selection import LeaveOneGroupOut

from skvideo_gru import load_video_manifest, make_video_classifier


def main(manifest: str, n_seeds: str = "1", *options: str) -> None:
    """Train one set of classifiers per location and print a Markdown table."""
    features = features_options(options)
    data = load_video_manifest(manifest)
    names = ("standard", "without differences", f"ensemble of {n_seeds}")
    predicted = {name: np.empty_like(data.target) for name in names}
    print(f"| location left out | clips | {' | '.join(names)} |\n|---|---|---|---|---|")
    for train, test in LeaveOneGroupOut().split(data.data, data.target, data.groups):
        known, unknown = ([data.data[row] for row in rows] for rows in (train, test))
        with tempfile.TemporaryDirectory() as memory:  # one backbone per random state
            pipeline = partial(make_video_classifier, memory=memory, verbose=1, **features)
            members = [
                (f"seed{seed}", pipeline(random_state=seed)) for seed in range(int(n_seeds))
            ]
            models = (
                pipeline(random_state=0),
                pipeline(random_state=0, gru__delta_weight=0),
                VotingClassifier(members, voting="soft"),
            )
            for labels, model in zip(predicted.values(), models, strict=True):
                labels[test] = model.fit(known, data.target[train]).predict(unknown)
        scores = [accuracy_score(data.target[test], y[test]) for y in predicted.values()]
        line = " | ".join(f"{score:.3f}" for score in scores)
        print(f"| {data.groups[test[0]]} | {len(test)} | {line} |", flush=True)
    for name, score in (
        ("accuracy", accuracy_score),
        ("macro-F1", lambda true, y: f1_score(true, y, average="macro")),
    ):
        line = " | ".join(f"{score(data.target, y):.3f}" for y in predicted.values())
        print(f"| all, {name} | {len(data.target)} | {line} |")


if __name__ == "__main__":
    main(*sys.argv[1:])
