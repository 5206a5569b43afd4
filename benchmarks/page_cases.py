"""Whether pictures are read of which people say in public that their tools fail: so many drawn ones of each kind.

    python benchmarks/page_cases.py --count 200

Displays, sheets on tables, boxes of forms, sudokus, circled digits, words, signs, touching digits, columns, ruled paper and empty
cells. Handwritten digits are MNIST's test digits, as smooth ink; print is in fonts that the finder was not trained on and in two
that everybody has. A picture counts if all of it is right; the aim is 95 % of each kind. The figures are kept in
benchmarks/results/page_cases.json. Nothing is chosen by them.
"""

from __future__ import annotations

import argparse
import datetime
from collections.abc import Callable

import cv2
import numpy as np
import PIL.Image
import PIL.ImageDraw
import PIL.ImageFont
from matplotlib.font_manager import findfont

import kept as keeping
from mnistkit import Predictor, load_mnist
from mnistkit.errors import BlankImageError
from mnistkit.metrics import Proportion
from mnistkit.reading import Prediction
from mnistkit.synthetic.glyphs import Display, Images

FILE = "page_cases.json"
SEED = 57
PAPER, INK = 255, 20
WORDS = ("Room", "Hello", "Invoice", "Total", "Page", "Order", "Street", "Building", "Soil", "Boiling", "Zoo", "Gloss")
Draw = np.random.Generator


class Cases:
    """Draws pictures and says of each whether it was read."""

    def __init__(self) -> None:
        self.reader = Predictor()
        self.images = Images(load_mnist().test)
        self.kinds: dict[str, Callable[[Draw], bool]] = {
            "01 display": self.display,
            "02 sheet on a table": self.sheet,
            "03 boxes of a form": self.boxes,
            "04 sudoku": self.sudoku,
            "05 circled or boxed": self.ringed,
            "06 words": self.words,
            "07 signs": self.signs,
            "08 touching by 0 to 5 pixels of 84": self.touching,
            "10 two columns": self.columns,
            "11 ruled paper": self.ruled,
            "34 empty cell": self.empty,
        }

    def reads(self, picture: np.ndarray, text: str) -> bool:
        """Whether its lines are these."""
        return "\n".join(self.reader.read(picture).lines) == text

    def predict(self, picture: np.ndarray, coverage: float | None = None) -> Prediction:
        """What its one digit is."""
        prediction = self.reader.predict(picture, coverage=coverage)
        assert isinstance(prediction, Prediction)  # of one picture there is one
        return prediction

    def ink(self, digit: str, draw: Draw, height: int = 84) -> np.ndarray:
        """A digit by hand, uint8, cut out, light on black."""
        image = self.images.pick(int(digit), draw)
        rows, columns = np.flatnonzero(image.max(axis=1) > 60), np.flatnonzero(image.max(axis=0) > 60)
        cut = np.pad(image[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1], 1)
        wide = max(2, round(cut.shape[1] * height / cut.shape[0]))
        smooth = cv2.GaussianBlur(cv2.resize(cut, (wide, height), interpolation=cv2.INTER_CUBIC), (0, 0), height / 60)
        return ((smooth.astype(np.float32) - 100) * 4 + 127).clip(0, 255).astype(np.uint8)

    def row(self, text: str, draw: Draw, gap: int, height: int = 84) -> np.ndarray:
        """Digits by hand beside each other; below 0 they overlap by so many pixels."""
        line = self.ink(text[0], draw, height)
        for digit in text[1:]:
            after = self.ink(digit, draw, height)
            right = np.where((line > 127).any(axis=1), line.shape[1] - (line > 127)[:, ::-1].argmax(axis=1), -height)
            left = np.where((after > 127).any(axis=1), (after > 127).argmax(axis=1), height)
            place = max(0, int((right - left).max()) + gap)
            wide = max(line.shape[1], place + after.shape[1])
            line = np.pad(line, ((0, 0), (0, wide - line.shape[1])))
            line[:, place : place + after.shape[1]] = np.maximum(line[:, place : place + after.shape[1]], after)
        return line

    def paper(self, ink: np.ndarray, room: int = 40) -> np.ndarray:
        """Ink on white paper."""
        return (PAPER - np.pad(ink, room).astype(np.float32) * (PAPER - INK) / 255).round().astype(np.uint8)

    def number(self, draw: Draw, count: int) -> str:
        """Digits, each equally often."""
        return "".join(map(str, draw.integers(0, 10, count)))

    def print(self, text: str, draw: Draw, size: int = 44) -> np.ndarray:
        """Text in DejaVu or Computer Modern, the two that matplotlib brings."""
        font = PIL.ImageFont.truetype(findfont(str(draw.choice(["DejaVu Sans", "DejaVu Serif", "cmr10"]))), size)
        left, top, right, bottom = (
            int(edge) for edge in PIL.ImageDraw.Draw(PIL.Image.new("L", (1, 1))).textbbox((0, 0), text, font)
        )
        picture = PIL.Image.new("L", (right - left + 60, bottom - top + 60), PAPER)
        PIL.ImageDraw.Draw(picture).text((30 - left, 30 - top), text, font=font, fill=INK)
        return np.asarray(picture)

    def display(self, draw: Draw) -> bool:
        """Four digits of a meter or a clock, dark on grey or light on black, upright or leaning."""
        text, shown = self.number(draw, 4), Display(draw)
        shown.off, shown.thickness = 0, float(draw.uniform(0.08, 0.16))
        line = np.zeros((120, 40), np.uint8)
        for digit in text:
            glyph = shown.glyph(digit, draw)
            (high, wide), top = glyph.pixels.shape, round(glyph.top * 120)
            cell = np.zeros((120, round(shown.width * 120) + 22), np.uint8)
            cell[top : top + high, cell.shape[1] - 22 - wide : cell.shape[1] - 22] = glyph.pixels
            line = np.hstack([line, cell])
        line = np.pad(line, 40)
        lean = np.array([[1, -draw.choice([0.0, 0.1]), 8], [0, 1, 0]])
        leaning: np.ndarray = cv2.warpAffine(line, lean, line.shape[::-1])
        low, high = ((190, 40), (15, 230))[draw.integers(2)]
        return self.reads((low + (high - low) * (leaning / 255.0)).astype(np.uint8), text)

    def sheet(self, draw: Draw) -> bool:
        """A small sheet on a plain or wooden table, straight or tilted."""
        text = self.number(draw, 4)
        page = self.paper(self.row(text, draw, 14, 46), 24).astype(np.float32) - 18
        high, wide = 420, 600
        x, y = np.meshgrid(np.arange(wide), np.arange(high))
        wood = (
            110 + 30 * np.sin((x + 26 * np.sin(y / 55)) / 13) if draw.random() < 0.67 else np.full((high, wide), 90.0)
        )
        matrix = cv2.getRotationMatrix2D((page.shape[1] / 2, page.shape[0] / 2), float(draw.choice([0, 0, 8, -8])), 1.0)
        matrix[:, 2] += (wide / 2 - page.shape[1] / 2, high / 2 - page.shape[0] / 2)
        there = cv2.warpAffine(np.ones(page.shape, np.float32), matrix, (wide, high))
        picture = wood * (1 - there) + cv2.warpAffine(page, matrix, (wide, high)) * there
        return self.reads(picture.clip(0, 255).astype(np.uint8), text)

    def boxes(self, draw: Draw) -> bool:
        """A digit in each of four boxes, joined or apart."""
        text, apart = self.number(draw, 4), int(draw.choice([0, 14]))
        page = np.full((160, 80 + 4 * (80 + apart)), PAPER, np.uint8)
        for place, digit in enumerate(text):
            left = 40 + place * (80 + apart)
            cv2.rectangle(page, (left, 40), (left + 80, 120), INK, 2)
            ink = self.ink(digit, draw, 52)[:, :70]
            x, y = left + 40 - ink.shape[1] // 2 + int(draw.integers(-3, 4)), 54 + int(draw.integers(-3, 4))
            part = page[y : y + 52, x : x + ink.shape[1]]
            np.minimum(part, PAPER - ink, out=part)
        return self.reader.read(page).text == text

    def sudoku(self, draw: Draw) -> bool:
        """A printed one, a third of it filled."""
        size, cell = int(draw.integers(22, 32)), int(draw.integers(48, 60))
        font = PIL.ImageFont.truetype(findfont(str(draw.choice(["DejaVu Sans", "DejaVu Serif", "cmr10"]))), size)
        picture = PIL.Image.new("L", (9 * cell + 20, 9 * cell + 20), PAPER)
        pen, cells = PIL.ImageDraw.Draw(picture), []
        for n in range(10):
            for line in (
                (10 + n * cell, 10, 10 + n * cell, 10 + 9 * cell),
                (10, 10 + n * cell, 10 + 9 * cell, 10 + n * cell),
            ):
                pen.line(line, INK, 1 if n % 3 else 3)
        for n in range(81):
            cells.append(str(draw.integers(1, 10)) if draw.random() < 0.36 else "")
            pen.text((10 + (n % 9 + 0.5) * cell, 10 + (n // 9 + 0.5) * cell), cells[-1], INK, font, "mm")
        table = self.reader.read(np.asarray(picture)).table
        return (table.rows, table.columns) == (9, 9) and [cell for row in table.cells for cell in row] == cells

    def ringed(self, draw: Draw) -> bool:
        """One digit in a circle or a box: what `predict` says."""
        digit = self.number(draw, 1)
        ink = self.ink(digit, draw, 110)
        page = np.full((300, 300), PAPER, np.uint8)
        y, x = 150 - ink.shape[0] // 2, 150 - ink.shape[1] // 2
        part = page[y : y + ink.shape[0], x : x + ink.shape[1]]
        np.minimum(part, PAPER - ink, out=part)
        if draw.random() < 0.5:
            cv2.circle(page, (150, 150), 100, INK, 3, cv2.LINE_AA)
        else:
            cv2.rectangle(page, (70, 70), (230, 230), INK, 3)
        return self.predict(page).label == int(digit)

    def words(self, draw: Draw) -> bool:
        """A word, or two, or one and a number: only that comes back."""
        number = self.number(draw, 3) if draw.random() < 0.5 else ""
        text = " ".join([*draw.choice(WORDS, 1 if number else draw.integers(1, 3)), number]).strip()
        return self.reader.read(self.print(text, draw)).text == number

    def signs(self, draw: Draw) -> bool:
        """A minus, a point, a comma, a per cent sign, a dollar."""
        a, b = int(draw.integers(1, 10)), self.number(draw, 2)
        ways = (f"-{a}", f"{a}.{b}", f"{a},{b}0", f"{a}0%", f"${a}{b}")
        values = (f"-{a}", f"{a}.{b}", f"{a}{b}0", f"{a}0", f"{a}{b}")
        way = int(draw.integers(len(ways)))
        numbers = self.reader.read(self.print(ways[way], draw)).numbers
        return [str(number) for number in numbers] == [values[way]]

    def touching(self, draw: Draw) -> bool:
        """Three digits, pushed together until they touch or overlap."""
        text = self.number(draw, 3)
        return self.reads(self.paper(self.row(text, draw, -int(draw.choice([0, 2, 5])))), text)

    def columns(self, draw: Draw) -> bool:
        """Two numbers on one line."""
        parts = [self.number(draw, 2), self.number(draw, 2)]
        rows = [self.row(part, draw, 8, 52) for part in parts]
        gap = np.zeros((52, int(draw.integers(60, 260))), np.uint8)
        return self.reads(self.paper(np.hstack([rows[0], gap, rows[1]]), 20), " ".join(parts))

    def ruled(self, draw: Draw) -> bool:
        """One digit on dark ruled lines: what `predict` says."""
        digit = self.number(draw, 1)
        page = np.full((300, 300), PAPER, np.uint8)
        page[:: int(draw.integers(26, 34))] = int(draw.integers(60, 190))
        ink = self.ink(digit, draw, 130)
        y, x = 85, 150 - ink.shape[1] // 2
        part = page[y : y + 130, x : x + ink.shape[1]]
        np.minimum(part, PAPER - ink, out=part)
        return self.predict(page).label == int(digit)

    def empty(self, draw: Draw) -> bool:
        """A cell of a table with what is left of its rules, and nothing in it: blank, or refused."""
        cell = np.full((50, 50), PAPER, np.uint8)
        for _ in range(int(draw.integers(1, 3))):
            cell = np.ascontiguousarray(np.rot90(cell, int(draw.integers(4))))
            cell[:, : int(draw.integers(1, 4))] = int(draw.integers(0, 120))
        try:
            return self.predict(cell, 0.98).rejected is not None
        except BlankImageError:
            return True


def main() -> None:
    """Measure, print, keep."""
    cases = Cases()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=200, help="pictures of each kind (default: %(default)s)")
    parser.add_argument("--only", nargs="+", choices=list(cases.kinds), default=list(cases.kinds))
    options = parser.parse_args()
    for name in options.only:
        draw = np.random.default_rng(SEED)
        found = Proportion(sum(cases.kinds[name](draw) for _ in range(options.count)), options.count)
        low, high = found.interval
        print(f"{name:<38}{found.accuracy:>8.1%}  ({low:.1%} to {high:.1%})", flush=True)
        with keeping.changing(FILE) as kept:
            day = datetime.datetime.now(datetime.UTC).date().isoformat()
            kept["results"][name] = {"right": [found.correct, found.count], "date": day}


if __name__ == "__main__":
    main()
