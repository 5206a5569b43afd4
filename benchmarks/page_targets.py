"""Whether drawn pages are read as well as they are meant to be: a figure for each kind, beside what is aimed at.

    python benchmarks/page_targets.py --count 200

The digits are MNIST's test digits and fonts that the finder was not trained on: of those that are installed, or in the folders of
--fonts, such as npm's packages of examples/prints.txt, the families that are held out. The figures are kept in
benchmarks/results/page_targets.json. Nothing is chosen by them.
"""

from __future__ import annotations

import argparse
import datetime
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np

import kept as keeping
from drawn_pages import DrawnPage, Kinds
from mnistkit import Predictor, load_mnist
from mnistkit.evaluation.readings import edit_distance
from mnistkit.metrics import Proportion
from mnistkit.reading.reading import numbers_in
from mnistkit.synthetic.fonts import Font, families, held_out

FILE = "page_targets.json"
SEED = 91
SIDE = 9


class Targets:
    """What is counted of each kind of page."""

    def __init__(self, fonts: dict[str, list[Font]] | None = None) -> None:
        self.reader = Predictor()
        self.kinds = Kinds(load_mnist().test, fonts)
        self._tables: dict[int, tuple[Proportion, Proportion]] = {}
        self.rows: dict[str, tuple[str, Callable[[int], Proportion]]] = {
            "five digits touching, whole": ("96 %", lambda count: self.whole("touching", count)),
            "five digits overlapping, whole": ("90 %", lambda count: self.whole("overlapping", count)),
            "81 cells: the written ones": ("98 %", lambda count: self.tables(count)[0]),
            "81 cells: the empty ones": ("99.5 %", lambda count: self.tables(count)[1]),
            "amounts by hand": ("95 %", lambda count: self.amounts("amount by hand", count)),
            "amounts printed": ("95 %", lambda count: self.amounts("amount printed", count)),
            "amounts on displays": ("95 %", lambda count: self.amounts("amount on a display", count)),
            "letters of words that give no digit": ("99 %", self.letters),
            "printed digits, one by one": ("99.5 %", lambda count: self.digits("printed digit", count)),
            "printed digits in lines": ("98 %", lambda count: self.digits("printed line", count)),
            "pages of ten digits, upright": ("-", lambda count: self._right(self.full(count))),
            "turned by 90, 180, 270 degrees": ("2 points less", self.turned),
            "skewed by 15 degrees": ("2 points less", lambda count: self.digits("skewed by 15 degrees", count)),
        }

    def whole(self, kind: str, count: int) -> Proportion:
        """Pages of which all digits are read, and no other."""
        pages = self.kinds.pages(kind, count, SEED)
        return Proportion(sum(self.reader.read(page.picture).text == page.digits for page in pages), count)

    def digits(self, kind: str, count: int) -> Proportion:
        """Digits that are right, in the order of the page."""
        return self._right(self.kinds.pages(kind, count, SEED))

    def full(self, count: int) -> Iterator[DrawnPage]:
        """Lines of ten digits and more, upright."""
        generator = np.random.default_rng(SEED)
        return (self.kinds.full(generator) for _ in range(count))

    def turned(self, count: int) -> Proportion:
        """The same pages, so that both rows differ by the turn alone: on one side, upside down, on the other side."""
        return self._right(page.turned(1 + number % 3) for number, page in enumerate(self.full(count)))

    def _right(self, pages: Iterator[DrawnPage]) -> Proportion:
        wrong = written = 0
        for page in pages:
            wrong += min(edit_distance(page.digits, self.reader.read(page.picture).text), len(page.digits))
            written += len(page.digits)
        return Proportion(written - wrong, written)

    def amounts(self, kind: str, count: int) -> Proportion:
        """Pages whose number is read, as a decimal."""
        pages = self.kinds.pages(kind, count, SEED)
        # As text: 1.50 is not 1.5 here.
        right = (
            [str(number) for number in self.reader.read(page.picture).numbers]
            == [str(number) for number in numbers_in(page.text)]
            for page in pages
        )
        return Proportion(sum(right), count)

    def letters(self, count: int) -> Proportion:
        """Letters, less what is read of them."""
        read = written = 0
        for page in self.kinds.pages("words", count, SEED):
            read += len(self.reader.read(page.picture).digits)
            written += len(page.text)
        return Proportion(max(written - read, 0), written)

    def tables(self, count: int) -> tuple[Proportion, Proportion]:
        """Cells that are right, of those with a digit and of those without; none of a table of another size."""
        if count in self._tables:
            return self._tables[count]
        draw = np.random.default_rng(SEED)
        right, all_of = [0, 0], [0, 0]
        for _ in range(count):
            picture, cells = self.grid(draw)
            table = self.reader.read(picture).table
            fits = (table.rows, table.columns) == (SIDE, SIDE)
            read = [cell for row in table.cells for cell in row] if fits else [None] * len(cells)
            for cell, found in zip(cells, read, strict=True):
                all_of[not cell] += 1
                right[not cell] += found == cell
        self._tables[count] = Proportion(right[0], all_of[0]), Proportion(right[1], all_of[1])
        return self._tables[count]

    def grid(self, draw: np.random.Generator) -> tuple[np.ndarray, list[str]]:
        """A ruled table of nine rows and columns by one hand, half empty, and what is in its cells."""
        cell = int(draw.integers(34, 60))
        edge = 20 + SIDE * cell
        page = np.full((edge + 20, edge + 20), 235, np.uint8)
        for number in range(SIDE + 1):
            thick, place = 1 if number % 3 else 3, 20 + number * cell
            page[place : place + thick, 20 : edge + thick] = 90
            page[20 : edge + thick, place : place + thick] = 90
        hand, cells = self.kinds.hand(draw), []
        for number in range(SIDE * SIDE):
            cells.append("" if draw.random() < 0.5 else str(draw.integers(10)))
            if not cells[-1]:
                continue
            glyph = hand.glyph(cells[-1], draw)
            scale = cell * draw.uniform(0.5, 0.7) * glyph.height / glyph.pixels.shape[0]
            wide, high = (max(1, round(side * scale)) for side in reversed(glyph.pixels.shape))
            ink = cv2.resize(glyph.pixels, (wide, high), interpolation=cv2.INTER_AREA)
            row, column = divmod(number, SIDE)
            y = 20 + row * cell + round((cell - high) / 2 + draw.normal(0, 0.04) * cell)
            x = 20 + column * cell + round((cell - wide) / 2 + draw.normal(0, 0.06) * cell)
            part = page[y : y + high, x : x + wide]
            np.minimum(part, (235 - 0.8 * ink).astype(np.uint8), out=part)
        return page, cells


def main() -> None:
    """Measure, print, keep."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=50, help="pages of each kind (default: %(default)s)")
    parser.add_argument("--only", nargs="+", help="these rows")
    parser.add_argument("--fonts", type=Path, nargs="+", help="folders with the fonts that are printed")
    options = parser.parse_args()
    fonts = options.fonts and {name: own for name, own in families(options.fonts).items() if held_out(name)}
    targets = Targets(fonts)
    if unknown := set(options.only or ()) - targets.rows.keys():
        parser.error(f"no row {', '.join(sorted(unknown))}; there are: {', '.join(targets.rows)}")
    for name in options.only or targets.rows:
        aim, measure = targets.rows[name]
        found = measure(options.count)
        low, high = found.interval
        print(f"{name:<38}{found.accuracy:>8.1%}  ({low:.1%} to {high:.1%})  aim: {aim}", flush=True)
        day = datetime.datetime.now(datetime.UTC).date().isoformat()
        with keeping.changing(FILE) as kept:
            kept["results"][name] = {
                "aim": aim,
                "right": [found.correct, found.count],
                "pages": options.count,
                "date": day,
                **({} if not fonts else {"families": len(fonts)}),
            }


if __name__ == "__main__":
    main()
