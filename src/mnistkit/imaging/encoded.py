"""Images as web pages, data sets and streams give them: data URLs, base64, dictionaries, files that cannot go back."""

from __future__ import annotations

import base64
import binascii
import io
import os
import re
import urllib.parse
from collections.abc import Mapping
from typing import BinaryIO, cast

import numpy as np

from mnistkit.errors import ImageError
from mnistkit.types import ImageLike

__all__ = ["image_in_bytes", "image_in_text", "picture_in", "rewound", "shortened"]

# A file object that cannot go back is read whole.
_MAX_FILE = 2**28
# Where a dictionary has its picture.
_PICTURE_KEYS = ("composite", "image", "bytes", "path")
# Two letters and more: "C:" is a disk.
_ADDRESS = re.compile(r"blob:|[a-z][a-z0-9+.-]+://", re.IGNORECASE)
_OF_THE_WEB = (
    "an address, and nothing is downloaded: give its content, as of urllib.request.urlopen(address).read(), or a path"
)
_INSTEAD = {
    "blob:": "an address inside a browser, which alone can read it: send the content, such as canvas.toDataURL()",
    "file://": "the address of a file: give its path, without file://",
}
_BASE64 = re.compile(r"[A-Za-z0-9+/_\s-]+={0,2}\s*")
# Shorter text is a path; the smallest PNG has 90 letters.
_SHORTEST = 64
_IMAGE_DATA = {"width", "height", "data"}
_LONGEST_SHOWN = 200
# A data URL, and how base64 of PNG, JPEG, GIF, WebP, BMP and TIFF begins.
_BEGINNINGS = (b"data:", b"iVBOR", b"/9j/", b"R0lGOD", b"UklGR", b"Qk", b"SUkq", b"TU0A")


def image_in_bytes(data: bytes) -> bytes:
    """The bytes themselves, or those that they are the text of.

    Raises:
        ImageError: for a data URL without an image.
    """
    if not data.startswith(_BEGINNINGS) or not data.isascii():
        return data
    return image_in_text(data.decode("ascii")) or data


def image_in_text(text: str) -> bytes | None:
    """The bytes of a data URL, or of base64; ``None`` for what can only be a path.

    Raises:
        ImageError: for a data URL without an image, and for the address of a web page.
    """
    if text[:5].lower() == "data:":
        head, comma, body = text[5:].partition(",")
        packed = urllib.parse.unquote_to_bytes(body)
        content = _decoded(packed.decode("ascii", "replace")) if head.lower().endswith(";base64") else packed
        if not content:
            problem = "is empty, as that of a canvas without a size" if comma and not packed else "holds no image"
            raise ImageError(f"the data URL {shortened(text)} {problem}")
        return content
    if not text:
        raise ImageError("got an empty text, expected the path of a file, a data URL or base64")
    if address := _ADDRESS.match(text):
        raise ImageError(f"{shortened(text)} is {_INSTEAD.get(address[0].lower(), _OF_THE_WEB)}")
    if len(text) < _SHORTEST or "\0" in text or os.path.lexists(text) or not _BASE64.fullmatch(text):
        return None
    return _decoded(text)


def picture_in(fields: Mapping[str, object]) -> ImageLike:
    """The picture in a dictionary, as Gradio's editor, Hugging Face's data sets and a canvas's ``getImageData`` give one.

    Raises:
        ImageError: if there is none, or one and a mask drawn on it, or not as many numbers as its size says.
    """
    if fields.keys() >= _IMAGE_DATA:
        return _image_data(fields)
    if fields.get("image") is not None and fields.get("mask") is not None:
        raise ImageError('the dictionary has an "image" and a "mask" that was drawn on it; give one of the two')
    found = next((fields[key] for key in _PICTURE_KEYS if fields.get(key) is not None), None)
    if isinstance(found, Mapping):
        found = next((found[key] for key in _PICTURE_KEYS if found.get(key) is not None), None)
    if found is not None and not isinstance(found, Mapping):
        return cast("ImageLike", found)
    raise ImageError(
        f"a dictionary with {', '.join(map(repr, fields)) or 'nothing in it'} holds no picture; expected one as "
        f"{', '.join(map(repr, _PICTURE_KEYS))}"
    )


def _image_data(fields: Mapping[str, object]) -> np.ndarray:
    """What ``getImageData`` gives: four numbers for each pixel, which JSON turns into a dictionary by place."""
    data = fields["data"]
    values = list(data.values()) if isinstance(data, Mapping) else data
    try:
        numbers = np.frombuffer(values, np.uint8) if isinstance(values, bytes) else np.asarray(values)
        return numbers.reshape(int(str(fields["height"])), int(str(fields["width"])), 4)
    except (TypeError, ValueError) as error:
        raise ImageError(
            f"a dictionary of {shortened(str(fields['width']))} x {shortened(str(fields['height']))} pixels does not hold four "
            "numbers (red, green, blue, opacity) for each in its data"
        ) from error


def shortened(text: str) -> str:
    """A text for a message: a long one is never shown whole."""
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:60]}... ({len(text):,} characters)"


def _decoded(text: str) -> bytes | None:
    text = text.strip()
    # Where a form was taken apart, a plus has become a space; in text of several lines a space is only one.
    letters = (
        "".join((text if "\n" in text else text.replace(" ", "+")).split())
        .translate(str.maketrans("-_", "+/"))
        .rstrip("=")
    )
    try:
        return base64.b64decode(letters + "=" * (-len(letters) % 4), validate=True)
    except binascii.Error:
        return None


def rewound(source: BinaryIO) -> BinaryIO:
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
