"""Pages to train a finder on, drawn as they are needed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np
import torch
from torch import Tensor

from mnistkit.data import DigitDataset
from mnistkit.recipes.detection import LETTER, NOTHING
from mnistkit.recipes.drawn import Drawn, as_input, perhaps_faded
from mnistkit.synthetic import Mark, Page
from mnistkit.synthetic.canvas import CHARACTERS, IGNORED
from mnistkit.synthetic.fonts import Font

__all__ = ["DrawnPages", "on_its_side"]

# The most characters of a page that are learned.
_MOST = 300
# The least and the greatest height of a digit, in pixels: on crowded pages, and on others.
_CROWDED, _SPARSE = (10.0, 60.0), (14.0, 115.0)
# So many pages have characters so high that they are found in smaller copies of a page only: here, they are nothing.
_HUGE, _HUGE_HEIGHTS, _HUGE_KINDS = 0.04, (230.0, 700.0), ("lines", "string", "single", "display", "form", "prose")
# So many pages are small pictures, shown enlarged by so much; what stands on them; the heights in shares of the side.
_SMALL, _ENLARGED = 0.22, (1.4, 6.0)
_SMALL_KINDS, _SMALL_HEIGHTS = ("string", "string", "string", "single", "lines", "scattered"), (0.15, 0.9)
# So many pages lie on their side or, half of these, upside down, where letters look like digits more than on their side: they
# have no digits but those that stay digits, which do not matter.
_TURNED, _QUARTERS = 0.2, (1, 2, 2, 3)
_LASTING = {1: "018", 2: "01689", 3: "018"}
# A page of fewer characters has no direction: all of them may be found or not.
_FEWEST = 4


class DrawnPages(Drawn):
    """Drawn pages, each made when it is asked for; a number is always the same page.

    Args:
        digits: those that are written by hand, of one split only.
        fonts: those that are printed.
        hands: fonts of handwriting.
        count: how many pages there are.
        seed: other pages for another seed.
        side: of the pages, in pixels; a multiple of 32.

    A page is an image, float ``(1, side, side)``, -1 black to 1 white, and its marks, float ``(300, 5)``, as the losses of
    :class:`~mnistkit.recipes.finder.FinderTrainer` want them.
    """

    def __init__(
        self,
        digits: DigitDataset,
        fonts: Sequence[Font],
        count: int,
        *,
        seed: int,
        side: int = 256,
        hands: Sequence[Font] = (),
    ) -> None:
        super().__init__(digits, fonts, count, seed=seed, hands=hands)
        self.side = side

    def __getitem__(self, number: int) -> tuple[Tensor, Tensor]:
        draw = self.generator("page", number)
        picture, marks = self._small(draw) if draw.random() < _SMALL else self._large(draw)
        picture = perhaps_faded(picture, draw)
        if draw.random() < _TURNED:
            picture, marks = on_its_side(picture, marks, int(draw.choice(_QUARTERS)))
        rows = np.full((_MOST, 5), NOTHING, np.float32)
        for row, mark in zip(rows, marks, strict=False):
            left, top, right, bottom = mark.box
            row[:] = mark.label, (left + right) / 2, (top + bottom) / 2, right - left, bottom - top
        return as_input(picture), torch.from_numpy(rows)

    def _large(self, draw: np.random.Generator) -> tuple[np.ndarray, Sequence[Mark]]:
        if draw.random() < _HUGE:
            kind = str(draw.choice(_HUGE_KINDS))
            return self.painter.draw(draw, (self.side, self.side), heights=_HUGE_HEIGHTS, kind=kind).picture, ()
        heights = _CROWDED if draw.random() < 0.6 else _SPARSE
        page = self.painter.draw(draw, (self.side, self.side), heights=heights)
        return page.picture, _with_letters(page)

    def _small(self, draw: np.random.Generator) -> tuple[np.ndarray, Sequence[Mark]]:
        side = round(self.side / math.exp(draw.uniform(*np.log(_ENLARGED))))
        low, high = (max(9.0, side * share) for share in _SMALL_HEIGHTS)
        page = self.painter.draw(draw, (side, side), heights=(low, high), kind=str(draw.choice(_SMALL_KINDS)))
        return _enlarged(page, self.side)


def _with_letters(page: Page) -> list[Mark]:
    return [*page.marks, *(Mark(LETTER, box) for box in page.others)]


def _enlarged(page: Page, side: int) -> tuple[np.ndarray, list[Mark]]:
    scale = side / page.picture.shape[0]
    marks = [replace(mark, box=tuple(edge * scale for edge in mark.box)) for mark in _with_letters(page)]
    return cv2.resize(page.picture, (side, side), interpolation=cv2.INTER_CUBIC), marks


def on_its_side(picture: np.ndarray, marks: Sequence[Mark], quarters: int) -> tuple[np.ndarray, list[Mark]]:
    """A square page turned counter-clockwise by so many quarters, with what is still to be found there.

    Args:
        picture: uint8 ``(side, side)``.
        marks: of the page as it was.
        quarters: 1 to 3.
    """
    side = picture.shape[0]
    # Letters on their side are none.
    marks = [mark for mark in marks if mark.label != LETTER]
    few = sum(mark.label >= 0 for mark in marks) < _FEWEST
    kept = []
    for mark in marks:
        left, top, right, bottom = mark.box
        for _ in range(quarters):
            left, top, right, bottom = top, side - right, bottom, side - left
        unclear = (
            mark.label < 0 or CHARACTERS[mark.label] not in "0123456789" or CHARACTERS[mark.label] in _LASTING[quarters]
        )
        if few or unclear:
            kept.append(replace(mark, label=IGNORED, box=(left, top, right, bottom)))
    return np.ascontiguousarray(np.rot90(picture, quarters)), kept
