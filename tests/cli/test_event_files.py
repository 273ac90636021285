import csv
import io
import itertools
import json
import re
from pathlib import Path

import numpy as np
import pytest
from cli_fixtures import quick_pipeline
from conftest import break_video
from sklearn.frozen import FrozenEstimator

from skvideo_gru import SelectiveClassifierCV, cli, predict_timeline
from skvideo_gru.cli import event_files
from skvideo_gru.cli.event_files import EventRow, write_vtt
from skvideo_gru.datasets.generated import write_video
from skvideo_gru.mlops.saving import load_model, save_model


@pytest.fixture(scope="module")
def model(colour_clips, tmp_path_factory):
    """The file of a model of dark and bright clips."""
    path = tmp_path_factory.mktemp("model") / "model.skops"
    save_model(quick_pipeline().set_params(gru__lr=0.01).fit(*colour_clips), path)
    return path


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    """Six seconds: dark, bright, dark."""
    path = tmp_path_factory.mktemp("recording") / "day.mp4"
    base = np.repeat([60, 190, 60], 20)[:, None, None, None]
    frames = np.random.default_rng(0).normal(base, 20, (60, 32, 32, 3)).clip(0, 255)
    write_video(path, frames.astype(np.uint8), rate=10)
    return str(path)


def run(model, *arguments):
    return cli.main(["timeline", "--model", str(model), "--window", "1", *map(str, arguments)])


EXPECTED = [("dark", 0, 2), ("bright", 2, 4), ("dark", 4, 6)]


def assert_expected(rows):
    assert [row["label"] for row in rows] == [label for label, _, _ in EXPECTED]
    for row, (_, start, end) in zip(rows, EXPECTED, strict=True):
        assert float(row["start"]) == pytest.approx(start, abs=0.51)
        assert float(row["end"]) == pytest.approx(end, abs=0.51)
        assert 0.5 < float(row["confidence"]) <= 1


def test_events_of_recordings_in_all_formats(model, recording, tmp_path, capsys):
    assert run(model, "--step", 0.2, recording) == 0
    out, err = capsys.readouterr()
    rows = list(csv.DictReader(io.StringIO(out)))
    assert list(rows[0]) == ["path", "start", "end", "label", "confidence", "error"]
    assert_expected(rows)
    assert err == ""
    assert run(model, "--output", tmp_path / "e.json", recording, recording) == 0
    read = json.loads((tmp_path / "e.json").read_text())
    assert_expected(read[:3])
    assert read[:3] == read[3:]
    assert run(model, "--output", tmp_path / "e.vtt", "--min-duration", 1, recording) == 0
    lines = (tmp_path / "e.vtt").read_text().splitlines()
    assert lines[:2] == ["WEBVTT", ""]
    assert lines[2].startswith("00:00:00.000 --> 00:00:0")
    assert [line.split()[0] for line in lines[3::3]] == ["dark", "bright", "dark"]


def test_a_window_far_longer_than_the_training_videos_is_named(model, recording, capsys):
    assert run(model, "--window", 30, recording) == 0
    assert "--window 30 is far longer than the longest training video" in capsys.readouterr().err


def test_a_report_has_a_section_for_each_recording(model, recording, tmp_path):
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(Path(recording).read_bytes())
    break_video(broken, 35)
    page, output = tmp_path / "timeline.html", tmp_path / "e.json"
    command = ["--report", page, "--explain", "yes", "--output", output]
    command += [recording, broken, "gone.mp4"]
    assert run(model, *command) == 1
    report = page.read_text()
    for number, name in enumerate(["day.mp4", "broken.mp4", "gone.mp4"], start=1):
        assert f'<h2 id="recording-{number}">{name}</h2>' in report
    assert report.count("<picture") == 2
    assert "This recording cannot be read: No such file or directory" in report
    assert report.count("The rest of this recording cannot be read") == 1
    n_events = sum(not row["error"] for row in json.loads(output.read_text()))
    assert len(re.findall(r"<th scope=.row.>0:00:0\d\.\d to ", report)) == n_events
    page.write_text("before")
    assert run(model, "--report", page, "--on-error", "raise", "gone.mp4") == 1
    assert page.read_text() == "before"


def test_the_threshold_of_a_model_that_answers_unknown(
    model, recording, colour_clips, tmp_path, capsys
):
    fitted = FrozenEstimator(load_model(model))
    selective = SelectiveClassifierCV(fitted, target=0.5, cv=2).fit(*colour_clips)
    selective.threshold_ = 1.1  # rejects every window
    path, page = tmp_path / "selective.skops", tmp_path / "timeline.html"
    save_model(selective, path)
    assert run(path, "--report", page, recording) == 0
    assert len(capsys.readouterr().out.splitlines()) == 1
    assert "from a probability of 1.1 until it falls below 0.88" in page.read_text()
    assert run(path, "--high", 0.5, recording) == 0
    assert_expected(list(csv.DictReader(io.StringIO(capsys.readouterr().out))))


def test_events_are_a_manifest(model, recording, tmp_path):
    assert run(model, "--output", tmp_path / "events.csv", recording) == 0
    data = cli.commands.load_data(str(tmp_path / "events.csv"))
    assert data.target.tolist() == ["dark", "bright", "dark"]
    assert data.data[1].start == pytest.approx(2, abs=0.51)


def test_an_unreadable_recording_has_an_error(model, recording, tmp_path, capsys):
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(Path(recording).read_bytes())
    break_video(broken, 35)
    output = tmp_path / "e.csv"
    assert run(model, "--output", output, broken, "missing.mp4", recording) == 1
    rows = list(csv.DictReader(output.open()))
    errors = {row["path"]: row["error"] for row in rows if row["error"]}
    assert set(errors) == {str(broken), "missing.mp4"}
    assert errors["missing.mp4"] == "No such file or directory"
    assert rows[0]["label"] == "dark"  # before the error
    assert_expected(rows[-3:])
    assert "2 of 3 recordings could not be read completely" in capsys.readouterr().err
    output.write_text("before")
    command = ["--output", output, "--on-error", "raise", recording, "missing.mp4"]
    assert run(model, *command) == 1
    assert "missing.mp4: No such file or directory. Repair" in capsys.readouterr().err
    assert output.read_text() == "before"
    assert run(model, "--output", tmp_path / "e.vtt", "missing.mp4") == 1
    assert "missing.mp4: No such file" in capsys.readouterr().err
    assert (tmp_path / "e.vtt").read_text() == "WEBVTT\n\nNOTE No such file or directory\n"


def test_an_interruption_keeps_the_events_before_it(
    model, recording, tmp_path, monkeypatch, capsys
):
    def interrupted(*args, **kwargs):
        yield from itertools.islice(predict_timeline(*args, **kwargs), 30)
        raise KeyboardInterrupt

    monkeypatch.setattr(event_files, "predict_timeline", interrupted)
    for name in ("e.csv", "e.json"):
        assert run(model, "--step", 0.1, "--output", tmp_path / name, recording) == 130
        err = capsys.readouterr().err
        assert f"{name} contains the events before the interruption." in err
        assert "interrupted" in err
    assert [row["label"] for row in csv.DictReader((tmp_path / "e.csv").open())] == ["dark"]
    assert [row["label"] for row in json.loads((tmp_path / "e.json").read_text())] == ["dark"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--output", "e.srt"], "the extension must be one of .csv, .json, .vtt"),
        (["b.mp4", "--output", "e.vtt"], "a .vtt file describes one recording"),
        (["--output", "nowhere/e.csv"], "the folder"),
        (["--report", "e.csv"], "--report e.csv: the extension must be .html"),
        (["--report", "nowhere/e.html"], "the folder"),
        (["--step", "0"], "step=0.0 must be"),
        (["--step", "2"], "--step 2 is longer than --window 1"),
        (["--high", "0.2", "--low", "0.4"], "low=0.4 must be at most high=0.2"),
        (["--min-duration", "-1"], "min_duration=-1.0"),
    ],
)
def test_wrong_arguments_are_reported_before_the_work(arguments, message, capsys):
    assert run("no-model.skops", "a.mp4", *arguments) == 1
    assert message in capsys.readouterr().err


def test_webvtt_of_labels_and_times_of_any_form():
    file = io.StringIO()
    rows = [
        EventRow("a.mp4", 3599.9996, 7325.5, "a <b> & c --> d\ne", 0.876),
        EventRow("a.mp4", error="bad\n\n--> data"),
    ]
    write_vtt(rows, file)
    assert file.getvalue() == (
        "WEBVTT\n\n01:00:00.000 --> 02:02:05.500\na &lt;b&gt; &amp; c --&gt; d e (0.88)\n"
        "\nNOTE bad -> data\n"
    )
