"""A training and a search in MLflow runs that Python opens."""

import json
import re

import mlflow
import numpy as np
import pytest
import skops.io
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, RandomizedSearchCV
from skorch.callbacks import Callback

from skvideo_gru import (
    SKOPS_TRUSTED_TYPES,
    make_order_videos,
    make_video_classifier,
    runs,
    tracked_run,
)
from skvideo_gru.mlops import fetch_model, load_model, tracking

TRAIN, TEST = np.r_[0:4, 6:10], np.r_[4:6, 10:12]
PARTS = {"train": TRAIN, "test": TEST}


@pytest.fixture(scope="module")
def store(tmp_path_factory, make_store):
    """A folder with an MLflow store."""
    folder = tmp_path_factory.mktemp("mlflow")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for name in ("MLFLOW_RUN_ID", "MLFLOW_EXPERIMENT_NAME"):
            patch.delenv(name, raising=False)
        patch.setenv("MLFLOW_TRACKING_URI", make_store(folder))
        yield folder


@pytest.fixture
def client(store, request, monkeypatch):
    """A client; the runs of the test are in a new experiment."""
    client = mlflow.MlflowClient()
    monkeypatch.setenv("MLFLOW_EXPERIMENT_ID", client.create_experiment(request.node.name))
    return client


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return make_order_videos(tmp_path_factory.mktemp("runs") / "clips", n_per_class=6)


@pytest.fixture
def pipe():
    return make_video_classifier(
        random_state=0,
        features__max_epochs=0,
        features__n_frames=2,
        features__frame_size=32,
        gru__max_epochs=3,
    )


def fit(model, data):
    return model.fit([data.data[row] for row in TRAIN], data.target[TRAIN])


def steps_and_values(client, run_id, metric="gru_train_loss"):
    return [(m.step, m.value) for m in client.get_metric_history(run_id, metric)]


def artifacts(client, run_id):
    return {file.path for file in client.list_artifacts(run_id)}


def expected_losses(pipe):
    records = pipe["gru"].history_
    return [(record["epoch"], record["train_loss"]) for record in records]


SEEN = []


class LookIntoTheRun(Callback):
    def on_epoch_begin(self, net, **_):
        run_id = mlflow.active_run().info.run_id
        SEEN.append(len(mlflow.MlflowClient().get_metric_history(run_id, "gru_train_loss")))


def test_the_metrics_of_an_epoch_are_logged_before_the_next(client, data, pipe, monkeypatch):
    monkeypatch.setattr(tracking, "_LIVE_INTERVAL", 0.0)
    SEEN.clear()
    pipe.set_params(gru__callbacks=[LookIntoTheRun()])
    with tracked_run(pipe, data, PARTS, name="lamps") as run:
        fit(pipe, data)
        pipe.set_params(gru__callbacks=None)  # skops does not trust the class of this test
    assert SEEN == [0, 1, 2]
    assert steps_and_values(client, run.run_id) == expected_losses(pipe)
    stored = client.get_run(run.run_id)
    assert (stored.info.run_name, stored.info.status) == ("lamps", "FINISHED")
    assert stored.data.params["gru__max_epochs"] == "3"
    assert stored.data.metrics["gru_steps"] == 3
    accuracy = run.evaluations["test"][1].metrics["accuracy"]
    assert stored.data.metrics["test_accuracy"] == accuracy
    assert "train_accuracy" not in stored.data.metrics
    inputs = {x.dataset.name: x.dataset for x in stored.inputs.dataset_inputs}
    sizes = {name: json.loads(dataset.profile)["num_rows"] for name, dataset in inputs.items()}
    assert sizes == {"videos_train": 8, "videos_test": 4}
    page = mlflow.artifacts.load_text(f"{stored.info.artifact_uri}/report.html")
    assert "<title>lamps</title>" in page
    model = load_model(fetch_model(run.model_uri, "."))
    videos = [data.data[row] for row in TEST]
    assert (model.predict_proba(videos) == pipe.predict_proba(videos)).all()


def test_short_trainings_need_one_request(client, data, pipe, monkeypatch):
    requests = []

    def log_batch(self, run_id, metrics):
        requests.append(len(metrics))

    monkeypatch.setattr(mlflow.MlflowClient, "log_batch", log_batch)
    with mlflow.start_run(), tracking.live_epochs() as latest:
        fit(pipe, data)
        fit(clone(pipe), data)
        assert requests == []
    assert len(requests) == 1 and requests[0] >= 2 * 3
    assert latest["gru"]["epoch"] == 3


@pytest.mark.parametrize("scoring", [None, {"accuracy": "accuracy", "f1!": "f1_macro"}])
def test_each_candidate_is_a_child_with_the_scores_of_its_folds(client, data, pipe, scoring):
    grid = {"gru__hidden_size": [2, 3, 4]}
    search = GridSearchCV(pipe, grid, cv=2, scoring=scoring, refit="accuracy" if scoring else True)
    with tracked_run(search, data, PARTS) as run:
        fit(search, data)
    children = {
        child.data.params["gru__hidden_size"]: child
        for child in client.search_runs(
            [client.get_run(run.run_id).info.experiment_id],
            f"tags.mlflow.parentRunId = '{run.run_id}'",
        )
    }
    assert set(children) == {"2", "3", "4"}
    found = search.cv_results_
    # MLflow does not allow "!".
    keys = {"accuracy": "accuracy", "f1_": "f1!"} if scoring else {"accuracy": "score"}
    for row, size in enumerate("234"):
        child = children[size]
        assert child.info.run_name == f"hidden_size={size}"
        for name, key in keys.items():
            folds = steps_and_values(client, child.info.run_id, f"fold_{name}")
            assert folds == [(i, found[f"split{i}_test_{key}"][row]) for i in range(2)]
            assert child.data.metrics[f"cv_{name}"] == found[f"mean_test_{key}"][row]
    parent = client.get_run(run.run_id).data
    assert parent.metrics["cv_accuracy"] == search.best_score_
    assert parent.params["best_gru__hidden_size"] == str(search.best_params_["gru__hidden_size"])
    curve = steps_and_values(client, run.run_id)
    assert [step for step, _ in curve] == list(range(1, 3 * (3 * 2 + 1) + 1))
    last = [value for _, value in expected_losses(search.best_estimator_)]
    assert [value for _, value in curve[-3:]] == last
    assert artifacts(client, run.run_id) == {
        "confusion_test.png",
        "cv_results.csv",
        "environment.json",
        "per_class_test.csv",
        "predictions.csv",
        "report.html",
        "search.png",
        "training.png",
    }
    models = mlflow.search_logged_models(output_format="list")
    assert [model.source_run_id for model in models] == [run.run_id]


def test_parts_of_any_name_have_their_own_metrics():
    names = ["训练", "测试", "val", "a b", "a_b"]
    keys = runs._artifact_keys(names)
    assert list(keys) == names and len(set(keys.values())) == len(names)
    assert keys["val"] == "val"
    assert all(re.fullmatch(r"[A-Za-z0-9_-]+", key) for key in keys.values())


def test_a_fitted_model_is_logged_to_the_active_run(client, data, pipe):
    fit(pipe, data)
    plain = {"data": data.data, "target": data.target}
    with mlflow.start_run() as active:
        with tracked_run(pipe, type(data)(**plain), {"train": TRAIN}) as run:
            pass
        assert mlflow.active_run() is active
    assert run.run_id == active.info.run_id
    assert run.address.endswith(run.run_id)
    assert run.evaluations == {}
    assert steps_and_values(client, run.run_id) == expected_losses(pipe)
    assert "predictions.csv" not in artifacts(client, run.run_id)


def test_a_failed_training_leaves_its_inputs_and_epochs(client, data, pipe):
    def fail(net, **_):
        if len(net.history) == 3:
            raise RuntimeError("the third epoch")

    callback = Callback()
    callback.on_epoch_begin = fail
    pipe.set_params(gru__callbacks=[callback])
    with pytest.raises(RuntimeError, match="third"), tracked_run(pipe, data, PARTS) as run:
        fit(pipe, data)
    stored = client.get_run(run.run_id)
    assert stored.info.status == "FAILED"
    assert len(stored.inputs.dataset_inputs) == 2
    assert [step for step, _ in steps_and_values(client, run.run_id)] == [1, 2]
    assert artifacts(client, run.run_id) == {"environment.json"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model": LogisticRegression()}, "a pipeline from make_video_classifier.*got Logistic"),
        ({"parts": {"train": TRAIN, "test": []}}, r"parts: \['test'\] have no rows"),
        ({"parts": {"train": ["a.mp4"]}}, r"parts: 'train' must .* row numbers.*'a.mp4'"),
        ({"register": "a/b"}, "is not a valid model name"),
    ],
)
def test_invalid_arguments_start_no_run(client, data, pipe, change, message):
    options = {"model": pipe, "data": data, "parts": PARTS, **change}
    with pytest.raises(ValueError, match=message), tracked_run(**options):
        raise AssertionError("the block runs")
    assert not mlflow.search_runs(output_format="list")


def test_searches_that_do_not_refit_and_models_that_are_not_fitted(client, data, pipe):
    search = GridSearchCV(pipe, {"gru__hidden_size": [2]}, refit=False)
    with pytest.raises(ValueError, match="refit=True.*GridSearchCV"):
        tracked_run(search, data, PARTS).__enter__()
    with pytest.raises(NotFittedError), tracked_run(pipe, data, PARTS):
        pass


def test_autolog_alone_logs_a_search_with_its_children(client, data, pipe):
    search = RandomizedSearchCV(pipe, {"gru__hidden_size": [2, 3, 4]}, n_iter=3, cv=2)
    mlflow.sklearn.autolog(log_models=False, silent=True)
    try:
        search.fit(data.data, data.target)
    finally:
        mlflow.sklearn.autolog(disable=True)
    runs = mlflow.search_runs(output_format="list")
    (parent,) = (run for run in runs if "mlflow.parentRunId" not in run.data.tags)
    assert len(runs) == 4 and len(parent.inputs.dataset_inputs) == 1
    table = mlflow.artifacts.load_text(f"{parent.info.artifact_uri}/cv_results.csv")
    assert len(table.splitlines()) == 4


@pytest.mark.parametrize("scoring", [None, ["neg_log_loss"]])
def test_skops_loads_a_search_with_the_trusted_types(client, data, pipe, scoring):
    refit = scoring[0] if isinstance(scoring, list) else True
    grid = {"gru__hidden_size": [2, 3]}
    search = fit(GridSearchCV(pipe, grid, cv=2, scoring=scoring, refit=refit), data)
    copy = skops.io.loads(skops.io.dumps(search), trusted=SKOPS_TRUSTED_TYPES)
    videos = [data.data[row] for row in TEST]
    expected = search.predict_proba(videos)
    assert (copy.predict_proba(videos) == expected).all()
    assert copy.score(videos, data.target[TEST]) == search.score(videos, data.target[TEST])
    if scoring is None:
        with mlflow.start_run():
            logged = mlflow.sklearn.log_model(
                search,
                name="search",
                serialization_format="skops",
                skops_trusted_types=SKOPS_TRUSTED_TYPES,
                pip_requirements=["skvideo-gru"],
            )
        copy = mlflow.sklearn.load_model(logged.model_uri)
        assert (copy.predict_proba(videos) == expected).all()
