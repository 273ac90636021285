import numpy as np
import pytest
from sklearn.utils import Bunch

from skvideo_gru.cli.parser import parse_arguments
from skvideo_gru.cli.splits import check_labels, make_folds, split_data


def data_set(labels, groups=None):
    target = np.array(list(labels))
    return Bunch(
        data=[f"{row}.mp4" for row in range(len(target))],
        target=target,
        target_names=np.unique(target),
        groups=None if groups is None else np.array(list(groups)),
        split=None,
    )


def options(command, *words):
    return parse_arguments([command, "--data", "clips.csv", *words])


def test_parts_are_printed_with_their_sizes(capsys):
    parts, description = split_data(options("train"), data_set("ab" * 20))
    assert sorted(np.concatenate(list(parts.values()))) == list(range(40))
    assert description == "random 70/15/15, stratified by class, seed 0: 28 train, 6 val, 6 test"
    assert capsys.readouterr().out == f"split: {description}\n"


def test_training_with_a_single_class_is_refused():
    data = data_set("aabb")
    data.split = np.array(["train", "train", "test", "test"])
    with pytest.raises(ValueError, match=r"--data clips\.csv: all training videos have the same"):
        split_data(options("train"), data)


def test_parts_without_a_class_of_training_are_refused():
    parts = {"train": np.arange(4), "test": np.arange(4, 6)}
    with pytest.raises(ValueError, match="no class of the part 'test' occurs in training"):
        check_labels(options("train"), data_set("ababcc"), parts)


def test_classes_that_do_not_occur_in_training_give_a_warning(capsys):
    parts = {"train": np.arange(4), "test": np.arange(4, 6)}
    check_labels(options("train"), data_set("ababac"), parts)
    assert capsys.readouterr().err.startswith(
        "skvideo-gru train: warning: the classes ['c'] of the part 'test' do not occur in training"
    )
    check_labels(options("train"), data_set("ababab"), parts)
    assert capsys.readouterr().err == ""


def test_each_group_is_in_one_fold():
    data = data_set("ab" * 6, "112233445566")
    rows = np.arange(2, 12)
    folds, description = make_folds(options("tune", "--cv", "5"), data, rows)
    tested = [data.groups[rows[test]] for _, test in folds]
    assert sorted(group for groups in tested for group in set(groups)) == list("23456")
    assert sorted(np.concatenate([test for _, test in folds])) == list(range(10))
    assert description == "5-fold cross-validation, stratified by class, each group in one fold"


@pytest.mark.parametrize(
    ("labels", "groups", "cv", "message"),
    [
        (
            "ababab",
            "112233",
            "4",
            "--cv 4: each fold needs at least one group, but .* only 3",
        ),
        (
            "ababab",
            None,
            "4",
            "--cv 4: n_splits=4 cannot be greater.* Use fewer folds or",
        ),
        ("aaaaabbb", "11122333", "2", "a fold lack the classes .*add groups of these classes"),
    ],
)
def test_too_few_videos_or_groups_for_the_folds(labels, groups, cv, message):
    data = data_set(labels, groups)
    with pytest.raises(ValueError, match=message):
        make_folds(options("tune", "--cv", cv), data, np.arange(len(labels)))
