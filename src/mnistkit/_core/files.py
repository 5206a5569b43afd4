"""Files that are written whole or not at all: checkpoints, reports, logs, pictures."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator
from pathlib import Path

from mnistkit.errors import CheckpointError
from mnistkit.types import PathLike

__all__ = ["replacing", "write_atomically"]

# The disk is full, the user's share of it is, or the file is larger than the process may write.
_NO_SPACE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Where to write a file, which gets its name when all has been written; if that fails, nothing of it is left.

    Raises:
        OSError: if there cannot be such a file.
    """
    # Always the same name: what a killed process left half written is overwritten, not added to.
    temporary = path.parent / f".{path.name}.tmp"
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_atomically(path: PathLike, data: bytes) -> None:
    """Write a file under another name, flush it to the disk, then rename it.

    Raises:
        CheckpointError: if that fails; an earlier file of that name is then as it was.
    """
    path = Path(path)
    try:
        with replacing(path) as temporary, temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        advice = "free some space" if error.errno in _NO_SPACE else "choose a folder that can be written"
        kept = "the earlier file there is intact; " if path.is_file() else ""
        raise CheckpointError(f"cannot write {path}: {error.strerror or error}; {kept}{advice}") from error
