import io

import numpy as np
import pytest
from joblib import Memory, parallel_config

from skvideo_gru import VideoDecodeError
from skvideo_gru.features.cached_extraction import digest_videos, embed_cached
from skvideo_gru.video import VideoClip, opening
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


def test_a_file_object_that_occurs_twice_has_one_digest(clip):
    files = [io.BytesIO(clip.read_bytes()), io.BytesIO(bytes(10**6))] * 20
    digests = digest_videos(files, n_jobs=4, verbose=0)
    assert digests == [content_digest(file) for file in files[:2]] * 20


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
