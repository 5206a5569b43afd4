"""Ruled lines of a page: what a table is made of."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import cv2
import numpy as np

__all__ = ["Rule", "find_grid"]

# In units of a character's height: a rule is thinner and longer than the first two, and what is closer than the third is one.
_THICKEST, _SHORTEST, _SAME = 0.3, 1.5, 0.3
# The rises that are looked for: photos are taken from the side.
_RISES = (-0.12, -0.06, 0.0, 0.06, 0.12)
# Ink of a rule has this share of the strongest rule's contrast, and at least so many grey levels.
_STRONG, _FAINTEST = 0.12, 10
# A rule may end so far before the one that it meets, as where they cross neither is thin.
_REACH = 0.6
# A rule of a grid crosses this share of those that go the other way; a grid has so many each way.
_CROSSED, _FEWEST = 0.6, 3


@dataclass(frozen=True)
class Rule:
    """A straight line that lies, ``y = at + rise * x``, or stands, ``x = at + rise * y``, in pixels.

    Attributes:
        at: where it is at the page's edge.
        rise: by how many pixels it goes aside for each pixel along.
        start: where it begins, along.
        end: and ends.
    """

    at: float
    rise: float
    start: float
    end: float

    def aside(self, along: float) -> float:
        """Where it is, so far along."""
        return self.at + self.rise * along


def find_grid(page: np.ndarray, height: float) -> tuple[list[Rule], list[Rule]] | None:
    """The rules of a table: those that lie, from the top, and those that stand, from the left; ``None`` without a table.

    Args:
        page: uint8 ``(H, W)``, grey.
        height: of a character, in pixels: what is shorter than a few of them may be part of one.
    """
    lying, standing = _rules(page, height), _rules(np.ascontiguousarray(page.T), height)
    near = _REACH * height
    while True:
        crossing = np.array([[_cross(one, other, near) for other in standing] for one in lying])
        if len(lying) < _FEWEST or len(standing) < _FEWEST:
            return None
        lie, stand = crossing.mean(axis=1) >= _CROSSED, crossing.mean(axis=0) >= _CROSSED
        if lie.all() and stand.all():
            return lying, standing
        lying = [rule for rule, kept in zip(lying, lie.tolist(), strict=True) if kept]
        standing = [rule for rule, kept in zip(standing, stand.tolist(), strict=True) if kept]


def _cross(lying: Rule, standing: Rule, near: float) -> bool:
    x = standing.aside(lying.aside((lying.start + lying.end) / 2))
    y = lying.aside(x)
    return lying.start - near <= x <= lying.end + near and standing.start - near <= y <= standing.end + near


def _rules(page: np.ndarray, height: float) -> list[Rule]:
    """Those that lie, from the top; pieces of one are joined to the longest."""
    pieces = [piece for rise in _RISES for piece in _pieces(page, height, rise)]
    rules: list[Rule] = []
    for piece in sorted(pieces, key=lambda piece: piece.start - piece.end):
        along = (piece.start + piece.end) / 2
        off = [abs(rule.aside(along) - piece.aside(along)) for rule in rules]
        if off and min(off) < _SAME * height:
            nearest = off.index(min(off))
            rules[nearest] = _joined(rules[nearest], piece)
        else:
            rules.append(piece)
    return sorted(rules, key=lambda rule: rule.aside(page.shape[1] / 2))


def _joined(rule: Rule, piece: Rule) -> Rule:
    return replace(rule, start=min(rule.start, piece.start), end=max(rule.end, piece.end))


def _pieces(page: np.ndarray, height: float, rise: float) -> Iterator[Rule]:
    """Those of about this rise."""
    thick, length = max(3, round(_THICKEST * height)), max(12, round(_SHORTEST * height))
    level = _sheared(page, rise)
    across, along = np.ones((thick, 1), np.uint8), np.ones((1, length), np.uint8)
    # Where a standing rule crosses it, a lying one has a gap of that one's thickness.
    reliefs = (
        cv2.morphologyEx(cv2.morphologyEx(level, way, across), cv2.MORPH_CLOSE, np.ones((1, thick), np.uint8))
        for way in (cv2.MORPH_BLACKHAT, cv2.MORPH_TOPHAT)
    )
    # One that rises a little more is made thicker before what is short is left out.
    long = [cv2.morphologyEx(cv2.dilate(relief, np.ones((3, 1))), cv2.MORPH_OPEN, along) for relief in reliefs]
    strength = max(long, key=lambda one: int(one.sum(dtype=np.int64)))
    ink = (strength > max(_FAINTEST, _STRONG * float(np.percentile(strength, 99.5)))).astype(np.uint8)
    count, labels, boxes, _ = cv2.connectedComponentsWithStats(cv2.morphologyEx(ink, cv2.MORPH_CLOSE, along))
    for number in range(1, count):
        left, top, wide, high, _ = boxes[number].tolist()
        if wide < 2 * length:
            continue
        rows, columns = np.nonzero(labels[top : top + high, left : left + wide] == number)
        more, at = np.polyfit(columns + left, rows + top, 1)
        if np.abs(rows + top - at - more * (columns + left)).mean() < thick:
            yield Rule(float(at), float(more + rise), float(left), float(left + wide))


def _sheared(page: np.ndarray, rise: float) -> np.ndarray:
    """A page on which lines of this rise are level; they meet its left edge where they did."""
    if not rise:
        return page
    way = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    matrix = np.array([[1.0, 0.0, 0.0], [rise, 1.0, 0.0]])
    return cv2.warpAffine(page, matrix, page.shape[::-1], flags=way, borderMode=cv2.BORDER_REPLICATE)
