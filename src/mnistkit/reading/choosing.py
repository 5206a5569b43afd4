"""Which of a page's candidates are read: the likeliest, weighed by their neighbours, no two of one place."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from mnistkit.imaging import LETTER, SIGNS
from mnistkit.reading.candidates import NO_SLOT, SLOTS, Candidates, doubt
from mnistkit.reading.ink import contrast, goes_on
from mnistkit.reading.strokes import shared
from mnistkit.reading.words import from_neighbours, from_other_words, words

__all__ = ["choose_apart", "letters_beside"]

# What a digit of the same line speaks for another: one of about its height, at about its place, as near as in a table's row.
_BESIDE, _TALLER, _OFF, _FAR = 3.0, 1.33, 0.3, 8.0
# A character says no more than so many nats, for a letter or a digit, to the others of its word. Letters that look like digits
# are rather letters by less than digits are digits: so much is taken from what speaks for letters.
_SUREST, _LIKE_DIGITS = 4.0, 0.3
# What was taken for a digit, and is rather a letter by so many nats in its word, is one.
_RATHER = 1.0
# So much of the smaller one is shared with what stands in the same place.
_PART = 0.3
# What has less contrast than this share of the strongest on the page shows through from its other side.
_FAINTEST = 0.25
# Two candidates that share this much of the smaller one, or of both, are not both right.
_INSIDE, _SAME = 0.5, 0.35
# So much are the boxes of signs grown at each side, in shares of theirs.
_GROWN = 0.5
# A digit takes a place of at least so much of its height: finds of one thick bar may stand side by side.
_NARROWEST = 0.35
# The box of a per cent sign may be that of its stroke alone: its rings, so much of its width away, are no digits.
_PERCENT, _WIDER = SIGNS.index("%") + 1, 0.25
# More than this many characters are a texture.
_MOST_CHOSEN = 3000


def choose_apart(candidates: Candidates, page: np.ndarray) -> Candidates:
    """Those that are likelier characters than not, no two of one place, none much fainter than the others, no rule.

    Args:
        candidates: of the page.
        page: uint8 ``(H, W)``, grey.
    """
    first = candidates[_apart(candidates)]
    beside = _beside(candidates, first)
    weighed = replace(candidates, odds=candidates.odds + _BESIDE * beside)
    letters = _in_words(candidates, candidates[_apart(weighed)]) - _LIKE_DIGITS
    kinds = candidates.kinds
    weighed = replace(weighed, odds=weighed.odds + doubt(kinds, letters) - doubt(kinds, candidates.letters))
    numbers = _apart(weighed)
    read = weighed.signs | (kinds == 0) & (letters < _RATHER)
    chosen = weighed[numbers[read[numbers]]]
    if not len(chosen):
        return chosen
    strength = _strength(chosen, page)
    rules = (chosen.kinds == 0) & [goes_on(page, box) for box in chosen.boxes.tolist()]
    return chosen[(strength >= _least_strength(strength)) & ~rules]


def letters_beside(candidates: Candidates, chosen: Candidates) -> Candidates:
    """The candidates that are rather letters, where none was chosen, no two of one place."""
    places = np.flatnonzero(((candidates.kinds == 0) | (candidates.kinds == LETTER)) & (candidates.letters > 0))
    _, inside = shared(candidates.boxes[places], chosen.boxes)
    places = places[inside.max(axis=1, initial=0) < _PART]
    places = places[np.argsort(-candidates.letters[places], kind="stable")][:_MOST_CHOSEN]
    _, inside = shared(candidates.boxes[places], candidates.boxes[places])
    return candidates[places[_first_of_each(inside > _INSIDE)]]


def _strength(candidates: Candidates, page: np.ndarray) -> np.ndarray:
    """The contrast of each, float ``(N,)``."""
    return np.array([contrast(page, box) for box in _with_paper(candidates).tolist()])


def _least_strength(chosen: np.ndarray) -> float:
    """What has less contrast, beside that of those that were chosen, is faint."""
    return float(_FAINTEST * np.percentile(chosen, 90)) if len(chosen) else 0.0


def _apart(candidates: Candidates) -> np.ndarray:
    """The numbers of the likeliest of which no two overlap too much, the likeliest first."""
    order = np.argsort(-candidates.odds, kind="stable")
    order = order[candidates.odds[order] > 0][:_MOST_CHOSEN]
    boxes, kinds, signs = candidates.boxes[order].copy(), candidates.kinds[order], candidates.signs[order]
    percent = kinds == _PERCENT
    boxes[percent] += _WIDER * (boxes[percent, 2:3] - boxes[percent, :1]) * (-1, 0, 1, 0)
    left, top, right, bottom = boxes.T
    narrow = np.where(kinds == 0, (_NARROWEST * (bottom - top) - (right - left)).clip(min=0), 0)
    boxes += narrow[:, None] / 2 * (-1, 0, 1, 0)
    same, inside = shared(boxes, boxes)
    slots = candidates.slots[order]
    # Of one line, as no slot is of none; another line may have seen one of these characters once more.
    told_apart = (slots[:, None] != slots) & (slots[:, None] // SLOTS == slots // SLOTS)
    overlap = ((same > _SAME) | (inside > _INSIDE)) & ~told_apart | (slots[:, None] == slots) & (slots != NO_SLOT)
    return order[_first_of_each(overlap | (_touching(boxes) & signs & signs[:, None]))]


def _first_of_each(conflicts: np.ndarray) -> list[int]:
    """The numbers of those that are in no conflict, bool ``(N, N)``, with an earlier one that was taken."""
    kept: list[int] = []
    free = np.ones(len(conflicts), np.bool_)
    for number in range(len(conflicts)):
        if free[number]:
            kept.append(number)
            free &= ~conflicts[number]
    return kept


def _touching(boxes: np.ndarray) -> np.ndarray:
    """Which of some boxes touch or nearly do, bool ``(N, N)``: no two signs stand so close, but their sizes are little known."""
    grown = boxes + _GROWN * (boxes[:, 2:] - boxes[:, :2])[:, [0, 1, 0, 1]] * (-1, -1, 1, 1)
    left, top, right, bottom = grown.T
    begins = (left[:, None] < right) & (top[:, None] < bottom)
    touching: np.ndarray = begins & begins.T
    return touching


def _in_words(candidates: Candidates, chosen: Candidates) -> np.ndarray:
    """How much speaks for a letter in each candidate's place: itself, the others of its word, and other words; float ``(N,)``.

    A word's characters are those that were chosen, and those that may be letters.
    """
    chosen = chosen[(chosen.kinds == 0) | (chosen.kinds == LETTER)]
    others = letters_beside(candidates, chosen)
    boxes = np.concatenate([chosen.boxes, others.boxes])
    if not len(boxes):
        return candidates.letters
    letters = np.concatenate([chosen.letters, others.letters]).clip(-_SUREST, _SUREST)
    word, weighed = words(boxes), letters - _LIKE_DIGITS
    told = letters + from_neighbours(word, boxes, weighed) + from_other_words(word, weighed)
    _, inside = shared(candidates.boxes, boxes)
    return np.where(inside.max(axis=1) > _PART, told[inside.argmax(axis=1)], candidates.letters)


def _beside(candidates: Candidates, others: Candidates) -> np.ndarray:
    """Which candidates for a digit stand beside a digit of the same line, and for a letter beside a letter, bool ``(N,)``."""
    (x, y, height), (others_x, others_y, tall) = (_places(boxes) for boxes in (candidates.boxes, others.boxes))
    beside = np.equal(candidates.kinds[:, None], others.kinds)
    beside &= (others.kinds == 0) | (others.kinds == LETTER)
    ratio = height[:, None] / tall
    beside &= (ratio < _TALLER) & (ratio > 1 / _TALLER)
    beside &= np.abs(y[:, None] - others_y) < _OFF * tall
    beside &= np.abs(x[:, None] - others_x) < _FAR * tall
    del ratio  # a page of texture has thousands of both
    # Another cut through the same ink is no neighbour.
    beside &= shared(candidates.boxes, others.boxes)[1] < _PART
    any_beside: np.ndarray = beside.any(axis=1)
    return any_beside


def _places(boxes: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The middles of boxes and their heights, each ``(N,)``."""
    # Half the room of doubles where all are compared with all.
    left, top, right, bottom = boxes.astype(np.float32).T
    return (left + right) / 2, (top + bottom) / 2, (bottom - top).clip(min=1e-6)


def _with_paper(candidates: Candidates) -> np.ndarray:
    """Boxes in which there is paper too: that of a sign, or of a 1, may have nothing but its ink."""
    boxes = candidates.boxes
    longer = (boxes[:, 2:] - boxes[:, :2]).max(axis=1, keepdims=True)
    beside = np.where(candidates.kinds[:, None] > 0, longer, 1)
    return np.hstack([(boxes[:, :2] - beside).clip(min=0), boxes[:, 2:] + beside])
