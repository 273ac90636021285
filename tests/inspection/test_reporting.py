import base64
import io
import re
from types import SimpleNamespace

import numpy as np
import pytest
from html_pages import Page, cells, measure, needs_chromium
from PIL import Image
from sklearn.base import BaseEstimator, clone
from sklearn.decomposition import PCA
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer

from skvideo_gru import GRUClassifier, ResNet50FrameFeaturizer, evaluation_report
from skvideo_gru.inspection import reporting
from skvideo_gru.inspection.evaluation import Evaluation, evaluate
from skvideo_gru.inspection.reporting import report_page
from skvideo_gru.inspection.search_display import main_score

MARKUP = "<script>alert('label')</script>"


@pytest.fixture(scope="module")
def outcome(order_model, order_data):
    """Predictions with HTML in a label, half of them wrong."""
    proba = evaluate(order_model, order_data.data, order_data.target).probabilities
    classes = np.array([MARKUP, "an ordinary but rather long label of a class"])
    predicted = proba.argmax(axis=1)
    return Evaluation(
        classes[np.where(np.arange(8) % 2, predicted, 1 - predicted)], proba, classes
    )


@pytest.fixture(scope="module")
def report(order_model, order_data, outcome):
    """A report of two parts; the most confident mistake of one can no longer be read."""
    videos = list(order_data.data)
    videos[outcome.mistakes(1)[0]] = "/nowhere/secret/gone.mp4"
    right = Evaluation(outcome.predicted, outcome.probabilities, outcome.classes)
    return report_page(
        order_model,
        {"val": (order_data.data, right), "<test>": (videos, outcome)},
        title="Report & <i>title</i>",
        summary={"<u>videos</u>": "16", "sentence": "a long value " * 20, "word": "w" * 200},
        split="by <em>chance</em>",
        n_mistakes=3,
    )


def test_texts_are_escaped(report):
    page = Page(report)
    assert {tag for tag, _ in page.tags}.isdisjoint({"script", "i", "em", "u", "test", "link"})
    for text in ("Report & <i>title</i>", "<u>videos</u>", "by <em>chance</em>", MARKUP):
        assert text in page.text
    assert not [name for _, attributes in page.tags for name in attributes if name[:2] == "on"]


def test_tables_contain_the_metrics(report, outcome):
    rows = cells(report)
    metrics = {name: f"{value:.3f}" for name, value in outcome.metrics.items()}
    majorities = [
        max(np.mean(labels == name) for name in outcome.classes)
        for labels in (outcome.predicted, outcome.target)
    ]
    table = rows[rows.index(["part", "val", "<test>"]) + 1 :][:7]
    assert table == [
        ["videos", "8", "8"],
        ["mistakes", "0", "4"],
        ["accuracy", "1.000", metrics["accuracy"]],
        [
            "95% interval",
            "0.676 to 1.000",
            f"{metrics['accuracy_low']} to {metrics['accuracy_high']}",
        ],
        ["macro-F1", "1.000", metrics["macro_f1"]],
        ["majority", *(f"{most:.3f}" for most in majorities)],
        ["chance", "0.500", "0.500"],
    ]
    assert f"<test>: {outcome.hint}" in Page(report).text
    for row in outcome.per_class:
        numbers = [f"{row[name]:.3f}" for name in ("precision", "recall", "f1")]
        assert [row["class"], *numbers, str(row["support"])] in rows
    assert all(cell.get("scope") in ("col", "row") for cell in Page(report).all("th"))


def test_a_table_lists_the_most_frequent_confusions(report, order_model, order_data, outcome):
    rows = cells(report)
    assert ["true", "predicted", "videos", "share"] in rows
    (pair, *_) = outcome.confusions()
    sizes = (outcome.target == pair["true"]).sum()
    share = f"{pair['count'] / sizes:.3f}"
    assert [pair["true"], pair["predicted"], str(pair["count"]), share] in rows
    # Part "val" has no mistakes.
    assert report.count("Most frequent confusions</h3>") == 1


def test_a_report_of_many_classes_has_a_short_table_and_a_bounded_figure(order_model):
    classes = np.array([f"class {number:03d}" for number in range(120)])
    rows = np.arange(120)
    proba = np.full((120, 120), 0.1 / 120)
    proba[rows, (rows + (rows < 30)) % 120] = 0.9  # thirty different confusions
    parts = {"test": (["/nowhere/a.mp4"] * 120, Evaluation(classes, proba, classes))}
    report = report_page(order_model, parts, title="many", summary={}, split="", n_mistakes=1)
    assert "20 of 30 pairs of classes" in report
    pairs = [row for row in cells(report) if len(row) == 4]
    assert pairs[1:] == [[f"class {n:03d}", f"class {n + 1:03d}", "1", "1.000"] for n in range(20)]
    assert max(int(image["width"]) for image in Page(report).all("img")) <= 14 * 96
    assert len(report) < 1_000_000


def test_mistakes_are_named_without_folders(report, order_data, outcome):
    text = Page(report).text
    assert "No mistakes among 8 videos." in text
    assert "3 of 4 mistakes" in text
    first = outcome.mistakes(1)[0]
    said = f"true {outcome.target[first]}, predicted {outcome.predicted[first]}"
    assert f"gone.mp4: {said} ({outcome.probabilities[first].max():.2f})" in text
    assert "This video can no longer be read: No such file or directory" in text
    folder = order_data.data[0].rsplit("/", 2)[0]
    assert "secret" not in report and folder not in report


def test_the_page_loads_no_files(report):
    page = Page(report)
    addresses = page.addresses()
    assert addresses and all(address.startswith("data:image/") for address in addresses)
    assert not re.search(r"https?://|url\(|@import", report)
    # References in the figures are to their own parts.
    for address in addresses:
        kind, content = address.split(";base64,")
        if kind == "data:image/svg+xml":
            svg = base64.b64decode(content).decode()
            assert not re.search(r'(href|src)="(?!#|data:)', svg)


def test_figures_are_complete_and_described(report):
    pictures = Page(report).all("img")
    # Training, two confusion matrices, two readable film strips.
    assert len(pictures) == 5
    assert all(len(picture["alt"]) > 20 for picture in pictures)
    strips = [p["src"] for p in pictures if p["src"].startswith("data:image/jpeg")]
    assert len(strips) == 2
    with Image.open(io.BytesIO(base64.b64decode(strips[0].split(",")[1]))) as picture:
        assert picture.size[0] == 1078 and np.ptp(np.asarray(picture)) > 200


def test_ten_mistakes_make_a_small_file(order_model, order_data):
    noise = np.random.default_rng(0).integers(0, 256, (10, 6, 224, 224, 3), dtype=np.uint8)
    proba = np.tile([0.9, 0.1], (10, 1))
    wrong = Evaluation(np.repeat("b", 10), proba, np.array(["a", "b"]))
    parts = {"test": (list(noise), wrong)}
    report = report_page(
        order_model,
        parts,
        title="noise",
        summary={},
        split="none",
        n_mistakes=10,
        explain=False,
    )
    assert report.count("image/jpeg") == 20  # for desktops and phones
    assert "Grad-CAM" not in report
    assert len(report) < 3_000_000


@needs_chromium
def test_the_page_fits_phones_and_desktops(report, tmp_path):
    widths = (360, 390, 768, 1440)
    for width, seen in zip(widths, measure(report, widths, tmp_path), strict=True):
        assert seen["inner"] == width
        assert seen["scroll"] <= width and seen["body"] <= width, seen
        assert seen["tables"] <= 0, seen  # every column is visible
        assert seen["figures"] <= 0, seen  # every frame and legend of a film strip, too
        assert seen["loaded"] == 5
        assert seen["text"] >= 15 and seen["shrunk"] >= 0.69


def test_a_report_of_videos_and_labels(order_model, order_data):
    y = order_data.target[::-1]  # wrong
    outcome = evaluate(order_model, order_data.data, y)
    summary = {"title": "Evaluation", "summary": {}, "split": "", "explain": False}
    page = report_page(order_model, {"test": (order_data.data, outcome)}, **summary)
    report = evaluation_report(order_model, {"test": (order_data.data, y)}, explain=False)
    assert cells(report) == cells(page)
    assert ">Split</h2>" not in report
    assert report.count("image/jpeg") == page.count("image/jpeg") > 0


def test_the_parts_of_a_report_have_names(order_model, order_data):
    with pytest.raises(TypeError, match="such as {'test': .videos, y.}, got a tuple"):
        evaluation_report(order_model, (order_data.data, order_data.target))


def test_a_report_of_a_search_lists_its_candidates(order_model, order_data):
    grid = {"gru__hidden_size": [4, 8], "gru__lr": [0.001, 0.01]}
    search = GridSearchCV(clone(order_model), grid, cv=2).fit(order_data.data, order_data.target)
    report = evaluation_report(search, {"all": (order_data.data, order_data.target)})
    rows = cells(report)
    found = search.cv_results_
    start = rows.index(["parameters", "mean", "deviation"]) + 1
    listed = [
        [", ".join(f"{name} = {value}" for name, value in params.items()), f"{m:.3f}", f"{s:.3f}"]
        for params, m, s in zip(
            found["params"], found["mean_test_score"], found["std_test_score"], strict=True
        )
    ]
    assert sorted(rows[start : start + 4]) == sorted(listed)
    assert rows[start][1] == f"{search.best_score_:.3f}"
    assert any("Scores of the candidates" in image["alt"] for image in Page(report).all("img"))
    assert "Scores of the candidates" not in evaluation_report(
        order_model, {"all": (order_data.data, order_data.target)}
    )


def test_a_report_of_flattened_rows_explains_no_frames(order_data):
    videos, y = order_data.data[:20], order_data.target[:20]
    features = ResNet50FrameFeaturizer(3, frame_size=32, max_epochs=0, random_state=0)
    gru = GRUClassifier(max_epochs=1, frame_dim=4, random_state=0)
    pipe = Pipeline([("features", features), ("pca", PCA(4)), ("gru", gru)]).fit(videos, y)
    assert "attention" not in evaluation_report(pipe, {"all": (videos, y)})


@pytest.mark.parametrize("other", ["classifier", "first step"])
def test_a_report_of_a_pipeline_with_another_step_has_no_film_strips(other, order_data):
    videos, y = order_data.data[:20], order_data.target[:20]
    steps = [ResNet50FrameFeaturizer(3, frame_size=32, max_epochs=0, random_state=0)]
    if other == "classifier":
        steps += [LogisticRegression()]
    else:
        steps = [FunctionTransformer(), *steps, GRUClassifier(max_epochs=1)]
    pipe = make_pipeline(*steps).fit(videos, y)
    report = evaluation_report(pipe, {"all": (videos, np.roll(y, 1))})
    assert "accuracy" in report
    assert "image/jpeg" not in report


def test_the_score_of_a_search_with_a_function_as_refit():
    results = {"mean_test_accuracy": [1.0], "mean_test_f1": [0.5]}
    assert main_score(SimpleNamespace(refit=print, cv_results_=results)) == "accuracy"
    assert main_score(SimpleNamespace(refit="f1", cv_results_=results)) == "f1"
    results = {"mean_test_score": [1.0]}
    assert main_score(SimpleNamespace(refit=True, cv_results_=results)) == "score"


def test_each_network_has_its_own_training_figure():
    histories = {"a": [{"epoch": 1, "train_loss": 1.0}], "b": [{"epoch": 1, "train_loss": 2.0}]}

    class Step(BaseEstimator):
        def __init__(self, name):
            self.history_ = histories[name]

        def fit(self, X, y=None):
            return self

        def transform(self, X):
            return X

    figures = reporting._training(Pipeline([("a", Step("a")), ("b", Step("b"))]))
    # A page of 390 px has 340 px for a figure, which shrinks to 0.7 of its width.
    assert len(figures) == 2 and all(0.7 * figure["width"] <= 340 for figure in figures)


def test_mistakes_are_explained(order_model, order_data, monkeypatch):
    drawn = []
    encode = reporting.encode_figure
    monkeypatch.setattr(
        reporting,
        "encode_figure",
        lambda *args, **kw: drawn.append(args[0]) or encode(*args, **kw),
    )
    parts = {"test": (order_data.data, order_data.target[::-1])}
    report = evaluation_report(order_model, parts, n_mistakes=1)
    assert "Grad-CAM" in report
    wide, narrow = drawn[-2:]
    for figure, n_shown in ((wide, 6), (narrow, 5)):
        insets = figure.axes[0].child_axes
        assert [len(inset.images) for inset in insets] == [2] * n_shown
        assert len(figure.axes[2].patches) == 6  # attention


def test_only_a_pipeline_has_a_report(order_data):
    with pytest.raises(ValueError, match="Expected a pipeline .*, got DummyClassifier"):
        evaluation_report(DummyClassifier(), {"test": (order_data.data, order_data.target)})
