"""Accuracy on cameras that training never saw: every location left out in turn.

Run it as ``python benchmarks/locations.py MANIFEST [FRAME_SIZE] [EPOCHS] [MODALITY]
[AUGMENTATION] [VOTERS]`` (64, 15, rgb, light and 1, the defaults, are much work: as many
trainings as there are groups, times the voters). It prints a Markdown table of the standard
pipeline, of the same with a GRU that gets the features without their changes, and of the mean
probabilities of as many pipelines as VOTERS says, with random states 0, 1, 2 ...
"""

import sys
import tempfile

import numpy as np
from sklearn.metrics import accuracy_score, f1_score
from sklearn.model_selection import LeaveOneGroupOut

from skvideo_gru import load_video_manifest, make_video_classifier


def main(
    manifest: str,
    frame_size: str = "64",
    epochs: str = "15",
    modality: str = "rgb",
    augmentation: str = "light",
    voters: str = "1",
) -> None:
    """Train for every location, and print."""
    data = load_video_manifest(manifest)
    one, unchanged, together = (np.empty_like(data.target) for _ in range(3))
    print(f"| location left out | clips | accuracy | without changes | {voters} voting |")
    print("|---|---|---|---|---|")
    for train, test in LeaveOneGroupOut().split(data.data, data.target, data.groups):
        known, unknown = ([data.data[row] for row in rows] for rows in (train, test))
        with tempfile.TemporaryDirectory() as memory:
            pipe = make_video_classifier(
                memory=memory,
                verbose=1,
                features__frame_size=int(frame_size),
                features__max_epochs=int(epochs),
                features__modality=modality,
                features__augmentation=augmentation,
            )
            probabilities = []
            for seed in range(int(voters)):
                pipe.set_params(features__random_state=seed, gru__random_state=seed)
                pipe.fit(known, data.target[train])
                probabilities.append(pipe.predict_proba(unknown))
            one[test] = pipe.classes_[probabilities[0].argmax(axis=1)]
            together[test] = pipe.classes_[np.mean(probabilities, axis=0).argmax(axis=1)]
            pipe.set_params(
                features__random_state=0, gru__random_state=0, gru__delta_weight=0
            ).fit(known, data.target[train])
            unchanged[test] = pipe.predict(unknown)
        scores = [accuracy_score(data.target[test], y[test]) for y in (one, unchanged, together)]
        line = " | ".join(f"{score:.3f}" for score in scores)
        print(f"| {data.groups[test[0]]} | {len(test)} | {line} |", flush=True)
    for name, score in (
        ("accuracy", accuracy_score),
        ("macro-F1", lambda true, y: f1_score(true, y, average="macro")),
    ):
        line = " | ".join(f"{score(data.target, y):.3f}" for y in (one, unchanged, together))
        print(f"| all together, {name} | {len(data.target)} | {line} |")


if __name__ == "__main__":
    main(*sys.argv[1:])
