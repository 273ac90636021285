"""Speed of feature extraction, compared with a plain PyTorch script and other engines.

Run ``python benchmarks/features.py [ROUNDS] [PIXELS]`` in an environment with this package,
onnx, onnxruntime and openvino. The script generates 16 clips of 320x240 H.264. In each round,
every candidate extracts the features of all clips, and its network alone processes one batch of
8 frames (on a GPU, the batch size of the package: 128 frames of 224 pixels). It prints medians
over the rounds and, as a reference, the speed of a matrix product in float32 and bfloat16. If a
GPU is available, it is measured with both numeric precisions.
"""

import io
import logging
import sys
import tempfile
import time
import warnings
from pathlib import Path
from statistics import median

import av
import numpy as np
import openvino
import torch

from skvideo_gru import ResNet50FrameFeaturizer, read_frames
from skvideo_gru.datasets.generated import write_video
from skvideo_gru.features.embedding import FrameEmbedder, frames_per_batch
from skvideo_gru.networks import ResNet50, build_network, fold_batch_norm, initial_weights
from skvideo_gru.video import uniform_indices

N_FRAMES, N_CLIPS, BATCH = 20, 16, 8
MEAN, STD = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
GFLOP = 8.2 / 224**2  # of ResNet-50, per pixel of a frame


class Script:
    """A typical script: one video at a time, eager torch, no parallelism."""

    def __init__(self, weights, size):
        self.size = size
        self.network = ResNet50().eval()
        self.network.load_state_dict({name: torch.tensor(w) for name, w in weights.items()})

    def network_alone(self, batch):
        """Process one batch."""
        with torch.no_grad():
            return self.network(batch).numpy()

    def features(self, paths):
        """Extract the features of videos."""
        rows = []
        for path in paths:
            with av.open(path) as container:
                frames = list(container.decode(video=0))
            chosen = [
                frames[i].to_ndarray(format="rgb24", width=self.size, height=self.size)
                for i in uniform_indices(len(frames), N_FRAMES)
            ]
            inputs = ((np.stack(chosen) / 255 - MEAN) / STD).transpose(0, 3, 1, 2)
            rows.append(self.network_alone(torch.tensor(inputs, dtype=torch.float32)))
        return np.stack(rows)


class Package:
    """The featurizer of the package with one of its engines."""

    def __init__(self, weights, size, device="cpu", **options):
        self.featurizer = ResNet50FrameFeaturizer(
            N_FRAMES, frame_size=size, random_state=0, device=device, **options
        )
        self.featurizer.fit([np.zeros((1, 8, 8, 3), np.uint8)])
        embedder = FrameEmbedder(weights, **options)
        embedder(np.zeros((1, 32, 32, 3), np.uint8), device)  # builds the network
        (self.network,) = embedder._networks.values()
        self.device = device

    def network_alone(self, batch):
        """Process one batch."""
        with torch.inference_mode():
            return self.network(batch.to(self.device)).cpu()

    def features(self, paths):
        """Extract the features of videos."""
        return self.featurizer.transform(paths).reshape(len(paths), N_FRAMES, -1)


class OpenVINO:
    """OpenVINO with the same network, folded BatchNorm and a fixed batch shape."""

    def __init__(self, weights, size, precision):
        exported = io.BytesIO()
        torch.onnx.export(
            fold_batch_norm(build_network(weights)),
            (torch.zeros(BATCH, 3, size, size),),
            exported,
            dynamo=False,
        )
        core = openvino.Core()
        options = {
            "INFERENCE_NUM_THREADS": torch.get_num_threads(),
            "INFERENCE_PRECISION_HINT": precision,
        }
        self.network = core.compile_model(core.read_model(exported.getvalue()), "CPU", options)

    def network_alone(self, batch):
        """Process one batch."""
        return self.network(batch.numpy())[0]


def seconds(action, *args):
    """Time one call."""
    begin = time.perf_counter()
    action(*args)
    return time.perf_counter() - begin


def decode(paths, size):
    """Decode the videos without extracting features."""
    for path in paths:
        read_frames(path, n_frames=N_FRAMES, frame_size=size)


def main(rounds: int = 5, size: int = 224) -> None:
    """Time all candidates and print a Markdown table."""
    warnings.simplefilter("ignore")
    logging.disable()
    rng = np.random.default_rng(0)
    weights = initial_weights(0)
    with tempfile.TemporaryDirectory() as folder:
        paths = [str(Path(folder, f"{number}.mp4")) for number in range(N_CLIPS)]
        for path in paths:
            coarse = rng.integers(0, 256, (180, 15, 20, 3), dtype=np.uint8)
            write_video(path, coarse.repeat(16, 1).repeat(16, 2))
        bf16 = {"mixed_precision": True}
        candidates = {
            "plain script, eager torch": Script(weights, size),
            "skvideo_gru": Package(weights, size),
            "engine='onnxruntime'": Package(weights, size, engine="onnxruntime"),
            "engine='openvino'": Package(weights, size, engine="openvino"),
            "OpenVINO only": OpenVINO(weights, size, "f32"),
            "mixed_precision=True": Package(weights, size, **bf16),
            "both, engine='openvino'": Package(weights, size, engine="openvino", **bf16),
            "OpenVINO only, bfloat16": OpenVINO(weights, size, "bf16"),
        }
        if torch.cuda.is_available():
            candidates["GPU"] = Package(weights, size, "cuda")
            candidates["GPU, mixed_precision=True"] = Package(weights, size, "cuda", **bf16)
        batch = torch.rand(BATCH, 3, size, size)
        last, many = (
            torch.rand(n, 3, size, size).contiguous(memory_format=torch.channels_last)
            for n in (BATCH, frames_per_batch(size**2, torch.device("cuda")))
        )
        inputs = {
            name: many if name.startswith("GPU") else last if hasattr(it, "featurizer") else batch
            for name, it in candidates.items()
        }
        square = torch.rand(2048, 2048)
        halves = square.bfloat16()
        alone: dict[str, list[float]] = {name: [] for name in candidates}
        whole: dict[str, list[float]] = {name: [] for name in candidates}
        decoding: list[float] = []
        product: list[float] = []
        product_bf16: list[float] = []
        for round_ in range(rounds + 1):
            for name, candidate in candidates.items():
                again = (seconds(candidate.network_alone, inputs[name]) for _ in range(2))
                alone[name].append(min(again))
                if hasattr(candidate, "features"):
                    whole[name].append(seconds(candidate.features, paths))
            decoding.append(seconds(decode, paths, size))
            product.append(min(seconds(torch.matmul, square, square) for _ in range(5)))
            product_bf16.append(min(seconds(torch.matmul, halves, halves) for _ in range(5)))
            if round_ == 0:  # warm-up
                for times in (*alone.values(), *whole.values(), decoding, product, product_bf16):
                    times.clear()
    rate, rate_bf16 = (2 * 2.048**3 / median(times) for times in (product, product_bf16))
    script_network, script_total = (
        alone["plain script, eager torch"],
        whole["plain script, eager torch"],
    )
    print(f"{size} px, {torch.get_num_threads()} threads; matrix product: {rate:.0f} GFLOP/s,")
    print(f"in bfloat16: {rate_bf16:.0f} GFLOP/s")
    print("| | network: frames/s | relative to float32 product | speed-up | videos/s | speed-up |")
    print("|---|---|---|---|---|---|")
    for name in candidates:
        n_frames = len(inputs[name])
        frames = n_frames / median(alone[name])
        cells = [f"{frames:.1f}", f"{frames * GFLOP * size**2 / rate:.2f}"]
        faster = median(a / b for a, b in zip(script_network, alone[name], strict=True))
        cells.append(f"{faster * n_frames / BATCH:.2f}")
        if whole[name]:
            ratios = [a / b for a, b in zip(script_total, whole[name], strict=True)]
            cells += [f"{N_CLIPS / median(whole[name]):.2f}", f"{median(ratios):.2f}"]
        else:
            cells += ["", ""]
        print(f"| {name} | {' | '.join(cells)} |")
    ours = median(whole["skvideo_gru"])
    exact, mixed = (
        candidates[name].network_alone(last) for name in ("skvideo_gru", "mixed_precision=True")
    )
    difference = float((mixed - exact).norm() / exact.norm())
    print(f"Features in bfloat16 differ by {difference:.1%}.")
    print(f"Decoding only: {median(decoding):.2f} s of {ours:.2f} s.")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
