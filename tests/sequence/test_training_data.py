import numpy as np
import pytest

from skvideo_gru.sequence.net_building import to_dataset
from skvideo_gru.sequence.training_data import (
    relative_weights,
    split_rows,
    usable_rows,
)


def sequences(n, n_frames=3):
    return np.arange(n * n_frames, dtype=np.float32).reshape(n, n_frames, 1)


def test_rows_without_frames_or_weight_are_dropped():
    X, y = sequences(4), np.array(list("abcd"))
    X[1], X[2, 1:] = np.nan, np.nan
    with pytest.warns(UserWarning, match="1 of 4 sequences in X contain no frame"):
        data = usable_rows(X, y, np.array([2.0, 9.0, 1.0, 0.0]))
    assert (data.rows.tolist(), data.y.tolist(), data.lengths.tolist()) == (
        [0, 2],
        ["a", "c"],
        [3, 1],
    )
    assert data.weight.tolist() == [2, 1]


@pytest.mark.parametrize("scale", [1e-320, 1e-50, 1.0, 1e39, 1e300])
def test_only_the_ratios_of_weights_matter(scale):
    weight = np.array([1.0, 4.0]) * scale
    assert len(usable_rows(sequences(2), np.array([0, 1]), weight).y) == 2
    relative = relative_weights(weight, np.dtype(np.float32))
    np.testing.assert_allclose(relative, [0.25, 1], rtol=1e-2 if scale < 1e-300 else 1e-6)


def test_a_weight_that_underflows_is_zero():
    data = usable_rows(sequences(3), np.arange(3), np.array([1, 1e-60, 1e-3]))
    assert data.rows.tolist() == [0, 2]


@pytest.mark.filterwarnings("ignore:3 of 3 sequences")
@pytest.mark.parametrize("X", [sequences(3) * np.nan, sequences(3)])
def test_no_usable_row_is_an_error(X):
    with pytest.raises(ValueError, match="None of the 3 sequences in X can be used"):
        usable_rows(X, np.arange(3), np.zeros(3))


@pytest.mark.parametrize(
    ("n_groups", "fraction", "n_held_out"), [(10, 0.3, 4), (10, 0.1, 1), (5, 0.1, 1), (6, 0.4, 2)]
)
def test_groups_are_held_out_whole(n_groups, fraction, n_held_out):
    groups = np.repeat(np.arange(n_groups), 6)
    train, held_out = split_rows(np.arange(len(groups)) % 2, groups, fraction, seed=0)
    held_out_groups = set(groups[held_out])
    assert len(held_out_groups) == n_held_out
    assert held_out_groups.isdisjoint(groups[train])
    assert sorted([*train, *held_out]) == list(range(len(groups)))


def test_no_class_is_held_out_completely():
    groups = np.repeat(np.arange(4), 6)
    y = np.where(groups == 3, "rare", np.array(["a", "b"])[np.arange(24) % 2])
    for seed in range(8):
        train, _ = split_rows(y, groups, 0.25, seed)
        assert set(y[train]) == {"a", "b", "rare"}
    alone = groups // 2
    with pytest.raises(ValueError, match="the training data would lack a class"):
        split_rows(alone, alone, 0.5, seed=0)


def test_chosen_rows_are_read_from_the_whole_array():
    X = sequences(5)
    data = usable_rows(X, np.array(list("abcde")), np.array([1.0, 0, 2, 4, 1]))[np.array([2, 0])]
    dataset = to_dataset(data, np.array(list("abcde")))
    assert np.shares_memory(dataset.inputs["sequences"], X)  # X may be larger than the memory
    inputs, y = dataset.__getitems__([0, 1])
    np.testing.assert_array_equal(inputs["sequences"], X[[3, 0]])
    assert (y.tolist(), inputs["weight"].tolist()) == ([3, 0], [1, 0.25])
