"""What can stand on a page: characters by hand, by a pen and on a display, each a small picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np

from mnistkit.data.datasets import DigitDataset
from mnistkit.errors import ConfigError
from mnistkit.synthetic.letter_styles import LETTERS, SIGNS
from mnistkit.synthetic.pen import draw_strokes
from mnistkit.synthetic.stroke_styles import STYLES, Style, curve, line

__all__ = ["Display", "Glyph", "Hand", "Handwriting", "Images", "Pen", "with_strokes"]

# Letters that a pen writes as it writes a digit.
_LIKE_DIGITS = {"O": 0, "o": 0, "I": 1, "l": 1, "i": 1, "Z": 2, "z": 2, "S": 5, "s": 5, "b": 6, "g": 9, "q": 9}
# By hand: the sign's strokes, and its top and height in units of a digit's height.
_SIGN_STROKES: dict[str, tuple[Style, float, float]] = {
    "-": ((line((4, 52), (96, 48)),), 0.45, 0.0),
    ".": ((line((48, 48), (52, 52)),), 0.85, 0.0),
    ",": ((curve((60, 4), (62, 50), (30, 98)),), 0.8, 0.4),
    "%": (SIGNS["percent"], 0.0, 1.0),
}
# Other signs that stand beside numbers, and what a pen draws for a character that it does not know.
_BESIDE_NUMBERS: dict[str, Style] = {
    "+": SIGNS["plus"],
    "=": SIGNS["equals"],
    "#": SIGNS["hash"],
    "&": SIGNS["ampersand"],
    "@": SIGNS["at"],
    "/": (line((84, 2), (16, 98)),),
    "$": (*STYLES[5]["like an s"], line((52, 0), (48, 100))),
    ":": (line((48, 24), (52, 28)), line((48, 74), (52, 78))),
}
_UNKNOWN = tuple(style for name, style in SIGNS.items() if name != "percent")
_WIDTHS_OF_SIGN = {"-": 0.55, ".": 0.14}
# Less than this share of the ink is little.
_LEFT = 0.35
_TALL = set("bdfhklt")
# The segments of a display as (x, y) from and to, in a box of 1 x 2, in the order a to g; and which ones a digit lights.
_SEGMENTS = (
    ((0, 0), (1, 0)),
    ((1, 0), (1, 1)),
    ((1, 1), (1, 2)),
    ((0, 2), (1, 2)),
    ((0, 1), (0, 2)),
    ((0, 0), (0, 1)),
    ((0, 1), (1, 1)),
)
_LIT = ("abcdef", "bc", "abged", "abgcd", "fgbc", "afgcd", "afgedc", "abc", "abcdefg", "abcdfg")
_LIT_TOO = {7: "fabc", 9: "abcfg", 6: "fgedc"}


@dataclass(frozen=True)
class Glyph:
    """A character as ink.

    Attributes:
        pixels: uint8 ``(H, W)``, 255 where the ink is, cut out tightly.
        top: of it, in units of a digit's height, from the top of a digit.
        height: of it, in the same units.
    """

    pixels: np.ndarray
    top: float = 0.0
    height: float = 1.0


class Hand(Protocol):
    """Whoever or whatever writes."""

    def glyph(self, character: str, generator: np.random.Generator) -> Glyph:
        """One character: a digit, a letter, or one of ``-.,%``."""
        ...


class Pen:
    """Strokes of a pen: every character, in all the styles of :mod:`mnistkit.synthetic`."""

    def __init__(self, width: float) -> None:
        self.width = width

    def glyph(self, character: str, generator: np.random.Generator) -> Glyph:
        """One character."""
        if character in _SIGN_STROKES:
            return self._sign(character, generator)
        digit = int(character) if character.isdigit() else _LIKE_DIGITS.get(character)
        if digit is not None:
            styles = tuple(STYLES[digit].values())
        elif character in _BESIDE_NUMBERS:
            styles = (_BESIDE_NUMBERS[character],)
        else:
            styles = tuple(style for name, style in LETTERS.items() if name[0] == character) or _UNKNOWN
        style = styles[generator.integers(len(styles))]
        widths = (0.35, 0.9) if digit == 1 else (0.55, 1.0)
        pixels = _cut_out(draw_strokes(style, generator, widths, self.width))
        if character.islower() and character not in _TALL:
            return Glyph(pixels, 0.4, 0.6 if character not in "gjpqy" else 0.9)
        return Glyph(pixels)

    def _sign(self, character: str, generator: np.random.Generator) -> Glyph:
        style, top, height = _SIGN_STROKES[character]
        if character == ".":
            side = max(3, round(self.width * generator.uniform(1, 1.8)))
            dot = cv2.circle(np.zeros((2 * side + 1, 2 * side + 1), np.uint8), (side, side), side, 255, cv2.FILLED)
            size = float(np.clip(side / 40, 0.06, 0.25))
            return Glyph(dot, 1.0 - size, size)
        if character == "-":
            long = 60
            thick = max(2, round(self.width))
            bar = np.zeros((thick + 12, long + 8), np.uint8)
            rise = int(generator.integers(-3, 4))
            cv2.line(bar, (4, len(bar) // 2 + rise), (long + 4, len(bar) // 2 - rise), 255, thick, cv2.LINE_AA)
            pixels = _cut_out(bar)
            scale = generator.uniform(0.35, 0.8) / pixels.shape[1]
            return Glyph(pixels, generator.uniform(0.4, 0.6), pixels.shape[0] * scale)
        pixels = _cut_out(draw_strokes(style, generator, (0.6, 1.0), self.width * (2 if character == "," else 1)))
        return Glyph(pixels, top, height * generator.uniform(0.7, 1.1))


class Handwriting:
    """Digits of a data set, at another size of stroke; what it has not, another hand writes.

    Args:
        digits: of one channel, with labels 0 to 9.
        stroke: how many pixels of 112 the strokes are made wider, or narrower below 0.
        other: writes what is no digit; a pen if not given.
        by_other: the share of the digits that it writes, too. Where there are none, a letter is told by its strokes alone.
    """

    def __init__(self, digits: Images, stroke: int, other: Hand | None = None, by_other: float = 0.0) -> None:
        self.digits, self.stroke, self.by_other = digits, stroke, by_other
        self.other = other or Pen(float(np.clip(7 + stroke, 2, 16)))

    def glyph(self, character: str, generator: np.random.Generator) -> Glyph:
        """One character."""
        if not character.isdigit() or generator.random() < self.by_other:
            return self.other.glyph(character, generator)
        image = self.digits.pick(int(character), generator)
        large = cv2.resize(image, (112, 112), interpolation=cv2.INTER_CUBIC)
        if self.stroke > 0:
            side = self.stroke | 1
            large = cv2.copyMakeBorder(large, side, side, side, side, cv2.BORDER_CONSTANT)
        large = with_strokes(large, self.stroke)
        # Sharp edges again: a curve through the half-covered pixels.
        sharp = cv2.convertScaleAbs(np.maximum(large, 60), alpha=2.2, beta=-132.0)
        return Glyph(_cut_out(sharp))


class Images:
    """The images of a data set by digit.

    Args:
        digits: of one channel, with labels 0 to 9.
    """

    def __init__(self, digits: DigitDataset) -> None:
        if tuple(digits.images.shape[1:]) != (1, 28, 28) or len(digits.classes) != 10:
            raise ConfigError(f"cannot write with {digits!r}; expected 1x28x28 images of the ten digits")
        self.images = digits.images[:, 0].numpy()
        labels = digits.labels.numpy()
        self.places = [np.flatnonzero(labels == digit) for digit in range(10)]
        if missing := [digit for digit, places in enumerate(self.places) if not len(places)]:
            raise ConfigError(f"cannot write with {digits!r}: it has no image of {', '.join(map(str, missing))}")

    def pick(self, digit: int, generator: np.random.Generator) -> np.ndarray:
        """One of a digit's images at random, uint8 ``(28, 28)``."""
        places = self.places[digit]
        image: np.ndarray = self.images[places[generator.integers(len(places))]]
        return image


class Display:
    """Seven segments, with gaps between them or none.

    Args:
        generator: draws the proportions.
    """

    def __init__(self, generator: np.random.Generator) -> None:
        self.width = float(generator.uniform(0.4, 0.62))
        self.thickness = float(generator.uniform(0.06, 0.2))
        self.gap = float(generator.choice([0.0, generator.uniform(0, 0.035), generator.uniform(0.02, 0.08)]))
        self.off = int(generator.integers(8, 45)) if generator.random() < 0.3 else 0
        self.pointed = bool(generator.random() < 0.6)
        self.short = bool(generator.random() < 0.25)

    def glyph(self, character: str, generator: np.random.Generator) -> Glyph:
        """A digit, ``-`` or ``.``; anything else as a lit pattern that no digit has."""
        side = 120
        if character in ".,":
            dot = max(3, round(self.thickness * side * 0.6))
            pixels = cv2.circle(np.zeros((2 * dot + 1, 2 * dot + 1), np.uint8), (dot, dot), dot, 255, cv2.FILLED)
            size = pixels.shape[0] / side
            return Glyph(pixels, 1 - size, size)
        if character.isdigit():
            digit = int(character)
            lit = _LIT_TOO[digit] if self.short and digit in _LIT_TOO else _LIT[digit]
        else:
            lit = (
                "g"
                if character == "-"
                else str(generator.choice(["adefg", "bcefg", "def", "adef", "bcdeg", "efg", "aefg"]))
            )
        pixels = self._draw(lit, side)
        if self.off:
            cropped = np.maximum(pixels, cv2.convertScaleAbs(self._draw("abcdefg", side), alpha=self.off / 255))
            return Glyph(cropped)
        rows, columns = np.flatnonzero(pixels.any(axis=1)), np.flatnonzero(pixels.any(axis=0))
        tight = pixels[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        return Glyph(tight, rows[0] / side, len(tight) / side)

    def _draw(self, lit: str, side: int) -> np.ndarray:
        thick = self.thickness * side
        wide, tall = self.width * side - thick, (side - thick) / 2
        picture = np.zeros((side, round(self.width * side)), np.uint8)
        for name in lit:
            (x0, y0), (x1, y1) = _SEGMENTS["abcdefg".index(name)]
            start = np.array([x0 * wide, y0 * tall]) + thick / 2
            end = np.array([x1 * wide, y1 * tall]) + thick / 2
            along = (end - start) / np.linalg.norm(end - start)
            across = np.array([-along[1], along[0]]) * thick / 2
            start, end = start + along * self.gap * side, end - along * self.gap * side
            # The two points of a short bar do not reach over each other.
            tip = along * min(thick, float(np.linalg.norm(end - start))) / 2 if self.pointed else along * 0
            shape = [start, start + tip + across, end - tip + across, end, end - tip - across, start + tip - across]
            if not self.pointed:
                shape = [start + across, end + across, end - across, start - across]
            cv2.fillPoly(picture, [np.rint(np.array(shape) * 8).astype(np.int32)], 255, cv2.LINE_AA, 3)
        return picture


def with_strokes(pixels: np.ndarray, by: int) -> np.ndarray:
    """Ink, uint8 ``(H, W)``, whose strokes are so many pixels wider, or narrower below 0 unless little of them would be left."""
    side = abs(by) | 1
    disk = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
    if by >= 0:
        return cv2.dilate(pixels, disk)
    thinner = cv2.erode(pixels, disk)
    return thinner if thinner.mean() > _LEFT * pixels.mean() else pixels


def _cut_out(pixels: np.ndarray) -> np.ndarray:
    left, top, width, height = cv2.boundingRect((pixels > 100).astype(np.uint8))
    return pixels[top : top + height, left : left + width] if width and height else pixels
