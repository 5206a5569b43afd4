"""The IDX format of MNIST's files: read with every claim of the header checked, and written.

Format: http://yann.lecun.com/exdb/mnist (two zero bytes, a type code, the number of dimensions, each dimension as a
big-endian uint32, then the elements in C order, big-endian).
"""

from __future__ import annotations

import itertools
import math
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np

from mnistkit._core.files import open_regular, write_atomically
from mnistkit.errors import IdxFormatError
from mnistkit.types import PathLike

__all__ = ["read_idx", "write_idx"]

_DTYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_CODES = {np.dtype(name): code for code, name in _DTYPES.items()}
_GZIP_MAGIC = b"\x1f\x8b"
_LARGEST = 4 * 2**30
# NumPy 1 has no more.
_MOST_DIMENSIONS = 32
_CHUNK = 2**17
_LARGEST_PIECE = 2**22


def read_idx(path: PathLike, *, ndim: int | None = None) -> np.ndarray:
    """Read an IDX file, gzipped or not.

    Args:
        path: the file; gzip is recognised by its first bytes, not by its name.
        ndim: the number of dimensions that the file must have, e.g. 3 for images and 1 for labels.

    Returns:
        The array, in the machine's byte order.

    Raises:
        FileNotFoundError: if there is no such file.
        IdxFormatError: if the file is something else (a folder, a pipe), cannot be read, is damaged, truncated, or longer
            than its header says.
    """
    path = Path(path)
    try:
        with open_regular(path) as file:
            return _read(path, file, ndim)
    except (FileNotFoundError, IdxFormatError):
        raise
    except (OSError, ValueError) as error:
        raise IdxFormatError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}") from error


def _read(path: Path, file: BinaryIO, ndim: int | None) -> np.ndarray:
    packed = file.read(2) == _GZIP_MAGIC
    file.seek(0)
    chunks = _inflated(path, file) if packed else iter(lambda: file.read(_CHUNK), b"")
    first = next(chunks, b"")
    dtype, shape = _parse_header(path, first, ndim)
    start = 4 + 4 * len(shape)
    wanted = math.prod(shape) * dtype.itemsize
    # Without the zeros: NumPy refuses (0, 2**32, 2**32) too.
    if math.prod(filter(None, shape)) * dtype.itemsize > _LARGEST:
        raise IdxFormatError(f"{path}: the header says {shape}, over the limit of 4 GiB; the file is damaged")
    # It grows with what is there: what the header says is only believed when it has come.
    content = bytearray()
    for chunk in itertools.chain((first[start:],), chunks):
        content += chunk
        if len(content) > wanted:
            raise IdxFormatError(
                f"{path} is too long: the header says {shape}, {wanted:,} bytes, but more follow; "
                "delete it and get it again"
            )
    if len(content) < wanted:
        raise IdxFormatError(
            f"{path} is truncated: the header says {shape}, {wanted:,} bytes, but there are {len(content):,}; "
            "delete it and get it again"
        )
    values = np.frombuffer(content, dtype)
    if not dtype.isnative:
        # In place: a second copy would double what it takes.
        values = values.byteswap(inplace=True).view(dtype.newbyteorder("="))
    return values.reshape(shape)


def _inflated(path: Path, file: BinaryIO) -> Iterator[bytes]:
    """The contents of a gzip file, in pieces of bounded size."""
    inflater = zlib.decompressobj(wbits=31)
    try:
        while not inflater.eof and (packed := file.read(_CHUNK)):
            while packed:
                if piece := inflater.decompress(packed, _LARGEST_PIECE):
                    yield piece
                packed = inflater.unconsumed_tail
    except zlib.error as error:
        raise IdxFormatError(f"{path} is a damaged gzip file ({error}); delete it and get it again") from error
    if not inflater.eof:
        raise IdxFormatError(f"{path} is a truncated gzip file; delete it and get it again")
    if inflater.unused_data or file.read(1):
        raise IdxFormatError(f"{path} is too long: more follows the end of its gzip stream; delete it and get it again")


def _parse_header(path: Path, head: bytes, ndim: int | None) -> tuple[np.dtype[np.generic], tuple[int, ...]]:
    if head[:64].lstrip().lower().startswith((b"<!doctype", b"<html", b"<?xml")):
        raise IdxFormatError(
            f"{path} is a web page, not an IDX file: a server or proxy answered with an error page; delete it and get it again"
        )
    if len(head) < 4 or head[:2] != b"\0\0" or head[2] not in _DTYPES or not 1 <= head[3] <= _MOST_DIMENSIONS:
        raise IdxFormatError(
            f"{path} is not an IDX file: it begins with {head[:4].hex(' ') or 'nothing'}, expected 00 00, a type code "
            f"({', '.join(f'{code:02x}' for code in _DTYPES)}) and a number of dimensions from 1 to {_MOST_DIMENSIONS}"
        )
    dims = head[3]
    if ndim is not None and dims != ndim:
        raise IdxFormatError(f"{path} has {dims} dimensions, expected {ndim}: are images and labels swapped?")
    if len(head) < 4 + 4 * dims:
        raise IdxFormatError(f"{path} is truncated inside its header; delete it and get it again")
    return np.dtype(_DTYPES[head[2]]), struct.unpack_from(f">{dims}I", head, 4)


def write_idx(path: PathLike, array: np.ndarray) -> None:
    """Write an array as an IDX file; gzipped if the name ends in ``.gz``.

    Raises:
        IdxFormatError: if the format has no code for the array's dtype, or it has no dimension, or more than 32.
        WriteError: if it cannot be written; an earlier file of that name is then as it was.
    """
    path = Path(path)
    dtype = array.dtype.newbyteorder(">")
    if dtype not in _CODES or not 1 <= array.ndim <= _MOST_DIMENSIONS:
        raise IdxFormatError(
            f"an IDX file cannot hold {array.dtype} with {array.ndim} dimensions; "
            f"use one of {', '.join(str(np.dtype(d).newbyteorder('=')) for d in _DTYPES.values())}"
        )
    header = struct.pack(f">BBBB{array.ndim}I", 0, 0, _CODES[dtype], array.ndim, *array.shape)
    data = header + array.astype(dtype).tobytes()
    if path.suffix == ".gz":
        packer = zlib.compressobj(wbits=31)
        data = packer.compress(data) + packer.flush()
    write_atomically(path, data)
