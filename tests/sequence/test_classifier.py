import copy
import pickle
from typing import ClassVar

import joblib
import numpy as np
import pandas as pd
import pytest
import torch
from conftest import needs_gpu
from references import order_data
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.metrics import log_loss
from sklearn.model_selection import GridSearchCV, cross_val_predict, cross_val_score
from sklearn.utils.estimator_checks import parametrize_with_checks
from skorch.callbacks import Callback, LRScheduler
from torch import nn

from skvideo_gru import GRUClassifier
from skvideo_gru.networks.gru import POOLINGS

# A single batch: repeated sequences would be batched differently from weighted ones.
ONE_BATCH = {"batch_size": 1000, "max_epochs": 30, "lr": 0.05}


@parametrize_with_checks(
    [GRUClassifier(hidden_size=8, frame_dim=1, random_state=0, **ONE_BATCH)],
)
def test_scikit_learn_contract(estimator, check):
    check(estimator)


SMALL = {"hidden_size": 16, "max_epochs": 20, "lr": 0.01, "random_state": 0}


def test_the_order_of_frames_is_learned():
    X, y = order_data()
    held_out, y_held_out = order_data(seed=1)
    assert GRUClassifier(**SMALL).fit(X, y).score(held_out, y_held_out) >= 0.95
    for sequence in X:
        np.random.default_rng(0).shuffle(sequence)
    assert GRUClassifier(**SMALL).fit(X, y).score(held_out, y_held_out) < 0.7


def test_fit_equals_a_plain_torch_loop():
    X, y = order_data(32)
    clf = GRUClassifier(
        hidden_size=5,
        pooling="last",
        max_epochs=3,
        batch_size=32,
        lr=0.01,
        lr_decay=0.5,
        random_state=3,
    ).fit(X, y)
    seed = np.random.RandomState(3).randint(np.iinfo(np.int32).max)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        gru, linear = nn.GRU(3, 5, batch_first=True), nn.Linear(5, 2)
    parameters = [*gru.parameters(), *linear.parameters()]
    losses = []
    adam = torch.optim.Adam(parameters)
    for epoch in range(3):
        for group in adam.param_groups:
            group["lr"] = 0.01 * 0.5**epoch
        logits = linear(gru(torch.tensor(X))[0][:, -1])
        loss = nn.functional.cross_entropy(logits, torch.tensor(y))
        adam.zero_grad()
        loss.backward()
        adam.step()
        losses.append(loss.item())
    np.testing.assert_allclose([r["train_loss"] for r in clf.history_], losses, rtol=1e-5)
    with torch.inference_mode():
        expected = linear(gru(torch.tensor(X))[0][:, -1]).softmax(1).numpy()
    np.testing.assert_allclose(clf.predict_proba(X), expected, rtol=1e-4, atol=1e-5)


def test_float64_is_computed_in_float64():
    X, y = order_data()
    single = GRUClassifier(**SMALL).fit(X, y)
    double = GRUClassifier(**SMALL).fit(X.astype(np.float64), y)
    whole = GRUClassifier(**SMALL).fit((100 * X).astype(np.int64), y)
    types = [clf.predict_proba(X).dtype for clf in (single, double, whole)]
    assert types == [np.float32, np.float64, np.float32]
    np.testing.assert_allclose(double.predict_proba(X), single.predict_proba(X), atol=1e-4)
    with pytest.raises(ValueError, match="at least 2 classes"):
        single.fit(X.astype(np.float64), np.zeros(len(y)))
    assert single.predict_proba(X).dtype == np.float32  # unchanged
    same = pickle.loads(pickle.dumps(double))
    np.testing.assert_array_equal(same.predict_proba(X), double.predict_proba(X))


@pytest.mark.parametrize(
    ("dtype", "native", "expected"),
    [(np.float32, True, True), (np.float32, False, False), (np.float64, True, False)],
)
def test_automatic_precision_depends_on_the_processor(monkeypatch, dtype, native, expected):
    X, y = order_data()
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": native})
    options = {**SMALL, "max_epochs": 2, "device": "cpu", "random_state": 0}
    clf = GRUClassifier(**options, mixed_precision="auto").fit(X.astype(dtype), y)
    explicit = GRUClassifier(**options, mixed_precision=expected).fit(X.astype(dtype), y)
    losses = [epoch["train_loss"] for epoch in clf.history_]
    assert losses == [epoch["train_loss"] for epoch in explicit.history_]
    assert clf.net_.mixed_precision is expected
    with pytest.raises(ValueError, match="mixed_precision"):
        GRUClassifier(mixed_precision="yes").fit(X, y)


def test_mixed_precision_trains_in_bfloat16_and_predicts_in_float32():
    X, y = order_data()
    seen = []

    class Watch(Callback):
        def on_train_begin(self, net, **_):
            net.module_.fc.register_forward_hook(
                lambda module, given, out: seen.append((module.training, out.dtype))
            )

    clf = GRUClassifier(**SMALL, mixed_precision=True, callbacks=[Watch()], device="cpu")
    assert clf.fit(X, y).predict_proba(X).dtype == np.float32
    assert set(seen) == {(True, torch.bfloat16), (False, torch.float32)}
    plain = GRUClassifier(**SMALL).fit(X, y)
    assert clf.history_[-1]["train_loss"] == pytest.approx(
        plain.history_[-1]["train_loss"], abs=0.05
    )
    held_out, y_held_out = order_data(seed=1)
    assert clf.score(held_out, y_held_out) >= 0.95


def test_fit_updates_every_weight():
    X, y = order_data()
    options = {"num_layers": 2, "fc_sizes": (8, 4), "hidden_size": 5, "random_state": 0}
    short = GRUClassifier(max_epochs=1, lr=1e-12, **options).fit(X, y)
    trained = GRUClassifier(max_epochs=3, **options).fit(X, y)
    before = short.net_.module_.state_dict()
    for name, value in trained.net_.module_.state_dict().items():
        assert not torch.allclose(value, before[name], atol=1e-8), name
    shapes = [tuple(p.shape) for p in trained.net_.module_.fc.parameters()]
    # The weighted mean of all outputs and the means of four quarters, of 5 units each.
    assert shapes == [(8, 25), (8,), (4, 8), (4,), (2, 4), (2,)]


@pytest.mark.parametrize(
    "labels",
    [
        ["up", "down"],
        [3, 7],
        [True, False],
        [-1.0, 1.0],
        np.array([3, 7], dtype=np.int32),
        np.array(["up", "down"], dtype=object),
    ],
)
def test_labels_of_any_type(labels):
    X, y = order_data()
    target = np.asarray(labels)[y]
    clf = GRUClassifier(**SMALL).fit(X, target)
    assert clf.classes_.tolist() == sorted(set(target.tolist()))
    assert clf.predict(X).dtype == target.dtype
    assert clf.score(X, target) > 0.9


def test_rows_and_sequences_give_the_same():
    X, y = order_data()
    rows = X.reshape(len(X), -1)
    folded = GRUClassifier(**SMALL).fit(X, y)
    flat = GRUClassifier(frame_dim=3, **SMALL).fit(rows, y)
    np.testing.assert_array_equal(folded.predict_proba(X), flat.predict_proba(rows))
    np.testing.assert_array_equal(folded.predict_proba(rows), flat.predict_proba(X))
    assert folded.n_features_in_ == flat.n_features_in_ == 18
    assert folded.predict(X[:, :4]).shape == (80,)
    table = pd.DataFrame(rows, columns=[f"c{i}" for i in range(18)])
    named = GRUClassifier(frame_dim=3, **SMALL).fit(table, y)
    assert named.feature_names_in_.tolist() == list(table.columns)


def test_padding_does_not_change_probabilities():
    X, y = order_data()
    lengths = np.random.default_rng(0).integers(1, 7, len(X))
    for row, length in zip(X, lengths, strict=True):
        row[length:] = np.nan
    clf = GRUClassifier(**SMALL).fit(X, y)
    proba = clf.predict_proba(X)
    wider = np.pad(X, ((0, 0), (0, 9), (0, 0)), constant_values=np.nan)
    np.testing.assert_allclose(clf.predict_proba(wider), proba, rtol=0, atol=1e-6)
    alone = [clf.predict_proba(X[i : i + 1, :n])[0] for i, n in enumerate(lengths)]
    np.testing.assert_allclose(alone, proba, rtol=0, atol=1e-6)
    refitted = GRUClassifier(**SMALL).fit(wider, y)
    np.testing.assert_allclose(refitted.predict_proba(X), proba, rtol=0, atol=1e-5)


def test_rows_without_frames_are_ignored_and_get_the_priors():
    X, y = order_data()
    y[:20] = 0
    X[-1] = np.nan
    with pytest.warns(UserWarning, match="1 of 80 sequences in X contain no frame"):
        clf = GRUClassifier(**SMALL).fit(X, y)
    expected = np.bincount(y[:-1]) / 79
    np.testing.assert_allclose(clf.predict_proba(X[-1:])[0], expected, rtol=1e-6)
    same = GRUClassifier(**SMALL).fit(X[:-1], y[:-1])
    np.testing.assert_array_equal(same.predict_proba(X), clf.predict_proba(X))


def test_fit_depends_only_on_the_seed_and_preserves_global_generators():
    X, y = order_data()
    torch.manual_seed(1)
    np.random.seed(1)  # noqa: NPY002
    before = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    first = GRUClassifier(dropout=0.3, **SMALL).fit(X, y).predict_proba(X)
    assert torch.equal(torch.get_rng_state(), before[0])
    assert (np.random.get_state()[1] == before[1]).all()  # noqa: NPY002
    torch.manual_seed(2)
    second = GRUClassifier(dropout=0.3, **SMALL).fit(X, y).predict_proba(X)
    np.testing.assert_array_equal(first, second)
    other = GRUClassifier(dropout=0.3, **{**SMALL, "random_state": 1}).fit(X, y)
    assert not np.array_equal(first, other.predict_proba(X))


@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"bidirectional": True},
        {"num_layers": 2, "dropout": 0.3, "fc_sizes": (4,), "delta_weight": 9.0, "batch_size": 3},
    ],
)
def test_running_probabilities_equal_those_of_truncated_rows(pooling, options):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(20, 5, 3)).astype(np.float32)
    X[3, 2:] = X[4] = np.nan
    clf = GRUClassifier(max_epochs=3, frame_dim=3, random_state=0, pooling=pooling, **options)
    with pytest.warns(UserWarning, match="1 of 20 sequences"):
        clf.fit(X, np.arange(20) % 3)
    running = clf.predict_proba_frames(X.reshape(20, -1))
    assert running.shape == (20, 5, 3)
    real = ~np.isnan(X).all(axis=2)
    np.testing.assert_array_equal(np.isnan(running).any(axis=2), ~real)
    for frame in range(5):
        rows = np.flatnonzero(real[:, frame])
        expected = clf.predict_proba(X[rows, : frame + 1])
        np.testing.assert_allclose(running[rows, frame], expected, atol=1e-6)
    # The quadratic computation, which bidirectional networks need.
    by_prefix = np.full_like(running, np.nan)
    clf._fill_by_prefix(by_prefix, X, real.sum(axis=1))
    np.testing.assert_allclose(running, by_prefix, atol=1e-6)
    # The last frame gives the prediction.
    last = real.sum(axis=1) - 1
    rows = np.flatnonzero(last >= 0)
    np.testing.assert_allclose(running[rows, last[rows]], clf.predict_proba(X[rows]), atol=1e-6)


@pytest.mark.parametrize("pooling", POOLINGS)
def test_running_probabilities_need_one_pass(pooling, monkeypatch):
    X, y = order_data(20)
    clf = GRUClassifier(**{**SMALL, "max_epochs": 1, "pooling": pooling}).fit(X, y)
    frames = []
    forward = nn.GRU.forward

    def counting(self, sequences, *args):
        frames.append(sequences.shape[0] * sequences.shape[1])
        return forward(self, sequences, *args)

    monkeypatch.setattr(nn.GRU, "forward", counting)
    long = np.random.default_rng(0).normal(size=(3, 2000, 3)).astype(np.float32)
    running = clf.predict_proba_frames(long)
    assert sum(frames) == 3 * 2000
    for frame in (0, 999, 1999):
        expected = clf.predict_proba(long[:, : frame + 1])
        np.testing.assert_allclose(running[:, frame], expected, atol=1e-5)


def test_running_attention_is_stable_for_extreme_scores():
    X, y = order_data(20)
    clf = GRUClassifier(**SMALL).fit(X, y)
    with torch.no_grad():
        clf.module_.attention.weight.mul_(1e4)
    running = clf.predict_proba_frames(X)
    for frame in range(6):
        expected = clf.predict_proba(X[:, : frame + 1])
        np.testing.assert_allclose(running[:, frame], expected, atol=1e-3)


def test_half_precision_becomes_float32():
    X, y = order_data()
    half = X.astype(np.float16)
    clf = GRUClassifier(**SMALL).fit(half, y)
    assert {p.dtype for p in clf.module_.parameters()} == {torch.float32}
    single = GRUClassifier(**SMALL).fit(half.astype(np.float32), y)
    np.testing.assert_array_equal(clf.predict_proba(half), single.predict_proba(half))


def test_label_smoothing_equals_torchs():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(16, 4, 3)).astype(np.float32), np.arange(16) % 2
    losses = {}
    for smoothing in (0.0, 0.3):
        clf = GRUClassifier(
            label_smoothing=smoothing, max_epochs=1, lr=1e-9, frame_dim=3, random_state=0
        ).fit(X, y)
        losses[smoothing] = clf.history_[0]["train_loss"]
    logits = torch.log(torch.tensor(clf.predict_proba(X)))
    for smoothing, loss in losses.items():
        criterion = torch.nn.CrossEntropyLoss(label_smoothing=smoothing)
        assert loss == pytest.approx(criterion(logits, torch.tensor(y)).item(), rel=1e-4)


def test_early_stopping_restores_the_best_epoch():
    X, y = order_data(60)
    y[::3] = 1 - y[::3]  # noise, so that it overfits
    clf = GRUClassifier(
        hidden_size=32, lr=0.03, max_epochs=100, early_stopping=True, validation_fraction=0.3,
        n_iter_no_change=4, random_state=0,
    ).fit(X, y)  # fmt: skip
    losses = [record["valid_loss"] for record in clf.history_]
    assert clf.n_iter_ == len(losses) < 100
    best = int(np.argmin(losses))
    assert len(losses) == best + 1 + 4
    # Training up to the best epoch gives the same network.
    short = clone(clf).set_params(max_epochs=best + 1).fit(X, y)
    np.testing.assert_allclose(clf.predict_proba(X), short.predict_proba(X), rtol=1e-5)


class Watcher(Callback):
    """Records the training and validation data of a net."""

    seen: ClassVar[list] = []

    def on_train_begin(self, net, X, y, **_):
        self.seen.append(net.get_split_datasets(X, y))


def test_early_stopping_holds_out_whole_groups():
    X, y = order_data(60)
    groups = np.repeat(list("abcdefghij"), 6)
    X[:, 0, 0] = np.arange(60)  # identifies the row
    clf = GRUClassifier(early_stopping=True, validation_fraction=0.2, callbacks=[Watcher()])
    clf.set_params(max_epochs=2, random_state=0).fit(X, y, groups=groups)
    train, rest = (
        {groups[int(part[row][0]["sequences"][0, 0, 0])] for row in range(len(part))}
        for part in Watcher.seen.pop()
    )
    assert train.isdisjoint(rest)
    assert (len(train), len(rest)) == (8, 2)
    with pytest.raises(ValueError, match="60 sequences in 1 groups"):
        clf.fit(X, y, groups=np.zeros(60))
    with pytest.raises(ValueError, match="only with early_stopping=True"):
        GRUClassifier().fit(X, y, groups=groups)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        clf.fit(X, y, groups=np.arange(61))


@pytest.mark.parametrize("shuffled", [False, True])
def test_the_validation_loss_is_the_weighted_mean_of_all_sequences(shuffled):
    X, y = order_data(60)
    # In the first order each batch contains one class, so that its weight would cancel out.
    order = np.random.default_rng(0).permutation(60) if shuffled else np.argsort(y, kind="stable")
    clf = GRUClassifier(
        **{**SMALL, "max_epochs": 2, "batch_size": 10},
        early_stopping=True,
        class_weight={0: 1, 1: 50},
        label_smoothing=0.1,
    ).fit(X, y, X_val=X[order], y_val=y[order])
    best = min(record["valid_loss"] for record in clf.history_)
    logits = torch.tensor(np.log(clf.predict_proba(X)))
    expected = nn.functional.cross_entropy(
        logits, torch.tensor(y), torch.tensor([1.0, 50.0]), label_smoothing=0.1
    )
    assert best == pytest.approx(expected.item(), rel=1e-5)


def test_the_validation_loss_uses_sequence_weights():
    X, y = order_data(90)
    weight = np.random.default_rng(0).uniform(0.1, 5, 90)
    seen = []

    class Watcher(Callback):
        def on_train_begin(self, net, **_):
            held_out = net.train_split(None)[1]
            seen.append(held_out.__getitems__(range(len(held_out)))[0]["sequences"].numpy())

    clf = GRUClassifier(
        **{**SMALL, "max_epochs": 2, "batch_size": 7},
        early_stopping=True,
        validation_fraction=0.5,
        class_weight="balanced",
        callbacks=[Watcher()],
    ).fit(X, y, sample_weight=weight)
    rows = [np.flatnonzero((sequence == X).all((1, 2)))[0] for sequence in seen[0]]
    best = min(record["valid_loss"] for record in clf.history_)
    balanced = clf.net_.criterion_.weight.numpy()[y[rows]] * weight[rows]
    expected = log_loss(y[rows], clf.predict_proba(X[rows]), sample_weight=balanced)
    assert best == pytest.approx(expected, rel=1e-5)


def test_early_stopping_with_a_validation_set():
    X, y = order_data(80)
    clf = GRUClassifier(early_stopping=True, **{**SMALL, "max_epochs": 3})
    clf.fit(X[:60], y[:60], X_val=X[60:], y_val=y[60:])
    probabilities = clf.predict_proba(X[60:])
    best = min(record["valid_loss"] for record in clf.history_)
    assert best == pytest.approx(log_loss(y[60:], probabilities), rel=1e-4)
    with pytest.raises(ValueError, match=r"unknown labels: \[7\]"):
        clf.fit(X, y, X_val=X[:2], y_val=[0, 7])
    with pytest.raises(ValueError, match="pass both or neither"):
        clf.fit(X, y, X_val=X)
    with pytest.raises(ValueError, match="pass groups or X_val, not both"):
        clf.fit(X, y, groups=y, X_val=X, y_val=y)


def test_the_weighted_loss_equals_torchs_over_weighted_sequences():
    X, y = order_data(30)
    weight = np.random.default_rng(0).uniform(0.1, 3, 30)
    clf = GRUClassifier(
        8, label_smoothing=0.2, class_weight={0: 1, 1: 4}, batch_size=30, lr=1e-9, max_epochs=1
    )
    for given, expected_weight in (
        (weight, weight),
        (None, np.ones(30)),
        (np.ones(30), np.ones(30)),
    ):
        loss = clone(clf).set_params(random_state=0).fit(X, y, given).history_[0]["train_loss"]
        net = clone(clf).set_params(random_state=0).fit(X, y).net_
        with torch.inference_mode():
            logits = net.module_(torch.tensor(X), torch.full((30,), 6))
            criterion = nn.CrossEntropyLoss(torch.tensor([1.0, 4.0]), label_smoothing=0.2)
            total = divisor = 0.0
            for i in range(30):
                factor = expected_weight[i] * (4 if y[i] else 1)
                total += factor * criterion(logits[i : i + 1], torch.tensor(y[i : i + 1])).item()
                divisor += factor
        assert loss == pytest.approx(total / divisor, rel=1e-5)


def test_rows_of_weight_zero_are_ignored():
    X, y = order_data(40)
    weight = np.arange(40) % 3 > 0
    weighted = GRUClassifier(**SMALL).fit(X, y, weight.astype(float))
    without = GRUClassifier(**SMALL).fit(X[weight], y[weight], np.ones(weight.sum()))
    np.testing.assert_array_equal(weighted.predict_proba(X), without.predict_proba(X))
    hits = weighted.predict(X) == y
    assert weighted.score(X, y, weight) == pytest.approx(hits[weight].mean())
    with pytest.raises(ValueError, match="[Nn]egative"):
        weighted.fit(X, y, -np.ones(40))


STEADY = {
    "hidden_size": 8, "optimizer": "sgd", "lr": 0.1, "lr_schedule": None, "batch_size": 100,
    "random_state": 0,
}  # fmt: skip


def test_partial_fit_equals_fit():
    X, y = order_data(40)
    at_once = GRUClassifier(**STEADY, max_epochs=6).fit(X, y)
    in_parts = GRUClassifier(**STEADY)
    for call in range(6):
        in_parts.partial_fit(X, y, classes=[0, 1] if call == 0 else None)
    assert in_parts.n_iter_ == 6
    np.testing.assert_allclose(in_parts.predict_proba(X), at_once.predict_proba(X), rtol=1e-5)
    after_saving = GRUClassifier(**STEADY, max_epochs=3).fit(X, y)
    after_saving = pickle.loads(pickle.dumps(after_saving))
    for _ in range(3):
        after_saving.partial_fit(X, y)
    np.testing.assert_allclose(after_saving.predict_proba(X), at_once.predict_proba(X), rtol=1e-5)


def test_a_warm_start_continues_training():
    X, y = order_data(40)
    at_once = GRUClassifier(**STEADY, max_epochs=6).fit(X, y)
    twice = GRUClassifier(**STEADY, max_epochs=3, warm_start=True).fit(X, y)
    first = twice.predict_proba(X)
    twice.fit(X, y)
    np.testing.assert_allclose(twice.predict_proba(X), at_once.predict_proba(X), rtol=1e-5)
    assert not np.allclose(first, twice.predict_proba(X), rtol=1e-4)
    with pytest.raises(ValueError, match=r"unknown labels: \[2\]"):
        twice.fit(X, y + 1)
    with pytest.raises(ValueError, match="4 features per frame.*expecting 3"):
        twice.fit(np.zeros((2, 6, 4)), [0, 1])


def test_partial_fit_weights_classes_that_occur_later():
    X, y = order_data(20)
    clf = GRUClassifier(**SMALL, class_weight={1: 50})
    clf.partial_fit(X[y == 0], y[y == 0], classes=[0, 1]).partial_fit(X, y)
    assert clf.net_.criterion_.weight.tolist() == [1, 50]


def test_partial_fit_accepts_missing_classes_but_not_new_ones():
    X, y = order_data(40)
    with pytest.raises(
        ValueError, match="classes, .* must be passed on the first call to partial_fit"
    ):
        GRUClassifier(**STEADY).partial_fit(X, y)
    clf = GRUClassifier(**STEADY)
    clf.partial_fit(X[y == 0], y[y == 0], classes=[0, 1, 2])
    assert clf.predict_proba(X).shape == (40, 3)
    np.testing.assert_array_equal(clf.class_prior_, [1, 0, 0])
    assert clf.partial_fit(X, y, sample_weight=np.ones(40)).n_iter_ == 2
    np.testing.assert_allclose(clf.class_prior_, [2 / 3, 1 / 3, 0])
    with pytest.raises(ValueError, match=r"unknown labels: \[3\]"):
        clf.partial_fit(X, np.full(40, 3))
    with pytest.raises(ValueError, match=r"classes=\[0, 1\] is not the same as on the first call"):
        clf.partial_fit(X, y, classes=[0, 1])
    with pytest.raises(
        ValueError, match="class_weight='balanced' is not supported by partial_fit"
    ):
        clf.set_params(class_weight="balanced").partial_fit(X, y)


def test_net_params_are_passed_to_skorch():
    X, y = order_data(20)
    clf = GRUClassifier(**SMALL, net_params={"optimizer__amsgrad": True, "max_epochs": 2})
    assert clf.fit(X, y).n_iter_ == 2
    assert clf.net_.optimizer_.defaults["amsgrad"]
    with pytest.raises(ValueError, match="'net_params' parameter"):
        clf.set_params(net_params=3).fit(X, y)


def test_class_weights_shift_predictions():
    X, _ = order_data()
    y = np.array([0] * 60 + [1] * 20)
    np.random.default_rng(0).shuffle(X)
    noise = {**SMALL, "max_epochs": 5}
    shares = {
        str(weight): np.mean(GRUClassifier(class_weight=weight, **noise).fit(X, y).predict(X))
        for weight in (None, "balanced", {0: 1.0, 1: 50.0})
    }
    assert shares["None"] < shares["balanced"] < shares["{0: 1.0, 1: 50.0}"]
    with pytest.raises(ValueError, match=r"The classes \['no'\] of class_weight are not in y"):
        GRUClassifier(class_weight={"no": 1}).fit(X, y)


def test_a_class_weight_for_an_absent_class_is_ignored():
    X, y = order_data()
    weights = {0: 1.0, 1: 3.0, 2: 9.0}
    clf = GRUClassifier(class_weight=weights, **SMALL).fit(X, y)
    same = GRUClassifier(class_weight={0: 1.0, 1: 3.0}, **SMALL).fit(X, y)
    np.testing.assert_array_equal(clf.predict_proba(X), same.predict_proba(X))
    # A class that one fold lacks.
    y[np.flatnonzero(y)[-2:]] = 2
    folds = [(np.arange(76), np.arange(76, 80)), (np.arange(4, 80), np.arange(4))]
    clf = GRUClassifier(class_weight=weights, **{**SMALL, "max_epochs": 1})
    scores = cross_val_score(clf, X, y, cv=folds, error_score="raise")
    assert np.isfinite(scores).all()


def test_learning_rate_decays_gradually():
    X, y = order_data(16)
    rates = []

    from skorch.callbacks import Callback

    class Recorder(Callback):
        def on_epoch_begin(self, net, **_):
            rates.append(net.optimizer_.param_groups[0]["lr"])

    GRUClassifier(lr=0.1, lr_decay=0.5, max_epochs=4, callbacks=[Recorder()]).fit(X, y)
    assert rates == pytest.approx([0.1, 0.05, 0.025, 0.0125])


def test_copies_and_pickles_predict_the_same(tmp_path):
    X, y = order_data()
    clf = GRUClassifier(num_layers=2, fc_sizes=(4,), **SMALL).fit(X, y)
    expected = clf.predict_proba(X)
    joblib.dump(clf, tmp_path / "clf.joblib")
    copies = [
        copy.deepcopy(clf),
        pickle.loads(pickle.dumps(clf)),
        joblib.load(tmp_path / "clf.joblib"),
    ]
    for other in copies:
        np.testing.assert_array_equal(other.predict_proba(X), expected)
        assert other.history_ == clf.history_
        assert [r["train_loss"] for r in other.net_.history] == clf.net_.history[:, "train_loss"]
        assert other.fit(X, y).n_iter_ == 20
    assert not hasattr(clone(clf), "net_")
    assert not hasattr(pickle.loads(pickle.dumps(clone(clf))), "net_")


def test_a_pickle_contains_no_tensor(monkeypatch):
    X, y = order_data()
    # A model trained on a GPU must load without one: it contains no torch storage.
    clf = GRUClassifier(**SMALL).fit(X, y)
    expected = clf.predict_proba(X)
    clf.device = "cuda"  # as if it had been trained there
    saved = pickle.dumps(clf)
    assert b"torch._utils" not in saved
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.warns(UserWarning, match="the CPU is used instead"):
        np.testing.assert_array_equal(pickle.loads(saved).predict_proba(X), expected)


def test_grid_search_over_decay_and_size():
    X, y = order_data()
    grid = {"lr_decay": [0.5, 1.0], "hidden_size": [2, 16]}
    search = GridSearchCV(GRUClassifier(**SMALL), grid, cv=3, error_score="raise").fit(X, y)
    assert search.best_score_ > 0.9
    assert {(p["lr_decay"], p["hidden_size"]) for p in search.cv_results_["params"]} == {
        (decay, size) for decay in (0.5, 1.0) for size in (2, 16)
    }


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"hidden_size": 0}, "'hidden_size' parameter"),
        ({"lr": -1.0}, "'lr' parameter"),
        ({"lr_decay": 1.5}, "'lr_decay' parameter"),
        ({"dropout": 1.0}, "'dropout' parameter"),
        ({"max_epochs": 0}, "'max_epochs' parameter"),
        ({"class_weight": "even"}, "'class_weight' parameter"),
        ({"device": "tpu"}, "device='tpu' is unknown"),
        ({"early_stopping": True, "validation_fraction": 0.01}, "validation_fraction=0.01 of 80"),
        ({"fc_sizes": (8, 0)}, "fc_sizes"),
    ],
)
def test_wrong_parameters_are_named(parameters, message):
    X, y = order_data()
    with pytest.raises(ValueError, match=message):
        GRUClassifier(**parameters).fit(X, y)


def test_wrong_data_is_named():
    X, y = order_data()
    clf = GRUClassifier(**SMALL)
    with pytest.raises(NotFittedError):
        clf.predict(X)
    with pytest.raises(ValueError, match="18 columns, not a multiple of frame_dim=2048"):
        clf.fit(X.reshape(80, -1), y)
    with pytest.raises(ValueError, match="at least 2 classes, got 1 class in y"):
        clf.fit(X, np.zeros(80, int))
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        clf.fit(X, y[:-1])
    with pytest.raises(ValueError, match="infinity"):
        clf.fit(np.full_like(X, np.inf), y)
    hole = X.copy()
    hole[3, 2, 1] = np.nan
    with pytest.raises(ValueError, match="NaN in sequence 3, frame 2"):
        clf.fit(hole, y)
    clf.fit(X, y)
    with pytest.raises(ValueError, match="4 features per frame.*expecting 3"):
        clf.predict(np.zeros((1, 2, 4)))
    with pytest.raises(ValueError, match="X has 15 features.*expecting 18"):
        clf.predict(np.zeros((1, 15)))


def test_threads_do_not_change_results_or_the_generator():
    X, y = order_data(40)
    clf = GRUClassifier(dropout=0.3, fc_sizes=(4,), **{**SMALL, "max_epochs": 3})
    expected = cross_val_predict(clf, X, y, cv=4, method="predict_proba")
    before = torch.get_rng_state()
    with joblib.parallel_config(backend="threading", n_jobs=2):
        found = cross_val_predict(clf, X, y, cv=4, method="predict_proba")
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert torch.equal(torch.get_rng_state(), before)


def test_prediction_uses_no_random_numbers(monkeypatch):
    X, y = order_data(10)
    clf = GRUClassifier(**{**SMALL, "max_epochs": 1}).fit(X, y)
    before = torch.get_rng_state()
    monkeypatch.setattr(torch, "manual_seed", None)
    clf.predict_proba(X)
    assert torch.equal(torch.get_rng_state(), before)


def test_rows_of_a_class_without_weight_are_ignored():
    X, y = order_data(20)
    clf = GRUClassifier(**SMALL, class_weight={0: 0, 1: 1}, batch_size=2).fit(X, y)
    assert clf.classes_.tolist() == [0, 1]
    assert (clf.predict_proba(X)[:, 1] > 0.8).all()


def test_a_diverging_training_is_an_error_and_changes_nothing():
    X, y = order_data(20)
    clf = GRUClassifier(**SMALL).fit(X, y)
    before = clf.predict_proba(X)
    for stopping in (False, True):
        clf.set_params(optimizer="sgd", lr=1e38, early_stopping=stopping)
        with pytest.raises(ValueError, match=r"diverged.* Reduce lr \(now 1e\+38\)"):
            clf.fit(X[:, :3], y)
        np.testing.assert_array_equal(clf.predict_proba(X), before)
    unfitted = GRUClassifier(**SMALL)
    with pytest.raises(ValueError, match="at least 2 classes"):
        unfitted.fit(X, np.zeros(20))
    with pytest.raises(NotFittedError):
        unfitted.predict(X)


def test_continuing_with_another_network_is_an_error():
    X, y = order_data(20)
    clf = GRUClassifier(**{**SMALL, "max_epochs": 1}, warm_start=True).fit(X, y)
    clf.set_params(hidden_size=5, pooling="mean")
    for go_on in (clf.fit, clf.partial_fit):
        with pytest.raises(
            ValueError, match="hidden_size, pooling have changed since the previous"
        ):
            go_on(X, y)


def test_partial_fit_uses_a_changed_learning_rate():
    X, y = order_data(20)
    clf = GRUClassifier(**SMALL).partial_fit(X, y, classes=[0, 1])
    before = clf.module_.fc[-1].weight.detach().clone()
    clf.set_params(lr=1e-12, batch_size=20).partial_fit(X, y)
    torch.testing.assert_close(clf.module_.fc[-1].weight.detach(), before)
    assert [len(epoch["batches"]) for epoch in clf.net_.history] == [2, 1]
    assert clf.n_iter_ == 2


def test_a_failing_partial_fit_changes_nothing():
    X, y = order_data(20)
    clf = GRUClassifier(**SMALL, optimizer="sgd", batch_size=1)
    clf.partial_fit(X, y, classes=[0, 1])
    before = clf.predict_proba(X)
    with pytest.raises(ValueError, match="diverged"):
        clf.set_params(lr=1e38).partial_fit(X, y)
    np.testing.assert_array_equal(clf.predict_proba(X), before)
    assert clf.set_params(lr=0.01).partial_fit(X, y).n_iter_ == len(clf.net_.history) == 2


def test_partial_fit_accumulates_weights_for_the_priors():
    X, y = order_data(20)
    clf = GRUClassifier(**SMALL)
    clf.partial_fit(X[y == 0], y[y == 0], [0, 1], np.full(10, 99))
    clf.partial_fit(X[y == 1], y[y == 1], sample_weight=np.ones(10))
    np.testing.assert_allclose(clf.class_prior_, [0.99, 0.01])


def test_partial_fit_uses_changed_class_weights():
    X, y = order_data(20)
    clf = GRUClassifier(**SMALL, class_weight={0: 0}).partial_fit(X, y, classes=[0, 1])
    clf.set_params(class_weight=None).partial_fit(X[y == 0], y[y == 0])
    assert clf.net_.criterion_.weight.tolist() == [1, 1]


def test_partial_fit_notifies_callbacks():
    X, y = order_data(20)
    schedule = LRScheduler(policy="StepLR", step_size=1)
    clf = GRUClassifier(**SMALL, callbacks=[schedule])
    clf.partial_fit(X, y, classes=[0, 1]).partial_fit(X, y)
    assert clf.n_iter_ == 2
    assert clf.net_.optimizer_.param_groups[0]["lr"] == pytest.approx(0.01 * 0.1**2)


def test_the_history_continues_after_loading():
    X, y = order_data(20)
    clf = GRUClassifier(**{**SMALL, "max_epochs": 3}).fit(X, y)
    loaded = pickle.loads(pickle.dumps(clf)).partial_fit(X, y)
    assert loaded.n_iter_ == 4
    assert loaded.history_[:3] == clf.history_


def test_a_device_set_after_fit_is_used():
    X, y = order_data(20)
    clf = GRUClassifier(**{**SMALL, "max_epochs": 1}, device="cpu").fit(X, y)
    with pytest.raises(ValueError, match="device='tpu' is unknown"):
        clf.set_params(device="tpu").predict(X)
    with pytest.raises(ValueError, match="'device' parameter"):
        clf.set_params(device=None).fit(X, y)
    with pytest.raises(RuntimeError, match="meta"):  # a device that computes nothing
        clf.set_params(device="meta").predict_proba(X)


def test_dropout_may_change_between_fits():
    X, y = order_data(20)
    clf = GRUClassifier(**{**SMALL, "max_epochs": 1}, warm_start=True).fit(X, y)
    clf.set_params(dropout=0.5).fit(X, y)
    assert clf.module_.fc[0].p == 0.5


@pytest.mark.parametrize(
    ("options", "net_params"),
    [
        ({}, {"optimizer": torch.optim.Adadelta}),
        ({}, {"optimizer__foreach": True}),
        ({"lr_schedule": "one_cycle"}, {"batch_size": 4}),
        ({"lr_schedule": "one_cycle"}, {"max_epochs": 3}),
    ],
)
def test_net_params_override_parameters(options, net_params):
    X, y = order_data(20)
    options = {**SMALL, "max_epochs": 2, **options}
    clf = GRUClassifier(**options, net_params=net_params).fit(X, y)
    for name, value in net_params.items():
        assert clf.net_.get_params()[name] == value


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("callbacks", "the parameter callbacks"),
        ("criterion", "the loss is always cross-entropy"),
        ("criterion__reduction", "the loss is always cross-entropy"),
        ("train_split", "use early_stopping"),
        ("module", "the network is always a GRU"),
        ("module__cell", "the network is always a GRU"),
        ("module__dropout", "set dropout of GRUClassifier"),
        ("predict_nonlinearity", "softmax"),
    ],
)
def test_net_params_that_saving_would_lose_are_errors(name, message):
    X, y = order_data(20)
    with pytest.raises(ValueError, match=f"net_params must not contain '{name}': .*{message}"):
        GRUClassifier(net_params={name: None}).fit(X, y)


@pytest.mark.parametrize(
    ("name", "value"),
    [("batch_size", 0), ("max_epochs", 0), ("batch_size", 2.5), ("batch_size", True)],
)
def test_net_params_that_cannot_train_are_named(name, value):
    X, y = order_data(20)
    with pytest.raises(ValueError, match=f"net_params: {name}={value} must be a positive int"):
        GRUClassifier(net_params={name: value}).fit(X, y)


def test_callbacks_keep_shared_references():
    class Counter(Callback):
        epochs = 0

        def on_epoch_end(self, net, **_):
            self.epochs += 1

    class Reader(Callback):
        def __init__(self, counter):
            self.counter = counter

        def on_train_end(self, net, **_):
            counts.append(self.counter.epochs)

    counts = []
    counter = Counter()
    X, y = order_data(20)
    GRUClassifier(**{**SMALL, "max_epochs": 2}, callbacks=[counter, Reader(counter)]).fit(X, y)
    assert counts == [2]
    assert counter.epochs == 0


def test_callbacks_that_cannot_be_copied_are_named(tmp_path):
    X, y = order_data(20)
    watcher = Watcher()
    message = r"callbacks=\[.*Watcher.*cannot be copied"
    with open(tmp_path / "log", "w") as watcher.file, pytest.raises(ValueError, match=message):
        GRUClassifier(**SMALL, callbacks=[watcher]).fit(X, y)


def test_numpy_numbers_are_accepted():
    X, y = order_data(20)
    options = {
        "hidden_size": np.arange(4, 5),
        "max_epochs": np.array([2]),
        "batch_size": np.array([8]),
        "lr": np.array([0.01]),
        "lr_schedule": ["one_cycle"],
        "fc_sizes": [tuple(np.array([3]))],
    }
    search = GridSearchCV(GRUClassifier(), options, cv=2, error_score="raise").fit(X, y)
    assert search.best_estimator_.net_.batch_size == 8


@needs_gpu
@pytest.mark.parametrize("mixed_precision", [False, True])
def test_on_a_gpu(mixed_precision):
    X, y = order_data()
    clf = GRUClassifier(device="cuda", mixed_precision=mixed_precision, **SMALL).fit(X, y)
    assert next(clf.net_.module_.parameters()).is_cuda
    assert clf.score(X, y) > 0.9
    assert b"torch._utils" not in pickle.dumps(clf)


def test_reversed_views_equal_their_copies():
    X, y = order_data(16)
    options = {**SMALL, "frame_dim": X.shape[2]}
    for view in (X[::-1], X[:, ::-1], X.reshape(len(X), -1)[::-1]):
        model = GRUClassifier(**options).fit(view, y)
        expected = GRUClassifier(**options).fit(view.copy(), y).predict_proba(view.copy())
        np.testing.assert_array_equal(model.predict_proba(view), expected)


def test_a_series_as_data_is_an_error_about_its_dimensions():
    with pytest.raises(ValueError, match="Expected a 2-dimensional container|Expected 2D"):
        GRUClassifier(**SMALL).fit(pd.Series([0.0, 1.0]), [0, 1])
