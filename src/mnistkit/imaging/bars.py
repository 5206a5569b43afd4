"""Straight pieces of ink, lying or upright: the bars of seven-segment displays."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

__all__ = ["Bar", "find_bars"]

# What is fainter than this share of the strong ink is a bar that is not lit.
_LIT = 0.5
# More parts than this are a texture; a part has at least so many pixels, and at most this share of the picture's.
_MOST_PARTS, _LEAST_AREA, _LARGEST = 400, 6, 0.25
# Frames in frames are looked at from the smallest, until their boxes have so many times the picture's pixels.
_MOST_LOOKED_AT = 2
# A bar is at least so long, in units of its thickness, alone and in a part with others. A part that is one bar fills so much of
# its box, which is so many times as wide as the bar is thick; of another part so much is bars.
_SHORTEST, _SHORTEST_IN_PART, _FULL, _WIDE, _STRAIGHT = 1.25, 1.5, 0.6, 1.5, 0.85
# A small point is as wide as high by so much, whatever its few pixels tell of how thick it is.
_SQUARE = 1.15
# What is about as wide as high is a bar too, a lying one with pointed ends, if it fills so much of a rectangle that stands on a
# corner and is so much smaller than its box: a point does not, but of so few pixels nobody can tell.
_POINTED, _SMALLER, _FEW = 0.84, 0.84, 6
# It moves aside by less than this share of its length: a display leans by 20 degrees at most.
_STEEPEST = 0.36


@dataclass(frozen=True)
class Bar:
    """A straight piece of ink.

    Attributes:
        x: its middle, in pixels to the right.
        y: and down.
        reach: half of how long it is.
        thick: how thick it is.
        upright: whether it is higher than wide.
        slope: by how much it moves aside for each pixel along it.
    """

    x: float
    y: float
    reach: float
    thick: float
    upright: bool
    slope: float


def find_bars(ink: np.ndarray) -> tuple[list[Bar], list[Bar], np.ndarray]:
    """The bars of a picture, where ink is made of nothing but bars.

    Args:
        ink: uint8 ``(H, W)``, as :func:`~mnistkit.imaging.find_ink` gives it.

    Returns:
        The bars; parts that are as wide as high, as points are; and which pixels are strong ink, bool ``(H, W)``.
    """
    strong = ink[ink > _LIT * float(ink.max(initial=0))]
    if not strong.size:
        return [], [], np.zeros(ink.shape, np.bool_)
    lit = (ink > _LIT * float(np.median(strong))).astype(np.uint8)
    return *_parts(lit), lit > 0


def _parts(lit: np.ndarray) -> tuple[list[Bar], list[Bar]]:
    """The bars of the parts that have nothing but bars, and the parts that are as wide as high."""
    count, labels, boxes, _ = cv2.connectedComponentsWithStats(lit, connectivity=8)
    if count > _MOST_PARTS:
        return [], []
    bars: list[Bar] = []
    dots: list[Bar] = []
    room = _MOST_LOOKED_AT * lit.size
    for number in sorted(range(1, count), key=lambda number: int(boxes[number, 2]) * int(boxes[number, 3])):
        left, top, width, height, area = (int(value) for value in boxes[number])
        if area < _LEAST_AREA or area > _LARGEST * lit.size:
            continue
        room -= width * height
        if room < 0:
            break
        alone = (labels[top : top + height, left : left + width] == number).astype(np.uint8)
        part = cv2.copyMakeBorder(alone, 1, 1, 1, 1, cv2.BORDER_CONSTANT)
        thick = 2 * float(cv2.distanceTransform(part, cv2.DIST_L2, 5).max()) - 1
        longer, shorter = max(width, height), min(width, height)
        if longer <= _SHORTEST * thick + 1 or longer <= min(_WIDE * thick, _SQUARE * shorter) + 1:
            x, y = left + width / 2, top + height / 2
            if shorter > _FEW and _pointed(part, area):
                bars.append(Bar(x, y, width / 2, height, upright=False, slope=0))
            else:
                dots.append(Bar(x, y, longer / 2, thick, upright=False, slope=0))
            continue
        if (whole := _whole(part, area, thick, (left - 1, top - 1))) is not None:
            bars.append(whole)
            continue
        long = max(3, round(_SHORTEST_IN_PART * thick))
        lying, standing = (
            cv2.morphologyEx(part, cv2.MORPH_OPEN, np.ones(shape, np.uint8)) for shape in ((1, long), (long, 1))
        )
        # Most parts of a page are characters, of which much is no bar.
        if np.maximum(lying, standing).sum() < _STRAIGHT * area:
            continue
        found, covered = [], np.zeros_like(part)
        for opened, upright in ((lying, False), (standing, True)):
            found += _bars(opened, covered, thick, (left - 1, top - 1), upright=upright)
        if covered.sum() >= _STRAIGHT * area:
            bars += found
    return bars, dots


def _whole(part: np.ndarray, area: int, thick: float, corner: tuple[int, int]) -> Bar | None:
    """A part that is one bar."""
    # The smallest rectangle around a short bar with pointed ends stands on a corner.
    if not any(_filled(*sides, area, thick) for sides in _sides(part)):
        return None
    rows, columns = np.nonzero(part)
    bar = _bar(rows, columns, thick, corner, upright=bool(np.ptp(rows) > np.ptp(columns)))
    return bar if abs(bar.slope) < _STEEPEST else None


def _sides(part: np.ndarray) -> tuple[tuple[float, float], tuple[float, float]]:
    """Of a part's box and of the smallest rectangle around it: the shorter side and the longer one."""
    (outline,), _ = cv2.findContours(part, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    _, leaning, _ = cv2.minAreaRect(outline)
    _, _, *box = cv2.boundingRect(outline)
    return (min(box), max(box)), (min(leaning) + 1, max(leaning) + 1)


def _pointed(part: np.ndarray, area: int) -> bool:
    """Whether a part that is as wide as high stands on a corner."""
    box, smallest = (math.prod(sides) for sides in _sides(part))
    return smallest < _SMALLER * box and area >= _POINTED * smallest


def _filled(across: float, along: float, area: int, thick: float) -> bool:
    """Whether a part in a rectangle of these sides is a bar."""
    return along >= _SHORTEST * across and area >= _FULL * along * across and across <= _WIDE * thick


def _bar(rows: np.ndarray, columns: np.ndarray, thick: float, corner: tuple[int, int], *, upright: bool) -> Bar:
    one, other = (rows, columns) if upright else (columns, rows)
    off = one - one.mean()
    slope = float((off * (other - other.mean())).sum() / max((off**2).sum(), 1e-6))
    x, y = columns.mean() + corner[0] + 0.5, rows.mean() + corner[1] + 0.5
    return Bar(float(x), float(y), (np.ptp(one) + 1) / 2, thick, upright, slope)


def _bars(
    opened: np.ndarray, covered: np.ndarray, thick: float, corner: tuple[int, int], *, upright: bool
) -> list[Bar]:
    """The bars of one direction, whose pixels are set in ``covered``."""
    count, labels, boxes, _ = cv2.connectedComponentsWithStats(opened, connectivity=8)
    bars = []
    for number in range(1, count):
        left, top, wide, high = (int(edge) for edge in boxes[number, :4])
        along, across = (high, wide) if upright else (wide, high)
        # What is wider is the corner of other bars, part of one that lies the other way, or round.
        if along > across and across <= _WIDE * thick:
            rows, columns = np.nonzero(labels[top : top + high, left : left + wide] == number)
            rows, columns = rows + top, columns + left
            covered[rows, columns] = 1
            bars.append(_bar(rows, columns, thick, corner, upright=upright))
    return bars
