import base64
import json
import shutil
import subprocess
import sys

import mlflow
import numpy as np
import pandas as pd
import pytest

from skvideo_gru import make_video_classifier
from skvideo_gru.mlops.serving import ServedModel
from skvideo_gru.mlops.tracking import log_model, tracked_run


@pytest.fixture(scope="module")
def pipe(colour_clips):
    pipe = make_video_classifier(
        random_state=0, features__n_frames=2, features__frame_size=32, features__max_epochs=0
    )
    return pipe.set_params(gru__max_epochs=5).fit(*colour_clips)


@pytest.fixture(scope="module")
def logged(pipe, tmp_path_factory):
    """The folder of a logged model, away from the store that it was logged to."""
    folder = tmp_path_factory.mktemp("store")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{folder}/mlflow.db")
        with tracked_run("train"):
            address = log_model(pipe, "clip.mp4")
        elsewhere = tmp_path_factory.mktemp("elsewhere")
        return mlflow.artifacts.download_artifacts(address, dst_path=str(elsewhere))


def as_text(path):
    return base64.b64encode(path.read_bytes()).decode()


def test_paths_and_contents_get_the_same_answer(pipe, clip):
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
    assert list(served.predict([str(clip)]).columns) == ["label", "error"]


def test_what_cannot_be_read_spoils_no_other_row(pipe, clip, broken_clip, tmp_path):
    served = ServedModel(pipe, [clip.parent, broken_clip.parent])
    given = [str(broken_clip), str(clip), None, "data:video/mp4;base64,A", as_text(clip)[:400]]
    given += ["", "a\0b", 3, "x" * 5000, f"{clip.parent}/{'x' * 300}.mp4"]
    answers = served.predict(given)
    assert answers["label"].notna().tolist() == [False, True] + [False] * 8
    assert str(broken_clip) in answers["error"][0]
    assert "give a path, or a file's content as base64" in answers["error"][2]
    assert "no base64" in answers["error"][3]


def test_only_videos_in_the_folders_given_are_read(pipe, clip, tmp_path):
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
    # What is missing outside is not told apart from what is there.
    assert answers["error"][1:].str.contains("not in a folder that this server may read").all()
    assert ServedModel(pipe).predict([str(clip)])["label"].isna().all()


def test_the_logged_model_answers_in_a_fresh_process(pipe, logged, clip, tmp_path):
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
