"""Reading: several digits in one picture."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from mnistkit.imaging import Box, Piece, find_ink, find_lines, frame_ink, join, shrink
from mnistkit.reading.explanation import new_figure
from mnistkit.reading.prediction import Prediction
from mnistkit.reading.single import Candidate, FrameClassifier, predictions_from
from mnistkit.types import JsonValue

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["ReadDigit", "Reading", "read_page"]

# Pages are scaled down to this side, in pixels: a digit a fiftieth of the page wide still has 30 of them.
_SIDE = 1600
# One digit is at most so many pieces, and no wider than this in units of the line's height.
_MOST_PIECES, _WIDEST = 10, 1.6
# To leave a piece out costs this, in nats, on top of what says that it is no digit.
_LEFT_OUT = 3.0
# So does a cut through what hangs together: most digits touch no other.
_CUT = 2.0


@dataclass(frozen=True)
class ReadDigit:
    """A digit in a picture.

    Attributes:
        prediction: what the model says of it.
        box: left, top, right and bottom edge, in pixels of the picture as it is upright.
        line: the number of its line, from 0.
    """

    prediction: Prediction
    box: tuple[float, float, float, float]
    line: int

    @property
    def confidence(self) -> float:
        """The probability of the digit that was read."""
        return self.prediction.confidence

    def to_json(self) -> dict[str, JsonValue]:
        """As JSON can hold it."""
        return {
            "digit": self.prediction.name,
            "confidence": self.confidence,
            "box": list(self.box),
            "line": self.line,
        }


@dataclass(frozen=True)
class Reading:
    """What a picture of several digits says; prints as its lines.

    Attributes:
        lines: the text of each line, from top to bottom.
        digits: in reading order.
        picture: uint8 ``(H, W)`` or ``(H, W, 3)``: what was looked at, the picture scaled down if it is large.
        scale: pixels of the picture to one of ``picture``.
    """

    lines: tuple[str, ...]
    digits: tuple[ReadDigit, ...]
    picture: np.ndarray = field(repr=False, compare=False)
    scale: float = 1.0

    @property
    def text(self) -> str:
        """All digits in reading order."""
        return "".join(self.lines)

    def to_json(self) -> dict[str, JsonValue]:
        """As JSON can hold it, without the picture."""
        return {
            "text": self.text,
            "lines": list(self.lines),
            "digits": [digit.to_json() for digit in self.digits],
        }

    def __str__(self) -> str:
        return "\n".join(self.lines)

    def figure(self) -> Figure:
        """The picture with a box round every digit.

        Raises:
            MissingExtraError: if matplotlib is not installed.
        """
        height, width = self.picture.shape[:2]
        size = 8.0 / max(height, width)
        figure = new_figure((max(3.0, size * width), max(1.6, size * height)), "Reading.figure()")
        from matplotlib.patches import Rectangle

        axes = figure.subplots()
        axes.imshow(self.picture, cmap="gray", vmin=0, vmax=255)
        axes.set(xticks=[], yticks=[])
        for digit in self.digits:
            left, top, right, bottom = (edge / self.scale for edge in digit.box)
            sure = digit.confidence >= 0.9
            colour = "#0077bb" if sure else "#cc3311"
            box = Rectangle(
                (left, top), right - left, bottom - top, fill=False, edgecolor=colour, linestyle="-" if sure else "--"
            )
            axes.add_patch(box)
            text = digit.prediction.name if sure else f"{digit.prediction.name} {digit.confidence:.0%}"
            label = {"facecolor": "white", "edgecolor": "none", "pad": 1.0, "alpha": 0.8}
            axes.text((left + right) / 2, top, text, color=colour, ha="center", va="bottom", bbox=label)
        axes.set_title(" / ".join(self.lines) or "no digits")
        return figure


@dataclass(frozen=True)
class _Candidate:
    """Pieces ``start`` to ``end`` of a line taken for one digit."""

    start: int
    end: int
    whole: Piece


def read_page(pixels: np.ndarray, classifier: FrameClassifier) -> Reading:
    """Find and read all digits of a picture.

    Args:
        pixels: uint8 ``(H, W)`` or ``(H, W, 3)``.
        classifier: of MNIST's frames.

    Raises:
        BlankImageError: if there is no ink.
    """
    picture = shrink(pixels, _SIDE)
    scale = pixels.shape[1] / picture.shape[1]
    ink = find_ink(picture)
    lines: list[str] = []
    digits: list[ReadDigit] = []
    for pieces in find_lines(ink):
        candidates = _candidates(pieces)
        frames = np.stack([_frame(candidate.whole, ink, classifier.preprocessing.size) for candidate in candidates])
        logits = classifier.logits(frames)
        chosen = _best_path(pieces, candidates, classifier.calibration.scores(logits).tolist())
        if not chosen:
            continue
        found = predictions_from(logits[chosen], [Candidate(frame) for frame in frames[chosen]], classifier)
        for number, prediction in zip(chosen, found, strict=True):
            left, top, right, bottom = (edge * scale for edge in candidates[number].whole.edges)
            digits.append(ReadDigit(prediction, (left, top, right, bottom), len(lines)))
        lines.append("".join(prediction.name for prediction in found))
    return Reading(tuple(lines), tuple(digits), picture, scale)


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


def _frame(piece: Piece, ink: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    return frame_ink(ink[piece.pixels], piece.mask, size=size)


def _best_path(pieces: Sequence[Piece], candidates: Sequence[_Candidate], scores: Sequence[float]) -> list[int]:
    """The likeliest way to cut a line into digits: numbers of candidates from left to right.

    A Viterbi search over the pieces: every one of them belongs to one digit, at the cost of ``-log p`` of that digit, or
    is left out.
    """
    ending: dict[int, list[int]] = {end: [] for end in range(1, len(pieces) + 1)}
    for number, candidate in enumerate(candidates):
        ending[candidate.end].append(number)
    best: list[tuple[float, list[int]]] = [(0.0, [])]
    for end, numbers in ending.items():
        ways = []
        for number in numbers:
            start = candidates[number].start
            cost, path = best[start]
            if start and pieces[start].stroke == pieces[start - 1].stroke:
                cost += _CUT
            ways.append((cost + _surprise(scores[number]), [*path, number]))
            if start == end - 1:
                # What is left out is judged by itself: the worse a digit it is alone, the cheaper.
                ways.append((cost + _surprise(-scores[number]) + _LEFT_OUT, path))
        best.append(min(ways, key=lambda way: way[0]))
    return best[-1][1]


def _surprise(log_odds: float) -> float:
    """``-log p`` of something with these log-odds, in nats."""
    return math.log1p(math.exp(-log_odds)) if log_odds > -30 else -log_odds
