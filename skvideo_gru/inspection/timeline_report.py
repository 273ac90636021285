"""The report of the timelines of recordings as a self-contained HTML page."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..video import Video, VideoDecodeError
from .figures import new_figure, without_pyplot
from .pages import PHONE, encode_figure, render_page
from .strips import video_name
from .thumbnails import explain_thumbnails, read_thumbnails
from .timeline_display import TimelineDisplay, format_time

# The largest number of rows of the table of events.
_EVENTS = 1000


@without_pyplot()
def timeline_section(
    video: Video,
    windows: Sequence[Any],
    classes: Any,
    events: Iterable[Any],
    *,
    error: str = "",
    explain: Any = None,
) -> dict[str, Any]:
    """Draw the timeline of a recording for `timeline_page`.

    Parameters
    ----------
    video : Video
        The recording.
    windows : sequence of WindowPrediction
        Its windows; empty if it is unreadable.
    classes : array-like of shape (n_classes,)
        The labels.
    events : iterable of Event
        Its events.
    error : str, default=""
        Why the rest of the recording cannot be read.
    explain : Pipeline or search, optional
        The model, if thumbnails shall show what the events depend on.

    Returns
    -------
    dict
        Values of the page's template.
    """
    events = list(events)
    section: dict[str, Any] = {
        "name": video_name(video),
        "error": error,
        "length": "",
        "figure": None,
        "narrow": None,
        "events": [
            {
                "start": format_time(start, digits=1),
                "end": format_time(end, digits=1),
                "label": str(label),
                "confidence": confidence,
            }
            for start, end, label, confidence in events[:_EVENTS]
        ],
        "n_events": len(events),
    }
    if not windows:
        return section
    display = TimelineDisplay(windows, classes, events=events)
    try:
        start, end = windows[0][0], windows[-1][1]
        display.frames, display.seconds = read_thumbnails(video, start, end)
        if explain is not None:
            explain_thumbnails(display, explain, video)
    except VideoDecodeError as failure:  # the file was changed after the prediction
        section["error"] = error or failure.reason
    wide = display.plot().figure_
    narrow = display.plot(new_figure(PHONE, wide.get_size_inches()[1])).figure_
    return section | {
        "length": format_time(windows[-1][1]),
        "figure": encode_figure(wide, "jpeg"),
        "narrow": encode_figure(narrow, "jpeg", dpi=180),
    }


def timeline_page(
    sections: Sequence[Mapping[str, Any]], *, title: str, summary: Mapping[str, str]
) -> str:
    """Write the timelines of recordings as one HTML page.

    Parameters
    ----------
    sections : sequence of mapping
        The results of `timeline_section`.
    title : str
        Title of the page.
    summary : mapping of str to str
        Entries of the summary by name.

    Returns
    -------
    str
        The page. It loads no other files and runs no scripts. Recordings are named without
        their folders.
    """
    return render_page("timeline.html.jinja", title=title, summary=summary, sections=sections)
