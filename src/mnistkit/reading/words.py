"""Words: which characters of a page stand together, so that what one of them is tells of the others."""

from __future__ import annotations

import numpy as np

__all__ = ["from_neighbours", "from_other_words", "linked", "words"]

# Neighbours of one word: so far apart at most, in units of the taller one's height; at one level for this share of the lower
# one's height; and the lower one at least so high, beside the taller.
_GAP, _LEVEL, _LOWEST = 0.5, 0.5, 0.45
# In a word a digit follows a letter, or a letter a digit, in such a share of the cases: labels have it, as d1 or 5kg. Of the
# digits of 16 drawn pages of labels 38 of 100 were read wrongly with this and 42 with a third of it; of other pages as many.
_CHANGES = 0.06
# The wider a gap, the rather words end there: above the first width, in such units, a change becomes likelier, up to evens where
# they end for sure. The spaces of printed sentences may be as narrow as 0.38: of 24 such pages 90 of 1,761 digits were read
# wrongly without it, and 74 with it.
_TIGHT, _EVENS = 0.2, 0.5
# A word is letters, or a number, for sure if so many nats say so; so many others tell of the page; what they tell counts so many
# times, and at most so many nats: on a page full of words a number is one all the same. Of 100 drawn pages of words, 79 of 2,444
# letters are then read as digits, and 122 without; of 30 pages of prose, 37 and 56; of 1,352 digits in lines and forms one less
# is read.
_SURE, _FEWEST, _WEIGHT, _MOST = 4.0, 2, 2.0, 3.0


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


def from_neighbours(word: np.ndarray, boxes: np.ndarray, letters: np.ndarray) -> np.ndarray:
    """How much the other characters of its word speak for a letter, in each place.

    Letters and digits follow each other as in a Markov chain of two states, by the forward-backward algorithm (Rabiner 1989, *A
    Tutorial on Hidden Markov Models*, section III).

    Args:
        word: to which each belongs, int ``(N,)``.
        boxes: left, top, right and bottom edges, float ``(N, 4)``.
        letters: how much each alone speaks for a letter, log-odds, float ``(N,)``.

    Returns:
        Log-odds, float ``(N,)``; 0 of a character alone.

    >>> boxes = np.array([[0, 0, 8, 20], [10, 0, 18, 20], [20, 0, 28, 20], [50, 0, 58, 20]])
    >>> from_neighbours(np.array([0, 0, 0, 3]), boxes, np.array([4.0, -1.0, 4.0, -1.0])).round(1).tolist()
    [1.3, 5.0, 1.3, 0.0]
    """
    told = np.zeros(len(word))
    order = np.lexsort([boxes[:, 0] + boxes[:, 2], word])
    share = np.interp(_gaps(boxes[order[:-1]], boxes[order[1:]]), [_TIGHT, _GAP], [_CHANGES, _EVENS])
    stays, changes = np.log(1 - share), np.log(share)
    there = list(zip(order[:-1].tolist(), order[1:].tolist(), stays.tolist(), changes.tolist(), strict=True))
    back = [(after, before, stay, change) for before, after, stay, change in reversed(there)]
    for way in (there, back):
        passed = np.zeros(len(word))
        for before, n, stay, change in way:
            if word[before] == word[n]:
                odds = passed[before] + letters[before]
                passed[n] = np.logaddexp(odds + stay, change) - np.logaddexp(odds + change, stay)
        told += passed
    return told


def from_other_words(word: np.ndarray, letters: np.ndarray) -> np.ndarray:
    """How much the other words of a page speak for a letter, in each place.

    Among words, one of nothing but letters that look like digits is rather a word, too. Numbers do not speak against letters: a
    table has a heading.

    Args:
        word: to which each character belongs, int ``(N,)``.
        letters: how much each alone speaks for a letter, log-odds, float ``(N,)``.

    Returns:
        Log-odds, from 0 to 3, float ``(N,)``.

    >>> letters = np.array([5.0, 5.0, 5.0, -1.0])
    >>> from_other_words(np.arange(4), letters).round(1).tolist()
    [2.2, 2.2, 2.2, 2.8]
    """
    _, number = np.unique(word, return_inverse=True)
    told = np.bincount(number, letters)
    words_of, numbers = (sure.sum() - sure for sure in (told > _SURE, told < -_SURE))
    # Laplace's rule: one more of either than were seen.
    odds = np.where(words_of + numbers >= _FEWEST, _WEIGHT * np.log((words_of + 1) / (numbers + 1)), 0)
    each: np.ndarray = odds.clip(0, _MOST)[number]
    return each


def linked(beside: np.ndarray) -> np.ndarray:
    """To which group each belongs, if those beside each other are of one.

    Args:
        beside: bool ``(N, N)``; each beside itself.

    Returns:
        int ``(N,)``: one number for all of a group, the first one's.
    """
    group = np.arange(len(beside), dtype=np.int32)
    while True:
        # Each takes the least number among its neighbours, and then that one's, until none changes.
        lower = np.where(beside, group, len(group)).min(axis=1, initial=len(group))
        lower = lower[lower]
        if np.array_equal(lower, group):
            return group
        group = lower


def _gaps(boxes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """How far boxes are from others, to the right or left, in units of the taller one's height; less than 0 if they overlap."""
    gaps = np.maximum(boxes[..., 0], others[..., 0]) - np.minimum(boxes[..., 2], others[..., 2])
    heights = np.maximum(boxes[..., 3] - boxes[..., 1], others[..., 3] - others[..., 1])
    units: np.ndarray = gaps / heights.clip(min=1e-6)
    return units


def _beside(boxes: np.ndarray) -> np.ndarray:
    """Which stand beside which, bool ``(N, N)``; each beside itself."""
    # Half the room of doubles: pages of textures have thousands.
    boxes = boxes.astype(np.float32)
    _, top, _, bottom = boxes.T
    height = bottom - top
    lower = np.minimum(height[:, None], height)
    beside: np.ndarray = _gaps(boxes[:, None], boxes) < _GAP
    beside &= np.minimum(bottom[:, None], bottom) - np.maximum(top[:, None], top) > _LEVEL * lower
    beside &= lower > _LOWEST * np.maximum(height[:, None], height)
    np.fill_diagonal(beside, val=True)
    return beside
