import numpy as np
import pytest
from joblib import parallel_config

from skvideo_gru import make_motion_clips
from skvideo_gru.datasets.scenes import MOTIONS

LABELS = list(MOTIONS)


@pytest.fixture(scope="module")
def clips():
    return make_motion_clips(10 * len(LABELS), n_frames=12, frame_size=32, random_state=0)


def of_class(clips, label):
    """Return the clips of a class in grey, as an array of shape (n, T, H, W)."""
    chosen = [clip for clip, other in zip(clips.data, clips.target, strict=True) if other == label]
    return np.stack(chosen).mean(axis=4)


def centre_of_change(frames):
    """Return the mean x and y of the pixels that change, for each step of each clip."""
    change = abs(np.diff(frames, axis=1))
    change = np.where(change > 24, change, 0) + 1e-6
    y, x = np.mgrid[: frames.shape[2], : frames.shape[3]]
    total = change.sum(axis=(2, 3))
    return (change * x).sum(axis=(2, 3)) / total, (change * y).sum(axis=(2, 3)) / total


@pytest.mark.parametrize(
    ("label", "opposite", "axis"),
    [("go right", "go left", 0), ("go down", "go up", 1), ("stride right", "stride left", 0)],
)
def test_shapes_go_where_the_class_says(clips, label, opposite, axis):
    ways = []
    for name in (label, opposite):
        centre = centre_of_change(of_class(clips, name))[axis]
        ways.append(np.median(centre[:, -3:].mean(axis=1) - centre[:, :3].mean(axis=1)))
    assert ways[0] > 4 and ways[1] < -4


def test_growing_shapes_change_more_at_the_end(clips):
    def late_share(label):
        change = abs(np.diff(of_class(clips, label), axis=1)) > 24
        n_changed = change.sum(axis=(2, 3)) + 1.0
        return np.median(n_changed[:, -3:].sum(axis=1) / n_changed[:, :3].sum(axis=1))

    assert late_share("grow") > 1 > late_share("shrink")


def test_a_moving_camera_changes_the_whole_frame(clips):
    def changed(label):
        frames = of_class(clips, label)
        return np.median((abs(frames[:, -1] - frames[:, 0]) > 12).mean(axis=(1, 2)))

    assert changed("pan left") > 2 * changed("rotate left")


def test_struggling_figures_change_more_than_standing_ones(clips):
    def changed(label):
        change = abs(np.diff(of_class(clips, label), axis=1)) > 24
        return np.median(change.mean(axis=(1, 2, 3)))

    assert changed("struggle") > 1.2 * changed("stand together")


def test_figures_fall_down_and_stay(clips):
    frames = of_class(clips, "fall")
    change = (abs(np.diff(frames, axis=1)) > 24).mean(axis=(2, 3))
    assert np.median(change[:, -1]) < 0.5 * np.median(change.max(axis=1))


def test_classes_take_turns(clips):
    assert clips.target[: len(LABELS)].tolist() == LABELS
    assert clips.target_names == sorted(LABELS) and len(LABELS) == 43
    assert {clip.shape for clip in clips.data} == {(12, 32, 32, 3)}
    assert all(clip.dtype == np.uint8 for clip in clips.data)


def test_clips_depend_on_the_seed_only():
    first = make_motion_clips(3, n_frames=4, frame_size=16, random_state=1)
    with parallel_config("threading"):  # quicker than new processes
        more = make_motion_clips(5, n_frames=4, frame_size=16, random_state=1, n_jobs=2)
    np.testing.assert_array_equal(first.data, more.data[:3])
    other = make_motion_clips(3, n_frames=4, frame_size=16, random_state=2)
    assert not np.array_equal(first.data, other.data)


@pytest.mark.parametrize(
    "options", [{"n_clips": 0}, {"n_frames": 1}, {"frame_size": 7}], ids=lambda o: next(iter(o))
)
def test_errors_name_the_parameter(options):
    ((name, value),) = options.items()
    with pytest.raises(ValueError, match=f"{name}={value} must be at least"):
        make_motion_clips(**{"n_clips": 2, **options})
