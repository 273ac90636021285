import csv
import io
import json
import os
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import joblib
import mlflow
import numpy as np
import pytest
import yaml
from conftest import make_frames
from mlflow.exceptions import MlflowException
from sklearn.pipeline import Pipeline

from skvideo_gru import ResNet50FrameFeaturizer, cli, make_video_classifier
from skvideo_gru.cli import commands, experiments
from skvideo_gru.cli.parser import _parse
from skvideo_gru.datasets.generated import write_video
from skvideo_gru.mlops.saving import load_model, save_model
from skvideo_gru.mlops.tracking import log_model, tracked_run

FAST = [
    "--frame-size",
    "32",
    "--n-frames",
    "3",
    "--backbone-epochs",
    "0",
    "--epochs",
    "5",
    "--lr",
    "0.01",
]


@pytest.fixture(scope="module")
def tracking(tmp_path_factory):
    """A folder with an MLflow store, in which the commands run."""
    folder = tmp_path_factory.mktemp("mlflow")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.delenv("MLFLOW_RUN_ID", raising=False)
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{folder}/mlflow.db")
        patch.delenv("MLFLOW_EXPERIMENT_NAME", raising=False)
        yield folder


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    """A folder of 40 clips of two classes, and a manifest of them with groups."""
    folder = tmp_path_factory.mktemp("data") / "clips"
    rng = np.random.default_rng(0)
    rows = []
    for number in range(40):
        label = ("dark", "bright")[number % 2]
        frames = rng.normal((60, 190)[number % 2], 20, (6, 32, 32, 3)).clip(0, 255)
        (folder / label).mkdir(parents=True, exist_ok=True)
        write_video(folder / label / f"{number}.mp4", frames.astype(np.uint8))
        rows.append((f"{label}/{number}.mp4", label, f"camera{number // 10}"))
    with (folder / "manifest.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("path", "label", "group"), *rows])
    return folder


def quick_pipeline():
    return make_video_classifier(
        random_state=0, features__n_frames=2, features__frame_size=32, features__max_epochs=0
    )


def newest_runs(n=1):
    return mlflow.search_runs(search_all_experiments=True, output_format="list")[:n]


@pytest.fixture(scope="module")
def trained(tracking, clips):
    """The file of a model, and the run that made it."""
    assert cli.main(["train", "--data", str(clips), "--output", "model.skops", *FAST]) == 0
    return tracking / "model.skops", newest_runs()[0]


@pytest.fixture
def model(trained):
    return trained[0]


@pytest.fixture
def run(trained):
    return trained[1]


def test_train_logs_what_a_run_should_hold(run):
    assert run.info.status == "FINISHED"
    assert run.data.params["features__frame_size"] == "32"
    assert run.data.params["gru__lr_decay"] == "0.97"
    assert run.data.tags["split"].startswith("random 70/15/15, stratified by class, seed 0: 28")
    for name in ("val_accuracy", "val_macro_f1", "test_accuracy", "test_macro_f1"):
        assert run.data.metrics[name] == 1.0
    client = mlflow.MlflowClient()
    losses = client.get_metric_history(run.info.run_id, "gru_train_loss")
    assert [metric.step for metric in losses] == [1, 2, 3, 4, 5]
    files = {file.path for file in client.list_artifacts(run.info.run_id)}
    kinds = ("confusion_{}.png", "per_class_{}.csv")
    assert files == {kind.format(part) for kind in kinds for part in ("val", "test")} | {
        "environment.json",
        "report.html",
        "training.png",
    }
    per_class = mlflow.artifacts.load_text(f"{run.info.artifact_uri}/per_class_test.csv")
    assert per_class.splitlines()[1:] == ["bright,1.0,1.0,1.0,3", "dark,1.0,1.0,1.0,3"]
    environment = mlflow.artifacts.load_dict(f"{run.info.artifact_uri}/environment.json")
    assert environment["packages"]["torch"] == version("torch")


def test_predict_writes_probabilities(model, clips, tmp_path, capsys):
    video = str(clips / "dark" / "0.mp4")
    assert cli.main(["predict", "--model", str(model), video]) == 0
    (row,) = csv.DictReader(io.StringIO(capsys.readouterr().out))
    assert (row["path"], row["label"], row["error"]) == (video, "dark", "")
    assert float(row["dark"]) > 0.5
    assert float(row["dark"]) + float(row["bright"]) == pytest.approx(1, abs=1e-5)
    output = tmp_path / "p.csv"
    assert cli.main(f"predict --model {model} --data {clips} --output {output}".split()) == 0
    rows = list(csv.DictReader(output.open()))
    assert len(rows) == 40
    assert all(row["label"] in row["path"] for row in rows)


def test_predict_needs_no_labels_and_tells_clips_of_a_recording_apart(
    model, clips, tmp_path, capsys
):
    manifest = tmp_path / "new.csv"
    video = clips / "dark" / "0.mp4"
    lines = ["path,start,end,label", f"{video},,,", f"{video},0.1,0.3,", f"{video},50,60,"]
    manifest.write_text("\n".join(lines))
    assert cli.main(["predict", "--model", str(model), "--data", str(manifest)]) == 1
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [(row["path"], row["start"], row["end"]) for row in rows] == [
        (str(video), "", ""),
        (str(video), "0.1", "0.3"),
        (str(video), "50.0", "60.0"),
    ]
    assert [row["label"] for row in rows] == ["dark", "dark", ""]
    assert cli.main(["check", str(manifest)]) == 1
    assert f"{video} start 50.0, end 60.0  it holds no video frame" in capsys.readouterr().out
    assert cli.main(["check", str(video)]) == 0
    assert capsys.readouterr().out == "1 videos checked, 0 cannot be read.\n"
    assert cli.main(["train", "--data", str(video)]) == 1
    assert "it is a video; --data takes a folder" in capsys.readouterr().err


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


def test_evaluate_logs_how_a_saved_model_does(model, run, clips, capsys):
    trained = run.info.run_id
    rows = list(csv.DictReader((clips / "manifest.csv").open()))
    for number, row in enumerate(rows):
        row["split"] = "train" if number < 30 else "test"
        if number >= 38:  # two labels are wrong, on purpose
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
    assert cli.main([*command, str(model)]) == 0
    assert "all: accuracy 0.950" in capsys.readouterr().out
    assert cli.main([*command, str(model), "--part", "train"]) == 0
    assert "train: accuracy 1.000, macro-F1 1.000 on 30 videos" in capsys.readouterr().out
    assert cli.main([*command, str(model), "--part", "val"]) == 1
    assert "no such part; choose one of ['test', 'train'] or all" in capsys.readouterr().err
    assert newest_runs()[0].info.status == "FAILED"


def test_pickles_are_refused_unless_trusted(model, clips, tmp_path, capsys):
    pickled, video = tmp_path / "model.joblib", str(clips / "dark" / "0.mp4")
    joblib.dump(load_model(model), pickled)
    assert cli.main(["predict", "--model", str(pickled), video]) == 1
    assert "seems to be a pickle" in capsys.readouterr().err
    assert cli.main(["predict", "--model", str(pickled), "--trust", "yes", video]) == 0
    assert f"{video},dark," in capsys.readouterr().out


def test_a_registered_model_goes_by_its_alias(model, clips, capsys):
    command = ["train", "--data", str(clips), *FAST, "--register", "lamps"]
    assert cli.main(command) == 0
    assert "model: models:/lamps@champion" in capsys.readouterr().out
    with tracked_run("again"):
        assert log_model(load_model(model), "a.mp4", "lamps@next") == "models:/lamps@next"
    client = mlflow.MlflowClient()
    aliases = client.get_registered_model("lamps").aliases
    assert {name: int(number) for name, number in aliases.items()} == {"champion": 1, "next": 2}
    video = str(clips / "dark" / "0.mp4")
    for address, status in (("lamps@next", 0), ("lamps@nobody", 1)):
        assert cli.main(["predict", "--model", f"models:/{address}", video]) == status
    assert "models:/lamps@nobody: MLflow holds no such model" in capsys.readouterr().err


def test_predict_goes_on_after_a_broken_video(model, clips, broken_clip, capsys):
    videos = [str(broken_clip), str(clips / "bright" / "1.mp4"), "missing.mp4"]
    assert cli.main(["predict", "--model", str(model), *videos]) == 1
    out, err = capsys.readouterr()
    rows = list(csv.DictReader(io.StringIO(out)))
    assert [row["label"] for row in rows] == ["", "bright", ""]
    assert rows[0]["error"]
    assert rows[2]["error"] == "No such file or directory"
    assert "2 of 3 videos could not be read" in err


def test_tune_logs_a_run_for_each_candidate(tracking, clips, capsys):
    options = ["--hidden-size", "4,8", "--lr-decay", "0.9,0.97", "--cv", "2"]
    manifest = str(clips / "manifest.csv")
    assert cli.main(["tune", "--data", manifest, *FAST, *options]) == 0
    out = capsys.readouterr().out
    assert "split: grouped: each of 4 groups on one side" in out
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
    assert parent.data.tags["cv"] == "search over 2 folds, each group in one of them"
    artifacts = mlflow.MlflowClient().list_artifacts(parent.info.run_id)
    assert {"search.png", "report.html"} <= {file.path for file in artifacts}
    assert "val_accuracy" not in parent.data.metrics  # the refit has seen those videos


def test_without_data_clips_are_generated(tracking, capsys, monkeypatch):
    few = experiments.make_order_videos
    monkeypatch.setattr(
        experiments, "make_order_videos", lambda path, **kw: few(path, n_per_class=12, **kw)
    )
    assert cli.main(["train", "--epochs", "2"]) == 0
    out = capsys.readouterr().out
    assert "24 videos" in out
    assert "the manifest's own split: 14 train, 4 val, 6 test" in out
    for line in ("a classifier on single frames", "frames shuffled", "chance"):
        assert line in out
    (run,) = newest_runs()
    assert {"test_accuracy_single_frames", "test_accuracy_shuffled_frames"} <= set(
        run.data.metrics
    )
    assert run.data.params["features__n_frames"] == "6"


def test_check_reports_every_unreadable_video(clips, tmp_path, capsys, broken_clip):
    assert cli.main(["check", str(clips)]) == 0
    assert capsys.readouterr().out == "40 videos checked, 0 cannot be read.\n"
    rows = ["path,label", "clip.mp4,a", "broken.mp4,a", "missing.mp4,b"]
    (tmp_path / "manifest.csv").write_text("\n".join(rows))
    write_video(tmp_path / "clip.mp4", make_frames(5))
    assert cli.main(["check", str(tmp_path / "manifest.csv")]) == 1
    heading, broken, missing, summary = capsys.readouterr().out.splitlines()
    column = heading.index("reason")
    assert broken[:column].strip() == f"{tmp_path}/broken.mp4"
    assert missing[:column].strip() == f"{tmp_path}/missing.mp4"
    assert missing[column:] == "No such file or directory"
    assert summary == "3 videos checked, 2 cannot be read."
    assert cli.main(["check", str(tmp_path / "manifest.csv"), "--json"]) == 1
    reports = json.loads(capsys.readouterr().out)
    assert [report["n_frames"] for report in reports] == [5, 0, 0]
    assert reports[0]["reason"] is None
    assert reports[2]["reason"] == "No such file or directory"
    assert cli.main(["check", str(tmp_path)]) == 1  # any folder of videos
    assert capsys.readouterr().out.endswith("2 videos checked, 1 cannot be read.\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "--data", "nowhere"], "train: error: nowhere: there is no such folder"),
        (["train", "--output", "no/m.joblib"], "'no/m.joblib': there is no folder"),
        (["check", "nowhere"], "there is no such folder or manifest"),
        (["check", str(Path(__file__).parent)], "cli: the folder holds no video (known"),
        (["predict", "--model", "none.joblib", "a.mp4"], "none.joblib: there is no such"),
        (["predict", "--model", "none.joblib"], "no video given"),
        (["predict", "--model", "none.joblib", "."], ".: it is a folder; give it as --data ."),
        (["predict", "--model", __file__, "--trust", "yes", "a.mp4"], "no model could be loaded"),
        (
            ["predict", "--model", "runs:/none/model", "a.mp4"],
            "runs:/none/model: MLflow holds no",
        ),
        (["train", "--output", "/"], "'/' is a folder"),
        (["train", "--output", os.devnull], "is a device"),
        (["train", "--register", "a/b"], "--register a/b: 'a/b' is no model's name"),
        (["train", "--register", "a@v1"], "--register a@v1: an alias is"),
        (["train", "--register", f"a@{'b' * 256}"], "an alias is made of at most 255"),
        (["train", "--lr", "0"], "'lr' parameter of GRUClassifier must be"),
        (["tune", "--hidden-size", "8,0"], "'hidden_size' parameter of GRUClassifier must be"),
    ],
)
def test_errors_are_one_readable_line(tracking, arguments, message, capsys):
    assert cli.main(arguments) == 1
    err = capsys.readouterr().err
    assert message in err
    assert err.count("\n") == 1


def test_tune_needs_as_many_groups_as_folds(tracking, clips, capsys):
    manifest = str(clips / "manifest.csv")
    assert cli.main(["tune", "--data", manifest, *FAST, "--cv", "9"]) == 1
    err = capsys.readouterr().err
    assert "tune: error: --cv 9: folds do not part groups, of which" in err
    assert err.count("\n") == 1


def test_what_mlflow_refuses_is_one_readable_line(tracking, clips, monkeypatch, capsys):
    def refuses(*_):
        raise MlflowException("no such\nthing")

    monkeypatch.setattr(experiments, "log_pipeline_params", refuses)
    assert cli.main(["train", "--data", str(clips), *FAST]) == 1
    assert capsys.readouterr().err == "skvideo-gru train: error: MLflow: no such thing\n"


def test_paths_may_be_relative_and_absolute(tracking, clips, capsys):
    lines = (clips / "manifest.csv").read_text().splitlines()
    near = os.path.relpath(clips)
    rows = [f"{near if i % 2 else clips}/{line}" for i, line in enumerate(lines[1:])]
    Path("mixed.csv").write_text("\n".join([lines[0], *rows]))
    assert cli.main(["train", "--data", "mixed.csv", *FAST]) == 0
    Path("mixed.csv").unlink()


def test_evaluate_knows_labels_that_are_numbers(tracking, clips, colour_clips, capsys):
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


def test_evaluate_takes_steps_of_any_name(tracking, clips, colour_clips, capsys, monkeypatch):
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
    command = ["evaluate", "--model", "named.skops", "--data", str(clips), "--n-jobs", "2"]
    assert cli.main(command) == 0
    assert set(n_jobs) == {2}
    assert "all: accuracy" in capsys.readouterr().out
    assert "classify_train_loss" in newest_runs()[0].data.metrics


def test_a_missing_engine_is_one_readable_line(tracking, colour_clips, capsys, monkeypatch):
    videos, y = colour_clips
    save_model(quick_pipeline().fit(videos, y).set_params(features__engine="openvino"), "m.skops")
    monkeypatch.setitem(sys.modules, "openvino", None)
    assert cli.main(["predict", "--model", "m.skops", str(videos[0])]) == 1
    err = capsys.readouterr().err
    assert "predict: error: engine='openvino' needs the package" in err
    assert err.count("\n") == 1


def test_predict_names_columns_apart_and_writes_any_name(clips, colour_clips, tmp_path):
    videos, y = colour_clips
    save_model(
        quick_pipeline().fit(videos, np.where(y == "dark", "error", "path")), tmp_path / "m.skops"
    )
    odd = os.path.join(os.fsencode(tmp_path), b"caf\xe9.mp4")
    shutil.copy(videos[0], odd)
    output = tmp_path / "p.csv"
    names = [os.fsdecode(odd), videos[1]]
    command = ["predict", "--model", str(tmp_path / "m.skops"), "--output", str(output), *names]
    assert cli.main(command) == 0
    with output.open(encoding="utf-8", errors="surrogateescape", newline="") as file:
        rows = list(csv.reader(file))
    assert rows[0] == ["path", "label", "class error", "class path", "error"]
    assert [row[0] for row in rows[1:]] == names


def test_check_prints_any_name(tmp_path):
    odd = os.path.join(os.fsencode(tmp_path), b"caf\xe9.mp4")
    with open(odd, "wb") as file:
        file.write(b"no video")
    done = subprocess.run(
        [sys.executable, "-m", "skvideo_gru", "check", str(tmp_path)],
        capture_output=True,
        env=os.environ | {"PYTHONIOENCODING": "utf-8:strict"},
        check=False,
    )
    assert done.returncode == 1
    assert odd in done.stdout


def test_a_failed_run_is_marked_as_failed(tracking, clips, broken_clip, tmp_path, capsys):
    lines = (clips / "manifest.csv").read_text().splitlines()
    rows = [lines[0], *(f"{clips}/{line}" for line in lines[1:]), f"{broken_clip},dark,camera0"]
    (tmp_path / "manifest.csv").write_text("\n".join(rows))
    arguments = ["train", "--data", str(tmp_path / "manifest.csv"), "--split", "random", *FAST]
    assert cli.main(arguments) == 1
    assert str(broken_clip) in capsys.readouterr().err
    assert newest_runs()[0].info.status == "FAILED"


def test_a_broken_test_video_costs_no_trained_model(tracking, clips, broken_clip, tmp_path):
    rows = [line.split(",") for line in (clips / "manifest.csv").read_text().split()[1:]]
    lines = [f"{clips}/{path},{label},train" for path, label, _ in rows]
    table = ["path,label,split", *lines, f"{broken_clip},dark,test"]
    (tmp_path / "manifest.csv").write_text("\n".join(table))
    output = tmp_path / "model.skops"
    arguments = ["train", "--data", str(tmp_path / "manifest.csv"), "--output", str(output)]
    assert cli.main([*arguments, *FAST]) == 1
    assert load_model(output).predict([f"{clips}/dark/0.mp4"]) == ["dark"]


@pytest.mark.parametrize(
    ("arguments", "usage"),
    [
        (["train", "--epochs", "many"], "usage: skvideo-gru train [-h] [--data"),
        (["train", "--epoch-size", "3"], "usage: skvideo-gru train [-h] [--data"),
        (["train", "--epoch", "3"], "usage: skvideo-gru train [-h] [--data"),
        (["tune", "--lr-decay", "a,b"], "usage: skvideo-gru tune [-h] [--data"),
        (["paint"], "usage: skvideo-gru [-h]"),
        ([], "usage: skvideo-gru [-h]"),
    ],
)
def test_wrong_usage_exits_with_2_and_tells_the_right_one(arguments, usage, capsys):
    with pytest.raises(SystemExit) as caught:
        cli.main(arguments)
    assert caught.value.code == 2
    assert usage in capsys.readouterr().err


def test_interruption_is_no_traceback(monkeypatch, capsys):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(commands, "load_data", interrupted)
    assert cli.main(["check", "clips"]) == 130
    assert capsys.readouterr().err == "skvideo-gru check: interrupted\n"


def test_help_imports_nothing_heavy():
    code = (
        "import sys; from skvideo_gru.cli.parser import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "assert not {'torch', 'sklearn', 'mlflow', 'numpy', 'av'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_module_runs_as_a_program():
    done = subprocess.run(
        [sys.executable, "-m", "skvideo_gru", "--version"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "0.1.0"


def test_entry_points_pass_options_that_the_command_line_has(pytestconfig):
    project = yaml.safe_load((pytestconfig.rootpath / "MLproject").read_text())
    assert set(project["entry_points"]) == {"main", "tune", "evaluate", "predict", "check"}
    for entry in project["entry_points"].values():
        values = {name: spec.get("default", "x") for name, spec in entry["parameters"].items()}
        words = entry["command"].split()
        assert words[:3] == ["python", "-m", "skvideo_gru"]
        arguments = [str(values[w[1:-1]]) if w.startswith("{") else w for w in words[3:]]
        parsed = vars(_parse(arguments))
        plain = vars(_parse([words[3], *_required(words[3])]))
        for name, spec in entry["parameters"].items():
            assert f"{{{name}}}" in words, name
            if "default" in spec:
                assert parsed[name] == plain[name], name


def _required(command):
    model = ["--model", "x"]
    needed = {"predict": model, "evaluate": [*model, "--data", "x"], "check": ["x"]}
    return needed.get(command, [])


def test_cache_shows_and_prunes(tracking, clips, capsys):
    command = ["train", "--data", str(clips), *FAST, "--memory", "kept"]
    assert cli.main(command) == 0
    capsys.readouterr()
    assert cli.main(["cache", "kept"]) == 0
    shown = capsys.readouterr().out
    assert [line.split()[:2] for line in shown.splitlines()[1:]] == [
        ["features", "40"],
        ["backbone", "1"],
        ["interrupted", "0"],
    ]
    assert cli.main(["cache", "kept", "--max-size", "1M"]) == 0
    _, features, backbone, _, removed = capsys.readouterr().out.splitlines()
    assert int(features.split()[1]) + int(backbone.split()[1]) + int(removed.split()[0]) == 41
    assert cli.main(["cache", "kept", "--max-age", "0"]) == 0
    assert "features           0        0 B" in capsys.readouterr().out


def test_cache_names_what_is_wrong(capsys):
    assert cli.main(["cache", "nowhere"]) == 1
    assert "nowhere: no folder in which a cache was kept" in capsys.readouterr().err
    for option, value in (("size", "much"), ("size", "-1"), ("age", "old"), ("age", "-1")):
        with pytest.raises(SystemExit, match="2"):
            cli.main(["cache", "nowhere", f"--max-{option}={value}"])
        assert f"argument --max-{option}: invalid" in capsys.readouterr().err


def test_options_of_the_backbone_reach_it():
    options = ["--objective", "clip", "--modality", "motion", "--augmentation", "strong"]
    pipe = experiments._pipeline(_parse(["train", *options]), generated=True, memory=None)
    chosen = {name: pipe["features"].get_params()[name[2:]] for name in options[::2]}
    assert chosen == dict(zip(options[::2], options[1::2], strict=True))
