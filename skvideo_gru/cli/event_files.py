"""The command timeline: events of long recordings."""

from __future__ import annotations

import argparse
import csv
import html
import json
import math
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TextIO

from .. import __version__
from ..mlops import Event, check_events, event_thresholds, find_events, predict_timeline
from ..networks import progress_bar
from ..persistence import atomic_write, check_writable
from ..video import VideoDecodeError, check_window, video_duration
from .commands import load_named_model
from .results import output_file, raise_interruption, until_interrupted
from .screening import warn_of_window


@dataclass(frozen=True)
class EventRow:
    """An event of a recording, or the error of an unreadable recording.

    Attributes
    ----------
    path : str
        The recording.
    start, end : float or None
        Time range in seconds, rounded to milliseconds.
    label : str
        The class; empty for an error.
    confidence : float or None
        Mean probability of the class.
    error : str
        Why the rest of the recording cannot be read; empty for an event.
    """

    path: str
    start: float | None = None
    end: float | None = None
    label: str = ""
    confidence: float | None = None
    error: str = ""

    @classmethod
    def of(cls, path: str, event: Event) -> EventRow:
        """Make the row of an event.

        Parameters
        ----------
        path : str
            The recording.
        event : Event
            The event.

        Returns
        -------
        EventRow
            The row.
        """
        start, end, label, confidence = event
        return cls(path, round(start, 3), round(end, 3), str(label), round(confidence, 6))


def timeline(args: argparse.Namespace) -> int:
    """Write the events of recordings as CSV, JSON or WebVTT.

    Parameters
    ----------
    args : argparse.Namespace
        The command's options.

    Returns
    -------
    int
        Exit status.
    """
    window, step = check_window(args.window, args.step)
    if step > window:
        raise ValueError(
            f"--step {step:g} is longer than --window {window:g}: every window would be an event "
            "of its own. Use a shorter step."
        )
    check_events(args.high, args.low, args.min_duration)
    write = _writer(args)
    _check_report(args)
    model = load_named_model(args)
    warn_of_window(args, model)
    thresholds = event_thresholds(model, args.high, args.low)
    if args.explain == "yes":
        from ..inspection import explainable_pipeline  # matplotlib takes a second to import

        explainable_pipeline(model)  # an error before the work
    failed: list[str] = []
    sections: list[dict[str, Any]] = []
    interruptions: list[KeyboardInterrupt] = []
    rows = until_interrupted(_event_rows(args, model, failed, sections), interruptions)
    with output_file(args.output) if args.output else nullcontext(sys.stdout) as file:
        write(rows, file)
    raise_interruption(interruptions, args.output, "events")
    if args.report:
        _write_report(args, sections, thresholds)
    if failed:
        where = "" if write is write_vtt else "; see the column 'error'"
        print(
            f"{len(failed)} of {len(args.recordings)} recordings could not be read completely"
            f"{where}.",
            file=sys.stderr,
        )
        if write is write_vtt:
            print(failed[0], file=sys.stderr)
    return 1 if failed else 0


def _writer(args: argparse.Namespace) -> Callable[[Iterable[EventRow], TextIO], None]:
    """Choose the format by the extension of the output."""
    if not args.output:
        return write_csv
    check_writable(args.output)
    suffix = Path(args.output).suffix.lower()
    if suffix not in _WRITERS:
        raise ValueError(
            f"--output {args.output}: the extension must be one of {', '.join(_WRITERS)}."
        )
    if suffix == ".vtt" and len(args.recordings) > 1:
        raise ValueError(
            f"--output {args.output}: a .vtt file describes one recording; pass one recording, or "
            "use .csv or .json."
        )
    return _WRITERS[suffix]


def _check_report(args: argparse.Namespace) -> None:
    """Check before the work that the report can be written."""
    if not args.report:
        if args.explain == "yes":
            raise ValueError("--explain yes requires --report.")
        return
    check_writable(args.report)
    if Path(args.report).suffix.lower() not in (".html", ".htm"):
        raise ValueError(f"--report {args.report}: the extension must be .html.")


def _write_report(
    args: argparse.Namespace, sections: list[dict[str, Any]], thresholds: tuple[float, float]
) -> None:
    from ..inspection import timeline_page  # matplotlib takes a second to import

    summary = {
        "model": args.model if ":/" in args.model else Path(args.model).name,
        "window": f"{args.window:g} s",
        "step": f"{check_window(args.window, args.step)[1]:g} s",
        "events": "from a probability of {:.3g} until it falls below {:.3g}".format(*thresholds)
        + (f"; at least {args.min_duration:g} s" if args.min_duration else ""),
        "skvideo_gru": __version__,
    }
    page = timeline_page(sections, title="Timeline", summary=summary)
    with atomic_write(args.report) as path:
        Path(path).write_text(page, encoding="utf-8", errors="replace")


def _event_rows(
    args: argparse.Namespace, model: Any, failed: list[str], sections: list[dict[str, Any]]
) -> Iterator[EventRow]:
    """Yield the events of all recordings, and add errors to `failed`, and to the report."""
    for path in args.recordings:
        shown: list[Any] = []
        found: list[Event] = []
        reason = ""
        windows = predict_timeline(model, path, window=args.window, step=args.step)
        events = find_events(
            _with_progress(windows, path, shown if args.report else None),
            model,
            high=args.high,
            low=args.low,
            min_duration=args.min_duration,
        )
        try:
            for event in events:
                found.append(event)
                yield EventRow.of(path, event)
        except VideoDecodeError as error:
            if args.on_error == "raise":
                raise ValueError(
                    f"{error}. Repair or remove the recording, or use --on-error skip."
                ) from error
            failed.append(str(error))
            reason = error.reason
            yield EventRow(path, error=reason)
        if args.report:
            from ..inspection import timeline_section

            explain = model if args.explain == "yes" else None
            sections.append(
                timeline_section(path, shown, model.classes_, found, error=reason, explain=explain)
            )


def _with_progress(windows: Iterator[Any], path: str, shown: list[Any] | None) -> Iterator[Any]:
    """Show the time of the latest window, and store windows for the report."""
    total = math.ceil(video_duration(path) or 0) or None
    with progress_bar(Path(path).name, total, "second") as bar:
        for window in windows:
            bar.update(int(window.end) - bar.n)
            if shown is not None:
                shown.append(window)
            yield window


def write_csv(rows: Iterable[EventRow], file: TextIO) -> None:
    """Write events as CSV, each row as soon as it is known.

    Parameters
    ----------
    rows : iterable of EventRow
        The rows.
    file : text file object
        The file.
    """
    table = csv.writer(file)
    table.writerow(list(EventRow.__dataclass_fields__))
    for row in rows:
        table.writerow(asdict(row).values())
        file.flush()


def write_json(rows: Iterable[EventRow], file: TextIO) -> None:
    """Write events as a JSON list of objects.

    Parameters
    ----------
    rows : iterable of EventRow
        The rows.
    file : text file object
        The file.
    """
    json.dump([asdict(row) for row in rows], file, indent=1)
    file.write("\n")


def write_vtt(rows: Iterable[EventRow], file: TextIO) -> None:
    """Write events as WebVTT, which players show as subtitles [1]_.

    Parameters
    ----------
    rows : iterable of EventRow
        The rows; errors become comments.
    file : text file object
        The file.

    References
    ----------
    .. [1] W3C, "WebVTT: The Web Video Text Tracks Format", https://www.w3.org/TR/webvtt1/.
    """
    file.write("WEBVTT\n")
    for row in rows:
        if row.start is None or row.end is None or row.confidence is None:
            # A comment must not contain an arrow or an empty line.
            file.write(f"\nNOTE {' '.join(row.error.replace('-->', '->').split())}\n")
            continue
        label = html.escape(" ".join(row.label.split()), quote=False)
        file.write(f"\n{_vtt_time(row.start)} --> {_vtt_time(row.end)}\n")
        file.write(f"{label} ({row.confidence:.2f})\n")


def _vtt_time(seconds: float) -> str:
    minutes, milliseconds = divmod(round(seconds * 1000), 60_000)
    return "{:02}:{:02}:{:06.3f}".format(*divmod(minutes, 60), milliseconds / 1000)


_WRITERS: dict[str, Callable[[Iterable[EventRow], TextIO], None]] = {
    ".csv": write_csv,
    ".json": write_json,
    ".vtt": write_vtt,
}
