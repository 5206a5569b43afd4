"""Ctrl-C as a request: the step under way ends, the run is saved, then the interrupt goes on."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType
from typing import Self

__all__ = ["InterruptGuard"]


class InterruptGuard:
    """Notes the first SIGINT in ``requested`` instead of raising in the middle of an update; a second one raises.

    Does nothing outside the main thread, or where somebody else handles SIGINT.
    """

    def __init__(self, *, enabled: bool = True) -> None:
        self.requested = False
        self._enabled = enabled and threading.current_thread() is threading.main_thread()

    def __enter__(self) -> Self:
        self._enabled = self._enabled and signal.getsignal(signal.SIGINT) is signal.default_int_handler
        if self._enabled:
            signal.signal(signal.SIGINT, self._note)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._enabled:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        # One that came too late for the loop to see.
        if self.requested and error is None:
            raise KeyboardInterrupt

    def _note(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002  (a signal handler's signature)
        if self.requested:
            raise KeyboardInterrupt
        self.requested = True
