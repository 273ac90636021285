import gc
import io
import sys
import threading
from functools import partial

import numpy as np
import pytest
from joblib import parallel_config

from skvideo_gru import VideoDecodeError, read_frames
from skvideo_gru.datasets.generated import write_video
from skvideo_gru.features import extraction
from skvideo_gru.features.extraction import (
    decode_videos,
    embed_videos,
)
from skvideo_gru.video import opening
from skvideo_gru.video.in_order import DECODER_THREADS


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
        readers = [thread for thread in started if thread.name.startswith("ThreadPoolExecutor")]
        assert readers
        for thread in readers:
            thread.join(10)
    finally:
        gc.enable()
    assert failures == []


def test_a_file_object_that_occurs_twice_is_read_by_one_thread_at_a_time(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (60, 96, 128, 3), dtype=np.uint8)
    write_video(tmp_path / "large.mp4", noise)  # FFmpeg reads small files in one piece
    file = io.BytesIO((tmp_path / "large.mp4").read_bytes())
    read = partial(read_frames, n_frames=4)
    expected = read(tmp_path / "large.mp4")
    for frames in extraction._decoded_ahead([file] * 12, read, 4):
        np.testing.assert_array_equal(frames, expected)
    with parallel_config(backend="threading"):
        for frames in decode_videos([file] * 12, read, n_jobs=4, verbose=0):
            np.testing.assert_array_equal(frames, expected)


def test_workers_use_the_limit_of_pixels(clip, monkeypatch):
    monkeypatch.setattr(opening, "MAX_PIXELS", 64 * 48 - 1)
    for n_jobs in (1, 2):
        for outcome in decode_videos([clip] * 2, read_frames, n_jobs=n_jobs, verbose=0):
            assert isinstance(outcome, VideoDecodeError)
        for outcome in embed_videos([clip] * 2, None, read_frames, device="cpu", n_jobs=n_jobs):
            assert isinstance(outcome, VideoDecodeError)
