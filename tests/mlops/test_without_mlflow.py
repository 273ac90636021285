"""The package without the extra `mlflow`."""

import subprocess
import sys
from importlib import import_module

import pytest

from skvideo_gru import cli, mlops

SCRIPT = """
import importlib.abc
import importlib.util
import sys

class NotInstalled(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def find_spec(self, name, path, target=None):
        if name in ("mlflow", "pandas", "psutil"):
            return importlib.util.spec_from_loader(name, self)

    def create_module(self, spec):
        raise ModuleNotFoundError(f"No module named {spec.name!r}", name=spec.name)

sys.meta_path.insert(0, NotInstalled())

import numpy as np
from skvideo_gru import make_video_classifier
from skvideo_gru.mlops import load_model, save_model

clips = [np.full((3, 32, 32, 3), shade, np.uint8) for shade in (0, 255) * 3]
pipe = make_video_classifier(
    random_state=0, features__n_frames=2, features__max_epochs=0, gru__max_epochs=1
)
pipe.fit(clips, [0, 1] * 3)
save_model(pipe, "model.skops")
assert (load_model("model.skops").predict_proba(clips) == pipe.predict_proba(clips)).all()
"""


def test_fitting_and_saving_need_no_mlflow(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


@pytest.fixture
def without_mlflow(monkeypatch):
    """Make MLflow appear not installed."""
    for name in list(sys.modules):
        if name.partition(".")[0] == "mlflow" or name.startswith(
            ("skvideo_gru.mlops.", "skvideo_gru.runs")
        ):
            monkeypatch.delitem(sys.modules, name)
    for name in mlops.__all__:  # what earlier tests have imported
        monkeypatch.delitem(vars(mlops), name, raising=False)
    monkeypatch.setitem(sys.modules, "mlflow", None)


REMEDY = r"MLflow is not installed.*pip install 'skvideo-gru\[mlflow\]'"


def test_functions_that_log_name_the_extra(without_mlflow):
    with pytest.raises(ModuleNotFoundError, match=REMEDY):
        mlops.log_model  # noqa: B018
    with pytest.raises(ModuleNotFoundError, match=REMEDY):
        import_module("skvideo_gru.runs")


@pytest.mark.parametrize("command", ["train", "tune", "evaluate --model m.skops"])
def test_commands_that_log_a_run_name_the_extra(command, without_mlflow, capsys):
    assert cli.main([*command.split(), "--data", "clips"]) == 1
    error = capsys.readouterr().err
    assert error.startswith(f"skvideo-gru {command.split()[0]}: error: MLflow is not installed.")
