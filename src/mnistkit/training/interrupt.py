"""Ctrl-C, and the signals by which clusters and closed terminals end a program, as requests: the run is saved first."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Self

from mnistkit._core.signals import interrupt_once
from mnistkit.distributed import World

__all__ = ["InterruptGuard"]

_Handler = Callable[[int, FrameType | None], object] | int | None

# The handlers of a signal that nobody else handles. Windows has no SIGHUP.
_DEFAULTS: dict[signal.Signals, tuple[_Handler, ...]] = {
    signal.SIGINT: (signal.default_int_handler, interrupt_once),
    signal.SIGTERM: (signal.SIG_DFL,),
}
if hasattr(signal, "SIGHUP"):
    _DEFAULTS[signal.SIGHUP] = (signal.SIG_DFL,)


class InterruptGuard:
    """Notes SIGINT, SIGTERM or SIGHUP instead of ending an update in its middle; a second one, if it is SIGINT, ends it.

    A second SIGTERM says nothing new: a cluster sends one to every process, and torchrun passes its own on to each.

    SIGINT ends in a KeyboardInterrupt, the others in a SystemExit of 128 and their number, as shells count. Does nothing
    outside the main thread, or for a signal that somebody else handles.
    """

    def __init__(self) -> None:
        self._came = False  # to this process
        self._number = 0  # to any process, as far as is known here
        self._process = os.getpid()
        self._guarded: dict[signal.Signals, _Handler] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            found = {number: signal.getsignal(number) for number in _DEFAULTS}
            self._guarded = {number: handler for number, handler in found.items() if handler in _DEFAULTS[number]}
        for number in self._guarded:
            signal.signal(number, self._note)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._guarded.items():
            signal.signal(number, handler)
        # One that came too late for the loop to see.
        if self._number and error is None:
            self.end()

    def came(self, world: World) -> bool:
        """Whether a signal came to any process of a run; they all ask at the same step, so that none stops alone."""
        self._number = -world.min(-self._number)
        return self._number > 0

    def end(self) -> None:
        """Raise what the signal that came stands for."""
        if self._number == signal.SIGINT:
            raise KeyboardInterrupt
        raise SystemExit(128 + self._number)

    def _note(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002  (a signal handler's signature)
        already, self._came, self._number = self._came, True, number
        if os.getpid() != self._process:  # a child that was forked inside the run is no run: it ends as it would have
            signal.signal(number, self._guarded[signal.Signals(number)])
            signal.raise_signal(number)
        elif already and number == signal.SIGINT:
            # One more finds what was there before us, should this one come too late to be caught.
            signal.signal(number, self._guarded[signal.Signals(number)])
            self.end()
