"""The ink in a character's box: how strong it is, and whether it is part of a rule."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

__all__ = ["contrast", "goes_on"]

# Thin strokes are a small part of a large box, specks of dust a smaller one.
_LEFT_OUT = 0.01
# Ink that goes on above and below a digit, so far off in shares of its height and this much as strong, is a rule.
_BEYOND, _AS_STRONG = (0.1, 0.4), 0.7
# So much of a rule's ink is in its strokes; beside a digit that touches one, there is the digit's.
_MOST = 0.6


def contrast(page: np.ndarray, box: Sequence[float]) -> float:
    """How much lighter the lightest of a box is than its darkest, leaving out a hundredth at each end, in grey levels."""
    left, top, right, bottom = (round(edge) for edge in box)
    cut = page[top : max(bottom, top + 1), left : max(right, left + 1)]
    if not cut.size:
        return 0.0
    # Counted, not sorted: that takes ten times as long.
    up_to, left_out = np.bincount(cut.ravel(), minlength=256).cumsum(), round(_LEFT_OUT * cut.size)
    darkest, lightest = np.searchsorted(up_to, [left_out, cut.size - 1 - left_out], side="right")
    return float(lightest - darkest)


def goes_on(page: np.ndarray, box: Sequence[float]) -> bool:
    """Whether the upright strokes in a digit's box go straight on above and below it, as a table's rules do and no digit's."""
    left, top, right, bottom = (round(edge) for edge in box)
    near, far = (round(share * (bottom - top)) for share in _BEYOND)
    beside = 2 + (right - left) // 2
    first = max(left - beside, 0)
    strip = page[:, first : right + beside]
    parts = strip[top:bottom], strip[max(top - far, 0) : max(top - near, 0)], strip[bottom + near : bottom + far]
    if not all(part.size for part in parts):
        return False
    inside = _columns(parts[0])
    # Rules beside the digit are not its own.
    own = np.abs(inside)[left - first : right - first]
    strokes = own > own.max(initial=0.0) / 2
    if not strokes.any() or own[strokes].sum() < _MOST * own.sum():
        return False
    least = _AS_STRONG * own[strokes].mean()
    return all(
        (_columns(part) * np.sign(inside))[left - first : right - first][strokes].mean() > least for part in parts[1:]
    )


def _columns(part: np.ndarray) -> np.ndarray:
    """How far the columns of a part are from most of them, float ``(W,)``: beside strokes is paper, or a rule that lies."""
    columns = part.sum(axis=0, dtype=np.int32) / len(part)
    away: np.ndarray = columns - np.sort(columns)[len(columns) // 2]
    return away
