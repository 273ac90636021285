import threading
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from skorch.callbacks import Callback

from skvideo_gru import GRUClassifier
from skvideo_gru.networks import threads
from skvideo_gru.networks.threads import useful_threads


@pytest.fixture
def four_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(4)
    yield
    torch.set_num_threads(before)


def net_of(n_weights, device="cpu"):
    """A net of so many weights."""
    return SimpleNamespace(module_=torch.nn.Linear(n_weights, 1, bias=False), device=device)


def in_new_thread():
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(torch.get_num_threads).result()


@pytest.mark.parametrize(
    ("n_weights", "n_frames", "expected"),
    # Each frame is multiplied with every weight and added: 2 operations.
    [
        (10, 10, 1),
        (10**6, 499, 1),
        (10**6, 500, 2),
        (10**6, 800, 3),
        (10**6, 10**6, 4),
    ],
)
def test_threads_fit_the_work_and_do_not_exceed_the_setting(
    four_threads, n_weights, n_frames, expected
):
    with useful_threads(net_of(n_weights), n_frames):
        assert torch.get_num_threads() == expected
        assert in_new_thread() == 4
    assert torch.get_num_threads() == in_new_thread() == 4


def test_threads_are_restored_after_an_error_and_unchanged_on_a_gpu(four_threads):
    with pytest.raises(KeyboardInterrupt), useful_threads(net_of(10), 10):
        raise KeyboardInterrupt
    assert torch.get_num_threads() == 4
    with useful_threads(net_of(10, "cuda"), 10):
        assert torch.get_num_threads() == 4


def test_the_settings_of_this_thread_and_of_new_threads_remain_different(four_threads):
    def limited():
        with useful_threads(net_of(10), 10):
            assert torch.get_num_threads() == 1
        return torch.get_num_threads()

    with ThreadPoolExecutor(1) as pool:
        pool.submit(torch.get_num_threads).result()  # from now on it has its own setting
        pool.submit(torch.set_num_threads, 2).result()
        torch.set_num_threads(3)
        assert pool.submit(limited).result() == 2
    assert torch.get_num_threads() == in_new_thread() == 3


def test_simultaneous_limits_do_not_change_the_setting(four_threads):
    def limited(barrier):
        barrier.wait()
        with useful_threads(net_of(10), 10):
            return torch.get_num_threads()

    for _ in range(50):
        barrier = threading.Barrier(4)
        with ThreadPoolExecutor(4) as pool:
            assert list(pool.map(limited, [barrier] * 4)) == [1] * 4
    assert torch.get_num_threads() == in_new_thread() == 4


class Watch(Callback):
    """Record the number of threads in every step."""

    seen: list[int] = []

    def on_batch_begin(self, net, **_):
        """Record it."""
        self.seen.append(torch.get_num_threads())


def test_the_classifier_fits_and_predicts_small_sequences_on_one_thread(four_threads, monkeypatch):
    X = np.random.default_rng(0).random((8, 3, 5), dtype=np.float32)
    clf = GRUClassifier(4, max_epochs=1, callbacks=[Watch()], random_state=0, device="cpu")
    y = ["a", "b"] * 4
    monkeypatch.setattr(Watch, "seen", [])
    small = clf.fit(X, y).predict_proba(X)
    clf.predict_proba_frames(X)
    clf.partial_fit(X, y)
    assert set(Watch.seen) == {1}
    assert torch.get_num_threads() == 4
    Watch.seen.clear()
    monkeypatch.setattr(threads, "_PER_THREAD", 1)
    np.testing.assert_allclose(clf.fit(X, y).predict_proba(X), small, atol=1e-6)
    assert set(Watch.seen) == {4}
