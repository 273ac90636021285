"""A random search over the parameters of the GRU in which each video is decoded once.

Run ``python examples/tuning.py``. It prints how many videos and backbones the
search computed for all candidates and folds.
"""

import tempfile
from pathlib import Path

import joblib
from sklearn.decomposition import PCA
from sklearn.model_selection import RandomizedSearchCV

from skvideo_gru import FrameWise, cache_contents, make_order_videos, make_video_classifier

OPTIONS = {
    "gru__hidden_size": [16, 32, 64],
    "gru__pooling": ["last", "attention"],
    "gru__bidirectional": [False, True],
    "gru__lr": [0.01, 0.03],
    "gru__lr_schedule": ["exponential", "cosine"],
}


def main() -> None:
    """Run the search and count the cached videos and backbones."""
    with tempfile.TemporaryDirectory() as folder:
        data = make_order_videos(Path(folder, "clips"), n_per_class=20, random_state=0)
        memory = joblib.Memory(Path(folder, "cache"), verbose=0)
        pipe = make_video_classifier(memory=memory, random_state=0)
        pipe["features"].set_params(max_epochs=0, n_frames=6, frame_size=32)
        # With few clips, four values per frame are easier to learn from than 2048. Their
        # differences are as large as the values, so both get the same weight.
        pipe.set_params(scale=FrameWise(PCA(4, whiten=True)), gru__delta_weight=1)
        search = RandomizedSearchCV(
            pipe, OPTIONS, n_iter=4, cv=2, random_state=0, error_score="raise"
        )
        search.fit(data.data, data.target)
        results = search.cv_results_
        for row in results["rank_test_score"].argsort(kind="stable"):
            options = (
                f"{name.removeprefix('gru__')}={value}"
                for name, value in results["params"][row].items()
            )
            print(f"{results['mean_test_score'][row]:.2f}", *options)
        n_fits = len(results["params"]) * search.n_splits_ + 1
        n_cached = {kind: n_entries for kind, (n_entries, _) in cache_contents(memory).items()}
        print(
            f"{n_fits} fits of {len(data.data)} videos: {n_cached['features']} videos decoded, "
            f"{n_cached['backbone']} backbone computed"
        )


if __name__ == "__main__":
    main()
