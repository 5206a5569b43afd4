"""The pictures in a folder: which files are some, and which are the system's and not the user's."""

from __future__ import annotations

import functools
import os
from collections.abc import Iterator
from pathlib import Path

import PIL.Image

from mnistkit._core.files import user_path
from mnistkit.errors import ImageError

__all__ = ["image_files", "image_suffixes", "is_hidden"]

# Pillow lists these among its formats: data of measuring, films and documents.
_NO_PICTURES = frozenset({"BUFR", "GRIB", "HDF5", "MPEG", "PDF"})
# Pictures of cameras and drawing programs, whether Pillow reads them or not: none is left out without a word.
_OTHER_SUFFIXES = frozenset(
    [
        ".arw",
        ".avif",
        ".cr2",
        ".cr3",
        ".dng",
        ".heic",
        ".heif",
        ".hif",
        ".jfif",
        ".jp2",
        ".jxl",
        ".mpo",
        ".nef",
        ".orf",
        ".raf",
        ".rw2",
        ".svg",
        ".webp",
    ]
)
# What unpackers, storage devices and systems leave beside one's pictures.
_HIDDEN = frozenset({"__MACOSX", "__pycache__", "@eaDir", "$RECYCLE.BIN", "System Volume Information", "lost+found"})


@functools.cache
def image_suffixes() -> frozenset[str]:
    """How the names of pictures end, in small letters: all that Pillow can open, and those that need another program."""
    PIL.Image.init()
    known = {name for name, kind in PIL.Image.registered_extensions().items() if kind in PIL.Image.OPEN}
    none = {name for name, kind in PIL.Image.registered_extensions().items() if kind in _NO_PICTURES}
    return frozenset((known - none) | _OTHER_SUFFIXES)


def is_hidden(name: str) -> bool:
    """Whether a file or folder of this name is the system's and not the user's, as in "._7.png" and "__MACOSX"."""
    return name.startswith(".") or name in _HIDDEN


def image_files(folder: str | os.PathLike[str], *, documents: bool = False) -> list[Path]:
    """The pictures in a folder and those below it, in the order of their paths; nothing that is hidden.

    Args:
        folder: its path.
        documents: whether PDF files are among them; a TIFF always is.

    Raises:
        ImageError: if a folder cannot be read.
    """
    suffixes = image_suffixes() | {".pdf"} if documents else image_suffixes()
    return sorted(_walk(str(user_path(folder)), suffixes))


def _walk(folder: str, suffixes: frozenset[str]) -> Iterator[Path]:
    def fail(error: OSError) -> None:
        raise ImageError(f"the folder {error.filename} cannot be read: {error.strerror}") from error

    for path, folders, files in os.walk(folder, onerror=fail):
        folders[:] = [name for name in folders if not is_hidden(name)]
        for name in files:
            if not is_hidden(name) and Path(name).suffix.lower() in suffixes:
                yield Path(path, name)
