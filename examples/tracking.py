"""A search in an MLflow run: live metrics, one child run per candidate, figures and model.

Run ``python examples/tracking.py``. It uses a temporary store and prints what the run
contains. Without the line with ``set_tracking_uri``, ``mlflow ui`` shows the run.
"""

import tempfile
from pathlib import Path

import mlflow
import numpy as np
from sklearn.model_selection import GridSearchCV, train_test_split

from skvideo_gru import make_order_videos, make_video_classifier, tracked_run


def main() -> None:
    """Search in a run, then read the run."""
    with tempfile.TemporaryDirectory() as folder:
        mlflow.set_tracking_uri(f"sqlite:///{folder}/mlflow.db")
        experiment = mlflow.create_experiment("order", artifact_location=f"{folder}/artifacts")
        data = make_order_videos(Path(folder, "clips"), n_per_class=6, random_state=0)
        train, test = train_test_split(
            np.arange(len(data.data)), test_size=4, stratify=data.target, random_state=0
        )
        pipe = make_video_classifier(memory=Path(folder, "cache"), random_state=0)
        pipe["features"].set_params(max_epochs=0, n_frames=6, frame_size=32)
        search = GridSearchCV(pipe, {"gru__hidden_size": [4, 8, 16]}, cv=2)

        with (
            mlflow.start_run(experiment_id=experiment),
            tracked_run(search, data, {"train": train, "test": test}) as run,
        ):
            search.fit(data.data[train], data.target[train])

        children = mlflow.search_runs(
            [experiment], f"tags.mlflow.parentRunId = '{run.run_id}'", output_format="list"
        )
        for child in sorted(children, key=lambda child: child.data.metrics["cv_accuracy"]):
            print(child.info.run_name, f"{child.data.metrics['cv_accuracy']:.2f}")
        files = mlflow.MlflowClient().list_artifacts(run.run_id)
        print("artifacts:", *(file.path for file in files))
        _, evaluation = run.evaluations["test"]
        print(f"test accuracy: {evaluation.metrics['accuracy']:.2f}")


if __name__ == "__main__":
    main()
