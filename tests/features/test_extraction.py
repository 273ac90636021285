import gc
import sys
import threading

import numpy as np
import pytest
from joblib import Memory, parallel_config

from skvideo_gru import VideoDecodeError, read_frames
from skvideo_gru.features import extraction
from skvideo_gru.features.extraction import (
    decode_videos,
    digest_videos,
    embed_cached,
    embed_videos,
)
from skvideo_gru.video import VideoClip, opening
from skvideo_gru.video.decoding import DECODER_THREADS
from skvideo_gru.video.opening import content_digest


def brightness(sources):
    """A substitute for the network: the mean of a video and its first pixel."""
    for source in sources:
        yield np.array([source.mean(), source[0, 0, 0, 0]])


def embedded(videos, embed, depends_on, memory):
    digests = digest_videos(videos, n_jobs=None, verbose=0)
    return embed_cached(videos, digests, videos, embed, depends_on, memory)


VIDEOS = [np.full((1, 4, 4, 3), grey, np.uint8) for grey in (1, 2, 3, 2, 4)]
EXPECTED = [[1, 1], [2, 2], [3, 3], [2, 2], [4, 4]]


def test_rows_are_in_order_for_any_content_of_the_cache(tmp_path):
    for known in ([0], [1], [0, 4], [2, 3]):
        memory = Memory(tmp_path / str(known), verbose=0)
        some = [VIDEOS[i] for i in known]
        list(embedded(some, brightness, "net", memory))
        rows, cached = zip(*embedded(VIDEOS, brightness, "net", memory), strict=True)
        assert np.array_equal(rows, EXPECTED)
        # Videos 1 and 3 have the same content, so that 3 is always cached when it is embedded.
        assert set(np.flatnonzero(cached)) == {*known, 3} | ({1} if 3 in known else set())


def test_rows_match_their_videos_if_another_process_is_faster(tmp_path):
    memory = Memory(tmp_path, verbose=0)

    def overtaken(sources):
        list(embedded(VIDEOS, brightness, "net", memory))
        yield from brightness(sources)

    rows = [row for row, _ in embedded(VIDEOS, overtaken, "net", memory)]
    assert np.array_equal(rows, EXPECTED)


def test_only_missing_entries_are_computed(tmp_path):
    memory = Memory(tmp_path, verbose=0)
    seen = []

    def counting(sources):
        seen.append(len(sources))
        return brightness(sources)

    list(embedded(VIDEOS[:2], counting, "net", memory))
    list(embedded(VIDEOS, counting, "net", memory))
    list(embedded(VIDEOS, counting, "net", memory))
    list(embedded(VIDEOS, counting, "other net", memory))
    assert seen == [2, 2, 0, 4]


def test_a_damaged_entry_that_can_be_read_is_computed_again(tmp_path):
    memory = Memory(tmp_path, verbose=0)
    list(embedded(VIDEOS[:1], brightness, "net", memory))
    (entry,) = tmp_path.rglob("output.pkl")
    entry.write_bytes(entry.read_bytes().replace(np.array(1.0).tobytes(), bytes(8)))
    with pytest.warns(UserWarning, match=r"array of shape \(1, 4, 4, 3\).* corrupt"):
        rows, _ = zip(*embedded(VIDEOS[:1], brightness, "net", memory), strict=True)
    assert np.array_equal(rows, EXPECTED[:1])
    assert np.array(1.0).tobytes() in entry.read_bytes()


def test_a_missing_video_with_a_damaged_entry_is_an_error(tmp_path):
    memory = Memory(tmp_path, verbose=0)
    list(embedded(VIDEOS[:2], brightness, "net", memory))
    for entry in tmp_path.rglob("output.pkl"):
        entry.write_bytes(entry.read_bytes().replace(np.array(1.0).tobytes(), bytes(8)))

    def gone(sources):
        for _ in sources:
            yield VideoDecodeError("a.mp4", "No such file or directory")

    with pytest.warns(UserWarning, match="corrupt"):
        (error, cached), (row, _) = embedded(VIDEOS[:2], gone, "net", memory)
    assert (error.reason, cached) == ("No such file or directory", False)
    assert np.array_equal(row, [2, 2])


def test_an_interruption_does_not_wait_for_more_videos():
    begun, stopped = [], threading.Event()

    def read(video):
        begun.append(video)
        if len(begun) > 1:  # wait until the network has stopped
            stopped.wait(60)
        return np.zeros((8, 224, 224, 3), np.uint8)  # a batch

    def interrupted(frames, device):
        threading.Timer(0.5, stopped.set).start()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(embed_videos(range(50), interrupted, read, device="cpu", n_jobs=1))
    assert len(begun) < 1 + extraction._AHEAD


def test_closing_a_reader_does_not_wait_for_its_threads():
    # The garbage collector can close it on any thread, where waiting can deadlock.
    finish = threading.Event()

    def read(video):
        if video == 1:
            finish.wait(60)
        return video

    ahead = extraction._decoded_ahead(range(4), read, 1)
    assert next(ahead) == 0
    closing = threading.Thread(target=ahead.close)
    closing.start()
    closing.join(20)
    assert not closing.is_alive()
    finish.set()


def test_decoders_share_the_threads(monkeypatch):
    """FFmpeg gets the threads of its worker, divided by the number of simultaneous reads."""
    monkeypatch.setattr(extraction.torch, "get_num_threads", lambda: 8)

    def read(video):
        return np.full((1, 2, 2, 3), DECODER_THREADS.get(), np.uint8)

    (alone,) = decode_videos([0], read, n_jobs=1, verbose=0)
    assert alone[0, 0, 0, 0] == 8
    shared = list(extraction._decoded_ahead(range(3), read, 4))
    assert [clip[0, 0, 0, 0] for clip in shared] == [2, 2, 2]
    assert DECODER_THREADS.get() == 0


def test_one_process_with_threads_decodes_for_a_gpu(monkeypatch):
    asked = []

    def embed(videos, embedder, read, device, n_threads):
        asked.append((device.type, n_threads))
        return iter(videos)

    monkeypatch.setattr(extraction, "_embed", embed)
    monkeypatch.setattr(extraction.torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(extraction.joblib, "cpu_count", lambda: 16)
    for n_jobs in (None, 3):
        assert list(embed_videos([1, 2], None, None, device="auto", n_jobs=n_jobs)) == [1, 2]
    assert asked == [("cuda", 16), ("cuda", 3)]


@pytest.mark.parametrize("config", [{}, {"prefer": "processes"}, {"backend": "threading"}])
def test_digests_are_computed_in_threads_for_any_backend(config):
    with parallel_config(**config):
        digests = digest_videos([*VIDEOS, "missing.mp4"], n_jobs=2, verbose=0)
    assert digests[:5] == [content_digest(video) for video in VIDEOS]
    assert isinstance(digests[5], VideoDecodeError)


def test_a_file_is_hashed_once_for_all_its_time_ranges(clip, tmp_path, monkeypatch):
    videos = [VideoClip(clip, 0, 0.5), VIDEOS[0], str(clip), VideoClip(str(clip), 0.5), clip]
    videos += [VideoClip(tmp_path / "missing.mp4", start) for start in (1, 2)]
    expected = [content_digest(video) for video in videos[:5]]
    opened = []
    open_file = opening.open_file
    monkeypatch.setattr(opening, "open_file", lambda video: opened.append(1) or open_file(video))
    digests = digest_videos(videos, n_jobs=None, verbose=0)
    assert digests[:5] == expected
    assert len(set(expected)) == 4
    assert [error.path for error in digests[5:]] == [str(tmp_path / "missing.mp4")] * 2
    assert len(opened) == 2


def test_errors_of_repeated_content_name_each_video(tmp_path):
    paths = [tmp_path / name for name in ("a.mp4", "b.mp4")]
    for path in paths:
        path.write_bytes(b"no video")

    def fails(sources):
        for source in sources:
            yield VideoDecodeError(str(source), "it contains no video")

    memory = Memory(tmp_path / "cache", verbose=0)
    errors = [outcome for outcome, _ in embedded(paths, fails, "net", memory)]
    assert [(error.path, error.reason) for error in errors] == [
        (str(path), "it contains no video") for path in paths
    ]


def test_an_abandoned_generator_is_finalized_on_its_own_thread(monkeypatch):
    failures, abandoned = [], threading.Event()
    monkeypatch.setattr(sys, "unraisablehook", failures.append)

    def read(video):
        if video.max() == 3:
            abandoned.wait(10)
            gc.collect()
        return video

    others = set(threading.enumerate())
    videos = [np.full((1, 4, 4, 3), i, np.uint8) for i in range(8)]
    generator = extraction._decoded_ahead(videos, read, 1)
    next(generator)
    cycle = [generator]
    cycle.append(cycle)
    gc.disable()
    try:
        del generator, cycle
        abandoned.set()
        started = set(threading.enumerate()) - others
        assert any(thread.name.startswith("ThreadPoolExecutor") for thread in started)
        for thread in started:
            thread.join(10)
    finally:
        gc.enable()
    assert failures == []


def test_workers_use_the_limit_of_pixels(clip, monkeypatch):
    monkeypatch.setattr(opening, "MAX_PIXELS", 64 * 48 - 1)
    for n_jobs in (1, 2):
        for outcome in decode_videos([clip] * 2, read_frames, n_jobs=n_jobs, verbose=0):
            assert isinstance(outcome, VideoDecodeError)
        for outcome in embed_videos([clip] * 2, None, read_frames, device="cpu", n_jobs=n_jobs):
            assert isinstance(outcome, VideoDecodeError)
