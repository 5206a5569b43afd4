"""Pictures of all the modes that Pillow has, as 8 bits a channel without transparency."""

from __future__ import annotations

import math

import numpy as np
import PIL.Image

from mnistkit.imaging.pixels import white_of_integers

__all__ = ["to_8_bits", "without_alpha"]

_ROWS = 256


def to_8_bits(picture: PIL.Image.Image) -> PIL.Image.Image:
    """Palette, 16-bit and float images in a form that has 8 bits a channel, alpha included."""
    if picture.mode in {"P", "PA"}:
        return picture.convert("RGBA")
    if picture.mode.startswith("I") or picture.mode == "F":
        values = np.asarray(picture)
        low, high = float(values.min()), float(values.max())
        if not math.isfinite(low) or not math.isfinite(high):
            raise ValueError("it has pixels that are not numbers")
        # TIFF has floats of every range.
        white = white_of_integers(high) if picture.mode != "F" or high > 1 else 1
        # A few rows at a time: in 64 bits a large picture takes a gigabyte.
        rows = np.array_split(values, range(_ROWS, len(values), _ROWS))
        scaled = [np.clip(part.astype(np.float64) * (255 / white), 0, 255).astype(np.uint8) for part in rows]
        return PIL.Image.fromarray(np.concatenate(scaled))
    if picture.mode not in {"1", "L", "LA", "RGB", "RGBA"}:
        # A small "a" stands for colours multiplied by their opacity.
        return picture.convert({"La": "LA", "RGBa": "RGBA"}.get(picture.mode, "RGB"))
    if picture.mode in {"L", "RGB", "1"} and "transparency" in picture.info:
        return picture.convert("RGBA")
    return picture


def without_alpha(picture: PIL.Image.Image) -> PIL.Image.Image:
    """On a background that the visible pixels stand out from: white under dark ink, black under light; or opaque already."""
    if "A" not in picture.getbands():
        return picture
    if picture.getextrema()[-1] == (255, 255):
        return picture
    alpha = np.asarray(picture.getchannel("A"))
    grey = np.asarray(picture.convert("LA").getchannel("L"))
    # einsum needs no room for the products.
    visible = int(np.einsum("ij,ij->", grey, alpha, dtype=np.int64)) / max(int(alpha.sum(dtype=np.int64)), 1)
    background = PIL.Image.new("RGBA", picture.size, (255, 255, 255, 255) if visible < 128 else (0, 0, 0, 255))
    return PIL.Image.alpha_composite(background, picture.convert("RGBA")).convert("RGB")
