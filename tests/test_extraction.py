import numpy as np
import pytest
from joblib import Memory

from skvideo_gru.extraction import embed_cached


def brightness(sources):
    """Stand-in for the network: a video's mean and its first pixel."""
    for source in sources:
        yield np.array([source.mean(), source[0, 0, 0, 0]])


VIDEOS = [np.full((1, 4, 4, 3), grey, np.uint8) for grey in (1, 2, 3, 2, 4)]
EXPECTED = [[1, 1], [2, 2], [3, 3], [2, 2], [4, 4]]


def test_rows_come_in_order_whatever_is_in_the_cache(tmp_path):
    for known in ([0], [1], [0, 4], [2, 3]):
        memory = Memory(tmp_path / str(known), verbose=0)
        some = [VIDEOS[i] for i in known]
        list(embed_cached(some, some, brightness, "net", memory))
        rows, cached = zip(*embed_cached(VIDEOS, VIDEOS, brightness, "net", memory), strict=True)
        assert np.array_equal(rows, EXPECTED)
        # 1 and 3 are alike: the second is always there when its turn comes.
        assert set(np.flatnonzero(cached)) == {*known, 3} | ({1} if 3 in known else set())


def test_rows_stay_with_their_videos_when_another_process_is_faster(tmp_path):
    memory = Memory(tmp_path, verbose=0)

    def overtaken(sources):
        list(embed_cached(VIDEOS, VIDEOS, brightness, "net", memory))
        yield from brightness(sources)

    rows = [row for row, _ in embed_cached(VIDEOS, VIDEOS, overtaken, "net", memory)]
    assert np.array_equal(rows, EXPECTED)


def test_only_what_is_missing_is_computed(tmp_path):
    memory = Memory(tmp_path, verbose=0)
    seen = []

    def counting(sources):
        seen.append(len(sources))
        return brightness(sources)

    list(embed_cached(VIDEOS[:2], VIDEOS[:2], counting, "net", memory))
    list(embed_cached(VIDEOS, VIDEOS, counting, "net", memory))
    list(embed_cached(VIDEOS, VIDEOS, counting, "net", memory))
    list(embed_cached(VIDEOS, VIDEOS, counting, "other net", memory))
    assert seen == [2, 2, 0, 4]


def test_a_damaged_entry_that_can_be_read_is_computed_again(tmp_path):
    memory = Memory(tmp_path, verbose=0)
    list(embed_cached(VIDEOS[:1], VIDEOS[:1], brightness, "net", memory))
    (entry,) = tmp_path.rglob("output.pkl")
    entry.write_bytes(entry.read_bytes().replace(np.array(1.0).tobytes(), bytes(8)))
    with pytest.warns(UserWarning, match=r"array of shape \(1, 4, 4, 3\).* damaged"):
        rows, _ = zip(
            *embed_cached(VIDEOS[:1], VIDEOS[:1], brightness, "net", memory), strict=True
        )
    assert np.array_equal(rows, EXPECTED[:1])
    assert np.array(1.0).tobytes() in entry.read_bytes()
