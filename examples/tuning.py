"""A random search over the GRU's options that decodes every video once.

Run it as ``python examples/tuning.py``. The cache tells how many videos and
backbones were computed for all of the candidates and folds.
"""

import tempfile
from pathlib import Path

import joblib
from sklearn.decomposition import PCA
from sklearn.model_selection import RandomizedSearchCV

from skvideo_gru import FrameWise, make_order_videos, make_video_classifier
from skvideo_gru.features import cache_contents

OPTIONS = {
    "gru__hidden_size": [16, 32, 64],
    "gru__pooling": ["last", "attention"],
    "gru__bidirectional": [False, True],
    "gru__lr": [0.01, 0.03],
    "gru__lr_schedule": ["exponential", "cosine"],
}


def main() -> None:
    """Search, and count what was decoded for it."""
    with tempfile.TemporaryDirectory() as folder:
        data = make_order_videos(Path(folder, "clips"), n_per_class=20, random_state=0)
        memory = joblib.Memory(Path(folder, "cache"), verbose=0)
        pipe = make_video_classifier(memory=memory, random_state=0)
        pipe["features"].set_params(max_epochs=0, n_frames=6, frame_size=32)
        # Few clips: four numbers of each frame are easier to learn from than 2048. They
        # change as much as they are large, unlike features scaled by their range.
        pipe.set_params(
            scale=FrameWise(PCA(4, whiten=True)), gru__frame_dim=4, gru__delta_weight=1
        )
        search = RandomizedSearchCV(
            pipe, OPTIONS, n_iter=4, cv=2, random_state=0, error_score="raise"
        )
        search.fit(data.data, data.target)
        results = search.cv_results_
        for place in results["rank_test_score"].argsort(stable=True):
            options = (
                f"{name.removeprefix('gru__')}={value}"
                for name, value in results["params"][place].items()
            )
            print(f"{results['mean_test_score'][place]:.2f}", *options)
        n_fits = len(results["params"]) * search.n_splits_ + 1
        n_kept = {kind: n_entries for kind, (n_entries, _) in cache_contents(memory).items()}
        print(
            f"{n_fits} fits of {len(data.data)} videos: {n_kept['features']} videos decoded, "
            f"{n_kept['backbone']} backbone made"
        )


if __name__ == "__main__":
    main()
