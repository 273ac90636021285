"""Accuracy in time: events of a recording, and "unknown" where it shows no class.

Run ``python benchmarks/events.py MANIFEST --memory FOLDER --unknown CLASS``. For each seed, the
script

- holds out the first of five folds that contains CLASS, stratified by class, and by groups if the
  manifest has groups (``--split random`` ignores them),
- trains the standard pipeline and `SelectiveClassifierCV` (target precision 0.9, two folds) on the
  other clips except for those of CLASS: three trainings of the backbone, which FOLDER caches,
- joins held-out clips in random order into one recording, encoded again at the size (at most 360
  lines) and frame rate of the first one; the held-out clips of CLASS are gaps without a class,
- predicts windows of the median duration of the clips, one every tenth of it, and finds events.

The first table shows the share of time in which the event, or the lack of one, is right; the same
outside and in the gaps; and the F1 score of the events. An event is right if its class is, and if
its intersection with the true one is at least half of their union (IoU). Adjacent clips of one
class are one true event.

The second table shows the area under the ROC curve (AUROC) of scores that should be higher in the
gaps, for the clips of the recording, and for windows by the clip at their centre: 1 - the highest
calibrated probability, and distances of the scaled features, averaged over the frames, to the
nearest class mean and (on average) to the five nearest training clips.
"""

import argparse
import tempfile
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

import av
import numpy as np
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold
from sklearn.neighbors import NearestNeighbors

from skvideo_gru import (
    SelectiveClassifierCV,
    VideoClip,
    find_events,
    load_video_manifest,
    make_video_classifier,
    predict_timeline,
    read_frames,
)
from skvideo_gru.cli.parameters import Merge, settings
from skvideo_gru.video import open_video

INSTANTS = 25  # per second, at which classes are compared
N_NEIGHBOURS = 5
MOST_LINES = 360


class Part(NamedTuple):
    """A time range of a recording and its class; None if it shows no class."""

    start: float
    end: float
    label: Any


class WithFeatures:
    """Predict the probabilities of a pipeline, and append the mean of the scaled features.

    `predict_timeline` then yields both from one pass over the recording.
    """

    def __init__(self, pipe: Any) -> None:
        self.pipe = pipe

    def predict_proba(self, videos: Any) -> np.ndarray:
        """Compute probabilities and 2048 averaged features."""
        rows = self.pipe[:-1].transform(videos)
        features = np.nanmean(rows.reshape(len(rows), -1, self.pipe["gru"].frame_dim_), axis=1)
        return np.hstack([self.pipe["gru"].predict_proba(rows), features])


def main() -> None:
    """Run all seeds and print the tables."""
    args = parse()
    data = load_video_manifest(args.manifest)
    if args.unknown not in data.target:
        raise SystemExit(f"--unknown {args.unknown}: the classes are {data.target_names}.")
    seeds = list(map(int, args.seeds.split(",")))
    results = [run(data, seed, args) for seed in seeds]
    print("| seed | model | clips | time right | outside gaps | in gaps | event F1 |")
    print("|---|---|---|---|---|---|---|")
    for model in results[0]["events"]:
        rows = [result["events"][model] for result in results]
        for seed, result, row in zip(seeds, results, rows, strict=True):
            print_row(seed, model, result["clips"], *row)
        print_row("mean", model, "", *np.nanmean(rows, axis=0))
    print()
    print(f"| AUROC of unknown | {' | '.join(f'seed {seed}' for seed in seeds)} | mean |")
    print("|---|" + "---|" * (len(seeds) + 1))
    for score in results[0]["auroc"]:
        values = [result["auroc"][score] for result in results]
        print_row(score, *values, np.mean(values))


def parse() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("manifest", help="columns path, label and optionally group, start, end")
    parser.add_argument("--memory", required=True, help="folder of the cache")
    parser.add_argument("--unknown", required=True, help="class to leave out of the training")
    parser.add_argument("--split", default="auto", choices=["auto", "random"])
    parser.add_argument("--seeds", default="0,1,2", help="seeds (default: %(default)s)")
    parser.add_argument(
        "--max-clips", type=int, default=60, help="most clips with a class (default: %(default)s)"
    )
    parser.add_argument(
        "--set",
        type=settings,
        action=Merge,
        default={},
        metavar="NAME=VALUE",
        help="parameter of make_video_classifier, for example features__max_epochs=5; repeatable",
    )
    return parser.parse_args()


def run(data: Any, seed: int, args: argparse.Namespace) -> dict[str, Any]:
    """Train, predict one recording and compute the numbers of one seed."""
    train, test, groups = split(data, seed, args.unknown, args.split)
    rng = np.random.default_rng(seed)
    known = data.target != args.unknown
    chosen = rng.permutation(test[known[test]])[: args.max_clips]
    shown = rng.permutation(np.concatenate([chosen, test[~known[test]]]))
    pipe = make_video_classifier(memory=args.memory, random_state=seed, verbose=1, **args.set)
    model = SelectiveClassifierCV(pipe, cv=2)
    model.fit([data.data[row] for row in train], data.target[train], groups=groups)
    pipe = model.estimator_
    both = WithFeatures(pipe)
    n_classes = len(pipe.classes_)
    trained = both.predict_proba([data.data[row] for row in train])[:, n_classes:]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "recording.mp4")
        labels = [label if label != args.unknown else None for label in data.target[shown]]
        parts = join([data.data[row] for row in shown], labels, path)
        window = float(np.median([part.end - part.start for part in parts]))
        windows = list(predict_timeline(both, path, window=window))
        clips = both.predict_proba([VideoClip(path, part.start, part.end) for part in parts])
    rows = {"clips": clips, "windows": np.stack([row.proba for row in windows])}
    centres = [(row.start + min(row.end, parts[-1].end)) / 2 for row in windows]
    gaps = {
        "clips": [part.label is None for part in parts],
        "windows": [label_at(parts, centre) is None for centre in centres],
    }
    proba = {
        name: model.calibrator_.predict_proba(found[:, :n_classes]) for name, found in rows.items()
    }
    auroc = {}
    for name, found in rows.items():
        scores = {"1 - probability": 1 - proba[name].max(axis=1)}
        scores |= distances(trained, data.target[train], found[:, n_classes:])
        auroc |= {f"{score}, {name}": roc_auc_score(gaps[name], x) for score, x in scores.items()}
    events = {}
    for name, estimator, shown in (
        ("pipeline", pipe, rows["windows"][:, :n_classes]),
        ("SelectiveClassifierCV", model, proba["windows"]),
    ):
        predicted = [row._replace(proba=p) for row, p in zip(windows, shown, strict=True)]
        events[name] = measure_events(list(find_events(predicted, estimator)), parts)
    n_gaps = sum(gaps["clips"])
    return {"clips": f"{len(parts) - n_gaps} + {n_gaps}", "events": events, "auroc": auroc}


def split(data: Any, seed: int, unknown: str, kind: str) -> tuple[np.ndarray, np.ndarray, Any]:
    """Hold out a fold; return the rows of training and test, and the groups for the training."""
    grouped = kind != "random" and data.groups is not None and len(set(data.groups)) >= 5
    groups = data.groups if grouped else None
    folds_of = StratifiedGroupKFold if grouped else StratifiedKFold
    folds = folds_of(5, shuffle=True, random_state=seed).split(data.data, data.target, groups)
    train, test = next(fold for fold in folds if unknown in data.target[fold[1]])
    train = train[data.target[train] != unknown]
    return train, test, None if groups is None else groups[train]


def join(videos: list[Any], labels: list[Any], path: Path) -> list[Part]:
    """Encode clips one after the other, at the size and frame rate of the first one."""
    height, width = read_frames(videos[0], n_frames=1).shape[1:3]
    scale = min(1.0, MOST_LINES / height)
    size = tuple(max(2, round(scale * length / 2) * 2) for length in (height, width))
    with open_video(videos[0]) as (_, first):
        rate = round(first.average_rate or 25)
    parts, n_frames = [], 0
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=rate, options={"crf": "18"})
        stream.height, stream.width, stream.pix_fmt = *size, "yuv420p"
        for video, label in zip(videos, labels, strict=True):
            frames = read_frames(
                video, sampling="fps", fps=rate, n_frames=3600 * rate, frame_size=size
            )
            for frame in frames:
                container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
            start, n_frames = n_frames, n_frames + len(frames)
            parts.append(Part(start / rate, n_frames / rate, label))
        container.mux(stream.encode(None))
    return parts


def label_at(parts: list[Any], time: float) -> Any:
    """Return the class at a time; None in a gap or between events."""
    return next((part.label for part in parts if part.start <= time < part.end), None)


def measure_events(events: list[Any], parts: list[Part]) -> tuple[float, float, float, float]:
    """Compute the shares of right frames: all, outside and in gaps; and the F1 of events."""
    times = (np.arange(round(parts[-1].end * INSTANTS)) + 0.5) / INSTANTS
    true = [label_at(parts, time) for time in times]
    right = np.array(
        [label_at(events, time) == label for time, label in zip(times, true, strict=True)]
    )
    gaps = np.array([label is None for label in true])
    merged = [
        Part(same[0].start, same[-1].end, label)
        for label, same in ((k, list(g)) for k, g in groupby(parts, key=lambda part: part.label))
        if label is not None
    ]
    # At most one event has an IoU above 0.5 with a part, and at most one part with an event.
    n_right = sum(any(is_match(event, part) for event in events) for part in merged)
    f1 = 2 * n_right / max(1, len(events) + len(merged))
    return right.mean(), right[~gaps].mean(), right[gaps].mean(), f1


def is_match(event: Any, part: Part) -> bool:
    """Return whether an event has the class of a part, and an IoU of at least 0.5 with it."""
    shared = min(event.end, part.end) - max(event.start, part.start)
    union = max(event.end, part.end) - min(event.start, part.start)
    return event.label == part.label and shared / union >= 0.5


def distances(trained: np.ndarray, y: np.ndarray, rows: np.ndarray) -> dict[str, np.ndarray]:
    """Compute distances to the training clips in the feature space."""
    means = np.stack([trained[y == label].mean(axis=0) for label in np.unique(y)])
    nearest = NearestNeighbors(n_neighbors=1).fit(means).kneighbors(rows)[0][:, 0]
    n_neighbours = min(N_NEIGHBOURS, len(trained))
    neighbours = NearestNeighbors(n_neighbors=n_neighbours).fit(trained).kneighbors(rows)[0]
    return {
        "distance to the nearest class mean": nearest,
        f"distance to {n_neighbours} nearest clips": neighbours.mean(axis=1),
    }


def print_row(*cells: Any) -> None:
    """Print a row of a Markdown table."""
    shown = [f"{cell:.3f}" if isinstance(cell, float) else str(cell) for cell in cells]
    print(f"| {' | '.join(shown)} |", flush=True)


if __name__ == "__main__":
    main()
