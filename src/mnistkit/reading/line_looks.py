"""The lines of a page, each read whole: level, at one size, without cutting it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from mnistkit.imaging import SIGNS, STRIP_COLUMN, STRIP_DIGIT, STRIP_HEIGHT, Columns, cut_strip, levelling

__all__ = ["BESIDE", "Line", "Place", "on_page", "read_lines"]

#: So many heights of a digit beside the ends of a line are seen, and half of that is read.
BESIDE = 2.2
# What columns tell of nothing comes after ten digits, the signs and a letter.
_NOTHING = 11 + len(SIGNS)
# Where a character is less sure than this, the line is read three times, once so much higher and once lower, in heights of a
# digit.
_SURELY, _HIGHER = 0.6, 0.06
# So many columns of pixels are read in all, and so many of them three times: about a third of a second's work.
_MOST, _MOST_AGAIN = 10_000, 2_000
# Strips of so many columns together are read in half the time that they take one by one, if the shortest has at least this share
# of the longest.
_AT_ONCE, _ALIKE = 2_000, 0.8
# No two characters are so close, in columns.
_CLOSEST = 2.0


@dataclass(frozen=True)
class Place:
    """Where a line stands on the level page, in pixels.

    Attributes:
        left: the left edge of its first character.
        right: the right edge of its last one.
        y: its middle across.
        unit: the height of a digit.
    """

    left: float
    right: float
    y: float
    unit: float

    @property
    def span(self) -> tuple[float, float]:
        """From where to where it is read."""
        beside = BESIDE * self.unit / 2
        return self.left - beside, self.right + beside

    @property
    def scale(self) -> float:
        """How many pixels of the page are one of its strip."""
        return self.unit / STRIP_DIGIT

    @property
    def width(self) -> int:
        """How long its strip is, in pixels of that."""
        length = self.right - self.left + 2 * BESIDE * self.unit
        return STRIP_COLUMN * math.ceil(length / self.scale / STRIP_COLUMN)

    def strip(self, page: np.ndarray, degrees: float, width: int, off: float) -> np.ndarray:
        """Its strip, longer if it has to be, and so many heights of a digit lower, uint8 ``(32, width)``."""
        size = self.width * self.scale, STRIP_HEIGHT * self.scale
        middle = self.begins + size[0] / 2, self.y + off * self.unit
        x, y = on_page(np.array([middle]), degrees)[0].tolist()
        return cut_strip(page, (x, y), size, degrees, width)

    @property
    def begins(self) -> float:
        """The left edge of its strip."""
        return self.left - BESIDE * self.unit


@dataclass(frozen=True)
class Line:
    """What was read of one line.

    Attributes:
        place: where it stands.
        middles: of its characters, along the level line, in pixels, float ``(N,)``.
        told: the probabilities of the 15 kinds of characters, float ``(N, 15)``.
        sure: how sure it is that there is a character, float ``(N,)``.
    """

    place: Place
    middles: np.ndarray
    told: np.ndarray
    sure: np.ndarray


def read_lines(places: Sequence[Place], degrees: float, page: np.ndarray, columns: Columns) -> list[Line]:
    """What stands in the lines of a page.

    Args:
        places: of the lines; of more than there is time for, the first are read.
        degrees: the page's slope.
        page: uint8 ``(H, W)``, grey.
        columns: reads strips.
    """
    read = _within(_MOST, places)
    looks = {place: [logits] for place, logits in _looks([(place, 0.0) for place in read], degrees, page, columns)}
    told = {place: _told(logits) for place, logits in looks.items()}
    unsure = _within(_MOST_AGAIN, [place for place in read if not _is_sure(told[place])])
    again = [(place, off) for place in unsure for off in (-_HIGHER, _HIGHER)]
    for place, logits in _looks(again, degrees, page, columns):
        looks[place].append(logits)
    told |= {place: _told(looks[place]) for place in unsure}
    return [_line(place, told[place]) for place in read]


def _within(most: int, places: Sequence[Place]) -> list[Place]:
    """The first places whose strips have no more than so many columns of pixels together."""
    within = []
    for place in places:
        if place.width <= most:
            within.append(place)
            most -= place.width
    return within


def _looks(
    wanted: Sequence[tuple[Place, float]], degrees: float, page: np.ndarray, columns: Columns
) -> Iterator[tuple[Place, np.ndarray]]:
    """The places and the logits of their columns, each strip so far off; strips of about one width are read together."""
    batch: list[tuple[Place, float]] = []
    for one in sorted(wanted, key=lambda one: one[0].width):
        width = one[0].width
        if batch and (width * (len(batch) + 1) > _AT_ONCE or batch[0][0].width < _ALIKE * width):
            yield from _look(batch, degrees, page, columns)
            batch = []
        batch.append(one)
    if batch:
        yield from _look(batch, degrees, page, columns)


def _look(
    batch: Sequence[tuple[Place, float]], degrees: float, page: np.ndarray, columns: Columns
) -> Iterator[tuple[Place, np.ndarray]]:
    width = max(place.width for place, _ in batch)
    strips = np.stack([place.strip(page, degrees, width, off) for place, off in batch])
    for (place, _), logits in zip(batch, columns(strips), strict=True):
        yield place, logits[:, : place.width // STRIP_COLUMN]


def _is_sure(told: np.ndarray) -> bool:
    return all(told[:, run].max() >= _SURELY for run in _runs(told))


def _line(place: Place, told: np.ndarray) -> Line:
    places, at = _characters(told)
    middles = place.begins + (places + 0.5) * STRIP_COLUMN * place.scale
    sure = 1 - at[:, _NOTHING]
    return Line(place, middles, at[:, :_NOTHING] / sure[:, None], sure)


def _told(looks: Sequence[np.ndarray]) -> np.ndarray:
    """The probabilities of the columns, the geometric mean of what some looks tell, each ``(16, W / 2)``."""
    logits = np.stack(looks).astype(np.float64)
    mean = (logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)).mean(axis=0)
    told: np.ndarray = np.exp(mean - np.logaddexp.reduce(mean, axis=0))
    return told


def _characters(told: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The characters of a line: their middles, in columns, float ``(N,)``, and what is told of each, float ``(N, 16)``."""
    groups: list[list[np.ndarray]] = []
    last, before = -np.inf, -1
    for run in _runs(told):
        kind = int(told[:, run[0]].argmax())
        if kind == _NOTHING:
            continue
        middle = _middle(told[kind], run)
        # What is one thing for some columns and another for the next ones is a character of which it is unclear what it is.
        if run[0] == before + 1 and middle - last < _CLOSEST:
            groups[-1].append(run)
        else:
            groups.append([run])
        last, before = middle, int(run[-1])
    middles, at = [], []
    for group in groups:
        columns = np.concatenate(group)
        weights = told[told[:, columns[0]].argmax()] if len(group) == 1 else 1 - told[_NOTHING]
        middles.append(_middle(weights, columns))
        at.append(told[:, columns[weights[columns].argmax()]] if len(group) == 1 else told[:, columns].mean(axis=1))
    return np.array(middles), np.array(at).reshape(-1, len(told))


def _middle(weights: np.ndarray, columns: np.ndarray) -> float:
    return float(weights[columns] @ columns / weights[columns].sum())


def _runs(told: np.ndarray) -> list[np.ndarray]:
    """The columns that follow each other and say the same."""
    kinds = told.argmax(axis=0)
    return np.split(np.arange(len(kinds)), np.flatnonzero(np.diff(kinds)) + 1)


def on_page(middles: np.ndarray, degrees: float) -> np.ndarray:
    """Places of the level page, float ``(N, 2)``, on the page as it is."""
    places: np.ndarray = middles @ levelling(degrees)
    return places
