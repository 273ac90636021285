import argparse

import pytest

from skvideo_gru.cli.parameters import grid, settings
from skvideo_gru.cli.parser import parse_arguments


def test_values_are_literals_of_json_or_python_or_strings():
    text = "a__b=3,c=1e-3, d=true,e=None,f=mean,g=[1, 2],h={'x': 1},i=(0, 1),j=a,b,k=\"3\",l=x=y"
    assert settings(text) == {
        "a__b": 3,
        "c": 1e-3,
        "d": True,
        "e": None,
        "f": "mean",
        "g": [1, 2],
        "h": {"x": 1},
        "i": (0, 1),
        "j": "a,b",
        "k": "3",
        "l": "x=y",
    }
    assert settings("") == {}


def test_a_grid_has_lists_of_values():
    text = "a=0,10,100,b=mean,null,last,c=[],[32, 64],d=1e-3"
    assert grid(text) == {
        "a": [0, 10, 100],
        "b": ["mean", None, "last"],
        "c": [[], [32, 64]],
        "d": [1e-3],
    }


@pytest.mark.parametrize("text", ["a", "=3", "a=", "a=1,b="])
@pytest.mark.parametrize("parse", [settings, grid])
def test_a_missing_name_or_value(parse, text):
    with pytest.raises(argparse.ArgumentTypeError, match="expected NAME=VALUE"):
        parse(text)


def test_the_options_can_be_repeated(capsys):
    words = [
        "--set",
        "a=1",
        "--set",
        "b=2,c=3",
        "--set",
        "a=4",
        "--grid",
        "d=1,2",
        "--grid",
        "e=3",
    ]
    args = parse_arguments(["tune", *words])
    assert args.set == {"a": 4, "b": 2, "c": 3}
    assert args.grid == {"d": [1, 2], "e": [3]}
    assert parse_arguments(["tune"]).set == {}
    with pytest.raises(SystemExit, match="2"):
        parse_arguments(["train", "--set", "a"])
    assert "argument --set: expected NAME=VALUE, got 'a'" in capsys.readouterr().err
