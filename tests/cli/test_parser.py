# ruff: noqa: F401, F811
import os
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
import yaml
from cli_fixtures import tracking

from skvideo_gru import cli
from skvideo_gru.cli import commands
from skvideo_gru.cli.parser import _parse


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
def test_wrong_usage_exits_with_2_and_shows_the_usage_of_the_command(arguments, usage, capsys):
    with pytest.raises(SystemExit) as caught:
        cli.main(arguments)
    assert caught.value.code == 2
    assert usage in capsys.readouterr().err


def test_an_unknown_option_suggests_the_nearest(capsys):
    with pytest.raises(SystemExit, match="2"):
        cli.main(["train", "clips", "--epoch=3"])
    message = "error: unrecognized arguments: clips --epoch=3; did you mean --epochs?\n"
    assert capsys.readouterr().err.endswith(message)


def test_an_interruption_prints_no_traceback(monkeypatch, capsys):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(commands, "load_data", interrupted)
    assert cli.main(["check", "clips"]) == 130
    assert capsys.readouterr().err == "skvideo-gru check: interrupted\n"


def test_sigterm_is_an_interruption(monkeypatch, capsys):
    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr(
        commands, "load_data", lambda *_, **__: signal.raise_signal(signal.SIGTERM)
    )
    assert cli.main(["check", "clips"]) == 130
    assert capsys.readouterr().err == "skvideo-gru check: interrupted\n"
    assert signal.getsignal(signal.SIGTERM) is before


def test_no_arguments_show_the_help(capsys):
    with pytest.raises(SystemExit) as caught:
        cli.main([])
    assert caught.value.code == 2
    shown = capsys.readouterr().err
    for command in ("train", "tune", "evaluate", "predict", "check", "cache"):
        assert f"\n    {command} " in shown


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


def test_entry_points_pass_all_options(pytestconfig):
    project = yaml.safe_load((pytestconfig.rootpath / "MLproject").read_text())
    commands = {"main", "tune", "evaluate", "predict", "timeline", "check"}
    assert set(project["entry_points"]) == commands
    for entry in project["entry_points"].values():
        values = {name: spec.get("default", "1") for name, spec in entry["parameters"].items()}
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
    needed["timeline"] = ["x", *model, "--window", "1"]
    return needed.get(command, [])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "--data", "nowhere"], "train: error: nowhere: no such folder"),
        (["train", "--output", "no/m.joblib"], "no' does not exist; create it"),
        (["check", "nowhere"], "nowhere: no such folder or manifest in "),
        (
            ["check", str(Path(__file__).parent)],
            "cli: the folder contains no video. Add files with",
        ),
        (
            ["predict", "--model", "none.joblib", "a.mp4"],
            "none.joblib: the model file does not exist",
        ),
        (["predict", "--model", "none.joblib"], "no videos: pass video files"),
        (["predict", "--model", "none.joblib", "."], ". is a folder; pass it as --data ."),
        (
            ["predict", "--model", __file__, "--trust", "yes", "a.mp4"],
            "the model cannot be loaded",
        ),
        (
            ["predict", "--model", "runs:/none/model", "a.mp4"],
            "runs:/none/model: no such model in the MLflow store",
        ),
        (["train", "--output", "/"], "'/' is a folder"),
        (["train", "--output", os.devnull], "is a device"),
        (["train", "--register", "a/b"], "--register a/b: 'a/b' is not a valid model name"),
        (["train", "--register", "a@v1"], "--register a@v1: 'v1' is not a valid alias"),
        (["train", "--register", f"a@{'b' * 256}"], "use at most 255 letters"),
        (["train", "--lr", "0"], "'lr' parameter of GRUClassifier must be"),
        (["tune", "--hidden-size", "8,0"], "'hidden_size' parameter of GRUClassifier must be"),
    ],
)
def test_errors_are_one_readable_line(tracking, arguments, message, capsys):
    assert cli.main(arguments) == 1
    err = capsys.readouterr().err
    assert message in err
    assert err.count("\n") == 1
