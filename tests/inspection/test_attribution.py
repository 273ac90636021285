import numpy as np
import pytest
import torch
from conftest import pictures
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import MinMaxScaler, Normalizer

from skvideo_gru import (
    FilmStripDisplay,
    FrameWise,
    MistakesDisplay,
    ResNet50FrameFeaturizer,
    make_video_classifier,
)
from skvideo_gru.inspection.attribution import (
    _grad_cam,
    _scale,
    _slopes_of_features,
    _through_gru,
    _through_scaler,
    attribute,
)
from skvideo_gru.inspection.evaluation import evaluate
from skvideo_gru.networks import build_network, initial_weights


def fitted(videos, y, **params):
    pipe = make_video_classifier(
        random_state=0, features__n_frames=3, features__frame_size=32, features__max_epochs=0
    )
    return pipe.set_params(gru__max_epochs=5, **params).fit(videos, y)


SCALERS = {
    "frames": {},
    "rows": {"scale": MinMaxScaler()},
    "features that affect others": {"scale": FrameWise(Normalizer())},
    "fewer features": {"scale": FrameWise(PCA(5)), "gru__frame_dim": 5},
    "none": {"scale": "passthrough"},
}


@pytest.mark.parametrize("scaler", SCALERS)
def test_gradients_of_features_predict_changes_of_the_logit(colour_clips, scaler):
    videos, y = colour_clips
    pipe = fitted(videos, y, **SCALERS[scaler], gru__delta_weight=0.0)
    pipe[-1].module_.double()
    rows = pipe[0].transform(videos[:1]).astype(np.float64)

    def logit(rows):
        inputs = torch.from_numpy(_scale(pipe, rows))
        with torch.inference_mode():
            return float(pipe[-1].module_(inputs, torch.tensor([3]))[0, 1])

    scaled = _scale(pipe, rows)
    independent = _slopes_of_features(pipe, rows, scaled, 3) is not None
    assert independent == (scaler in ("frames", "rows", "none"))
    gradients, _ = _through_gru(pipe[-1], scaled[0], column=1)
    of_features = _through_scaler(pipe, rows, scaled, gradients)
    assert of_features.shape == (3, 2048)
    # Each direction changes one frame; half of its elements follow the gradient.
    rng = np.random.default_rng(0)
    for frame in range(3):
        direction = np.zeros((3, 2048))
        direction[frame] = np.sign(of_features[frame]) * rng.random(2048) ** 2
        direction /= np.linalg.norm(direction)
        predicted = (of_features * direction).sum()
        step = 1e-6 * direction.reshape(1, -1)
        change = logit(rows + step) - logit(rows - step)
        assert change / 2e-6 == pytest.approx(predicted, rel=1e-3)


def test_attention_weights_are_those_of_the_prediction(colour_clips):
    videos, y = colour_clips
    pipe = fitted(videos, y, gru__pooling="attention")
    module = pipe[-1].module_.eval()
    sequence = torch.from_numpy(pipe[:-1].transform(videos[:1]).reshape(1, 3, -1))
    weights = attribute(pipe, videos[0]).attention
    assert weights.sum() == pytest.approx(1, abs=1e-6)
    with torch.inference_mode():
        outputs, _ = module.gru(module._with_changes(sequence))
        logits = module.fc((torch.from_numpy(weights)[:, None] * outputs[0]).sum(dim=0))
    np.testing.assert_allclose(
        logits.softmax(dim=0).numpy(), pipe.predict_proba(videos[:1])[0], rtol=1e-4
    )
    assert attribute(fitted(videos, y), videos[0]).attention.shape == (3,)
    pipe = fitted(videos, y, gru__pooling="mean")
    assert attribute(pipe, videos[0]).attention is None


@pytest.mark.parametrize(("size", "stage"), [(32, "layer2"), (64, "layer3"), (128, "layer4")])
def test_heat_maps_against_hooks_on_the_network(size, stage):
    """Selvaraju et al.: channels weighted by the mean gradient of their activations."""
    network = build_network(initial_weights(0)).eval()
    rng = np.random.default_rng(0)
    inputs = torch.from_numpy(rng.normal(size=(9, 3, size, size)).astype(np.float32))
    gradients = rng.normal(size=(9, 2048))
    heat = _grad_cam(network, inputs, gradients)
    seen = []

    def note(module, _, output):
        output.retain_grad()
        seen.append(output)

    getattr(network, stage).register_forward_hook(note)
    (network(inputs) * torch.from_numpy(gradients).float()).sum().backward()
    weights = seen[0].grad.mean(dim=(2, 3))
    expected = torch.einsum("nk,nkhw->nhw", weights, seen[0]).relu().detach().numpy()
    assert expected.shape == (9, 4, 4)
    np.testing.assert_allclose(heat, expected, atol=1e-5 * expected.max(), rtol=1e-3)


def test_a_class_without_support_has_no_heat():
    network = build_network(initial_weights(0)).eval()
    inputs = torch.zeros(2, 3, 128, 128)
    assert (_grad_cam(network, inputs, -np.ones((2, 2048))) == 0).all()


def test_output_as_a_table_does_not_matter(colour_clips):
    videos, y = colour_clips
    pipe = fitted(videos, y)
    expected = attribute(pipe, videos[0])
    found = attribute(pipe.set_output(transform="pandas"), videos[0])
    np.testing.assert_allclose(found.heat, expected.heat, atol=1e-6)


def test_padded_frames_are_left_out(colour_clips):
    videos, y = colour_clips
    pipe = fitted(videos, y, features__sampling="dense", features__n_frames=14)
    found = attribute(pipe, videos[0])
    assert found.heat.shape == (12, 4, 4)
    assert found.heat.max() == 1
    assert found.attention.shape == (12,)
    rows = pipe[0].transform(videos[:1]).astype(np.float64)
    slopes = _slopes_of_features(pipe, rows, _scale(pipe, rows), 12)
    np.testing.assert_allclose(slopes, np.tile(pipe["scale"].transformer_.scale_, (12, 1)), 1e-2)


def test_other_pipelines_are_refused(colour_clips):
    videos, y = colour_clips
    pipe = Pipeline(
        [
            ("features", ResNet50FrameFeaturizer(2, frame_size=32, max_epochs=0)),
            ("linear", LogisticRegression()),
        ]
    ).fit(videos[:4], y[:4])
    with pytest.raises(ValueError, match=r"'ResNet50FrameFeaturizer', 'LogisticRegression'"):
        attribute(pipe, videos[0])


def test_a_film_strip_shows_the_attribution(order_model, order_data):
    video = order_data.data[0]
    display = FilmStripDisplay.from_estimator(order_model, video, explain=True)
    found = attribute(order_model, video)
    strip, _, bars = display.axes_
    np.testing.assert_allclose([bar.get_height() for bar in bars.patches], found.attention)
    plain = FilmStripDisplay.from_estimator(order_model, video)
    assert len(plain.axes_) == 2
    np.testing.assert_array_equal(pictures(strip), pictures(plain.axes_[0]))
    for inset, heat in zip(strip.child_axes, found.heat, strict=True):
        frame, tint = inset.images
        np.testing.assert_array_equal(tint.get_array(), heat)
        assert tint.get_extent() == frame.get_extent()
    assert all(len(inset.images) == 1 for inset in plain.axes_[0].child_axes)


def patch_clips(n, seed):
    """Grey noise with a red or blue patch in one of 16 places."""
    rng = np.random.default_rng(seed)
    videos = rng.integers(60, 130, (n, 2, 32, 32, 3), dtype=np.uint8)
    places = rng.integers(0, 4, (n, 2))
    for number, (row, column) in enumerate(places * 8):
        colour = [(250, 20, 20), (20, 20, 250)][number % 2]
        videos[number, :, row : row + 8, column : column + 8] = colour
    return list(videos), ["red", "blue"] * (n // 2), places


@pytest.fixture(scope="module")
def patch_model():
    videos, y, _ = patch_clips(48, seed=0)
    return make_video_classifier(
        random_state=0,
        features__n_frames=2,
        features__frame_size=32,
        features__modality="rgb",
        features__objective="frame",
        features__max_epochs=4,
        features__batch_size=16,
        features__frames_per_clip=4,
        features__augmentation=(),
        gru__delta_weight=0.0,
        gru__max_epochs=40,
        gru__lr=3e-3,
    ).fit(videos, y)


def on_the_patch(heat, place):
    """The share of the heat that is on the patch, which is a sixteenth of the frame."""
    row, column = place
    heat = heat.sum(axis=0)
    return heat[row, column] / heat.sum()


def test_the_heat_is_on_the_patch_that_shows_the_class(patch_model):
    videos, y, places = patch_clips(8, seed=1)
    classes = patch_model.classes_.tolist()
    shares = [
        on_the_patch(attribute(patch_model, video, classes.index(label)).heat, place)
        for video, label, place in zip(videos, y, places, strict=True)
    ]
    assert np.mean(shares) > 3 / 16


def test_the_heat_of_a_mistake_is_on_the_patch_that_shows_the_predicted_class(patch_model):
    videos, y, places = patch_clips(8, seed=1)
    wrong = y[::-1]  # all predictions are mistakes
    order = evaluate(patch_model, videos, wrong).mistakes(8)
    display = MistakesDisplay.from_estimator(
        patch_model, videos, wrong, n_mistakes=8, explain=True
    )
    assert [mistake.predicted for mistake in display.mistakes] == [y[row] for row in order]
    shares = []
    for axes, mistake, row in zip(display.axes_, display.mistakes, order, strict=True):
        tints = [inset.images[1].get_array() for inset in axes.child_axes]
        shares.append(on_the_patch(np.array(tints), places[row]))
        weights = np.array([bar.get_height() for bar in axes.patches])
        np.testing.assert_allclose(weights / weights.sum(), mistake.attention, rtol=1e-5)
    assert np.mean(shares) > 3 / 16
