"""Accuracy of what a backbone may look at and learn from, and of looks that vote.

Run it as ``python benchmarks/looks.py MANIFEST MEMORY [SPLITS] [LOOKS] [NAME=VALUE ...]``.
SPLITS are ways to split and their seeds (random:0,random:1,random:2,manifest:0), which are the
pipelines' random state too unless a third number says another (random:0:10); LOOKS are those that
take part (standard,motion,clip): the standard pipeline, one that sees motion, and one that learns
from the frames' order. Names are parameters of the featurizer, as ``mixed_precision=true``. MEMORY
is a folder that keeps trained backbones and features, so that it can be interrupted and goes on; a
backbone takes 18 minutes on one core. It prints a Markdown table of accuracy and macro-F1 on the
parts of the data that training has not seen; the last columns are of the mean probabilities of the
first two looks and of all.
"""

import sys

from options import features_options
from sklearn.ensemble import VotingClassifier
from sklearn.metrics import accuracy_score, f1_score

from skvideo_gru import load_video_manifest, make_video_classifier
from skvideo_gru.datasets import split_videos

SPLITS = "random:0,random:1,random:2,manifest:0"
LOOKS = {
    "standard": {},
    "motion": {"features__modality": "motion"},
    "clip": {"features__objective": "clip"},
}


def main(
    manifest: str,
    memory: str,
    splits: str = SPLITS,
    looks: str = ",".join(LOOKS),
    *options: str,
) -> None:
    """Train, and print a row for each part."""
    common = features_options(options)
    data = load_video_manifest(manifest)
    names = looks.split(",")
    print(f"| split | part | clips | {' | '.join(names)} | two voting | all voting |")
    print("|---" * (len(names) + 5) + "|")
    for split in splits.split(","):
        how, seed, *state = split.split(":")
        parts, _ = split_videos(data, how, random_state=int(seed))
        models = {
            name: make_video_classifier(
                memory=memory,
                random_state=int(state[0] if state else seed),
                verbose=1,
                **(common | LOOKS[name]),
            )
            for name in names
        }
        members = list(models.items())
        models["two voting"] = VotingClassifier(members[:2], voting="soft")
        models["all voting"] = VotingClassifier(members, voting="soft")
        train = parts.pop("train")
        for model in models.values():
            model.fit([data.data[row] for row in train], data.target[train])
        for part, rows in parts.items():
            if not len(rows):  # a manifest may have no clips for the test
                continue
            predicted = [model.predict([data.data[r] for r in rows]) for model in models.values()]
            true = data.target[rows]
            scores = [
                f"{accuracy_score(true, y):.3f} / {f1_score(true, y, average='macro'):.3f}"
                for y in predicted
            ]
            print(f"| {split} | {part} | {len(rows)} | {' | '.join(scores)} |", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
