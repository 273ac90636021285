"""Cost of GRU training, compared with a plain PyTorch loop, Keras and the matrix products.

Run ``python benchmarks/gru.py [ROUNDS]``. In each round, every candidate trains for 5 epochs on
(600, 20, 2048) with 64 units and batches of 32; the script prints medians over the rounds. Keras
is included if it is installed. It runs in a separate process, because TensorFlow's threads slow
down those of torch. ``python benchmarks/gru.py plot FILE`` plots the cost of the package against
the number of frames, videos and units instead.
"""

import importlib.util
import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from statistics import median

import numpy as np
import torch
from torch import nn

from skvideo_gru import GRUClassifier

EPOCHS, BATCH, LR = 5, 32, 1e-3


def make_data(n_videos=600, n_frames=20, n_features=2048):
    """Generate random sequences and labels of four classes."""
    rng = np.random.default_rng(0)
    X = rng.random((n_videos, n_frames, n_features), dtype=np.float32)
    return X, np.arange(n_videos) % 4


def ours(X, y, hidden_size):
    """Fit the classifier of the package."""
    GRUClassifier(
        hidden_size,
        pooling="last",
        max_epochs=EPOCHS,
        batch_size=BATCH,
        lr=LR,
        random_state=0,
        device="cpu",
    ).fit(X, y)


class PlainGRU(nn.Module):
    """A GRU and a linear layer."""

    def __init__(self, n_features, hidden_size):
        super().__init__()
        self.gru = nn.GRU(n_features, hidden_size, batch_first=True)
        self.fc = nn.Linear(hidden_size, 4)

    def forward(self, x):
        """Compute logits."""
        return self.fc(self.gru(x)[1][-1])


def plain_loop(X, y, hidden_size):
    """Train with a plain PyTorch loop."""
    net = PlainGRU(X.shape[2], hidden_size)
    optimizer = torch.optim.Adam(net.parameters(), lr=LR)
    schedule = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.97)
    inputs, targets = torch.from_numpy(X), torch.from_numpy(y)
    for _ in range(EPOCHS):
        for rows in torch.randperm(len(X)).split(BATCH):
            optimizer.zero_grad()
            nn.functional.cross_entropy(net(inputs[rows]), targets[rows]).backward()
            optimizer.step()
        schedule.step()


def keras_fit(X, y, hidden_size):
    """Fit a Keras model of the same size."""
    import keras

    model = keras.Sequential([keras.layers.GRU(hidden_size), keras.layers.Dense(4)])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(LR), loss)
    model.fit(X, y, batch_size=BATCH, epochs=EPOCHS, verbose=0)


def matrix_products(X, y, hidden_size):
    """Compute only the matrix products of the forward pass and of the weight gradients."""
    inputs = torch.from_numpy(X)
    project = torch.rand(X.shape[2], 3 * hidden_size)
    recur = torch.rand(hidden_size, 3 * hidden_size)
    for _ in range(EPOCHS):
        for batch in inputs.split(BATCH):
            flat = batch.flatten(0, 1)
            gates = flat @ project
            flat.T @ gates
            state = torch.rand(len(batch), hidden_size)
            for _ in range(X.shape[1]):
                step = state @ recur
                step @ recur.T
                state.T @ step


def seconds(action, *args):
    """Time one call."""
    begin = time.perf_counter()
    action(*args)
    return time.perf_counter() - begin


def compare(rounds):
    """Time all candidates and print a Markdown table."""
    candidates = {
        "skvideo_gru": ours,
        "plain loop": plain_loop,
        "matrix products": matrix_products,
    }
    if importlib.util.find_spec("keras"):
        candidates["Keras"] = keras_fit
    data = (*make_data(), 64)
    times = {name: [] for name in candidates}
    with ProcessPoolExecutor(1, get_context("spawn")) as process:
        for round_ in range(rounds + 1):
            for name, fit in candidates.items():
                if fit is keras_fit:
                    took = process.submit(seconds, fit, *data).result()
                else:
                    took = seconds(fit, *data)
                if round_:  # the first round is a warm-up
                    times[name].append(took)
    print("| | seconds | skvideo_gru's time relative to it |\n|---|---|---|")
    for name, values in times.items():
        ratio = median(a / b for a, b in zip(times["skvideo_gru"], values, strict=True))
        print(f"| {name} | {median(values):.2f} | {ratio:.2f} |")


def plot(file):
    """Plot seconds per epoch against each size; the other sizes are those of the comparison."""
    from matplotlib.figure import Figure

    sweeps = {
        "frames": [(600, n, 64) for n in (5, 10, 20, 40, 80)],
        "videos": [(n, 20, 64) for n in (150, 300, 600, 1200, 2400)],
        "units": [(600, 20, n) for n in (16, 32, 64, 128, 256)],
    }
    figure = Figure((9, 3), layout="constrained")
    for index, (axes, (name, sizes)) in enumerate(
        zip(figure.subplots(1, 3, sharey=True), sweeps.items(), strict=True)
    ):
        values = [size[(1, 0, 2)[index]] for size in sizes]
        costs = []
        for n_videos, n_frames, hidden_size in sizes:
            data = (*make_data(n_videos, n_frames), hidden_size)
            costs.append(min(seconds(ours, *data) for _ in range(3)) / EPOCHS)
        axes.loglog(values, costs, "o-")
        axes.set(xlabel=name, xticks=values, xticklabels=values)
        axes.minorticks_off()
        axes.grid(alpha=0.3)
        print(name, *(f"{value}: {cost:.3f} s" for value, cost in zip(values, costs, strict=True)))
        if not index:
            axes.set_ylabel("seconds per epoch")
    figure.savefig(file, dpi=120)


if __name__ == "__main__":
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    if sys.argv[1:2] == ["plot"]:
        plot(sys.argv[2])
    else:
        compare(int(*sys.argv[1:] or [5]))
