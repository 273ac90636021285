"""Trainings in two processes that torchrun starts."""

import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import together
import torch
from conftest import largest_error, needs_gpu

from skvideo_gru.networks import n_processes, process_index, resolve_device, run_epochs
from skvideo_gru.networks.processes import local_index

SCRIPT = Path(__file__).with_name("together.py")
ROOT = str(Path(__file__).parents[2])


def start(folder, *scenarios):
    """Run scenarios in two processes; return the results of both by scenario, and the command."""
    command = ["torch.distributed.run", "--standalone", "--nproc-per-node=2", str(SCRIPT)]
    done = subprocess.run(
        [sys.executable, "-m", *command, str(folder), *scenarios],
        env={**os.environ, "PYTHONPATH": ROOT, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    results = {
        name: [
            pickle.loads(file.read_bytes()) for file in sorted((folder / name).glob("*.pickle"))
        ]
        for name in scenarios
    }
    return results, done


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    """The folder, the results and the command of scenarios, the last of which is killed."""
    folder = tmp_path_factory.mktemp("together")
    return folder, *start(folder, "exchange", "gradients", "pipeline", "backbone", "killed")


@pytest.fixture(scope="module")
def second(first):
    """The results and the command of scenarios after the kill, the last of which fails."""
    return start(first[0], "resumed", "failing")


@pytest.fixture(scope="module")
def results(first):
    _, results, done = first
    for name in ("exchange", "gradients", "pipeline", "backbone"):
        assert len(results[name]) == 2, (name, done.stderr)
    return results


@pytest.mark.parametrize("variables", [[], ["WORLD_SIZE", "RANK", "LOCAL_RANK"]])
def test_without_torchrun_there_is_one_process(variables, monkeypatch):
    for name in variables:
        monkeypatch.setenv(name, "")
    assert (n_processes(), process_index(), local_index()) == (1, 0, 0)
    assert not torch.distributed.is_initialized()


def test_each_process_uses_another_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert resolve_device("auto") == torch.device("cuda")
    for name, value in {"WORLD_SIZE": "4", "RANK": "3", "LOCAL_RANK": "3"}.items():
        monkeypatch.setenv(name, value)
    for device in ("auto", "cuda"):
        assert resolve_device(device) == torch.device("cuda:1")
    assert resolve_device("cuda:0") == torch.device("cuda:0")


def test_an_error_of_one_process_is_raised_in_all(results):
    first, second = results["exchange"]
    assert (first["own"], second["own"]) == (0, 1)
    for found in (first, second):
        for index, error in zip((0, 1, 0, 1), found["errors"], strict=True):
            assert error == f"OSError: the disk is full ['Raised in process {index} of 2.']"
        assert found["different"].startswith("ValueError: The processes have different labels")
        assert found["worker"].startswith("RuntimeError: A fit in 2 processes cannot run in a")


def test_rows_are_shared_by_class_and_exchanged(results):
    first, second = results["exchange"]
    assert sorted(first["rows"] + second["rows"]) == list(range(9))
    for found in (first, second):
        counts = np.bincount(together.LABELS[found["rows"]])
        assert np.abs(counts - np.bincount(together.LABELS) / 2).max() <= 0.5
        expected = np.where(np.isin(range(9), first["rows"]), 1, 2)[:, None] * [1, 1]
        np.testing.assert_array_equal(found["array"], expected)


def test_an_estimator_is_fitted_in_the_first_process_and_keeps_its_parameters(results):
    assert [found["state"] for found in results["exchange"]] == [("?", 1), (1, 1)]


def test_gradients_and_losses_are_those_of_the_whole_batch(results):
    first, second = results["gradients"]
    torch.manual_seed(0)
    net = together.linear_net(normed=False, max_epochs=3)
    run_epochs(net, together.toy_data())
    for found in (first, second):
        for name, value in net.module_.state_dict().items():
            np.testing.assert_allclose(found["state"][name], value, rtol=1e-5)
        np.testing.assert_allclose(found["losses"], net.history[:, "train_loss"], rtol=1e-5)
    assert first["draw"] != second["draw"]
    x = together.toy_data()[:][0].numpy()
    mean = first["state"]["norm.running_mean"]
    np.testing.assert_allclose(mean, (1 - 0.9**3) * x.mean(0), rtol=1e-5)


def test_all_processes_get_the_same_pipeline(results):
    first, second = results["pipeline"]
    for name, value in first["weights"].items():
        np.testing.assert_array_equal(second["weights"][name], value, err_msg=name)
    for value, other in zip(first["gru"], second["gru"], strict=True):
        np.testing.assert_array_equal(other, value)
    np.testing.assert_array_equal(first["proba"], second["proba"])
    for name in ("history", "failed", "classes"):
        assert first[name] == second[name]
    assert first["modality"] == second["modality"] == "rgb"  # the clips differ in brightness
    assert first["failed"][0][0] == "<11 bytes>"
    # Nine videos in batches of 2 x 2, one unreadable: shares of 4 and 4.
    assert [record["train_batch_count"] for record in first["history"]] == [2]


def test_shared_features_are_those_of_one_process(results):
    for found in results["pipeline"]:
        rows = found["together"]
        assert np.isnan(rows[0]).all()
        assert largest_error(rows[1:], found["rows"]) < 1e-5


def test_a_cached_backbone_is_not_trained_again(results):
    for found in results["pipeline"]:
        assert found["trained"] == 0
        np.testing.assert_array_equal(
            found["again"]["conv1.weight"], found["weights"]["conv1.weight"]
        )


def test_an_unreadable_or_different_video_is_an_error_in_all(results):
    for found in results["pipeline"]:
        assert found["error"].startswith("VideoDecodeError: <11 bytes>: ")
        assert found["shuffled"].startswith("ValueError: The processes have different videos or")


def test_progress_is_shown_once(first):
    stderr = first[-1].stderr
    assert stderr.count("backbone (frame): 0/1") == 1
    assert stderr.count("GRU: 0/2") == 1
    # The first process decodes five of the nine videos, the second four.
    assert "decoding: 5/5" in stderr
    assert "decoding: 4/4" not in stderr


def test_a_killed_training_ends_everywhere(first):
    _, results, done = first
    assert done.returncode != 0
    assert results["killed"] == []


def test_a_killed_training_resumes(results, second):
    for found, expected in zip(second[0]["resumed"], results["backbone"], strict=True):
        # The checkpoint of the first epoch was complete, and perhaps that of the second.
        assert found["n_read"] in (4, 8)
        assert found["losses"] == expected["losses"]
        for name, value in expected["weights"].items():
            np.testing.assert_array_equal(found["weights"][name], value, err_msg=name)


def test_a_training_that_fails_in_one_process_ends_everywhere(second):
    results, done = second
    assert done.returncode != 0
    assert "the disk is full" in done.stderr
    assert results["failing"] == []


@needs_gpu
def test_two_processes_on_gpus_get_the_same_backbone(tmp_path):
    results, done = start(tmp_path, "gpu")
    assert done.returncode == 0, done.stderr
    first, second = results["gpu"]
    for name, value in first["weights"].items():
        np.testing.assert_array_equal(second["weights"][name], value, err_msg=name)
