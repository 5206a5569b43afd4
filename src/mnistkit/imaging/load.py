"""From anything that holds one image to an array of uint8: files, bytes, PIL images, arrays, tensors."""

from __future__ import annotations

import contextlib
import io
import math
import os
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Literal, cast

import numpy as np
import PIL.Image

from mnistkit.errors import ImageError
from mnistkit.imaging.exif import hide_exif, turn_upright
from mnistkit.types import ImageLike

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["IMAGE_SUFFIXES", "MAX_PIXELS", "image_files", "load_image", "to_numpy"]

#: The largest image that is decoded, in pixels: 80 megapixels, for which decoding takes up to two gigabytes of memory.
MAX_PIXELS = 80_000_000
#: How the names of image files end, in small letters.
IMAGE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".ppm", ".pgm"})

_ROWS = 256


def image_files(folder: str | os.PathLike[str]) -> list[Path]:
    """The images in a folder and those below it, in the order of their paths."""
    return [
        file
        for file in sorted(Path(folder).rglob("*"))
        # Not hidden ones: macOS leaves a "._7.png" beside each 7.png that it copies to a memory stick.
        if file.suffix.lower() in IMAGE_SUFFIXES and not file.name.startswith(".") and not file.is_dir()
    ]


def load_image(image: ImageLike, *, channels: Literal[1, 3] = 1, side: int | None = None) -> np.ndarray:
    """Read one image upright, its transparency resolved, 8 bits deep.

    Args:
        image: a path, encoded bytes, a binary file object, a PIL image, an array ``(H, W)`` or ``(H, W, C)``, or a tensor
            ``(H, W)`` or ``(C, H, W)``, with 1 to 4 channels (grey, grey and alpha, RGB, RGBA). Numbers are uint8 (0 to
            255), uint16 (0 to 65535), other integers (0 to 255), booleans or floats (0 to 1).
        channels: 1 for grey, 3 for colour.
        side: the least that is needed of the longer side, in pixels: a larger JPEG is decoded at a half, a quarter or
            an eighth of its size, in a fraction of the time.

    Returns:
        uint8 ``(H, W)`` or ``(H, W, 3)``.

    Raises:
        ImageError: if it is no image, is damaged, empty, larger than ``MAX_PIXELS``, or has other numbers.
    """
    picture = _open(image, side)
    _require_size(*picture.size)
    try:
        opaque = _without_alpha(_to_8_bits(turn_upright(picture)))
        return np.asarray(opaque.convert("L" if channels == 1 else "RGB"))
    except Exception as error:  # a PIL image may be decoded only here; see _decode
        raise ImageError(f"the image is damaged, or its file is closed: {_reason(error)}") from error


def to_numpy(image: np.ndarray | Tensor | object) -> np.ndarray:
    """An array as it is; a tensor's copy on the CPU, with the channels last."""
    if isinstance(image, np.ndarray):
        # Masked arrays and matrices calculate otherwise.
        return np.asarray(image)
    try:
        tensor = cast("Tensor", image).detach().cpu()
        # numpy has no bfloat16.
        array: np.ndarray = (tensor.float() if str(tensor.dtype) == "torch.bfloat16" else tensor).numpy()
    except (TypeError, RuntimeError) as error:
        raise ImageError(f"this {type(image).__name__} has no pixels to read: {error}") from error
    return np.moveaxis(array, -3, -1) if array.ndim >= 3 else array


def _open(image: ImageLike, side: int | None) -> PIL.Image.Image:
    if isinstance(image, PIL.Image.Image):
        return image
    if isinstance(image, (str, os.PathLike, bytes, bytearray)) or hasattr(image, "read"):
        return _decode(cast("str | os.PathLike[str] | bytes | BinaryIO", image), side)
    if isinstance(image, np.ndarray) or hasattr(image, "detach"):
        return _from_array(to_numpy(image), tuple(image.shape))
    raise ImageError(
        f"{type(image).__name__} is not a kind of image; expected a path, bytes, a binary file, a PIL image, an array or a "
        "tensor"
    )


def _decode(source: str | os.PathLike[str] | bytes | BinaryIO, side: int | None) -> PIL.Image.Image:
    name = os.fsdecode(source) if isinstance(source, (str, os.PathLike)) else f"this {type(source).__name__}"
    try:
        with contextlib.ExitStack() as opened:
            if isinstance(source, (bytes, bytearray)):
                file: BinaryIO = io.BytesIO(source)
            elif isinstance(source, (str, os.PathLike)):
                # Pillow leaves the files of damaged and of animated images open.
                file = opened.enter_context(Path(name).open("rb"))
            else:
                file = source
            file, exif = hide_exif(file)
            picture = PIL.Image.open(file)
            _require_size(*picture.size)
            if picture.format == "EPS":
                raise ImageError("it is PostScript, a program that would have to be run; save it as PNG")
            if side is not None:
                scale = side / max(picture.size)
                picture.draft(None, (math.ceil(picture.width * scale), math.ceil(picture.height * scale)))
            picture.load()
            if exif is not None:
                picture.info["exif"] = exif
    except FileNotFoundError as error:
        raise ImageError(f"there is no image file {name}") from error
    except PIL.UnidentifiedImageError as error:
        raise ImageError(f"{name} is not an image that can be read (PNG, JPEG, BMP, GIF, TIFF, WebP ...)") from error
    except (PIL.Image.DecompressionBombError, PIL.Image.DecompressionBombWarning) as error:
        raise ImageError(f"{name} is larger than {MAX_PIXELS // 10**6} megapixels; scale it down") from error
    except Exception as error:  # the decoders of damaged files raise whatever they stumble over
        raise ImageError(f"{name} cannot be read as an image: {_reason(error)}") from error
    return picture


def _reason(error: Exception) -> str:
    return str(error) or type(error).__name__


def _require_size(width: int, height: int) -> None:
    if width < 1 or height < 1:
        raise ImageError(f"the image is empty: {width}x{height} pixels")
    if width * height > MAX_PIXELS:
        raise ImageError(f"the image has {width}x{height} pixels, over {MAX_PIXELS // 10**6} megapixels; scale it down")


def _from_array(array: np.ndarray, shape: tuple[int, ...]) -> PIL.Image.Image:
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (1, 2, 3, 4)):
        raise ImageError(
            f"got an image of shape {shape}, expected (H, W) or (H, W, C) with 1 to 4 channels (a tensor: (C, H, W))"
        )
    _require_size(array.shape[1], array.shape[0])
    pixels = _to_uint8(array)
    return PIL.Image.fromarray(pixels[:, :, 0] if pixels.ndim == 3 and pixels.shape[2] == 1 else pixels)


def _to_uint8(array: np.ndarray) -> np.ndarray:
    if array.dtype == np.uint8:
        return np.ascontiguousarray(array)
    if array.dtype == np.bool_:
        return array.astype(np.uint8) * 255
    if array.dtype.kind == "u" and array.dtype.itemsize == 2:
        return (array // 257).astype(np.uint8)
    if array.dtype.kind not in "uif":
        raise ImageError(f"got {array.dtype} pixels, expected real numbers: uint8, or floats from 0 to 1")
    low, high = float(array.min()), float(array.max())
    if np.issubdtype(array.dtype, np.integer) and low >= 0 and high <= 255:
        return array.astype(np.uint8)
    if np.issubdtype(array.dtype, np.floating) and low >= 0 and high <= 1:
        return np.rint(array.astype(np.float32) * 255).astype(np.uint8)
    expected = "0 to 1 for floats, 0 to 255 for integers"
    if np.issubdtype(array.dtype, np.floating) and low >= 0 and 1 < high <= 255:
        hint = "; these look like 0 to 255: convert them to uint8"
    elif np.issubdtype(array.dtype, np.floating) and low < 0:
        hint = "; if the image is normalised, give it as it was before"
    else:
        hint = ""
    raise ImageError(f"got {array.dtype} pixels from {low:g} to {high:g}, expected {expected}{hint}")


def _to_8_bits(picture: PIL.Image.Image) -> PIL.Image.Image:
    """Palette, 16-bit and float images in a form that has 8 bits a channel, alpha included."""
    if picture.mode in {"P", "PA"}:
        return picture.convert("RGBA")
    if picture.mode.startswith("I") or picture.mode == "F":
        values = np.asarray(picture)
        low, high = float(values.min()), float(values.max())
        if not math.isfinite(low) or not math.isfinite(high):
            raise ValueError("it has pixels that are not numbers")
        # 16 bits if anything needs them; TIFF also has floats from 0 to 1.
        white = 65535.0 if high > 255 else 255.0 if high > 1 or picture.mode != "F" else 1.0
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


def _without_alpha(picture: PIL.Image.Image) -> PIL.Image.Image:
    """On a background that the visible pixels stand out from: white under dark ink, black under light."""
    if "A" not in picture.getbands():
        return picture
    alpha = np.asarray(picture.getchannel("A"))
    if alpha.min() == 255:
        return picture.convert("RGB")
    grey = np.asarray(picture.convert("LA").getchannel("L"))
    # einsum needs no room for the products.
    visible = int(np.einsum("ij,ij->", grey, alpha, dtype=np.int64)) / max(int(alpha.sum(dtype=np.int64)), 1)
    background = PIL.Image.new("RGBA", picture.size, (255, 255, 255, 255) if visible < 128 else (0, 0, 0, 255))
    return PIL.Image.alpha_composite(background, picture.convert("RGBA")).convert("RGB")
