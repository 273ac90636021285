"""Accuracy on cameras that training never saw: every location left out in turn.

Run it as ``python benchmarks/locations.py MANIFEST [VOTERS] [NAME=VALUE ...]``, where names are
parameters of the featurizer, such as ``frame_size=32 modality=motion``: by default they are much
work, as many trainings as there are groups, times the voters. It prints a Markdown table of the
standard pipeline with these parameters, of the same with a GRU that gets the features without
their changes, and of the mean probabilities of as many pipelines as VOTERS says (1), with random
states 0, 1, 2 ...
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


def main(manifest: str, voters: str = "1", *options: str) -> None:
    """Train for every location, and print."""
    features = features_options(options)
    data = load_video_manifest(manifest)
    names = ("accuracy", "without changes", f"{voters} voting")
    predicted = {name: np.empty_like(data.target) for name in names}
    print(f"| location left out | clips | {' | '.join(names)} |\n|---|---|---|---|---|")
    for train, test in LeaveOneGroupOut().split(data.data, data.target, data.groups):
        known, unknown = ([data.data[row] for row in rows] for rows in (train, test))
        with tempfile.TemporaryDirectory() as memory:  # one backbone for each random state
            pipeline = partial(make_video_classifier, memory=memory, verbose=1, **features)
            members = [(f"seed{seed}", pipeline(random_state=seed)) for seed in range(int(voters))]
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
        print(f"| all together, {name} | {len(data.target)} | {line} |")


if __name__ == "__main__":
    main(*sys.argv[1:])
