"""Printed characters: the fonts that are installed, by family."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import PIL.Image
import PIL.ImageDraw
import PIL.ImageFont

from mnistkit.errors import ConfigError
from mnistkit.synthetic.glyphs import Glyph

__all__ = ["Font", "families", "held_out"]

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
# Of each family no more than so many: a large one is no commoner than a small one.
_MOST = 4
# Glyphs are drawn once, at this size in pixels, and scaled.
_SIZE = 80


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
            shapes = [_render(font, character) for character in "0123456789-.,%aAzZ"]
        except (OSError, ValueError):
            return False
        digits = {shape.tobytes() for shape in shapes[:10] if shape is not None}
        return all(shape is not None for shape in shapes) and len(digits) == 10

    def glyph(self, character: str, generator: np.random.Generator) -> Glyph:  # noqa: ARG002  (every hand takes one)
        """One character."""
        return _printed(self.path, character)


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


def families(folders: Iterable[str | Path] = ("/usr/share/fonts",)) -> dict[str, list[Font]]:
    """The fonts in some folders, and those of matplotlib if it is installed, that have digits, signs and letters.

    Args:
        folders: where to look, with all that is below them.

    Returns:
        By the name of the family, at most four fonts of each.
    """
    places = [Path(folder) for folder in folders]
    try:
        import matplotlib
    except ImportError:
        pass
    else:
        places.append(Path(matplotlib.get_data_path()) / "fonts" / "ttf")
    found: dict[str, list[Font]] = {}
    for path in sorted(path for place in places for path in place.rglob("*.[ot]tf")):
        font = Font(path)
        if font.is_complete() and not any(word in font.family for word in _NO_WRITING):
            same = found.setdefault(font.family, [])
            if len(same) < _MOST:
                same.append(font)
    return found


def held_out(family: str) -> bool:
    """Whether a family is never trained on: one of six, always the same ones."""
    return hashlib.sha256(family.encode()).digest()[0] % 6 == 0
