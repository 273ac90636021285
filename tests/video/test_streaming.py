import numpy as np
import odd_files
import pytest
from conftest import break_video, make_frames

from skvideo_gru import VideoClip, VideoDecodeError
from skvideo_gru.datasets.generated import write_video
from skvideo_gru.video import streaming
from skvideo_gru.video.geometry import FrameConverter
from skvideo_gru.video.streaming import StreamRestartError, stream_frames


def convert(pixel_aspect):
    return FrameConverter()


def every(n):
    return lambda times: np.arange(len(times)) % n == 0


@pytest.mark.parametrize("kind", [k for k in odd_files.KINDS if "lost" not in k])
@pytest.mark.parametrize("seed", range(2))
def test_frames_of_odd_files_equal_those_of_decoding_in_order(kind, seed, tmp_path):
    odd = odd_files.MAKERS[kind](tmp_path, np.random.default_rng(seed))
    in_order = list(stream_frames(odd.path, convert))
    by_index = []
    try:
        for item in stream_frames(odd.path, convert, every(3)):
            by_index.append(item)
    except StreamRestartError:
        assert kind == "decoding times"
        return
    for number, (one, other) in enumerate(zip(by_index, in_order, strict=True)):
        assert one[0] == pytest.approx(other[0])
        if number % 3 == 0:
            np.testing.assert_array_equal(one[1], other[1])


def test_only_wanted_frames_are_converted(clip):
    frames = list(stream_frames(clip, convert, every(4)))
    assert [number for number, (_, frame) in enumerate(frames) if frame is not None] == [
        *range(0, 30, 4)
    ]
    assert [time for time, _ in frames] == pytest.approx(np.arange(30) / 25)


def test_a_time_range_ends_the_stream(clip):
    for wanted in (every(2), None):
        part = list(stream_frames(VideoClip(clip, 0.2, 0.5), convert, wanted))
        assert part[-1][0] == pytest.approx(0.48)


def test_arrays_have_25_frames_per_second():
    video = make_frames(6)
    for wanted, n_converted in ((every(2), 3), (None, 6)):
        frames = list(stream_frames(video, convert, wanted))
        assert [time for time, _ in frames] == pytest.approx(np.arange(6) / 25)
        converted = [frame for _, frame in frames if frame is not None]
        np.testing.assert_array_equal(converted, video[:: 6 // n_converted])


def test_a_wrong_index_demands_a_restart(clip, monkeypatch):
    scan = streaming.scan_packets

    def scan_wrongly(*args):
        index = scan(*args)
        index.positions[20] += 1
        return index

    monkeypatch.setattr(streaming, "scan_packets", scan_wrongly)
    frames = stream_frames(clip, convert, every(1))
    read = []
    with pytest.raises(StreamRestartError):
        read.extend(frames)
    assert len(list(stream_frames(clip, convert))) == 30


def test_a_corrupt_video_is_an_error_or_ends(tmp_path):
    path = tmp_path / "broken.mp4"
    write_video(path, make_frames(30), options={"bf": "0"})
    break_video(path, 20)
    with pytest.raises(StreamRestartError):
        list(stream_frames(path, convert, every(1)))
    read = []
    frames = stream_frames(path, convert)
    with pytest.raises(VideoDecodeError, match="broken.mp4"):  # noqa: PT012
        for frame in frames:
            read.append(frame)
    assert 10 < len(read) <= 25
    assert len(list(stream_frames(path, convert, every(1), allow_partial=True))) == len(read)
