"""A search on a Dask cluster, by default two worker processes with one GPU each.

Run ``python examples/dask_cluster.py [SCHEDULER]``, with the address of the
scheduler of your cluster if you have one. All machines of the cluster need the
videos and the cache under the same paths. Requires ``skvideo-gru[dask]``. The
backbone of each fold is trained by one worker, on the GPU that it sees; on a
machine without GPUs, the workers use the CPU.
"""

import os
import sys
import tempfile
from contextlib import nullcontext
from pathlib import Path

import joblib
from distributed import Client, Nanny, Scheduler, SpecCluster
from sklearn.model_selection import GridSearchCV

from skvideo_gru import make_order_videos, make_video_classifier


def start_workers(n_gpus: int) -> SpecCluster:
    """Start one worker per GPU on this machine; each sees no other GPU."""
    workers = {
        gpu: {
            "cls": Nanny,
            "options": {"nthreads": 1, "env": {"CUDA_VISIBLE_DEVICES": str(gpu)}},
        }
        for gpu in range(n_gpus)
    }
    scheduler = {"cls": Scheduler, "options": {"dashboard_address": ":0", "host": "127.0.0.1"}}
    return SpecCluster(workers=workers, scheduler=scheduler)


def visible_gpus() -> str:
    """Return the GPUs that a process sees."""
    return os.environ.get("CUDA_VISIBLE_DEVICES", "all")


def main(scheduler: str | None = None) -> None:
    """Run a grid search on the cluster."""
    with (
        tempfile.TemporaryDirectory() as folder,
        nullcontext(scheduler) if scheduler else start_workers(2) as cluster,
        Client(cluster) as client,
    ):
        print("GPUs of the workers:", ", ".join(sorted(client.run(visible_gpus).values())))
        data = make_order_videos(Path(folder, "clips"), n_per_class=6, random_state=0)
        pipe = make_video_classifier(memory=str(Path(folder, "cache")), random_state=0)
        pipe["features"].set_params(n_frames=6, frame_size=32, max_epochs=0)
        search = GridSearchCV(pipe, {"gru__hidden_size": [16, 64]}, cv=2, error_score="raise")
        with joblib.parallel_config(backend="dask"):
            search.fit(data.data, data.target)
        print(f"{len(client.ncores())} workers; best: {search.best_params_}")


if __name__ == "__main__":
    main(*sys.argv[1:])
