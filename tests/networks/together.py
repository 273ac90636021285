"""What the processes of test_processes.py do: ``torchrun together.py FOLDER SCENARIO...``.

Each process writes what it found to a file.
"""

import os
import pickle
import signal
import sys
from functools import partial
from pathlib import Path
from unittest.mock import patch

import numpy as np
import torch
from joblib import Parallel, delayed
from torch import nn
from torch.utils.data import TensorDataset

sys.path.insert(0, str(Path(__file__).parents[1]))
from references import small_network, tone_clips

from skvideo_gru import make_video_classifier
from skvideo_gru.features import training
from skvideo_gru.features.training import train_backbone
from skvideo_gru.networks import (
    MixedPrecisionNet,
    check_same,
    checkpoints,
    exchange_rows,
    fit_in_first,
    gather_results,
    initialize_net,
    own_result,
    process_index,
    progress,
    run_epochs,
    share_rows,
    train_together,
)

LABELS = np.array([0, 1, 0, 1, 0, 1, 1, 1, 0])


def error_of(call):
    try:
        call()
    except Exception as error:
        return f"{type(error).__name__}: {error} {getattr(error, '__notes__', '')}"
    return None


def fail_in(index):
    if process_index() == index:
        raise OSError("the disk is full")


class Counter:
    """An estimator that counts its fits."""

    def get_params(self, deep):
        return {"where": process_index()}

    def __getstate__(self):
        return vars(self)

    def __setstate__(self, state):
        vars(self).update(state)

    def fit(self):
        self.where, self.fits_ = "?", getattr(self, "fits_", 0) + 1


def exchange(folder):
    index, found = process_index(), {}
    found["errors"] = [
        error_of(partial(call, partial(fail_in, i)))
        for call in (gather_results, own_result)
        for i in (0, 1)
    ]
    found["own"] = own_result(process_index)
    found["different"] = error_of(lambda: check_same(index, "labels"))
    check_same(["a", (1, None)], "labels")
    worker = Parallel(n_jobs=2, backend="threading")
    found["worker"] = error_of(lambda: worker(delayed(gather_results)(int) for _ in range(2)))
    found["rows"] = share_rows(LABELS)
    found["array"] = np.zeros((9, 2), np.float32)
    found["array"][found["rows"]] = index + 1
    exchange_rows(found["array"], found["rows"])
    counter = Counter()
    fit_in_first(counter, counter.fit)
    found["state"] = counter.where, counter.fits_
    return found


def gradients(folder):
    """Three steps on the first or second half of a batch."""
    torch.manual_seed(process_index())  # the weights of the first process count
    net = linear_net(normed=True, max_epochs=3)
    data = TensorDataset(*toy_data()[4 * process_index() : 4 * process_index() + 4])
    with train_together(net, seed=0):
        run_epochs(net, data)
        found = {"draw": float(torch.rand(()))}
    return found | {"state": net.module_.state_dict(), "losses": net.history[:, "train_loss"]}


def linear_net(normed, max_epochs):
    """A net whose BatchNorm, if it has one, does not affect the output."""

    class Network(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(3, 2)
            self.norm = nn.BatchNorm1d(3, affine=False) if normed else nn.Identity()

        def forward(self, x):
            self.norm(x)
            return self.fc(x)

    net = MixedPrecisionNet(
        Network,
        criterion=nn.CrossEntropyLoss,
        optimizer=torch.optim.Adam,
        lr=0.1,
        batch_size=8,
        max_epochs=max_epochs,
        train_split=None,
        device="cpu",
        verbose=0,
    )
    initialize_net(net)
    return net


def toy_data():
    x = np.random.default_rng(0).normal(size=(8, 3)).astype(np.float32)
    return TensorDataset(torch.from_numpy(x), torch.from_numpy((x.sum(1) > 0).astype(np.int64)))


def backbone(folder, **options):
    """Three epochs of two steps, with a checkpoint after every epoch."""
    checkpoints._PAUSE = 0.0
    training._start = small_network
    clips, y = tone_clips(9), np.arange(9) % 2
    rows = share_rows(y)
    weights, history = train_backbone(
        [clips[row] for row in rows],
        y[rows],
        objective="frame",
        frames_per_clip=1,
        batch_size=4,
        max_epochs=3,
        checkpoint=folder / "training.pt",
        **options,
    )
    return {"weights": weights, "losses": [record["train_loss"] for record in history]}


def gpu(folder):
    return backbone(folder, device="cuda")


def killed(folder):
    """The same, but the second process is killed in the third epoch."""
    read, taken = training._RandomFrames.__getitem__, []

    def counted(self, index):
        taken.append(index)
        if process_index() == 1 and len(taken) == 10:
            os.kill(os.getpid(), signal.SIGKILL)
        return read(self, index)

    training._RandomFrames.__getitem__ = counted
    return backbone(folder)


def failing(folder):
    """A training that fails in the second process, whose error the caller catches as a search."""

    def train():
        with train_together(net, seed=0):
            fail_in(1)
            run_epochs(net, TensorDataset(*toy_data()))

    net = linear_net(normed=True, max_epochs=3)
    found = {"error": error_of(train)}
    gather_results(int)  # without an end of the second process, the first would still be training
    return found


def resumed(folder):
    read, taken = training._RandomFrames.__getitem__, []
    training._RandomFrames.__getitem__ = lambda self, index: (
        taken.append(index) or read(self, index)
    )
    return backbone(folder.with_name("killed")) | {"n_read": len(taken)}


def pipeline(folder):
    """Fit on clips of which one is unreadable, twice; then let it raise."""
    clips = tone_clips(9, n_frames=2)
    clips[0] = b"not a video"
    labels = np.array(["dark", "bright"])[np.arange(9) % 2]
    pipe = make_video_classifier(
        memory=str(folder / "cache"),
        device="cpu",
        features__n_frames=2,
        features__objective="frame",
        features__frames_per_clip=1,
        features__batch_size=4,
        features__max_epochs=1,
        features__on_error="nan",
        gru__max_epochs=2,
        verbose=1,
    )
    progress._INTERVAL = 0.0
    pipe.fit(clips, labels)
    features = pipe["features"]
    found = {
        "modality": features.modality_,
        "weights": features.weights_,
        "history": features.history_,
        "failed": features.failed_,
        "classes": features.classes_.tolist(),
        "rows": features.transform(clips[1:]),
        "gru": [value.numpy() for value in pipe["gru"].module_.state_dict().values()],
        "proba": pipe.predict_proba(clips[1:]),
    }
    with patch.object(training, "run_epochs") as run:
        together = features.fit_transform(clips, labels)
    found |= {"together": together, "trained": run.call_count, "again": features.weights_}
    features.set_params(on_error="raise")
    found["error"] = error_of(lambda: features.fit(clips, labels))
    shuffled = np.random.default_rng(process_index()).permutation(9)
    found["shuffled"] = error_of(lambda: pipe.fit([clips[i] for i in shuffled], labels))
    return found


if __name__ == "__main__":
    torch.set_num_threads(1)
    for name in sys.argv[2:]:
        where = Path(sys.argv[1], name)
        where.mkdir(exist_ok=True)
        content = pickle.dumps(globals()[name](where))
        (where / f"{process_index()}.pickle").write_bytes(content)
