"""What is ink and what is paper: the paper's own brightness and colour taken out, whichever of the two is darker."""

from __future__ import annotations

import functools

import cv2
import numpy as np

__all__ = ["FLAT", "find_ink", "shrink", "to_grey"]

#: Pixels of flat paper, or of any flat ground, differ by no more than this, even after compression.
FLAT = 3

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
    flat = None if widest else _flat_paper(colours)
    small = shrink(colours, _PAPER_SIDE)
    dark, light = _energies(*_levelled(small)) if flat is None else _energies(small, flat)
    ink_is_dark = bool(dark.sum() > light.sum())
    # Where a channel says otherwise, it shows a faint opposite of the ink, which would lie around it as a rim.
    agreeing = (dark > light) == ink_is_dark
    colours, small = colours[:, :, agreeing], small[:, :, agreeing]
    if not ink_is_dark:
        colours, small = 255 - colours, 255 - small
    if flat is None:
        paper = cv2.resize(_paper(small, widest), colours.shape[1::-1], interpolation=cv2.INTER_LINEAR)
        paper = paper.reshape(colours.shape)
    else:
        paper = np.full_like(colours, flat[agreeing] if ink_is_dark else 255 - flat[agreeing])
    # As a share of the light that the paper gives there: ink in a shadow is as black as ink beside it.
    ink = cv2.divide(cv2.subtract(paper, colours), np.maximum(paper, _DARKEST_PAPER), scale=255)
    return ink if ink.ndim == 2 else functools.reduce(cv2.max, cv2.split(ink))


def _is_grey(image: np.ndarray) -> bool:
    red, green, blue = cv2.split(image)
    return np.array_equal(red, green) and np.array_equal(green, blue)


def to_grey(image: np.ndarray) -> np.ndarray:
    """The brightness of an image ``(H, W)`` or ``(H, W, 3)``, uint8 ``(H, W)``."""
    return image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)


def shrink(image: np.ndarray, side: int) -> np.ndarray:
    """An image ``(H, W)`` or ``(H, W, C)`` scaled down until no side is longer than ``side``."""
    height, width = image.shape[:2]
    scale = side / max(height, width)
    if scale >= 1:
        return image
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA).reshape(size[1], size[0], *image.shape[2:])


def _flat_paper(colours: np.ndarray) -> np.ndarray | None:
    """The paper of a drawing, uint8 ``(C,)``: one value in most of each channel; ``None`` for any other picture.

    An overexposed photo may have that, too, with a shadow beside it: there, most of the rest lies between paper and ink.
    In a drawing only the edges of strokes do.
    """
    flat = np.empty(colours.shape[2], dtype=np.uint8)
    for channel, values in enumerate(cv2.split(colours)):
        counts = np.bincount(values.ravel(), minlength=256)
        paper = int(counts.argmax())
        if counts[paper] <= values.size / 2:
            return None
        distances = np.bincount(np.abs(np.arange(256) - paper), counts)
        half = max(int(np.flatnonzero(distances)[-1]) // 2, FLAT)
        if distances[FLAT + 1 : half + 1].sum() > distances[half + 1 :].sum():
            return None
        flat[channel] = paper
    return flat


def _levelled(small: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """An image evenly lit, and the median of a wide neighbourhood of each pixel, most of which is paper."""
    small = _without_slope(small)
    reach = max(1, round(0.3 * max(small.shape)))
    # Mirrored: a dark line along the border stays a line.
    padded = _pad(small, reach, cv2.BORDER_REFLECT)
    median = np.dstack([cv2.medianBlur(channel, 2 * reach + 1) for channel in cv2.split(padded)])
    return small, median[reach:-reach, reach:-reach]


def _energies(small: np.ndarray, paper: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For each channel, how much lies below and above the paper."""
    difference = small.astype(np.float32) - paper
    return (np.minimum(difference, 0) ** 2).sum(axis=(0, 1)), (np.maximum(difference, 0) ** 2).sum(axis=(0, 1))


def _without_slope(small: np.ndarray) -> np.ndarray:
    """Each channel without the plane through its paper: lit from one side, half of the paper lies below any median."""
    coarse = shrink(small, _PLANE_SIDE)
    places, everywhere = _places(*coarse.shape[:2]), _places(*small.shape[:2])
    level = np.empty_like(small)
    for channel in range(small.shape[2]):
        plane = _fit_plane(places, coarse[:, :, channel].ravel().astype(np.float64))
        slope = (plane[1:] @ everywhere[1:]).reshape(small.shape[:2])
        level[:, :, channel] = np.clip(small[:, :, channel] - slope, 0, 255)
    return level


def _fit_plane(places: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Its three coefficients, by the normal equations: of three unknowns they are exact enough, and quick."""

    def fit(weights: np.ndarray) -> np.ndarray:
        weighted = places * weights
        plane: np.ndarray = np.linalg.lstsq(weighted @ places.T, weighted @ values, rcond=None)[0]
        return plane

    plane = fit(np.ones(len(values)))
    for _ in range(_PLANE_FITS - 1):
        distance = np.abs(values - plane @ places)
        plane = fit((distance <= 2 * np.median(distance) + 1).astype(np.float64))
    return plane


@functools.lru_cache(maxsize=16)
def _places(height: int, width: int) -> np.ndarray:
    """1, x and y of each pixel, from -1 to 1, ``(3, height * width)``."""
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    return np.stack([np.ones(height * width), x.ravel(), y.ravel()])


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
