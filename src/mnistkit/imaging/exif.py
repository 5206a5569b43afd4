"""Which way up a photo is, by EXIF or XMP. Pillow knows, but warns of damaged EXIF: its warnings are the program's to filter."""

from __future__ import annotations

import re
import struct

import PIL.Image
import PIL.ImageOps

__all__ = ["hide_exif", "turn_upright"]

# The start of a segment of a JPEG, and the name of what is in it: EXIF, or the list of a stereo camera's pictures.
_SEGMENT = re.compile(rb"\xff(?:\xe1(?P<length>..)Exif\0\0|\xe2..MPF\0)", re.DOTALL)
_ORIENTATION, _SHORT = 0x0112, 3
_XMP = re.compile(r"tiff:Orientation\s*(?:=\s*[\"']|>)\s*([1-8])")
# What brings the picture upright, for each value of the tag (Exif 2.3, "Orientation").
_TURNS = {
    2: PIL.Image.Transpose.FLIP_LEFT_RIGHT,
    3: PIL.Image.Transpose.ROTATE_180,
    4: PIL.Image.Transpose.FLIP_TOP_BOTTOM,
    5: PIL.Image.Transpose.TRANSPOSE,
    6: PIL.Image.Transpose.ROTATE_270,
    7: PIL.Image.Transpose.TRANSVERSE,
    8: PIL.Image.Transpose.ROTATE_90,
}


def hide_exif(jpeg: bytes) -> tuple[bytes, bytes | None]:
    """A JPEG without what Pillow would look at when it opens it, and its EXIF, if there is any."""
    exif = None
    if (segment := _SEGMENT.search(jpeg)) is not None and segment["length"] is not None:
        exif = jpeg[segment.start() + 4 : segment.start() + 2 + int.from_bytes(segment["length"], "big")]
    return _SEGMENT.sub(lambda found: found[0][:4] + b"none" + found[0][8:], jpeg), exif


def turn_upright(picture: PIL.Image.Image) -> PIL.Image.Image:
    """As its EXIF or else its XMP says; as it is where that is damaged."""
    exif = picture.info.get("exif")
    if isinstance(exif, bytes):
        turn = _TURNS.get(_orientation(exif) or _orientation_in_xmp(picture))
        return picture if turn is None else picture.transpose(turn)
    try:
        return PIL.ImageOps.exif_transpose(picture)
    except Warning:  # the host program makes errors of warnings, and this one is about metadata
        return picture


def _orientation(exif: bytes) -> int:
    """The tag in the first directory of the EXIF; 0 where there is none."""
    tiff = exif.removeprefix(b"Exif\0\0")
    order = {b"II": "<", b"MM": ">"}.get(tiff[:2])
    if order is None:
        return 0
    try:
        (start,) = struct.unpack_from(order + "I", tiff, 4)
        (entries,) = struct.unpack_from(order + "H", tiff, start)
        for entry in range(start + 2, start + 2 + 12 * entries, 12):
            tag, kind, _, value = struct.unpack_from(order + "HHIH", tiff, entry)
            if (tag, kind) == (_ORIENTATION, _SHORT):
                return int(value)
    except struct.error:  # it ends before it says so
        pass
    return 0


def _orientation_in_xmp(picture: PIL.Image.Image) -> int:
    """The same tag where programs that edit photos write it; 0 where there is none."""
    packets = (picture.info.get(name) for name in ("xmp", "XML:com.adobe.xmp"))
    texts = (packet.decode("latin-1") if isinstance(packet, bytes) else str(packet) for packet in packets)
    found = next(filter(None, map(_XMP.search, texts)), None)
    return 0 if found is None else int(found[1])
