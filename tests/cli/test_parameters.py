import argparse

import pytest
from sklearn.model_selection import ParameterGrid

from skvideo_gru.cli.experiments import _grid
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


def searched(*words):
    return _grid(parse_arguments(["tune", *words]))


def test_the_default_search_has_parameters_of_the_gru_that_are_not_set():
    grid = searched()
    assert all(name.startswith("gru__") for name in grid)  # one backbone for each fold
    candidates = list(ParameterGrid(grid))
    assert len(candidates) <= 12
    assert {"gru__delta_weight": 100, "gru__pooling": "pyramid"} in candidates  # the defaults
    assert searched("--set", "gru__pooling=max") == {"gru__delta_weight": [0, 10, 100]}


def test_given_parameters_replace_the_default_search():
    assert searched("--hidden-size", "4,8") == {"gru__hidden_size": [4, 8]}
    words = ["--grid", "gru__dropout=0,0.5", "--lr-decay", "0.9"]
    assert searched(*words) == {"gru__dropout": [0, 0.5], "gru__lr_decay": [0.9]}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--set", "gru__lr_decay=1", "--lr-decay", "0.9"], "both have gru__lr_decay"),
        (["--set", "gru__pooling=max,gru__delta_weight=1"], "pass the parameters to search as"),
    ],
)
def test_a_parameter_is_set_or_searched(words, message):
    with pytest.raises(ValueError, match=message):
        searched(*words)
