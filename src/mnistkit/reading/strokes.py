"""Digits of a page from its strokes: pieces of ink, put together in the way that the classifier likes best."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mnistkit.imaging import Box, Piece, find_lines, frame_ink, join
from mnistkit.reading.single import FrameClassifier

__all__ = ["Taken", "read_strokes"]

# One digit is at most so many pieces, and no wider than this in units of the line's height.
_MOST_PIECES, _WIDEST = 10, 1.6
# To leave a piece out costs this, in nats, on top of what says that it is no digit.
_LEFT_OUT = 3.0
# So does a cut through what hangs together: most digits touch no other.
_CUT = 2.0
# More candidates than this are a texture, not writing; a page of 500 digits has about 1,500.
_MOST = 6000


@dataclass(frozen=True)
class Taken:
    """Pieces that were taken for a digit.

    Attributes:
        box: left, top, right and bottom edge, in pixels of the ink.
        frame: what the classifier saw, uint8 ``(C, H, W)``.
        logits: what it said, ``(classes,)``.
        odds: the log-odds that it is the likeliest of its digits.
    """

    box: tuple[float, float, float, float]
    frame: np.ndarray
    logits: np.ndarray
    odds: float


@dataclass(frozen=True)
class _Candidate:
    """Pieces ``start`` to ``end`` of a line taken for one digit."""

    start: int
    end: int
    whole: Piece


def read_strokes(ink: np.ndarray, classifier: FrameClassifier) -> list[Taken]:
    """The digits of a page.

    Args:
        ink: uint8 ``(H, W)``, as :func:`~mnistkit.imaging.find_ink` gives it.
        classifier: of MNIST's frames.

    Raises:
        BlankImageError: if there is no ink.
    """
    lines = [(pieces, _candidates(pieces)) for pieces in find_lines(ink)]
    while sum(len(candidates) for _, candidates in lines) > _MOST:
        lines.remove(max(lines, key=lambda line: len(line[1])))
    if not lines:
        return []
    size = classifier.preprocessing.size
    frames = np.stack(
        [
            frame_ink(ink[candidate.whole.pixels], candidate.whole.mask, size=size)
            for _, candidates in lines
            for candidate in candidates
        ]
    )
    frames = classifier.preprocessing.reshape(frames)
    logits = classifier.logits(frames)
    scores = classifier.calibration.scores(logits)
    taken, first = [], 0
    for pieces, candidates in lines:
        for number in _best_path(pieces, candidates, scores[first : first + len(candidates)].tolist()):
            left, top, right, bottom = candidates[number].whole.edges
            box = float(left), float(top), float(right), float(bottom)
            place = first + number
            taken.append(Taken(box, frames[place], logits[place], float(scores[place])))
        first += len(candidates)
    return taken


def _candidates(pieces: Sequence[Piece]) -> list[_Candidate]:
    """All neighbours that may be one digit together."""
    height = float(np.median([piece.height for piece in pieces]))
    candidates = []
    for start in range(len(pieces)):
        box: Box = pieces[start]
        for end in range(start + 1, min(start + _MOST_PIECES, len(pieces)) + 1):
            box = box.around(pieces[end - 1])
            if end == start + 1 or box.width <= _WIDEST * max(height, box.height):
                candidates.append(_Candidate(start, end, join(pieces[start:end])))
    return candidates


def _best_path(pieces: Sequence[Piece], candidates: Sequence[_Candidate], scores: Sequence[float]) -> list[int]:
    """The likeliest way to cut a line into digits: numbers of candidates from left to right.

    A Viterbi search over the pieces: every one of them belongs to one digit, at the cost of ``-log p`` of that digit, or
    is left out.
    """
    ending: dict[int, list[int]] = {end: [] for end in range(1, len(pieces) + 1)}
    for number, candidate in enumerate(candidates):
        ending[candidate.end].append(number)
    best: list[tuple[float, tuple[int, int | None]]] = [(0.0, (0, None))]
    for numbers in ending.values():
        ways: list[tuple[float, tuple[int, int | None]]] = []
        for number in numbers:
            start = candidates[number].start
            cost = best[start][0]
            if start and pieces[start].stroke == pieces[start - 1].stroke:
                cost += _CUT
            ways.append((cost + _surprise(scores[number]), (start, number)))
            if candidates[number].end == start + 1:
                # What is left out is judged by itself: the worse a digit it is alone, the cheaper.
                ways.append((cost + _surprise(-scores[number]) + _LEFT_OUT, (start, None)))
        best.append(min(ways, key=lambda way: way[0]))
    path: list[int] = []
    end = len(pieces)
    while end:
        end, chosen = best[end][1]
        if chosen is not None:
            path.append(chosen)
    return path[::-1]


def _surprise(log_odds: float) -> float:
    """``-log p`` of something with these log-odds, in nats."""
    return math.log1p(math.exp(-log_odds)) if log_odds > -30 else -log_odds
