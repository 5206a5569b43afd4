"""How far long work is, on standard error: a bar in a terminal or a notebook, plain lines in a log or a pipe."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Self, TextIO

from tqdm.auto import tqdm

__all__ = ["Progress", "draws_bars", "write_line"]

_SECONDS_BETWEEN_LINES = 10.0


def draws_bars(file: TextIO) -> bool:
    """Whether a bar can be drawn there again and again."""
    return file.isatty() or "ipykernel" in sys.modules


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
        bar = shown and draws_bars(sys.stderr)
        self._bar: tqdm[None] = tqdm(total=total, unit=f" {unit}", leave=False, file=sys.stderr, disable=not bar)
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
