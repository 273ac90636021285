import base64
import json
import shutil
import subprocess
import sys

import mlflow
import mlflow.models
import numpy as np
import pandas as pd
import pytest
from mlflow.exceptions import MlflowException
from mlflow.pyfunc import scoring_server

from skvideo_gru import VideoClip, make_video_classifier
from skvideo_gru.datasets.generated import write_video
from skvideo_gru.mlops import log_model, open_run
from skvideo_gru.mlops.serving import ServedModel, _rows


@pytest.fixture(scope="module")
def pipe(colour_clips):
    pipe = make_video_classifier(
        random_state=0, features__n_frames=2, features__frame_size=32, features__max_epochs=0
    )
    return pipe.set_params(gru__max_epochs=30).fit(*colour_clips)


@pytest.fixture(scope="module")
def logged(pipe, tmp_path_factory, make_store):
    """The folder of a logged model, outside the store that it was logged to."""
    folder = tmp_path_factory.mktemp("store")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("MLFLOW_TRACKING_URI", make_store(folder))
        with open_run("train"):
            address = log_model(pipe, "clip.mp4")
        elsewhere = tmp_path_factory.mktemp("elsewhere")
        return mlflow.artifacts.download_artifacts(address, dst_path=str(elsewhere))


def as_text(path):
    return base64.b64encode(path.read_bytes()).decode()


def test_a_path_and_its_content_have_the_same_prediction(pipe, clip):
    served = ServedModel(pipe, [clip.parent])
    text = as_text(clip)
    given = [str(clip), clip.read_bytes(), text, f"data:video/mp4;base64,{text}"]
    label, proba = pipe.predict([clip])[0], pipe.predict_proba([clip])[0]
    for form in (given, np.array(given, object), pd.DataFrame({"video": given})):
        answers = served.predict(form, {"probabilities": True})
        assert answers["label"].tolist() == [label] * 4
        assert answers["error"].isna().all()
        for answer in answers["probabilities"]:
            assert list(answer) == pipe.classes_.tolist()
            np.testing.assert_allclose(list(answer.values()), proba, rtol=1e-5)
    assert list(served.predict([clip]).columns) == ["label", "error"]
    assert served.predict([clip])["label"].tolist() == [label]


def test_an_unreadable_video_does_not_affect_other_rows(pipe, clip, broken_clip, tmp_path):
    served = ServedModel(pipe, [clip.parent, broken_clip.parent])
    given = [str(broken_clip), str(clip), None, "data:video/mp4;base64,A", as_text(clip)[:400]]
    given += ["", "a\0b", 3, "x" * 5000, f"{clip.parent}/{'x' * 300}.mp4"]
    answers = served.predict(given)
    assert answers["label"].notna().tolist() == [False, True] + [False] * 8
    assert str(broken_clip) in answers["error"][0]
    assert "send a path, or the content of a file as base64" in answers["error"][2]
    assert "not valid base64" in answers["error"][3]


def test_only_videos_in_the_allowed_folders_are_read(pipe, clip, tmp_path):
    inside = tmp_path / "inside"
    inside.mkdir()
    shutil.copy(clip, inside / "clip.mp4")
    (inside / "link.mp4").symlink_to(clip)
    (tmp_path / "inside-not").mkdir()
    shutil.copy(clip, tmp_path / "inside-not" / "clip.mp4")
    given = [
        inside / "clip.mp4",
        inside / "link.mp4",
        inside / ".." / "inside-not" / "clip.mp4",
        tmp_path / "inside-not" / "clip.mp4",
        tmp_path / "missing.mp4",
    ]
    answers = ServedModel(pipe, [inside]).predict([str(path) for path in given])
    assert answers["label"].notna().tolist() == [True, False, False, False, False]
    # The error does not reveal whether a file outside the folders exists.
    assert answers["error"][1:].str.contains("not in a folder that this server may read").all()
    assert ServedModel(pipe).predict([str(clip)])["label"].isna().all()


def test_the_logged_model_predicts_in_a_new_process(pipe, logged, clip, tmp_path):
    code = (
        "import json, sys, mlflow\n"
        "model = mlflow.pyfunc.load_model(sys.argv[1], model_config={'folders': sys.argv[2]})\n"
        "answers = model.predict(sys.argv[3:], params={'probabilities': True})\n"
        "print(json.dumps(answers.to_dict('records')))"
    )
    arguments = [sys.executable, "-c", code, logged, clip.parent, clip, "missing.mp4"]
    done = subprocess.run(arguments, check=True, capture_output=True, text=True, cwd=tmp_path)
    first, second = json.loads(done.stdout)
    assert first["label"] == pipe.predict([clip])[0]
    proba = [first["probabilities"][str(label)] for label in pipe.classes_]
    np.testing.assert_allclose(proba, pipe.predict_proba([clip])[0], rtol=1e-6)
    assert "may read" in second["error"]


@pytest.fixture(scope="module")
def recording(colour_clips, pipe, tmp_path_factory):
    """A video of two seconds whose first second is dark and whose second one is bright."""
    path = tmp_path_factory.mktemp("recording") / "recording.mp4"
    rng = np.random.default_rng(3)
    light = np.repeat([60, 190], 12)[:, None, None, None]
    frames = rng.normal(light, 20, (24, 32, 32, 3)).clip(0, 255).astype(np.uint8)
    write_video(path, frames, rate=12)
    ranges = [VideoClip(path, None, 1.0), VideoClip(path, 1.0, None)]
    assert pipe.predict(ranges).tolist() == ["dark", "bright"]  # independent of serving
    return path


def ranges_of(path):
    """Rows of the recording in both orders, with and without bounds."""
    return [(str(path), None, 1.0), (str(path), 1.0, None), (str(path), None, None)]


def test_time_ranges_of_a_table_have_their_own_labels(pipe, recording):
    served = ServedModel(pipe, [recording.parent])
    table = pd.DataFrame(ranges_of(recording), columns=["path", "start", "end"])
    clips = [VideoClip(*row) for row in ranges_of(recording)]
    expected = [dict(zip(pipe.classes_, p, strict=True)) for p in pipe.predict_proba(clips)]
    records = table.astype(object).where(table.notna(), None).to_dict("records")
    forms = [
        table,
        table[["end", "path", "start"]],
        table.astype(object).where(table.notna(), None),
        table.astype({"start": "Float64", "end": "Float64"}),
        records,
        [{k: v for k, v in record.items() if v is not None} for record in records],
        table.to_dict("list"),
        {name: table[name].to_numpy() for name in table},
    ]
    for form in forms:
        predicted = served.predict(form, {"probabilities": True})
        assert predicted["error"].isna().all(), predicted["error"].tolist()
        assert predicted["label"].tolist()[:2] == ["dark", "bright"]
        for found, wanted in zip(predicted["probabilities"], expected, strict=True):
            assert found == pytest.approx(wanted, rel=1e-5)


def test_one_bound_or_one_record_suffices(pipe, recording):
    served = ServedModel(pipe, [recording.parent])
    assert served.predict({"path": str(recording), "start": 1})["label"].tolist() == ["bright"]
    ended = pd.DataFrame({"end": [1.0], "path": [str(recording)]})
    assert served.predict(ended)["label"].tolist() == ["dark"]
    mixed = [str(recording), {"path": str(recording), "start": 1.0}]
    assert served.predict(mixed)["label"].notna().tolist() == [True, True]


def test_wrong_columns_are_refused_and_the_known_ones_listed(pipe, recording):
    served = ServedModel(pipe, [recording.parent])
    path = [str(recording)]
    known = r"\['path', 'start', 'end'\]"
    for form in (
        pd.DataFrame({"path": path, "begin": [1.0]}),
        {"path": path, "begin": [1.0]},
        [{"path": path[0], "begin": 1.0}],
    ):
        with pytest.raises(ValueError, match=rf"Unknown columns \['begin'\].*{known}"):
            served.predict(form)
    with pytest.raises(ValueError, match=r"'path' is missing; add it to \['start'\]"):
        served.predict(pd.DataFrame({"start": [1.0]}))
    with pytest.raises(ValueError, match=r"unique, got \['path', 'path'\]"):
        served.predict(pd.DataFrame([path * 2], columns=["path", "path"]))
    with pytest.raises(ValueError, match=r"\(n,\) or \(n, 1\), got \(1, 3\)"):
        served.predict(np.array([[*path, 1.0, 2.0]], object))


def test_content_is_complete_and_valid(pipe):
    served = ServedModel(pipe)
    assert _rows({"path": [b"ab\0\0"]}) == [(b"ab\0\0",)]
    for wrong in ("data:video/mp4;base64,@@@", "data:video/mp4;base64,AAA"):
        assert "not valid base64" in served.predict([wrong])["error"][0]
    with pytest.raises(ValueError, match="the same number of rows"):
        served.predict({"path": ["a.mp4", "b.mp4"], "start": [0.0]})


def test_wrong_bounds_are_errors_of_their_rows(pipe, recording, clip):
    served = ServedModel(pipe, [recording.parent])
    rows = [(str(recording), -1, None), (str(recording), 2, 1), (str(recording), "x", None)]
    rows += [(as_text(recording), 0.5, None), (str(clip), 0, 1), (str(recording), 1, None)]
    table = pd.DataFrame(rows, columns=["path", "start", "end"], dtype=object)
    predicted = served.predict(table)
    assert predicted["label"].tolist() == [None] * 5 + ["bright"]
    reasons = [
        "must not be negative",
        "must be greater than start",
        "start must be a number of seconds, got 'x'",
        "for paths only",
        "not in a folder",
    ]
    for reason, error in zip(reasons, predicted["error"], strict=False):
        assert reason in error, error


@pytest.fixture
def ask(logged, recording, monkeypatch):
    """Send a request to MLflow's scoring server for the logged model, without a socket."""
    monkeypatch.setenv("SKVIDEO_GRU_FOLDERS", str(recording.parent))
    model = mlflow.pyfunc.load_model(logged)

    def post(body, content_type="application/json"):
        text = body if content_type == "text/csv" else json.dumps(body)
        schema = model.metadata.get_input_schema()
        response = scoring_server.invocations(text, content_type, model, schema)
        assert response.status == 200
        return json.loads(response.response)["predictions"]

    return post


def test_every_format_of_the_scoring_server(ask, recording):
    columns = ["start", "end", "path"]
    rows = [[start, end, path] for path, start, end in ranges_of(recording)]
    records = [dict(zip(columns, row, strict=True)) for row in rows]
    by_column = {name: [record[name] for record in records] for name in columns}
    bodies = [
        {"dataframe_records": records},
        {"dataframe_split": {"columns": columns, "data": rows}},
        {"instances": records},
        {"inputs": by_column},
        {"inputs": records},
    ]
    for body in bodies:
        labels = [row["label"] for row in ask(body)]
        assert labels[:2] == ["dark", "bright"], body
        assert labels[2] in ("dark", "bright")
    text = pd.DataFrame(rows, columns=columns).to_csv(index=False)
    assert [row["label"] for row in ask(text, "text/csv")][:2] == ["dark", "bright"]
    for name in ("inputs", "instances"):
        given = [str(recording), as_text(recording)]
        first, second = ask({name: given, "params": {"probabilities": True}})
        assert first == second and set(first["probabilities"]) == {"dark", "bright"}
    with pytest.raises(MlflowException, match=r"Unknown columns \['begin'\].*'end'") as caught:
        ask({"dataframe_records": [{"path": "a", "begin": 1}]})
    assert caught.value.get_http_status_code() == 400


def test_the_input_example_is_a_request(ask, logged):
    with open(f"{logged}/serving_input_example.json", encoding="utf-8") as file:
        body = json.load(file)
    columns = ["path", "start", "end"]
    assert body == {"dataframe_split": {"columns": columns, "data": [["clip.mp4", None, None]]}}
    (answer,) = ask(body)
    assert "not in a folder that this server may read" in answer["error"]


def test_mlflow_evaluates_the_logged_model(logged, recording, tmp_path, make_store, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", make_store(tmp_path))
    table = pd.DataFrame(
        [(*row, label) for row, label in zip(ranges_of(recording), "abc", strict=True)],
        columns=["path", "start", "end", "label"],
    )
    table = pd.concat([table[:2]] * 2, ignore_index=True)
    table["label"] = ["dark", "bright", "dark", "dark"]  # three of four are right
    config = {"folders": str(recording.parent), "output": "labels"}
    with mlflow.start_run():
        result = mlflow.models.evaluate(
            logged, table, targets="label", model_type="classifier", model_config=config
        )
    assert result.metrics["accuracy_score"] == 0.75
    assert result.metrics["example_count"] == 4


def test_labels_alone_need_readable_videos(pipe, recording, broken_clip):
    served = ServedModel(pipe, [recording.parent, broken_clip.parent], output="labels")
    assert served.predict([str(recording)]).shape == (1,)
    with pytest.raises(ValueError, match=r"Row 1 cannot be classified: .*broken\.mp4"):
        served.predict([str(recording), str(broken_clip)])
    with pytest.raises(
        ValueError, match=r"output must be one of \['table', 'labels'\], got 'label'"
    ):
        ServedModel(pipe, output="label")
