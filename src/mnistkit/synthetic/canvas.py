"""A canvas for a page: ink and print on it, and marks that say where which character stands."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from mnistkit.synthetic.glyphs import Glyph

__all__ = ["CHARACTERS", "IGNORED", "Canvas", "Mark"]

#: What is marked on a page, by the number of its class.
CHARACTERS = "0123456789-.,%"
#: The label of what may be found or not: cut by the border of the page, crossed out.
IGNORED = -1
# A glyph of which less than this share lies on the page is ignored.
_VISIBLE = 0.85
# What has this strength or more is part of a glyph's box.
_INK = 80


@dataclass(frozen=True)
class Mark:
    """Where a character stands.

    Attributes:
        label: a place in ``CHARACTERS``, or ``IGNORED``.
        box: left, top, right and bottom edge, in pixels.
        line: the number of its line, in reading order.
        group: the number of the word or cell in which it stands.
    """

    label: int
    box: tuple[float, float, float, float]
    line: int = 0
    group: int = 0


class Canvas:
    """Ink on a page of its own coordinates: the origin is the page's middle, the page may be turned.

    Args:
        width: of the picture, in pixels.
        height: likewise.
        angle: by which the page is turned, in degrees, clockwise.
        middle: where in the picture the page's middle is, in pixels; by default the picture's own.

    Attributes:
        ink: what is written, uint8 ``(H, W)``.
        print: what was on the paper before, lines and text, uint8 ``(H, W)``.
        marks: of the characters so far.
        others: the boxes of letters and the like.
    """

    def __init__(self, width: int, height: int, angle: float = 0.0, middle: tuple[float, float] | None = None) -> None:
        self.width, self.height, self.angle = width, height, angle
        x, y = middle or (width / 2, height / 2)
        cosine, sine = math.cos(math.radians(angle)), math.sin(math.radians(angle))
        self.matrix = np.array([[cosine, -sine, x], [sine, cosine, y]])
        self.ink = np.zeros((height, width), np.uint8)
        self.print = np.zeros((height, width), np.uint8)
        self.marks: list[Mark] = []
        self.others: list[tuple[float, float, float, float]] = []

    def points(self, places: Sequence[tuple[float, float]] | np.ndarray) -> np.ndarray:
        """Places of the page in pixels of the picture, float ``(N, 2)``."""
        pixels: np.ndarray = np.asarray(places, float) @ self.matrix[:, :2].T + self.matrix[:, 2]
        return pixels

    def line(
        self,
        places: Sequence[tuple[float, float]] | np.ndarray,
        thickness: float,
        *,
        strength: int = 255,
        on: np.ndarray | None = None,
        closed: bool = False,
    ) -> None:
        """Draw through places of the page, as print unless another layer is given."""
        target = self.print if on is None else on
        pixels = np.rint(np.clip(self.points(places), -4000, 4000) * 8).astype(np.int32)
        if thickness < 1:
            strength, thickness = round(strength * thickness), 1
        cv2.polylines(target, [pixels], closed, int(strength), max(1, round(thickness)), cv2.LINE_AA, 3)

    def put(
        self,
        glyph: Glyph,
        left: float,
        top: float,
        height: float,
        *,
        label: int | None = None,
        line: int = 0,
        group: int = 0,
        slant: float = 0.0,
        stretch: float = 1.0,
        turn: float = 0.0,
        strength: int = 255,
        on: np.ndarray | None = None,
    ) -> float:
        """Write a glyph.

        Args:
            glyph: what.
            left: where its ink begins, on the page.
            top: the top of a digit of its line, on the page.
            height: of such a digit, in pixels.
            label: marks it as a character; ``None`` leaves it without a mark.
            line: see :class:`Mark`.
            group: see :class:`Mark`.
            slant: how far its top is moved to the right, in units of its height.
            stretch: of its width.
            turn: of the glyph itself, in degrees.
            strength: of its ink.
            on: the layer; the written ink by default.

        Returns:
            Its width, on the page.
        """
        source = glyph.pixels
        scale: float = max(height * glyph.height, 1.0) / source.shape[0]
        if scale < 0.7:
            # Averaged over areas first: a warp samples points, and would lose thin strokes.
            size = max(1, round(source.shape[1] * scale)), max(1, round(source.shape[0] * scale))
            source = cv2.resize(source, size, interpolation=cv2.INTER_AREA)
            scale = 1.0
        rows, columns = source.shape
        angle = math.radians(self.angle + turn)
        cosine, sine = math.cos(angle), math.sin(angle)
        shape = np.array([[cosine, -sine], [sine, cosine]]) @ np.array([[stretch, -slant], [0, 1]]) * scale
        width = float(columns * scale * stretch)
        middle = self.points([(left + width / 2, top + height * (glyph.top + glyph.height / 2))])[0]
        shift = middle - shape @ np.array([columns / 2, rows / 2])
        corners = np.array([[0, 0], [columns, 0], [0, rows], [columns, rows]]) @ shape.T + shift
        low = np.floor(corners.min(axis=0)).astype(int) - 1
        size_of = np.ceil(corners.max(axis=0)).astype(int) + 1 - low
        if (size_of > 4000).any():
            return width
        # OpenCV's pixels have their middles at whole numbers.
        offset = shift - low + shape @ np.array([0.5, 0.5]) - 0.5
        drawn = cv2.warpAffine(source, np.column_stack([shape, offset]), tuple(int(n) for n in size_of))
        self._blit(drawn, int(low[0]), int(low[1]), label, line, group, strength, self.ink if on is None else on)
        return width

    def _blit(
        self,
        drawn: np.ndarray,
        left: int,
        top: int,
        label: int | None,
        line: int,
        group: int,
        strength: int,
        on: np.ndarray,
    ) -> None:
        x0, y0 = max(left, 0), max(top, 0)
        x1, y1 = min(left + drawn.shape[1], self.width), min(top + drawn.shape[0], self.height)
        if x0 >= x1 or y0 >= y1:
            return
        seen = drawn[y0 - top : y1 - top, x0 - left : x1 - left]
        place = on[y0:y1, x0:x1]
        np.maximum(place, seen if strength == 255 else cv2.convertScaleAbs(seen, alpha=strength / 255), out=place)
        x, y, width, height = cv2.boundingRect((seen > min(_INK, int(drawn.max()) // 2)).astype(np.uint8))
        if not width or not height:
            return
        box = (float(x0 + x), float(y0 + y), float(x0 + x + width), float(y0 + y + height))
        if label is None:
            self.others.append(box)
            return
        whole = int(drawn.sum(dtype=np.int64))
        if seen.size < drawn.size and int(seen.sum(dtype=np.int64)) < _VISIBLE * whole:
            label = IGNORED
        self.marks.append(Mark(label, box, line, group))
