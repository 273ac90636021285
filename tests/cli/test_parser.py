import pytest
import yaml

from skvideo_gru.cli.parser import parse_arguments


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
        parse_arguments(arguments)
    assert caught.value.code == 2
    assert usage in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ("train clips --epoch=3", "unrecognized option: --epoch; did you mean --epochs?"),
        # instead of "the following arguments are required: --model"
        ("predict --modle m.skops", "unrecognized option: --modle; did you mean --model?"),
        ("train --xyz", "unrecognized option: --xyz"),
        ("train clips", "unrecognized arguments: clips"),
    ],
)
def test_an_unknown_option_suggests_the_nearest(arguments, error, capsys):
    with pytest.raises(SystemExit, match="2"):
        parse_arguments(arguments.split())
    assert capsys.readouterr().err.endswith(f"error: {error}\n")


def test_a_file_whose_name_looks_like_an_option():
    args = parse_arguments(["predict", "--model", "m.skops", "--", "--modle.mp4"])
    assert args.videos == ["--modle.mp4"]


def test_no_arguments_show_the_help(capsys):
    with pytest.raises(SystemExit) as caught:
        parse_arguments([])
    assert caught.value.code == 2
    shown = capsys.readouterr().err
    for command in ("train", "tune", "evaluate", "predict", "check", "cache"):
        assert f"\n    {command} " in shown


def test_entry_points_pass_all_options(pytestconfig):
    project = yaml.safe_load((pytestconfig.rootpath / "MLproject").read_text())
    commands = {"main", "tune", "evaluate", "predict", "timeline", "check"}
    assert set(project["entry_points"]) == commands
    for entry in project["entry_points"].values():
        values = {name: spec.get("default", "1") for name, spec in entry["parameters"].items()}
        words = entry["command"].split()
        assert words[:3] == ["python", "-m", "skvideo_gru"]
        arguments = [str(values[w[1:-1]]) if w.startswith("{") else w for w in words[3:]]
        parsed = vars(parse_arguments(arguments))
        plain = vars(parse_arguments([words[3], *_required(words[3])]))
        for name, spec in entry["parameters"].items():
            assert f"{{{name}}}" in words, name
            if "default" in spec:
                assert parsed[name] == plain[name], name


def _required(command):
    model = ["--model", "x"]
    needed = {"predict": model, "evaluate": [*model, "--data", "x"], "check": ["x"]}
    needed["timeline"] = ["x", *model, "--window", "1"]
    return needed.get(command, [])
