import numpy as np
import pytest
from sklearn.utils import compute_class_weight

from skvideo_gru.sequence.training_data import usable_rows
from skvideo_gru.sequence.weighting import class_weights, weighted_rows


def test_weighted_rows_have_a_sample_weight_and_a_class_weight():
    y = np.array(["a", "b", "a", "c"])
    assert weighted_rows(y, None, "balanced").tolist() == [0, 1, 2, 3]
    assert weighted_rows(y, [1, 2, 0, 1e-60], {"b": 0}).tolist() == [0]
    with pytest.raises(ValueError, match="No video has a positive weight"):
        weighted_rows(y, [0, 1, 0, 0], {"b": 0})


def test_a_dict_sets_weights_of_missing_classes():
    data = usable_rows(np.zeros((2, 3, 1), np.float32), np.array(["a", "a"]), None)
    assert class_weights({"b": 50}, np.array(["a", "b"]), data).tolist() == [1, 50]
    assert class_weights(None, np.array(["a", "b"]), data).tolist() == [1, 1]


@pytest.mark.parametrize("labels", [[0, 1], ["a", "b"]])
@pytest.mark.parametrize("weights", [[1, 2, 3], [1, 2], [1], [3], []])
def test_class_weights_equal_scikit_learns(labels, weights):
    """With further classes, with missing ones, or with both."""
    keys = [*labels, "further"] if len(weights) != 1 or weights == [1] else ["further"]
    class_weight = dict(zip(keys, weights, strict=False))
    y = np.array(labels * 2)
    data = usable_rows(np.zeros((4, 3, 1), np.float32), y, None)
    classes = np.unique(y)
    try:
        expected = compute_class_weight(class_weight, classes=classes, y=y)
    except ValueError:
        with pytest.raises(ValueError, match=r"The classes \['further.* are not in y"):
            class_weights(class_weight, classes, data)
    else:
        np.testing.assert_array_equal(class_weights(class_weight, classes, data), expected)


def test_balanced_classes_have_equal_sums_of_weights():
    y = np.array([0, 0, 0, 1])
    data = usable_rows(np.zeros((4, 3, 1), np.float32), y, None)
    weights = class_weights("balanced", np.arange(3), data)
    assert weights[2] == 1  # missing
    assert weights[y[y == 0]].sum() == pytest.approx(weights[y[y == 1]].sum())


def test_balanced_weights_equal_scikit_learns_for_repeated_rows():
    y, counts = np.array(["b", "a", "b", "c"]), np.array([3, 1, 2, 2])
    data = usable_rows(np.zeros((4, 3, 1), np.float32), y, counts.astype(float))
    expected = compute_class_weight("balanced", classes=np.unique(y), y=y.repeat(counts))
    np.testing.assert_allclose(class_weights("balanced", np.unique(y), data), expected)


@pytest.mark.parametrize("weights", [{0: -1}, {0: np.nan}, {1: np.inf}, {0: 0, 1: 0}, {0: "a"}])
def test_unusable_class_weights_are_named(weights):
    data = usable_rows(np.zeros((2, 3, 1), np.float32), np.arange(2), None)
    with pytest.raises(
        ValueError, match="class_weight=.* must contain finite, non-negative numbers"
    ):
        class_weights(weights, np.arange(2), data)
