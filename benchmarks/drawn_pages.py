"""Drawn pages by kind, for benchmarks/pages.py: each kind is one thing that makes pages hard.

Their digits are MNIST's validation digits and fonts that the finder was not trained on, unless others are given.
"""

import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Self

import cv2
import numpy as np
import PIL.Image
import PIL.ImageDraw
import PIL.ImageFont

from mnistkit import DigitDataset, load_mnist
from mnistkit.synthetic.fonts import Font, families, held_out
from mnistkit.synthetic.glyphs import Display, Hand, Handwriting, Images, Pen
from mnistkit.synthetic.pages import PagePainter
from mnistkit.synthetic.writer import amount, label, word

WORDS = (
    "the of and in to was there with from bill street house price total about weight when left after train bus city people "
    "years found only some near old green small river road number page line came went every until second Anna Oslo Robert "
    "Illinois Sally Zoe Bobo Lola Siegfried Gogol"
)


@dataclass(frozen=True)
class DrawnPage:
    """A picture, uint8 ``(H, W)``, the digits in it, and for amounts their text, with the signs."""

    picture: np.ndarray
    digits: str
    text: str = ""

    def turned(self, quarters: int) -> Self:
        """The same on its side or upside down, turned counter-clockwise."""
        return replace(self, picture=np.ascontiguousarray(np.rot90(self.picture, quarters)))


class Kinds:
    """The kinds of pages.

    Args:
        digits: that are written; MNIST's validation digits if not given.
        fonts: that are printed, by family; those that are installed and held out if not given.
    """

    def __init__(self, digits: DigitDataset | None = None, fonts: dict[str, list[Font]] | None = None) -> None:
        self.digits = load_mnist().validation if digits is None else digits
        self.images = Images(self.digits)
        if fonts is None:
            fonts = {name: family for name, family in families().items() if held_out(name)}
        self.fonts = [font for family in fonts.values() for font in family]
        self.painter = PagePainter(self.digits, self.fonts)
        self.kinds: dict[str, Callable[[np.random.Generator], DrawnPage]] = {
            **{kind: functools.partial(self.layout, kind=kind) for kind in self.painter.kinds},
            "touching": lambda draw: self.pushed(draw, 0),
            "overlapping": lambda draw: self.pushed(draw, int(draw.integers(1, 3))),
            "amount by hand": lambda draw: self.amount(draw, self.hand(draw)),
            "amount printed": lambda draw: self.amount(draw, self.font(draw)),
            "amount on a display": lambda draw: self.amount(draw, Display(draw)),
            "printed digit": lambda draw: self.printed(draw, 1),
            "printed line": lambda draw: self.printed(draw, 10),
            "two columns": self.columns,
            "turned": self.turned,
            "skewed by 15 degrees": self.skewed,
            "words": self.words,
            "number after a word": self.named,
            "labels": self.labels,
            "sentences": self.sentences,
        }

    def pages(self, kind: str, count: int, seed: int) -> Iterator[DrawnPage]:
        """So many pages of a kind."""
        generator = np.random.default_rng(seed)
        for _ in range(count):
            yield self.kinds[kind](generator)

    def layout(self, draw: np.random.Generator, kind: str) -> DrawnPage:
        """120 to 900 pixels, the digits a fortieth to nine tenths of them."""
        size = int(draw.integers(120, 900)), int(draw.integers(120, 900))
        page = self.painter.draw(draw, size, heights=(max(12.0, min(size) / 40), min(size) / 2.2), kind=kind)
        return DrawnPage(page.picture, "".join(page.lines))

    def pushed(self, draw: np.random.Generator, overlap: int) -> DrawnPage:
        """Five of MNIST's digits, each pushed to the one before until their inks touch, and farther by some pixels."""
        labels = draw.integers(0, 10, 5)
        line = np.zeros((28, 0), np.uint8)
        for digit in labels.tolist():
            image = self.images.pick(digit, draw)
            columns = np.flatnonzero(image.max(axis=0) > 60)
            line = _pushed(line, image[:, columns[0] : columns[-1] + 1], overlap)
        picture = cv2.copyMakeBorder(line, 12, 12, 12, 12, cv2.BORDER_CONSTANT, value=0)
        return DrawnPage(picture, "".join(map(str, labels.tolist())))

    def amount(self, draw: np.random.Generator, hand: Hand) -> DrawnPage:
        """A number with its signs, dark on light."""
        text = amount(draw)
        while isinstance(hand, Display) and ("%" in text or "," in text):
            text = amount(draw)
        return DrawnPage(_written(draw, hand, text), "".join(filter(str.isdigit, text)), text)

    def printed(self, draw: np.random.Generator, count: int) -> DrawnPage:
        """Digits of one font, dark on light."""
        text = "".join(map(str, draw.integers(0, 10, count)))
        return DrawnPage(_written(draw, self.font(draw), text), text)

    def columns(self, draw: np.random.Generator) -> DrawnPage:
        """Two numbers beside each other; the text has a space between them."""
        parts = ["".join(map(str, draw.integers(0, 10, draw.integers(2, 5)))) for _ in range(2)]
        picture = _written(draw, self.hand(draw), " ".join(parts))
        return DrawnPage(picture, "".join(parts), " ".join(parts))

    def full(self, draw: np.random.Generator, size: tuple[int, int] = (480, 640)) -> DrawnPage:
        """Lines of ten digits and more, upright."""
        while True:
            page = self.painter.draw(draw, size, heights=(18, 60), kind="lines")
            if sum(map(len, page.lines)) >= 10:
                return DrawnPage(page.picture, "".join(page.lines))

    def turned(self, draw: np.random.Generator) -> DrawnPage:
        """Ten digits or more on a page that lies on its side or upside down."""
        quarters = int(draw.integers(1, 4))
        return self.full(draw).turned(quarters)

    def skewed(self, draw: np.random.Generator) -> DrawnPage:
        """Ten digits or more, in lines that rise or fall by 15 degrees."""
        lines = ["".join(map(str, draw.integers(0, 10, draw.integers(4, 9)))) for _ in range(int(draw.integers(3, 6)))]
        hand, strips = self.hand(draw), []
        for text in lines:
            strips.append(_written(draw, hand, text, height=40.0))
        wide = max(strip.shape[1] for strip in strips)
        page = np.vstack([np.pad(strip, ((0, 0), (0, wide - strip.shape[1])), constant_values=235) for strip in strips])
        middle, angle = (page.shape[1] / 2, page.shape[0] / 2), 15.0 if draw.random() < 0.5 else -15.0
        matrix = cv2.getRotationMatrix2D(middle, angle, 1.0)
        side = int(np.hypot(*page.shape)) + 20
        matrix[:, 2] += (side / 2 - middle[0], side / 2 - middle[1])
        return DrawnPage(cv2.warpAffine(page, matrix, (side, side), borderValue=235), "".join(lines))

    def words(self, draw: np.random.Generator) -> DrawnPage:
        """Letters alone, those that look like digits among them."""
        letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZlOISBZ"
        lines = ["".join(draw.choice(list(letters), draw.integers(4, 9))) for _ in range(4)]
        font = self.font(draw)
        strips = [_written(draw, font, text, height=36.0) for text in lines]
        wide = max(strip.shape[1] for strip in strips)
        page = np.vstack([np.pad(strip, ((0, 0), (0, wide - strip.shape[1])), constant_values=235) for strip in strips])
        return DrawnPage(page, "", "".join(lines))

    def named(self, draw: np.random.Generator) -> DrawnPage:
        """A word and a number behind it."""
        number = "".join(map(str, draw.integers(0, 10, draw.integers(1, 6))))
        hand = self.hand(draw) if draw.random() < 0.5 else self.font(draw)
        return DrawnPage(_written(draw, hand, f"{word(draw)} {number}"), number)

    def labels(self, draw: np.random.Generator) -> DrawnPage:
        """Letters and numbers that stand together, as d1, No7, 5kg."""
        hand = self.hand(draw) if draw.random() < 0.5 else self.font(draw)
        text = " ".join(label(draw) for _ in range(3))
        return DrawnPage(_written(draw, hand, text), "".join(filter(str.isdigit, text)))

    def sentences(self, draw: np.random.Generator) -> DrawnPage:
        """Lines of words with numbers between them, set as a font's designer meant, sometimes light on dark."""
        size = int(draw.integers(13, 27))
        font = PIL.ImageFont.truetype(self.font(draw).path, size)
        apart = round(size * draw.uniform(1.15, 2.2))
        page = PIL.Image.new("L", (900, 80 + 6 * apart), 255)
        pen, lines = PIL.ImageDraw.Draw(page), []
        for number in range(6):
            line = self.sentence(draw)
            while font.getlength(line) > page.width - 80:
                line = line[: line.rindex(" ")]
            pen.text((40, 40 + number * apart), line, int(draw.integers(0, 60)), font)
            lines.append(line)
        page = page.rotate(float(draw.uniform(-2, 2)), PIL.Image.Resampling.BICUBIC, fillcolor=255)
        text = "".join(lines)
        picture = np.asarray(page)
        return DrawnPage(picture if draw.random() < 0.8 else 255 - picture, "".join(filter(str.isdigit, text)))

    def sentence(self, draw: np.random.Generator) -> str:
        """Words and numbers."""
        parts = []
        for _ in range(int(draw.integers(6, 14))):
            most = 10 ** int(draw.integers(1, 8))
            parts.append(str(draw.integers(0, most)) if draw.random() < 0.3 else str(draw.choice(WORDS.split())))
        text = " ".join(parts)
        return text[0].upper() + text[1:] + "."

    def hand(self, draw: np.random.Generator) -> Hand:
        """Somebody's handwriting."""
        if draw.random() < 0.6:
            return Handwriting(self.images, int(draw.integers(-4, 6)))
        return Pen(float(draw.uniform(4, 12)))

    def font(self, draw: np.random.Generator) -> Font:
        """A font that the finder was not trained on."""
        return self.fonts[draw.integers(len(self.fonts))]


def _written(draw: np.random.Generator, hand: Hand, text: str, height: float | None = None) -> np.ndarray:
    """A line of text, dark on light, with room around it."""
    tall = float(draw.uniform(28, 90)) if height is None else height
    ink = np.zeros((round(2.2 * tall), round((len(text) + 3) * 1.2 * tall)), np.uint8)
    x = tall
    for character in text:
        if character == " ":
            x += 0.9 * tall
            continue
        glyph = hand.glyph(character, draw)
        scale = tall * glyph.height / glyph.pixels.shape[0]
        size = max(1, round(glyph.pixels.shape[1] * scale)), max(1, round(glyph.pixels.shape[0] * scale))
        drawn = cv2.resize(glyph.pixels, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
        top, left = round(0.6 * tall + glyph.top * tall), round(x)
        place = ink[max(0, top) : top + size[1], left : left + size[0]]
        np.maximum(place, drawn[-place.shape[0] :, : place.shape[1]], out=place)
        x += size[0] + tall * draw.uniform(0.1, 0.25)
    ink = ink[:, : round(x + tall)]
    return (235 - ink * np.float32(draw.uniform(0.6, 0.9))).clip(0, 255).astype(np.uint8)


def _pushed(line: np.ndarray, digit: np.ndarray, overlap: int) -> np.ndarray:
    if not line.shape[1]:
        return digit
    # From each row's ink to the next digit's ink: the least of it is the way to the first touch.
    right = np.where((line > 60).any(axis=1), line.shape[1] - 1 - (line > 60)[:, ::-1].argmax(axis=1), -1000)
    left = np.where((digit > 60).any(axis=1), (digit > 60).argmax(axis=1), 1000)
    place = int((right - left).max()) + 1 - overlap
    wide = max(line.shape[1], place + digit.shape[1])
    joined = np.zeros((28, wide), np.uint8)
    joined[:, : line.shape[1]] = line
    part = joined[:, max(place, 0) : place + digit.shape[1]]
    np.maximum(part, digit[:, -part.shape[1] :], out=part)
    return joined
