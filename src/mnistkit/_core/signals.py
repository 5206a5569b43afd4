"""What Ctrl-C does in a process that is all ours."""

import signal
from types import FrameType
from typing import NoReturn

__all__ = ["interrupt_once"]


def interrupt_once(number: int, frame: FrameType | None) -> NoReturn:  # noqa: ARG001  (a signal handler's signature)
    """Raise KeyboardInterrupt; the next one ends the process at once, for it may come when nothing is left to catch it."""
    signal.signal(number, signal.SIG_DFL)
    raise KeyboardInterrupt
