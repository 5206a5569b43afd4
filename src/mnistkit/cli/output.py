"""What the commands share: how they report."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
from collections.abc import Iterator
from typing import TextIO

from mnistkit._core.text import printable
from mnistkit.errors import WriteError

__all__ = ["complain", "flush", "print_json", "print_text", "reports_here", "say", "silence"]


def say(text: str) -> None:
    """Print on standard output; what a terminal might obey, or the encoding does not have, as escapes.

    Raises:
        WriteError: if that fails, as on a full disk.
        BrokenPipeError: if nobody reads it any more.
    """
    if sys.stdout is not None:  # as it is where somebody closed it
        encoding = sys.stdout.encoding or "utf-8"
        with _telling():
            print(printable(text, keep="\n").encode(encoding, "backslashreplace").decode(encoding))


def flush() -> None:
    """See to it that all is printed, here, where it can still be told that it was not.

    Raises:
        WriteError: if that fails, as on a full disk.
        BrokenPipeError: if nobody reads it any more.
    """
    if sys.stdout is not None:
        with _telling():
            sys.stdout.flush()


def complain(text: str) -> None:
    """Print on standard error, if anything can be printed there."""
    with contextlib.suppress(OSError):
        print(printable(f"mnistkit: {text}", keep="\n"), file=sys.stderr, flush=True)


def silence(stream: TextIO | None) -> None:
    """Throw away what could not be written: Python would try once more when it ends, and show a traceback."""
    if stream is None:
        return
    try:
        stream.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


@contextlib.contextmanager
def _telling() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise WriteError(f"cannot write to standard output: {error.strerror or error}") from error


def print_json(options: argparse.Namespace, report: dict[str, object]) -> None:
    """Print the one JSON object of a command, if it is wanted."""
    if options.json and reports_here():
        say(json.dumps(report))


def print_text(options: argparse.Namespace, text: str) -> None:
    """Print what a command reports to people, unless JSON is wanted."""
    if not options.json and reports_here():
        say(text)


def reports_here() -> bool:
    """Whether this process speaks."""
    # torchrun numbers the processes that it starts; the first speaks for all.
    return os.environ.get("RANK", "0") == "0"
