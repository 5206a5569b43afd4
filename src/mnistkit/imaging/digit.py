"""Which of the ink is the digit: not dust, not a frame, not the edge of the sheet, but all of a broken stroke."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from mnistkit.errors import BlankImageError
from mnistkit.imaging.box import Box

__all__ = ["Part", "find_candidates", "find_digit", "find_parts", "is_frame"]

# Less contrast than this is paper, light and noise, not writing.
_LEAST_CONTRAST = 16.0
# Ink stands out of the paper's noise by this many standard deviations ...
_SIGMAS = 4.0
# ... and is at least this share of a typical stroke: less where the paper has no noise at all, as in a drawing.
_FAINTEST, _FAINTEST_ON_FLAT_PAPER = 0.35, 0.12
# What has less ink than this share of the likeliest candidate's is dust.
_LEAST_MASS = 0.01
# An image this small is a digit cut out or drawn to fill it, and may well touch the border.
_SMALL_SIDE = 64
# In an image of more pixels, as cameras make them, parts of so few are the camera's noise.
_LARGE, _HOT_PIXELS = 20_000, 2
# The rest of a table runs along so much of a side, no farther inside than this share of the shorter one; a smaller picture is
# cut out too tightly to tell.
_ALONG, _RIM, _LEAST_SIDE = 0.6, 0.12, 20


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


def find_digit(ink: np.ndarray) -> np.ndarray:
    """The pixels of the digit: the first of ``find_candidates``."""
    return next(find_candidates(ink))[0]


def find_candidates(ink: np.ndarray) -> Iterator[tuple[np.ndarray, float]]:
    """What may be the digit, the likeliest first, by its ink, its place and its size alone.

    Args:
        ink: uint8 ``(H, W)``, as :func:`find_ink` gives it.

    Yields:
        The pixels of one candidate, bool ``(H, W)``, of which none belongs to two; and which share of all ink they have.

    Raises:
        BlankImageError: if nothing stands out from the paper, or nothing but lines along the border.
    """
    labels, parts = find_parts(ink)
    if all(_is_edge(part, labels) for part in parts):
        raise BlankImageError("the image is blank: there is nothing in it but lines along its border")
    frames = {part.number for part in parts if is_frame(part, labels)}
    ranked = sorted(parts, key=lambda part: -_score(part, ink.shape, part.number in frames))
    free = [part for part in parts if part.number not in frames]
    everything = sum(part.mass for part in free) or sum(part.mass for part in parts)
    taken: set[int] = set()
    for digit in ranked:
        if digit.number in taken or digit.mass < _LEAST_MASS * ranked[0].mass:
            continue
        chosen = _with_fragments(digit, [part for part in free if part.number not in taken], ink.shape)
        taken.update(chosen)
        belongs = np.zeros(labels.max() + 1, dtype=np.bool_)
        belongs[chosen] = True
        yield belongs[labels], min(1.0, sum(part.mass for part in parts if belongs[part.number]) / everything)


def find_parts(ink: np.ndarray) -> tuple[np.ndarray, list[Part]]:
    """The connected pieces of what stands out from the paper.

    Args:
        ink: uint8 ``(H, W)``, as :func:`find_ink` gives it.

    Returns:
        The number of its part for each pixel, int32 ``(H, W)``, 0 for paper; and the parts.

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
    labels, parts = _parts(mask, ink)
    if ink.size > _LARGE:
        parts = [part for part in parts if part.area > _HOT_PIXELS]
    if not parts:
        raise BlankImageError("the image is blank: nothing stands out from the noise of its paper")
    return labels, parts


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


def _parts(mask: np.ndarray, ink: np.ndarray) -> tuple[np.ndarray, list[Part]]:
    count, labels, boxes, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
    inked = np.flatnonzero(mask)
    numbers, strengths = labels.ravel()[inked].astype(np.intp), ink.ravel()[inked]
    mass = np.bincount(numbers, weights=strengths, minlength=count)
    peak = np.zeros(count, dtype=np.uint8)
    np.maximum.at(peak, numbers, strengths)
    border = np.concatenate([labels[0], labels[-1], labels[1:-1, 0], labels[1:-1, -1]])
    on_border = np.bincount(border, minlength=count)
    rows = zip(boxes.tolist(), mass.tolist(), peak.astype(float).tolist(), on_border.tolist(), strict=True)
    parts = [
        Part(left, top, left + width, top + height, number, area, *ink_of_it)
        for number, ((left, top, width, height, area), *ink_of_it) in enumerate(rows)
    ]
    return labels, parts[1:]  # the first one is the paper


def is_frame(part: Part, labels: np.ndarray) -> bool:
    """Whether a part goes round most of the image and has next to nothing inside."""
    height, width = labels.shape
    if part.width < 0.6 * width or part.height < 0.6 * height:
        return False
    rim = max(2, round(0.08 * max(part.width, part.height)))
    inside = labels[part.inside(rim).pixels] == part.number
    return int(inside.sum()) < 0.15 * part.area


def _is_edge(part: Part, labels: np.ndarray) -> bool:
    """Whether a part runs along the border, and nowhere else: what is left of a table round a cell that was cut out."""
    if not part.on_border or max(part.width / labels.shape[1], part.height / labels.shape[0]) < _ALONG:
        return False
    rim = round(_RIM * min(labels.shape))
    inside = labels[rim : labels.shape[0] - rim, rim : labels.shape[1] - rim]
    return min(labels.shape) >= _LEAST_SIDE and not (inside == part.number).any()


def _score(part: Part, shape: tuple[int, ...], framing: bool) -> float:
    """How much a part looks like the subject: much ink, near the middle, not running along the border."""
    height, width = shape
    off = max(abs((part.left + part.right) / 2 / width - 0.5), abs((part.top + part.bottom) / 2 / height - 0.5))
    score = part.mass * float(np.exp(-((off / 0.4) ** 2)))
    if part.contact > 0.15:
        score *= 0.05
    elif part.on_border and min(height, width) > _SMALL_SIDE:
        score *= 0.4
    return 0.02 * score if framing else score


def _with_fragments(digit: Part, parts: list[Part], shape: tuple[int, ...]) -> list[int]:
    """The digit and what belongs to it: pieces of its own strength within reach of what was found so far."""
    reach = 0.25 * max(digit.width, digit.height)
    large = min(shape) > _SMALL_SIDE
    waiting = [
        part
        for part in parts
        if part.number != digit.number
        and part.mass >= 0.02 * digit.mass
        and part.peak >= 0.4 * digit.peak
        and not (large and part.on_border and not digit.on_border)
    ]
    found: Box = digit
    chosen = [digit.number]
    while near := [part for part in waiting if found.distance(part) <= reach]:
        taken = {part.number for part in near}
        chosen += taken
        waiting = [part for part in waiting if part.number not in taken]
        found = Box.enclosing([found, *near])
    return chosen
