"""What stands out from the paper, in connected parts; and which of these are no writing but frames around it."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from mnistkit.errors import BlankImageError
from mnistkit.imaging.box import Box

__all__ = ["Part", "Parts", "find_parts"]

# Less contrast than this is paper, light and noise, not writing.
_LEAST_CONTRAST = 16.0
# Ink stands out of the paper's noise by this many standard deviations ...
_SIGMAS = 4.0
# ... and is at least this share of a typical stroke: less where the paper has no noise at all, as in a drawing.
_FAINTEST, _FAINTEST_ON_FLAT_PAPER = 0.35, 0.12
# In an image of more pixels, as cameras make them, parts of so few are the camera's noise.
_LARGE, _HOT_PIXELS = 20_000, 2
# Tables and ruled lines take at least this share of the picture's longer side.
_LONG = 0.25
# A table has at most this share of its box inked, and so many other parts inside, each with this share of its ink or more.
_HOLLOW, _ENCLOSED, _DUST_IN_TABLE = 0.35, 4, 0.002
# What is drawn round something has at most that share of its box inked, too, and is no more than so many times as high as that,
# nor has so many times its ink.
_ROUND, _HEAVY = 2.8, 10.0
# More hollow parts than this are a texture.
_MOST_HOLLOW = 500
# A ruled line is no thicker than this share of its length, and lies in a box no higher than that.
_THIN, _FLAT = 0.04, 0.12


@dataclass(frozen=True)
class Part(Box):
    """A connected piece of ink, and the box around it.

    Attributes:
        number: of it.
        area: how many pixels it has.
        mass: the sum of its ink.
        peak: the strongest of it.
        on_border: how many of its pixels lie on the image's border.
    """

    number: int
    area: int
    mass: float
    peak: float
    on_border: int

    @property
    def contact(self) -> float:
        """The share of its outline that lies on the image's border."""
        return self.on_border / (2 * (self.width + self.height))


@dataclass(frozen=True, eq=False)
class Parts:
    """The parts of a picture's ink.

    Attributes:
        ink: uint8 ``(H, W)``.
        labels: the number of its part for each pixel, int32 ``(H, W)``, 0 for paper.
        found: the parts.
    """

    ink: np.ndarray
    labels: np.ndarray
    found: tuple[Part, ...]

    @functools.cached_property
    def frames(self) -> frozenset[int]:
        """The numbers of borders, boxes, tables and ruled lines, which are large, and mostly empty or very long."""
        edges, mass = np.array([part.edges for part in self.found]), np.array([part.mass for part in self.found])
        found = {part.number for part in _round_others(self, edges, mass)}
        least = _LONG * max(self.labels.shape)
        large = [part for part in self.found if max(part.width, part.height) >= least]
        return frozenset(found) | {
            part.number for part in large if self.is_border(part) or _is_table(part, edges, mass) or self.is_rule(part)
        }

    def is_border(self, part: Part) -> bool:
        """Whether a part goes round most of the image and has next to nothing inside."""
        height, width = self.labels.shape
        if part.width < 0.6 * width or part.height < 0.6 * height:
            return False
        rim = max(2, round(0.08 * max(part.width, part.height)))
        inside = self.labels[part.inside(rim).pixels] == part.number
        return int(inside.sum()) < 0.15 * part.area

    def is_rule(self, part: Part) -> bool:
        """Whether a part is a long thin line."""
        longer, shorter = max(part.width, part.height), min(part.width, part.height)
        least = _LONG * max(self.labels.shape)
        return longer >= least and part.area < _THIN * longer**2 and shorter < _FLAT * longer


def find_parts(ink: np.ndarray) -> Parts:
    """The connected pieces of what stands out from the paper.

    Args:
        ink: uint8 ``(H, W)``, as :func:`find_ink` gives it.

    Raises:
        BlankImageError: if there is none.
    """
    counts = np.bincount(ink.ravel(), minlength=256)
    # Single hot pixels of a photo are not its ink: three beside each other, as in a hairline, are.
    strongest = float(ink.max())
    if ink.size > _LARGE:
        strongest = min(strongest, 3.0 * float(cv2.blur(ink, (3, 3)).max()))
    if strongest < _LEAST_CONTRAST:
        hint = (
            "; if it is an array in which another number is white, scale it to 255"
            if strongest > 0
            else "; black ink on a transparent ground is lost in a JPEG, and kept in a PNG"
        )
        raise BlankImageError(
            f"the image is blank: its strongest contrast is {strongest:.0f} of 255, at least {_LEAST_CONTRAST:.0f} is "
            f"needed{hint}"
        )
    mask = (ink > _threshold(ink, counts, strongest)).astype(np.uint8)
    parts = _parts(mask, ink, _HOT_PIXELS if ink.size > _LARGE else 0)
    if not parts.found:
        raise BlankImageError("the image is blank: nothing stands out from the noise of its paper")
    return parts


def _threshold(ink: np.ndarray, counts: np.ndarray, strongest: float) -> float:
    """From the ink, and how many pixels there are of each strength."""
    typical = max(_otsu(ink[ink > 4]), 0.15 * strongest)
    paper = np.where(np.arange(256) <= 0.5 * typical, counts, 0)
    if not paper.any():  # a few pixels, all of them ink
        return _FAINTEST * typical
    level = _quantile(paper, 0.5)
    distances = np.bincount(np.abs(np.arange(256) - round(level)), paper)
    noise = 1.4826 * _quantile(distances, 0.5)
    flat = _quantile(paper, 0.9) == 0
    share = _FAINTEST_ON_FLAT_PAPER if flat else _FAINTEST
    return max(share * typical, level + _SIGMAS * noise, 4.0)


def _quantile(counts: np.ndarray, share: float) -> float:
    """The strength that this share of the counted pixels does not exceed."""
    return float(np.searchsorted(counts.cumsum(), share * counts.sum()))


def _otsu(values: np.ndarray) -> float:
    """The threshold that parts the values best (Otsu 1979); half of them if they are all alike."""
    if np.ptp(values) == 0:
        return 0.5 * float(values[0])
    threshold, _ = cv2.threshold(values, 0, 255, cv2.THRESH_OTSU)
    return float(threshold)


def _parts(mask: np.ndarray, ink: np.ndarray, noise: int) -> Parts:
    """The parts of a mask with more pixels than that."""
    count, labels, boxes, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
    inked = np.flatnonzero(mask)
    numbers, strengths = labels.ravel()[inked].astype(np.intp), ink.ravel()[inked]
    mass = np.bincount(numbers, weights=strengths, minlength=count)
    peak = np.zeros(count, dtype=np.uint8)
    np.maximum.at(peak, numbers, strengths)
    border = np.concatenate([labels[0], labels[-1], labels[1:-1, 0], labels[1:-1, -1]])
    on_border = np.bincount(border, minlength=count)
    # The first one is the paper.
    some = np.flatnonzero(boxes[1:, 4] > noise) + 1
    columns = (some, boxes[some], mass[some], peak[some].astype(float), on_border[some])
    rows = zip(*(column.tolist() for column in columns), strict=True)
    found = tuple(
        Part(left, top, left + width, top + height, number, area, *ink_of_it)
        for number, (left, top, width, height, area), *ink_of_it in rows
    )
    return Parts(ink, labels, found)


def _round_others(parts: Parts, edges: np.ndarray, mass: np.ndarray) -> Iterator[Part]:
    """Boxes and rings with something as large as a digit in them."""
    labels = parts.labels
    lefts, tops, rights, bottoms = np.ascontiguousarray(edges.T)
    height = bottoms - tops
    hollow = [part for part in parts.found if part.area <= _HOLLOW * part.width * part.height]
    for part in sorted(hollow, key=lambda part: -part.width * part.height)[:_MOST_HOLLOW]:
        left, top, right, bottom = part.edges
        inside = (lefts >= left) & (tops >= top) & (rights <= right) & (bottoms <= bottom)
        inside &= (part.height <= _ROUND * height) & (part.mass <= _HEAVY * mass)
        for number in np.flatnonzero(inside).tolist():
            x0, y0, x1, y1 = edges[number].tolist()
            x, y = (x0 + x1) // 2, (y0 + y1) // 2
            ways = labels[top:y, x], labels[y:bottom, x], labels[y, left:x], labels[y, x:right]
            if parts.found[number] is not part and all((way == part.number).any() for way in ways):
                yield part
                break


def _is_table(part: Part, edges: np.ndarray, mass: np.ndarray) -> bool:
    """Whether a large part, one of those with these edges, goes round several others, and is mostly empty."""
    if part.area > _HOLLOW * part.width * part.height:
        return False
    inside = (edges[:, :2] >= part.edges[:2]).all(axis=1) & (edges[:, 2:] <= part.edges[2:]).all(axis=1)
    # It is one of them itself.
    return int((inside & (mass > _DUST_IN_TABLE * part.mass)).sum()) > _ENCLOSED
