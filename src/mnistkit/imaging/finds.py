"""Where digits, signs and letters stand on a page: copies of it at several sizes through the finder, and their peaks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

import cv2
import numpy as np

__all__ = ["LETTER", "SIGNS", "Finds", "Maps", "find_characters", "fullest_part"]

#: From pages, uint8 ``(N, H, W)`` with sides that are multiples of 32, to maps of logits and boxes, float32
#: ``(N, 20, H / 4, W / 4)``: see :meth:`mnistkit.Finder.maps`.
Maps: TypeAlias = Callable[[np.ndarray], np.ndarray]

#: The signs that the finder tells apart, in their order.
SIGNS = "-.,%"
#: The number of a letter among the kinds of characters: 0 is a digit, then the signs.
LETTER = len(SIGNS) + 1
# The longer sides of the copies: the finder knows characters of 8 to 150 pixels, so that each of 1/120 to 9/10 of the page is
# well inside that in one of them; and how much larger than the page a copy is at most: more has nothing to show that the next
# smaller one has not. A table of 380 pixels, with digits of ten, has nothing in the copy of 256, and is read in that of 560.
_COPIES = ((112, np.inf), (256, 4.0), (560, 1.65), (1200, 1.3))
# Print in a screenshot is lower than a hundredth of it. If half of the digits and letters in the largest copy are lower than the
# first, in pixels, there is one more copy, in which they are as high as the second; no more times as large as the page than the
# third, and no larger than the fourth. One that is hardly larger than that before, by the fifth, would show nothing else.
_SMALL, _LEGIBLE, _ENLARGED, _LARGEST, _LARGER = 16, 22, 1.8, 1600, 1.2
# A strip of paper is enlarged by up to the first as long as its copy is no higher than the second, in pixels: its characters are
# low for its length.
_STRIP, _LOW = 4.0, 100
# A digit, one of four signs, a letter; ten digits.
_KINDS, _DIGITS = LETTER + 1, 10
# The finder takes sides that are multiples of this many pixels, and one place of its maps stands for so many.
_GRID, _STRIDE = 32, 4
# The least score of what is looked at more closely, and the most finds of one copy: more is a texture.
_LEAST, _MOST = 0.03, 1000
# With the first score something may be a character in a copy in which it is too small. Paper and cloth have much of that, too;
# print that is large enough has at least the second on average, and they, measured on 23 photos, no more than 0.3.
_SEEN, _PRINT = 0.05, 0.4
# First a part of a larger copy is looked at, so many pixels wide and high, the fullest of those around the first finds:
# only where that has at least the last, all of it is. Of 112 pages with print that only the larger copy shows each part has 0.33;
# of 211 others 190 have less than 0.25.
_PART, _CENTRES, _PERHAPS = 224, 300, 0.25
# Two boxes that share this much of both, or of the smaller, are one character.
_SAME, _INSIDE = 0.35, 0.65
# So many boxes at a time are compared with all others: one by one, that takes three times as long.
_AT_ONCE = 64


@dataclass(frozen=True)
class Finds:
    """What was found on a page, the surest first.

    Attributes:
        boxes: left, top, right and bottom edges, in pixels of the page, float ``(N, 4)``.
        scores: the probability of a digit, of each of :data:`SIGNS`, and of a letter, to have its middle there, float
            ``(N, 6)``.
        digits: the probability of each of the ten, if it is a digit, float ``(N, 10)``.
    """

    boxes: np.ndarray
    scores: np.ndarray
    digits: np.ndarray

    def __len__(self) -> int:
        return len(self.boxes)

    def __getitem__(self, chosen: np.ndarray | slice) -> Finds:
        return Finds(self.boxes[chosen], self.scores[chosen], self.digits[chosen])

    @property
    def written(self) -> np.ndarray:
        """The probability of a digit or of a letter, whichever is likelier, float ``(N,)``."""
        likelier: np.ndarray = self.scores[:, [0, LETTER]].max(axis=1, initial=0)
        return likelier

    @property
    def sureness(self) -> float:
        """The mean probability that what may be a digit or a letter is one, from 0 to 1; 0 without any."""
        seen = self.written[self.written >= _SEEN]
        return float(seen.mean()) if len(seen) else 0.0


def find_characters(page: np.ndarray, maps: Maps) -> Finds:
    """Find the characters of a page.

    Args:
        page: uint8 ``(H, W)``, grey.
        maps: of a trained finder.

    Returns:
        The finds, no two of them for one character.
    """
    sizes = list(_sizes(page))
    found = [_peaks(page, _resized(page, by), maps) for by in sizes]
    larger = _larger(page, sizes[-1], found[-1])
    if larger > _LARGER * sizes[-1] and _perhaps_print(page, larger, found[-1], maps):
        closer = _peaks(page, _resized(page, larger), maps)
        if closer.sureness >= _PRINT:
            found.append(closer)
    return _merged(found)


def _sizes(page: np.ndarray) -> Iterator[float]:
    """How many times as large as the page its copies are."""
    for side, most in _COPIES:
        by = side / max(page.shape)
        if by > (max(most, _STRIP) if by * min(page.shape) <= _LOW else most):
            return
        yield by


def _larger(page: np.ndarray, by: float, found: Finds) -> float:
    """How many times as large as the page a copy has to be for what one of this size shows; 0 if that is not small."""
    seen = found.boxes[found.written >= _SEEN]
    height = by * float(np.median(seen[:, 3] - seen[:, 1])) if len(seen) else np.inf
    return min(by * _LEGIBLE / height, _ENLARGED, _LARGEST / max(page.shape)) if height < _SMALL else 0.0


def _perhaps_print(page: np.ndarray, by: float, found: Finds, maps: Maps) -> bool:
    """Whether there may be print where a copy, so many times as large as the page, would show more than was found."""
    part = fullest_part(page, found.boxes[found.written >= _SEEN], _PART / by)
    return _peaks(part, _resized(part, by), maps).sureness >= _PERHAPS


def fullest_part(page: np.ndarray, boxes: np.ndarray, side: float) -> np.ndarray:
    """The square part of a page around one of the first boxes, in which the middles of most others are.

    Args:
        page: uint8 ``(H, W)``.
        boxes: float ``(N, 4)``, at least one.
        side: of the part, in pixels; at the page's edges it has less.
    """
    x, y = (boxes[:, :2] + boxes[:, 2:]).T / 2
    near = np.abs(x[:_CENTRES, None] - x) <= side / 2
    near &= np.abs(y[:_CENTRES, None] - y) <= side / 2
    most = np.count_nonzero(near, axis=1).argmax()
    left, top = (max(0, int(place - side / 2)) for place in (x[most], y[most]))
    return page[top:, left:][: round(side), : round(side)]


def _resized(page: np.ndarray, by: float) -> np.ndarray:
    size = max(1, round(page.shape[1] * by)), max(1, round(page.shape[0] * by))
    return cv2.resize(page, size, interpolation=cv2.INTER_AREA if by < 1 else cv2.INTER_CUBIC)


def _peaks(page: np.ndarray, copy: np.ndarray, maps: Maps) -> Finds:
    """What one copy shows."""
    scale = np.array([page.shape[1] / copy.shape[1], page.shape[0] / copy.shape[0]])
    below, right = -copy.shape[0] % _GRID, -copy.shape[1] % _GRID
    padded = cv2.copyMakeBorder(copy, 0, below, 0, right, cv2.BORDER_REPLICATE)
    values = maps(padded[None])[0]
    scores = 1 / (1 + np.exp(-values[:_KINDS]))
    best = scores.max(axis=0)
    rows, columns = np.nonzero((best >= _LEAST) & (best == cv2.dilate(best, np.ones((3, 3), np.uint8))))
    if len(rows) > _MOST:
        chosen = np.argsort(-best[rows, columns], kind="stable")[:_MOST]
        rows, columns = rows[chosen], columns[chosen]
    at = values[:, rows, columns].T.astype(np.float64)
    digits = np.exp(at[:, _KINDS : _KINDS + _DIGITS])
    middle = (np.column_stack([columns, rows]) + 0.5 + at[:, -4:-2]) * _STRIDE * scale
    half = 8 * np.exp(at[:, -2:].clip(-3, 4)) * scale
    edges = np.tile([page.shape[1], page.shape[0]], 2)
    boxes = np.hstack([middle - half, middle + half]).clip(0, edges)
    # What is left of a character at the border may be nothing.
    seen = (boxes[:, 2:] - boxes[:, :2]).min(axis=1) >= 1
    digits /= digits.sum(axis=1, keepdims=True)
    return Finds(boxes[seen], scores[:, rows, columns].T[seen], digits[seen])


def _merged(found: list[Finds]) -> Finds:
    """One find for each character: the surest, with the opinions of the others on what it is."""
    boxes, scores, digits = (
        np.concatenate([getattr(copy, part) for copy in found]) for part in ("boxes", "scores", "digits")
    )
    order = np.argsort(-scores.max(axis=1), kind="stable")
    boxes, scores, digits = boxes[order], scores[order], digits[order]
    left, top, right, bottom = np.ascontiguousarray(boxes.T)
    areas = (right - left) * (bottom - top)
    kept: list[int] = []
    waiting = np.arange(len(boxes))
    while len(waiting):
        some = waiting[:_AT_ONCE, None]
        wide = np.minimum(right[some], right[waiting]) - np.maximum(left[some], left[waiting])
        high = np.minimum(bottom[some], bottom[waiting]) - np.maximum(top[some], top[waiting])
        shared = wide.clip(min=0) * high.clip(min=0)
        same = shared > _SAME * (areas[waiting] + areas[some] - shared)
        conflicts = same | (shared > _INSIDE * np.minimum(areas[waiting], areas[some]))
        # It shares all of itself with itself; most share nothing with others.
        alone = np.count_nonzero(conflicts, axis=1) == 1
        free = np.ones(len(waiting), np.bool_)
        free[: len(alone)] = ~alone
        kept += waiting[: len(alone)][alone].tolist()
        for place in np.flatnonzero(~alone).tolist():
            if not free[place]:
                continue
            number, alike = waiting[place], waiting[same[place] & free]
            weights = scores[alike, 0]
            if weights.any():
                digits[number] = weights @ digits[alike] / weights.sum()
            kept.append(number)
            free &= ~conflicts[place]
        waiting = waiting[free]
    kept.sort()
    return Finds(boxes[kept], scores[kept], digits[kept])
