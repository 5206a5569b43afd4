"""From boxes to lines of text: the slope of the page, its lines from top to bottom, and the groups in each."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import TypeAlias

import numpy as np

__all__ = ["Edges", "levelled", "order", "slope"]

# The slope is looked for twice, among all that pages may have and then about the best one: half a degree puts one end of a long
# line a digit's height off. Each time: up to so many degrees, in such steps, by pairs of characters at most so many heights
# apart, and level to so many. Neighbours tell it best: far ones may be in any line.
_SEARCHES = ((25.0, 1.0, 5.0, 0.2), (1.0, 0.1, 20.0, 0.1))
# Fewer characters than this have no slope of their own.
_FEWEST = 4
# Two characters are in one line if they share this much of the lower one's height.
_SHARED = 0.5
# A gap begins a new group if it is wider than this: in units of a digit's height, and of the line's usual gap.
_WIDE, _UNUSUAL = 0.6, 2.2


#: Left, top, right and bottom edge of a box.
Edges: TypeAlias = tuple[float, float, float, float]


def slope(boxes: np.ndarray) -> float:
    """By how many degrees the lines of a page fall to the right.

    Args:
        boxes: of its digits, float ``(N, 4)``.
    """
    if len(boxes) < _FEWEST:
        return 0.0
    x, y = (boxes[:, 0] + boxes[:, 2]) / 2, (boxes[:, 1] + boxes[:, 3]) / 2
    height = float(np.median(boxes[:, 3] - boxes[:, 1]))
    if len(boxes) > 300:
        chosen = np.linspace(0, len(boxes) - 1, 300).astype(int)
        x, y = x[chosen], y[chosen]
    dx, dy = x[:, None] - x, y[:, None] - y
    angle = 0.0
    for most, step, near, level in _SEARCHES:
        angle = _steepness(dx, dy, height, angle + np.arange(-most, most + step / 2, step), near, level)
    return angle


def _steepness(dx: np.ndarray, dy: np.ndarray, height: float, angles: np.ndarray, near: float, level: float) -> float:
    """That of some angles under which most pairs are level; the middle one if there are none."""
    pairs = (np.hypot(dx, dy) < near * height) & (dx > 0.3 * height)
    dx, dy = dx[pairs], dy[pairs]
    if not len(dx):
        return float(angles[len(angles) // 2])
    radians = np.radians(angles)[:, None]
    off = (dy * np.cos(radians) - dx * np.sin(radians)) / (level * height)
    worth = np.exp(-(off**2)).sum(axis=1) - 0.004 * np.abs(angles) * len(dx)
    return float(angles[worth.argmax()])


def order(boxes: np.ndarray, anchors: np.ndarray, degrees: float) -> list[list[list[int]]]:
    """Group boxes into lines and those into groups.

    Args:
        boxes: left, top, right and bottom edges, float ``(N, 4)``.
        anchors: which of them are digits, bool ``(N,)``; signs are joined to the digits beside them.
        degrees: the page's slope.

    Returns:
        The numbers of the boxes: for each line from top to bottom, for each group from left to right.
    """
    spans = levelled(boxes.tolist(), degrees)
    lines: list[list[int]] = []
    # Top and bottom of the last digit of each line.
    last = np.zeros((len(boxes), 2))
    for number in sorted((n for n, anchor in enumerate(anchors) if anchor), key=lambda n: spans[n][0]):
        _, top, _, bottom = spans[number]
        beside = _shared(last[: len(lines)], top, bottom) >= _SHARED
        off = np.where(beside, np.abs(last[: len(lines)].sum(axis=1) - top - bottom), np.inf)
        line = int(off.argmin()) if beside.any() else len(lines)
        if line == len(lines):
            lines.append([])
        lines[line].append(number)
        last[line] = top, bottom
    for number, anchor in enumerate(anchors):
        if not anchor:
            _join_sign(number, lines, spans)
    lines.sort(key=lambda line: float(np.mean([_middle(spans[number]) for number in line])))
    return [_groups(sorted(line, key=lambda n: spans[n][0] + spans[n][2]), spans, anchors) for line in lines]


def levelled(boxes: Sequence[Edges], degrees: float) -> list[Edges]:
    """Where boxes would be on a page whose lines do not fall by so many degrees to the right."""
    cosine, sine = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    level = []
    for left, top, right, bottom in boxes:
        x, y = (left + right) / 2, (top + bottom) / 2
        u, v = x * cosine + y * sine, y * cosine - x * sine
        level.append((u - (right - left) / 2, v - (bottom - top) / 2, u + (right - left) / 2, v + (bottom - top) / 2))
    return level


def _join_sign(number: int, lines: list[list[int]], spans: Sequence[Edges]) -> None:
    """To the line of the digit next to it; a sign far from every digit is none."""
    left, top, right, bottom = spans[number]
    nearest: tuple[float, list[int]] | None = None
    for line in lines:
        for other in line:
            height = spans[other][3] - spans[other][1]
            gap = max(spans[other][0] - right, left - spans[other][2], 0.0)
            middle = (top + bottom) / 2
            beside = spans[other][1] - 0.3 * height < middle < spans[other][3] + 0.4 * height
            if beside and gap < (height if nearest is None else nearest[0]):
                nearest = gap, line
    if nearest is not None:
        nearest[1].append(number)


def _middle(span: Edges) -> float:
    return (span[1] + span[3]) / 2


def _shared(spans: np.ndarray, top: float, bottom: float) -> np.ndarray:
    """How much of the lower one's height spans ``(N, 2)`` share with another, float ``(N,)``."""
    tops, bottoms = spans.T
    common = np.minimum(bottoms, bottom) - np.maximum(tops, top)
    share: np.ndarray = common / np.minimum(bottoms - tops, bottom - top).clip(min=1e-6)
    return share


def _groups(line: list[int], spans: Sequence[Edges], anchors: np.ndarray) -> list[list[int]]:
    digits = [number for number in line if anchors[number]]
    height = float(np.median([spans[number][3] - spans[number][1] for number in digits]))
    gaps = [spans[after][0] - spans[before][2] for before, after in itertools.pairwise(line)]
    usual = float(np.median(gaps)) if gaps else 0.0
    groups = [[line[0]]]
    for number, gap in zip(line[1:], gaps, strict=True):
        if gap > max(_WIDE * height, _UNUSUAL * usual):
            groups.append([])
        groups[-1].append(number)
    return groups
