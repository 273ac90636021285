"""Speed of the backbone's training, compared with the machine's matrix product.

Run ``python benchmarks/training.py [ROUNDS [VARIANTS]]``, where VARIANTS is a part of the names
of the variants to measure, for example ``"32 px"``. In each round, each of them trains a backbone
for three epochs on clips in memory, with augmentation, and a matrix product is timed. The first
epoch is not counted. The script prints medians over the rounds. A training step is three times the
arithmetic of a prediction. The variant with torch's convolutions trains without the matrix
products of `skvideo_gru.networks.convolution`. Without bfloat16 in the hardware, its variants are
left out, because its emulation takes about ten times as long as float32.
"""

import sys
import time
from contextlib import nullcontext
from statistics import median
from unittest.mock import patch

import numpy as np
import torch
from torch import nn

from skvideo_gru.features.training import train_backbone
from skvideo_gru.networks.convolution import Convolution
from skvideo_gru.networks.precision import resolve_mixed_precision

GFLOP = 3 * 8.2 / 224**2  # of ResNet-50 in training, per pixel of a frame
N_CLIPS, FRAMES_PER_CLIP = 64, 4  # the latter is the default

TORCH = "32 px, torch's convolutions"
# Name, size of the frames, and options.
VARIANTS = {
    "32 px (default)": (32, {}),
    TORCH: (32, {}),
    "32 px, bfloat16": (32, {"mixed_precision": True}),
    "64 px": (64, {}),
    "64 px, bfloat16": (64, {"mixed_precision": True}),
    "128 px": (128, {}),
}

DTYPES = [torch.float32, torch.bfloat16]
if not resolve_mixed_precision("auto", torch.device("cpu")):
    VARIANTS = {name: v for name, v in VARIANTS.items() if "mixed_precision" not in v[1]}
    DTYPES = [torch.float32]


def frames_per_second(clips: np.ndarray, labels: np.ndarray, options: dict) -> float:
    """Train a backbone and return the speed of its fastest epoch but the first."""
    _, history = train_backbone(clips, labels, max_epochs=3, **options)
    return len(clips) * FRAMES_PER_CLIP / min(record["dur"] for record in history[1:])


def product_speed(dtype: torch.dtype) -> float:
    """Return the speed of a matrix product in GFLOP/s."""
    square = torch.rand(2048, 2048).to(dtype)
    times = []
    for _ in range(5):
        start = time.perf_counter()
        torch.matmul(square, square)
        times.append(time.perf_counter() - start)
    return 2 * 2.048**3 / min(times)


def main(rounds: int = 5, chosen: str = "") -> None:
    """Measure the variants in turn and print a table."""
    variants = {name: variant for name, variant in VARIANTS.items() if chosen in name}
    rng = np.random.default_rng(0)
    labels = np.arange(N_CLIPS) % 4
    clips = {
        size: rng.integers(0, 256, (N_CLIPS, 20, size, size, 3), dtype=np.uint8)
        for size, _ in variants.values()
    }
    speeds: dict[str, list[float]] = {name: [] for name in variants}
    products: dict[torch.dtype, list[float]] = {dtype: [] for dtype in DTYPES}
    for _ in range(rounds):
        for name, (size, options) in variants.items():
            plain = patch.object(Convolution, "forward", nn.Conv2d.forward)
            with plain if name == TORCH else nullcontext():
                speeds[name].append(frames_per_second(clips[size], labels, options))
        for dtype, known in products.items():
            known.append(product_speed(dtype))
    print(f"{torch.get_num_threads()} threads")
    rates = {dtype: median(known) for dtype, known in products.items()}
    for dtype, rate in rates.items():
        print(f"matrix product in {dtype}: {rate:.0f} GFLOP/s")
    print("| clips of | frames/s | GFLOP/s | share of the product | seconds / the first's |")
    print("|---|---|---|---|---|")
    default = next(iter(variants))
    for name, (size, options) in variants.items():
        pairs = zip(speeds[default], speeds[name], strict=True)
        quotient = median(reference / speed for reference, speed in pairs)
        speed = median(speeds[name])
        done = speed * GFLOP * size**2
        share = done / rates[DTYPES["mixed_precision" in options]]
        print(f"| {name} | {speed:.0f} | {done:.0f} | {share:.2f} | {quotient:.2f} |")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]), *sys.argv[2:3])
