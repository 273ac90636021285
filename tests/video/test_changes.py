import numpy as np
import pytest

from skvideo_gru import VideoClip, VideoDecodeError, read_frames
from skvideo_gru.datasets.generated import write_video
from skvideo_gru.video import read_changes


@pytest.fixture
def video(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (40, 6, 8, 3))
    frames = noise.astype(np.uint8).repeat(8, axis=1).repeat(8, axis=2)
    path = tmp_path / "noise.mp4"
    write_video(path, frames)
    return str(path)


def expected(frames, size, detail):
    """Compute grey and changes from frames of the larger size, block by block."""
    grey = frames.astype(np.float64).sum(axis=3) / 3
    change = np.zeros_like(grey)
    change[1:] = abs(grey[1:] - grey[:-1])
    small = np.zeros((2, len(frames), *size))
    for row, column in np.ndindex(size):
        rows, columns = (slice(n * detail, (n + 1) * detail) for n in (row, column))
        small[0, :, row, column] = grey[:, rows, columns].mean(axis=(1, 2))
        small[1, :, row, column] = change[:, rows, columns].max(axis=(1, 2))
    return small


@pytest.mark.parametrize("kind", ["file", "array", "time range"])
def test_changes_equal_those_of_all_frames(video, kind):
    source = {
        "file": video,
        "array": read_frames(video, sampling="all")[::2],
        "time range": VideoClip(video, 0.5, 1.1),
    }[kind]
    frames = read_frames(source, sampling="all", frame_size=(24, 32))
    grey, changes, times = read_changes(source, frame_size=(12, 16), detail=2)
    assert grey.dtype == changes.dtype == np.uint8
    wanted = expected(frames, (12, 16), 2)
    np.testing.assert_allclose(grey, wanted[0], atol=0.51)
    np.testing.assert_allclose(changes, wanted[1], atol=0.51)
    assert not changes[0].any()
    assert changes[1:].any()
    assert len(times) == len(frames)
    assert times[0] == 0
    assert (np.diff(times) > 0).all()


def test_an_empty_time_range_is_an_error(video):
    with pytest.raises(
        VideoDecodeError, match=r"noise.mp4.*the video contains no frame from 50 s"
    ):
        read_changes(VideoClip(video, 50), frame_size=(8, 8), detail=1)
