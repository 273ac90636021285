"""Cost of a grid search over the GRU with cached features, with one and two workers.

Run ``python benchmarks/search.py [ROUNDS] [DELTA_WEIGHT] [CLIPS]``. The script generates CLIPS
(100) clips, caches their features, and searches 9 candidates in 3 folds. In each round it uses
one worker with all cores, two newly started workers, and the same two workers again. It prints
medians over the rounds.
"""

import sys
import tempfile
import time
import warnings
from pathlib import Path
from statistics import median

from joblib.externals.loky import get_reusable_executor
from sklearn.model_selection import GridSearchCV

from skvideo_gru import make_order_videos, make_video_classifier

GRID = {"gru__lr_decay": [0.9, 0.95, 1.0], "gru__hidden_size": [32, 64, 128]}


def search(data, memory, n_jobs, delta_weight):
    """Return the wall time and the sum of all fit times, including the refit."""
    pipe = make_video_classifier(
        memory=memory,
        random_state=0,
        features__frame_size=32,
        features__max_epochs=0,
        gru__max_epochs=10,
        gru__delta_weight=delta_weight,
    )
    model = GridSearchCV(pipe, GRID, cv=3, n_jobs=n_jobs, error_score="raise")
    begin = time.perf_counter()
    model.fit(data.data, data.target)
    wall = time.perf_counter() - begin
    results = model.cv_results_
    fits = 3 * (results["mean_fit_time"].sum() + results["mean_score_time"].sum())
    return wall, fits + model.refit_time_


def main(rounds: int = 1, delta_weight: int = 100, n_clips: int = 100) -> None:
    """Time the searches and print the medians."""
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as folder:
        data = make_order_videos(Path(folder, "clips"), n_per_class=n_clips // 2, random_state=0)
        memory = str(Path(folder, "cache"))
        search(data, memory, None, delta_weight)  # computes the features
        ones, starting, running = [], [], []
        for _ in range(rounds):
            get_reusable_executor().shutdown()
            ones.append(search(data, memory, None, delta_weight))
            starting.append(search(data, memory, 2, delta_weight))
            running.append(search(data, memory, 2, delta_weight))
    wall = median(wall for wall, _ in ones)
    ratio = median(one / fits for one, fits in ones)
    print(f"one worker: {wall:.1f} s, {ratio:.3f} x the sum of its fits")
    for name, twos in [("newly started", starting), ("running", running)]:
        faster = median(one / two for (one, _), (two, _) in zip(ones, twos, strict=True))
        wall = median(wall for wall, _ in twos)
        print(f"two workers, {name}: {wall:.1f} s, {faster:.2f} x as fast")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
