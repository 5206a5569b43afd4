"""Strips to train a reader of lines on: cut from drawn pages, as they are needed."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from mnistkit.data import DigitDataset
from mnistkit.imaging.strips import STRIP_HEIGHT, cut_strip
from mnistkit.recipes.drawn_pages import faded
from mnistkit.seeding import derive_seed
from mnistkit.synthetic import Page, PagePainter
from mnistkit.synthetic.canvas import CHARACTERS, IGNORED
from mnistkit.synthetic.fonts import Font

__all__ = ["LETTER", "NOTHING", "DrawnLines"]

#: The labels after those of ``CHARACTERS``.
LETTER, NOTHING = len(CHARACTERS), len(CHARACTERS) + 1
#: What fills the rows of labels that are not needed.
PADDING = -1
# The most characters of a strip, and its width in pixels.
MOST, WIDTH = 16, 192
# So high is a digit in a strip, in pixels; and how much the height that it is taken for may be wrong, as a logarithm.
DIGIT = 20
_WRONG, _OFF = 0.12, 0.08
# What stands beside a strip's characters and is seen, in heights of a digit.
_BESIDE = (0.05, 1.2)
# So much of a character is in the strip, or not: what is between is unclear.
_IN, _OUT = 0.8, 0.25
_KINDS = ("string", "lines", "table", "form", "display", "prose", "single", "scattered")
_SHARES = (0.36, 0.25, 0.07, 0.07, 0.08, 0.09, 0.04, 0.04)
_HEIGHTS = (10.0, 110.0)
_SMALL, _SMALL_SIDES = 0.35, (40, 120)
_FADED, _TRIES = 0.3, 6
# So many strips with one character are left out: most lines have more.
_ALONE = 0.7
_OF_A_PAGE = 3


@dataclass(frozen=True)
class _Written:
    """What stands on a page: the middles on the level page, float ``(N, 2)``, sizes ``(N, 2)``, labels and lines."""

    middles: np.ndarray
    sizes: np.ndarray
    labels: np.ndarray


class DrawnLines(Dataset[tuple[Tensor, Tensor]]):
    """Strips of drawn pages, each made when it is asked for; a number is always the same strip.

    Args:
        digits: those that are written by hand, of one split only.
        fonts: those that are printed.
        hands: fonts of handwriting.
        count: how many strips there are.
        seed: other strips for another seed.

    A strip is an image, float ``(1, 32, 192)``, -1 black to 1 white, and its characters, float ``(16, 2)``: the label and the
    middle, in pixels from the left; labels of -1 fill the rest.
    """

    def __init__(
        self, digits: DigitDataset, fonts: Sequence[Font], count: int, *, seed: int, hands: Sequence[Font] = ()
    ) -> None:
        self.painter = PagePainter(digits, fonts, hands)
        self.count, self.seed = count, seed
        self._page = functools.lru_cache(maxsize=1)(self._drawn)

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, number: int) -> tuple[Tensor, Tensor]:
        if not 0 <= number < self.count:
            raise IndexError(number)
        draw = np.random.default_rng(derive_seed(self.seed, "strip", number))
        # Strips of one page follow each other: three cost little more than one.
        page = derive_seed(self.seed, "page", number // _OF_A_PAGE)
        while (found := self._strip(page, draw)) is None:
            page = derive_seed(page, "another")
        strip, characters = found
        if draw.random() < _FADED:
            strip = faded(strip, draw)
        image = torch.from_numpy(np.ascontiguousarray(strip))[None].float().div_(127.5).sub_(1)
        return image, torch.from_numpy(characters)

    def _strip(self, seed: int, draw: np.random.Generator) -> tuple[np.ndarray, np.ndarray] | None:
        page = self._page(seed)
        written = _written(page)
        if not len(written.labels):
            return None
        for _ in range(_TRIES):
            if (found := _cut(page, written, draw)) is not None:
                return found
        return None

    def _drawn(self, seed: int) -> Page:
        draw = np.random.default_rng(seed)
        kind = str(draw.choice(_KINDS, p=_SHARES))
        if kind in ("string", "single", "lines") and draw.random() < _SMALL:
            side = int(draw.integers(*_SMALL_SIDES))
            return self.painter.draw(draw, (side, side), heights=(9.0, 0.9 * side), kind=kind)
        wide = int(draw.integers(128, 257))
        return self.painter.draw(draw, (int(draw.integers(48, 160)), wide), heights=_HEIGHTS, kind=kind)


def _written(page: Page) -> _Written:
    boxes = np.array([mark.box for mark in page.marks] + list(page.others), float).reshape(-1, 4)
    labels = np.array([mark.label for mark in page.marks] + [LETTER] * len(page.others), int)
    sizes = boxes[:, 2:] - boxes[:, :2]
    return _Written((boxes[:, :2] + boxes[:, 2:]) / 2 @ _turn(page.angle).T, sizes, labels)


def _turn(degrees: float) -> np.ndarray:
    """Makes a line level that falls by so many degrees to the right."""
    cosine, sine = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return np.array([[cosine, sine], [-sine, cosine]])


def _cut(page: Page, written: _Written, draw: np.random.Generator) -> tuple[np.ndarray, np.ndarray] | None:
    """A strip around some neighbours in a line, if it is clear what is in it."""
    labels, middles, sizes = written.labels, written.middles, written.sizes
    full = np.flatnonzero((labels >= 0) & ((labels < 10) | (labels == LETTER)))
    if not len(full):
        return None
    first = int(draw.choice(full))
    tall = float(sizes[first, 1])
    line = full[np.abs(middles[full, 1] - middles[first, 1]) < 0.5 * tall]
    line = line[np.argsort(middles[line, 0])]
    start = int(draw.integers(0, len(line)))
    end = start + 1 + int(draw.integers(0, 12))
    if draw.random() < 0.6:
        start, end = max(0, start - 12 // 2), start + 6
    some = line[start:end]
    height = float(np.median(sizes[some, 1])) * STRIP_HEIGHT / DIGIT * math.exp(draw.normal(0, _WRONG))
    unit = height * DIGIT / STRIP_HEIGHT
    left = float((middles[some, 0] - sizes[some, 0] / 2).min()) - unit * draw.uniform(*_BESIDE)
    right = float((middles[some, 0] + sizes[some, 0] / 2).max()) + unit * draw.uniform(*_BESIDE)
    if (len(some) == 1 and draw.random() < _ALONE) or not height or (right - left) / height * STRIP_HEIGHT > WIDTH:
        return None
    y = float(middles[some, 1].mean()) + draw.normal(0, _OFF) * unit
    # How much of each character is inside; the strip goes on to its full width.
    right = left + WIDTH * height / STRIP_HEIGHT
    across = _inside(middles[:, 0], sizes[:, 0], left, right)
    up = _inside(middles[:, 1], sizes[:, 1], y - height / 2, y + height / 2)
    small = (labels >= 10) & (labels < LETTER)
    seen = across * up
    rows = np.abs(middles[:, 1] - y) < np.where(small, 0.45, 0.3) * height
    unclear = (seen > _OUT) & ((seen < _IN) | ~rows)
    if (unclear | ((labels == IGNORED) & (seen > 0.1))).any():
        return None
    there = np.flatnonzero((seen >= _IN) & rows)
    there = there[np.argsort(middles[there, 0])]
    # Other sizes are other lines.
    big = there[~small[there]]
    if len(there) > MOST or (sizes[big, 1] > 0.95 * height).any() or (sizes[big, 1] < 0.22 * height).any():
        return None
    middle = _turn(-page.angle) @ np.array([(left + right) / 2, y])
    strip = cut_strip(page.picture, (float(middle[0]), float(middle[1])), (right - left, height), page.angle, WIDTH)
    rows_of = np.full((MOST, 2), PADDING, np.float32)
    rows_of[: len(there), 0] = labels[there]
    rows_of[: len(there), 1] = (middles[there, 0] - left) / height * STRIP_HEIGHT
    return strip, rows_of


def _inside(middles: np.ndarray, sizes: np.ndarray, low: float, high: float) -> np.ndarray:
    """Which share of intervals is between two places."""
    ends = np.minimum(middles + sizes / 2, high) - np.maximum(middles - sizes / 2, low)
    share: np.ndarray = ends.clip(min=0) / sizes.clip(min=1)
    return share
