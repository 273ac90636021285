"""Speed of turning videos into features, beside a plain PyTorch script and other engines.

Run it as ``python benchmarks/features.py [ROUNDS] [PIXELS]`` where onnx,
onnxruntime and openvino are installed besides this package. It makes 16 clips
of 320x240 H.264, lets every candidate turn them into features in turn in every
round, and the network alone compute one batch of 8 frames; then it prints
medians over the rounds, and as a yardstick the rate of a matrix product.
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
from skvideo_gru.embedding import FrameEmbedder
from skvideo_gru.generated import write_video
from skvideo_gru.resnet import ResNet50, fold_batch_norm
from skvideo_gru.sampling import uniform_indices
from skvideo_gru.weights import build_network, initial_weights

N_FRAMES, N_CLIPS, BATCH = 20, 16, 8
MEAN, STD = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
GFLOP = 8.2 / 224**2  # of ResNet-50, for every pixel of a frame


class Script:
    """What most scripts do: one video at a time, eager torch, everything in order."""

    def __init__(self, weights, size):
        self.size = size
        self.network = ResNet50().eval()
        self.network.load_state_dict({name: torch.tensor(w) for name, w in weights.items()})

    def network_alone(self, batch):
        """Compute a batch."""
        with torch.no_grad():
            return self.network(batch).numpy()

    def features(self, paths):
        """Turn videos into features."""
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
    """The package's featurizer with one of its engines."""

    def __init__(self, weights, size, engine):
        self.featurizer = ResNet50FrameFeaturizer(
            N_FRAMES, frame_size=size, random_state=0, device="cpu", engine=engine
        )
        self.featurizer.fit([np.zeros((1, 8, 8, 3), np.uint8)])
        embedder = FrameEmbedder(weights, engine=engine)
        embedder(np.zeros((1, 32, 32, 3), np.uint8), "cpu")  # builds the network
        self.network = embedder._networks[torch.device("cpu")]

    def network_alone(self, batch):
        """Compute a batch."""
        with torch.inference_mode():
            return self.network(batch)

    def features(self, paths):
        """Turn videos into features."""
        return self.featurizer.transform(paths).reshape(len(paths), N_FRAMES, -1)


class OpenVINO:
    """OpenVINO on the same network, BatchNorm folded."""

    def __init__(self, weights, size):
        exported = io.BytesIO()
        torch.onnx.export(
            fold_batch_norm(build_network(weights)),
            (torch.zeros(BATCH, 3, size, size),),
            exported,
            dynamo=False,
        )
        core = openvino.Core()
        threads = {"INFERENCE_NUM_THREADS": torch.get_num_threads()}
        self.network = core.compile_model(core.read_model(exported.getvalue()), "CPU", threads)

    def network_alone(self, batch):
        """Compute a batch."""
        return self.network(batch.numpy())[0]


def seconds(action, *args):
    """Time one call."""
    begin = time.perf_counter()
    action(*args)
    return time.perf_counter() - begin


def decode(paths, size):
    """Do only the first half of the work."""
    for path in paths:
        read_frames(path, n_frames=N_FRAMES, frame_size=size)


def main(rounds: int = 5, size: int = 224) -> None:
    """Measure and print a Markdown table."""
    warnings.simplefilter("ignore")
    logging.disable()
    rng = np.random.default_rng(0)
    weights = initial_weights(0)
    with tempfile.TemporaryDirectory() as folder:
        paths = [str(Path(folder, f"{number}.mp4")) for number in range(N_CLIPS)]
        for path in paths:
            coarse = rng.integers(0, 256, (180, 15, 20, 3), dtype=np.uint8)
            write_video(path, coarse.repeat(16, 1).repeat(16, 2))
        candidates = {
            "plain script, eager torch": Script(weights, size),
            "skvideo_gru": Package(weights, size, "torch"),
            "skvideo_gru, engine='onnxruntime'": Package(weights, size, "onnxruntime"),
            "OpenVINO": OpenVINO(weights, size),
        }
        batch = torch.rand(BATCH, 3, size, size)
        last = batch.contiguous(memory_format=torch.channels_last)
        square = torch.rand(2048, 2048)
        alone: dict[str, list[float]] = {name: [] for name in candidates}
        whole: dict[str, list[float]] = {name: [] for name in candidates}
        decoding, product = [], []
        for round_ in range(rounds + 1):
            for name, candidate in candidates.items():
                inputs = last if name == "skvideo_gru" else batch
                alone[name].append(min(seconds(candidate.network_alone, inputs) for _ in range(2)))
                if hasattr(candidate, "features"):
                    whole[name].append(seconds(candidate.features, paths))
            decoding.append(seconds(decode, paths, size))
            product.append(seconds(torch.matmul, square, square))
            if round_ == 0:  # to warm up
                for times in (*alone.values(), *whole.values(), decoding, product):
                    times.clear()
    rate = 2 * 2.048**3 / median(product)
    base_alone, base_whole = alone["plain script, eager torch"], whole["plain script, eager torch"]
    print(f"{size} px, {torch.get_num_threads()} threads; matrix product: {rate:.0f} GFLOP/s")
    print("| | network: frames/s | share of the matrix product | x script | videos/s | x script |")
    print("|---|---|---|---|---|---|")
    for name in candidates:
        frames = BATCH / median(alone[name])
        cells = [f"{frames:.1f}", f"{frames * GFLOP * size**2 / rate:.2f}"]
        cells.append(f"{median(a / b for a, b in zip(base_alone, alone[name], strict=True)):.2f}")
        if whole[name]:
            ratios = [a / b for a, b in zip(base_whole, whole[name], strict=True)]
            cells += [f"{N_CLIPS / median(whole[name]):.2f}", f"{median(ratios):.2f}"]
        else:
            cells += ["", ""]
        print(f"| {name} | {' | '.join(cells)} |")
    ours = median(whole["skvideo_gru"])
    print(f"Decoding alone: {median(decoding):.2f} s of {ours:.2f} s.")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
