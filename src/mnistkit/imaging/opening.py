"""Encoded images, opened with Pillow: what is decoded, how large, and why not."""

from __future__ import annotations

import contextlib
import io
import math
import os
import re
from collections.abc import Callable
from typing import BinaryIO, TypeVar, cast

import PIL.Image

from mnistkit._core.files import open_regular
from mnistkit.errors import ImageError, MissingExtraError
from mnistkit.imaging import documents
from mnistkit.imaging.encoded import image_in_bytes, image_in_text, shortened
from mnistkit.imaging.exif import hide_exif
from mnistkit.types import ImageLike

__all__ = [
    "MAX_PIXELS",
    "MAX_SIDE",
    "REDUCED",
    "decode_file",
    "open_source",
    "reason",
    "refuse_programs",
    "require_size",
    "source_of",
]

_T = TypeVar("_T")

#: The largest image that is decoded, in pixels: 40 megapixels, for which decoding takes up to 1.3 gigabytes of memory. Measured:
#: 12 bytes a pixel for a JPEG, 19 for a PNG and 23 for a TIFF with transparency, 26 for an AVIF, 31 for a WebP.
MAX_PIXELS = 40_000_000
#: The longest side of an image that is decoded, in pixels.
MAX_SIDE = 40_000

# A file object that cannot go back is read whole.
_MAX_FILE = 2**28
#: Where a picture has by how much its file is larger.
REDUCED = "mnistkit: reduced"
_JPEG = b"\xff\xd8\xff"
_HEAD = 2000
_SVG = re.compile(
    rb"\s*(<\?xml[^>]*>\s*)?(<!--.*?-->\s*)*(<!DOCTYPE svg[^>]*>\s*)?<svg[\s>]", re.IGNORECASE | re.DOTALL
)
# The brands of HEIC files: the first box of ISO 23008-12, annex B.
_HEIF_BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"})


def source_of(image: ImageLike) -> tuple[str | os.PathLike[str] | BinaryIO, str] | None:
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


def open_source(source: str | os.PathLike[str] | BinaryIO, name: str, use: Callable[[BinaryIO], _T]) -> _T:
    """What is made of a file; any failure is told of as one of the picture."""
    if isinstance(source, io.TextIOBase):
        raise ImageError('the file was opened as text; open(path, "rb") opens it as an image')
    try:
        with contextlib.ExitStack() as opened:
            if isinstance(source, (str, os.PathLike)):
                # Pillow leaves the files of damaged and of animated images open.
                file: BinaryIO = opened.enter_context(open_regular(os.fsdecode(source)))
            else:
                file = _rewound(source)
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
    return f"{name} cannot be read as an image: {reason(error)}"


def decode_file(file: BinaryIO, side: int | None, page: int | None) -> PIL.Image.Image:
    """A picture of a file, or a page of a document; what is no picture, or too large a one, raises whatever it does.

    Args:
        file: at its beginning.
        side: the least that is needed of the longer side, in pixels: a JPEG is decoded no larger than it has to be.
        page: of a document; ``None`` for the only one.
    """
    head = file.read(_HEAD)
    file.seek(0)
    if head.startswith(documents.HEADS):
        picture = documents.open_page(file, page)
        require_size(*picture.size)
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
    refuse_programs(picture)
    if side is not None:
        # A telephone's JPEG of 100 megapixels is read too: what counts is what is decoded.
        longer = max(picture.size)
        picture.draft(None, (math.ceil(picture.width * side / longer), math.ceil(picture.height * side / longer)))
        picture.info[REDUCED] = longer / max(picture.size)
    require_size(*picture.size)
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
    require_size(*picture.size)
    upright: PIL.Image.Image = picture.to_pillow()
    return upright


def _rewound(source: BinaryIO) -> BinaryIO:
    """A file object at its beginning; one that cannot go back is read, so far as an image can be long."""
    try:
        source.seek(0)
        return source
    except (AttributeError, OSError, ValueError):
        content = io.BytesIO()
        while part := source.read(min(2**20, _MAX_FILE + 1 - content.tell())):
            content.write(part)
            if content.tell() > _MAX_FILE:
                raise ImageError(f"it is longer than {_MAX_FILE // 2**20} MiB") from None
        content.seek(0)
        return content


def refuse_programs(picture: PIL.Image.Image) -> None:
    """PostScript is a program, which Pillow would run with Ghostscript when the pixels are asked for."""
    if picture.format == "EPS" and getattr(picture, "tile", None):
        raise ImageError("it is PostScript, a program that would have to be run; save it as PNG")


def reason(error: Exception) -> str:
    """What an error says, in few words."""
    # The system's errors would name the file once more, however long its name is.
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def require_size(width: int, height: int) -> None:
    """Refuse an empty image, and one that is too large to be decoded; an ImageError."""
    if width < 1 or height < 1:
        raise ImageError(f"the image is empty: {width}x{height} pixels")
    if width * height > MAX_PIXELS:
        raise ImageError(f"the image has {width}x{height} pixels, over {MAX_PIXELS // 10**6} megapixels; scale it down")
    if max(width, height) > MAX_SIDE:
        raise ImageError(f"the image has {width}x{height} pixels, a side over {MAX_SIDE:,}; cut it or scale it down")
