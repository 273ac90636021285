"""Accuracy on cameras that training never saw: every location left out in turn.

Run it as ``python benchmarks/locations.py MANIFEST [FRAME_SIZE] [EPOCHS] [MODALITY]
[AUGMENTATION]`` (64, 15, rgb and light, the defaults, are much work: as many trainings as
there are groups). It prints a Markdown table of the standard pipeline, and of the same with
a GRU that gets the features without their changes.
"""

import sys
import tempfile

import numpy as np
from sklearn.metrics import accuracy_score, f1_score
from sklearn.model_selection import LeaveOneGroupOut

from skvideo_gru import load_video_manifest, make_video_classifier

DELTA_WEIGHTS = (100.0, 0.0)


def main(
    manifest: str,
    frame_size: str = "64",
    epochs: str = "15",
    modality: str = "rgb",
    augmentation: str = "light",
) -> None:
    """Train for every location, and print."""
    data = load_video_manifest(manifest)
    predicted = {weight: np.empty_like(data.target) for weight in DELTA_WEIGHTS}
    print("| location left out | clips | accuracy | without changes |\n|---|---|---|---|")
    for train, test in LeaveOneGroupOut().split(data.data, data.target, data.groups):
        with tempfile.TemporaryDirectory() as memory:
            pipe = make_video_classifier(
                memory=memory,
                random_state=0,
                verbose=1,
                features__frame_size=int(frame_size),
                features__max_epochs=int(epochs),
                features__modality=modality,
                features__augmentation=augmentation,
            )
            for weight, labels in predicted.items():
                pipe.set_params(gru__delta_weight=weight)
                pipe.fit([data.data[row] for row in train], data.target[train])
                labels[test] = pipe.predict([data.data[row] for row in test])
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
