"""Strokes of ink that fit finds: whole characters without what they touch, where the ink hangs together as it should."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from mnistkit.errors import BlankImageError
from mnistkit.imaging import Box, Parts, Piece, find_lines, frame_ink, join

__all__ = ["UNSEEN", "Strokes", "find_strokes", "shared"]

#: The number of no find.
UNSEEN = -1

# Pieces of ink and a find that share this much of both are one character; so many ways to put pieces together are tried for
# each find, if they fit it by this share of the best one's fit or more: worse ones are a fifth of all, and seldom read. With one
# way 19 of 400 pictures of three digits that touch are read wrong, with two 16.
_MATCH, _MOST, _NEARLY = 0.35, 2, 0.7
# A cut through ink that hangs together makes the fit worse by this factor: most digits touch no other.
_CUT = 0.7
# No digit is cut into more pieces than the first; what is cut into more than the second is no row of digits.
_MOST_PIECES, _TANGLE = 4, 60
# More strokes than this are a texture's, or the text of a page that no picture shows, and so are more of those that fit no find:
# drawn pages with the most text have 450.
_MOST_STROKES, _MOST_UNSEEN = 2000, 500


@dataclass(frozen=True)
class Strokes:
    """Pieces of ink that may be the character of a find.

    Attributes:
        box: left, top, right and bottom edge, in pixels of the ink.
        frame: uint8 ``(1, height, width)``, light ink on black.
        find: the number of the find; :data:`UNSEEN` for a part of ink that hangs together in which the finder saw others only.
        fit: what the two boxes share of both, less where a stroke was cut through; 0 without a find.
    """

    box: tuple[float, float, float, float]
    frame: np.ndarray
    find: int
    fit: float


def find_strokes(
    parts: Parts, boxes: np.ndarray, *, size: tuple[int, int] = (28, 28), touching: np.ndarray | None = None
) -> list[Strokes]:
    """The pieces of ink that fit boxes best, none for boxes that no pieces fit; and what touches these and fits no box.

    Args:
        parts: of the page's ink.
        boxes: of finds, float ``(N, 4)``, in pixels of the ink.
        size: height and width of the frames.
        touching: for which of the boxes others may touch what is in them that no box tells of, bool ``(N,)``; all if not given.
    """
    try:
        lines = find_lines(parts)
    except BlankImageError:
        return []
    fitting: dict[tuple[int, int, int], list[tuple[float, int]]] = {}
    for number, pieces in enumerate(lines):
        edges = np.array([piece.edges for piece in pieces], float)
        for find, (start, end) in _ranges(edges, boxes):
            fit = _fit(pieces[start:end], boxes[find].tolist()) * _CUT ** _cuts(pieces, start, end)
            if fit >= _MATCH:
                fitting.setdefault((number, start, end), []).append((fit, find))
    best: dict[int, list[tuple[float, tuple[int, int, int]]]] = {}
    for place, finds in fitting.items():
        fit, find = max(finds)
        best.setdefault(find, []).append((fit, place))
    ways_to_join = [
        (find, *way)
        for find, ways in best.items()
        for way in sorted(ways, reverse=True)[:_MOST]
        if way[0] >= _NEARLY * max(ways)[0]
    ]
    touched = boxes if touching is None else boxes[touching]
    unseen = (place for place in _unseen(lines, touched) if place not in fitting)
    ways_to_join += [(UNSEEN, 0.0, place) for place in itertools.islice(unseen, _MOST_UNSEEN)]
    strokes = []
    for find, fit, (number, start, end) in ways_to_join[:_MOST_STROKES]:
        whole = join(lines[number][start:end])
        left, top, right, bottom = whole.edges
        frame = frame_ink(parts.ink[whole.pixels], whole.mask, size=size)
        strokes.append(Strokes((float(left), float(top), float(right), float(bottom)), frame, find, fit))
    return strokes


def _unseen(lines: Sequence[Sequence[Piece]], boxes: np.ndarray) -> Iterator[tuple[int, int, int]]:
    """Each stroke with a find in it as a whole, and the ways to put pieces of it together.

    Where the finder sees one digit, another may touch it.
    """
    middles = (boxes[:, :2] + boxes[:, 2:]) / 2
    for number, pieces in enumerate(lines):
        for _, same in itertools.groupby(range(len(pieces)), key=lambda place: pieces[place].stroke):
            places = list(same)
            left, top, right, bottom = Box.enclosing([pieces[place] for place in places]).edges
            inside = ((middles >= (left, top)) & (middles <= (right, bottom))).all(axis=1)
            if not inside.any():
                continue
            yield number, places[0], places[-1] + 1
            if 1 < len(places) <= _TANGLE:
                for start in places:
                    for end in range(start + 1, min(start + _MOST_PIECES, places[-1] + 1) + 1):
                        yield number, start, end


def shared(first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What boxes ``(N, 4)`` and ``(M, 4)`` share of both, and of the smaller, float32 ``(N, M)``."""
    # Half the room and time of doubles: pages of textures have thousands.
    first, second = first.astype(np.float32), second.astype(np.float32)
    (left, top, right, bottom), others = first.T[:, :, None], second.T
    common = _overlap(left, right, others[0], others[2])
    common *= _overlap(top, bottom, others[1], others[3])
    area, other = (
        ((right - left) * (bottom - top)).clip(min=1e-9),
        ((others[2] - others[0]) * (others[3] - others[1])).clip(min=1e-9),
    )
    both = area + other
    both -= common
    np.divide(common, both, out=both)
    common /= np.minimum(area, other)
    return both, common


def _overlap(low: np.ndarray, high: np.ndarray, others_low: np.ndarray, others_high: np.ndarray) -> np.ndarray:
    """How far intervals ``(N, 1)`` and ``(M,)`` overlap, float ``(N, M)``; in place, as pages of textures have thousands."""
    shared: np.ndarray = np.minimum(high, others_high)
    shared -= np.maximum(low, others_low)
    shared.clip(min=0, out=shared)
    return shared


def _ranges(edges: np.ndarray, boxes: np.ndarray) -> Iterator[tuple[int, tuple[int, int]]]:
    """For each box the neighbouring pieces with their middles in it, and one more or less at either end."""
    middles = (edges[:, :2] + edges[:, 2:]) / 2
    inside = ((middles[:, None] >= boxes[None, :, :2]) & (middles[:, None] <= boxes[None, :, 2:])).all(axis=2)
    for find in np.flatnonzero(inside.any(axis=0)).tolist():
        places = np.flatnonzero(inside[:, find])
        first, last = int(places[0]), int(places[-1]) + 1
        for start in range(max(0, first - 1), first + 2):
            for end in range(max(start + 1, last - 1), min(len(edges), last + 1) + 1):
                yield find, (start, end)


def _cuts(pieces: Sequence[Piece], start: int, end: int) -> int:
    """At how many ends a stroke goes on beyond these pieces."""
    before = start > 0 and pieces[start - 1].stroke == pieces[start].stroke
    return before + (end < len(pieces) and pieces[end].stroke == pieces[end - 1].stroke)


def _fit(pieces: Sequence[Piece], box: Sequence[float]) -> float:
    """What pieces and a box share of both; one by one, as an array of two boxes takes longer."""
    left, top, right, bottom = Box.enclosing(pieces).edges
    wide, high = min(right, box[2]) - max(left, box[0]), min(bottom, box[3]) - max(top, box[1])
    if wide <= 0 or high <= 0:
        return 0.0
    common = wide * high
    return common / ((right - left) * (bottom - top) + (box[2] - box[0]) * (box[3] - box[1]) - common)
