"""One line of a page, read whole: level, at one size, without cutting it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from mnistkit.imaging import SIGNS, STRIP_COLUMN, STRIP_DIGIT, STRIP_HEIGHT, Columns, cut_strip, levelling

__all__ = ["BESIDE", "Line", "on_page", "read_line"]

#: So many heights of a digit beside the ends of a line are seen, and half of that is read.
BESIDE = 2.2
# What columns tell of nothing comes after ten digits, the signs and a letter.
_NOTHING = 11 + len(SIGNS)
# Where a character is less sure than this, the line is read three times, once so much higher and once lower, in heights of a
# digit.
_SURELY, _HIGHER = 0.9, 0.06
# No two characters are so close, in columns.
_CLOSEST = 2.0


@dataclass(frozen=True)
class Line:
    """What was read of one line.

    Attributes:
        middles: of its characters, along the level line, in pixels, float ``(N,)``.
        told: the probabilities of the 15 kinds of characters, float ``(N, 15)``.
        sure: how sure it is that there is a character, float ``(N,)``.
        span: from where to where it was read.
        y: its middle across.
        unit: the height of a digit, in pixels.
        width: of its strip, in pixels.
        looks: how often it was read.
    """

    middles: np.ndarray
    told: np.ndarray
    sure: np.ndarray
    span: tuple[float, float]
    y: float
    unit: float
    width: int
    looks: int


def read_line(
    ends: tuple[float, float],
    band: tuple[float, float],
    degrees: float,
    page: np.ndarray,
    columns: Columns,
    most: int,
    again: int,
) -> Line | None:
    """What stands in the line of some characters; ``None`` if its strip would be too long.

    Args:
        ends: the left edge of its first character and the right edge of its last, on the level page.
        band: the top and bottom of its digits, there.
        degrees: the page's slope.
        page: uint8 ``(H, W)``, grey.
        columns: reads strips.
        most: the longest strip, in its pixels.
        again: the longest that is read three times, likewise.
    """
    unit, y = band[1] - band[0], (band[0] + band[1]) / 2
    scale = unit / STRIP_DIGIT
    left, right = ends[0] - BESIDE * unit, ends[1] + BESIDE * unit
    width = STRIP_COLUMN * math.ceil((right - left) / scale / STRIP_COLUMN)
    if width > most:
        return None
    size = width * scale, STRIP_HEIGHT * scale

    def strip(off: float) -> np.ndarray:
        x, down = on_page(np.array([[left + size[0] / 2, y + off * unit]]), degrees)[0].tolist()
        return cut_strip(page, (x, down), size, degrees, width)

    logits = columns(strip(0)[None])
    told = _told(logits)
    if width <= again and any(told[:, run].max() < _SURELY for run in _runs(told)):
        logits = np.concatenate([logits, columns(np.stack([strip(-_HIGHER), strip(_HIGHER)]))])
        told = _told(logits)
    places, at = _characters(told)
    middles = left + (places + 0.5) * STRIP_COLUMN * scale
    sure = 1 - at[:, _NOTHING]
    span = left + BESIDE * unit / 2, right - BESIDE * unit / 2
    return Line(middles, at[:, :_NOTHING] / sure[:, None], sure, span, y, unit, width, len(logits))


def _told(logits: np.ndarray) -> np.ndarray:
    """The probabilities of the columns, float ``(16, W / 2)``: the geometric mean of what strips tell, ``(N, 16, W / 2)``."""
    logits = logits.astype(np.float64)
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
