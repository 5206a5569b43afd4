"""The one door to the disk: files are written whole or not at all, and only where a file may be."""

from __future__ import annotations

import contextlib
import errno
import functools
import os
import re
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from mnistkit._core.locks import try_lock
from mnistkit._core.text import printable
from mnistkit.errors import ConfigError, MnistkitError, WriteError, is_whole
from mnistkit.types import PathLike

__all__ = [
    "make_folder",
    "open_regular",
    "package_data",
    "replacing",
    "require_writable",
    "telling",
    "user_path",
    "write_atomically",
]

# The disk is full, the user's share of it is, or the file is larger than the process may write.
_NO_SPACE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_TEMPORARY = ".mnistkit-*.tmp"
_NEW = os.O_CREAT | os.O_EXCL | os.O_WRONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
_PACKAGE = Path(__file__).parents[1]
_KINDS = (
    (stat.S_ISDIR, "folder"),
    (stat.S_ISFIFO, "pipe"),
    (stat.S_ISSOCK, "socket"),
    (stat.S_ISCHR, "device"),
    (stat.S_ISBLK, "device"),
)


def user_path(path: PathLike) -> Path:
    """A path as a user means it: ``~`` is a home."""
    return Path(os.path.expanduser(path))  # noqa: PTH111  (Path's own fails for a file that is called ~x)


def open_regular(path: PathLike) -> BinaryIO:
    """A file to read, and nothing that only looks like one: a pipe blocks for ever, and a device never ends.

    Raises:
        OSError: if there is no such file, or something else of this name.
        ValueError: for a path that no file can have.
    """
    path = user_path(path)
    # First without opening, which alone rewinds a tape; then what was opened, which may be another.
    _require_regular(path.stat())
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    try:
        _require_regular(os.fstat(descriptor))
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def package_data(*names: str) -> Path:
    """A file, or a folder of files, that comes with the package, such as ``package_data("models", "weights")``.

    Raises:
        ConfigError: in a copy of the package without it, as programs that freeze others make it.
    """
    path = _PACKAGE.joinpath(*names)
    if not path.is_file() and not any(file.is_file() for file in path.rglob("*")):
        name = "mnistkit" if is_whole() else "mnistkit-runtime"
        raise ConfigError(
            f"{printable(path)} is not there: this copy of mnistkit was made without the files beside its code. A frozen program "
            "has to take them along: PyInstaller does by --collect-data mnistkit, Nuitka by "
            f"--include-package-data=mnistkit. Elsewhere: pip install --force-reinstall --no-deps {name}"
        )
    return path


def write_atomically(path: PathLike, data: bytes) -> None:
    """Write a file whole or not at all, see :func:`replacing`.

    Raises:
        WriteError: if that fails; an earlier file of that name is then as it was.
    """
    with replacing(path) as file:
        file.write(data)


@contextlib.contextmanager
def replacing(path: PathLike) -> Iterator[BinaryIO]:
    """A file to write to, which gets its name when all has been written and is safe on the disk.

    What is there stays until then, and keeps owner and mode. A link is followed. What is no regular file is refused,
    except the program's own open streams (``/dev/stdout``, ``/dev/fd/3``) and ``/dev/null``: they are written through.

    Raises:
        WriteError: if that fails; an earlier file of that name is then as it was.
        BrokenPipeError: if nobody reads the stream any more.
    """
    path = user_path(path)
    with telling(path):
        stream = _stream(path)
        with _replacing(path) if stream is None else stream as file:
            yield file


def require_writable(path: PathLike) -> None:
    """Find out whether a file can be written, before hours of work; nothing is changed but that its folder is made.

    Raises:
        WriteError: if it cannot.
    """
    path = user_path(path)
    with telling(path):
        target, there = _target(path)
        temporary, file = _new_file(target.parent, there)
        file.close()
        temporary.unlink()


def make_folder(path: PathLike) -> Path:
    """A folder to write into, made if need be.

    Raises:
        WriteError: if it cannot be made.
    """
    path = user_path(path)
    with telling(path):
        path.mkdir(parents=True, exist_ok=True)
    return path


@contextlib.contextmanager
def telling(path: Path) -> Iterator[None]:
    """Tell of a failure to write there in the library's own words.

    Raises:
        WriteError: for an ``OSError`` inside.
    """
    try:
        yield
    except (MnistkitError, BrokenPipeError):
        raise
    except OSError as error:
        advice = "free some space" if error.errno in _NO_SPACE else "choose a folder that can be written"
        kept = "the earlier file there is intact; " if os.path.isfile(path) else ""  # noqa: PTH113  (never raises)
        reason = error.strerror or error
        raise WriteError(f"cannot write {printable(path)}: {reason}; {kept}{advice}") from error


def _stream(path: Path) -> BinaryIO | None:
    """What is open already under names such as ``/dev/stdout``; opened anew it would lose what it holds."""
    name = {"/dev/stdout": "/dev/fd/1", "/dev/stderr": "/dev/fd/2"}.get(str(path), str(path))
    if name == os.devnull and not path.is_file():
        return path.open("wb")
    if number := re.fullmatch(r"/(?:dev|proc/self)/fd/(\d{1,9})", name):
        for printed in (sys.stdout, sys.stderr):
            if printed is not None:  # as in a program without a console
                printed.flush()
        return os.fdopen(os.dup(int(number[1])), "wb")
    return None


@contextlib.contextmanager
def _replacing(path: Path) -> Iterator[BinaryIO]:
    target, there = _target(path)
    temporary, file = _new_file(target.parent, there)
    try:
        with file:
            yield file
            file.flush()
            if there is not None:
                _keep_owner(file.fileno(), there)
            os.fsync(file.fileno())
            if os.name == "nt":  # which renames no open file
                file.close()
            temporary.replace(target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _sync_folder(target.parent)


def _target(path: Path) -> tuple[Path, os.stat_result | None]:
    """Where links lead, and the file that is there now."""
    try:
        target = Path(os.path.realpath(path))
        there = target.stat()
    except FileNotFoundError:
        return target, None
    except ValueError as error:
        raise OSError(errno.EINVAL, f"it is no path ({error})") from error
    _require_regular(there)
    if not os.access(target, os.W_OK):
        raise PermissionError(errno.EACCES, "the file there is protected from writing")
    return target, there


def _require_regular(there: os.stat_result) -> None:
    for is_kind, kind in _KINDS:
        if is_kind(there.st_mode):
            raise OSError(errno.EINVAL, f"it is a {kind}, expected a file")


def _new_file(folder: Path, there: os.stat_result | None) -> tuple[Path, BinaryIO]:
    """A file of a name that nobody can foresee, locked while it is written to."""
    folder.mkdir(parents=True, exist_ok=True)
    _remove_leftovers(folder)
    while True:
        path = folder / _TEMPORARY.replace("*", os.urandom(8).hex())
        # What replaces a private file is private from the beginning.
        file = os.fdopen(os.open(path, _NEW, 0o666 if there is None else 0o600), "wb")
        try:
            locked = try_lock(file.fileno())
        except OSError:  # a file system without locks, where nobody removes leftovers
            return path, file
        if locked and os.path.lexists(path):
            return path, file
        # Another process took it for a leftover before it was locked.
        file.close()


@functools.lru_cache(maxsize=1000)
def _remove_leftovers(folder: Path) -> None:
    """Delete what killed processes left half written; looked for once, not at each of many files."""
    for path in folder.glob(_TEMPORARY):
        # Somebody else's, or gone by now: theirs to deal with.
        with contextlib.suppress(OSError):
            descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
            try:
                # Whoever still writes to it holds its lock.
                if stat.S_ISREG(os.fstat(descriptor).st_mode) and try_lock(descriptor):
                    path.unlink()
            finally:
                os.close(descriptor)


def _keep_owner(descriptor: int, there: os.stat_result) -> None:
    if os.name == "nt":
        return
    for owner in (there.st_uid, there.st_gid), (-1, there.st_gid):
        with contextlib.suppress(PermissionError):  # only root gives files away; the group may be ours to keep
            os.fchown(descriptor, *owner)
            break
    os.fchmod(descriptor, stat.S_IMODE(there.st_mode))


def _sync_folder(folder: Path) -> None:
    # The file itself is safe and in its place: what follows is against a power cut, and not every file system can.
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
