import numpy as np
import pytest
from skorch.callbacks import Callback

from skvideo_gru import GRUClassifier
from skvideo_gru.networks.schedules import OPTIMIZERS

rng = np.random.default_rng(0)
X = rng.normal(size=(32, 3, 4)).astype(np.float32)
y = np.arange(32) % 2


def rates(**params):
    """The learning rate of every step of a training of twelve epochs."""
    taken = []

    class Noting(Callback):
        def on_grad_computed(self, net, **_):
            taken.append(net.optimizer_.param_groups[0]["lr"])

    options = {"lr": 0.1, "max_epochs": 12, "batch_size": 16, "random_state": 0, "frame_dim": 4}
    GRUClassifier(**{**options, **params}, callbacks=[Noting()]).fit(X, y)
    return np.array(taken).reshape(12, 2)


def test_exponential_decay():
    expected = 0.1 * 0.9 ** np.arange(12)
    np.testing.assert_allclose(rates(lr_decay=0.9), np.stack([expected] * 2, axis=1))


def test_step_decay():
    expected = 0.1 * 0.9 ** np.repeat([0, 5, 10], [5, 5, 2])
    np.testing.assert_allclose(
        rates(lr_schedule="step", lr_decay=0.9), np.stack([expected] * 2, axis=1)
    )


def test_cosine():
    expected = 0.05 * (1 + np.cos(np.pi * np.arange(12) / 12))
    np.testing.assert_allclose(rates(lr_schedule="cosine")[:, 0], expected, rtol=1e-6)


def test_one_cycle():
    steps = rates(lr_schedule="one_cycle").ravel()
    top = steps.argmax()
    assert steps[top] == pytest.approx(0.1, rel=0.02)
    assert (np.diff(steps[: top + 1]) > 0).all()
    assert (np.diff(steps[top:]) < 0).all()
    assert steps[-1] < 0.001


def test_decay_on_a_plateau():
    # At this high rate, the loss increases.
    steps = rates(lr_schedule="plateau", lr_decay=0.5, lr=50.0)[:, 0]
    assert steps[0] == 50
    assert steps[-1] < 50
    assert set(np.round(steps[1:] / steps[:-1], 6)) <= {1.0, 0.5}


def test_constant_rate():
    assert (rates(lr_schedule=None, lr_decay=0.5) == 0.1).all()
    assert (rates(lr_schedule="plateau", lr_decay=1.0) == 0.1).all()


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_optimizers_by_name(optimizer):
    clf = GRUClassifier(
        optimizer=optimizer, weight_decay=0.3, max_epochs=2, random_state=0, frame_dim=4
    ).fit(X, y)
    assert type(clf.net_.optimizer_) is OPTIMIZERS[optimizer]
    assert clf.net_.optimizer_.param_groups[0]["weight_decay"] == 0.3
    assert np.isfinite(clf.predict_proba(X)).all()


def test_gradients_are_clipped():
    norms = {}
    for limit in (None, 0.01):
        noted = norms[limit] = []

        class Noting(Callback):
            def on_grad_computed(self, net, noted=noted, **_):
                squares = [(p.grad**2).sum().item() for p in net.module_.parameters()]
                noted.append(sum(squares) ** 0.5)

        params = {"max_epochs": 2, "random_state": 0, "frame_dim": 4, "callbacks": [Noting()]}
        GRUClassifier(max_grad_norm=limit, **params).fit(X, y)
    assert min(norms[None]) > 0.01
    assert max(norms[0.01]) == pytest.approx(0.01, rel=1e-3)


def test_a_single_step_of_a_cycle_has_the_maximum_rate():
    one = {"max_epochs": 1, "batch_size": 32, "lr": 0.1, "random_state": 0, "frame_dim": 4}
    cycle = GRUClassifier(**one, lr_schedule="one_cycle").fit(X, y)
    constant = GRUClassifier(**one, lr_schedule=None).fit(X, y)
    np.testing.assert_array_equal(cycle.predict_proba(X), constant.predict_proba(X))
