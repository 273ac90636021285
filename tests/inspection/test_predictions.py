import numpy as np
import pytest

from skvideo_gru import VideoClip, prediction_table
from skvideo_gru.inspection.predictions import tabulate


def test_a_table_of_a_labelled_set(order_model, order_data):
    groups = [f"camera{number % 2}" for number in range(8)]
    table = prediction_table(order_model, order_data.data, order_data.target, groups=groups)
    classes = order_model.classes_.tolist()
    assert table.columns.tolist() == ["path", "group", "true", "predicted", *classes]
    assert table["path"].tolist() == order_data.data.tolist()
    assert table["group"].tolist() == groups
    assert table["true"].tolist() == order_data.target.tolist()
    proba = order_model.predict_proba(order_data.data)
    np.testing.assert_allclose(table[classes], proba, rtol=0, atol=1e-6)
    assert table["predicted"].tolist() == order_model.predict(order_data.data).tolist()


def test_a_table_without_labels(order_model, order_data):
    video = order_data.data[0]
    table = prediction_table(order_model, [VideoClip(video, 0.1, 0.5), video])
    assert table.columns.tolist()[:4] == ["path", "start", "end", "predicted"]
    assert table["path"].tolist() == [video, video]
    assert table.loc[0, ["start", "end"]].tolist() == [0.1, 0.5]
    assert table.loc[1, ["start", "end"]].isna().all()


def test_classes_named_like_columns():
    classes = np.array(["path", "x"])
    table = tabulate(["a.mp4"], np.array([[0.2, 0.8]]), classes, classes[1:], ["x"], part="val")
    assert table.columns.tolist() == ["part", "path", "true", "predicted", "class path", "x"]
    assert table.iloc[0].tolist() == ["val", "a.mp4", "x", "x", 0.2, 0.8]


def test_lengths_that_differ(order_model, order_data):
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        prediction_table(order_model, order_data.data, order_data.target[:3])
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        prediction_table(order_model, order_data.data, groups=["a"])
