"""The program: it runs a command, and turns errors and signals into messages and statuses."""

from __future__ import annotations

import codecs
import io
import os
import signal
import sys
import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module

from .parser import parse_arguments

# How the standard output encodes what its encoding lacks.
_ERRORS = "skvideo_gru"

# Modules of the commands that are not in `commands`.
_MODULES = {
    "train": "experiments",
    "tune": "experiments",
    "evaluate": "experiments",
    "timeline": "event_files",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command that the arguments name.

    Parameters
    ----------
    argv : sequence of str, optional
        Arguments; by default those of the process. Without any, the help is printed.

    Returns
    -------
    int
        Exit status: 0 for success, 1 for an error, 130 after an interruption (Ctrl+C or
        SIGTERM), 141 if the program that reads the output has ended.
    """
    args = parse_arguments(argv)
    if sys.stdout is None:  # closed by the shell, or a Windows program without console
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 - until the end
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.errors == "strict":
        sys.stdout.reconfigure(errors=_ERRORS)
    if not sys.stderr.isatty():  # MLflow's bar would fill a log with control characters
        os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    try:
        # Imported here, so that --help and usage errors are fast.
        name = _MODULES.get(args.name, "commands")
        if name == "experiments":
            from ..mlops import open_run  # noqa: F401 - without MLflow, an error with the remedy
        module = import_module(f".{name}", __package__)
        with _interrupted_by_sigterm(), _warnings_in_one_line(args.name):
            status = int(getattr(module, args.name)(args))
        sys.stdout.flush()
        return status
    except BrokenPipeError:
        # As shells report it. Python flushes the output once more at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except (ValueError, OSError, ImportError) as error:
        print(f"skvideo-gru {args.name}: error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        again = "; run the same command again to continue" if getattr(args, "memory", "") else ""
        print(f"skvideo-gru {args.name}: interrupted{again}", file=sys.stderr)
        return 130


@contextmanager
def _warnings_in_one_line(command: str) -> Iterator[None]:
    """Print warnings like the command's own, without their place in the code."""
    before = warnings.formatwarning
    warnings.formatwarning = lambda message, *_: f"skvideo-gru {command}: warning: {message}\n"
    try:
        yield
    finally:
        warnings.formatwarning = before


def _encode_any(error: UnicodeError) -> tuple[str | bytes, int]:
    """Write bytes of file names unchanged, and characters outside the encoding as escapes."""
    try:
        return codecs.lookup_error("surrogateescape")(error)
    except UnicodeEncodeError:
        return codecs.backslashreplace_errors(error)


codecs.register_error(_ERRORS, _encode_any)


@contextmanager
def _interrupted_by_sigterm() -> Iterator[None]:
    """Let SIGTERM, which job schedulers send, raise KeyboardInterrupt: files are removed."""
    in_main_thread = threading.current_thread() is threading.main_thread()
    if not in_main_thread or signal.getsignal(signal.SIGTERM) != signal.SIG_DFL:
        yield  # only the main thread may set what signals do; the caller's choice stays
        return
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
