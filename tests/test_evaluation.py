import numpy as np
import pytest

from skvideo_gru.evaluation import Evaluation, evaluate, order_baselines
from skvideo_gru.plotting import plot_confusion_matrix, plot_history


def test_metrics():
    outcome = Evaluation(np.array(["a", "a", "a", "b"]), np.array(["a", "a", "b", "b"]))
    # F1 of a: 2 * 1 * 2/3 / (1 + 2/3) = 0.8; of b: 2 * 0.5 * 1 / 1.5 = 2/3.
    assert outcome.metrics == pytest.approx({"accuracy": 0.75, "macro_f1": (0.8 + 2 / 3) / 2})


def test_evaluate_predicts():
    class Echo:
        def predict(self, videos):
            return np.array([video[0] for video in videos])

    outcome = evaluate(Echo(), ["a1", "b2"], np.array(["a", "a"]))
    assert outcome.predicted.tolist() == ["a", "b"]
    assert outcome.metrics["accuracy"] == 0.5


def test_baselines_see_no_order(tmp_path):
    from skvideo_gru import make_order_videos, make_video_classifier

    data = make_order_videos(tmp_path / "clips", n_per_class=60, random_state=0)
    held_out = data.split == "test"
    train = [v for v, t in zip(data.data, held_out, strict=True) if not t], data.target[~held_out]
    test = [v for v, t in zip(data.data, held_out, strict=True) if t], data.target[held_out]
    pipe = make_video_classifier(
        random_state=0, features__n_frames=6, features__frame_size=32, features__max_epochs=0
    ).fit(*train)
    accuracy = pipe.score(*test)
    baselines = order_baselines(pipe, train, test, random_state=0)
    assert accuracy >= 0.8
    assert baselines["single_frames"] <= 0.7
    assert baselines["shuffled_frames"] <= accuracy - 0.15


def test_the_confusion_matrix_shows_counts():
    outcome = Evaluation(np.array(["a"] * 3 + ["b"]), np.array(["a", "a", "b", "b"]))
    figure = plot_confusion_matrix(outcome, "four videos")
    axes = figure.axes[0]
    shown = {tuple(text.get_position()): text.get_text() for text in axes.texts}
    assert shown == {(0, 0): "2", (1, 0): "1", (0, 1): "0", (1, 1): "1"}
    assert [label.get_text() for label in axes.get_yticklabels()] == ["a", "b"]
    assert axes.get_title() == "four videos"


def test_curves_of_every_network_that_was_trained():
    records = [{"epoch": 1, "train_loss": 0.9}, {"epoch": 2, "train_loss": 0.4}]
    figure = plot_history({"ResNet-50": [], "GRU": records})
    (axes,) = figure.axes
    assert axes.get_title() == "GRU"
    assert axes.lines[0].get_xydata().tolist() == [[1, 0.9], [2, 0.4]]
    assert plot_history({"GRU": []}).axes
