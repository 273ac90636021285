import pytest
from conftest import break_video, make_frames
from sklearn.base import clone
from sklearn.model_selection import ParameterGrid
from sklearn.utils import Bunch

from skvideo_gru import VideoDecodeError
from skvideo_gru.cli.parser import parse_arguments
from skvideo_gru.cli.pipelines import (
    build_pipeline,
    check_training,
    search_grid,
    video_reader,
    video_readers,
)
from skvideo_gru.datasets.generated import write_video


@pytest.mark.parametrize(("modality", "readable"), [("auto", False), ("rgb", True)])
def test_videos_are_checked_in_the_modality_of_the_training(tmp_path, modality, readable):
    path = tmp_path / "end.mp4"
    write_video(path, make_frames(40))
    break_video(path, 36)  # after the two frames that are sampled
    options = ["--n-frames", "2", "--backbone-epochs", "1", "--modality", modality]
    read = video_reader(build_pipeline(parse_arguments(["train", *options]), False, None))
    if readable:
        assert len(read(str(path))) == 2
    else:
        with pytest.raises(VideoDecodeError, match=r"end\.mp4"):
            read(str(path))


def test_options_of_the_backbone_are_passed_to_it():
    options = ["--objective", "frame", "--modality", "motion", "--augmentation", "mirror,light"]
    pipe = build_pipeline(parse_arguments(["train", *options]), generated=True, memory=None)
    features = pipe["features"]
    assert (features.objective, features.modality) == ("frame", "motion")
    assert features.augmentation == ["mirror", "light"]


@pytest.mark.parametrize(
    "schedule", ["exponential", "step", "cosine", "plateau", "one_cycle", "null"]
)
def test_the_check_of_the_training_accepts_valid_parameters(schedule):
    values = f"gru__lr_schedule={schedule},gru__early_stopping=true,gru__fc_sizes=[8],"
    values += "gru__optimizer=sgd,gru__class_weight=balanced,gru__max_grad_norm=1"
    pipe = build_pipeline(parse_arguments(["train", "--set", values]), True, None)
    check_training([pipe], Bunch(target_names=["a", "b", "c"], groups=None))


def test_candidates_are_read_as_each_samples(tmp_path):
    path = tmp_path / "end.mp4"
    write_video(path, make_frames(40))
    break_video(path, 36)
    pipe = build_pipeline(
        parse_arguments(["train", "--n-frames", "2", "--backbone-epochs", "0"]), False, None
    )
    others = [clone(pipe).set_params(features__n_frames=n) for n in (2, 20)]
    assert len(video_readers([pipe, others[0]])(str(path))) == 1
    with pytest.raises(VideoDecodeError, match=r"end\.mp4"):
        video_readers([pipe, *others])(str(path))


def searched(*words):
    return search_grid(parse_arguments(["tune", *words]))


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
        (
            ["--grid", "gru__hidden_size=4", "--hidden-size", "8"],
            "--grid and --hidden-size both have gru__hidden_size",
        ),
        (["--set", "gru__pooling=max,gru__delta_weight=1"], "pass the parameters to search as"),
    ],
)
def test_a_parameter_is_set_or_searched(words, message):
    with pytest.raises(ValueError, match=message):
        searched(*words)
