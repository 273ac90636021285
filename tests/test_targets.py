import numpy as np
import pandas as pd
import pytest

from skvideo_gru import GRUClassifier, make_video_classifier
from skvideo_gru.targets import check_target


@pytest.mark.parametrize(
    ("y", "text"),
    [
        (["a", "b", None, "a"], "None"),
        (np.array(["a", "b", None, "a"], object), "None"),
        (["a", "b", np.nan, "a"], "nan"),
        (pd.Series(["a", "b", np.nan, "a"]), "nan"),
        (pd.Series(["a", "b", pd.NA, "a"], dtype="string"), "<NA>"),
        ([0.0, 1.0, np.nan, 1.0], "nan"),
    ],
)
def test_a_missing_label_is_named(y, text):
    message = rf"y\[2\] is {text}: 1 of 4 labels are missing"
    with pytest.raises(ValueError, match=message):
        check_target(None, y)
    with pytest.raises(ValueError, match=message):
        GRUClassifier().fit(np.zeros((4, 2, 3)), y)
    with pytest.raises(ValueError, match=message):  # before a video is read
        make_video_classifier().fit(["a.mp4", "b.mp4", "c.mp4", "d.mp4"], y)


@pytest.mark.parametrize("y", [["nan", "None", "a"], [0, 1, 1], [True, False, True]])
def test_labels_are_returned(y):
    assert check_target(None, y).tolist() == y


def test_labels_are_required_before_a_video_is_read():
    with pytest.raises(ValueError, match="^GRUClassifier requires y to be passed"):
        make_video_classifier().fit(["a.mp4", "b.mp4"])
