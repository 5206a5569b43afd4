"""Strips to train a reader of lines on: cut from drawn pages, as they are needed."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor

from mnistkit.data import DigitDataset
from mnistkit.imaging import STRIP_DIGIT, STRIP_HEIGHT, cut_strip, levelling
from mnistkit.recipes.detection import LETTER
from mnistkit.recipes.drawn import Drawn, as_input, perhaps_faded
from mnistkit.seeding import derive_seed
from mnistkit.synthetic import Page
from mnistkit.synthetic.canvas import IGNORED, Canvas
from mnistkit.synthetic.fonts import Font
from mnistkit.synthetic.glyphs import Display, Hand, Handwriting
from mnistkit.synthetic.writer import Writer, number, phrase

__all__ = ["NOTHING", "PADDING", "DrawnLines"]

#: What a column says where no character is: after the labels of ``CHARACTERS`` and a letter.
NOTHING = LETTER + 1
#: What fills the rows of labels that are not needed.
PADDING = -1
# The most characters of a strip, and its width in pixels.
_MOST, _WIDTH = 16, 192
# How much the height that a digit is taken for may be wrong, as a logarithm, and its middle, in units of that height.
_WRONG, _OFF = 0.12, 0.08
# What stands beside a strip's characters and is seen, in heights of a digit.
_BESIDE = (0.05, 1.2)
# So much of a character is in the strip, or not: what is between is unclear.
_IN, _OUT = 0.8, 0.25
_KINDS = ("string", "lines", "table", "form", "display", "prose", "single", "scattered")
_SHARES = (0.42, 0.22, 0.06, 0.06, 0.08, 0.1, 0.03, 0.03)
_HEIGHTS = (10.0, 110.0)
_SMALL, _SMALL_SIDES = 0.35, (40, 120)
# So many pages are one line on plain paper, so high; of these so many a number by hand whose digits touch or nearly do, so far
# apart in units of the height, and other lines so far; and of the others so many what a display shows.
_PLAIN, _PLAIN_HEIGHTS, _CLOSE, _APART, _SPACED, _SHOWN = 0.5, (13.0, 56.0), 0.45, (-0.14, 0.06), (0.05, 0.4), 0.2
# And of the rest so many are printed for sure: letters that look like digits do so in print most of all.
_PRINTED = 0.3
# How much sizes and places differ on those lines: letters of a word do, and digits may as much. With twice as much, drawn
# strings and words are read worse.
_UNSTEADY = (0.0, 0.16)
# So many hands write one digit lower than the others, so high beside them; every second time it is the 0.
_LOWER, _LOW = 0.3, (0.45, 0.85)
# So many strips are of one page, and so often one is looked for on it before another page is drawn.
_OF_A_PAGE, _TRIES = 3, 6
# A strip has up to so many characters from the left one on, or in so many cases up to half of them on either side.
_LONGEST, _CENTRED = 12, 0.6
# So many strips with one character are left out: most lines have more.
_ALONE = 0.7


@dataclass(frozen=True)
class _Written:
    """What stands on a page: the middles on the level page, float ``(N, 2)``, sizes ``(N, 2)`` and labels ``(N,)``."""

    middles: np.ndarray
    sizes: np.ndarray
    labels: np.ndarray


class DrawnLines(Drawn):
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
        super().__init__(digits, fonts, count, seed=seed, hands=hands)
        self._page = functools.lru_cache(maxsize=1)(self._drawn)

    def __getitem__(self, number: int) -> tuple[Tensor, Tensor]:
        draw = self.generator("strip", number)
        # Strips of one page follow each other: three cost little more than one.
        page = derive_seed(self.seed, "page", number // _OF_A_PAGE)
        while (found := self._strip(page, draw)) is None:
            page = derive_seed(page, "another")
        strip, characters = found
        return as_input(perhaps_faded(strip, draw)), torch.from_numpy(characters)

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
        if draw.random() < _PLAIN:
            return self._plain(draw)
        kind = str(draw.choice(_KINDS, p=_SHARES))
        if kind in ("string", "single", "lines") and draw.random() < _SMALL:
            side = int(draw.integers(*_SMALL_SIDES))
            return self.painter.draw(draw, (side, side), heights=(9.0, 0.9 * side), kind=kind)
        wide = int(draw.integers(128, 257))
        return self.painter.draw(draw, (int(draw.integers(48, 160)), wide), heights=_HEIGHTS, kind=kind)

    def _hand(self, draw: np.random.Generator) -> tuple[Hand, bool]:
        fonts = self.painter.fonts
        if fonts and draw.random() < _PRINTED:
            return fonts[draw.integers(len(fonts))], True
        return self.painter.hand(draw)

    def _plain(self, draw: np.random.Generator) -> Page:
        """One line on plain paper, quickly drawn: a number by hand whose digits touch, or anything by anyone."""
        tall = math.exp(draw.uniform(*np.log(_PLAIN_HEIGHTS)))
        if draw.random() < _CLOSE:
            stroke = int(draw.choice([0, 0, 0, *range(-4, 9)]))
            writer = _by_hand(Handwriting(self.painter.digits, stroke), draw, tall, close=True)
            text = number(draw)
        elif draw.random() < _SHOWN:
            writer = Writer(Display(draw), draw, tall, spacing=draw.uniform(0.08, 0.4), unsteady=0.0)
            text = draw.choice(["", "", "-"]) + number(draw, 4) + draw.choice(["", "."]) + number(draw, 3)
        else:
            hand, printed = self._hand(draw)
            writer = (
                self._in_print(hand, draw, tall)
                if printed
                else _by_hand(hand, draw, tall, close=bool(draw.random() < 0.5))
            )
            words = draw.choice([0, 0.3, 1, 1] if printed else [0, 0.3, 1])
            writer.lowered = self.painter.lowered(draw)
            text = phrase(draw, float(words), float(draw.choice([0.2, 0.8])), self.painter.labelled)
        canvas = Canvas(round(tall * (len(text) + 2.5)), round(2.4 * tall))
        writer.write(canvas, text, -0.35 * len(text) * tall, 0)
        paper, tone = draw.integers(150, 256), draw.integers(0, 100)
        picture = cv2.LUT(canvas.ink, np.linspace(paper, tone, 256).astype(np.uint8))
        return Page(
            picture if draw.random() < 0.5 else 255 - picture, tuple(canvas.marks), "plain", tuple(canvas.others)
        )

    def _in_print(self, font: Hand, draw: np.random.Generator, tall: float) -> Writer:
        stretch = self.painter.stretch(draw, printed=True)
        return Writer(font, draw, tall, stretch=stretch, spacing=draw.uniform(*_SPACED), unsteady=0.0)


def _by_hand(hand: Hand, draw: np.random.Generator, tall: float, *, close: bool) -> Writer:
    """Who writes by hand, perhaps so closely that neighbours touch."""
    lower = "0" if draw.random() < 0.5 else str(draw.integers(0, 10))
    return Writer(
        hand,
        draw,
        tall,
        slant=draw.normal(0, 0.08),
        stretch=math.exp(draw.normal(0, 0.08)),
        spacing=draw.uniform(*(_APART if close else _SPACED)),
        pushed=close,
        unsteady=draw.uniform(*_UNSTEADY),
        sizes={lower: draw.uniform(*_LOW)} if draw.random() < _LOWER else {},
        foot=draw.random(),
    )


def _written(page: Page) -> _Written:
    boxes = np.array([mark.box for mark in page.marks] + list(page.others), float).reshape(-1, 4)
    labels = np.array([mark.label for mark in page.marks] + [LETTER] * len(page.others), int)
    sizes = boxes[:, 2:] - boxes[:, :2]
    return _Written((boxes[:, :2] + boxes[:, 2:]) / 2 @ levelling(page.angle).T, sizes, labels)


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
    end = start + 1 + int(draw.integers(0, _LONGEST))
    if draw.random() < _CENTRED:
        start, end = max(0, start - _LONGEST // 2), start + _LONGEST // 2
    some = line[start:end]
    height = float(np.median(sizes[some, 1])) * STRIP_HEIGHT / STRIP_DIGIT * math.exp(draw.normal(0, _WRONG))
    unit = height * STRIP_DIGIT / STRIP_HEIGHT
    left = float((middles[some, 0] - sizes[some, 0] / 2).min()) - unit * draw.uniform(*_BESIDE)
    right = float((middles[some, 0] + sizes[some, 0] / 2).max()) + unit * draw.uniform(*_BESIDE)
    if (len(some) == 1 and draw.random() < _ALONE) or not height or (right - left) / height * STRIP_HEIGHT > _WIDTH:
        return None
    y = float(middles[some, 1].mean()) + draw.normal(0, _OFF) * unit
    # How much of each character is inside; the strip goes on to its full width.
    right = left + _WIDTH * height / STRIP_HEIGHT
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
    if len(there) > _MOST or (sizes[big, 1] > 0.95 * height).any() or (sizes[big, 1] < 0.22 * height).any():
        return None
    middle = levelling(-page.angle) @ np.array([(left + right) / 2, y])
    strip = cut_strip(page.picture, (float(middle[0]), float(middle[1])), (right - left, height), page.angle, _WIDTH)
    characters = np.full((_MOST, 2), PADDING, np.float32)
    characters[: len(there), 0] = labels[there]
    characters[: len(there), 1] = (middles[there, 0] - left) / height * STRIP_HEIGHT
    return strip, characters


def _inside(middles: np.ndarray, sizes: np.ndarray, low: float, high: float) -> np.ndarray:
    """Which share of intervals is between two places."""
    ends = np.minimum(middles + sizes / 2, high) - np.maximum(middles - sizes / 2, low)
    share: np.ndarray = ends.clip(min=0) / sizes.clip(min=1)
    return share
