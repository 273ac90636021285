import numpy as np
import pytest
from conftest import outcome_of

from skvideo_gru import make_video_classifier
from skvideo_gru.inspection.evaluation import Evaluation, evaluate, order_baselines


def test_metrics():
    outcome = outcome_of(["a", "a", "a", "b"], ["a", "a", "b", "b"])
    # F1 of a: 2 * 1 * 2/3 / (1 + 2/3) = 0.8; of b: 2 * 0.5 * 1 / 1.5 = 2/3.
    # Wilson's interval: (p + z²/2n ± z sqrt(p (1 - p) / n + z²/4n²)) / (1 + z²/n).
    z, p, n = 1.959964, 0.75, 4
    centre, scale = p + z**2 / (2 * n), 1 + z**2 / n
    half = z * (p * (1 - p) / n + z**2 / (4 * n**2)) ** 0.5
    assert outcome.metrics == pytest.approx(
        {
            "accuracy": 0.75,
            "accuracy_low": (centre - half) / scale,
            "accuracy_high": (centre + half) / scale,
            "macro_f1": (0.8 + 2 / 3) / 2,
            "chance": 0.5,
            "majority": 0.75,
        }
    )


def test_a_hint_says_what_few_videos_do_not_show():
    few = outcome_of(["a", "b"] * 3, ["a", "b"] * 2 + ["a", "a"])
    assert few.hint == (
        "6 videos do not show an accuracy above the majority baseline of 0.500. "
        "Evaluate more videos."
    )
    worse = outcome_of(["a", "b"] * 3, ["b", "a"] * 2 + ["a", "b"]).hint
    assert worse.endswith("above the majority baseline of 0.500.")
    assert "6 videos are few" in outcome_of(["a", "b"] * 3, ["a", "b"] * 3).hint
    assert outcome_of(["a", "b"] * 60, ["a", "b"] * 60).hint == ""
    wrong = outcome_of(["a", "b"] * 60, ["b", "a"] * 60).hint
    assert wrong.endswith("above the majority baseline of 0.500.")
    rare = outcome_of(["a", "b"] * 3, ["b"] * 6, classes=("b", "c"))
    assert "chance" not in rare.hint


def test_metrics_of_each_class():
    outcome = outcome_of(["a", "a", "a", "b"], ["a", "a", "b", "b"], classes=("a", "b", "c"))
    rows = {row.pop("class"): row for row in outcome.per_class}
    assert rows["a"] == pytest.approx({"precision": 1, "recall": 2 / 3, "f1": 0.8, "support": 3})
    assert rows["b"] == pytest.approx({"precision": 0.5, "recall": 1, "f1": 2 / 3, "support": 1})
    assert rows["c"] == {"precision": 0, "recall": 0, "f1": 0, "support": 0}
    assert all(type(row["support"]) is int for row in outcome.per_class)


def test_an_unknown_label_is_a_mistake():
    outcome = outcome_of(["a", "unknown"], ["a", "b"])
    assert outcome.mistakes().tolist() == [1]
    assert [row["class"] for row in outcome.per_class] == ["a", "b", "unknown"]


def test_rejected_videos():
    """The answer unknown is wrong for the accuracy, but no confusion and no mistake."""
    target = np.array(["a", "a", "a", "b", "b", "unknown", "unknown"])
    answers = np.array(["a", "b", "unknown", "b", "b", "unknown", "a"])
    classes, proba = np.array(["a", "b"]), np.tile([0.9, 0.1], (7, 1))
    outcome = Evaluation(target, proba, classes, answers, "unknown")
    metrics = outcome.metrics
    assert metrics["accuracy"] == pytest.approx(4 / 7)
    assert metrics["coverage"] == pytest.approx(4 / 5)
    assert metrics["accuracy_answered"] == pytest.approx(3 / 5)
    labels, counts = outcome.confusion_matrix
    assert labels.tolist() == ["a", "b", "unknown"]
    assert counts.tolist() == [[1, 1, 1], [0, 2, 0], [1, 0, 1]]
    confusions = [(row["true"], row["predicted"]) for row in outcome.confusions()]
    assert confusions == [("unknown", "a"), ("a", "b")]
    assert outcome.mistakes().tolist() == [1, 6]
    known = Evaluation(target[:5], proba[:5], classes, answers[:5], "unknown")
    # F1 of a: 2 * 1 * 1/3 / (1 + 1/3); of b: 2 * 2/3 * 1 / (2/3 + 1). Unknown has none.
    assert known.metrics["macro_f1"] == pytest.approx((0.5 + 0.8) / 2)
    assert [row["class"] for row in known.per_class] == ["a", "b"]
    nothing = Evaluation(target[:5], proba[:5], classes, np.repeat("unknown", 5), "unknown")
    assert nothing.metrics["coverage"] == nothing.metrics["accuracy_answered"] == 0
    assert nothing.mistakes().tolist() == [] and nothing.confusions() == []


def test_mistakes_are_sorted_by_confidence():
    target, predicted = ["a", "a", "b", "b", "a"], ["b", "a", "a", "b", "b"]
    outcome = outcome_of(target, predicted, np.array([0.6, 0.99, 0.9, 0.7, 0.6]))
    assert outcome.mistakes().tolist() == [2, 0, 4]
    assert outcome.mistakes(1).tolist() == [2]
    assert outcome_of(["a"], ["a"]).mistakes(5).tolist() == []


def test_evaluate_predicts_once():
    class Echo:
        classes_ = np.array(["a", "b"])
        calls = 0

        def predict_proba(self, videos):
            self.calls += 1
            return np.array([[video[0] == label for label in "ab"] for video in videos], float)

    model = Echo()
    outcome = evaluate(model, ["a1", "b2"], ["a", "a"])
    assert outcome.predicted.tolist() == ["a", "b"]
    assert outcome.metrics["accuracy"] == 0.5
    assert model.calls == 1


def test_baselines_do_not_use_the_order():
    rng = np.random.default_rng(0)
    light = np.linspace(30, 220, 6)
    y = np.arange(60) % 2
    videos = [
        (np.full((6, 32, 32, 3), 1) * light[:: 1 - 2 * label, None, None, None])
        + rng.normal(0, 10, (6, 32, 32, 3))
        for label in y
    ]
    videos = [video.clip(0, 255).astype(np.uint8) for video in videos]
    train, test = (videos[:30], y[:30]), (videos[30:], y[30:])
    pipe = make_video_classifier(
        random_state=0, features__n_frames=6, features__frame_size=32, features__max_epochs=0
    ).fit(*train)
    assert pipe.score(*test) == 1.0
    baselines = order_baselines(pipe, train, test, random_state=0)
    assert abs(baselines["single_frames"] - 0.5) <= 0.1
    assert abs(baselines["shuffled_frames"] - 0.5) <= 0.3  # 30 clips: 3.3 standard deviations


def test_baselines_of_motion_images_do_not_use_the_order():
    rng = np.random.default_rng(0)
    videos = []
    y = np.arange(60) % 2
    for jumps in y:
        start = rng.integers(0, 8)
        frames = rng.integers(0, 30, (6, 32, 32, 3), dtype=np.uint8)
        for number, frame in enumerate(frames):
            frame[start + 4 * number :] += 150  # brightness decreases step by step
        videos.append(frames[[0, 3, 1, 5, 2, 4]] if jumps else frames)
    train, test = (videos[:30], y[:30]), (videos[30:], y[30:])
    options = {"n_frames": 6, "frame_size": 32, "max_epochs": 0, "modality": "motion"}
    pipe = make_video_classifier(
        random_state=0, **{f"features__{name}": value for name, value in options.items()}
    ).fit(*train)
    assert pipe.score(*test) == 1.0
    baselines = order_baselines(pipe, train, test, random_state=0)
    assert abs(baselines["single_frames"] - 0.5) <= 0.15


def test_baselines_of_videos_that_are_padded():
    videos = list(np.random.default_rng(0).integers(0, 256, (8, 6, 32, 32, 3), dtype=np.uint8))
    part = videos, np.arange(8) % 2
    options = {"sampling": "dense", "n_frames": 8, "frame_size": 32, "max_epochs": 0}
    pipe = make_video_classifier(
        random_state=0, **{f"features__{name}": value for name, value in options.items()}
    ).fit(*part)
    assert 0 <= order_baselines(pipe, part, part, random_state=0)["single_frames"] <= 1


def test_labels_that_the_model_does_not_know():
    class Coded:
        classes_ = np.array([0, 1])

    message = r"None of the labels \['a', 'b'\] is a class .* classes are \[0, 1\]"
    with pytest.raises(ValueError, match=message):
        evaluate(Coded(), ["a1", "b2"], ["a", "b"])


def test_confusions_are_sorted_by_count_and_then_by_share():
    target = ["a"] * 6 + ["b"] * 4 + ["c"] * 2 + ["d"]
    predicted = ["b"] * 2 + ["a"] * 4 + ["a", "a", "c", "b"] + ["b", "c"] + ["a"]
    outcome = outcome_of(target, predicted, classes=("a", "b", "c"))
    rows = [tuple(row.values()) for row in outcome.confusions()]
    assert [row[:3] for row in rows] == [
        ("b", "a", 2),
        ("a", "b", 2),
        ("d", "a", 1),
        ("c", "b", 1),
        ("b", "c", 1),
    ]
    assert [row[3] for row in rows] == pytest.approx([2 / 4, 2 / 6, 1, 1 / 2, 1 / 4])
    assert list(outcome.confusions(1)[0]) == ["true", "predicted", "count", "share"]
    assert outcome.confusions(2) == outcome.confusions()[:2]
    assert outcome_of(["a", "b"], ["a", "b"]).confusions() == []


def test_the_confusion_matrix_counts_pairs():
    target, predicted = ["b", "a", "z", "b"], ["a", "a", "b", "b"]
    labels, counts = outcome_of(target, predicted).confusion_matrix
    assert labels.tolist() == ["a", "b", "z"]
    pairs = list(zip(target, predicted, strict=True))
    assert counts.tolist() == [[pairs.count((t, p)) for p in labels] for t in labels]
