"""Accuracy of the modalities and objectives of the backbone, and of their ensembles.

Run ``python benchmarks/ensemble.py MANIFEST MEMORY [SPLITS] [MODELS] [NAME=VALUE ...]``.

SPLITS lists kinds of split and their seeds (random:0,random:1,random:2,manifest:0). The seed is
also the random state of the pipelines, unless a third number sets another (random:0:10). MODELS
lists the pipelines to train (standard,motion,clip): the standard pipeline, one with
``modality="motion"``, and one with ``objective="clip"``. NAME=VALUE are parameters of the
featurizer, for example ``mixed_precision=true``. MEMORY is the cache folder, from which
interrupted runs resume; one backbone takes 18 minutes on one core.

The script prints a Markdown table of accuracy and macro-F1 on the validation and test clips. The
last columns average the probabilities of the first two pipelines and of all pipelines.
"""

import sys

from options import features_options
from sklearn.ensemble import VotingClassifier
from sklearn.metrics import accuracy_score, f1_score

from skvideo_gru import load_video_manifest, make_video_classifier
from skvideo_gru.datasets import split_videos

SPLITS = "random:0,random:1,random:2,manifest:0"
MODELS = {
    "standard": {},
    "motion": {"features__modality": "motion"},
    "clip": {"features__objective": "clip"},
}


def main(
    manifest: str,
    memory: str,
    splits: str = SPLITS,
    models: str = ",".join(MODELS),
    *options: str,
) -> None:
    """Train the classifiers and print one row per part."""
    common = features_options(options)
    data = load_video_manifest(manifest)
    names = models.split(",")
    print(f"| split | part | clips | {' | '.join(names)} | first two | all |")
    print("|---" * (len(names) + 5) + "|")
    for split in splits.split(","):
        kind, seed, *state = split.split(":")
        parts, _ = split_videos(data, kind, random_state=int(seed))
        classifiers = {
            name: make_video_classifier(
                memory=memory,
                random_state=int(state[0] if state else seed),
                verbose=1,
                **(common | MODELS[name]),
            )
            for name in names
        }
        members = list(classifiers.items())
        classifiers["first two"] = VotingClassifier(members[:2], voting="soft")
        classifiers["all"] = VotingClassifier(members, voting="soft")
        train = parts.pop("train")
        for model in classifiers.values():
            model.fit([data.data[row] for row in train], data.target[train])
        for part, rows in parts.items():
            if not len(rows):  # a manifest may contain no test clips
                continue
            predicted = [
                model.predict([data.data[row] for row in rows]) for model in classifiers.values()
            ]
            true = data.target[rows]
            scores = [
                f"{accuracy_score(true, y):.3f} / {f1_score(true, y, average='macro'):.3f}"
                for y in predicted
            ]
            print(f"| {split} | {part} | {len(rows)} | {' | '.join(scores)} |", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
