"""Accuracy with different options of the GRU, on real features.

Run ``python benchmarks/gru_options.py MANIFEST MEMORY [SEEDS]``. For each seed, the
script splits the videos at random (70/15/15), trains the backbone of the standard
pipeline, and trains three GRUs with each option. It prints the mean accuracy and
macro-F1 on the validation and test clips. MEMORY is the cache folder; it is compatible
with ``skvideo-gru train --split random --seed SEED --memory MEMORY``.
"""

import sys
from statistics import mean

import numpy as np
from sklearn.base import clone
from sklearn.metrics import f1_score

from skvideo_gru import load_video_manifest, make_video_classifier
from skvideo_gru.datasets import split_videos

OPTIONS = [
    *({"pooling": pooling} for pooling in ("last", "mean", "max", "attention")),
    *({"delta_weight": weight} for weight in (0, 1, 10, 100)),
    {"bidirectional": True},
    {"class_weight": "balanced"},
    {"lr_schedule": None},
    {"lr_schedule": "step"},
    {"lr_schedule": "cosine"},
    {"lr_schedule": "plateau", "lr_decay": 0.5},
    {"lr_schedule": "one_cycle", "lr": 3e-3},
]


def main(manifest: str, memory: str, seeds: str = "0,1,2") -> None:
    """Train the classifiers and print a Markdown table."""
    data = load_video_manifest(manifest)
    scores: list[list[tuple[float, float]]] = [[] for _ in OPTIONS]
    for seed in map(int, seeds.split(",")):
        parts, _ = split_videos(data, "random", random_state=seed)
        train, rest = parts["train"], np.concatenate([parts["val"], parts["test"]])
        pipe = make_video_classifier(memory=memory, random_state=seed, verbose=1)
        features = pipe["features"].fit([data.data[i] for i in train], data.target[train])
        X = features.transform(data.data)
        X = pipe["scale"].fit(X[train]).transform(X)
        for index, options in enumerate(OPTIONS):
            for gru_seed in range(3):
                gru = clone(pipe["gru"]).set_params(**options, random_state=gru_seed, verbose=0)
                predicted = gru.fit(X[train], data.target[train]).predict(X[rest])
                hits = float(np.mean(predicted == data.target[rest]))
                f1 = f1_score(data.target[rest], predicted, average="macro")
                scores[index].append((hits, f1))
            print(seed, options, np.round(scores[index][-3:], 3).tolist(), file=sys.stderr)
    print("| option | accuracy | macro-F1 |\n|---|---|---|")
    for options, results in zip(OPTIONS, scores, strict=True):
        text = ", ".join(f"{name}={value!r}" for name, value in options.items())
        accuracy, f1 = (mean(column) for column in zip(*results, strict=True))
        print(f"| `{text}` | {accuracy:.3f} | {f1:.3f} |")


if __name__ == "__main__":
    main(*sys.argv[1:])
