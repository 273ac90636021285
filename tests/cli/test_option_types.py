import argparse

import pytest

from skvideo_gru.cli.option_types import auto, days, list_of, names, share, size


@pytest.mark.parametrize(
    ("parse", "text", "value"),
    [
        (size, "1.5k", 1536),
        (size, "2G", 2 << 30),
        (size, "10", 10),
        (days, "0.5", 0.5),
        (share, "1", 1.0),
        (auto(int), "3", 3),
        (auto(int), "auto", None),
        (auto(int), "", None),
        (list_of(float), "0.9,1", [0.9, 1.0]),
        (names, "shift, mirror", ["shift", "mirror"]),
        (names, "none", []),
    ],
)
def test_words_become_values(parse, text, value):
    assert parse(text) == value


@pytest.mark.parametrize(
    ("parse", "text", "error"),
    [
        (size, "10X", "invalid size value: '10X'"),
        (size, "-1G", "invalid size value: '-1G'"),
        (days, "nan", "invalid number of days value: 'nan'"),
        (share, "1.5", "must be between 0 and 1, got 1.5"),
        (share, "half", "invalid number value: 'half'"),
        (auto(int), "a", "invalid int value: 'a'"),
        (list_of(int), "1,b", "invalid comma-separated int value: '1,b'"),
    ],
)
def test_wrong_words_are_named(parse, text, error, capsys):
    parser = argparse.ArgumentParser()
    parser.add_argument("option", type=parse)
    with pytest.raises(SystemExit, match="2"):
        parser.parse_args(["--", text])
    assert capsys.readouterr().err.endswith(f"argument option: {error}\n")
