"""MNIST's own frame: the ink fitted into 20x20 with its aspect kept, then centred by mass in 28x28.

The makers' procedure (LeCun et al. 1998, section III.A), in the exact form that MNIST's images have: of the test images,
all but three have an ink box whose longer side is 20 pixels, and every one has its centre of mass within half a pixel of
(14, 14), counted from 0. An image that is such a frame already comes out as it went in.
"""

from __future__ import annotations

import numpy as np
import PIL.Image

from mnistkit.errors import BlankImageError, ConfigError
from mnistkit.imaging.ink import find_ink

__all__ = ["frame_image"]


def frame_image(image: np.ndarray, *, size: tuple[int, int] = (28, 28), framing: str = "mnist") -> np.ndarray:
    """Bring an image to a frame of the kind that a model was trained on.

    Args:
        image: uint8 ``(H, W)`` or, with ``framing="resize"``, ``(H, W, 3)``.
        size: height and width of the frame.
        framing: ``"mnist"`` finds the ink, whatever its colour, and frames it as MNIST's makers did; ``"resize"`` takes
            the whole image, and turns a dark subject on a light ground into a light one on a dark ground.

    Returns:
        uint8 ``(C, height, width)``.

    Raises:
        BlankImageError: if there is no ink to frame.
        ConfigError: for an unknown framing, or colour with ``"mnist"``.
    """
    if framing == "resize":
        return _resize(image, size)
    if framing != "mnist" or image.ndim != 2:
        raise ConfigError(f"cannot frame a {image.ndim}-dimensional image with {framing!r}; 'mnist' takes grey images")
    return _center(_fit(find_ink(image), size), size)[None]


def _fit(ink: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The ink's bounding box, scaled so that its longer side is 20/28 of the frame."""
    rows, columns = np.flatnonzero(ink.any(axis=1)), np.flatnonzero(ink.any(axis=0))
    if not len(rows):
        raise BlankImageError("the image is blank: no pixel stands out from its paper")
    box = ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    longest, target = max(box.shape), round(min(size) * 20 / 28)
    if longest == target:
        return box
    height, width = (max(1, round(side * target / longest)) for side in box.shape)
    # Averaging over whole areas: the faithful way down, which loses no thin stroke between samples.
    method = PIL.Image.Resampling.BOX if longest > target else PIL.Image.Resampling.BICUBIC
    scaled = np.asarray(PIL.Image.fromarray(box).resize((width, height), method))
    return np.clip(scaled * (float(ink.max()) / max(float(scaled.max()), 1.0)), 0, 255)


def _center(ink: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Pasted so that the centre of mass lies in the frame's middle, as far as the ink stays inside."""
    frame = np.zeros(size, dtype=np.uint8)
    mass = ink.sum()
    places = []
    for axis, (length, side) in enumerate(zip(ink.shape, size, strict=True)):
        center = float((ink.sum(axis=1 - axis) * np.arange(length)).sum() / mass)
        places.append(min(max(round(side / 2 - center), 0), side - length))
    top, left = places
    frame[top : top + ink.shape[0], left : left + ink.shape[1]] = np.rint(ink).astype(np.uint8)
    return frame


def _resize(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    edge = np.concatenate([image[0], image[-1], image[:, 0], image[:, -1]])
    if image.ndim == 2 and np.median(edge) > 127:
        image = 255 - image
    picture = PIL.Image.fromarray(image).resize((size[1], size[0]), PIL.Image.Resampling.BOX)
    pixels = np.asarray(picture)
    return pixels[None] if pixels.ndim == 2 else np.moveaxis(pixels, -1, 0)
