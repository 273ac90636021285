import re
import sys
from itertools import pairwise

import pytest
from references import order_data
from skorch.callbacks import EarlyStopping

from skvideo_gru import GRUClassifier
from skvideo_gru.networks import listen_to_epochs, progress
from skvideo_gru.networks.progress import progress_bar


def test_without_a_terminal_short_work_is_silent(capsys):
    X, y = order_data(16)
    GRUClassifier(verbose=1, max_epochs=2).fit(X, y)
    assert capsys.readouterr() == ("", "")


def test_without_a_terminal_long_work_reports_lines_now_and_then(capsys, monkeypatch):
    seconds = iter(range(0, 10_000, 7))  # the clock advances by 7 seconds at every reading
    bar = progress_bar("features", 20, "video", initial=2)
    monkeypatch.setattr(bar, "_time", lambda: next(seconds))
    bar.start_t = bar.last_print_t = next(seconds)
    for video in range(18):
        bar.set_postfix_str(f"{video} cached", refresh=False)
        bar.update()
    bar.close()
    out, err = capsys.readouterr()
    assert out == "" and "\r" not in err
    line = r"features: (\d+)/20 videos in (\d\d):(\d\d), [\d:]+ left, \d+ cached"
    found = [re.fullmatch(line, text).groups() for text in err.splitlines()]
    assert 3 <= len(found) <= 8 and found[-1][0] == "20"
    seconds = [60 * int(minutes) + int(rest) for _, minutes, rest in found[:-1]]
    assert seconds[0] >= 30 and all(later - sooner >= 30 for sooner, later in pairwise(seconds))


def test_each_epoch_reports_its_losses(capsys, monkeypatch):
    monkeypatch.setattr(progress, "_INTERVAL", 0.0)
    X, y = order_data(16)
    clf = GRUClassifier(verbose=1, max_epochs=2, random_state=0).fit(X, y)
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith("GRU: 2/2 epochs in 00:0")
    assert last.endswith(f"left, train_loss={clf.history_[-1]['train_loss']:.3f}")


@pytest.mark.parametrize("own", [False, True], ids=["early_stopping", "a callback of the user"])
def test_a_listener_receives_every_epoch_of_a_stopped_training(own):
    X, y = order_data(32)
    stopping = {"callbacks": [EarlyStopping("train_loss", 1)]} if own else {"early_stopping": True}
    received = []
    with listen_to_epochs(lambda name, records: received.extend(records)):
        params = {"n_iter_no_change": 1, "lr": 3.0, "max_epochs": 30, "random_state": 0}
        clf = GRUClassifier(**params, **stopping).fit(X, y)
    assert received == clf.history_
    assert len(received) < 30


def test_a_terminal_shows_a_bar(capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert list(progress_bar("features", 3, "video", done="abc")) == ["a", "b", "c"]
    assert "\rfeatures: 100%|" in capsys.readouterr().err


def test_hidden_bars_and_a_missing_stderr(capsys, monkeypatch):
    assert list(progress_bar("features", 2, "video", done="ab", hidden=True)) == ["a", "b"]
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(progress, "_INTERVAL", 0.0)
    monkeypatch.setattr(sys, "stderr", None)
    assert list(progress_bar("features", 2, "video", done="ab")) == ["a", "b"]
