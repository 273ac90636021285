from types import SimpleNamespace

import mlflow
import pytest
from mlflow.exceptions import MlflowException
from sqlalchemy.exc import OperationalError

from skvideo_gru.mlops import tracking
from skvideo_gru.mlops.tracking import (
    _name_and_version,
    live_epochs,
    log_history,
    open_run,
    without_password,
)
from skvideo_gru.networks.progress import _LISTENER


@pytest.fixture
def store(tmp_path, make_store, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("MLFLOW_RUN_ID", "MLFLOW_EXPERIMENT_NAME", "MLFLOW_EXPERIMENT_ID"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", make_store(tmp_path))
    return mlflow.MlflowClient()


def test_the_run_of_a_project_is_reused_and_others_are_new(store, monkeypatch):
    with open_run("alone") as run:
        assert run.info.run_name == "alone"
    experiment = store.get_experiment(run.info.experiment_id)
    assert experiment.name == "skvideo_gru"
    assert experiment.tags["mlflow.experimentKind"] == "custom_model_development"
    project = store.create_run(store.create_experiment("project"))
    monkeypatch.setenv("MLFLOW_RUN_ID", project.info.run_id)
    with open_run("project") as run:
        assert run.info.run_id == project.info.run_id
        log_history(
            "gru", [{"epoch": 1, "train_loss": 0.5, "dur": 2}, {"epoch": 2, "train_loss": 0.25}]
        )
    metrics = store.get_metric_history(project.info.run_id, "gru_train_loss")
    assert [(metric.step, metric.value) for metric in metrics] == [(1, 0.5), (2, 0.25)]


def test_the_metrics_of_many_epochs_are_logged(store):
    records = [
        {"epoch": n, "train_loss": 1 / n, "dur": 1.0, "train_batch_count": 2}
        for n in range(1, 701)
    ]
    with open_run("long") as run:
        log_history("backbone", records)
    losses = store.get_metric_history(run.info.run_id, "backbone_train_loss")
    assert [metric.value for metric in losses] == [record["train_loss"] for record in records]
    metrics = store.get_run(run.info.run_id).data.metrics
    assert metrics["backbone_steps"] == 1400
    assert metrics["backbone_epoch_seconds"] == 1


def test_epochs_that_could_not_be_sent_are_logged_later(store, monkeypatch):
    records = [{"epoch": 1, "train_loss": 0.5}, {"epoch": 2, "train_loss": 0.25}]
    latest = {}

    def fail(*_):
        raise MlflowException("the server does not answer")

    def train():
        nonlocal latest
        with live_epochs() as latest:
            _LISTENER.get()("gru", records)
            raise KeyError  # this error is not replaced

    with open_run("train") as run:
        with monkeypatch.context() as patch:
            patch.setattr(tracking, "_send", fail)
            with pytest.raises(KeyError):
                train()
        log_history("gru", records, latest.get("gru"))
    metrics = store.get_metric_history(run.info.run_id, "gru_train_loss")
    assert [(metric.step, metric.value) for metric in metrics] == [(1, 0.5), (2, 0.25)]


def test_a_store_that_cannot_be_opened_is_named_without_its_password(store, monkeypatch):
    def fail(**_):
        raise OperationalError("SELECT 1", None, Exception("unable to open database file"))

    monkeypatch.setattr(mlflow, "start_run", fail)  # MLflow tries for two minutes
    message = "sqlite:///.*mlflow.db: .*unable to open database file.*another store"
    with pytest.raises(ValueError, match=message), open_run("lost"):
        pass
    found = without_password("no model in http://user:secret@host:5000/a (http://host/b@c)")
    assert found == "no model in http://host:5000/a (http://host/b@c)"


def test_packages_without_metadata_are_left_out():
    class Lost:
        version = "1"

        @property
        def name(self):
            raise FileNotFoundError("No package metadata was found.")

    assert _name_and_version(Lost()) is None
    assert _name_and_version(SimpleNamespace(name=None, version=None)) is None
    assert _name_and_version(SimpleNamespace(name="a", version="1")) == ("a", "1")


def test_a_deleted_experiment_is_named_with_the_remedy(store, monkeypatch):
    with open_run("first") as run:
        own = run.info.experiment_id
    store.delete_experiment(own)
    remedy = rf"mlflow experiments restore --experiment-id {own}`.*MLFLOW_EXPERIMENT_NAME"
    message = rf"'skvideo_gru' \(id {own}\) was deleted.*{remedy}"
    with pytest.raises(ValueError, match=message), open_run("second"):
        pass
    doors = store.create_experiment("doors")
    store.delete_experiment(doors)
    for variable, value in (("MLFLOW_EXPERIMENT_NAME", "doors"), ("MLFLOW_EXPERIMENT_ID", doors)):
        with monkeypatch.context() as patch:
            patch.setenv(variable, value)
            message = rf"'doors' \(id {doors}\) was deleted. Restore"
            with pytest.raises(ValueError, match=message), open_run("third"):
                pass
    store.restore_experiment(own)
    with open_run("fourth") as run:
        assert run.info.experiment_id == own


@pytest.mark.parametrize("variable", ["MLFLOW_EXPERIMENT_NAME", "MLFLOW_EXPERIMENT_ID"])
@pytest.mark.parametrize("value", ["", " "])
def test_an_empty_experiment_is_named_with_the_remedy(store, monkeypatch, variable, value):
    monkeypatch.setenv(variable, value)
    message = rf"{variable} is empty.*unset {variable}.*'skvideo_gru'"
    with pytest.raises(ValueError, match=message), open_run("empty"):
        pass
    assert not store.search_runs(["0"])


def test_a_named_experiment_is_created(store, monkeypatch):
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "windows")
    with open_run("first") as run:
        assert store.get_experiment(run.info.experiment_id).name == "windows"
    monkeypatch.delenv("MLFLOW_EXPERIMENT_NAME")
    with open_run("second") as run:
        assert store.get_experiment(run.info.experiment_id).name == "skvideo_gru"
