"""Printed characters, and those of many hands: fonts by family."""

from __future__ import annotations

import contextlib
import functools
import hashlib
from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np
import PIL.Image
import PIL.ImageDraw
import PIL.ImageFont

from mnistkit.errors import ConfigError
from mnistkit.synthetic.glyphs import Glyph, with_strokes

__all__ = ["Font", "HandFont", "families", "held_out"]

# Fonts whose "digits" are something else, or that show a box for a sign that they lack.
_NO_WRITING = (
    "D050000L",
    "DSEG",
    "Keyboard",
    "Initials",
    "Symbol",
    "cmex",
    "cmmi",
    "cmsy",
    "Ecolier",
    "STIXSiz",
    "STIXNon",
)
_ENDINGS = ("ttf", "otf", "woff")
# Of each family no more than so many: a large one is no commoner than a small one.
_MOST = 4
# Glyphs are drawn once, at this size in pixels, and scaled.
_SIZE = 80
# A hand's waves bend a character by no more than this share of its height, and make it wider or narrower by so much.
_BENT, _STRETCHED = 0.035, 0.12


class Font:
    """A printer with one font.

    Args:
        path: of the TrueType or OpenType file.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = str(path)

    @property
    def family(self) -> str:
        """The name of the font's family."""
        return _font(self.path).getname()[0] or ""

    def is_complete(self) -> bool:
        """Whether it has all that a page needs, each digit in another shape."""
        try:
            font = _font(self.path)
            shapes = [_render(font, character) for character in "0123456789-.,%$#+=/:aAzZ"]
        except (OSError, ValueError):
            return False
        digits = {shape.tobytes() for shape in shapes[:10] if shape is not None}
        return all(shape is not None for shape in shapes) and len(digits) == 10

    def glyph(self, character: str, generator: np.random.Generator) -> Glyph:  # noqa: ARG002  (every hand takes one)
        """One character."""
        return _printed(self.path, character)


class HandFont:
    """Somebody whose handwriting was made a font: no two characters are alike, as with a pen.

    Args:
        font: of handwriting.
        stroke: how many hundredths of a digit's height the strokes are made wider, or narrower below 0.
    """

    def __init__(self, font: Font, stroke: int = 0) -> None:
        self.font, self.stroke = font, stroke

    def glyph(self, character: str, generator: np.random.Generator) -> Glyph:
        """One character."""
        glyph = self.font.glyph(character, generator)
        height, width = glyph.pixels.shape
        tall = height / max(glyph.height, 0.05)
        by = round(self.stroke * tall / 100)
        pad = (abs(by) | 1) + round(2 * _BENT * tall) + 1
        drawn = cv2.copyMakeBorder(glyph.pixels, pad, pad, pad, pad, cv2.BORDER_CONSTANT)
        rows, columns = np.mgrid[: height + 2 * pad, : width + 2 * pad].astype(np.float32)
        bend = generator.uniform(-_BENT, _BENT, 2) * tall
        phase, waves = generator.uniform(0, 2 * np.pi, 2), 2 * np.pi * generator.uniform(0.4, 1.0, 2) / tall
        across = columns + np.float32(bend[0]) * np.sin(np.float32(waves[0]) * rows + np.float32(phase[0]))
        down = rows + np.float32(bend[1]) * np.sin(np.float32(waves[1]) * columns + np.float32(phase[1]))
        drawn = with_strokes(cv2.remap(drawn, across, down, cv2.INTER_LINEAR), by)
        left, top, wide, high = cv2.boundingRect((drawn > 100).astype(np.uint8))
        if not wide or not high:
            return glyph
        stretched = max(1, round(wide * float(np.exp(generator.normal(0, _STRETCHED)))))
        ink = drawn[top : top + high, left : left + wide]
        pixels = cv2.resize(ink, (stretched, high), interpolation=cv2.INTER_AREA)
        return Glyph(pixels, glyph.top + (top - pad) / tall, high / tall)


@functools.lru_cache(maxsize=20_000)
def _printed(path: str, character: str) -> Glyph:
    font = _font(path)
    pixels = _render(font, character)
    if pixels is None:
        raise ConfigError(f"the font {path} has no {character!r}")
    _, zero_top, _, zero_bottom = font.getbbox("8")
    _, top, _, bottom = font.getbbox(character)
    height = zero_bottom - zero_top
    return Glyph(pixels, (top - zero_top) / height, (bottom - top) / height)


@functools.lru_cache(maxsize=500)
def _font(path: str) -> PIL.ImageFont.FreeTypeFont:
    return PIL.ImageFont.truetype(path, _SIZE)


def _render(font: PIL.ImageFont.FreeTypeFont, character: str) -> np.ndarray | None:
    left, top, right, bottom = (int(edge) for edge in font.getbbox(character))
    if right <= left or bottom <= top:
        return None
    picture = PIL.Image.new("L", (right - left, bottom - top))
    PIL.ImageDraw.Draw(picture).text((-left, -top), character, 255, font)
    pixels = np.asarray(picture)
    return pixels if pixels.max() > 127 else None


def families(folders: Iterable[str | Path] | None = None) -> dict[str, list[Font]]:
    """The fonts in some folders that have digits, signs and letters.

    Args:
        folders: where to look for ``.ttf``, ``.otf`` and ``.woff`` files, with all that is below them. If not given,
            ``/usr/share/fonts`` and the folder of matplotlib's fonts, if it is installed.

    Returns:
        By the name of the family, at most four fonts of each.
    """
    places = _installed() if folders is None else [Path(folder) for folder in folders]
    found: dict[str, list[Font]] = {}
    for path in sorted(path for place in places for ending in _ENDINGS for path in place.rglob(f"*.{ending}")):
        font = Font(path)
        if font.is_complete() and not any(word in font.family for word in _NO_WRITING):
            same = found.setdefault(font.family, [])
            if len(same) < _MOST:
                same.append(font)
    return found


def _installed() -> list[Path]:
    places = [Path("/usr/share/fonts")]
    with contextlib.suppress(ImportError):
        import matplotlib

        places.append(Path(matplotlib.get_data_path()) / "fonts" / "ttf")
    return places


def held_out(family: str) -> bool:
    """Whether a family is never trained on: one of six, always the same ones."""
    return hashlib.sha256(family.encode()).digest()[0] % 6 == 0
