import numpy as np
import pytest

from skvideo_gru import VideoClip, VideoDecodeError, read_frames
from skvideo_gru.datasets.generated import write_video
from skvideo_gru.video import read_outlines


@pytest.fixture
def video(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (40, 6, 8, 3))
    frames = noise.astype(np.uint8).repeat(8, axis=1).repeat(8, axis=2)
    path = tmp_path / "noise.mp4"
    write_video(path, frames)
    return str(path)


def expected(frames, size, detail):
    """Compute outlines and changes from frames of the larger size, pixel by pixel."""
    grey = frames.astype(np.float64).sum(axis=3) / 3
    n_rows, n_columns = grey.shape[1:]
    large = np.zeros((2, *grey.shape))
    large[1, 1:] = abs(grey[1:] - grey[:-1])
    for t, row, column in np.ndindex(grey.shape):
        at = grey[t] * 64 / grey[t].std()
        if 0 < row < n_rows - 1:
            large[0, t, row, column] += abs(at[row + 1, column] - at[row - 1, column])
        if 0 < column < n_columns - 1:
            large[0, t, row, column] += abs(at[row, column + 1] - at[row, column - 1])
    small = np.zeros((2, len(frames), *size))
    for row, column in np.ndindex(size):
        rows, columns = (slice(n * detail, (n + 1) * detail) for n in (row, column))
        small[..., row, column] = large[:, :, rows, columns].max(axis=(2, 3))
    return small.clip(max=255)


def test_brightness_and_contrast_make_no_difference_to_outlines():
    frames = np.random.default_rng(0).integers(60, 120, (2, 8, 8, 3), dtype=np.uint8)
    first, _, _ = read_outlines(frames, frame_size=(8, 8), detail=1)
    second, _, _ = read_outlines(2 * frames + 5, frame_size=(8, 8), detail=1)
    assert first.any()
    assert abs(first.astype(int) - second).max() <= 1


def test_flat_frames_have_no_outlines():
    grey = np.full((3, 8, 8, 3), 90, np.uint8)
    outlines, changes, _ = read_outlines(grey, frame_size=(4, 4), detail=2)
    assert not outlines.any()
    assert not changes.any()


@pytest.mark.parametrize("kind", ["file", "array", "time range"])
def test_outlines_and_changes_equal_those_of_all_frames(video, kind):
    source = {
        "file": video,
        "array": read_frames(video, sampling="all")[::2],
        "time range": VideoClip(video, 0.5, 1.1),
    }[kind]
    frames = read_frames(source, sampling="all", frame_size=(24, 32))
    outlines, changes, times = read_outlines(source, frame_size=(12, 16), detail=2)
    assert outlines.dtype == changes.dtype == np.uint8
    wanted = expected(frames, (12, 16), 2)
    np.testing.assert_allclose(outlines, wanted[0], atol=0.51)
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
        read_outlines(VideoClip(video, 50), frame_size=(8, 8), detail=1)
