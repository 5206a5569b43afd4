"""Words: which characters of a page stand together, so that what one of them is tells of the others."""

from __future__ import annotations

import numpy as np

__all__ = ["linked", "words"]

# Neighbours of one word: so far apart at most, in units of the taller one's height; at one level for this share of the lower
# one's height; and the lower one at least so high, beside the taller.
_GAP, _LEVEL, _LOWEST = 0.5, 0.5, 0.45


def words(boxes: np.ndarray) -> np.ndarray:
    """To which word each of some characters belongs.

    Args:
        boxes: left, top, right and bottom edges, float ``(N, 4)``.

    Returns:
        int ``(N,)``: one number for all characters of a word.

    >>> words(np.array([[0, 0, 8, 20], [10, 0, 18, 20], [40, 0, 48, 20]])).tolist()
    [0, 0, 2]
    """
    return linked(_beside(boxes))


def linked(beside: np.ndarray) -> np.ndarray:
    """To which group each belongs, if those beside each other are of one.

    Args:
        beside: bool ``(N, N)``; each beside itself.

    Returns:
        int ``(N,)``: one number for all of a group, the first one's.
    """
    group = np.arange(len(beside))
    while True:
        # Each takes the least number among its neighbours, and then that one's, until none changes.
        lower = np.where(beside, group, len(group)).min(axis=1, initial=len(group))
        lower = lower[lower]
        if np.array_equal(lower, group):
            return group
        group = lower


def _beside(boxes: np.ndarray) -> np.ndarray:
    """Which stand beside which, bool ``(N, N)``; each beside itself."""
    left, top, right, bottom = boxes.T
    height = bottom - top
    taller, lower = np.maximum(height[:, None], height), np.minimum(height[:, None], height)
    gap = np.maximum(left[:, None], left) - np.minimum(right[:, None], right)
    level = np.minimum(bottom[:, None], bottom) - np.maximum(top[:, None], top)
    beside: np.ndarray = (gap < _GAP * taller) & (level > _LEVEL * lower) & (lower > _LOWEST * taller)
    np.fill_diagonal(beside, val=True)
    return beside
