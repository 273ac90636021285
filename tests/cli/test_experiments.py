# ruff: noqa: F401, F811
import csv
import json
import os
import re
import shutil
from importlib.metadata import version
from pathlib import Path

import mlflow
import numpy as np
import pytest
from cli_fixtures import FAST, clips, model, newest_runs, quick_pipeline, run, tracking, trained
from conftest import break_video, make_frames
from mlflow.exceptions import MlflowException
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline
from sklearn.utils import Bunch

from skvideo_gru import (
    ResNet50FrameFeaturizer,
    SelectiveClassifierCV,
    VideoDecodeError,
    VideoPipeline,
    cli,
    runs,
)
from skvideo_gru.cli import experiments
from skvideo_gru.cli.parser import parse_arguments
from skvideo_gru.datasets.generated import write_video
from skvideo_gru.mlops import log_model, open_run
from skvideo_gru.mlops.saving import load_model, save_model


def test_train_logs_params_metrics_and_artifacts(run):
    assert run.info.status == "FINISHED"
    assert run.data.params["features__frame_size"] == "32"
    assert run.data.params["gru__lr_decay"] == "0.97"
    assert run.data.tags["split"].startswith("random 70/15/15, stratified by class, seed 0: 28")
    assert run.data.tags["modality"] == "rgb"
    for name in ("val_accuracy", "val_macro_f1", "test_accuracy", "test_macro_f1"):
        assert run.data.metrics[name] == 1.0
    client = mlflow.MlflowClient()
    losses = client.get_metric_history(run.info.run_id, "gru_train_loss")
    assert [metric.step for metric in losses] == [1, 2, 3, 4, 5]
    files = {file.path for file in client.list_artifacts(run.info.run_id)}
    kinds = ("confusion_{}.png", "per_class_{}.csv")
    assert files == {kind.format(part) for kind in kinds for part in ("val", "test")} | {
        "environment.json",
        "predictions.csv",
        "report.html",
        "training.png",
    }
    table = mlflow.artifacts.load_text(f"{run.info.artifact_uri}/predictions.csv")
    rows = list(csv.DictReader(table.splitlines()))
    assert [row["part"] for row in rows] == ["val"] * 6 + ["test"] * 6
    assert all(f"/{row['true']}/" in row["path"] for row in rows)
    for row in rows:
        assert row["predicted"] == row["true"]
        assert float(row[row["predicted"]]) == max(float(row["dark"]), float(row["bright"]))
    low = run.data.metrics["test_accuracy_low"]
    assert low == pytest.approx(6 / (6 + 1.96**2), abs=1e-3)  # Wilson's bound of 6 of 6
    assert run.data.metrics["test_majority"] == run.data.metrics["test_chance"] == 0.5
    per_class = mlflow.artifacts.load_text(f"{run.info.artifact_uri}/per_class_test.csv")
    assert per_class.splitlines()[1:] == ["bright,1.0,1.0,1.0,3", "dark,1.0,1.0,1.0,3"]
    environment = mlflow.artifacts.load_dict(f"{run.info.artifact_uri}/environment.json")
    assert environment["packages"]["torch"] == version("torch")


def test_the_logged_model_predicts_the_same(model, run, clips, capsys):
    video = str(clips / "dark" / "0.mp4")
    outputs = []
    for address in (str(model), f"runs:/{run.info.run_id}/model"):
        assert cli.main(["predict", "--model", address, video]) == 0
        outputs.append(capsys.readouterr().out)
    assert outputs[0] == outputs[1]


def test_a_run_names_its_videos_by_their_content(run):
    inputs = {x.dataset.name: x.dataset for x in run.inputs.dataset_inputs}
    sizes = {name: json.loads(dataset.profile)["num_rows"] for name, dataset in inputs.items()}
    assert sizes == {"videos_train": 28, "videos_val": 6, "videos_test": 6}
    assert len({dataset.digest for dataset in inputs.values()}) == 3


def test_evaluate_logs_the_scores_of_a_saved_model(model, run, clips, capsys):
    trained = run.info.run_id
    rows = list(csv.DictReader((clips / "manifest.csv").open()))
    for number, row in enumerate(rows):
        row["split"] = "train" if number < 30 else "test"
        if number >= 38:  # two labels are wrong
            row["label"] = {"dark": "bright", "bright": "dark"}[row["label"]]
    with (clips / "split.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)
    command = ["evaluate", "--data", str(clips / "split.csv"), "--model"]
    assert cli.main([*command, f"runs:/{trained}", "--part", "test"]) == 0
    assert "test: accuracy 0.800, macro-F1 0.800 on 10 videos" in capsys.readouterr().out
    (evaluated,) = newest_runs()
    assert evaluated.data.metrics["test_accuracy"] == pytest.approx(0.8)
    assert evaluated.data.tags["model"] == f"runs:/{trained}"
    assert evaluated.data.params["features__n_frames"] == "3"
    assert cli.main([*command, str(model)]) == 0
    assert "all: accuracy 0.950" in capsys.readouterr().out
    assert cli.main([*command, str(model), "--part", "train"]) == 0
    assert "train: accuracy 1.000, macro-F1 1.000 on 30 videos" in capsys.readouterr().out
    assert cli.main([*command, str(model), "--part", "val"]) == 1
    assert "no such part; choose one of ['test', 'train'] or all" in capsys.readouterr().err
    assert newest_runs()[0].data.metrics["train_accuracy"] == 1.0  # no run was opened


def test_a_registered_model_has_an_alias(model, clips, capsys):
    command = ["train", "--data", str(clips), *FAST, "--register", "lamps"]
    assert cli.main(command) == 0
    assert "model: models:/lamps@champion" in capsys.readouterr().out
    with open_run("again"):
        assert log_model(load_model(model), "a.mp4", "lamps@next") == "models:/lamps@next"
    client = mlflow.MlflowClient()
    aliases = client.get_registered_model("lamps").aliases
    assert {name: int(number) for name, number in aliases.items()} == {"champion": 1, "next": 2}
    video = str(clips / "dark" / "0.mp4")
    for address, status in (("lamps@next", 0), ("lamps@nobody", 1)):
        assert cli.main(["predict", "--model", f"models:/{address}", video]) == status
    assert "models:/lamps@nobody: no such model" in capsys.readouterr().err


def test_tune_logs_a_run_for_each_candidate(tracking, clips, capsys):
    options = ["--hidden-size", "4,8", "--lr-decay", "0.9,0.97", "--cv", "2"]
    manifest = str(clips / "manifest.csv")
    assert cli.main(["tune", "--data", manifest, *FAST, *options]) == 0
    out = capsys.readouterr().out
    assert "split: grouped: each of 4 groups in one part" in out
    assert out.count("+-") == 4
    runs = newest_runs(5)
    (parent,) = (run for run in runs if "mlflow.parentRunId" not in run.data.tags)
    children = [run for run in runs if run is not parent]
    assert {run.data.tags["mlflow.parentRunId"] for run in children} == {parent.info.run_id}
    assert {
        (run.data.params["gru__lr_decay"], run.data.params["gru__hidden_size"]) for run in children
    } == {(decay, size) for decay in ("0.9", "0.97") for size in ("4", "8")}
    best = max(run.data.metrics["cv_accuracy"] for run in children)
    assert parent.data.metrics["cv_accuracy"] == best
    assert parent.data.metrics["test_accuracy"] == 1.0
    how = "2-fold cross-validation, stratified by class, each group in one fold"
    assert parent.data.tags["cv"] == how
    artifacts = mlflow.MlflowClient().list_artifacts(parent.info.run_id)
    assert {"search.png", "report.html"} <= {file.path for file in artifacts}
    results = mlflow.artifacts.load_text(f"{parent.info.artifact_uri}/cv_results.csv")
    scores = [float(row["mean_test_score"]) for row in csv.DictReader(results.splitlines())]
    assert sorted(scores) == sorted(run.data.metrics["cv_accuracy"] for run in children)
    predictions = mlflow.artifacts.load_text(f"{parent.info.artifact_uri}/predictions.csv")
    cameras = {row["group"] for row in csv.DictReader(predictions.splitlines())}
    assert len(cameras) == 1
    report = mlflow.artifacts.load_text(f"{parent.info.artifact_uri}/report.html")
    assert "gru__hidden_size = 8, gru__lr_decay = 0.97" in report
    assert "mean accuracy over 2 folds" in report
    assert "<dt>hidden_size</dt><dd>[4, 8]</dd>" in report
    assert "<dt>json</dt>" not in report
    assert "val_accuracy" not in parent.data.metrics  # the refit has seen those videos


def test_without_data_clips_are_generated(tracking, capsys, monkeypatch):
    few = experiments.make_order_videos
    monkeypatch.setattr(
        experiments, "make_order_videos", lambda path, **kw: few(path, n_per_class=12, **kw)
    )
    assert cli.main(["train", "--epochs", "2"]) == 0
    out = capsys.readouterr().out
    assert "24 videos" in out
    assert "split of the manifest: 14 train, 4 val, 6 test" in out
    for line in (
        "a classifier on single frames",
        "the same pipeline on shuffled frames",
        "chance",
    ):
        assert line in out
    (run,) = newest_runs()
    assert {"test_accuracy_single_frames", "test_accuracy_shuffled_frames"} <= set(
        run.data.metrics
    )
    assert run.data.params["features__n_frames"] == "6"


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ("ababab aaa", "a fold lack the classes"),
        ("ababab ccc", "no class of the part 'test' occurs in training"),
    ],
)
def test_tune_checks_the_classes_of_all_parts(tracking, clips, tmp_path, labels, message, capsys):
    lines = ["path,label,group,split"]
    for number, label in enumerate(labels.replace(" ", "")):
        part = "train" if number < 6 else "test"
        group = label if message.startswith("a fold") else number  # each class in one group
        lines.append(f"{clips}/dark/{2 * number}.mp4,{label},{group},{part}")
    (tmp_path / "data.csv").write_text("\n".join(lines))
    assert cli.main(["tune", "--data", str(tmp_path / "data.csv"), *FAST, "--cv", "2"]) == 1
    assert message in capsys.readouterr().err


def test_a_damaged_database_is_one_readable_line(tracking, tmp_path, monkeypatch, capsys):
    (tmp_path / "broken.db").write_text("no database" * 1000)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/broken.db")
    assert cli.main(["predict", "--model", "models:/lamps@best", "clip.mp4"]) == 1
    err = capsys.readouterr().err
    assert "file is not a database" in err
    assert "Traceback" not in err


def test_an_mlflow_error_is_one_readable_line(tracking, clips, monkeypatch, capsys):
    def refuses(*_):
        raise MlflowException("no such\nthing")

    monkeypatch.setattr(runs, "log_pipeline_params", refuses)
    assert cli.main(["train", "--data", str(clips), *FAST]) == 1
    assert capsys.readouterr().err == "skvideo-gru train: error: MLflow: no such thing\n"


def test_paths_may_be_relative_and_absolute(tracking, clips, capsys):
    lines = (clips / "manifest.csv").read_text().splitlines()
    near = os.path.relpath(clips)
    rows = [f"{near if i % 2 else clips}/{line}" for i, line in enumerate(lines[1:])]
    Path("mixed.csv").write_text("\n".join([lines[0], *rows]))
    assert cli.main(["train", "--data", "mixed.csv", *FAST]) == 0
    Path("mixed.csv").unlink()


def test_evaluate_with_numeric_labels(tracking, clips, colour_clips, capsys):
    videos, y = colour_clips
    save_model(quick_pipeline().fit(videos, np.where(y == "dark", 0, 1)), "numbers.skops")
    rows = [
        f"{video},{int(label != 'dark')},odd (2)" for video, label in zip(videos, y, strict=True)
    ]
    rows.append(f"{clips}/dark/0.mp4,unknown,other")
    Path("numbers.csv").write_text("\n".join(["path,label,split", *rows]))
    command = ["evaluate", "--model", "numbers.skops", "--data", "numbers.csv"]
    assert cli.main([*command, "--part", "odd (2)"]) == 0
    assert "accuracy 1.000, macro-F1 1.000 on 12 videos" in capsys.readouterr().out
    assert newest_runs()[0].data.metrics["odd__2__accuracy"] == 1.0


def test_evaluate_a_model_that_answers_unknown(tracking, clips, colour_clips, capsys):
    videos, y = colour_clips
    fitted = FrozenEstimator(quick_pipeline().set_params(gru__lr=0.01).fit(videos, y))
    noisy = np.concatenate([y[1::-1], y[2:]])  # two wrong labels: the classifier is not certain
    model = SelectiveClassifierCV(fitted, target=0.5, cv=2).fit(videos, noisy)
    held_out = [str(clips / ("dark", "bright")[n % 2] / f"{n}.mp4") for n in range(2, 8)]
    proba = model.predict_proba(held_out).max(axis=1)
    model.threshold_ = float(np.sort(proba)[2])  # rejects two of six
    save_model(model, "selective.skops")
    accepted = proba >= model.threshold_
    rows = [f"{video},{Path(video).parent.name}" for video in held_out[:-1]]
    rows.append(f"{held_out[-1]},unknown")
    Path("selective.csv").write_text("\n".join(["path,label", *rows]))
    command = ["evaluate", "--model", "selective.skops", "--data", "selective.csv"]
    assert cli.main(command) == 0
    out = capsys.readouterr().out
    coverage, answered = accepted[:-1].mean(), accepted[:-1].sum() / accepted.sum()
    assert (
        "the answer 'unknown' counts as wrong for all other labels; coverage "
        f"{coverage:.3f}, accuracy of the other answers {answered:.3f}"
    ) in out
    metrics = newest_runs()[0].data.metrics
    assert metrics["all_coverage"] == pytest.approx(coverage)
    table = mlflow.artifacts.load_text(f"{newest_runs()[0].info.artifact_uri}/predictions.csv")
    predicted = [row["predicted"] for row in csv.DictReader(table.splitlines())]
    assert predicted == model.predict(held_out).tolist()
    assert predicted.count("unknown") == 2
    report = mlflow.artifacts.load_text(f"{newest_runs()[0].info.artifact_uri}/report.html")
    assert "the answer unknown is wrong unless it is the true label" in report
    assert f"accuracy of other answers</th><td>{answered:.3f}</td>" in report


def test_evaluate_with_steps_of_any_name(tracking, clips, colour_clips, capsys, monkeypatch):
    videos, y = colour_clips
    features, scaler, gru = (step for _, step in quick_pipeline().steps)
    pipe = Pipeline([("look", features), ("scale", scaler), ("classify", gru)])
    save_model(pipe.fit(videos, y), "named.skops")
    n_jobs = []
    transform = ResNet50FrameFeaturizer.transform

    def noted(self, X):
        n_jobs.append(self.n_jobs)
        return transform(self, X)

    monkeypatch.setattr(ResNet50FrameFeaturizer, "transform", noted)
    command = ["evaluate", "--model", "named.skops", "--data", str(clips), "--n-jobs", "1"]
    assert cli.main(command) == 0
    assert set(n_jobs) == {1}
    assert "all: accuracy" in capsys.readouterr().out
    assert "gru_train_loss" in newest_runs()[0].data.metrics


def n_runs():
    return len(mlflow.search_runs(search_all_experiments=True, output_format="list"))


@pytest.fixture
def split_clips(clips, broken_clip, tmp_path):
    """A manifest of the clips, of which the last ten and an unreadable one are the test part."""
    rows = [line.split(",") for line in (clips / "manifest.csv").read_text().split()[1:]]
    lines = ["path,label,split", f"{broken_clip},dark,test"]
    for number, (path, label, _) in enumerate(rows):
        lines.append(f"{clips}/{path},{label},{'train' if number < 30 else 'test'}")
    (tmp_path / "split.csv").write_text("\n".join(lines))
    return tmp_path / "split.csv"


def test_a_failed_run_is_marked_as_failed(tracking, clips, monkeypatch, tmp_path, capsys):
    def fail(*_):
        raise ValueError("no picture")

    monkeypatch.setattr(runs, "plot_confusion_matrix", fail)
    output = tmp_path / "model.skops"
    assert cli.main(["train", "--data", str(clips), "--output", str(output), *FAST]) == 1
    assert "skvideo-gru train: error: no picture\n" in capsys.readouterr().err
    (run,) = newest_runs()
    assert run.info.status == "FAILED"
    # Metrics precede the figures, and the model precedes both.
    assert run.data.metrics["test_accuracy"] == run.data.metrics["val_accuracy"] == 1.0
    assert load_model(output).predict([f"{clips}/dark/0.mp4"]) == ["dark"]


@pytest.mark.parametrize("command", ["train", "tune", "evaluate"])
def test_unreadable_videos_are_an_error_before_the_work(
    tracking, model, split_clips, broken_clip, command, monkeypatch, capsys
):
    def fail(*_, **__):
        raise AssertionError("the work has begun")

    monkeypatch.setattr(Pipeline, "fit", fail)
    monkeypatch.setattr(Pipeline, "predict_proba", fail)
    before = n_runs()
    options = ["--model", str(model)] if command == "evaluate" else FAST
    assert cli.main([command, "--data", str(split_clips), *options]) == 1
    err = capsys.readouterr().err
    assert f"error: 1 of 41 videos cannot be read: {broken_clip}: " in err
    assert "--on-error skip" in err
    assert n_runs() == before


@pytest.mark.parametrize("command", ["train", "tune", "evaluate"])
def test_unreadable_videos_are_skipped_and_logged(
    tracking, model, split_clips, broken_clip, command, capsys
):
    options = {
        "train": FAST,
        "tune": [*FAST, "--cv", "2", "--hidden-size", "16", "--lr-decay", "0.9"],
        "evaluate": ["--model", str(model), "--part", "test"],
    }[command]
    arguments = [command, "--data", str(split_clips), "--on-error", "skip", *options]
    assert cli.main(arguments) == 0
    out = capsys.readouterr().out
    n_read = 11 if command == "evaluate" else 41
    assert f"Skipped 1 of {n_read} videos, which cannot be read:\n  {broken_clip}: " in out
    assert "test: accuracy 1.000, macro-F1 1.000 on 10 videos" in out
    run = next(run for run in newest_runs(5) if "mlflow.parentRunId" not in run.data.tags)
    assert run.data.metrics["n_skipped_videos"] == 1
    table = mlflow.artifacts.load_text(f"{run.info.artifact_uri}/skipped.csv")
    assert [row["path"] for row in csv.DictReader(table.splitlines())] == [str(broken_clip)]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "--lr", "0"], "'lr' parameter of GRUClassifier"),
        (["train", "--n-frames", "0"], "'n_frames' parameter of ResNet50FrameFeaturizer"),
        (["train", "--set", "features__device=cuda:99"], "device='cuda:99'"),
        (["tune", "--grid", "gru__device=cpu,cuda:99"], "device='cuda:99'"),
        (["train", "--split", "manifest"], "no column 'split'"),
        (["tune", "--cv", "1"], "--cv must be at least 2, got 1"),
        (["tune", "--cv", "30"], "--cv 30: n_splits=30 cannot be greater"),
        (["evaluate", "--model", "none.skops"], "none.skops"),
        (["evaluate", "--model", "none.skops", "--part", "odd"], "--part odd: "),
    ],
)
def test_invalid_parameters_create_no_run(tracking, clips, arguments, message, capsys):
    before = n_runs()
    assert cli.main([*arguments, "--data", str(clips)]) == 1
    assert message in capsys.readouterr().err
    assert n_runs() == before


@pytest.mark.parametrize("kind", ["class", "file", "group"])
def test_names_that_are_not_utf8_are_reported(tracking, clips, kind, tmp_path, capsys):
    odd = os.fsdecode(b"caf\xe9")
    names = {"class": f"{odd}/c/a.mp4", "file": f"x/c/{odd}.mp4", "group": f"x/{odd}/a.mp4"}
    for path in (tmp_path / names[kind], tmp_path / "y" / "c" / "b.mp4"):
        path.parent.mkdir(parents=True)
        shutil.copy(clips / "dark" / "0.mp4", path)
    before = n_runs()
    assert cli.main(["train", "--data", str(tmp_path), *FAST]) == 1
    err = capsys.readouterr().err
    shown = f"{tmp_path}/x/c/caf\\udce9.mp4" if kind == "file" else "caf\\udce9"
    assert f"error: {shown}: the name of the {kind} is not valid UTF-8" in err
    assert "Rename it" in err
    assert n_runs() == before


def test_children_are_in_the_experiment_of_a_project_run(tracking, clips, monkeypatch):
    client = mlflow.MlflowClient()
    experiment = client.create_experiment("project")
    parent = client.create_run(experiment).info.run_id
    monkeypatch.setenv("MLFLOW_RUN_ID", parent)
    options = ["--cv", "2", "--hidden-size", "4", "--lr-decay", "0.9,0.97"]
    assert cli.main(["tune", "--data", str(clips), *FAST, *options]) == 0
    children = client.search_runs([experiment], f"tags.mlflow.parentRunId = '{parent}'")
    assert len(children) == 2
    assert client.get_run(parent).data.metrics["test_accuracy"] == 1.0


def test_leaks_between_parts_are_printed_and_logged(tracking, clips, tmp_path, capsys):
    rows = [line.split(",") for line in (clips / "manifest.csv").read_text().split()[1:]]
    lines = ["path,label,split"]
    for number, (path, label, _) in enumerate(rows):
        lines.append(f"{clips}/{path},{label},{'train' if number < 30 else 'test'}")
    shutil.copy(clips / "dark" / "0.mp4", tmp_path / "copy.mp4")
    (tmp_path / "split.csv").write_text("\n".join([*lines, "copy.mp4,dark,test"]))
    assert cli.main(["train", "--data", str(tmp_path / "split.csv"), *FAST]) == 0
    err = capsys.readouterr().err
    pair = f"{clips}/dark/0.mp4 (train) and {tmp_path}/copy.mp4 (test), the same content"
    assert "train: warning: 1 video file is in two parts of the split" in err
    assert pair in err
    assert pair in newest_runs()[0].data.tags["leaks"]


def test_leaks_between_folds_are_printed_and_logged(tracking, clips, tmp_path, capsys):
    lines = ["path,label,split"]
    for number in range(8):
        name, label = f"{number}.mp4", ("dark", "bright")[number % 2]
        shutil.copy(clips / label / f"{number}.mp4", tmp_path / name)
        shutil.copy(clips / label / f"{number}.mp4", tmp_path / f"copy{name}")
        lines += [f"{name},{label},train", f"copy{name},{label},train"]
    lines += [f"{clips}/dark/30.mp4,dark,test", f"{clips}/bright/31.mp4,bright,test"]
    (tmp_path / "folds.csv").write_text("\n".join(lines))
    options = ["--cv", "8", "--hidden-size", "4", "--lr-decay", "0.9"]
    assert cli.main(["tune", "--data", str(tmp_path / "folds.csv"), *FAST, *options]) == 0
    err = capsys.readouterr().err
    assert re.search(r"[0-8] video files are in two parts of the split", err)
    assert re.search(r"0\.mp4 \(fold \d\) and .*copy0\.mp4 \(fold \d\), the same content", err)
    parent = next(run for run in newest_runs(2) if "cv" in run.data.tags)
    assert "the same content" in parent.data.tags["leaks"]


def test_tune_searches_any_parameter_and_prints_json(tracking, clips, capsys):
    grid = ["--grid", "gru__delta_weight=0,10", "--grid", "features__sampling=uniform,fps"]
    options = ["--set", "gru__pooling=mean,features__fps=20", "--cv", "2", "--json"]
    manifest = str(clips / "manifest.csv")
    assert cli.main(["tune", "--data", manifest, *FAST, *grid, *options]) == 0
    out, err = capsys.readouterr()
    result = json.loads(out)
    assert "best parameters" in err
    searched = {tuple(candidate["params"].values()) for candidate in result["candidates"]}
    names = {tuple(candidate["params"]) for candidate in result["candidates"]}
    assert names == {("features__sampling", "gru__delta_weight")}
    assert searched == {(how, weight) for how in ("uniform", "fps") for weight in (0, 10)}
    best = max(candidate["cv_accuracy"] for candidate in result["candidates"])
    assert result["cv_accuracy"] == best
    run = mlflow.get_run(result["run"]["id"])
    assert result["run"]["address"].endswith(
        f"/#/experiments/{run.info.experiment_id}/runs/{run.info.run_id}"
    )
    assert f"run: {run.info.run_id}" in err
    assert run.data.params["gru__pooling"] == "mean"
    assert run.data.params["features__fps"] == "20"
    assert result["parts"]["test"]["accuracy"] == run.data.metrics["test_accuracy"]
    assert result["model"].startswith("models:/")


@pytest.mark.parametrize("how", [["--set", "gru__early_stopping=true"], []])
def test_early_stopping_holds_out_groups(clips, how, monkeypatch, capsys):
    fitted = {}

    class StopError(ValueError):
        pass

    def noted(self, X, y, **params):
        fitted.update(params, n=len(X))
        raise StopError("seen")

    monkeypatch.setattr(VideoPipeline, "fit", noted)
    assert cli.main(["train", "--data", str(clips / "manifest.csv"), *FAST, *how]) == 1
    assert "seen" in capsys.readouterr().err
    if how:
        assert len(fitted["gru__groups"]) == fitted["n"]
        assert set(fitted["gru__groups"]) < {f"camera{number}" for number in range(4)}
    else:
        assert "gru__groups" not in fitted


def test_a_search_over_early_stopping_needs_one_way_to_hold_out(tracking, clips, capsys):
    options = ["--grid", "gru__early_stopping=true,false"]
    assert cli.main(["tune", "--data", str(clips / "manifest.csv"), *FAST, *options]) == 1
    assert "all candidates need the same value" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["train", "--set", "gru__poling=mean"],
            "no parameter 'gru__poling'; did you mean gru__p",
        ),
        (["train", "--set", "hidden_size=3"], "did you mean gru__hidden_size?"),
        (["train", "--set", "gru=3"], "no parameter 'gru'"),
        (["train", "--set", "gru__bidirectional=maybe"], "'bidirectional' parameter of GRU"),
        (["train", "--set", 'gru__fc_sizes=["a"]'], "fc_sizes=['a'] must contain positive ints"),
        (
            ["train", "--set", 'gru__class_weight={"light": 2}'],
            "classes ['light'] of class_weight",
        ),
        (["train", "--set", "gru__callbacks=[1]"], "must contain callbacks of skorch"),
        (["train", "--set", 'gru__net_params={"optimizer__foo": 1}'], "cannot be trained"),
        (["train", "--set", "features__pixel_mean=[1]"], "pixel_mean"),
        (["train", "--set", "features__n_jobs=0"], "n_jobs=0 is no number of workers"),
        (["train", "--set", "features__weights=none.pth"], "none.pth"),
        (["train", "--set", "scale__transformer__feature_range=3"], "'feature_range' parameter"),
        (["train", "--set", "scale__transformer=3"], "'transformer' parameter of FrameWise"),
        (["tune", "--grid", "gru__poling=mean,max"], "did you mean gru__pooling"),
        (["tune", "--grid", "gru__pooling=mean,most"], "'pooling' parameter of GRUClassifier"),
    ],
)
def test_parameters_are_checked_before_videos_are_read(
    tracking, clips, arguments, message, monkeypatch, capsys
):
    monkeypatch.setattr(experiments, "readable_videos", None)
    assert cli.main([*arguments, "--data", str(clips), *FAST]) == 1
    err = capsys.readouterr().err
    assert message in err and err.count("\n") == 1


def test_evaluate_checks_its_parameters_before_videos_are_read(
    tracking, model, clips, monkeypatch, capsys
):
    monkeypatch.setattr(experiments, "warn_of_leaks", None)
    command = ["evaluate", "--model", str(model), "--data", str(clips)]
    assert cli.main([*command, "--set", "features__engin=torch"]) == 1
    assert "did you mean features__engine" in capsys.readouterr().err


def test_a_minimum_of_the_accuracy(tracking, model, clips, tmp_path, capsys):
    swap = {"dark": "bright", "bright": "dark"}
    rows = [line.split(",") for line in (clips / "manifest.csv").read_text().split()[1:13]]
    lines = [f"{clips}/{path},{swap[label]}" for path, label, _ in rows]
    (tmp_path / "swapped.csv").write_text("\n".join(["path,label", *lines]))
    command = ["evaluate", "--model", str(model), "--json", "--min-accuracy", "0.5"]
    command += ["--set", "features__batch_size=8"]
    assert cli.main([*command, "--data", str(tmp_path / "swapped.csv")]) == 1
    out, err = capsys.readouterr()
    assert (
        json.loads(out)["parts"]["all"] | {"accuracy": 0.0, "n_videos": 12}
        == json.loads(out)["parts"]["all"]
    )
    assert "evaluate: the accuracy of all, 0.0000, is below --min-accuracy 0.5." in err
    assert newest_runs()[0].info.status == "FINISHED"
    assert cli.main([*command, "--data", str(clips)]) == 0
    with pytest.raises(SystemExit, match="2"):
        cli.main([*command, "--min-accuracy", "80"])
    assert "argument --min-accuracy: must be between 0 and 1, got 80" in capsys.readouterr().err


def test_evaluate_names_unknown_parameters(tracking, model, clips, capsys):
    command = ["evaluate", "--model", str(model), "--data", str(clips), "--set"]
    assert cli.main([*command, "features__njobs=2"]) == 1
    assert "did you mean features__n_jobs?" in capsys.readouterr().err
    assert cli.main([*command, "features__n_jobs=two"]) == 1
    assert "'n_jobs' parameter of ResNet50FrameFeaturizer" in capsys.readouterr().err
    assert cli.main([*command, "features__n_frames=5"]) == 1
    assert "--set features__n_frames: the model was trained on 3" in capsys.readouterr().err
