# ruff: noqa: F401, F811
import os
import signal
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
from cli_fixtures import tracking

from skvideo_gru import cli
from skvideo_gru.cli import commands, experiments


def test_an_interruption_prints_no_traceback(monkeypatch, capsys):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(commands, "load_data", interrupted)
    assert cli.main(["check", "clips"]) == 130
    assert capsys.readouterr().err == "skvideo-gru check: interrupted\n"


def test_an_interrupted_command_with_a_cache_can_continue(monkeypatch, capsys):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(experiments, "build_pipeline", interrupted)
    for memory in ([], ["--memory", "cache"]):
        assert cli.main(["train", *memory]) == 130
        again = "; run the same command again to continue" if memory else ""
        assert capsys.readouterr().err == f"skvideo-gru train: interrupted{again}\n"


def test_sigterm_is_an_interruption(monkeypatch, capsys):
    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr(
        commands, "load_data", lambda *_, **__: signal.raise_signal(signal.SIGTERM)
    )
    assert cli.main(["check", "clips"]) == 130
    assert capsys.readouterr().err == "skvideo-gru check: interrupted\n"
    assert signal.getsignal(signal.SIGTERM) is before


def test_help_imports_nothing_heavy():
    code = (
        "import sys; from skvideo_gru.cli.program import main\n"
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
            "the file is no model; pass a file that",
        ),
        (
            ["predict", "--model", "runs:/none/model", "a.mp4"],
            "runs:/none/model: no such model in the MLflow store",
        ),
        (["train", "--output", "/"], "'/' is a folder"),
        (["train", "--output", os.devnull], "is a device"),
        (["train", "--register", "a/b"], "register='a/b': 'a/b' is not a valid model name"),
        (["train", "--register", "a@v1"], "register='a@v1': 'v1' is not a valid alias"),
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


def test_warnings_are_printed_in_one_line(tmp_path, monkeypatch, capsys):
    manifest = tmp_path / "m.csv"
    manifest.write_text("path,groups\nmissing.mp4,a\n")
    before = warnings.formatwarning
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        # Pytest collects warnings; the interpreter prints them so.
        monkeypatch.setattr(
            warnings, "showwarning", lambda *w: sys.stderr.write(warnings.formatwarning(*w))
        )
        assert cli.main(["check", str(manifest)]) == 1
    expected = f"skvideo-gru check: warning: {manifest}: the column 'groups' is ignored, and"
    assert capsys.readouterr().err.startswith(expected)
    assert warnings.formatwarning is before
