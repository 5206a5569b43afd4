"""From anything that holds pictures to arrays of uint8: files, folders, bytes, text, PIL images, arrays, tensors."""

from __future__ import annotations

import contextlib
import io
import math
import os
import re
from collections.abc import Callable, Mapping, Sequence
from typing import BinaryIO, Literal, TypeVar, cast

import numpy as np
import PIL.Image

from mnistkit._core.files import open_regular, user_path
from mnistkit.errors import ImageError, MissingExtraError
from mnistkit.imaging import documents
from mnistkit.imaging.encoded import image_in_bytes, image_in_text, picture_in, rewound, shortened
from mnistkit.imaging.exif import hide_exif, turn_upright
from mnistkit.imaging.folders import image_files
from mnistkit.imaging.modes import to_8_bits, without_alpha
from mnistkit.imaging.pixels import as_array, holds_numbers, pictures_in, to_numpy, to_uint8
from mnistkit.types import ImageLike

__all__ = ["MAX_PIXELS", "MAX_SIDE", "count_pages", "images_in", "load_image", "load_reduced"]

_T = TypeVar("_T")

#: The largest image that is decoded, in pixels: 40 megapixels, for which decoding takes up to 1.3 gigabytes of memory. Measured:
#: 12 bytes a pixel for a JPEG, 19 for a PNG and 23 for a TIFF with transparency, 26 for an AVIF, 31 for a WebP.
MAX_PIXELS = 40_000_000
#: The longest side of an image that is decoded, in pixels.
MAX_SIDE = 40_000

# Where Pillow keeps EXIF and XMP.
_TURNED = frozenset({"exif", "Raw profile type exif", "xmp", "XML:com.adobe.xmp"})
# Where a picture has by how much its file is larger.
_REDUCED = "mnistkit: reduced"
# So many rows at a time are taken from Pillow.
_STRIP = 256
_JPEG = b"\xff\xd8\xff"
_HEAD = 2000
_SVG = re.compile(
    rb"\s*(<\?xml[^>]*>\s*)?(<!--.*?-->\s*)*(<!DOCTYPE svg[^>]*>\s*)?<svg[\s>]", re.IGNORECASE | re.DOTALL
)
# The brands of HEIC files: the first box of ISO 23008-12, annex B.
_HEIF_BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"})


def images_in(
    image: ImageLike | Sequence[ImageLike], *, size: tuple[int, int] = (28, 28), channels: int = 1
) -> Sequence[ImageLike] | None:
    """The pictures of a list, a stack or a folder; ``None`` for a single picture.

    Several are: a folder's path, a list or tuple of pictures, an array ``(N, H, W)``, ``(N, H, W, C)`` or ``(N, C, H, W)``, a
    tensor ``(N, C, H, W)``, or ``(N, H, W)`` with ``N`` over 4. One is: an array ``(H, W)`` or ``(H, W, C)``, a tensor ``(H, W)``
    or ``(C, H, W)``, lists of numbers as an array. The numbers of a stack are understood together: white is the same in all.

    Args:
        image: one or several.
        size: height and width of the frames that a model was trained on.
        channels: that it was trained on.

    Raises:
        ImageError: for an array or tensor that may be either; it says what to write instead.
    """
    if isinstance(image, (str, os.PathLike)):
        # Path.is_dir raises for a name that no file can have.
        return image_files(image) if os.fspath(image) and os.path.isdir(user_path(image)) else None  # noqa: PTH112
    if isinstance(image, Sequence) and not isinstance(image, (bytes, bytearray, memoryview)):
        return pictures_in(as_array(image), size=size, channels=channels) if holds_numbers(image) else image
    if isinstance(image, np.ndarray) or (hasattr(image, "detach") and hasattr(image, "ndim")):
        return pictures_in(image, size=size, channels=channels)
    return None


def load_image(
    image: ImageLike,
    *,
    channels: Literal[1, 3] | None = 1,
    side: int | None = None,
    white: float | None = None,
    page: int | None = None,
) -> np.ndarray:
    """Read one image upright, its transparency resolved, 8 bits deep.

    Args:
        image: a path, encoded bytes, a binary file object, a data URL, base64 text, a PIL image, an array ``(H, W)`` or
            ``(H, W, C)``, a tensor ``(H, W)`` or ``(C, H, W)``, with 1 to 4 channels (grey, grey and alpha, RGB, RGBA), lists
            of numbers, or a dictionary with one of these as "composite", "image", "bytes" or "path".
        channels: 1 for grey, 3 for colour; ``None`` for what the image has.
        side: the least that is needed of the longer side, in pixels: a larger JPEG is decoded at a half, a quarter or
            an eighth of its size, in a fraction of the time.
        white: the number that stands for white in an array. By default 255, or 1 for floats to 1, for booleans and
            for integers that are all 0 or 1; for larger integers the largest number of 10, 12, 14 or 16 bits.
        page: which one of a document's pages, from 0; by default the only one. See :func:`~mnistkit.imaging.load_pages`.

    Returns:
        uint8 ``(H, W)`` or ``(H, W, 3)``.

    Raises:
        ImageError: if it is no image, is damaged, empty, larger than ``MAX_PIXELS`` or ``MAX_SIDE``, or has other numbers; if
            the path is not a file's; for a document of several pages if none was chosen, or one that it does not have.
    """
    return _upright_pixels(_open(image, side, white, page), image, channels, white)


def load_reduced(image: ImageLike, side: int) -> tuple[np.ndarray, float]:
    """Read one image in the colours that it has, a large JPEG no larger than it has to be for the longer side to be ``side``.

    Returns:
        The image as from :func:`load_image`, and how many pixels of the file are one of it.
    """
    picture = _open(image, side, None, None)
    return _upright_pixels(picture, image, None, None), picture.info.get(_REDUCED, 1.0)


def _upright_pixels(
    picture: PIL.Image.Image, image: ImageLike, channels: Literal[1, 3] | None, white: float | None
) -> np.ndarray:
    """The pixels of what an image was opened as."""
    _require_size(*picture.size)
    try:
        # In numbers white is found before they become bytes.
        told = picture.format is not None or isinstance(image, PIL.Image.Image)
        if told and white is None and picture.mode == "L" and picture.format != "JPEG" and picture.getextrema()[1] == 1:
            # Saved from an array of 0 and 1; in a JPEG it would be the noise of a dark photo.
            picture = picture.point([0, 255] * 128)
        # A PNG has nothing to turn it by but these entries.
        upright = picture if picture.format == "PNG" and _TURNED.isdisjoint(picture.info) else turn_upright(picture)
        if upright.mode not in {"L", "RGB"} or "transparency" in upright.info:
            upright = without_alpha(to_8_bits(upright))
        return _pixels(upright, channels)
    except Exception as error:  # a PIL image may be decoded only here; see _opened
        raise ImageError(f"the image is damaged, or its file is closed: {_reason(error)}") from error


def _pixels(picture: PIL.Image.Image, channels: Literal[1, 3] | None) -> np.ndarray:
    """The pixels of an opaque picture, uint8 ``(H, W)`` or ``(H, W, 3)``; in as many channels as it has if none are given."""
    width, height = picture.size
    grey = picture.mode in {"1", "L"}
    channels = channels or (1 if grey else 3)
    mode = "L" if grey or channels == 1 else "RGB"
    pixels = np.empty((height, width, channels), np.uint8)
    # A few rows at a time: Pillow keeps four bytes for a pixel of colour, and copies all of them for an array, twice.
    for top in range(0, height, _STRIP):
        rows = picture.crop((0, top, width, min(top + _STRIP, height)))
        values = np.asarray(rows if rows.mode == mode else rows.convert(mode))
        pixels[top : top + _STRIP] = values if values.ndim == 3 else values[:, :, None]
    return pixels[:, :, 0] if channels == 1 else pixels


def count_pages(image: ImageLike) -> int:
    """How many pages an image has, such as :func:`load_image` takes it: 1, unless it is a document.

    Raises:
        ImageError: if it cannot be opened.
    """
    if isinstance(image, Mapping):
        return count_pages(picture_in(image))
    encoded = _encoded(image)
    return 1 if encoded is None else _opened(*encoded, documents.count)


def _open(image: ImageLike, side: int | None, white: float | None, page: int | None) -> PIL.Image.Image:
    if isinstance(image, Mapping):
        return _open(picture_in(image), side, white, page)
    encoded = _encoded(image)
    if encoded is not None:
        return _opened(*encoded, lambda file: _decode_file(file, side, page))
    if page:
        documents.choose(1, page)
    if isinstance(image, PIL.Image.Image):
        _refuse_programs(image)
        return image
    numbers: object = as_array(image) if isinstance(image, (list, tuple)) else image  # of JSON
    if isinstance(numbers, np.ndarray) or hasattr(numbers, "detach"):
        return _from_array(to_numpy(numbers), tuple(getattr(numbers, "shape", ())), white)
    hint = "; its numbers are those of .to_numpy()" if hasattr(image, "to_numpy") else ""
    raise ImageError(
        f"{type(image).__name__} is not a kind of image; expected a path, bytes, a binary file, a PIL image, an array or a "
        f"tensor{hint}"
    )


def _encoded(image: ImageLike) -> tuple[str | os.PathLike[str] | BinaryIO, str] | None:
    """The file that an image is in and what to call it; ``None`` for what is in memory already."""
    if isinstance(image, str):
        # Text that names a file is a path, and no picture in base64.
        content = None if os.path.lexists(image) else image_in_text(image)
        return (image if content is None else io.BytesIO(content)), image
    if isinstance(image, (bytes, bytearray, memoryview)):
        return io.BytesIO(image_in_bytes(bytes(image))), "this content"
    if isinstance(image, os.PathLike):
        return image, os.fsdecode(image)
    if hasattr(image, "read"):
        return cast("BinaryIO", image), f"this {type(image).__name__}"
    return None


def _opened(source: str | os.PathLike[str] | BinaryIO, name: str, use: Callable[[BinaryIO], _T]) -> _T:
    """What is made of a file; any failure is told of as one of the picture."""
    if isinstance(source, io.TextIOBase):
        raise ImageError('the file was opened as text; open(path, "rb") opens it as an image')
    try:
        with contextlib.ExitStack() as opened:
            if isinstance(source, (str, os.PathLike)):
                # Pillow leaves the files of damaged and of animated images open.
                file: BinaryIO = opened.enter_context(open_regular(os.fsdecode(source)))
            else:
                file = rewound(source)
            return use(file)
    except Exception as error:  # the decoders of damaged files raise whatever they stumble over
        raise ImageError(_problem(error, shortened(name))) from error


def _problem(error: Exception, name: str) -> str:
    """Why a picture of this name cannot be decoded."""
    if isinstance(error, FileNotFoundError):
        return f"there is no image file {name}"
    if isinstance(error, PIL.UnidentifiedImageError):
        return f"{name} is not an image that can be read (PNG, JPEG, BMP, GIF, TIFF, WebP ...)"
    if isinstance(error, (PIL.Image.DecompressionBombError, PIL.Image.DecompressionBombWarning)):
        return f"{name} is larger than {MAX_PIXELS // 10**6} megapixels; scale it down"
    return f"{name} cannot be read as an image: {_reason(error)}"


def _decode_file(file: BinaryIO, side: int | None, page: int | None) -> PIL.Image.Image:
    head = file.read(_HEAD)
    file.seek(0)
    if head.startswith(documents.HEADS):
        picture = documents.open_page(file, page)
        _require_size(*picture.size)
        picture.load()
        return picture
    if page:
        documents.choose(1, page)
    if _SVG.match(head):
        raise ImageError("it is SVG, a drawing without pixels; save it as PNG, in a browser or with CairoSVG")
    if head[4:8] == b"ftyp" and head[8:12] in _HEIF_BRANDS:
        return _decode_heif(file)
    exif = None
    if head.startswith(_JPEG):
        jpeg, exif = hide_exif(file.read())
        file = io.BytesIO(jpeg)
    picture = PIL.Image.open(file)
    _refuse_programs(picture)
    if side is not None:
        # A telephone's JPEG of 100 megapixels is read too: what counts is what is decoded.
        longer = max(picture.size)
        picture.draft(None, (math.ceil(picture.width * side / longer), math.ceil(picture.height * side / longer)))
        picture.info[_REDUCED] = longer / max(picture.size)
    _require_size(*picture.size)
    picture.load()
    if exif is not None:
        picture.info["exif"] = exif
    return picture


def _decode_heif(file: BinaryIO) -> PIL.Image.Image:
    """As iPhones save photos; without a change of the formats that Pillow knows, which are the whole program's."""
    try:
        import pillow_heif
    except ImportError as error:
        raise MissingExtraError("pillow-heif", "heif", "a HEIC picture, as iPhones save them,") from error
    picture = pillow_heif.open_heif(file)
    _require_size(*picture.size)
    upright: PIL.Image.Image = picture.to_pillow()
    return upright


def _refuse_programs(picture: PIL.Image.Image) -> None:
    """PostScript is a program, which Pillow would run with Ghostscript when the pixels are asked for."""
    if picture.format == "EPS" and getattr(picture, "tile", None):
        raise ImageError("it is PostScript, a program that would have to be run; save it as PNG")


def _reason(error: Exception) -> str:
    # The system's errors would name the file once more, however long its name is.
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def _require_size(width: int, height: int) -> None:
    if width < 1 or height < 1:
        raise ImageError(f"the image is empty: {width}x{height} pixels")
    if width * height > MAX_PIXELS:
        raise ImageError(f"the image has {width}x{height} pixels, over {MAX_PIXELS // 10**6} megapixels; scale it down")
    if max(width, height) > MAX_SIDE:
        raise ImageError(f"the image has {width}x{height} pixels, a side over {MAX_SIDE:,}; cut it or scale it down")


def _from_array(array: np.ndarray, shape: tuple[int, ...], white: float | None) -> PIL.Image.Image:
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (1, 2, 3, 4)):
        hint = "; a picture in one row is array.reshape(28, 28)" if array.ndim == 1 and array.size == 784 else ""
        raise ImageError(
            f"got an image of shape {shape}, expected (H, W) or (H, W, C) with 1 to 4 channels (a tensor: (C, H, W)){hint}"
        )
    _require_size(array.shape[1], array.shape[0])
    pixels = to_uint8(array, white)
    return PIL.Image.fromarray(pixels[:, :, 0] if pixels.ndim == 3 and pixels.shape[2] == 1 else pixels)
