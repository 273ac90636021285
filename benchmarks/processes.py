"""Time of one backbone's training in one process and in two, each with one thread.

Run ``python benchmarks/processes.py [ROUNDS [EPOCHS [CLIPS [PIXELS]]]]``. The script generates
clips, decodes them and trains the same backbone in one process and in two in turn, and prints the
median seconds per epoch, their quotient, and the losses. The first epoch, in which torch
allocates memory, does not count. A third training, in one process with another seed, shows by how
much losses differ from seed to seed.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

from skvideo_gru import ResNet50FrameFeaturizer, load_video_folder, make_order_videos


def train(folder, seed, epochs, frame_size):
    """Train a backbone and write its history."""
    data = load_video_folder(Path(folder, "clips"))
    model = ResNet50FrameFeaturizer(
        frame_size=int(frame_size),
        max_epochs=int(epochs),
        random_state=int(seed),
        device="cpu",
    )
    history = model.fit(data.data, data.target).history_
    if os.environ.get("RANK", "0") == "0":
        Path(folder, "history.json").write_text(json.dumps(history))


def start(folder, n_processes, seed, epochs, frame_size):
    """Run `train` in new processes and return the history."""
    command = [sys.executable]
    if n_processes > 1:
        command += ["-m", "torch.distributed.run", "--standalone"]
        command += [f"--nproc-per-node={n_processes}"]
    subprocess.run(
        [*command, __file__, "train", folder, str(seed), str(epochs), str(frame_size)],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        check=True,
    )
    return json.loads(Path(folder, "history.json").read_text())


def main(rounds=5, epochs=4, n_clips=128, frame_size=32):
    """Print a Markdown table of seconds, and the losses."""
    candidates = {"1 process": (1, 0), "2 processes": (2, 0), "1 process, other seed": (1, 1)}
    seconds, losses = {name: [] for name in candidates}, {}
    with tempfile.TemporaryDirectory() as folder:
        make_order_videos(Path(folder, "clips"), n_per_class=n_clips // 2, random_state=0)
        for _ in range(rounds):
            for name, (n_processes, seed) in candidates.items():
                if name in losses and seed:
                    continue  # for the losses only
                history = start(folder, n_processes, seed, epochs, frame_size)
                seconds[name].append(median(record["dur"] for record in history[1:]))
                losses[name] = [record["train_loss"] for record in history]
    one, two = (median(seconds[name]) for name in ("1 process", "2 processes"))
    print("| seconds per epoch: 1 process | 2 processes | quotient |\n|---|---|---|")
    print(f"| {one:.3f} | {two:.3f} | {one / two:.2f} |\n")
    print("| epoch | " + " | ".join(candidates) + " |\n" + "|---" * 4 + "|")
    for epoch in range(epochs):
        row = " | ".join(f"{losses[name][epoch]:.4f}" for name in candidates)
        print(f"| {epoch + 1} | {row} |")
    for name in list(candidates)[1:]:
        pairs = zip(losses["1 process"], losses[name], strict=True)
        print(f"\nlargest difference, {name}: {max(abs(a - b) for a, b in pairs):.4f}")


if __name__ == "__main__":
    if sys.argv[1:2] == ["train"]:
        train(*sys.argv[2:])
    else:
        main(*map(int, sys.argv[1:]))
