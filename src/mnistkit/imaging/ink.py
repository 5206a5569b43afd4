"""What is ink and what is paper: the paper's own brightness and colour taken out, whichever of the two is darker."""

from __future__ import annotations

import functools

import cv2
import numpy as np

__all__ = ["find_ink", "shrink"]

# Paper, light and shadow change slowly: an image this large shows all of that.
_PAPER_SIDE = 96
# No stroke is wider than this share of the image's longer side; a digit cut out or drawn small may be one blot.
_WIDEST_STROKE, _WIDEST_IN_SMALL, _SMALL_SIDE = 0.3, 0.6, 64
# The plane through the paper is fitted to an image this small, again and again without what lies far from it: ink.
_PLANE_SIDE, _PLANE_FITS = 32, 3
# In darker places there is nothing but noise to make more of.
_DARKEST_PAPER = 64


def find_ink(image: np.ndarray, *, widest: float | None = None) -> np.ndarray:
    """How much each pixel differs from the paper around it, in the direction in which ink does.

    The paper's brightness is estimated everywhere, so that light gradients and soft shadows fall away. Colours count by
    the channel that shows the ink best: red on green of the same brightness is ink too.

    Args:
        image: uint8 ``(H, W)`` or ``(H, W, 3)``.
        widest: how wide a stroke may be, as a share of the image's longer side; by default three tenths, more in small
            images. What is wider is paper.

    Returns:
        uint8 ``(H, W)``: 0 is paper, 255 black ink on any paper.
    """
    colours = image[:, :, None] if image.ndim == 2 else image[:, :, :1] if _is_grey(image) else image
    small = shrink(colours, _PAPER_SIDE)
    dark, light = _energies(small)
    ink_is_dark = bool(dark.sum() > light.sum())
    # Where a channel says otherwise, it shows a faint opposite of the ink, which would lie around it as a rim.
    agreeing = (dark > light) == ink_is_dark
    colours, small = colours[:, :, agreeing], small[:, :, agreeing]
    if not ink_is_dark:
        colours, small = 255 - colours, 255 - small
    paper = cv2.resize(_paper(small, widest), colours.shape[1::-1], interpolation=cv2.INTER_LINEAR).reshape(
        colours.shape
    )
    # As a share of the light that the paper gives there: ink in a shadow is as black as ink beside it.
    ink = cv2.divide(cv2.subtract(paper, colours), np.maximum(paper, _DARKEST_PAPER), scale=255)
    return ink if ink.ndim == 2 else functools.reduce(cv2.max, cv2.split(ink))


def _is_grey(image: np.ndarray) -> bool:
    red, green, blue = cv2.split(image)
    return np.array_equal(red, green) and np.array_equal(green, blue)


def shrink(image: np.ndarray, side: int) -> np.ndarray:
    """An image ``(H, W)`` or ``(H, W, C)`` scaled down until no side is longer than ``side``."""
    height, width = image.shape[:2]
    scale = side / max(height, width)
    if scale >= 1:
        return image
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA).reshape(size[1], size[0], *image.shape[2:])


def _energies(small: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For each channel, how much lies below and above the median of a wide neighbourhood, most of which is paper."""
    small = _without_slope(small)
    reach = max(1, round(0.3 * max(small.shape)))
    # Mirrored: a dark line along the border stays a line.
    padded = _pad(small, reach, cv2.BORDER_REFLECT)
    median = np.dstack([cv2.medianBlur(channel, 2 * reach + 1) for channel in cv2.split(padded)])
    difference = small.astype(np.float32) - median[reach:-reach, reach:-reach]
    return (np.minimum(difference, 0) ** 2).sum(axis=(0, 1)), (np.maximum(difference, 0) ** 2).sum(axis=(0, 1))


def _without_slope(small: np.ndarray) -> np.ndarray:
    """Each channel without the plane through its paper: lit from one side, half of the paper lies below any median."""
    coarse = shrink(small, _PLANE_SIDE)
    near_places, all_places = _places(coarse), _places(small)
    level = np.empty_like(small)
    for channel in range(small.shape[2]):
        values = coarse[:, :, channel].ravel().astype(np.float64)
        near = np.ones(len(values), dtype=np.bool_)
        for _ in range(_PLANE_FITS):
            plane = np.linalg.lstsq(near_places[near], values[near], rcond=None)[0]
            distance = np.abs(values - near_places @ plane)
            near = distance <= 2 * np.median(distance) + 1
        slope = (all_places[:, 1:] @ plane[1:]).reshape(small.shape[:2])
        level[:, :, channel] = np.clip(small[:, :, channel] - slope, 0, 255).astype(np.uint8)
    return level


def _places(image: np.ndarray) -> np.ndarray:
    """1, x and y of each pixel, from -1 to 1, ``(H * W, 3)``."""
    height, width = image.shape[:2]
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    return np.stack([np.ones(height * width), x.ravel(), y.ravel()], axis=1)


def _paper(small: np.ndarray, widest: float | None) -> np.ndarray:
    """The paper under dark ink: what is left when everything narrower than a stroke can be is filled."""
    side = max(small.shape[:2])
    usual = _WIDEST_STROKE if side > _SMALL_SIDE else _WIDEST_IN_SMALL
    reach = max(2, round((widest or usual) * side))
    # Continued: a slope of light mirrored at its dark end would be a valley, and be filled.
    padded = _pad(small, reach, cv2.BORDER_REPLICATE)
    if side == _PAPER_SIDE:
        padded = cv2.medianBlur(padded, 3)  # Single bright pixels of a photo would raise the paper around them.
    disk = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (reach | 1, reach | 1))
    closed = cv2.morphologyEx(padded, cv2.MORPH_CLOSE, disk)
    smooth = cv2.GaussianBlur(closed, (0, 0), max(0.5, side / 32)).reshape(padded.shape)
    return smooth[reach:-reach, reach:-reach]


def _pad(small: np.ndarray, reach: int, border: int) -> np.ndarray:
    padded = cv2.copyMakeBorder(np.ascontiguousarray(small), reach, reach, reach, reach, border)
    return padded.reshape(*padded.shape[:2], small.shape[2])
