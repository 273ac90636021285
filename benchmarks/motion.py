"""Accuracy of each training objective on clips whose classes are directions of motion.

Run ``python benchmarks/motion.py [CLIPS]``. The script generates CLIPS (800) clips of a
disc that moves left, right, up or down. A clip and its reverse contain the same frames,
and no single frame shows the direction. Pipelines with an untrained backbone and with
backbones trained on frames and on clips learn from three quarters of the clips; the script
prints their accuracy on the rest.
"""

import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from sklearn.model_selection import train_test_split

from skvideo_gru import make_video_classifier
from skvideo_gru.datasets.generated import write_video

SIZE, FRAMES = 32, 8
DIRECTIONS = {"left": (0, -1), "right": (0, 1), "up": (-1, 0), "down": (1, 0)}
OBJECTIVES = {
    "untrained": {"max_epochs": 0},
    "frame": {"objective": "frame"},
    "clip": {"objective": "clip"},
}


def draw_clip(direction, rng):
    """Draw a disc that moves in front of a background by one to two pixels per frame."""
    rows, columns = np.mgrid[:SIZE, :SIZE]
    background = rng.uniform(20, 120, (SIZE // 8, SIZE // 8, 3))[rows // 8, columns // 8]
    colour = rng.uniform(140, 255, 3)
    radius = rng.uniform(3, 6)
    middle = rng.uniform(0.3, 0.7, 2) * SIZE
    offsets = rng.uniform(1, 2) * np.arange(-(FRAMES - 1) / 2, FRAMES / 2)[:, None] * direction
    frames = []
    for row, column in middle + offsets:
        disc = (rows - row) ** 2 + (columns - column) ** 2 < radius**2
        frames.append(np.where(disc[..., None], colour, background))
    noise = rng.normal(0, 4, (FRAMES, SIZE, SIZE, 3))
    return (np.stack(frames) + noise).clip(0, 255).astype(np.uint8)


def main(n_clips: str = "800") -> None:
    """Generate clips, train the pipelines and print a Markdown table."""
    rng = np.random.default_rng(0)
    labels = np.resize(list(DIRECTIONS), int(n_clips))
    with tempfile.TemporaryDirectory() as folder:
        paths = [str(Path(folder) / f"{number}.mp4") for number in range(len(labels))]
        for path, label in zip(paths, labels, strict=True):
            write_video(path, draw_clip(DIRECTIONS[label], rng), options={"crf": "15"})
        train, test, y_train, y_test = train_test_split(
            paths, labels, test_size=0.25, stratify=labels, random_state=0
        )
        print("| backbone | accuracy | seconds |\n|---|---|---|")
        for name, options in OBJECTIVES.items():
            pipe = make_video_classifier(
                random_state=0,
                verbose=1,
                features__n_frames=FRAMES,
                features__frame_size=SIZE,
                **{f"features__{option}": value for option, value in options.items()},
            )
            start = time.perf_counter()
            accuracy = pipe.fit(train, y_train).score(test, y_test)
            print(f"| {name} | {accuracy:.3f} | {time.perf_counter() - start:.0f} |", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
