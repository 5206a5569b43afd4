"""Locks on files, which the system gives up when their process dies: a killed run blocks nobody."""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path

from mnistkit._core.text import printable
from mnistkit.errors import ConfigError

__all__ = ["FolderLock", "try_lock"]

_NAME = ".mnistkit.lock"
_NO_FOLLOW = getattr(os, "O_NOFOLLOW", 0)
_held: set[int] = set()

if sys.platform == "win32":
    import msvcrt

    def try_lock(descriptor: int) -> bool:
        """Lock an open file, until it is closed; ``False`` if somebody else has locked it."""
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:
    import fcntl

    def try_lock(descriptor: int) -> bool:
        """Lock an open file, until it is closed; ``False`` if somebody else has locked it.

        Raises:
            OSError: on a file system without locks.
        """
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


class FolderLock:
    """Keeps a folder for one run, from its making until :meth:`release` or the death of the process.

    Where a file system has no locks, nothing is locked.

    Args:
        folder: it must exist.

    Raises:
        ConfigError: if another run has it.
        OSError: if no file can be made there.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / _NAME
        self._descriptor = self._acquire()
        _held.add(self._descriptor)

    def _acquire(self) -> int:
        while True:
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | _NO_FOLLOW, 0o666)
            try:
                locked = try_lock(descriptor)
            except OSError:  # this file system has no locks
                return descriptor
            if not locked:
                os.close(descriptor)
                raise ConfigError(
                    f"another run is writing into {printable(self._path.parent)}; wait for its end, or give another folder"
                )
            with contextlib.suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(descriptor), self._path.stat()):
                    return descriptor
            # The run before deleted the file between our opening and locking it.
            os.close(descriptor)

    def release(self) -> None:
        """Let the next run have the folder."""
        # Windows deletes no open file; there it stays, and does no harm.
        with contextlib.suppress(OSError):
            self._path.unlink()
        _held.discard(self._descriptor)
        os.close(self._descriptor)


def _close_in_child() -> None:
    """A forked worker that outlives a killed run must not keep the run's lock."""
    for descriptor in _held:
        os.close(descriptor)
    _held.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_close_in_child)
