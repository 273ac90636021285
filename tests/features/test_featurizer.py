import errno
import os
import pickle
import re
import sys
import threading
import warnings
from contextlib import ExitStack
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pytest
import torch
from conftest import break_video, largest_error, make_frames
from joblib._store_backends import FileSystemStoreBackend
from references import random_state, reference_features
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.preprocessing import MinMaxScaler, StandardScaler
from sklearn.utils import get_tags
from sklearn.utils.estimator_checks import parametrize_with_checks

from skvideo_gru import (
    FrameWise,
    ResNet50FrameFeaturizer,
    VideoClip,
    VideoDecodeError,
    make_video_classifier,
)
from skvideo_gru.datasets.generated import write_video
from skvideo_gru.features import extraction, featurizer, fitting, reading
from skvideo_gru.features.motion import motion_images
from skvideo_gru.features.reading import FrameReader, frame_reader
from skvideo_gru.features.training import train_backbone
from skvideo_gru.networks import build_network, motion_weights, normalise, progress
from skvideo_gru.sequence.sequences import validate_sequences
from skvideo_gru.video import read_outlines, uniform_indices
from skvideo_gru.video.decoding import read_frames

UNTRAINED = {"n_frames": 3, "frame_size": 32, "max_epochs": 0, "random_state": 0}
TRAINED = {**UNTRAINED, "modality": "motion", "max_epochs": 1}
TRAINED |= {"frames_per_clip": 2, "batch_size": 12}  # two steps on twelve videos


@parametrize_with_checks([ResNet50FrameFeaturizer()])
def test_scikit_learn_contract(estimator, check):
    check(estimator)


def test_the_longest_training_video(colour_clips, clip):
    model = ResNet50FrameFeaturizer(**UNTRAINED)
    assert model.fit([colour_clips[0][0], clip]).max_duration_ == pytest.approx(1.2)
    assert model.fit([VideoClip(clip, 0.2, 0.5)]).max_duration_ == pytest.approx(0.3)
    assert model.fit([make_frames(5)]).max_duration_ is None


def test_tags_say_that_rows_are_videos():
    tags = get_tags(ResNet50FrameFeaturizer()).input_tags
    assert (tags.two_d_array, tags.one_d_array, tags.string) == (False, True, True)


@pytest.fixture
def decoded(monkeypatch):
    """The videos that were decoded, in order."""
    names = []

    for name in ("read_frames", "read_outlines"):
        read = getattr(reading, name)

        def counting(video, read=read, **options):
            if not isinstance(video, np.ndarray):
                names.append(str(video))
            return read(video, **options)

        monkeypatch.setattr(reading, name, counting)
    return names


@pytest.fixture
def trainings(monkeypatch):
    """The options of the trainings, which return random weights at once."""
    options = []

    def train(clips, y, **given):
        options.append(given)
        return fitting.initial_weights(0), [{"epoch": 1, "train_loss": 1.0}]

    monkeypatch.setattr(fitting, "train_backbone", train)
    return options


def test_rows_are_the_features_of_the_frames(clip, tmp_path):
    state = random_state()
    torch.save(state, tmp_path / "w.pth")
    frames = read_frames(clip, n_frames=3, frame_size=32)
    x = torch.tensor(frames).permute(0, 3, 1, 2) / 255
    mean = torch.tensor([0.485, 0.456, 0.406])[:, None, None]
    std = torch.tensor([0.229, 0.224, 0.225])[:, None, None]
    with torch.inference_mode():
        expected = reference_features(state, (x - mean) / std).numpy()
    model = ResNet50FrameFeaturizer(**UNTRAINED, weights=tmp_path / "w.pth")
    rows = model.fit_transform([clip])
    assert rows.shape == (1, 3 * 2048)
    assert rows.dtype == np.float32
    error = np.linalg.norm(rows[0] - expected.ravel()) / np.linalg.norm(expected)
    assert error < 1e-5
    sequences = model.set_params(flatten=False).transform([clip])
    np.testing.assert_array_equal(sequences, rows.reshape(1, 3, 2048))


def test_initial_weights(colour_clips, monkeypatch, trainings):
    """By default, learned ones for a training on few motion images, and random ones otherwise."""
    videos, y = colour_clips
    learned = motion_weights()
    for params in (
        {"modality": "motion"},
        {"modality": "motion", "weights": None},
        {"modality": "auto"},  # the classes differ in brightness
        {"modality": "rgb"},
        {"modality": "changes"},
    ):
        fitted = ResNet50FrameFeaturizer(n_frames=4, **params).fit(videos, y)
        assert fitted.frame_size_ == (32, 32)
    first, *others = (options["weights"] for options in trainings)
    assert others == [None] * 4
    assert first.keys() == learned.keys()
    for name, value in learned.items():
        np.testing.assert_array_equal(first[name], value)
    monkeypatch.setattr(featurizer, "MANY_VIDEOS", len(videos))
    ResNet50FrameFeaturizer(n_frames=4, modality="motion").fit(videos, y)
    assert trainings[-1]["weights"] is None
    assert [options["n_steps"] for options in trainings] == [1200] * 5 + [2400]


def test_the_size_is_32_and_224_with_weights(tmp_path):
    torch.save(random_state(), tmp_path / "w.pth")
    video = [np.zeros((2, 8, 8, 3), np.uint8)]
    assert ResNet50FrameFeaturizer(n_frames=1).fit(video).frame_size_ == (32, 32)
    model = ResNet50FrameFeaturizer(n_frames=1, weights=str(tmp_path / "w.pth")).fit(video)
    assert model.frame_size_ == (224, 224)


def test_saved_weights_give_the_same_features(colour_clips, tmp_path):
    videos, y = colour_clips[0][:4], colour_clips[1][:4]
    model = ResNet50FrameFeaturizer(**TRAINED)
    with pytest.raises(NotFittedError):
        model.save_weights(tmp_path / "w.safetensors")
    expected = model.fit_transform(videos, y)
    model.save_weights(tmp_path / "w.safetensors")
    weights = {"weights": tmp_path / "w.safetensors", "modality": "motion"}
    again = ResNet50FrameFeaturizer(**UNTRAINED, **weights)
    np.testing.assert_allclose(again.fit(videos).transform(videos), expected, rtol=1e-5)


def test_features_do_not_depend_on_other_videos(colour_clips):
    videos, _ = colour_clips
    model = ResNet50FrameFeaturizer(**UNTRAINED).fit(videos)
    before = torch.get_rng_state()
    together = model.transform(videos)
    assert torch.equal(torch.get_rng_state(), before)
    alone = np.concatenate([model.transform([video]) for video in videos])
    assert largest_error(alone, together) < 1e-5
    assert largest_error(model.transform(videos[::-1])[::-1], together) < 1e-5
    two_jobs = model.set_params(n_jobs=2).transform(videos * 2)
    assert largest_error(two_jobs, np.tile(together, (2, 1))) < 1e-5


def test_all_types_of_a_data_set_give_the_same_features(colour_clips):
    videos = colour_clips[0][:2]
    model = ResNet50FrameFeaturizer(**UNTRAINED).fit(videos)
    expected = model.transform(videos)
    forms = [
        np.array(videos),
        np.array(videos)[:, None],
        pd.Series(videos),
        pd.DataFrame({"path": videos}),
        [VideoClip(video) for video in videos],
        [read_frames(video, sampling="all") for video in videos],
    ]
    for form in forms:
        assert largest_error(model.transform(form), expected) < 1e-5


def test_a_short_clip_repeats_frames(colour_clips):
    model = ResNet50FrameFeaturizer(**{**UNTRAINED, "n_frames": 20}, flatten=False)
    features = model.fit_transform(colour_clips[0][:1])  # 12 frames
    assert features.shape == (1, 20, 2048)
    assert largest_error(features[0, :1], features[0, 1:2]) < 1e-5


def test_fit_with_labels_trains_and_without_does_not(colour_clips):
    videos, y = colour_clips
    trained = ResNet50FrameFeaturizer(**TRAINED).fit(videos, y)
    assert len(trained.history_) == 1
    assert trained.classes_.tolist() == ["bright", "dark"]
    untrained = [
        ResNet50FrameFeaturizer(**TRAINED).fit(videos),
        ResNet50FrameFeaturizer(**UNTRAINED).fit(videos, y),
        ResNet50FrameFeaturizer(**UNTRAINED).fit(videos[:1]),
    ]
    for model in untrained:
        assert model.history_ == []
        np.testing.assert_array_equal(
            model.weights_["conv1.weight"], untrained[0].weights_["conv1.weight"]
        )
    assert not np.array_equal(
        trained.weights_["conv1.weight"], untrained[0].weights_["conv1.weight"]
    )


def test_fit_depends_only_on_its_inputs(colour_clips):
    videos, y = colour_clips
    model = ResNet50FrameFeaturizer(**TRAINED)
    first = model.fit(videos, y).transform(videos)
    torch.manual_seed(9)
    second = clone(model).fit_transform(videos, y)
    assert largest_error(second, first) < 1e-3


def test_memory_caches_features_by_content(colour_clips, tmp_path, decoded):
    videos, _ = colour_clips
    model = ResNet50FrameFeaturizer(**UNTRAINED, memory=tmp_path / "cache").fit(videos)
    first = model.transform(videos)
    assert sorted(decoded) == sorted(videos)
    decoded.clear()
    np.testing.assert_array_equal(model.transform(videos), first)
    moved = tmp_path / "moved.mp4"
    moved.write_bytes(Path(videos[3]).read_bytes())
    np.testing.assert_array_equal(model.transform([moved]), first[3:4])
    np.testing.assert_array_equal(clone(model).fit_transform(videos), first)
    assert decoded == []
    moved.write_bytes(Path(videos[4]).read_bytes() + b"edited")
    model.transform([moved])
    model.set_params(n_frames=2).transform(videos[:1])
    assert decoded == [str(moved), videos[0]]


def test_motion_images_are_read_at_the_sampled_moments(colour_clips):
    videos, _ = colour_clips
    model = ResNet50FrameFeaturizer(**UNTRAINED, modality="motion").fit(videos)
    for video, row in zip(videos[:3], model.transform(videos[:3]), strict=True):
        outlines, changes, times = read_outlines(video, frame_size=(32, 32), detail=4)
        indices = uniform_indices(len(times), 3)
        images = motion_images(outlines, changes, indices, (indices[-1] - indices[0]) / 2)
        network = build_network(model.weights_).eval()
        with torch.inference_mode():
            expected = network(normalise(torch.from_numpy(images))).numpy()
        assert largest_error(row, expected.ravel()) < 1e-4


def moving_squares(n_clips, colours, speeds, seed=0):
    """Draw squares at random places, whose colour and speed alternate."""
    rng = np.random.default_rng(seed)
    clips = rng.integers(90, 110, (n_clips, 8, 32, 32, 3), dtype=np.uint8)
    for number, clip in enumerate(clips):
        top, left = rng.integers(8, 16, 2)
        for moment, frame in enumerate(clip):
            at = left + speeds[number % 2] * (moment - 4)
            frame[top : top + 8, at : at + 8] = colours[number % 2]
    return list(clips), np.arange(n_clips) % 2


RED, BLUE = (220, 20, 20), (20, 20, 220)


@pytest.mark.parametrize(
    ("n_clips", "colours", "speeds", "modality", "expected"),
    [
        (12, (RED, RED), (2, -2), "auto", "motion"),
        (12, (RED, BLUE), (2, 2), "auto", "rgb"),
        (12, (RED, BLUE), (2, -2), "auto", "motion"),
        (12, (RED, RED), (2, 2), "auto", "motion"),
        (12, (RED, BLUE), (2, 2), "motion", "motion"),
        (4, (RED, BLUE), (2, 2), "auto", "motion"),  # too few to know
    ],
    ids=["motion", "colour", "both", "neither", "given", "few"],
)
def test_the_modality_is_rgb_if_only_colours_differ(
    n_clips, colours, speeds, modality, expected, trainings
):
    videos, y = moving_squares(n_clips, colours, speeds)
    params = {**TRAINED, "n_frames": 8, "modality": modality}
    model = ResNet50FrameFeaturizer(**params).fit(videos, y)
    assert model.modality_ == expected


@pytest.mark.parametrize(
    ("params", "labels", "expected"),
    [
        ({"modality": "auto"}, False, "rgb"),
        ({"modality": "auto", "max_epochs": 0}, True, "rgb"),
        ({"modality": "motion", "max_epochs": 0}, False, "motion"),
    ],
)
def test_the_modality_of_an_untrained_backbone(colour_clips, params, labels, expected):
    videos, y = colour_clips
    model = ResNet50FrameFeaturizer(**{**TRAINED, **params}).fit(videos, y if labels else None)
    assert model.modality_ == expected


def test_rgb_frames_replace_a_video_that_fails_as_motion_images(
    colour_clips, tmp_path, monkeypatch
):
    videos, y = colour_clips
    model = ResNet50FrameFeaturizer(**{**TRAINED, "modality": "auto"}, on_error="nan")
    read = reading.read_outlines

    def failing(video, **options):
        if video == videos[3]:
            raise VideoDecodeError(video, "broken")
        return read(video, **options)

    monkeypatch.setattr(reading, "read_outlines", failing)
    with pytest.warns(UserWarning, match="1 of 12 videos cannot be read"):
        model.fit(videos, y)
    assert (model.modality_, model.failed_) == ("rgb", [(videos[3], "broken")])
    others = [row for row in range(12) if row != 3]
    expected = ResNet50FrameFeaturizer(**{**TRAINED, "modality": "rgb"})
    expected.fit([videos[row] for row in others], y[others])
    assert model.history_[0]["train_loss"] == expected.history_[0]["train_loss"]


def test_motion_images_stay_if_rgb_frames_cannot_be_read(colour_clips, monkeypatch, trainings):
    def failing(video, **options):
        raise VideoDecodeError(video, "broken")

    monkeypatch.setattr(reading, "read_frames", failing)
    model = ResNet50FrameFeaturizer(**{**TRAINED, "modality": "auto"}, on_error="nan")
    assert model.fit(*colour_clips).modality_ == "motion"


def test_rgb_frames_in_a_file_give_the_same_weights(colour_clips):
    videos, y = colour_clips
    model = ResNet50FrameFeaturizer(**{**TRAINED, "modality": "auto"}).fit(videos, y)
    limited = clone(model).set_params(max_nbytes=1).fit(videos, y)
    assert model.modality_ == limited.modality_ == "rgb"
    for name, value in model.weights_.items():
        np.testing.assert_array_equal(limited.weights_[name], value)


def test_a_cached_backbone_keeps_the_modality(colour_clips, tmp_path, decoded, trainings):
    videos, y = colour_clips
    model = ResNet50FrameFeaturizer(**{**TRAINED, "modality": "auto"}, memory=tmp_path)
    first = model.fit_transform(videos, y)
    assert (model.modality_, len(decoded)) == ("rgb", 2 * len(videos))
    again = clone(model)
    np.testing.assert_array_equal(again.fit_transform(videos, y), first)
    assert (again.modality_, len(decoded)) == ("rgb", 2 * len(videos))
    np.testing.assert_allclose(again.set_params(memory=None).transform(videos), first, atol=1e-5)


def test_given_weights_receive_rgb_frames_of_224_pixels(colour_clips, tmp_path, trainings):
    videos, y = colour_clips
    file = tmp_path / "weights.pth"
    start = ResNet50FrameFeaturizer(max_epochs=0, random_state=0).fit(videos)
    start.save_weights(file)
    model = ResNet50FrameFeaturizer(2, weights=file, max_epochs=1).fit(videos[::5], y[::5])
    assert (model.modality_, model.frame_size_) == ("rgb", (224, 224))
    for name, value in start.weights_.items():
        np.testing.assert_array_equal(trainings[0]["weights"][name], value)


@pytest.mark.parametrize("modality", ["rgb", "motion", "changes"])
def test_training_reads_more_images_and_the_same_for_prediction(colour_clips, modality):
    options = {"sampling": "uniform", "n_frames": 4, "frame_size": (8, 8), "resize": "stretch"}
    reader = FrameReader(modality, options)
    finer = reader.for_training()
    for video in colour_clips[0][:2]:
        images = finer(video)
        assert len(images) == 12
        np.testing.assert_array_equal(finer.for_prediction(images), reader(video))
    rng = np.random.default_rng(0)
    for n_frames, length in ((1, 72), (2, 7), (20, 72), (20, 47), (20, 11)):
        video = rng.integers(0, 256, (length, 16, 16, 3), dtype=np.uint8)
        reader = FrameReader(modality, options | {"n_frames": n_frames})
        finer = reader.for_training()
        np.testing.assert_array_equal(finer.for_prediction(finer(video)), reader(video))
    fps = FrameReader(modality, reader.options | {"sampling": "fps", "fps": 5.0})
    np.testing.assert_array_equal(fps.for_training()(video), fps(video))


def test_modalities_and_augmentations_are_cached_separately(colour_clips, tmp_path):
    videos, y = colour_clips
    model = ResNet50FrameFeaturizer(**TRAINED, memory=tmp_path)
    motion = model.fit_transform(videos, y)
    np.testing.assert_array_equal(clone(model).fit_transform(videos, y), motion)
    for params in ({"modality": "rgb"}, {"augmentation": ["mirror"]}, {"augmentation": None}):
        other = clone(model).set_params(**params).fit_transform(videos, y)
        assert largest_error(other, motion) > 1e-3
        alone = clone(model).set_params(**params, memory=None).fit_transform(videos, y)
        assert largest_error(other, alone) < 1e-4


def test_memory_computes_the_same_content_once(colour_clips, tmp_path, decoded):
    video = colour_clips[0][0]
    model = ResNet50FrameFeaturizer(**UNTRAINED, memory=tmp_path)
    rows = model.fit_transform([video] * 5)
    assert decoded == [video]
    np.testing.assert_array_equal(rows, np.repeat(rows[:1], 5, axis=0))


def test_memory_caches_trained_backbones_by_training_set(
    colour_clips, tmp_path, decoded, trainings
):
    videos, y = colour_clips
    model = ResNet50FrameFeaturizer(**TRAINED, memory=tmp_path)
    first = model.fit_transform(videos, y)
    assert sorted(decoded) == sorted(videos)  # once, for training and embedding
    decoded.clear()
    again = clone(model)
    np.testing.assert_array_equal(
        again.fit_transform(videos, np.where(y == "dark", 0, 1) * -1), first
    )
    assert again.history_ == model.history_
    assert decoded == []
    clone(model).fit(videos[:-2], y[:-2])
    assert len(decoded) == 10


def test_memory_without_a_seed_reuses_the_backbone(colour_clips, tmp_path, decoded, trainings):
    videos, y = colour_clips
    model = ResNet50FrameFeaturizer(**{**TRAINED, "random_state": None}, memory=tmp_path)
    first = model.fit_transform(videos, y)
    np.testing.assert_array_equal(clone(model).fit_transform(videos, y), first)
    assert len(decoded) == len(videos)


def test_a_damaged_entry_is_computed_again(colour_clips, tmp_path, decoded, caplog):
    videos = colour_clips[0][:2]
    model = ResNet50FrameFeaturizer(**UNTRAINED, memory=tmp_path)
    first = model.fit_transform(videos)
    entries = [p for p in tmp_path.rglob("output.pkl") if p.stat().st_size < 1e6]
    assert len(entries) == 2
    entries[0].write_bytes(entries[0].read_bytes()[:100])
    decoded.clear()
    assert largest_error(model.transform(videos), first) < 1e-5
    assert len(decoded) == 1
    assert "Exception while loading results" in caplog.text


def test_an_interrupted_transform_resumes(colour_clips, tmp_path, monkeypatch):
    videos, _ = colour_clips
    monkeypatch.setattr(extraction, "frames_per_batch", lambda *_: 6)
    model = ResNet50FrameFeaturizer(**UNTRAINED, memory=tmp_path).fit(videos)
    seen, decoders = [], set()

    def interrupting(video, **reading):
        seen.append(video)
        decoders.add(threading.current_thread())
        if len(seen) > 7:
            raise KeyboardInterrupt
        return read_frames(video, **reading)

    monkeypatch.setattr(reading, "read_frames", interrupting)
    with pytest.raises(KeyboardInterrupt):
        model.transform(videos)
    for decoder in decoders:  # they may still read the next video
        decoder.join()
    seen.clear()
    monkeypatch.setattr(
        reading, "read_frames", lambda v, **r: seen.append(v) or read_frames(v, **r)
    )
    model.transform(videos)
    assert seen == videos[6:]


def test_joblib_round_trip(colour_clips, tmp_path):
    videos, y = colour_clips
    model = ResNet50FrameFeaturizer(**TRAINED).fit(videos, y)
    joblib.dump(model, tmp_path / "m.joblib")
    loaded = joblib.load(tmp_path / "m.joblib")
    np.testing.assert_array_equal(loaded.transform(videos), model.transform(videos))
    assert all(isinstance(value, np.ndarray) for value in loaded.weights_.values())


def test_features_are_written_to_a_file(colour_clips, tmp_path):
    videos, _ = colour_clips
    model = ResNet50FrameFeaturizer(**UNTRAINED).fit(videos)
    expected = model.transform(videos)
    (tmp_path / "f.npy").write_text("an older file")
    rows = model.transform_to_file(videos, tmp_path / "f.npy")
    assert isinstance(rows, np.memmap)
    scaler = FrameWise(MinMaxScaler())
    assert np.shares_memory(validate_sequences(scaler, rows, 2048, dtype=None, reset=True), rows)
    np.testing.assert_array_equal(rows, expected)
    np.testing.assert_array_equal(np.load(tmp_path / "f.npy"), expected)
    half = model.transform_to_file(videos, tmp_path / "half.npy", dtype="float16")
    assert half.dtype == np.float16
    np.testing.assert_allclose(half, expected, rtol=1e-3, atol=1e-6)
    model.set_params(flatten=False)
    assert model.transform_to_file(videos[:2], tmp_path / "f.npy").shape == (2, 3, 2048)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["f.npy", "half.npy"]


def test_a_failed_transform_leaves_no_file(colour_clips, broken_clip, tmp_path, monkeypatch):
    videos = colour_clips[0][:2]
    model = ResNet50FrameFeaturizer(**UNTRAINED).fit(videos)
    folder = tmp_path / "features"
    folder.mkdir()
    with pytest.raises(VideoDecodeError, match=r"broken\.mp4"):
        model.transform_to_file([*videos, broken_clip], folder / "f.npy")
    with pytest.raises(ValueError, match="dtype='int8' is unknown"):
        model.transform_to_file(videos, folder / "f.npy", dtype="int8")
    with pytest.raises(OSError, match="nowhere"):
        model.transform_to_file(videos, tmp_path / "nowhere" / "f.npy")

    def full(file, start, size):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(OSError, match=r"No space left on device: 49,280 bytes are needed"):
        model.transform_to_file(videos, folder / "f.npy")
    monkeypatch.undo()
    for value in model.weights_.values():
        value *= 2
    loud = pickle.loads(pickle.dumps(model))
    with pytest.raises(ValueError, match=r"0\.mp4: the feature .* exceeds the range of float16"):
        loud.transform_to_file(videos, folder / "f.npy", dtype="float16")
    assert list(folder.iterdir()) == []


def test_progress_shows_speed_cache_and_failures(
    colour_clips, broken_clip, tmp_path, monkeypatch, capsys
):
    videos = [*colour_clips[0][:3], str(broken_clip)]
    options = {"memory": tmp_path, "on_error": "nan", "verbose": 1}
    model = ResNet50FrameFeaturizer(**UNTRAINED, **options).fit(videos)
    with pytest.warns(UserWarning, match="1 of 3"):
        model.transform(videos[1:])
    monkeypatch.setattr(progress, "_INTERVAL", 0.0)
    capsys.readouterr()
    with pytest.warns(UserWarning, match="1 of 4"):
        model.transform(videos)
    last = capsys.readouterr().err.splitlines()[-1]
    assert re.match(r"features: 4/4 videos in 00:0\d, .* frames/s, 2 cached, 1 failed$", last)


def test_feature_names():
    model = ResNet50FrameFeaturizer(**UNTRAINED)
    model.fit([np.zeros((2, 8, 8, 3), np.uint8)])
    names = model.get_feature_names_out()
    assert len(names) == 3 * 2048
    assert names[[0, 2048, -1]].tolist() == [
        "frame0_resnet50_0",
        "frame1_resnet50_0",
        "frame2_resnet50_2047",
    ]


def test_the_error_names_the_unreadable_video(colour_clips, broken_clip, tmp_path):
    videos, y = colour_clips
    model = ResNet50FrameFeaturizer(**UNTRAINED).fit(videos)
    for memory in (None, tmp_path):
        model.set_params(memory=memory)
        with pytest.raises(VideoDecodeError, match="broken.mp4"):
            model.transform([videos[0], broken_clip])
        with pytest.raises(VideoDecodeError, match="missing.mp4"):
            model.transform(["missing.mp4"])
    refitted = ResNet50FrameFeaturizer(**TRAINED)
    with pytest.raises(VideoDecodeError, match="broken.mp4"):
        refitted.fit([*videos, broken_clip], [*y, "dark"])
    with pytest.raises(NotFittedError):
        refitted.transform(videos)
    with joblib.parallel_config("threading"), pytest.raises(VideoDecodeError, match="broken.mp4"):
        model.set_params(n_jobs=2, memory=None).transform([videos[0], broken_clip] * 10)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"n_frames": 0}, "'n_frames' parameter"),
        ({"frame_size": (1, 2, 3)}, r"frame_size=\(1, 2, 3\)"),
        ({"objective": "video"}, "'objective' parameter"),
        ({"modality": "flow"}, "'modality' parameter"),
        ({"augmentation": "strong"}, "augmentation='strong' must be None or a list"),
        ({"resize": "squash"}, "'resize' parameter"),
        ({"engine": "tensorrt"}, "'engine' parameter"),
        (
            {"pixel_mean": (0.5, 0.5)},
            r"pixel_mean=\(0\.5, 0\.5\) must contain three finite numbers",
        ),
        (
            {"pixel_std": (0.5, 0.5, 0)},
            r"pixel_std=.* must contain three positive, finite numbers",
        ),
        ({"max_epochs": -1}, "'max_epochs' parameter"),
        ({"device": "tpu", "max_epochs": 1}, "device='tpu'"),
    ],
)
def test_wrong_parameters_are_named(colour_clips, parameters, message):
    videos, y = colour_clips
    with pytest.raises(ValueError, match=message):
        ResNet50FrameFeaturizer(**{**UNTRAINED, **parameters}).fit(videos, y)


@pytest.mark.parametrize("memory", [False, True])
def test_unreadable_videos_can_become_nan(colour_clips, broken_clip, tmp_path, memory):
    videos, y = list(colour_clips[0][:2]), colour_clips[1][:2]
    good = ResNet50FrameFeaturizer(**TRAINED).fit(videos, y)
    expected = good.transform(videos)
    missing = str(tmp_path / "missing.mp4")
    mixed = [str(broken_clip), *videos, missing, missing]
    labels = [*"b", *y, *"ab"]
    model = ResNet50FrameFeaturizer(
        **TRAINED, on_error="nan", memory=tmp_path / "cache" if memory else None
    )
    for _ in range(1 + memory):
        with pytest.warns(UserWarning, match="3 of 5 videos cannot be read") as caught:
            rows = model.fit_transform(mixed, labels)
        (warning,) = [w for w in caught if "cannot be read" in str(w.message)]
        assert warning.filename == __file__
        assert rows.shape == (5, 3 * 2048)
        assert np.isnan(rows[[0, 3, 4]]).all()
        # Training has omitted them too.
        assert largest_error(rows[1:3], expected) < 1e-4
        assert [path for path, _ in model.failed_] == [str(broken_clip), missing, missing]
        assert model.failed_[1][1] == "No such file or directory"
        with pytest.warns(UserWarning, match="3 of 5") as caught:
            again = model.transform(mixed)
        assert [str(w.message) for w in caught if w.filename != __file__] == []
        np.testing.assert_array_equal(np.isnan(again), np.isnan(rows))
        with pytest.warns(UserWarning, match="3 of 5") as caught:
            model.fit(mixed, labels)
        assert [str(w.message) for w in caught if w.filename != __file__] == []
    assert not np.isnan(model.transform(videos)).any()
    assert model.failed_ == []
    # A video that is repaired is found.
    Path(missing).write_bytes(Path(videos[0]).read_bytes())
    assert not np.isnan(model.transform([missing])).any()


def test_a_cached_backbone_lacks_no_video_that_can_be_read_again(
    colour_clips, tmp_path, monkeypatch
):
    videos, y = colour_clips
    model = ResNet50FrameFeaturizer(
        **{**TRAINED, "modality": "rgb"}, on_error="nan", memory=tmp_path
    )

    def failing(video, **options):
        if video == videos[0]:
            raise VideoDecodeError(video, "Input/output error")
        return read_frames(video, **options)

    with monkeypatch.context() as patch:
        patch.setattr(reading, "read_frames", failing)
        with pytest.warns(UserWarning, match="1 of 12 videos"):
            model.fit(videos, y)
    rows = model.fit_transform(videos, y)
    assert model.failed_ == [] and not np.isnan(rows).any()
    alone = clone(model).set_params(memory=None).fit_transform(videos, y)
    assert largest_error(rows, alone) < 1e-4


def test_a_video_that_only_training_cannot_read(colour_clips, tmp_path, monkeypatch):
    videos, y = colour_clips
    trainings = []

    def train(*args, **options):
        trainings.append(len(args[0]))
        return train_backbone(*args, **options)

    def failing(video, n_frames, **options):
        if video == videos[0] and n_frames > 3:
            raise VideoDecodeError(video, "Invalid data")
        return read_frames(video, n_frames=n_frames, **options)

    monkeypatch.setattr(fitting, "train_backbone", train)
    monkeypatch.setattr(reading, "read_frames", failing)
    model = ResNet50FrameFeaturizer(**{**TRAINED, "modality": "rgb"}, on_error="nan")
    rows = model.fit_transform(videos, y)
    assert model.failed_ == [] and trainings == [11]
    np.testing.assert_array_equal(model.transform(videos), rows)
    for _ in range(2):
        again = clone(model).set_params(memory=tmp_path).fit_transform(videos, y)
        np.testing.assert_array_equal(again, rows)
    assert trainings == [11, 11]


def test_a_cache_folder_that_cannot_be_created_is_a_warning(colour_clips, tmp_path):
    (tmp_path / "file").touch()
    model = ResNet50FrameFeaturizer(**UNTRAINED).fit(colour_clips[0])
    expected = model.transform(colour_clips[0])
    for folder in (tmp_path / "file" / "cache", str(tmp_path / "file" / "cache")):
        model.set_params(memory=folder)
        with pytest.warns(
            UserWarning, match=r"memory='.*file/cache': the cache cannot be written"
        ):
            rows = model.transform(colour_clips[0])
        np.testing.assert_array_equal(rows, expected)


def test_a_cache_that_is_memory_mapped_or_read_only(
    colour_clips, tmp_path, monkeypatch, trainings
):
    videos, y = colour_clips
    memory = joblib.Memory(tmp_path, mmap_mode="r", verbose=0)
    model = ResNet50FrameFeaturizer(**TRAINED, memory=memory).fit(videos, y)
    again = clone(model).fit(videos, y)
    assert {type(array) for array in again.weights_.values()} == {np.ndarray}
    monkeypatch.setattr(os, "access", lambda *_: False)  # root may write everywhere
    rows = clone(model).set_params(max_nbytes=1).fit_transform(videos, y)
    np.testing.assert_array_equal(rows, again.transform(videos))


def test_the_videos_may_be_an_iterator(colour_clips):
    model = ResNet50FrameFeaturizer(**UNTRAINED)
    rows = model.fit_transform(iter(colour_clips[0]))
    np.testing.assert_array_equal(rows, clone(model).fit_transform(colour_clips[0]))


def test_a_disk_too_small_for_the_features_is_an_error_before_a_video_is_read(monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    model = ResNet50FrameFeaturizer(**TRAINED, max_nbytes=2 * 3 * 2048 * 4 - 1)
    with pytest.raises(OSError, match="No space left on device: 49,152 bytes are needed"):
        model.fit_transform(["missing.mp4"] * 2, ["a", "b"])


def test_no_readable_video_is_an_error(broken_clip, tmp_path):
    model = ResNet50FrameFeaturizer(**TRAINED, on_error="nan")
    with pytest.raises(VideoDecodeError, match="none of the 2 videos can be read"):
        model.fit([str(broken_clip), str(tmp_path / "missing.mp4")], ["a", "b"])


@pytest.mark.parametrize("scaler", [None, MinMaxScaler(), StandardScaler()])
def test_a_pipeline_warns_once_and_predicts_the_class_priors(colour_clips, broken_clip, scaler):
    videos, y = [*colour_clips[0][:7], str(broken_clip)], [*colour_clips[1][:7], "dark"]
    pipe = make_video_classifier(
        random_state=0,
        gru__max_epochs=2,
        **{f"features__{name}": value for name, value in UNTRAINED.items()},
        features__on_error="nan",
    )
    if scaler is not None:
        pipe.set_params(scale=scaler)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        pipe.fit(videos, y)
        among_others = pipe.predict_proba(videos)
        alone = pipe.predict_proba(videos[-1:])
    assert [(w.filename, str(w.message)[:6]) for w in caught] == [
        (__file__, "1 of 8"),
        (__file__, "1 of 8"),
        (__file__, "1 of 1"),
    ]
    dark = y[:7].count("dark") / 7
    for row in (among_others[-1], alone[0]):
        np.testing.assert_allclose(row, [1 - dark, dark], rtol=1e-6)


def test_rows_of_short_videos_are_padded_with_nan(tmp_path):
    for n_frames in (5, 30):
        write_video(tmp_path / f"{n_frames}.mp4", make_frames(n_frames, 32, 32), rate=10)
    videos = [tmp_path / "5.mp4", tmp_path / "30.mp4"]
    for sampling, counts in {
        "uniform": (8, 8),
        "random": (8, 8),
        "fps": (2, 8),
        "dense": (2, 8),
    }.items():
        model = ResNet50FrameFeaturizer(
            8, sampling=sampling, fps=4, stride=3, frame_size=32, flatten=False, random_state=0
        )
        sequences = model.fit(videos).transform(videos)
        real = ~np.isnan(sequences).all(axis=2)
        assert real.sum(axis=1).tolist() == list(counts)
        for row, count, video in zip(sequences, counts, videos, strict=True):
            seed = frame_reader(model).options.get("seed", 0)
            options = {"sampling": sampling, "fps": 4, "stride": 3, "seed": seed}
            frames = read_frames(video, n_frames=8, frame_size=32, **options)
            alone = model._embedder(frames)
            assert largest_error(row[:count], alone) < 1e-5
            assert np.isnan(row[count:]).all()


@pytest.mark.parametrize("objective", ["frame", "clip"])
def test_the_backbone_learns_from_videos_of_any_length(tmp_path, objective):
    for number in range(4):
        frames = make_frames(4 + 3 * number, 32, 32, seed=number)
        write_video(tmp_path / f"{number}.mp4", frames)
    videos = [tmp_path / f"{number}.mp4" for number in range(4)]
    model = ResNet50FrameFeaturizer(
        **{**TRAINED, "n_frames": 9}, sampling="dense", objective=objective
    )
    rows = model.fit_transform(videos, list("abab"))
    np.testing.assert_array_equal(np.isnan(rows), np.isnan(model.transform(videos)))
    assert largest_error(np.nan_to_num(rows), np.nan_to_num(model.transform(videos))) < 1e-5
    assert all(np.isfinite(record["train_loss"]) for record in model.history_)


def test_allow_partial_uses_the_frames_of_a_truncated_video(tmp_path):
    path = tmp_path / "a.mp4"
    write_video(path, make_frames(20, 32, 32), options={"g": "5", "bf": "0"})
    break_video(path, 10)
    with pytest.raises(VideoDecodeError):
        ResNet50FrameFeaturizer(**UNTRAINED).fit_transform([path])
    model = ResNet50FrameFeaturizer(**UNTRAINED, allow_partial=True)
    rows = model.fit_transform([path]).reshape(3, -1)
    frames = read_frames(path, sampling="all", frame_size=32, allow_partial=True)
    assert len(frames) == 10
    assert largest_error(rows, model._embedder(frames[[1, 5, 8]])) < 1e-5


def test_wrong_data_is_named(colour_clips):
    videos, y = colour_clips
    model = ResNet50FrameFeaturizer(**TRAINED)
    with pytest.raises(NotFittedError):
        model.transform(videos)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        model.fit(videos, y[:-1])
    with pytest.raises(ValueError, match="at least 2 classes, got 1 class"):
        model.fit(videos, ["same"] * len(videos))
    with pytest.raises(ValueError, match="Unknown label type"):
        model.fit(videos, np.linspace(0, 1, len(videos)))
    with pytest.raises(TypeError, match="one str"):
        model.fit(videos[0])
    with pytest.raises(ValueError, match="at least one video"):
        model.fit([])


def test_mixed_precision_embeds_in_bfloat16_and_is_cached_separately(colour_clips, tmp_path):
    videos, _ = colour_clips
    model = ResNet50FrameFeaturizer(**UNTRAINED, memory=tmp_path)
    exact = model.fit_transform(videos)
    mixed = model.set_params(mixed_precision=True).transform(videos)
    assert 1e-4 < largest_error(mixed, exact) < 0.05
    np.testing.assert_array_equal(model.transform(videos), mixed)
    np.testing.assert_array_equal(model.set_params(mixed_precision=False).transform(videos), exact)


@pytest.mark.parametrize("native", [False, True])
def test_automatic_precision_is_cached_as_what_was_used(
    colour_clips, tmp_path, monkeypatch, native, trainings
):
    videos, y = colour_clips
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": native})
    model = ResNet50FrameFeaturizer(**TRAINED, device="cpu", memory=tmp_path)
    model.set_params(mixed_precision="auto")
    rows = model.fit_transform(videos, y)
    assert model.mixed_precision == "auto"
    assert trainings[0]["mixed_precision"] is native
    monkeypatch.setattr(fitting, "train_backbone", None)  # the backbone is cached
    explicit = clone(model).set_params(mixed_precision=native)
    np.testing.assert_array_equal(explicit.fit_transform(videos, y), rows)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": not native})
    with pytest.raises(TypeError, match="not callable"):  # another precision is another backbone
        clone(model).fit(videos, y)
    other = model.transform(videos)
    assert 1e-4 < largest_error(other, rows) < 0.05


@pytest.mark.parametrize("native", [False, True])
def test_training_in_emulated_bfloat16_warns(colour_clips, monkeypatch, recwarn, native):
    videos, y = colour_clips
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": native})
    monkeypatch.setattr(fitting, "train_backbone", None)  # the warning comes first
    model = ResNet50FrameFeaturizer(**TRAINED, device="cpu", mixed_precision=True)
    with pytest.raises(TypeError):
        model.fit(videos, y)
    emulated = [w for w in recwarn if "emulated" in str(w.message)]
    assert [w.filename for w in emulated] == [__file__] * (not native)


def test_an_unsupported_engine_is_an_error_before_the_training(monkeypatch):
    videos, y = [np.zeros((1, 8, 8, 3), np.uint8)] * 2, [0, 1]
    model = ResNet50FrameFeaturizer(**TRAINED, device="cpu", engine="onnxruntime")
    monkeypatch.setattr(fitting, "train_backbone", None)
    with pytest.raises(ValueError, match="use 'torch' or 'openvino'"):
        clone(model).set_params(mixed_precision=True).fit(videos, y)
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ImportError, match="pip install"):
        model.fit(videos, y)


@pytest.mark.parametrize(
    ("backend", "engine"),
    [
        ("threading", "torch"),
        ("threading", "onnxruntime"),
        ("threading", "openvino"),
        ("multiprocessing", "torch"),
    ],
)
def test_all_joblib_backends_give_the_same_features(colour_clips, backend, engine):
    videos, _ = colour_clips
    model = ResNet50FrameFeaturizer(**UNTRAINED).fit(videos)
    expected = model.transform(videos)
    model.set_params(engine=engine)
    with joblib.parallel_config(backend, n_jobs=4):
        assert largest_error(model.transform(videos), expected) < 1e-4


def test_open_files_are_not_sent_to_workers(colour_clips):
    videos, y = colour_clips
    model = ResNet50FrameFeaturizer(**TRAINED, n_jobs=2)
    with ExitStack() as stack:
        files = [stack.enter_context(open(video, "rb")) for video in videos]
        with pytest.raises(
            ValueError, match=f"{videos[0]} to its workers. Pass paths or bytes, or set n_jobs"
        ):
            model.fit(files, y)
        model.set_params(max_epochs=0).fit(files)
        with pytest.raises(ValueError, match="open files"):
            model.transform(files)
        alone = model.set_params(n_jobs=1).transform(files)
    np.testing.assert_array_equal(alone, model.transform(videos))


def test_few_videos_are_distributed_over_all_workers(colour_clips):
    videos, _ = colour_clips
    model = ResNet50FrameFeaturizer(**UNTRAINED).fit(videos)
    sizes = []

    class Counting(joblib.Parallel):
        def __call__(self, tasks):
            return super().__call__(sizes.append(len(task[1][0])) or task for task in tasks)

    with pytest.MonkeyPatch.context() as patch, joblib.parallel_config("threading"):
        patch.setattr(extraction, "Parallel", Counting)
        model.set_params(n_jobs=2).transform(videos)
    assert sizes == [6, 6]


def test_numpy_numbers_are_the_same_as_python_numbers(colour_clips, tmp_path, decoded, trainings):
    videos, y = colour_clips
    model = ResNet50FrameFeaturizer(**TRAINED, memory=tmp_path)
    rows = model.fit_transform(videos, y)
    decoded.clear()
    of_numpy = {name: np.array([value])[0] for name, value in TRAINED.items()}
    same = ResNet50FrameFeaturizer(**of_numpy, memory=tmp_path).fit_transform(videos, y)
    np.testing.assert_array_equal(same, rows)
    assert decoded == []


@pytest.mark.filterwarnings("ignore:1 of 5 videos")
def test_unreadable_videos_are_cached_with_the_backbone(
    colour_clips, broken_clip, tmp_path, trainings
):
    videos, y = [*colour_clips[0][:4], str(broken_clip)], [*colour_clips[1][:4], "never read"]
    model = ResNet50FrameFeaturizer(**TRAINED, memory=tmp_path, on_error="nan").fit(videos, y)
    again = clone(model).fit(videos, y)
    for fitted in (model, again):
        assert fitted.classes_.tolist() == ["bright", "dark"]
        assert [path for path, _ in fitted.failed_] == [str(broken_clip)]
    with pytest.raises(VideoDecodeError, match=r"broken\.mp4"):
        again.set_params(on_error="raise").fit(videos, y)
    assert again.classes_.tolist() == ["bright", "dark"]  # unchanged


def test_repaired_videos_are_used_for_training(colour_clips, tmp_path, monkeypatch):
    videos, y = colour_clips[0][:4], colour_clips[1][:4]

    def failing(video, **reading):
        if video == videos[3]:
            raise VideoDecodeError(video, "not today")
        return read_outlines(video, **reading)

    monkeypatch.setattr(reading, "read_outlines", failing)
    model = ResNet50FrameFeaturizer(**TRAINED, memory=tmp_path, on_error="nan")
    with pytest.warns(UserWarning, match="1 of 4 videos"):
        model.fit(videos, y)
    monkeypatch.undo()
    expected = ResNet50FrameFeaturizer(**TRAINED).fit(videos, y).history_
    for on_error in ("raise", "nan"):  # the second reuses the cache of the first
        history = clone(model).set_params(on_error=on_error).fit(videos, y).history_
        assert history[0]["train_loss"] == pytest.approx(expected[0]["train_loss"], rel=1e-4)


def test_a_diverging_training_is_an_error(colour_clips, tmp_path):
    videos, y = colour_clips
    params = {**TRAINED, "max_epochs": 3, "lr": 1e30}
    model = ResNet50FrameFeaturizer(**params, memory=tmp_path)
    with pytest.raises(ValueError, match=r"diverged.* Reduce lr \(now 1e\+30\)"):
        model.fit(videos, y)
    with pytest.raises(NotFittedError):
        model.transform(videos)


def test_without_a_writable_cache_features_are_computed(colour_clips, tmp_path, monkeypatch):
    videos, _ = colour_clips
    expected = ResNet50FrameFeaturizer(**UNTRAINED).fit_transform(videos)

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(FileSystemStoreBackend, "store_cached_func_code", full)
    model = ResNet50FrameFeaturizer(**UNTRAINED, memory=tmp_path)
    with pytest.warns(UserWarning, match="the cache cannot be written .*No space left"):
        np.testing.assert_allclose(model.fit_transform(videos), expected, rtol=1e-5)
