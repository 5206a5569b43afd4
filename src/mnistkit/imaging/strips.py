"""Strips: lines of a page cut out, level and as high as a network reads them."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeAlias

import cv2
import numpy as np

__all__ = ["STRIP_COLUMN", "STRIP_DIGIT", "STRIP_HEIGHT", "Columns", "cut_strip", "levelling"]

#: From strips, uint8 ``(N, 32, W)`` with an even ``W``, to the logits of their columns, float32 ``(N, 16, W / 2)``: see
#: :meth:`mnistkit.line_reader.LineReader.columns`.
Columns: TypeAlias = Callable[[np.ndarray], np.ndarray]

#: Pixels from the top to the bottom of a strip, of a digit in it, and from one column to the next.
STRIP_HEIGHT, STRIP_DIGIT, STRIP_COLUMN = 32, 20, 2
# A page that becomes smaller than this share of itself is averaged over areas first: a warp samples points.
_SAMPLED = 0.7


def cut_strip(
    page: np.ndarray, middle: tuple[float, float], size: tuple[float, float], degrees: float, width: int
) -> np.ndarray:
    """A part of a page, level.

    Args:
        page: uint8 ``(H, W)``, grey.
        middle: of the part, to the right and down, in pixels of the page.
        size: its width along the line and its height across, in pixels of the page.
        degrees: by which the line falls to the right.
        width: of the strip, in pixels; what is beyond the part, to the right, is the page beside it.

    Returns:
        uint8 ``(32, width)``; the page's own edge goes on beyond the page.
    """
    scale = STRIP_HEIGHT / size[1]
    x, y = middle
    if scale < _SAMPLED:
        page, left, top = _part(page, middle, width / scale, size, degrees)
        by = scale / _SAMPLED
        shape = max(1, round(page.shape[1] * by)), max(1, round(page.shape[0] * by))
        x, y = (x - left) * shape[0] / page.shape[1], (y - top) * shape[1] / page.shape[0]
        page = cv2.resize(page, shape, interpolation=cv2.INTER_AREA)
        size, scale = (size[0] * by, size[1] * by), _SAMPLED
    # From a pixel of the strip to one of the page; both have their middles at whole numbers.
    turn = levelling(-degrees) / scale
    at = np.array([size[0] * scale / 2, STRIP_HEIGHT / 2]) - 0.5
    matrix = np.column_stack([turn, np.array([x, y]) - 0.5 - turn @ at])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    strip: np.ndarray = cv2.warpAffine(
        page, matrix, (width, STRIP_HEIGHT), flags=flags, borderMode=cv2.BORDER_REPLICATE
    )
    return strip


def _part(
    page: np.ndarray, middle: tuple[float, float], length: float, size: tuple[float, float], degrees: float
) -> tuple[np.ndarray, int, int]:
    """The part of a page that a strip of this length needs, its left and its top edge: all of the page takes longer."""
    along, across = (-size[0] / 2, length - size[0] / 2), (-size[1] / 2, size[1] / 2)
    corners = levelling(-degrees) @ np.array([(x, y) for x in along for y in across]).T + np.array(middle)[:, None]
    # What is averaged at its edges is not in the strip.
    margin = size[1] / 2
    (left, top), (right, bottom) = corners.min(axis=1) - margin, corners.max(axis=1) + margin
    height, width = page.shape
    x, y = min(max(0, int(left)), width - 1), min(max(0, int(top)), height - 1)
    return page[y : max(y + 1, int(bottom)), x : max(x + 1, int(right))], x, y


def levelling(degrees: float) -> np.ndarray:
    """What makes a page level whose lines fall by so many degrees to the right: float ``(2, 2)``, times a column ``(x, y)``."""
    cosine, sine = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return np.array([[cosine, sine], [-sine, cosine]])
