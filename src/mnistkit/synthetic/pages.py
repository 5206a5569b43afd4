"""Pages of digits as people write, print and photograph them, with the place of every character."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np

from mnistkit.data.datasets import DigitDataset
from mnistkit.errors import ConfigError, unknown_name
from mnistkit.synthetic.canvas import Canvas, Mark
from mnistkit.synthetic.clutter import cross_out, scribble
from mnistkit.synthetic.fonts import Font, HandFont
from mnistkit.synthetic.glyphs import Hand, Handwriting, Images, Pen
from mnistkit.synthetic.layouts import LAYOUTS
from mnistkit.synthetic.paper import draw_ground, draw_light, photograph
from mnistkit.synthetic.sheet import covered, cut_sheet, lay_on_table
from mnistkit.synthetic.writer import Writer, word

__all__ = ["Page", "PagePainter"]


# How much wider or narrower than they are the strokes of a hand are made; the share of the digits that the other hand of a page
# writes.
_STROKES = (-7, -5, -3, 0, 0, 0, 3, 5, 9, 15)
_BY_OTHER = (0.0, 0.0, 0.3, 0.6)
# How narrow or wide, beside what they are, few fonts are.
_NARROW = (0.4, 1.25)
# How high the digits of labels are beside others, where they are lower.
_LOWERED = (0.5, 0.9)
# So much of a letter stands on the sheet, or it was cut off with what is beside it.
_ON_SHEET = 0.7


@dataclass(frozen=True)
class Page:
    """A drawn page.

    Attributes:
        picture: uint8 ``(H, W)``.
        marks: of its characters, in reading order.
        kind: the name of its layout.
        others: the boxes of what is written like a digit and is none: letters.
        angle: by which its lines are turned, in degrees, clockwise.
    """

    picture: np.ndarray = field(repr=False)
    marks: tuple[Mark, ...]
    kind: str
    others: tuple[tuple[float, float, float, float], ...] = ()
    angle: float = 0.0

    @property
    def lines(self) -> tuple[str, ...]:
        """The digits of each line that has any, from top to bottom."""
        texts: dict[int, str] = {}
        for mark in self.marks:
            if 0 <= mark.label < 10:
                texts[mark.line] = texts.get(mark.line, "") + str(mark.label)
        return tuple(texts.values())


class PagePainter:
    """Draws pages.

    Args:
        digits: images of handwritten digits, one channel of 28x28, with labels 0 to 9; those of one split only.
        fonts: for printed pages; without any, all is written by hand.
        hands: fonts of handwriting. Without any, a pen alone writes letters, and so that they are told by its strokes.
        narrowed: the share of the printed pages on which characters are as narrow or as wide as few fonts are.
        labelled: the share of the words, but those of prose, that are labels: letters with a number, as d1, No7 or 5kg.

    Attributes:
        kinds: the names of the layouts.

    Raises:
        ConfigError: for images of another shape or number of classes, if a digit has none, or for a share that is none.
    """

    kinds = tuple(LAYOUTS)

    def __init__(
        self,
        digits: DigitDataset,
        fonts: Sequence[Font] = (),
        hands: Sequence[Font] = (),
        *,
        narrowed: float = 0.0,
        labelled: float = 0.0,
    ) -> None:
        for name, share, whole in (("narrowed", narrowed, "the printed pages"), ("labelled", labelled, "the words")):
            if not 0 <= share <= 1:
                raise ConfigError(f"{name} is {share}, expected a share of {whole}, from 0 to 1")
        self.digits = Images(digits)
        self.fonts, self.hands = tuple(fonts), tuple(hands)
        self.narrowed, self.labelled = narrowed, labelled

    def draw(
        self,
        generator: np.random.Generator,
        size: tuple[int, int] = (256, 256),
        *,
        heights: tuple[float, float] = (9, 115),
        kind: str | None = None,
    ) -> Page:
        """Draw a page.

        Args:
            generator: decides everything.
            size: height and width of the picture, in pixels.
            heights: the least and the greatest of a digit, in pixels; a large one alone may have more.
            kind: the layout, by name; any if not given.

        Raises:
            ConfigError: for an unknown kind, a page without pixels, or heights that are not from a least above 0 to a greatest.
        """
        draw, (height, width), kinds = generator, size, list(LAYOUTS)
        if kind is not None and kind not in LAYOUTS:
            raise ConfigError(unknown_name("kind of page", kind, kinds))
        if min(size) < 1 or not 0 < heights[0] <= heights[1]:
            raise ConfigError(
                f"got a page of {height}x{width} pixels with digits of {heights[0]} to {heights[1]}; expected sides of at least "
                "1 pixel, and heights from a least above 0 to a greatest"
            )
        shares = np.array([share for _, share in LAYOUTS.values()])
        kind = kind or str(draw.choice(kinds, p=shares / shares.sum()))
        angle = 0.0 if draw.random() < 0.25 else draw.normal(0, 2.5) if draw.random() < 0.7 else draw.uniform(-20, 20)
        canvas = Canvas(width, height, angle, (width * draw.normal(0.5, 0.04), height * draw.normal(0.5, 0.04)))
        writer = self._writer(draw, kind, heights, min(size))
        LAYOUTS[kind][0](canvas, writer)
        self._clutter(canvas, writer)
        picture = self._compose(canvas, writer)
        return Page(picture, tuple(canvas.marks), kind, tuple(canvas.others), angle)

    def _writer(self, draw: np.random.Generator, kind: str, heights: tuple[float, float], side: int) -> Writer:
        low, high = heights
        if kind in {"single", "string"}:
            low = max(low, 0.1 * side)
            high = 0.95 * side if draw.random() < 0.25 else high
        if kind == "table":
            high = min(high, 0.3 * side)
        tall = math.exp(draw.uniform(math.log(low), math.log(max(high, low + 1))))
        hand, printed = self.hand(draw)
        spacing = draw.uniform(0.02, 0.3) if draw.random() < 0.7 else draw.uniform(0.3, 1.5)
        # Numbers by hand are written closer than forms and tables are filled in.
        close = not printed and draw.random() < (0.75 if kind == "string" else 0.3)
        pushed = close and draw.random() < 0.7
        if printed:
            spacing = draw.uniform(0.08, 0.3) if draw.random() < 0.8 else draw.uniform(0.3, 1.5)
        elif close:
            # Neighbours that touch or overlap: their inks, or the boxes around them.
            spacing = draw.uniform(-0.12, 0.03)
        return Writer(
            hand,
            draw,
            tall,
            slant=draw.normal(0, 0.04) if printed else draw.normal(0.05, 0.15),
            stretch=self.stretch(draw, printed=printed),
            spacing=spacing,
            pushed=pushed,
            unsteady=0.0 if printed else draw.uniform(0.02, 0.12),
            strength=int(draw.integers(150, 256)),
            labelled=self.labelled,
            lowered=self.lowered(draw),
        )

    def lowered(self, draw: np.random.Generator) -> float:
        """How high the digits of labels are, beside other digits."""
        return float(draw.uniform(*_LOWERED)) if self.labelled and draw.random() < 0.4 else 1.0

    def hand(self, draw: np.random.Generator) -> tuple[Hand, bool]:
        """Somebody or something that writes, and whether it prints."""
        way = draw.random()
        if way < 0.32 and self.fonts:
            return self.fonts[draw.integers(len(self.fonts))], True
        if way < 0.72:
            stroke = int(draw.choice(_STROKES))
            other = self._hand_font(draw, stroke) if self.hands and draw.random() < 0.7 else None
            return Handwriting(self.digits, stroke, other, float(draw.choice(_BY_OTHER))), False
        if self.hands and way < 0.92:
            return self._hand_font(draw, int(draw.choice(_STROKES))), False
        return Pen(math.exp(draw.uniform(math.log(1.5), math.log(17)))), False

    def stretch(self, draw: np.random.Generator, *, printed: bool) -> float:
        """How much wider characters are made than they are."""
        # Where nothing is narrowed, no number is drawn for it: such pages stay what they are.
        if printed and self.narrowed and draw.random() < self.narrowed:
            return float(draw.uniform(*_NARROW))
        return math.exp(draw.normal(0, 0.12))

    def _hand_font(self, draw: np.random.Generator, stroke: int) -> Hand:
        return HandFont(self.hands[draw.integers(len(self.hands))], stroke)

    def _clutter(self, canvas: Canvas, writer: Writer) -> None:
        draw = writer.generator
        if draw.random() < 0.12:
            cross_out(canvas, writer)
        if draw.random() < 0.1:
            before = canvas.ink.copy()
            for _ in range(int(draw.integers(1, 4))):
                scribble(canvas, writer)
            # What was written stays legible.
            for mark in canvas.marks:
                left, top, right, bottom = (int(edge) for edge in mark.box)
                canvas.ink[top:bottom, left:right] = before[top:bottom, left:right]
        if draw.random() < 0.08:
            self._watermark(canvas, draw)
        if draw.random() < 0.12:
            for _ in range(int(draw.integers(1, 25))):
                place = int(draw.integers(canvas.width)), int(draw.integers(canvas.height))
                cv2.circle(canvas.print, place, int(draw.integers(0, 3)), int(draw.integers(80, 256)), cv2.FILLED)

    def _watermark(self, canvas: Canvas, draw: np.random.Generator) -> None:
        """A name or a logo that is printed on the paper."""
        hand, _ = self.hand(draw)
        other = Canvas(
            canvas.width,
            canvas.height,
            draw.uniform(-40, 40),
            tuple(draw.uniform(0, 1, 2) * (canvas.width, canvas.height)),
        )
        writer = Writer(hand, draw, max(8.0, canvas.height * draw.uniform(0.04, 0.12)))
        writer.write(other, word(draw) + " " + word(draw), -0.2 * canvas.width, 0, marked=False)
        canvas.print = np.maximum(canvas.print, cv2.convertScaleAbs(other.ink, alpha=draw.uniform(0.2, 0.9)))

    def _compose(self, canvas: Canvas, writer: Writer) -> np.ndarray:
        draw = writer.generator
        height, width = canvas.ink.shape
        paper = draw_ground(draw, height, width)
        level = float(paper.mean())
        sheet = cut_sheet(canvas, writer) if draw.random() < 0.22 else None
        if sheet is not None:
            canvas.ink[sheet == 0] = 0
            canvas.print[sheet == 0] = 0
            canvas.others = [box for box in canvas.others if covered(sheet, box) > _ON_SHEET]
        contrast = (
            draw.uniform(0.35, 1) if draw.random() < 0.75 else math.exp(draw.uniform(math.log(0.12), math.log(0.4)))
        )
        picture = _inked(paper, canvas.print, level * (1 - min(1.0, contrast * math.exp(draw.normal(-0.3, 0.5)))))
        ink, tone = canvas.ink, level * (1 - contrast)
        if draw.random() < 0.07:
            # Outlined: a rim of one tone, filled with another.
            rim = max(1, round(writer.height * draw.uniform(0.02, 0.07)))
            disk = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * rim + 1, 2 * rim + 1))
            picture = _inked(picture, cv2.dilate(ink, disk), tone)
            tone = level * draw.uniform(0.2, 1.0) if draw.random() < 0.7 else level
        elif draw.random() < 0.05:
            # A shadow beside it.
            by = max(1, round(writer.height * draw.uniform(0.02, 0.08)))
            picture = _inked(picture, np.roll(ink, (by, by), (0, 1)), (level + tone) / 2)
        picture = _inked(picture, ink, tone)
        if sheet is not None:
            picture = lay_on_table(picture, sheet, draw)
        light = draw_light(draw, height, width)
        if light is not None:
            picture = picture * light
        if draw.random() < 0.28:
            picture = 255 - picture
        return photograph(picture, draw)


def _inked(picture: np.ndarray, ink: np.ndarray, tone: float) -> np.ndarray:
    """A picture with ink of this tone on it."""
    cover = ink * np.float32(1 / 255)
    inked: np.ndarray = picture + (np.float32(tone) - picture) * cover
    return inked
