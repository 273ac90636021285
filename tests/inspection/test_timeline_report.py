import base64
import io

import matplotlib.pyplot as plt
import numpy as np
import pytest
from conftest import make_frames
from html_pages import Page, cells, measure, needs_chromium
from PIL import Image

from skvideo_gru import find_events
from skvideo_gru.datasets.generated import write_video
from skvideo_gru.inspection import timeline_page, timeline_section

CLASSES = ["<b>bend</b>", "an ordinary but rather long label of a class", "walk"]


def windows_of(n_windows, step, length):
    """Windows, each tenth of which shows one class."""
    shown = np.arange(n_windows) * 10 // n_windows % 3
    proba = np.full((n_windows, 3), 0.1)
    proba[np.arange(n_windows), shown] = 0.8
    return [(row * step, row * step + length, p) for row, p in enumerate(proba)]


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    path = tmp_path_factory.mktemp("secret") / ("a_recording_with_a_long_name" * 2 + ".mp4")
    write_video(path, make_frames(50), rate=10)
    return path


@pytest.fixture(scope="module")
def report(recording):
    """Five seconds, five hours, a recording without windows."""
    short, long = windows_of(21, 0.2, 1), windows_of(18000, 1, 10)
    sections = [
        timeline_section(recording, short, CLASSES, find_events(short, CLASSES)),
        timeline_section(
            recording, long, CLASSES, [*find_events(long, CLASSES)] * 120, error="corrupt <data>"
        ),
        timeline_section("secret/gone.mp4", short, CLASSES, []),
        timeline_section("secret/empty.mp4", [], CLASSES, [], error="No such file"),
    ]
    return timeline_page(sections, title="Day & <i>night</i>", summary={"<u>step</u>": "1 s"})


def test_a_section_for_each_recording(report, recording):
    page = Page(report)
    for text in ("Day & <i>night</i>", "<u>step</u>", *CLASSES):
        assert text in page.text
    assert {tag for tag, _ in page.tags}.isdisjoint({"script", "i", "u", "b"})
    assert "The rest of this recording cannot be read: corrupt <data>" in page.text
    assert "This recording cannot be read: No such file" in page.text.replace("\n", " ")
    assert "The rest of this recording cannot be read: No such file or directory" in page.text
    assert "secret" not in report and recording.name in page.text
    assert page.text.count("No events.") == 1


def test_tables_list_recordings_and_events(report):
    rows = cells(report)
    start = rows.index(["time", "class", "confidence"]) + 1
    assert rows[start][1:] == [CLASSES[0], "0.80"]
    assert rows[start][0].startswith("0:00:00.0 to 0:00:0")
    assert [row[1] for row in rows[start : start + 10]] == [CLASSES[n % 3] for n in range(10)]
    assert "first 1000 of 1200 events" in report
    ends = [row[1:] for row in rows[1:5]]
    assert ends == [
        ["0:00:05", "10", "no"],
        ["5:00:09", "1200", "yes"],
        ["0:00:05", "0", "yes"],
        ["", "0", "yes"],
    ]


def test_the_page_loads_no_files_and_is_small(report):
    addresses = Page(report).addresses()
    links = {address for address in addresses if address.startswith("#")}
    assert links == {f"#recording-{number}" for number in range(1, 5)}
    images = [address for address in addresses if address not in links]
    assert len(images) == 6  # for desktops and phones
    for address in images:
        kind, content = address.split(";base64,")
        assert kind == "data:image/jpeg"
        with Image.open(io.BytesIO(base64.b64decode(content))) as picture:
            assert np.ptp(np.asarray(picture)) > 200
    assert len(report) < 1_000_000
    assert plt.get_fignums() == []


@needs_chromium
def test_the_page_fits_phones_and_desktops(report, tmp_path):
    widths = (360, 390, 768, 1440)
    for width, seen in zip(widths, measure(report, widths, tmp_path), strict=True):
        assert seen["inner"] == width
        assert seen["scroll"] <= width and seen["body"] <= width, seen
        assert seen["tables"] <= 0 and seen["figures"] <= 0, seen
        assert seen["loaded"] == 3 and seen["text"] >= 15
