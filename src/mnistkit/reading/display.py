"""Numbers of seven segments, as meters and clocks show them: read from their bars, where all of these stand as on a display.

Each digit is a cell of seven places, in each of which a bar is lit or not. Gaps part the bars, so that they are no strokes of one
digit; and the places tell more than a network that has learned what people write.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mnistkit.imaging.bars import Bar, find_bars
from mnistkit.reading.words import linked

__all__ = ["Shown", "read_displays"]

# The bars of a display are at most so long, in units of their thickness.
_LONGEST = 10.0
# Bars of one display: as thick as each other within this factor, and as long; and this close, to the right and down, in units of
# the longer one's length.
_AS_THICK, _AS_LONG, _NEAR = 1.7, 3.0, (3.0, 1.7)
# The width of a cell, from bar to bar, in units of its height: of all displays that were seen, and somewhat more; and the least
# in units of a bar's thickness: there is room between bars, as there is none in a sheet of paper that was cut into bars.
_CELL, _ROOM = (0.18, 0.75), 0.75
# Upright bars in two rows are halves of digits, none goes from top to foot, if the rows are so far apart, in units of half the
# longest bar.
_HALVES = 1.5
# A lying bar reaches no farther over the middle of the upright ones beside it, in units of their thickness.
_OVER = 0.75
# How far a bar may be off its place, in units of that width.
_OFF = 0.25
# A place is lit if this share of its middle is, and is not below the other; a cell is open where at most so much is ink.
_MOSTLY, _HARDLY, _OPEN = 0.6, 0.35, 0.15
# A display has so many characters, as a single digit of straight strokes may be anybody's; and so many for one that is none.
_FEWEST, _READABLE = 2, 4
# Half of how wide a point is, in units of a bar's thickness.
_DOT = (0.25, 1.2)
# The bars from the top clockwise, and that in the middle; of each digit those that are lit, with the other ways of 6, 7 and 9.
_DIGITS = {
    "abcdef": "0",
    "bc": "1",
    "abdeg": "2",
    "abcdg": "3",
    "bcfg": "4",
    "acdfg": "5",
    "acdefg": "6",
    "cdefg": "6",
    "abc": "7",
    "abcf": "7",
    "abcdefg": "8",
    "abcdfg": "9",
    "abcfg": "9",
    "g": "-",
}


@dataclass(frozen=True)
class Shown:
    """A character of a display.

    Attributes:
        text: a digit, ``-`` or ``.``.
        box: left, top, right and bottom edge, in pixels.
    """

    text: str
    box: tuple[float, float, float, float]


def read_displays(ink: np.ndarray) -> list[Shown]:
    """The numbers of seven segments in a picture.

    Args:
        ink: uint8 ``(H, W)``, as :func:`~mnistkit.imaging.find_ink` gives it.
    """
    bars, dots, lit = find_bars(ink)
    shown: list[Shown] = []
    for group in _groups(bars):
        shown += _read(group, dots, lit)
    return shown


def _groups(bars: Sequence[Bar]) -> list[list[Bar]]:
    """Bars that may be of one display."""
    bars = [bar for bar in bars if bar.reach < _LONGEST * bar.thick]
    if not bars:
        return []
    x, y, reach, thick = np.array([(bar.x, bar.y, bar.reach, bar.thick) for bar in bars]).T
    longer = 2 * np.maximum(reach[:, None], reach)
    joined = (np.abs(x[:, None] - x) < _NEAR[0] * longer) & (np.abs(y[:, None] - y) < _NEAR[1] * longer)
    for size, most in ((thick, _AS_THICK), (reach, _AS_LONG)):
        joined &= np.abs(np.log(size[:, None] / size)) < np.log(most)
    group = linked(joined)
    return [[bars[number] for number in np.flatnonzero(group == name).tolist()] for name in np.unique(group)]


def _read(bars: Sequence[Bar], dots: Sequence[Bar], lit: np.ndarray) -> list[Shown]:
    """What a group of bars shows; nothing if it is no display."""
    lying, upright = [bar for bar in bars if not bar.upright], [bar for bar in bars if bar.upright]
    if not lying or not upright:
        return []
    # How a display leans and rises, short bars tell badly: most stand upright and level.
    leans = [float(np.median([bar.slope for bar in some])) for some in (upright, lying)]
    grids = [_Grid.of(lying, upright, lean, rise) for lean, rise in (leans, (0.0, 0.0))]
    return max((grid.read(lying, upright, dots, lit) for grid in grids if grid is not None), key=len, default=[])


@dataclass(frozen=True)
class _Grid:
    """The places of a display's bars: it may lean, and rise or fall.

    Attributes:
        lean: by how much upright bars move to the right for each pixel down.
        rise: by how much lying bars move down for each pixel to the right.
        top: the middle of the highest bars, after that is taken out.
        bottom: likewise of the lowest.
        width: from the left bars of a digit to its right ones.
        thick: of a bar.
        reach: half of how long a lying bar is.
    """

    lean: float
    rise: float
    top: float
    bottom: float
    width: float
    thick: float
    reach: float

    @classmethod
    def of(cls, lying: Sequence[Bar], upright: Sequence[Bar], lean: float, rise: float) -> _Grid | None:
        """The grid of some bars that lean and rise so; ``None`` if no display is made so."""
        thick = float(np.median([bar.thick for bar in (*lying, *upright)]))
        flat = cls(lean, rise, 0, 0, 0, thick, 0)
        across, down = flat._straight(lying)
        columns, rows = flat._straight(upright)
        reach = np.array([bar.reach for bar in upright])
        halves = _clusters(rows, _OFF * float(np.median(reach)))
        if len(halves) == 2 and halves[1] - halves[0] > _HALVES * reach.max():
            # Between the upper and the lower ones is half a digit's height; it may have no bar at its top or foot.
            top, bottom = (3 * halves[0] - halves[1]) / 2, (3 * halves[1] - halves[0]) / 2
        else:
            top = float(min(down.min(), (rows - reach).min() + thick / 2))
            bottom = float(max(down.max(), (rows + reach).max() - thick / 2))
        away = columns - across[:, None]
        half = float(np.median(np.abs(away).min(axis=1)))
        beside = np.abs(np.abs(away) - half) < 2 * _OFF * half
        # Where a lying bar has an upright one at either end, these tell the width; where it has one, it may reach into that.
        right = np.where(beside & (away > 0), away, np.inf).min(axis=1)
        left = np.where(beside & (away < 0), away, -np.inf).max(axis=1)
        both = np.isfinite(right) & np.isfinite(left)
        width = float(np.median((right - left)[both])) if both.any() else 2 * half
        if not _CELL[0] * (bottom - top) < width < _CELL[1] * (bottom - top) or width < _ROOM * thick:
            return None
        short = float(np.median([bar.reach for bar in lying]))
        # The strokes of a printed 8 do, which is a 1 and a 3 but for that.
        if short > width / 2 + _OVER * thick:
            return None
        return cls(lean, rise, top, bottom, width, thick, short)

    def read(self, lying: Sequence[Bar], upright: Sequence[Bar], dots: Sequence[Bar], lit: np.ndarray) -> list[Shown]:
        """What its cells show; nothing if it is no display."""
        cells, ones = self.cells(lying, upright)
        shown, unread = [], 0
        for middle in cells:
            text = _DIGITS.get(self.lit(middle, lit))
            if text is None:
                unread += 1
            else:
                shown.append(Shown(text, self.box(middle, self.width / 2, minus=text == "-")))
        # Bars on their left may be not straight enough to be seen as such; the left ones of such a cell are no one.
        texts = {place: _DIGITS.get(self.lit(place - self.width / 2, lit), "1") for place in ones}
        full = {place: text for place, text in texts.items() if text != "1"}
        for place, text in full.items():
            cells.append(place - self.width / 2)
            shown.append(Shown(text, self.box(cells[-1], self.width / 2)))
        for place in ones:
            of_others = place in full or any(abs(place + self.width - right) < _OFF * self.width for right in full)
            if not of_others and self.lit(place - self.width / 2, lit, "bc") == "bc":
                shown.append(Shown("1", self.box_of_one(place, cells, dots)))
        if len(shown) < _FEWEST or all(one.text == "-" for one in shown) or _READABLE * unread > len(shown):
            return []
        # A sheet of paper between digits is full of bars, but its cells would overlap.
        if all(one.text == "1" for one in shown) and min(np.diff(sorted(ones))) < self.width + self.thick / 2:
            return []
        return shown + self.points(dots, shown, cells)

    def _straight(self, bars: Sequence[Bar]) -> tuple[np.ndarray, np.ndarray]:
        """Where the bars would be if the display stood upright."""
        x, y = np.array([(bar.x, bar.y) for bar in bars]).T
        return self.straight(x, y)

    def straight(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """From places in the picture to those on an upright display."""
        scale = 1 - self.lean * self.rise
        return (x - self.lean * y) / scale, (y - self.rise * x) / scale

    def crooked(self, u: np.ndarray, v: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """And back."""
        return u + self.lean * v, v + self.rise * u

    def cells(self, lying: Sequence[Bar], upright: Sequence[Bar]) -> tuple[list[float], list[float]]:
        """The middles of the cells with a lying bar, and the places of upright bars that belong to none: ones."""
        middles = np.array(_clusters(self._straight(lying)[0], 2 * _OFF * self.width))
        columns = self._straight(upright)[0]
        away = columns - middles[:, None]
        off = np.abs(np.abs(away) - self.width / 2)
        mine = (off < 2 * _OFF * self.width) & (off == off.min(axis=0))
        # Upright bars tell better where a cell is.
        centres = columns - np.sign(away) * self.width / 2
        cells = [
            float(np.median(centre[own])) if own.any() else float(middle)
            for centre, own, middle in zip(centres, mine, middles, strict=True)
        ]
        return cells, _clusters(columns[~mine.any(axis=0)], _OFF * self.width)

    def lit(self, middle: float, lit: np.ndarray, places: str = "abcdefg") -> str:
        """The names of the bars of a cell that are lit; nothing if it is no such cell."""
        half, high = self.width / 2, (self.bottom - self.top) / 2
        centre = self.top + high
        where = {
            "a": (0, -high),
            "b": (half, -high / 2),
            "c": (half, high / 2),
            "d": (0, high),
            "e": (-half, high / 2),
            "f": (-half, -high / 2),
            "g": (0, 0),
        }
        found = ""
        for name in places:
            u, v = where[name]
            along = 0.25 * high if name in "bcef" else min(0.25 * self.width, 0.5 * self.reach)
            size = (self.thick / 4, along) if name in "bcef" else (along, self.thick / 4)
            share = self._share(lit, middle + u, centre + v, *size)
            if _HARDLY < share < _MOSTLY:
                return ""
            found += name if share >= _MOSTLY else ""
        if places == "abcdefg":
            inside = max(1.0, (self.width - self.thick) / 4), max(1.0, (high - self.thick) / 4)
            if max(self._share(lit, middle, centre + v, *inside) for v in (-high / 2, high / 2)) > _OPEN:
                return ""
        return found

    def _share(self, lit: np.ndarray, u: float, v: float, wide: float, high: float) -> float:
        """How much of a rectangle is lit, half as wide and as high as this."""
        us, vs = np.meshgrid(np.linspace(u - wide, u + wide, 5), np.linspace(v - high, v + high, 5))
        x, y = self.crooked(us, vs)
        columns, rows = x.astype(int), y.astype(int)
        within = (columns >= 0) & (columns < lit.shape[1]) & (rows >= 0) & (rows < lit.shape[0])
        return float(np.where(within, lit[rows.clip(0, lit.shape[0] - 1), columns.clip(0, lit.shape[1] - 1)], 0).mean())

    def box(self, middle: float, half: float, *, minus: bool = False) -> tuple[float, float, float, float]:
        """Of a cell, in pixels of the picture."""
        half += self.thick / 2
        edges = (self.top - self.thick / 2, self.bottom + self.thick / 2)
        if minus:
            centre = (self.top + self.bottom) / 2
            edges = centre - self.thick / 2, centre + self.thick / 2
        x, y = self.crooked(np.array([middle - half, middle + half] * 2), np.repeat(edges, 2))
        return float(x.min()), float(y.min()), float(x.max()), float(y.max())

    def box_of_one(
        self, place: float, cells: Sequence[float], dots: Sequence[Bar]
    ) -> tuple[float, float, float, float]:
        """Of the right bars of a cell: with its left half, unless another digit or a point stands there."""
        ends = [middle + self.width / 2 for middle in cells if middle + self.width / 2 < place]
        if dots:
            rights = self._straight(dots)[0] + [dot.reach for dot in dots]
            ends += [right for right in rights.tolist() if right < place]
        left = max([place - self.width, *(end + self.thick for end in ends)])
        left = min(left, place)
        return self.box((left + place) / 2, max((place - left) / 2, 0.0))

    def points(self, dots: Sequence[Bar], shown: Sequence[Shown], cells: Sequence[float]) -> list[Shown]:
        """The dots at the foot of the digits: what is in the middle of a cell is part of a bar."""
        left, right = min(one.box[0] for one in shown) - self.width, max(one.box[2] for one in shown) + self.width
        found = []
        for dot in dots:
            across, down = (float(place[0]) for place in self._straight([dot]))
            below = abs(down - self.bottom)
            within = any(abs(across - middle) < self.width / 2 for middle in cells)
            smallest, largest = (share * self.thick for share in _DOT)
            if not within and below < self.thick and smallest < dot.reach < largest and left < dot.x < right:
                found.append(Shown(".", (dot.x - dot.reach, dot.y - dot.reach, dot.x + dot.reach, dot.y + dot.reach)))
        return found


def _clusters(values: np.ndarray, apart: float) -> list[float]:
    """The means of values that are no farther apart than that from their neighbour."""
    if not len(values):
        return []
    ordered = np.sort(values)
    parts = np.split(ordered, np.flatnonzero(np.diff(ordered) > apart) + 1)
    return [float(part.mean()) for part in parts]
