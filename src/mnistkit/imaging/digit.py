"""Which of the ink is the digit: not dust, not a frame, not the edge of the sheet, but all of a broken stroke."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from mnistkit.errors import BlankImageError
from mnistkit.imaging.box import Box
from mnistkit.imaging.parts import Part, Parts, find_parts

__all__ = ["find_candidates", "find_digit"]

# What has less ink than this share of the likeliest candidate's is dust.
_LEAST_MASS = 0.01
# An image this small is a digit cut out or drawn to fill it, and may well touch the border.
_SMALL_SIDE = 64
# The rest of a table runs along so much of a side, no farther inside than this share of the shorter one; a smaller picture is
# cut out too tightly to tell.
_ALONG, _RIM, _LEAST_SIDE = 0.6, 0.12, 20


def find_digit(ink: np.ndarray) -> np.ndarray:
    """The pixels of the digit: the first of ``find_candidates``."""
    return next(find_candidates(find_parts(ink)))[0]


def find_candidates(parts: Parts) -> Iterator[tuple[np.ndarray, float]]:
    """What may be the digit, the likeliest first, by its ink, its place and its size alone.

    Args:
        parts: of the picture's ink.

    Yields:
        The pixels of one candidate, bool ``(H, W)``, of which none belongs to two; and which share of all ink they have.

    Raises:
        BlankImageError: if there is nothing but lines along the border.
    """
    labels, shape = parts.labels, parts.labels.shape
    if all(_is_edge(part, labels) for part in parts.found):
        raise BlankImageError("the image is blank: there is nothing in it but lines along its border")
    frames = {part.number for part in parts.found if parts.is_border(part)}
    ranked = sorted(parts.found, key=lambda part: -_score(part, shape, part.number in frames))
    free = [part for part in parts.found if part.number not in frames]
    everything = sum(part.mass for part in free) or sum(part.mass for part in parts.found)
    taken: set[int] = set()
    for digit in ranked:
        if digit.number in taken or digit.mass < _LEAST_MASS * ranked[0].mass:
            continue
        chosen = _with_fragments(digit, [part for part in free if part.number not in taken], shape)
        taken.update(chosen)
        belongs = np.zeros(labels.max() + 1, dtype=np.bool_)
        belongs[chosen] = True
        yield belongs[labels], min(1.0, sum(part.mass for part in parts.found if belongs[part.number]) / everything)


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
