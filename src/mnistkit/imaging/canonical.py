"""MNIST's own frame: strokes of MNIST's width, fitted into 20x20 with their aspect kept, centred by mass in 28x28.

The makers' procedure (LeCun et al. 1998, section III.A), in the exact form that MNIST's images have: of the test images,
all but three have an ink box whose longer side is 20 pixels, and every one has its centre of mass within half a pixel of
(14, 14), counted from 0. Such a frame on flat paper comes out as it went in.
"""

from __future__ import annotations

import contextlib
import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np

from mnistkit.errors import BlankImageError, ConfigError, unknown_name
from mnistkit.imaging.digit import find_candidates
from mnistkit.imaging.ink import find_ink, shrink
from mnistkit.imaging.load import load_image
from mnistkit.imaging.parts import Parts, find_parts
from mnistkit.imaging.sheet import cut_inset, find_sheet, is_sheet, on_sheet
from mnistkit.types import ImageLike

__all__ = ["WORK_SIDE", "Stages", "frame_image", "frame_in_stages", "frame_ink", "load_for_frame", "propose"]

# The share of a 28-pixel frame that the ink's longer side takes.
_BOX = 20 / 28
# Larger images are scaled down to this side first: strokes stay several pixels wide, and everything after is quick.
WORK_SIDE = 480
# Stroke width is measured and changed at this size of the digit's longer side, in these units: MNIST has 10 to 20.
_STROKE_SIDE, _THINNEST, _THICKEST = 100, 10.0, 22.0
_THIN_TARGET, _THICK_TARGET = 12.0, 19.0
_FULL_CONTRAST = 250
# Of each opinion on what is ink, so many pieces may be the digit.
_MOST_PIECES = 3
# What is strong ink, as a share of the strongest; and how wide the strokes of a thin pen, as a share of the picture.
_STRONG, _THIN_PEN = 0.5, 0.08


def load_for_frame(
    image: ImageLike, *, size: tuple[int, int], framing: Literal["mnist", "resize"], channels: int
) -> np.ndarray:
    """Read an image in the size and colours from which a frame is made: one way for training and for prediction.

    Args:
        image: as :func:`load_image` takes it.
        size: height and width of the frame.
        framing: how the frame will be made.
        channels: that the frame will have.

    Returns:
        uint8 ``(H, W)`` or ``(H, W, 3)``.

    Raises:
        ImageError: if it cannot be read.
    """
    if framing == "mnist":
        # The ink may stand out by its colour alone.
        return load_image(image, channels=None, side=WORK_SIDE)
    return load_image(image, channels=3 if channels == 3 else 1, side=4 * max(size))


def frame_image(image: np.ndarray, *, size: tuple[int, int] = (28, 28), framing: str = "mnist") -> np.ndarray:
    """Bring an image to a frame of the kind that a model was trained on.

    Args:
        image: uint8 ``(H, W)`` or ``(H, W, 3)``.
        size: height and width of the frame.
        framing: ``"mnist"`` finds the ink, whatever its colour and the paper's, and frames it as MNIST's makers did;
            ``"resize"`` takes the whole image, and turns a dark subject on a light ground into the reverse if it is grey.

    Returns:
        uint8 ``(C, height, width)``; with ``"mnist"`` one channel, white ink on black.

    Raises:
        BlankImageError: if there is no ink to frame.
        ConfigError: for an unknown framing.
    """
    if framing == "resize":
        return _resize(image, size)
    if framing != "mnist":
        raise ConfigError(unknown_name("framing", framing, ["mnist", "resize"]))
    return frame_in_stages(image, size=size).frame[None]


@dataclass(frozen=True)
class Stages:
    """A picture on its way to MNIST's frame, every stage a picture itself.

    Attributes:
        picture: what was looked at, uint8 ``(H, W)`` or ``(H, W, 3)``: the image, scaled down if it is large.
        ink: what differs from its paper, uint8 ``(H, W)``.
        digit: the ink that was taken for the digit, uint8 ``(H, W)``.
        strokes: the same, cut out and brought to MNIST's stroke width, uint8.
        frame: uint8 ``(height, width)``, white ink on black.
        share: of all the ink in the picture, what the digit has.
        framed: whether the picture was such a frame already, in which there is nothing else to find.
    """

    picture: np.ndarray
    ink: np.ndarray
    digit: np.ndarray
    strokes: np.ndarray
    frame: np.ndarray
    share: float
    framed: bool = False

    def pictures(self) -> dict[str, np.ndarray]:
        """All stages by name, in order."""
        return {name: value for name, value in vars(self).items() if isinstance(value, np.ndarray)}


def frame_in_stages(image: np.ndarray, *, size: tuple[int, int] = (28, 28)) -> Stages:
    """Bring an image to MNIST's frame as :func:`frame_image` does, and keep what it was on the way.

    Raises:
        BlankImageError: if there is no ink to frame.
    """
    return next(_proposals(image, size))


def propose(image: np.ndarray, *, size: tuple[int, int] = (28, 28)) -> list[Stages]:
    """All that may be the digit, each brought to MNIST's frame: for a network to choose from.

    The likeliest first, which is that of :func:`frame_in_stages`; then other pieces of ink, and those of other opinions on
    what is ink and what paper. It takes several times as long as the first alone.

    Raises:
        BlankImageError: if there is no ink to frame.
    """
    return list(_proposals(image, size))


def _proposals(image: np.ndarray, size: tuple[int, int]) -> Iterator[Stages]:
    picture = shrink(image, WORK_SIDE)
    ink = find_ink(picture)
    strokes = _cut(ink, ink > 0)
    # White on black, or the reverse, in the right size: a frame already, and nothing to gain.
    if max(strokes.shape) == _box(size) and ink.max() >= _FULL_CONTRAST:
        yield Stages(picture, ink, ink, strokes, _center(strokes, size), 1.0, framed=True)
        return
    looks = _looks(picture, ink, size)
    if (inset := cut_inset(picture)) is not None:
        looks = itertools.chain(_if_any(_framed(inset, find_ink(inset), size)), looks)
    yield next(looks)
    # Something was found: no further look can make the picture a blank one.
    yield from _if_any(looks)


def _looks(picture: np.ndarray, ink: np.ndarray, size: tuple[int, int]) -> Iterator[Stages]:
    """At one picture and its ink; the first raises BlankImageError if there is nothing."""
    parts = find_parts(ink)
    candidates = _candidates(picture, parts, size)
    first = next(candidates)
    if is_sheet(first.digit):
        sheet = on_sheet(picture, first.digit)
        yield from _if_any(_framed(sheet, find_ink(sheet), size))
    yield first
    yield from candidates
    for other_picture, other_ink in _other_opinions(picture, parts):
        yield from _if_any(_framed(other_picture, other_ink, size))


def _if_any(looks: Iterator[Stages]) -> Iterator[Stages]:
    """Until there is nothing more to see."""
    with contextlib.suppress(BlankImageError):
        yield from looks


def _framed(picture: np.ndarray, ink: np.ndarray, size: tuple[int, int]) -> Iterator[Stages]:
    """Each candidate of a picture; the first raises BlankImageError if there is nothing."""
    yield from _candidates(picture, find_parts(ink), size)


def _candidates(picture: np.ndarray, parts: Parts, size: tuple[int, int]) -> Iterator[Stages]:
    ink = parts.ink
    for mask, share in itertools.islice(find_candidates(parts), _MOST_PIECES):
        strokes = _strokes(ink, mask)
        frame = _fit_and_center(strokes, size)
        yield Stages(picture, ink, np.where(mask, ink, 0), strokes.astype(np.uint8), frame, share)


def _other_opinions(picture: np.ndarray, parts: Parts) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """What may be ink if the first opinion showed no digit: pictures, and their ink."""
    ink = parts.ink
    # Only the strongest: the rest is a stain or a sheet.
    yield picture, np.where(ink > _STRONG * float(ink.max()), ink, 0).astype(np.uint8)
    # Only what is thin: the rest is a shadow.
    yield picture, find_ink(picture, widest=_THIN_PEN)
    if (sheet := find_sheet(parts)) is not None:
        yield picture[sheet.pixels], find_ink(picture[sheet.pixels])


def frame_ink(ink: np.ndarray, mask: np.ndarray, *, size: tuple[int, int] = (28, 28)) -> np.ndarray:
    """Bring chosen ink to MNIST's frame, all of it, whether it is a digit or not.

    Args:
        ink: uint8 ``(H, W)``, as :func:`find_ink` gives it.
        mask: bool ``(H, W)``: the pixels that count; at least one.
        size: height and width of the frame.

    Returns:
        uint8 ``(1, height, width)``, white ink on black.
    """
    return _fit_and_center(_strokes(ink, mask), size)[None]


def _strokes(ink: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Chosen ink cut out, at full strength and with strokes of MNIST's width, float32."""
    return _adjust_strokes(_level(_cut(ink, mask), _cut(mask, mask)))


def _cut(values: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """The part of an array inside the bounding box of a mask."""
    left, top, width, height = cv2.boundingRect(mask.astype(np.uint8))
    return values[top : top + height, left : left + width]


def _level(ink: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Ink of the digit only, with a typical pixel of a stroke at full strength: pencil becomes as white as a marker."""
    strengths = ink[mask]
    # The 80th percentile: np.percentile imports numpy.ma, which a program's first answer would wait for.
    part, below = math.modf(0.8 * (len(strengths) - 1))
    places = int(below), min(int(below) + 1, len(strengths) - 1)
    lower, upper = np.partition(strengths, places)[list(places)].tolist()
    typical = part * (upper - lower) + lower
    near = cv2.dilate(mask.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    return np.where(near, np.minimum(ink * (255 / typical), 255), 0).astype(np.float32)


def _adjust_strokes(ink: np.ndarray) -> np.ndarray:
    """Hairlines thickened and markers thinned to what MNIST has; anything between is left as it is."""
    scale = _STROKE_SIDE / max(ink.shape)
    size = max(1, round(ink.shape[1] * scale)), max(1, round(ink.shape[0] * scale))
    large = cv2.resize(ink, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    margin = round(_THIN_TARGET)
    large = cv2.copyMakeBorder(large, margin, margin, margin, margin, cv2.BORDER_CONSTANT)
    # In a stripe the distances to the edge run from 0 to half its width: their mean is a quarter of it.
    distances = cv2.distanceTransform((large > 127).astype(np.uint8), cv2.DIST_L2, 5)
    count = cv2.countNonZero(distances)
    width = 4 * cv2.sumElems(distances)[0] / count if count else 1.0
    if width < _THINNEST:
        changed = cv2.dilate(large, _disk(_THIN_TARGET - width))
    elif width > _THICKEST:
        changed = cv2.erode(large, _disk(width - _THICK_TARGET))
    else:
        return ink
    return _cut(changed, changed > 64) if changed.max() > 64 else ink


def _disk(diameter: float) -> np.ndarray:
    side = max(1, round(diameter)) | 1
    disk: np.ndarray = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
    return disk


def _box(size: tuple[int, int]) -> int:
    """The ink's longer side in a frame of this size."""
    return round(min(size) * _BOX)


def _fit_and_center(strokes: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    return _center(_fit(strokes, _box(size)), size)


def _fit(ink: np.ndarray, box: int) -> np.ndarray:
    """Scaled so that the longer side has ``box`` pixels."""
    scale = box / max(ink.shape)
    size = max(1, round(ink.shape[1] * scale)), max(1, round(ink.shape[0] * scale))
    # Averaging over whole areas: the faithful way down, which loses no thin stroke between samples.
    scaled: np.ndarray = cv2.resize(ink, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
    strongest = max(float(scaled.max()), 1.0)
    gain = max(255 / strongest, 1.0)
    return (scaled * gain).clip(0, 255)


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
    pixels = cv2.resize(image, (size[1], size[0]), interpolation=cv2.INTER_AREA)
    return pixels[None] if pixels.ndim == 2 else np.moveaxis(pixels, -1, 0)
