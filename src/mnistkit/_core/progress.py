"""How far long work is: a bar in a terminal, one line below a notebook's cell, plain lines in a log or a pipe."""

from __future__ import annotations

import io
import re
import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING, Self, TextIO

from tqdm import tqdm

if TYPE_CHECKING:
    from IPython.display import DisplayHandle

__all__ = ["Progress", "progress_stream", "write_line"]

_SECONDS_BETWEEN_LINES = 10.0


class CellLine(io.StringIO):
    """A terminal of one line below a notebook's cell; a notebook that is saved has the last that it showed."""

    _handle: DisplayHandle | None = None

    def isatty(self) -> bool:
        """It can be drawn over again and again."""
        return True

    def write(self, text: str) -> int:
        """Show the last line of the text; what is blank leaves the one that is there."""
        from IPython.display import display

        lines = [line for line in re.split(r"[\r\n]", text) if line.strip()]
        if lines:
            shown = {"text/plain": lines[-1]}
            if self._handle is None:
                self._handle = display(shown, raw=True, display_id=True)
            else:
                self._handle.update(shown, raw=True)
        return len(text)


def progress_stream() -> TextIO:
    """Where progress goes unless somebody says so: a line of its own in a notebook, else standard error."""
    shell = sys.modules["IPython"].get_ipython() if "ipykernel" in sys.modules else None
    return sys.stderr if shell is None else CellLine()


def write_line(line: str, file: TextIO) -> None:
    """Write a line of its own, at once, above a bar if there is one."""
    tqdm.write(line, file=file)
    file.flush()


class Progress:
    """Counts to a total; what takes less than some seconds leaves no trace in a log.

    Args:
        total: how many there will be.
        unit: what is counted, in the plural.
        shown: whether to show anything.
    """

    def __init__(self, total: int, unit: str, *, shown: bool = True) -> None:
        self._file = progress_stream()
        bar = shown and self._file.isatty()
        self._bar: tqdm[None] = tqdm(total=total, unit=f" {unit}", leave=False, file=self._file, disable=not bar)
        self._lines = shown and not bar
        self._total = total
        self._unit = unit
        self._done = 0
        self._start = self._last = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.close()

    def update(self) -> None:
        """One more is done."""
        self._done += 1
        self._bar.update()
        now = time.monotonic()
        if self._lines and now - self._last >= _SECONDS_BETWEEN_LINES:
            self._last = now
            self.write(f"{self._done:,} of {self._total:,} {self._unit} after {now - self._start:.0f} s")

    def write(self, line: str) -> None:
        """Say something else, whether or not progress is shown."""
        write_line(line, sys.stderr)
