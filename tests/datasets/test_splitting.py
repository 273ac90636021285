import numpy as np
import pytest
from sklearn.utils import Bunch

from skvideo_gru.datasets.splitting import split_videos


def data_set(n=200, groups=None, split=None, seed=0):
    target = np.random.default_rng(seed).choice(["a", "b", "c"], n, p=[0.6, 0.3, 0.1])
    return Bunch(data=list(range(n)), target=target, groups=groups, split=split)


def test_random_split_is_stratified_and_whole():
    data = data_set()
    parts, description = split_videos(data)
    assert {name: len(rows) for name, rows in parts.items()} == {
        "train": 140,
        "val": 30,
        "test": 30,
    }
    assert sorted(np.concatenate(list(parts.values()))) == data.data
    for rows in parts.values():
        share = np.mean(data.target[rows] == "b")
        assert abs(share - np.mean(data.target == "b")) < 0.03
    assert description == "random 70/15/15, stratified by class, seed 0"
    again, _ = split_videos(data, "random")
    other, _ = split_videos(data, "random", random_state=1)
    assert np.array_equal(again["test"], parts["test"])
    assert not np.array_equal(other["test"], parts["test"])


@pytest.mark.parametrize("n_groups", [3, 5, 12])
def test_grouped_split_keeps_every_group_on_one_side(n_groups):
    groups = np.random.default_rng(1).integers(0, n_groups, 200).astype(str)
    data = data_set(groups=groups)
    parts, description = split_videos(data)
    assert sorted(np.concatenate(list(parts.values()))) == data.data
    sides = [set(groups[rows]) for rows in parts.values()]
    assert all(sides)
    assert not (sides[0] & sides[1] or sides[0] & sides[2] or sides[1] & sides[2])
    assert set(data.target[parts["test"]]) == {"a", "b", "c"}
    assert description.startswith("grouped")


def test_grouped_split_has_every_class_in_training():
    groups = np.repeat(np.arange(10), 20).astype(str)
    data = data_set(groups=groups)
    data.target = np.where(groups == "9", "rare", np.tile(["a", "b"], 100))
    parts, _ = split_videos(data)
    assert set(data.target[parts["train"]]) == {"a", "b", "rare"}


def test_auto_prefers_the_split_of_the_manifest():
    split = np.array(["train"] * 150 + ["val"] * 30 + ["test"] * 20)
    groups = np.arange(200).astype(str)
    parts, description = split_videos(data_set(groups=groups, split=split))
    assert [len(parts[name]) for name in ("train", "val", "test")] == [150, 30, 20]
    assert description == "split of the manifest"
    parts, _ = split_videos(data_set(split=np.array(["train", "val"] * 100)))
    assert set(parts) == {"train", "val"}


def test_auto_selects_a_split_that_the_data_allows():
    only = np.array(["train"] * 200)
    one = np.array(["x"] * 200)
    assert split_videos(data_set(groups=one, split=only))[1].startswith("random")
    groups = np.arange(200).astype(str)
    assert split_videos(data_set(groups=groups, split=only))[1].startswith("grouped")
    # A split or groups that cannot be used are an error, not a random split.
    with pytest.raises(ValueError, match=r"contains only \['test'\]"):
        split_videos(data_set(split=np.array(["test"] * 200)))
    with pytest.raises(ValueError, match="has 2. Add groups, or use split='random'"):
        split_videos(data_set(groups=np.array(["x", "y"] * 100)))


def test_few_videos_per_class_reduce_the_number_of_folds():
    data = Bunch(
        data=list(range(10)),
        target=np.array(list("xyxyxyxyxx")),
        groups=np.array(list("aaaabcdefg")),
        split=None,
    )
    parts, _ = split_videos(data)
    assert sorted(np.concatenate(list(parts.values()))) == data.data
    assert all(len(rows) for rows in parts.values())


def test_groups_that_cannot_be_divided_are_an_error():
    groups = np.array(["a"] * 14 + ["b", "c"])
    data = Bunch(data=list(range(16)), target=np.array(["x", "y"] * 8), groups=groups, split=None)
    with pytest.raises(ValueError, match=r"cannot divide 16 videos in 3 groups: .*split='random'"):
        split_videos(data)


@pytest.mark.parametrize(
    ("how", "changes", "message"),
    [
        ("evenly", {}, "split='evenly' is unknown"),
        ("manifest", {}, "no column 'split'"),
        ("grouped", {}, "no groups"),
        (
            "grouped",
            {"groups": np.array(["x", "y"] * 100)},
            "at least 3 groups, but the data set has 2",
        ),
        ("manifest", {"split": np.array(["train", "hold"] * 100)}, r"unknown values \['hold'\]"),
        ("manifest", {"split": np.array(["train"] * 200)}, r"contains only \['train'\]"),
        ("random", {"n": 5}, "cannot divide 5 videos.* the class 'b' has 2 videos"),
        ("random", {"n": 1}, "all videos have the label 'b'; add videos of another class"),
    ],
)
def test_impossible_splits_are_errors(how, changes, message):
    with pytest.raises(ValueError, match=message):
        split_videos(data_set(**changes), how)


def test_a_class_of_one_video_is_named():
    target = np.array(["left", "right"] * 10 + ["lfet"])
    data = Bunch(data=list(range(21)), target=target, groups=None, split=None)
    with pytest.raises(ValueError, match=r"\['lfet'\] have one.*misspelt"):
        split_videos(data, "random")
