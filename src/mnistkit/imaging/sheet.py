"""Pictures within the picture: a photo on a page or in a screenshot, a sheet of paper on a table."""

from __future__ import annotations

import cv2
import numpy as np

from mnistkit.imaging.box import Box
from mnistkit.imaging.ink import FLAT
from mnistkit.imaging.parts import Parts

__all__ = ["cut_inset", "find_sheet", "is_sheet", "on_sheet"]

# A photo differs from flat ground in so many of its pixels.
_OTHER = 0.5
# Less than this many pixels show nothing.
_LEAST_SIDE = 24
# A sheet takes these shares of the picture, least and most, and so much of its box.
_SIZE, _FULLNESS_OF_BOX = (0.04, 0.95), 0.6
# A straight one takes so much of its outline, all but what is written on it; and no digit is so wide a bar.
_FULLNESS, _NARROWEST = 0.85, 1 / 3
# So much of the longer side is its edge: thickness, shadow, blur.
_EDGE = 0.05
# An outline may differ by this share of its length from four straight lines, which have at least so much of its area.
_CROOKED, _STRAIGHT = 0.02, 0.97


def cut_inset(picture: np.ndarray) -> np.ndarray | None:
    """A photo or a sheet that lies on ground of a single colour, without its edges; ``None`` if none does.

    A photo differs from the ground nearly everywhere, and so along all of its sides and in most of its middle. Of what is
    drawn on such ground, no digit does both.

    Args:
        picture: uint8 ``(H, W)`` or ``(H, W, 3)``.

    Returns:
        uint8 ``(h, w)`` or ``(h, w, 3)``.
    """
    corners = picture[[0, 0, -1, -1], [0, -1, 0, -1]].astype(np.int16)
    ground = corners[0]
    if np.abs(corners - ground).max() > FLAT:
        return None
    low, high = (np.atleast_1d(ground + change).astype(np.float64) for change in (-FLAT, FLAT))
    other = cv2.bitwise_not(cv2.inRange(picture, low, high))
    left, top, width, height = cv2.boundingRect(other)
    # Its outermost pixels may be half ground.
    box = Box(left, top, left + width, top + height).inside(1)
    if min(box.width, box.height) < _LEAST_SIDE:
        return None
    inside = other[box.pixels] > 0
    lines = (inside[0], inside[-1], inside[:, 0], inside[:, -1], inside)
    if (height, width) != other.shape and all(line.mean() >= _OTHER for line in lines):
        return picture[box.inside(1).pixels]
    return on_sheet(picture, other, edge=2) if is_sheet(other) else None


def find_sheet(parts: Parts) -> Box | None:
    """Where a sheet of any shape may lie on a ground of another colour, without its edges; ``None`` if none does.

    Against that ground all of the sheet counts as ink: the largest part, nearly as full as its box.

    Args:
        parts: of the picture's ink.
    """
    size = parts.ink.size
    largest = max(parts.found, key=lambda part: part.width * part.height)
    box = largest.width * largest.height
    if not (_SIZE[0] * size < box < _SIZE[1] * size and largest.area > _FULLNESS_OF_BOX * box):
        return None
    inside = largest.inside(round(_EDGE * max(largest.width, largest.height)))
    return inside if inside.width > 0 and inside.height > 0 else None


def is_sheet(ink: np.ndarray) -> bool:
    """Whether a piece of ink has the shape of a sheet: four straight sides, however turned, and next to full.

    Args:
        ink: uint8 ``(H, W)``, 0 where it is not.
    """
    if np.count_nonzero(ink) < _SIZE[0] * ink.size:
        return False
    outline = _outline(ink)
    area = cv2.contourArea(outline)
    if area > _SIZE[1] * ink.size:
        return False
    corners = cv2.approxPolyDP(outline, _CROOKED * cv2.arcLength(outline, closed=True), closed=True)
    if len(corners) != 4 or cv2.contourArea(corners) < _STRAIGHT * area or np.count_nonzero(ink) < _FULLNESS * area:
        return False
    _, sides, _ = cv2.minAreaRect(corners)
    return min(sides) >= max(_LEAST_SIDE, _NARROWEST * max(sides))


def on_sheet(picture: np.ndarray, ink: np.ndarray, *, edge: int | None = None) -> np.ndarray:
    """What lies on a sheet: its part of the picture without the edges, and its paper continued around.

    Args:
        picture: uint8 ``(H, W)`` or ``(H, W, 3)``.
        ink: the sheet's own, uint8 ``(H, W)``, 0 where it is not.
        edge: how wide its edges are, in pixels; by default a share of its side.

    Returns:
        uint8 ``(h, w)`` or ``(h, w, 3)``.
    """
    filled = cv2.fillConvexPoly(np.zeros(picture.shape[:2], dtype=np.uint8), _outline(ink), 1)
    left, top, width, height = cv2.boundingRect(filled)
    reach = 2 * (round(_EDGE * max(width, height)) if edge is None else edge) + 1
    # Beyond the picture is no sheet, either.
    within = cv2.erode(filled, np.ones((reach, reach), np.uint8), borderValue=0) > 0
    box = Box(left, top, left + width, top + height)
    sheet, within = picture[box.pixels], within[box.pixels]
    if not within.any():
        return sheet
    # Each pixel beyond its edge takes the colour of the nearest within: light and shade go on there.
    ground = (~within).astype(np.uint8)
    _, nearest = cv2.distanceTransformWithLabels(ground, cv2.DIST_L2, cv2.DIST_MASK_5, labelType=cv2.DIST_LABEL_PIXEL)
    colours = np.zeros((int(nearest.max()) + 1, *sheet.shape[2:]), dtype=np.uint8)
    colours[nearest[within]] = sheet[within]
    continued: np.ndarray = colours[nearest]
    return continued


def _outline(ink: np.ndarray) -> np.ndarray:
    points: np.ndarray = cv2.findNonZero((ink > 0).astype(np.uint8))
    hull: np.ndarray = cv2.convexHull(points)
    return hull
