"""A search on a Dask cluster, by default two worker processes on this machine.

Run ``python examples/dask_cluster.py [SCHEDULER]``, with the address of the
scheduler of your cluster if you have one. All machines of the cluster need the
videos and the cache under the same paths. Requires ``skvideo-gru[dask]``.
"""

import sys
import tempfile
from pathlib import Path

import joblib
from distributed import Client
from sklearn.model_selection import GridSearchCV

from skvideo_gru import make_order_videos, make_video_classifier


def main(scheduler: str | None = None) -> None:
    """Run a grid search on the cluster."""
    with (
        tempfile.TemporaryDirectory() as folder,
        Client(scheduler) if scheduler else Client(n_workers=2, threads_per_worker=1) as client,
    ):
        data = make_order_videos(Path(folder, "clips"), n_per_class=6, random_state=0)
        pipe = make_video_classifier(memory=str(Path(folder, "cache")), random_state=0)
        pipe["features"].set_params(n_frames=6, frame_size=32, max_epochs=0)
        search = GridSearchCV(pipe, {"gru__hidden_size": [16, 64]}, cv=2, error_score="raise")
        with joblib.parallel_config(backend="dask"):
            search.fit(data.data, data.target)
        print(f"{len(client.ncores())} workers; best: {search.best_params_}")


if __name__ == "__main__":
    main(*sys.argv[1:])
