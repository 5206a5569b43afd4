"""Several digits in one picture: its lines, and in each line the pieces that one digit or a part of one may be.

Over-segmentation: rather too many pieces than too few. Which of them belong together, a network tells that looks at every
candidate (LeCun et al. 1998, section IV.A: heuristic over-segmentation).
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from mnistkit.errors import BlankImageError
from mnistkit.imaging.box import Box
from mnistkit.imaging.parts import Part, Parts

__all__ = ["Piece", "find_frames", "find_lines", "join"]

# In units of a typical digit's height: what is smaller is dust; what is narrower is no digit cut off from another.
_DUST, _NARROWEST = 0.18, 0.15
# A part with less than this share of a typical part's strength is a shadow or what shows through the paper.
_FAINTEST = 0.4
# Parts of a page stand over each other if they share this much of the lower's height, or of the narrower's width.
_OVERLAP = 0.5
# No digit is wider than this in units of its height, so that something wider may be two.
_WIDEST = 0.7
# A cut goes through at most so much ink, or where it is at most so high, in units of the part's height.
_MOST_CUT, _HIGHEST_CUT = 0.35, 0.8
# More parts than this are a texture, not writing.
_MOST_PARTS = 500
# A straight line of a frame is so long, in shares of the shorter side of a box or table, or of a ruled line itself; and no
# thicker than this share of that.
_STRAIGHT, _THICKEST = 0.6, 0.15
# Boxes in boxes are looked at from the smallest, until they have so many times the picture's pixels.
_MOST_LOOKED_AT = 10


@dataclass(frozen=True)
class Piece(Box):
    """A part of the ink, and the box around it.

    Attributes:
        mask: which pixels of the box belong to it, bool ``(height, width)``.
        stroke: pieces of one number hang together on the paper.
    """

    mask: np.ndarray
    stroke: int


def join(pieces: Sequence[Piece]) -> Piece:
    """Several pieces as one."""
    box = Box.enclosing(pieces)
    mask = np.zeros((box.height, box.width), dtype=np.bool_)
    for piece in pieces:
        mask[piece.moved(-box.left, -box.top).pixels] |= piece.mask
    return Piece(*box.edges, mask, pieces[0].stroke)


def find_lines(parts: Parts) -> list[list[Piece]]:
    """The lines of a page from top to bottom, the pieces of each from left to right.

    Args:
        parts: of the page's ink.

    Raises:
        BlankImageError: if there is nothing of the size of a digit.
    """
    free = [part for part in parts.found if part.number not in parts.frames]
    written = _without_dust(free or list(parts.found), parts.labels.shape)
    if not written:
        raise BlankImageError("the image is blank: there is nothing in it of the size of a digit")
    lines = _group_into_lines(written)
    return [_pieces(line, parts.labels) for line in sorted(lines, key=lambda line: _middle(line))]


def find_frames(parts: Parts) -> np.ndarray:
    """The straight lines of borders, boxes, tables and ruled paper, bool ``(H, W)``.

    Args:
        parts: of the page's ink.
    """
    lines = np.zeros(parts.labels.shape, np.bool_)
    frames = [part for part in parts.found if part.number in parts.frames]
    left = _MOST_LOOKED_AT * lines.size
    for part in sorted(frames, key=lambda part: part.width * part.height):
        left -= part.width * part.height
        if left < 0:
            break
        pixels = (parts.labels[part.pixels] == part.number).astype(np.uint8)
        longer, shorter = max(part.width, part.height), min(part.width, part.height)
        # Longer than the strokes of what touches it, and thin.
        long = max(3, round(_STRAIGHT * (longer if parts.is_rule(part) else shorter)))
        square = np.ones((max(3, round(_THICKEST * long)),) * 2, np.uint8)
        for shape in ((1, long), (long, 1)):
            straight = cv2.morphologyEx(pixels, cv2.MORPH_OPEN, np.ones(shape, np.uint8))
            lines[part.pixels] |= straight > cv2.morphologyEx(straight, cv2.MORPH_OPEN, square)
    return lines


def _middle(line: Sequence[Part]) -> float:
    return float(np.mean([(part.top + part.bottom) / 2 for part in line]))


def _without_dust(parts: list[Part], shape: tuple[int, ...]) -> list[Part]:
    """What is written: of a size, and not the edge of the sheet."""
    inside = [part for part in parts if not (part.on_border and max(part.width, part.height) > 0.5 * max(shape))]
    inside = [part for part in inside if part.contact < 0.3]
    inside = sorted(inside, key=lambda part: -part.mass)[:_MOST_PARTS]
    if not inside:
        return []
    # Half of all ink is in parts of this height or more, whatever the number of specks.
    height = _weighted_median([part.height for part in inside], [part.mass for part in inside])
    peak = _weighted_median([part.peak for part in inside], [part.mass for part in inside])
    return [
        part
        for part in inside
        if max(part.width, part.height) >= _DUST * height
        and part.peak >= _FAINTEST * peak
        and part.height <= 4 * height
    ]


def _weighted_median(values: Sequence[float], weights: Sequence[float]) -> float:
    order = np.argsort(values)
    sums = np.cumsum(np.asarray(weights)[order])
    return float(np.asarray(values)[order][np.searchsorted(sums, sums[-1] / 2)])


def _group_into_lines(parts: list[Part]) -> list[list[Part]]:
    """Neighbours at one height are in one line, which may so rise or fall across the page."""
    height = _weighted_median([part.height for part in parts], [part.mass for part in parts])
    tall = sorted((part for part in parts if part.height >= 0.5 * height), key=lambda part: part.left)
    lines: list[list[Part]] = []
    # Of the last part of each line; a texture has hundreds.
    tops, bottoms = np.zeros(len(tall)), np.zeros(len(tall))
    for part in tall:
        top, bottom = tops[: len(lines)], bottoms[: len(lines)]
        common = np.minimum(bottom, part.bottom) - np.maximum(top, part.top)
        beside = np.flatnonzero(common >= _OVERLAP * np.minimum(bottom - top, part.height))
        if len(beside):
            number = int(beside[np.abs((top + bottom)[beside] - (part.top + part.bottom)).argmin()])
            lines[number].append(part)
        else:
            number = len(lines)
            lines.append([part])
        tops[number], bottoms[number] = part.top, part.bottom
    # A roof, a dash or a broken stroke goes to the digit next to it.
    anchors = [(line, part) for line in lines for part in line]
    for part in parts:
        if part.height < 0.5 * height:
            line, nearest = min(anchors, key=lambda anchor: part.distance(anchor[1]))
            if part.distance(nearest) <= 0.5 * height:
                line.append(part)
    return lines


def _columns(piece: Piece) -> tuple[int, int]:
    return piece.left, piece.right


def _shared(first: tuple[int, int], second: tuple[int, int]) -> float:
    """How much two intervals overlap, as a share of the shorter one."""
    overlap = min(first[1], second[1]) - max(first[0], second[0])
    return overlap / min(first[1] - first[0], second[1] - second[0])


def _pieces(line: list[Part], labels: np.ndarray) -> list[Piece]:
    whole = [Piece(*part.edges, labels[part.pixels] == part.number, part.number) for part in line]
    pieces = [cut for piece in _stacked(whole) for cut in _cut(piece)]
    return sorted(pieces, key=lambda piece: piece.left + piece.right)


def _stacked(pieces: list[Piece]) -> list[Piece]:
    """Those that stand over each other joined: the roof of a 5, a broken stroke."""
    joined: list[Piece] = []
    for piece in sorted(pieces, key=lambda piece: -piece.width):
        over = [other for other in joined if _shared(_columns(other), _columns(piece)) > _OVERLAP]
        joined = [other for other in joined if not any(other is one for one in over)]
        joined.append(join([piece, *over]))
    return joined


def _cut(piece: Piece) -> list[Piece]:
    """Where there is least ink, and at notches from above and below, if it is wide enough to be two digits."""
    if piece.width <= _WIDEST * piece.height:
        return [piece]
    least = max(2, round(_NARROWEST * piece.height))
    ink = piece.mask.sum(axis=0)
    # Where two round digits touch there is much ink, but little height: from the highest pixel to the lowest.
    bottom = piece.height - piece.mask[::-1].argmax(axis=0)
    height = np.where(ink > 0, bottom - piece.mask.argmax(axis=0), 0)
    columns = _valleys(ink, least, _MOST_CUT * piece.height)
    for column in _valleys(height, least, _HIGHEST_CUT * piece.height):
        if all(abs(column - other) >= least / 2 for other in columns):
            columns.append(column)
    edges = [0, *sorted(columns), piece.width]
    slices = itertools.pairwise(edges)
    return [_slice(piece, left, right) for left, right in slices if piece.mask[:, left:right].any()]


def _valleys(profile: np.ndarray, least: int, most: float) -> list[int]:
    """Columns as low as any within ``least`` of them and no higher than ``most``; of equal neighbours the first."""
    if len(profile) <= 2 * least:
        return []
    around = np.lib.stride_tricks.sliding_window_view(profile, 2 * least + 1).min(axis=1)
    inner = profile[least : len(profile) - least]
    columns: list[int] = []
    for column in (np.flatnonzero((inner == around) & (inner <= most)) + least).tolist():
        if column - least >= (columns or [0])[-1]:
            columns.append(column)
    return columns


def _slice(piece: Piece, left: int, right: int) -> Piece:
    mask = piece.mask[:, left:right]
    rows = np.flatnonzero(mask.any(axis=1))
    top, bottom = int(rows[0]), int(rows[-1]) + 1
    box = Box(left, top, right, bottom).moved(piece.left, piece.top)
    return Piece(*box.edges, mask[top:bottom], piece.stroke)
