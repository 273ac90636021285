import mlflow
import pytest

from skvideo_gru.mlops.tracking import log_history, tracked_run


@pytest.fixture
def store(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("MLFLOW_RUN_ID", "MLFLOW_EXPERIMENT_NAME", "MLFLOW_EXPERIMENT_ID"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    return mlflow.MlflowClient()


def test_a_run_of_a_project_is_taken_up_and_others_are_new(store, monkeypatch):
    with tracked_run("alone") as run:
        assert run.info.run_name == "alone"
    assert store.get_experiment(run.info.experiment_id).name == "skvideo_gru"
    project = store.create_run(store.create_experiment("project"))
    monkeypatch.setenv("MLFLOW_RUN_ID", project.info.run_id)
    with tracked_run("project") as run:
        assert run.info.run_id == project.info.run_id
        log_history(
            "gru", [{"epoch": 1, "train_loss": 0.5, "dur": 2}, {"epoch": 2, "train_loss": 0.25}]
        )
    metrics = store.get_metric_history(project.info.run_id, "gru_train_loss")
    assert [(metric.step, metric.value) for metric in metrics] == [(1, 0.5), (2, 0.25)]
