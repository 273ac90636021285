"""Cost of label leakage: the GRU learns from videos whose labels the backbone has seen.

Run ``python benchmarks/label_leakage.py MANIFEST [SEEDS]``. For each seed, the script
trains a backbone on one half of the training clips of a random split, and GRUs on its
features of that half, of the other half, and of both. It prints the accuracy on the
validation and test clips, with and without the differences between frames.
"""

import sys
from statistics import mean

import numpy as np
from sklearn.base import clone

from skvideo_gru import load_video_manifest, make_video_classifier
from skvideo_gru.datasets import split_videos


def main(manifest: str, seeds: str = "0") -> None:
    """Train the classifiers and print a Markdown table."""
    data = load_video_manifest(manifest)
    scores: dict[tuple[float, str], list[float]] = {}
    for seed in map(int, seeds.split(",")):
        parts, _ = split_videos(data, "random", random_state=seed)
        train, unseen = parts["train"], np.concatenate([parts["val"], parts["test"]])
        order = np.random.default_rng(seed).permutation(train)
        halves = {
            "the backbone's half": order[::2],
            "the other half": order[1::2],
            "both halves": order,
        }
        pipe = make_video_classifier(random_state=seed, verbose=1)
        first = halves["the backbone's half"]
        pipe["features"].fit([data.data[row] for row in first], data.target[first])
        features = pipe["features"].transform(data.data)
        for name, rows in halves.items():
            X = pipe["scale"].fit(features[rows]).transform(features)
            for weight in (0.0, 100.0):
                for gru_seed in range(3):
                    gru = clone(pipe["gru"]).set_params(
                        delta_weight=weight, random_state=gru_seed, verbose=0
                    )
                    accuracy = gru.fit(X[rows], data.target[rows]).score(
                        X[unseen], data.target[unseen]
                    )
                    scores.setdefault((weight, name), []).append(accuracy)
    print("| training clips of the GRU | features only | with differences |\n|---|---|---|")
    for name in halves:
        print(f"| {name} | {mean(scores[0.0, name]):.3f} | {mean(scores[100.0, name]):.3f} |")


if __name__ == "__main__":
    main(*sys.argv[1:])
