import math
import warnings

import numpy as np
import pytest
from conftest import break_video
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import VotingClassifier
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.svm import LinearSVC

from skvideo_gru import (
    LiveClassifier,
    ResNet50FrameFeaturizer,
    VideoClip,
    VideoDecodeError,
    make_video_classifier,
    predict_timeline,
    read_frames,
)
from skvideo_gru.datasets.generated import write_video
from skvideo_gru.features import WindowEmbedder
from skvideo_gru.features.embedding import FrameEmbedder
from skvideo_gru.mlops import recordings as module
from skvideo_gru.video import streaming


def noise(n_frames, seed=0):
    """Blocks that change every four frames, with noise."""
    rng = np.random.default_rng(seed)
    blocks = rng.integers(0, 256, (-(-n_frames // 4), 6, 8, 3)).repeat(4, axis=0)[:n_frames]
    frames = blocks.repeat(8, axis=1).repeat(8, axis=2)
    return (frames + rng.integers(-20, 20, frames.shape)).clip(0, 255).astype(np.uint8)


def small_classifier(**params):
    small = {"n_frames": 4, "frame_size": 32, "max_epochs": 0}
    prefixed = {f"features__{name}": value for name, value in (small | params).items()}
    return make_video_classifier(random_state=0, gru__max_epochs=1, gru__hidden_size=4, **prefixed)


def fitted(model):
    return model.fit([noise(8, seed) for seed in range(6)], ["a", "b"] * 3)


@pytest.fixture(scope="module")
def recordings(tmp_path_factory):
    """Recordings of 6 s whose windows of 1.6 s contain 16 frames."""
    folder = tmp_path_factory.mktemp("recordings")
    for name, codec in (("a.mp4", "libx264"), ("b.avi", "mpeg4"), ("c.webm", "libvpx-vp9")):
        write_video(folder / name, noise(60), rate=10, codec=codec)
    return sorted(folder.iterdir())


@pytest.fixture(scope="module")
def pipe():
    return fitted(small_classifier())


@pytest.fixture(autouse=True)
def now(monkeypatch):
    """The time of the clock; no test depends on the speed of the machine."""
    now = [0.0]
    monkeypatch.setattr(module.clock, "monotonic", lambda: now[0])
    return now


@pytest.fixture
def embedded(monkeypatch):
    """The numbers of images that were embedded together."""
    numbers = []
    embed = FrameEmbedder.__call__

    def counting(self, frames, *args):
        numbers.append(len(frames))
        return embed(self, frames, *args)

    monkeypatch.setattr(FrameEmbedder, "__call__", counting)
    return numbers


def assert_rows_equal_clips(rows, model, video):
    expected = model.predict_proba([VideoClip(video, row.start, row.end) for row in rows])
    np.testing.assert_allclose([row.proba for row in rows], expected, rtol=1e-4, atol=1e-6)
    assert np.ptp(expected, axis=0).min() > 0.01  # the windows differ


@pytest.mark.parametrize("modality", ["rgb", "motion"])
@pytest.mark.parametrize("sampling", ["uniform", "fps", "dense", "random"])
def test_rows_equal_the_predictions_of_clips(recordings, modality, sampling):
    model = fitted(small_classifier(modality=modality, sampling=sampling, fps=2.0))
    place = ["uniform", "fps", "dense", "random"].index(sampling)
    video, step = recordings[place % 3], (0.4, 0.33, 2.5, 0.4)[place]
    rows = list(predict_timeline(model, video, window=1.6, step=step))
    n_windows = math.ceil((5.9 - 1.6 + 1e-9) / step) + 1
    assert [row.start for row in rows] == pytest.approx(np.arange(n_windows) * step)
    assert_rows_equal_clips(rows, model, video)


def test_windows_share_the_images_that_are_equal(recordings, embedded, pipe):
    rows = list(predict_timeline(pipe, recordings[0], window=1.6, step=0.4))
    # One image every 0.4 s: four in the first window, one more in each following window.
    assert sum(embedded) == len(rows) + 3 == 15
    embedded.clear()
    motion = fitted(small_classifier(modality="motion", n_frames=12))
    embedded.clear()
    n_rows = len(list(predict_timeline(motion, recordings[0], window=1.2, step=0.1)))
    # Of each window four images at the start and four at the end show only a part of their
    # changes, and one image in the middle is new.
    assert 8 * n_rows < sum(embedded) < 10 * n_rows + 12


def test_searches_ensembles_and_other_meta_estimators(recordings, pipe, embedded):
    motion = small_classifier(modality="motion", n_frames=3)
    other_sampling = small_classifier(sampling="fps", n_frames=5)
    ensemble = VotingClassifier(
        [("a", small_classifier()), ("b", motion), ("c", other_sampling)],
        voting="soft",
        weights=[1, 2, 3],
    )
    search = GridSearchCV(small_classifier(), {"gru__lr": [0.1]}, cv=2)
    calibrated = CalibratedClassifierCV(FrozenEstimator(pipe), cv=2)
    svm = make_pipeline(
        ResNet50FrameFeaturizer(3, frame_size=32, max_epochs=0, random_state=0),
        CalibratedClassifierCV(LinearSVC(), cv=2),
    )
    for model in (ensemble, search, calibrated, svm):
        fitted(model)
        rows = list(predict_timeline(model, recordings[0], window=1.6, step=0.8))
        assert_rows_equal_clips(rows, model, recordings[0])


def test_members_with_equal_features_share_them(recordings, pipe, embedded):
    once = sum_of(embedded, pipe, recordings[0])
    twice = VotingClassifier([("a", small_classifier()), ("b", small_classifier())], voting="soft")
    assert sum_of(embedded, fitted(twice), recordings[0]) == once


def sum_of(embedded, model, video):
    embedded.clear()
    list(predict_timeline(model, video, window=1.6, step=0.4))
    return sum(embedded)


def test_time_ranges_arrays_bytes_and_short_recordings(recordings, pipe):
    path = recordings[0]
    whole = list(predict_timeline(pipe, path, window=1.6, step=0.4))
    part = list(predict_timeline(pipe, VideoClip(path, 0.8, 3.0), window=1.6, step=0.4))
    assert [row.start for row in part] == pytest.approx([0.8, 1.2, 1.6])
    assert part[-1].end == 3.0
    np.testing.assert_allclose(part[0].proba, whole[2].proba, rtol=1e-5)
    assert_rows_equal_clips(part, pipe, path)
    from_bytes = list(predict_timeline(pipe, path.read_bytes(), window=1.6, step=0.4))
    np.testing.assert_array_equal(from_bytes[3].proba, whole[3].proba)
    frames = read_frames(path, sampling="all")  # 60 frames are 2.4 s at 25 frames per second
    rows = list(predict_timeline(pipe, frames, window=1.0, step=0.4))
    expected = pipe.predict_proba([frames[:25], frames[10:35], frames[20:45], frames[30:55]])
    np.testing.assert_allclose([row.proba for row in rows[:4]], expected, rtol=1e-4)
    (row,) = predict_timeline(pipe, path, window=100)
    np.testing.assert_allclose(row.proba, pipe.predict_proba([str(path)])[0], rtol=1e-5)


def test_a_file_whose_index_is_wrong_is_decoded_in_order(recordings, pipe, monkeypatch):
    expected = list(predict_timeline(pipe, recordings[0], window=1.6, step=0.4))
    scan = streaming.scan_packets

    def scan_wrongly(*args):
        index = scan(*args)
        index.positions[40] += 1
        return index

    monkeypatch.setattr(streaming, "scan_packets", scan_wrongly)
    rows = list(predict_timeline(pipe, recordings[0], window=1.6, step=0.4))
    assert [row.start for row in rows] == [row.start for row in expected]
    np.testing.assert_allclose(
        [row.proba for row in rows], [row.proba for row in expected], rtol=1e-5
    )


def test_a_corrupt_recording_has_rows_before_the_error(pipe, tmp_path):
    path = tmp_path / "broken.mp4"
    write_video(path, noise(60), rate=10, options={"bf": "0"})
    break_video(path, 40)
    rows = []
    with pytest.raises(VideoDecodeError, match="broken.mp4"):  # noqa: PT012
        for row in predict_timeline(pipe, path, window=1.0, step=0.5):
            rows.append(row)
    assert 3 <= len(rows) <= 7
    assert_rows_equal_clips(rows, pipe, path)
    partial = fitted(small_classifier(allow_partial=True))
    assert len(list(predict_timeline(partial, path, window=1.0, step=0.5))) >= len(rows)


def test_waiting_windows_contain_only_the_frames_that_they_need(pipe, tmp_path):
    path = tmp_path / "in_order.avi"
    write_video(path, noise(60), rate=10)
    windows = list(WindowEmbedder(pipe, 2.0, 1.0).windows(path))
    n_needed = pipe["features"].n_frames
    assert [sum(item is not None for item in w.items) for w in windows] == [n_needed] * 5
    assert [len(window.items) for window in windows] == [20] * 5


def test_errors(recordings, pipe, tmp_path):
    with pytest.raises(VideoDecodeError, match="no frame from 50 s to the end"):
        list(predict_timeline(pipe, VideoClip(recordings[0], 50), window=1))
    with pytest.raises(VideoDecodeError, match="No such file"):
        list(predict_timeline(pipe, "missing.mp4", window=1))
    with pytest.raises(ValueError, match="window=-1 must be"):
        predict_timeline(pipe, recordings[0], window=-1)
    with pytest.raises(NotFittedError):
        predict_timeline(small_classifier(), recordings[0], window=1)
    with pytest.raises(ValueError, match="VotingClassifier has no method predict_proba"):
        predict_timeline(VotingClassifier([("a", pipe)]), recordings[0], window=1)
    svc = CalibratedClassifierCV(LinearSVC(), cv=2).fit(np.arange(8).reshape(8, 1), [0, 1] * 4)
    with pytest.raises((ValueError, TypeError)):
        predict_timeline(svc, recordings[0], window=1)


def live_rows(live, frames, rate):
    rows = [row for n, frame in enumerate(frames) for row in live.push(n / rate, frame)]
    return [*rows, *live.finish()]


@pytest.mark.parametrize("modality", ["rgb", "motion"])
def test_live_predictions_are_those_of_a_recording(modality):
    # Frames are embedded in other batches. MinMaxScaler and the default weight of differences
    # widen the features of clips of noise, which are nearly equal, and their rounding errors.
    model = fitted(small_classifier(modality=modality).set_params(gru__delta_weight=1))
    frames = noise(60)
    expected = list(predict_timeline(model, frames, window=0.64, step=0.16))
    live = LiveClassifier(model, window=0.64, step=0.16)
    rows = live_rows(live, frames, rate=25)
    assert [row[:2] for row in rows] == [row[:2] for row in expected]
    np.testing.assert_allclose(
        [row.proba for row in rows], [row.proba for row in expected], rtol=1e-4, atol=1e-6
    )
    assert live.n_dropped == 0
    assert len(live._sliding._items) <= 17
    assert sum(map(len, live._embedder._known.values())) <= 4 * 4 + 4


def test_live_windows_count_from_the_first_frame(pipe):
    live = LiveClassifier(pipe, window=1.0)
    frames = noise(30)
    rows = [row for n, f in enumerate(frames) for row in live.push(100 + n / 10, f)]
    assert rows[0].start == 100
    assert rows[1].start == pytest.approx(100.1)
    expected = pipe.predict_proba([frames[:10], frames[1:11]])
    np.testing.assert_allclose([rows[0].proba, rows[1].proba], expected, rtol=1e-4)


def test_windows_are_dropped_while_the_prediction_is_late(pipe, now):
    live = LiveClassifier(pipe, window=1.0, step=0.5)
    frames = noise(60)
    starts = []

    def push(numbers, speed):
        for number in numbers:
            starts.extend(row.start for row in live.push(number / 10, frames[number]))
            now[0] += 0.1 / speed

    push(range(20), speed=1.0)
    assert (live.n_dropped, starts) == (0, [0.0, 0.5])
    assert live.delay == pytest.approx(0, abs=1e-9)
    with pytest.warns(UserWarning, match=r"is 0\.\d s behind the frames; windows are dropped"):
        push(range(20, 35), speed=0.5)
    assert live.delay == pytest.approx(1.4)
    assert live.n_dropped == 2  # those that end at 3.0 and 3.5
    push(range(35, 60), speed=20.0)
    assert live.delay < 0.5
    assert len(starts) + live.n_dropped == 10
    assert starts[-1] == 4.5


@pytest.mark.parametrize(
    ("rate", "pause"), [(9.98, 0), (10, 3)], ids=["a slower clock", "a pause of the camera"]
)
def test_differences_of_clocks_are_not_delays(pipe, now, rate, pause):
    live = LiveClassifier(pipe, window=0.2, step=0.1)
    frame = noise(1)[0]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore" if pause else "error")
        for number in range(1, 250):
            now[0] += 1 / rate + (pause if number == 100 else 0)
            live.push(number / 10, frame)
    assert live.delay < 0.1
    assert live.n_dropped == (100 if pause else 0)  # a pause counts for 100 steps


def test_wrong_live_frames_are_errors(pipe):
    live = LiveClassifier(pipe, window=1.0)
    live.push(1.0, noise(1)[0])
    with pytest.raises(ValueError, match=r"time=0.5 is before .* 1.0"):
        live.push(0.5, noise(1)[0])
    with pytest.raises(ValueError, match="time=nan"):
        live.push(math.nan, noise(1)[0])
    with pytest.raises(ValueError, match=r"must be uint8 of shape \(H, W, 3\)"):
        live.push(2.0, noise(1))
    with pytest.raises(ValueError, match="got float64"):
        live.push(2.0, noise(1)[0] / 255)
    assert LiveClassifier(pipe, window=1.0).finish() == []
