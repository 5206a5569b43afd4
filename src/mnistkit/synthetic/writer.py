"""Somebody who fills a page, and what is written: numbers, amounts, words."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from mnistkit.synthetic.canvas import CHARACTERS, Canvas
from mnistkit.synthetic.glyphs import Display, Glyph, Hand

__all__ = ["Writer", "amount", "figure", "label", "number", "phrase", "word"]

_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_VOWELS = "aeiouy"
# Letters that are taken for digits, and those that are told from one by the word alone.
_LIKE_DIGITS, _ALIKE = "lIOoSBZzgqb", "lIOo"
# In how many rows of a digit's height neighbours are pushed together, and what counts as ink there.
_ROWS, _INK = 56, 100


@dataclass
class Writer:
    """Somebody who fills a page: a hand with its habits.

    Attributes:
        hand: forms the characters.
        generator: draws everything.
        height: of a digit, in pixels.
        slant: how far the top of a character is moved to the right, in units of its height.
        stretch: of the width of a character.
        spacing: from one character to the next, in units of the height: from edge to edge, or from ink to ink if ``pushed``.
        pushed: whether neighbours are pushed together until their inks touch; ``spacing`` is added to that.
        unsteady: how much size, place, slant and turn differ from character to character; 0 for print.
        strength: of the ink, 0 to 255.
        sizes: of digits that are written lower than the others, in shares of the height: many people's 0 is.
        foot: where those stand, from 0, in the middle of the line, to 1, on it.
        labelled: the share of the words that are labels, letters with a number.
        lowered: how high digits behind a letter are, in shares of the height; lower ones stand on the line, as an index does.
        lines: how many lines were begun so far; marks get their number from it.
        groups: likewise of words and cells.
    """

    hand: Hand
    generator: np.random.Generator
    height: float
    slant: float = 0.0
    stretch: float = 1.0
    spacing: float = 0.2
    pushed: bool = False
    unsteady: float = 0.05
    strength: int = 255
    sizes: Mapping[str, float] = field(default_factory=dict)
    foot: float = 0.0
    labelled: float = 0.0
    lowered: float = 1.0
    lines: int = field(default=0, init=False)
    groups: int = field(default=0, init=False)

    def write(
        self, canvas: Canvas, text: str, left: float, middle: float, *, height: float | None = None, marked: bool = True
    ) -> float:
        """Write a text from the left, its digits about a middle; the right edge of what was written."""
        draw = self.generator
        tall = height or self.height
        x = left
        before: Glyph | None = None
        behind = False
        for character, last in zip(text, " " + text, strict=False):
            behind = character.isdigit() and (behind or last.isalpha())
            if character == " ":
                x += tall * draw.uniform(0.5, 0.9)
                self.groups += marked
                before = None
                continue
            glyph = self.hand.glyph(character, draw)
            if self.pushed and before is not None:
                x -= _room(before, glyph) * tall * self.stretch
            before = glyph
            usual = tall * (self.lowered if behind else self.sizes.get(character, 1.0))
            foot = 1.0 if behind else self.foot
            sized = usual * math.exp(draw.normal(0, self.unsteady)) if self.unsteady else usual
            top = middle - sized / 2 + draw.normal(0, self.unsteady / 2) * tall + foot * (tall - usual) / 2
            told = CHARACTERS.index(character) if marked and character in CHARACTERS else None
            width = canvas.put(
                *(glyph, x, top, sized),
                label=told,
                line=self.lines,
                group=self.groups,
                slant=self.slant + draw.normal(0, self.unsteady / 2),
                stretch=self.stretch,
                turn=draw.normal(0, 40 * self.unsteady),
                strength=self.strength,
            )
            gap = (
                tall * (self.spacing + draw.normal(0, 0.3 * abs(self.spacing) + 0.02))
                if self.spacing < 0.9
                else tall * self.spacing
            )
            x += max(width + gap, 0.2 * width)
            if isinstance(self.hand, Display):
                # The digits of a display stand at equal distances.
                x += max(0.0, tall * self.hand.width - width) if character.isdigit() else 0.0
        self.groups += marked
        return x

    def measure(self, text: str) -> float:
        """About how wide a text becomes."""
        return len(text) * self.height * (0.6 * self.stretch + self.spacing)


def _room(before: Glyph, after: Glyph) -> float:
    """How much closer than edge to edge two glyphs stand when their inks touch, in units of a digit's height."""
    apart = _profile(before.pixels[:, ::-1], before) + _profile(after.pixels, after)
    least = float(apart.min())
    return least if math.isfinite(least) else 0.0


def _profile(pixels: np.ndarray, glyph: Glyph) -> np.ndarray:
    """How far the ink is from the left edge in each row of a digit's height, infinity where there is none."""
    ink = pixels > _INK
    offsets = np.where(ink.any(axis=1), ink.argmax(axis=1) * glyph.height / len(ink), math.inf)
    rows = ((np.arange(_ROWS) + 0.5) / _ROWS - glyph.top) / max(glyph.height, 1e-6) * len(ink)
    within = (rows >= 0) & (rows < len(ink))
    profile: np.ndarray = np.where(within, offsets[rows.astype(int).clip(0, len(ink) - 1)], math.inf)
    return profile


def number(draw: np.random.Generator, most: int = 8) -> str:
    """A row of digits, each equally often."""
    return "".join(str(digit) for digit in draw.integers(0, 10, draw.integers(1, most + 1)))


def amount(draw: np.random.Generator) -> str:
    """A number with a sign, a point, commas or a per cent sign."""
    way = draw.integers(6)
    if way == 0:
        return "-" + number(draw, 5)
    if way == 1:
        return f"{number(draw, 4)}.{number(draw, 3)}"
    if way == 2:
        return f"{draw.integers(1, 1000)},{draw.integers(0, 1000):03d}" + (
            f".{draw.integers(0, 100):02d}" if draw.random() < 0.4 else ""
        )
    if way == 3:
        return number(draw, 3) + "%"
    if way == 4:
        return f"-{number(draw, 3)}.{number(draw, 2)}"
    return f"{number(draw, 3)},{draw.integers(0, 100):02d}"


def figure(draw: np.random.Generator) -> str:
    """An amount, or numbers with signs beside them that are no part of them."""
    way = draw.integers(6)
    if way == 0:
        return str(draw.choice(list("$$$#+="))) + (amount(draw) if draw.random() < 0.5 else number(draw, 4))
    return number(draw, 3) + str(draw.choice(list("/:+="))) + number(draw, 3) if way == 1 else amount(draw)


def label(draw: np.random.Generator) -> str:
    """Letters and a number that stand together, as d1, No7 or 5kg."""
    letters = draw.choice([letter for letter in _LETTERS if letter not in _ALIKE], draw.integers(1, 4))
    text = "".join(letters if draw.random() < 0.4 else letters[:1])
    return number(draw, 3) + text.lower() if draw.random() < 0.25 else text + number(draw, 3)


def word(draw: np.random.Generator, labelled: float = 0.0) -> str:
    """Letters without a sense, or in so many cases a label."""
    # Where there are no labels, no number is drawn for one: such pages stay what they are.
    if labelled and draw.random() < labelled:
        return label(draw)
    count = int(draw.integers(2, 10))
    letters = draw.choice(list(_LETTERS), count).tolist()
    if draw.random() < 0.6:
        letters = [letter if draw.random() < 0.6 else draw.choice(list(_VOWELS)) for letter in letters]
    elif draw.random() < 0.25:
        letters = [letter if draw.random() < 0.6 else draw.choice(list(_LIKE_DIGITS)) for letter in letters]
        return "".join(letters)
    text = "".join(letters)
    way = draw.random()
    return text.upper() if way < 0.2 else text.capitalize() if way < 0.4 else text.lower() if way < 0.7 else text


def phrase(draw: np.random.Generator, words: float, amounts: float, labelled: float = 0.0) -> str:
    """The text of one line: so many of its parts are words, and of these so many labels."""
    parts = []
    for _ in range(int(draw.integers(1, 5))):
        way = draw.random()
        parts.append(word(draw, labelled) if way < words else figure(draw) if way < words + amounts else number(draw))
    return " ".join(parts)
