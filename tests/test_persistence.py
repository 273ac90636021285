import errno
import gc
import os
import pickle
import stat
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
import skops.io
import torch
from sklearn.ensemble import VotingClassifier
from sklearn.metrics import get_scorer
from sklearn.model_selection import GridSearchCV
from sklearn.preprocessing import MinMaxScaler

from skvideo_gru import (
    SKOPS_TRUSTED_TYPES,
    FrameWise,
    GRUClassifier,
    ResNet50FrameFeaturizer,
    __version__,
    make_video_classifier,
)
from skvideo_gru.persistence import (
    atomic_write,
    check_writable,
    preallocate,
    restore_on_error,
    temporary_array,
)


def fitted_pipeline(videos, y):
    pipe = make_video_classifier(
        random_state=0, features__n_frames=2, features__frame_size=32, features__max_epochs=0
    )
    return pipe.set_params(gru__max_epochs=2).fit(videos, y)


def test_skops_loads_with_the_trusted_types(colour_clips, tmp_path):
    videos, y = colour_clips
    pipe = fitted_pipeline(videos, y)
    skops.io.dump(pipe, tmp_path / "model.skops")
    untrusted = skops.io.get_untrusted_types(file=tmp_path / "model.skops")
    assert set(untrusted) <= set(SKOPS_TRUSTED_TYPES)
    loaded = skops.io.load(tmp_path / "model.skops", trusted=SKOPS_TRUSTED_TYPES)
    np.testing.assert_array_equal(loaded.predict_proba(videos), pipe.predict_proba(videos))


def test_skops_loads_ensembles_of_pipelines(colour_clips, tmp_path):
    videos, y = colour_clips
    model = VotingClassifier([("a", fitted_pipeline(videos, y))], voting="soft").fit(videos, y)
    skops.io.dump(model, tmp_path / "model.skops")
    loaded = skops.io.load(tmp_path / "model.skops", trusted=SKOPS_TRUSTED_TYPES)
    np.testing.assert_array_equal(loaded.predict_proba(videos), model.predict_proba(videos))


@pytest.mark.parametrize("version", ["0.0.1", "unknown"])
def test_a_model_of_another_version_warns(colour_clips, version):
    for _, step in fitted_pipeline(*colour_clips).steps:
        state = step.__getstate__()
        assert state.pop("_saved_by") == __version__
        if version != "unknown":
            state["_saved_by"] = version
        kind = type(step)
        with pytest.warns(
            UserWarning, match=f"{kind.__name__} was saved with skvideo_gru version {version}"
        ):
            kind.__new__(kind).__setstate__(state)


def test_the_same_version_does_not_warn(recwarn):
    X = np.arange(12.0).reshape(2, 3, 2)
    for estimator in (FrameWise(MinMaxScaler()), GRUClassifier(max_epochs=1)):
        pickle.loads(pickle.dumps(estimator.fit(X, [0, 1])))
    assert not recwarn.list


def test_a_missing_parameter_of_an_older_model_gets_its_default():
    X = np.arange(12.0).reshape(2, 3, 2)
    state = GRUClassifier(max_epochs=1, random_state=0).fit(X, [0, 1]).__getstate__()
    del state["delta_weight"]
    old = GRUClassifier.__new__(GRUClassifier)
    old.__setstate__(state)
    assert (old.delta_weight, old.random_state) == (0, 0)
    assert repr(old)


@pytest.mark.parametrize(
    ("place", "error", "message"),
    [(".", IsADirectoryError, "is a folder"), ("nowhere/file", FileNotFoundError, "nowhere")],
)
def test_errors_name_the_unwritable_path(tmp_path, place, error, message):
    with pytest.raises(error, match=message), atomic_write(tmp_path / place):
        pytest.fail("work was begun")


def test_a_folder_that_cannot_be_written_to_is_an_error_before_the_work():
    with pytest.raises(OSError, match="'/proc/m.skops': the folder '/proc' cannot be written to"):
        check_writable("/proc/m.skops")


def test_a_device_is_not_replaced(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="is a device, pipe"), atomic_write(tmp_path / "pipe"):
        pytest.fail("work was begun")
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)


def test_the_file_of_a_link_is_replaced(tmp_path):
    store = tmp_path / "store"
    store.mkdir()
    (store / "model").write_text("old")
    (tmp_path / "link").symlink_to(store / "model")
    with atomic_write(tmp_path / "link") as part:
        Path(part).write_text("new")
    assert (store / "model").read_text() == (tmp_path / "link").read_text() == "new"
    assert (tmp_path / "link").is_symlink()
    assert {path.name for path in tmp_path.rglob("*")} == {"store", "model", "link"}


def test_a_replaced_file_keeps_its_permissions(tmp_path):
    file = tmp_path / "private"
    file.touch()
    file.chmod(0o600)
    with atomic_write(file) as part:
        Path(part).write_text("new")
    assert file.read_text() == "new"
    assert file.stat().st_mode & 0o777 == 0o600


def test_machine_specific_parameters_are_saved_as_strings(tmp_path):
    X = np.arange(12.0).reshape(2, 3, 2)
    device = torch.device("cpu")
    clf = GRUClassifier(max_epochs=1, random_state=0, device=device).fit(X, [0, 1])
    featurizer = ResNet50FrameFeaturizer(weights=tmp_path / "b.pth", device=device)
    again = [
        skops.io.loads(skops.io.dumps(estimator), trusted=SKOPS_TRUSTED_TYPES)
        for estimator in (clf, featurizer)
    ]
    assert [estimator.device for estimator in again] == ["cpu", "cpu"]
    assert again[1].weights == str(tmp_path / "b.pth")
    np.testing.assert_array_equal(again[0].predict_proba(X), clf.predict_proba(X))


@pytest.mark.parametrize(("number", "raises"), [(errno.ENOSPC, True), (errno.EOPNOTSUPP, False)])
def test_space_is_preallocated_if_the_file_system_supports_it(
    tmp_path, monkeypatch, number, raises
):
    (tmp_path / "file").write_bytes(bytes(1000))

    def fails(*_):
        raise OSError(number, "so it is")

    monkeypatch.setattr(os, "posix_fallocate", fails)
    expectation = pytest.raises(OSError, match="so it is: 1,000 bytes are needed")
    with expectation if raises else nullcontext():
        preallocate(tmp_path / "file")


def test_a_large_array_is_in_a_file_without_a_name(tmp_path):
    before = set(Path("/proc/self/maps").read_text().splitlines())
    array = temporary_array((3, 1000), np.float32, 11_999, tmp_path)
    new = set(Path("/proc/self/maps").read_text().splitlines()) - before
    assert any(str(tmp_path) in line and "(deleted)" in line for line in new)
    assert not list(tmp_path.iterdir())
    array[:] = np.arange(1000)
    again = pickle.loads(pickle.dumps(array))
    np.testing.assert_array_equal(
        again, np.broadcast_to(np.arange(1000, dtype=np.float32), (3, 1000))
    )
    del array, again
    gc.collect()
    assert str(tmp_path) not in Path("/proc/self/maps").read_text()


@pytest.mark.parametrize("max_nbytes", [12_000, None])
def test_a_small_array_is_in_memory(tmp_path, max_nbytes):
    array = temporary_array((3, 1000), np.float32, max_nbytes, tmp_path)
    assert array.shape == (3, 1000)
    assert array.dtype == np.float32
    assert str(tmp_path) not in Path("/proc/self/maps").read_text()


def test_a_temporary_array_on_a_full_disk_is_an_error(tmp_path, monkeypatch):
    def fails(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", fails)
    with pytest.raises(
        OSError, match="No space left on device: 12,000 bytes are needed"
    ) as caught:
        temporary_array((3, 1000), np.float32, 0, tmp_path)
    assert caught.value.filename == str(tmp_path)
    assert not list(tmp_path.iterdir())


def test_an_estimator_is_restored_if_its_fit_fails():
    scaler = MinMaxScaler().fit([[1.0]])
    before = dict(vars(scaler))

    @restore_on_error(scaler)
    def fail():
        del scaler.n_features_in_
        scaler.scale_, scaler.more_ = 2, 3
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert vars(scaler) == before


def test_searches_with_any_scorer_of_classifiers_load():
    names = ["accuracy", "balanced_accuracy", "matthews_corrcoef", "top_k_accuracy"]
    names += ["neg_brier_score", "neg_log_loss", "average_precision", "roc_auc", "roc_auc_ovr"]
    for score in ("precision", "recall", "f1", "jaccard"):
        names += [score, f"{score}_macro"]
    for name in names:
        text = skops.io.dumps(GridSearchCV(GRUClassifier(), {}, scoring=get_scorer(name)))
        assert set(skops.io.get_untrusted_types(data=text)) <= set(SKOPS_TRUSTED_TYPES), name
