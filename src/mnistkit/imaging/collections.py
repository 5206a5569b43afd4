"""What one picture is and what several are; the pictures in a folder."""

from __future__ import annotations

import functools
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import cast

import numpy as np
import PIL.Image

from mnistkit.errors import ImageError
from mnistkit.imaging.pixels import as_array, to_numpy, to_uint8
from mnistkit.types import ImageLike

__all__ = ["image_files", "image_suffixes", "images_in", "is_hidden"]

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
_MOST_CHANNELS = 4
_MNIST_SIZE = (28, 28)
# A picture of digits is not so much longer than wide.
_LONGEST = 8


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


def image_files(folder: str | os.PathLike[str]) -> list[Path]:
    """The pictures in a folder and those below it, in the order of their paths; nothing that is hidden.

    Raises:
        ImageError: if a folder cannot be read.
    """
    return sorted(_walk(os.fspath(folder)))


def images_in(
    image: ImageLike | Sequence[ImageLike], *, size: tuple[int, int] = _MNIST_SIZE, channels: int = 1
) -> Sequence[ImageLike] | None:
    """The pictures of a list, a stack or a folder; ``None`` for a single picture.

    Several are: a folder's path, a list or tuple of pictures, an array ``(N, H, W)`` or ``(N, H, W, C)``, a tensor
    ``(N, C, H, W)``, or ``(N, H, W)`` with ``N`` over 4. One is: an array ``(H, W)`` or ``(H, W, C)``, a tensor ``(H, W)`` or
    ``(C, H, W)``, lists of numbers as an array. The numbers of a stack are understood together: white is the same in all.

    Args:
        image: one or several.
        size: height and width of the frames that a model was trained on.
        channels: that it was trained on.

    Raises:
        ImageError: for an array or tensor that may be either; it says what to write instead.
    """
    if isinstance(image, (str, os.PathLike)):
        # Path.is_dir raises for a name that no file can have.
        return image_files(image) if os.path.isdir(image) else None  # noqa: PTH112
    if isinstance(image, Sequence) and not isinstance(image, (bytes, bytearray, memoryview)):
        if not _holds_numbers(image):
            return image
        image = as_array(image)
    if isinstance(image, np.ndarray):
        return _pictures_of(to_numpy(image), size)
    if hasattr(image, "detach") and hasattr(image, "ndim"):
        return _pictures_of_tensor(cast("np.ndarray", image), size, channels)
    return None


def _walk(folder: str) -> Iterator[Path]:
    def fail(error: OSError) -> None:
        raise ImageError(f"the folder {error.filename} cannot be read: {error.strerror}") from error

    for path, folders, files in os.walk(folder, onerror=fail):
        folders[:] = [name for name in folders if not is_hidden(name)]
        for name in files:
            if not is_hidden(name) and Path(name).suffix.lower() in image_suffixes():
                yield Path(path, name)


def _holds_numbers(values: object) -> bool:
    """Whether lists inside lists end in a number."""
    for _ in range(4):
        if isinstance(values, (list, tuple)) and values:
            values = values[0]
    return isinstance(values, (int, float, np.number))


def _pictures_of(array: np.ndarray, size: tuple[int, int]) -> Sequence[ImageLike] | None:
    # Three dimensions are a stack, unless the last has the size of channels.
    if array.ndim == 4 or (array.ndim == 3 and array.shape[2] > _MOST_CHANNELS):
        return list(to_uint8(array))
    if array.ndim == 2:
        _refuse_rows(array.shape[0], array.shape[1], size)
    return None


def _pictures_of_tensor(tensor: np.ndarray, size: tuple[int, int], channels: int) -> Sequence[ImageLike] | None:
    shape = tuple(tensor.shape) if tensor.ndim <= 4 else ()
    if len(shape) == 4:
        return list(to_uint8(to_numpy(tensor)))
    if len(shape) == 3 and shape[0] > _MOST_CHANNELS < shape[2]:
        return list(to_uint8(np.moveaxis(to_numpy(tensor), -1, 0)))
    if len(shape) == 3 and 1 < shape[0] <= _MOST_CHANNELS and shape[1:] in {size, _MNIST_SIZE} and channels == 1:
        raise ImageError(
            f"a tensor of shape {shape} may be {shape[0]} pictures, or one of {shape[0]} channels; "
            "write tensor[:, None] for pictures, and tensor[None] for one in colour"
        )
    if len(shape) == 2:
        _refuse_rows(shape[0], shape[1], size)
    return None


def _refuse_rows(height: int, width: int, size: tuple[int, int]) -> None:
    """An array whose rows may be pictures that were flattened, as the tables of Kaggle, OpenML and scikit-learn have them."""
    side = round(width**0.5)
    frame = width == size[0] * size[1] or width == _MNIST_SIZE[0] * _MNIST_SIZE[1]
    square = side * side == width and side >= 8 and not width / _LONGEST <= height <= width * _LONGEST
    if height and height != width and (frame or square):
        high, wide = size if width == size[0] * size[1] else (side, side)
        raise ImageError(
            f"an array of shape ({height}, {width}) may be {height} pictures of {width} pixels in a row, or one; "
            f"write array.reshape(-1, {high}, {wide}) for pictures, and [array] for one"
        )
