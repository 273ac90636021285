import numpy as np
import pytest
from joblib import Memory
from references import small_network, tone_clips

from skvideo_gru import ResNet50FrameFeaturizer, VideoDecodeError, read_frames
from skvideo_gru.features import reading, training
from skvideo_gru.features.caching import cache_contents
from skvideo_gru.features.training import train_backbone
from skvideo_gru.networks import checkpoints

N_CLIPS = 4
OPTIONS = {"objective": "frame", "max_epochs": 3, "frames_per_clip": 1, "batch_size": 4}
EPOCH = N_CLIPS  # frames


@pytest.fixture(autouse=True)
def after_every_epoch(monkeypatch):
    monkeypatch.setattr(checkpoints, "_PAUSE", 0.0)


@pytest.fixture
def interrupt(monkeypatch):
    """Interrupt the training after a number of frames; return the list of frames read."""
    taken = []
    read = training._RandomFrames.__getitem__

    def after(n_frames):
        def counted(self, index):
            taken.append(index)
            if len(taken) == n_frames:
                raise KeyboardInterrupt
            return read(self, index)

        taken.clear()
        monkeypatch.setattr(training._RandomFrames, "__getitem__", counted)
        return taken

    return after


def train(path=None):
    return train_backbone(tone_clips(N_CLIPS), np.arange(N_CLIPS) % 2, checkpoint=path, **OPTIONS)


def losses(history):
    return [record["train_loss"] for record in history]


@pytest.fixture
def small(monkeypatch):
    """Train a small network instead of a ResNet-50."""
    monkeypatch.setattr(training, "_start", small_network)


def test_a_resumed_training_gives_the_same_result(interrupt, tmp_path):
    path = tmp_path / "folder" / "training.pt"
    expected, history = train()
    interrupt(2 * EPOCH + 3)  # the mean contains the weights of the second epoch
    with pytest.raises(KeyboardInterrupt):
        train(path)
    taken = interrupt(-1)
    weights, resumed_history = train(path)
    assert len(taken) == EPOCH
    assert losses(resumed_history) == losses(history)
    for name, value in expected.items():
        np.testing.assert_array_equal(weights[name], value, err_msg=name)


def test_a_damaged_file_is_a_warning(interrupt, small, tmp_path):
    path = tmp_path / "training.pt"
    interrupt(EPOCH + 1)
    with pytest.raises(KeyboardInterrupt):
        train(path)
    interrupt(-1)
    for content in (path.read_bytes()[:1000], b"no training"):
        path.write_bytes(content)
        with pytest.warns(UserWarning, match="training.pt: the checkpoint cannot be read"):
            _, history = train(path)
        assert len(history) == 3


def test_a_folder_that_cannot_be_written_is_a_warning(small, tmp_path):
    (tmp_path / "file").touch()
    with pytest.warns(
        UserWarning, match="training.pt: the checkpoint cannot be written .* from the beginning"
    ):
        _, history = train(tmp_path / "file" / "training.pt")
    assert len(history) == 3


def test_a_featurizer_with_memory_resumes(interrupt, tmp_path):
    clips, y = tone_clips(N_CLIPS), np.arange(N_CLIPS) % 2
    options = {"n_frames": 3, "frame_size": 32, "random_state": 0, **OPTIONS}
    featurizer = ResNet50FrameFeaturizer(**options, memory=tmp_path)
    interrupt(2 * EPOCH)
    with pytest.raises(KeyboardInterrupt):
        featurizer.fit(clips, y)
    assert cache_contents(Memory(str(tmp_path), verbose=0))["interrupted"][0] == 1
    taken = interrupt(-1)
    featurizer.fit(clips, y)
    assert len(taken) == 2 * EPOCH
    assert cache_contents(Memory(str(tmp_path), verbose=0))["interrupted"] == (0, 0)
    plain = ResNet50FrameFeaturizer(**options).fit(clips, y)
    for name, value in plain.weights_.items():
        np.testing.assert_array_equal(featurizer.weights_[name], value, err_msg=name)


def test_a_checkpoint_of_other_videos_is_not_used(interrupt, small, tmp_path, monkeypatch):
    clips, y = tone_clips(N_CLIPS + 1), np.array([0, 1, 0, 1, 2])
    options = {"n_frames": 3, "frame_size": 32, "modality": "rgb", "random_state": 0, **OPTIONS}
    featurizer = ResNet50FrameFeaturizer(**options, memory=tmp_path, on_error="nan")

    def failing(video, **options):
        if video is clips[-1]:
            raise VideoDecodeError("e.mp4", "Input/output error")
        return read_frames(video, **options)

    interrupt(2 * EPOCH)
    with monkeypatch.context() as patch:
        patch.setattr(reading, "read_frames", failing)
        with pytest.raises(KeyboardInterrupt):
            featurizer.fit(clips, y)
    interrupt(-1)
    featurizer.fit(clips, y)
    assert featurizer.failed_ == []
    plain = ResNet50FrameFeaturizer(**options).fit(clips, y)
    for name, value in plain.weights_.items():
        np.testing.assert_array_equal(featurizer.weights_[name], value, err_msg=name)


def test_a_diverged_training_leaves_no_file(small, tmp_path):
    path, clips, y = tmp_path / "training.pt", tone_clips(N_CLIPS), np.arange(N_CLIPS) % 2
    with pytest.raises(ValueError, match="diverged"):
        train_backbone(clips, y, checkpoint=path, lr=1e30, **OPTIONS)
    assert list(tmp_path.iterdir()) == []
