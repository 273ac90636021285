# ruff: noqa: F401, F811
import csv
import io
import json
import os
import shutil
import subprocess
import sys

import joblib
import numpy as np
import pytest
from cli_fixtures import FAST, clips, model, quick_pipeline, tracking, trained
from conftest import make_frames
from sklearn.ensemble import VotingClassifier
from sklearn.model_selection import GridSearchCV

from skvideo_gru import cli
from skvideo_gru.cli import commands
from skvideo_gru.datasets.generated import write_video
from skvideo_gru.mlops import predict_each
from skvideo_gru.mlops.saving import load_model, save_model


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


def test_predict_writes_the_true_labels_of_a_labelled_set(model, clips, tmp_path, capsys):
    video = str(clips / "dark" / "0.mp4")
    command = ["predict", "--model", str(model), "--json", "--output", str(tmp_path / "p.csv")]
    assert cli.main([*command, "--data", str(clips), video, "missing.mp4"]) == 1
    rows = list(csv.DictReader((tmp_path / "p.csv").open()))
    assert [row["true"] for row in rows[:2]] == ["", ""]
    assert all(f"/{row['true']}/" in row["path"] for row in rows[2:])
    result = json.loads(capsys.readouterr().out)
    assert result["command"] == "predict"
    for row, shown in zip(rows, result["predictions"], strict=True):
        assert (shown["path"], shown["true"]) == (row["path"], row["true"])
        if row["path"] == "missing.mp4":
            assert (shown["label"], shown["probabilities"]) == (None, None)
            assert shown["error"] == row["error"] != ""
        else:
            assert shown["label"] == row["label"] and shown["error"] is None
            assert shown["probabilities"] == {
                name: float(row[name]) for name in ("bright", "dark")
            }
    # Other folders are no labels.
    shutil.copytree(clips / "dark", tmp_path / "new" / "camera")
    assert cli.main(["predict", "--model", str(model), "--data", str(tmp_path / "new")]) == 0
    assert capsys.readouterr().out.splitlines()[0] == "path,label,bright,dark,error"


def test_predict_time_ranges_without_labels(model, clips, tmp_path, capsys):
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
    assert f"{video} start 50.0, end 60.0  the video contains no frame" in capsys.readouterr().out
    assert cli.main(["check", str(video)]) == 0
    assert capsys.readouterr().out == "Checked 1 videos; 0 cannot be read.\n"
    assert cli.main(["train", "--data", str(video)]) == 1
    assert "is a video; pass a folder" in capsys.readouterr().err


def test_predict_names_recordings_that_need_a_timeline(clips, colour_clips, tmp_path, capsys):
    """The training videos have 0.48 s, and the recordings 1.92 s and 2 s."""
    pipe = quick_pipeline().fit(*colour_clips)
    search = GridSearchCV(quick_pipeline(), {"gru__hidden_size": [4]}, cv=2).fit(*colour_clips)
    vote = VotingClassifier([("a", quick_pipeline())], voting="soft").fit(*colour_clips)
    short, long, day = (str(tmp_path / name) for name in ("short.mp4", "long.mp4", "day.mp4"))
    for path, n_frames in ((short, 48), (long, 50), (day, 50)):
        write_video(path, np.zeros((n_frames, 32, 32, 3), np.uint8))
    for fitted in (pipe, search.best_estimator_, vote):
        save_model(fitted, tmp_path / "m.skops")
        command = ["predict", "--model", str(tmp_path / "m.skops"), short]
        assert cli.main(command) == 0
        assert capsys.readouterr().err == ""
        assert cli.main([*command, long, day]) == 0
        out, err = capsys.readouterr()
        assert len(out.splitlines()) == 4
        assert err == (
            "skvideo-gru predict: warning: videos far longer than the longest training video "
            f"(0.48 s): {long} (2 s); {day} (2 s). Each video gets one label. To find out when "
            f"each class occurs, use `skvideo-gru timeline RECORDING --model {tmp_path}/m.skops "
            "--window 0.48`.\n"
        )
    del pipe["features"].max_duration_  # a model of an earlier version
    save_model(pipe, tmp_path / "m.skops")
    assert cli.main([*command, long]) == 0
    assert capsys.readouterr().err == ""


def test_pickles_are_refused_unless_trusted(model, clips, tmp_path, capsys):
    pickled, video = tmp_path / "model.joblib", str(clips / "dark" / "0.mp4")
    joblib.dump(load_model(model), pickled)
    assert cli.main(["predict", "--model", str(pickled), video]) == 1
    assert "seems to be a pickle" in capsys.readouterr().err
    assert cli.main(["predict", "--model", str(pickled), "--trust", "yes", video]) == 0
    assert f"{video},dark," in capsys.readouterr().out


def test_predict_reports_unreadable_videos_in_their_rows(model, clips, broken_clip, capsys):
    videos = [str(broken_clip), str(clips / "bright" / "1.mp4"), "missing.mp4"]
    assert cli.main(["predict", "--model", str(model), *videos]) == 1
    out, err = capsys.readouterr()
    rows = list(csv.DictReader(io.StringIO(out)))
    assert [row["label"] for row in rows] == ["", "bright", ""]
    assert rows[0]["error"]
    assert rows[2]["error"] == "No such file or directory"
    assert "2 of 3 videos could not be read" in err


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ("path,label", "line 3: label is empty"),
        ("path,label,group", "line 3: group is empty"),
        ("path,label,split", "unknown values ['tset'] in column 'split'"),
        ("path", ""),
    ],
)
def test_check_names_what_train_refuses_in_a_manifest(columns, message, clips, tmp_path, capsys):
    values = {"label": "ab", "group": ["a", "b"], "split": ["train", "tset"]}
    if "is empty" in message:
        values[message.split()[2]] = ["a", ""]
    rows = [columns]
    for number in range(2):
        path = [str(clips / "dark" / f"{2 * number}.mp4")]
        rows.append(",".join(path + [values[name][number] for name in columns.split(",")[1:]]))
    (tmp_path / "manifest.csv").write_text("\n".join(rows))
    assert cli.main(["check", str(tmp_path / "manifest.csv")]) == 0
    err = capsys.readouterr().err
    assert message in err and ("train refuses this manifest" in err) == bool(message)


def test_check_reports_every_unreadable_video(clips, tmp_path, capsys, broken_clip):
    assert cli.main(["check", str(clips)]) == 0
    assert capsys.readouterr().out == (
        "Skipped files: 1 .csv.\nClasses: bright 20, dark 20.\n"
        "Checked 40 videos; 0 cannot be read.\n"
    )
    rows = ["path,label", "clip.mp4,a", "broken.mp4,a", "missing.mp4,b"]
    (tmp_path / "manifest.csv").write_text("\n".join(rows))
    write_video(tmp_path / "clip.mp4", make_frames(5))
    assert cli.main(["check", str(tmp_path / "manifest.csv")]) == 1
    heading, broken, missing, classes, summary = capsys.readouterr().out.splitlines()
    column = heading.index("reason")
    assert broken[:column].strip() == f"{tmp_path}/broken.mp4"
    assert missing[:column].strip() == f"{tmp_path}/missing.mp4"
    assert missing[column:] == "No such file or directory"
    assert classes == "Classes: a 2, b 1."
    assert summary == "Checked 3 videos; 2 cannot be read."
    assert cli.main(["check", str(tmp_path / "manifest.csv"), "--json"]) == 1
    reports = json.loads(capsys.readouterr().out)
    assert [report["n_frames"] for report in reports] == [5, 0, 0]
    assert reports[0]["reason"] is None
    assert reports[2]["reason"] == "No such file or directory"
    assert cli.main(["check", str(tmp_path)]) == 1  # any folder of videos
    assert capsys.readouterr().out.endswith("Checked 2 videos; 1 cannot be read.\n")


def test_predict_stops_at_an_unreadable_video_if_wanted(model, clips, broken_clip, capsys):
    videos = [str(broken_clip), str(clips / "bright" / "1.mp4")]
    command = ["predict", "--model", str(model), "--on-error", "raise", *videos]
    assert cli.main(command) == 1
    out, err = capsys.readouterr()
    assert len(out.splitlines()) == 1
    assert f"predict: error: {broken_clip}: " in err
    assert "use --on-error skip" in err


def test_predict_replaces_a_file_when_it_is_complete(
    model, clips, broken_clip, tmp_path, monkeypatch, capsys
):
    output = tmp_path / "p.csv"
    output.write_text("before")
    command = ["predict", "--model", str(model), "--output", str(output)]
    videos = [str(clips / "bright" / f"{number}.mp4") for number in (1, 3)]
    assert cli.main([*command, "--on-error", "raise", str(broken_clip)]) == 1
    assert output.read_text() == "before"

    def interrupted(*args):
        yield next(predict_each(*args))
        raise KeyboardInterrupt

    monkeypatch.setattr(commands, "predict_each", interrupted)
    assert cli.main([*command, *videos]) == 130
    assert "p.csv contains the videos before the interruption." in capsys.readouterr().err
    rows = list(csv.DictReader(output.open()))
    assert [(row["path"], row["label"]) for row in rows] == [(videos[0], "bright")]


def test_check_counts_skipped_files_and_names_repeated_videos(clips, tmp_path, capsys):
    for name in ("x/a.mp4", "y/b.mp4", "x/notes.txt", "x/sub.SRT", "y/sub.srt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(clips / "dark" / "0.mp4", tmp_path / name)
    assert cli.main(["check", str(tmp_path)]) == 0
    out, err = capsys.readouterr()
    assert "Skipped files: 2 .srt, 1 .txt." in out.splitlines()
    assert "check: warning: 1 video file is listed with two labels: " in err
    assert f"{tmp_path}/x/a.mp4 (x) and {tmp_path}/y/b.mp4 (y), the same content" in err
    assert f"The same content: {tmp_path}/x/a.mp4, {tmp_path}/y/b.mp4\n" in out
    assert cli.main(["check", str(tmp_path), "--json"]) == 0
    out, err = capsys.readouterr()
    copies = [report["duplicate_of"] for report in json.loads(out)]
    assert copies == [None, str(tmp_path / "x" / "a.mp4")]
    assert "Skipped files: 2 .srt, 1 .txt." in err
    (tmp_path / "y" / "b.mp4").rename(tmp_path / "x" / "b.mp4")
    for n_copies in range(4):
        for name in ("c.mp4", "d.mp4"):
            frames = np.full((3, 16, 16, 3), 50 * n_copies, np.uint8)
            write_video(tmp_path / "x" / f"{n_copies}{name}", frames, codec="ffv1", pix_fmt="bgr0")
    assert cli.main(["check", str(tmp_path)]) == 0
    out, err = capsys.readouterr()
    assert out.count("The same content: ") == 5 and not err


def test_a_missing_engine_is_one_readable_line(tracking, colour_clips, capsys, monkeypatch):
    videos, y = colour_clips
    save_model(quick_pipeline().fit(videos, y).set_params(features__engine="openvino"), "m.skops")
    monkeypatch.setitem(sys.modules, "openvino", None)
    assert cli.main(["predict", "--model", "m.skops", str(videos[0])]) == 1
    err = capsys.readouterr().err
    assert "predict: error: engine='openvino' requires the package" in err
    assert err.count("\n") == 1


def test_predict_writes_ambiguous_classes_and_any_file_name(clips, colour_clips, tmp_path):
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


def printed_bytes(monkeypatch, encoding, arguments):
    """Run a command whose standard output has an encoding."""
    printed = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(printed, encoding=encoding))
    status = cli.main(arguments)
    sys.stdout.flush()
    return status, printed.getvalue()


def test_check_prints_file_names_in_any_encoding(tmp_path, monkeypatch):
    odd = os.path.join(os.fsencode(tmp_path), b"caf\xe9.mp4")
    with open(odd, "wb") as file:
        file.write(b"no video")
    status, printed = printed_bytes(monkeypatch, "utf-8", ["check", str(tmp_path)])
    assert status == 1
    assert odd in printed


def test_characters_outside_the_encoding_are_escaped(clip, tmp_path, monkeypatch):
    (tmp_path / "日本").mkdir()
    shutil.copy(clip, tmp_path / "日本" / "a.mp4")
    shutil.copy(clip, os.path.join(os.fsencode(tmp_path), b"caf\xe9.mp4"))
    status, printed = printed_bytes(monkeypatch, "cp1252", ["check", str(tmp_path)])
    assert status == 0
    assert rb"\u65e5\u672c/a.mp4" in printed
    assert b"/caf\xe9.mp4" in printed


def test_without_an_output_the_command_runs(clip, monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdout", None)
    assert cli.main(["check", str(clip)]) == 0
    assert "error" not in capsys.readouterr().err


def test_a_closed_output_ends_quietly(clip):
    command = [sys.executable, "-m", "skvideo_gru", "check", str(clip.parent), "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.close()
        printed = process.stderr.read().decode()
    assert process.returncode == 141
    assert "error" not in printed.lower()


def test_cache_shows_and_prunes(tracking, clips, capsys):
    command = ["train", "--data", str(clips), *FAST, "--memory", "cached"]
    assert cli.main(command) == 0
    capsys.readouterr()
    assert cli.main(["cache", "cached"]) == 0
    shown = capsys.readouterr().out
    assert [line.split()[:2] for line in shown.splitlines()[1:]] == [
        ["features", "40"],
        ["backbone", "1"],
        ["interrupted", "0"],
    ]
    assert cli.main(["cache", "cached", "--max-size", "1M"]) == 0
    _, features, backbone, _, removed = capsys.readouterr().out.splitlines()
    assert int(features.split()[1]) + int(backbone.split()[1]) + int(removed.split()[0]) == 41
    assert cli.main(["cache", "cached", "--max-age", "0"]) == 0
    assert "features           0        0 B" in capsys.readouterr().out


def test_cache_reports_wrong_arguments(capsys):
    assert cli.main(["cache", "nowhere"]) == 1
    assert "nowhere: the folder contains no cache" in capsys.readouterr().err
    for option, value in (("size", "much"), ("size", "-1"), ("age", "old"), ("age", "-1")):
        with pytest.raises(SystemExit, match="2"):
            cli.main(["cache", "nowhere", f"--max-{option}={value}"])
        assert f"argument --max-{option}: invalid" in capsys.readouterr().err
