import pytest
import torch

from skvideo_gru.networks.runtime import resolve_device, seeded


def test_auto_selects_an_available_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert resolve_device("auto") == torch.device("cuda")
    assert resolve_device("cuda:1") == torch.device("cuda:1")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert resolve_device("auto") == torch.device("cpu")
    assert resolve_device(torch.device("cpu")) == torch.device("cpu")


def test_a_missing_gpu_is_an_error_in_training_and_a_warning_in_prediction(monkeypatch):
    for n_gpus, name in ((0, "cuda:0"), (0, "cuda"), (1, "cuda:1")):
        monkeypatch.setattr(torch.cuda, "device_count", lambda n_gpus=n_gpus: n_gpus)
        with pytest.raises(ValueError, match=f"device='{name}': this device is not available"):
            resolve_device(name)
        with pytest.warns(UserWarning, match="the CPU is used instead"):
            assert resolve_device(name, training=False) == torch.device("cpu")
    with pytest.raises(ValueError, match="device='gpu' is unknown"):
        resolve_device("gpu")


@pytest.mark.parametrize("name", ["mps", "xpu"])
def test_other_missing_devices(name):
    with pytest.raises(ValueError, match=f"device='{name}': this device is not available"):
        resolve_device(name)
    with pytest.warns(UserWarning, match="the CPU is used instead"):
        assert resolve_device(name, training=False) == torch.device("cpu")


def test_seeding_restores_the_global_generator():
    torch.manual_seed(1)
    before = torch.get_rng_state()
    with seeded(0):
        first = torch.rand(3)
    with seeded(0):
        assert torch.equal(torch.rand(3), first)
    assert torch.equal(torch.get_rng_state(), before)


def test_keyboard_interrupt_is_raised_from_training():
    import numpy as np
    from skorch.callbacks import Callback

    from skvideo_gru import GRUClassifier

    class Interrupt(Callback):
        def on_epoch_end(self, net, **_):
            raise KeyboardInterrupt

    X = np.random.default_rng(0).normal(size=(8, 2, 3))
    for early_stopping in (False, True):
        clf = GRUClassifier(callbacks=[Interrupt()], early_stopping=early_stopping)
        clf.set_params(validation_fraction=0.3)
        with pytest.raises(KeyboardInterrupt):
            clf.fit(X, [0, 1] * 4)
