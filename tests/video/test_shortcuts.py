"""Frames decoded by shortcuts equal those of decoding everything in order."""

import os

import av
import numpy as np
import pytest
from odd_files import decode_in_order, disagreements, is_concealed_loss, make

from skvideo_gru import read_frames
from skvideo_gru.video import seeking


@pytest.mark.parametrize("seed", range(int(os.environ.get("SKVIDEO_GRU_CLIPS", 70))))
def test_frames_of_odd_files_equal_those_of_decoding_in_order(tmp_path, seed):
    odd, rng = make(tmp_path, seed)
    wrong = disagreements(odd, rng)
    if wrong and is_concealed_loss(odd):
        pytest.xfail("what is shown for lost frames depends on what was decoded before")
    assert wrong == [], odd.made


def test_few_frames_of_a_long_clip_cost_little(tmp_path, monkeypatch):
    path = tmp_path / "long.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width = stream.height = 64
        stream.options = {"g": "50", "bf": "0", "preset": "ultrafast"}
        for number in range(1000):
            pixels = np.full((64, 64, 3), number % 256, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode(None))
    decoded = []
    is_unexpected = seeking._is_unexpected
    monkeypatch.setattr(
        seeking,
        "_is_unexpected",
        lambda frame, shown: decoded.append(0) or is_unexpected(frame, shown),
    )
    frames = read_frames(path, n_frames=4)
    np.testing.assert_array_equal(frames, decode_in_order(path)[0][[125, 375, 625, 875]])
    # Starting at the keyframes 100, 350, 600 and 850.
    assert len(decoded) == 4 * 26
