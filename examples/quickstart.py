"""From a folder of labelled clips to a tuned, saved classifier.

Run ``python examples/quickstart.py [FOLDER]``. Without a folder, it generates
clips whose classes differ only in the order of their frames.
"""

import sys
import tempfile
from pathlib import Path

import joblib
from sklearn.decomposition import PCA
from sklearn.model_selection import GridSearchCV, train_test_split

from skvideo_gru import load_video_folder, make_order_videos, make_video_classifier


def main(folder: str | None = None) -> None:
    """Train, tune, evaluate, save to the current folder and load."""
    with tempfile.TemporaryDirectory() as temporary:
        work = Path(temporary)
        if folder is None:
            data = make_order_videos(work / "clips", n_per_class=30, random_state=0)
            settings = {
                # No single frame shows the class, so training the backbone on frames is
                # useless. The GRU learns the order of the features of an untrained one.
                "features__max_epochs": 0,
                "features__n_frames": 6,
                "features__frame_size": 32,
                # With so few clips, the GRU needs four values per frame instead of 2048.
                "scale__transformer": PCA(4, whiten=True),
                "gru__lr": 0.01,
            }
        else:
            data = load_video_folder(folder)
            settings = {}
        print(data.DESCR)
        train, test, y_train, y_test = train_test_split(
            data.data, data.target, test_size=0.25, stratify=data.target, random_state=0
        )
        pipe = make_video_classifier(memory=work / "cache", random_state=0, verbose=1, **settings)
        grid = {"gru__lr_decay": [0.9, 0.97], "gru__hidden_size": [32, 64]}
        search = GridSearchCV(pipe, grid, cv=3, error_score="raise").fit(train, y_train)
        print("best parameters:", search.best_params_)
        print(f"test accuracy: {search.score(test, y_test):.3f} on {len(test)} videos")

        joblib.dump(search.best_estimator_.set_params(features__memory=None), "model.joblib")
        model = joblib.load("model.joblib")
        for video, proba in zip(test[:3], model.predict_proba(test[:3]), strict=True):
            pairs = zip(model.classes_, proba, strict=True)
            print(Path(video).name, *(f"{label}: {p:.3f}" for label, p in pairs))


if __name__ == "__main__":
    main(*sys.argv[1:])
