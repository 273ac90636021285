"""Accuracy on videos that training never saw, by the command line alone.

Run it as ``python benchmarks/accuracy.py MANIFEST [EPOCHS]``, in a folder for
MLflow's store, on a manifest with the columns path, label, split and group:
three seeds of the random split, the manifest's own split, and one split that
keeps every group on one side.
"""

import re
import subprocess
import sys
from statistics import mean

PROTOCOLS = {
    "random, seed 0": ["--split", "random", "--seed", "0"],
    "random, seed 1": ["--split", "random", "--seed", "1"],
    "random, seed 2": ["--split", "random", "--seed", "2"],
    "manifest": ["--split", "manifest"],
    "grouped": ["--split", "grouped"],
}


def main(manifest: str, epochs: str = "auto") -> None:
    """Run every protocol and print accuracy and macro-F1."""
    scores = {}
    for name, options in PROTOCOLS.items():
        command = [sys.executable, "-m", "skvideo_gru", "train", "--data", manifest, *options]
        command += ["--backbone-epochs", epochs]
        out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        found = re.findall(r"(val|test): accuracy ([\d.]+), macro-F1 ([\d.]+) on (\d+)", out)
        scores[name] = {part: (float(acc), float(f1)) for part, acc, f1, _ in found}
        print(name, *(f"{part} {acc} / {f1} on {n}" for part, acc, f1, n in found), sep=" | ")
    seeds = [value for name, value in scores.items() if name.startswith("random")]
    for part in ("val", "test"):
        accuracy, f1 = (mean(seed[part][i] for seed in seeds) for i in (0, 1))
        print(f"random, mean of {len(seeds)} seeds | {part} {accuracy:.3f} / {f1:.3f}")


if __name__ == "__main__":
    main(*sys.argv[1:])
