"""What whole lines say of a page's candidates: each line is read once more, level and at one size, without cutting it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from mnistkit.imaging import LETTER, SIGNS, Columns
from mnistkit.reading.candidates import NO_SLOT, SLOTS, Candidates, doubt, joined, log_odds
from mnistkit.reading.choosing import letters_beside
from mnistkit.reading.line_looks import BESIDE, Line, Place, on_page, read_lines
from mnistkit.reading.lines import levelled, order, slope
from mnistkit.reading.strokes import shared
from mnistkit.reading.words import words

__all__ = ["with_lines"]

# A line is clear without being read if its digits have at least the first log-odds, the second where neighbours may hide one
# between them, and no candidate above the third is beside them that shares less than the fourth with all.
_CLEAR, _CLEAR_CLOSE, _DOUBT, _PART = 6.0, 12.0, -3.0, 0.3
# Characters farther apart than so many heights are not one line; between letters there may be a number that the finder does not
# see. Of 24 printed pages of sentences 67 of 1,761 digits are read wrongly with this, 96 with 2.5 for both.
_APART, _BETWEEN_LETTERS = 2.5, 12.0
# The kinds of characters that columns tell: ten digits, the signs, a letter.
_TOLD_LETTER = 10 + len(SIGNS)
# So many of the log-odds of a character of the line count for a candidate, or for one that the line alone has; so much speaks
# against one in whose place the line has none (6 to 8 read drawn pages as well, 4 worse; between them real pictures chose); and
# a floor for the line's probabilities.
_SUREST, _AGAINST, _FLOOR = 6.0, 7.0, 0.003
# Which digit it is, the line knows better than what was told of a cut: its opinion counts so many times.
_DIGITS = 3.0
# What is a letter by fewer nats than this may be a digit all the same: a line is asked about it too.
_SURELY_LETTER = 3.0
# Of a line with words: its digits are as high as the highest so many in a hundred of its characters, above where most end.
_HIGHEST = 20
# A candidate is the character whose middle is in this share of its width, about its own middle, if it is as high as a digit of
# the line, or so much lower or higher; and so far off the middle of the line, in units of that height.
_WITHIN, _NARROW, _LOW, _HIGH, _OFF = 0.7, 0.3, 0.5, 1.6, 0.35
# Of a character that the line alone has: its top and bottom, from the middle of the line, in units of a digit's height.
_HEIGHTS = {"-": (-0.08, 0.08), ".": (0.36, 0.5), ",": (0.33, 0.6)}


@dataclass(frozen=True)
class _Places:
    """Where candidates are on the level page, middles and sizes, each float ``(N,)``; and which are signs, bool ``(N,)``."""

    x: np.ndarray
    y: np.ndarray
    wide: np.ndarray
    tall: np.ndarray
    signs: np.ndarray

    @classmethod
    def of(cls, candidates: Candidates, degrees: float) -> _Places:
        boxes = np.array(levelled(candidates.boxes.tolist(), degrees)).reshape(-1, 4)
        x, y = ((boxes[:, :2] + boxes[:, 2:]) / 2).T
        wide, tall = (boxes[:, 2:] - boxes[:, :2]).T
        return cls(x, y, wide, tall, candidates.signs)

    def near(self, line: Line) -> np.ndarray:
        """The numbers of those that may be characters of a line, or parts of them."""
        place, (begins, ends) = line.place, line.place.span
        off = np.abs(self.y - place.y) / place.unit
        inside = (self.x > begins) & (self.x < ends) & (off < 2 * _OFF) & (self.tall < _HIGH * place.unit)
        return np.flatnonzero(inside)

    def whole(self, near: np.ndarray, line: Line) -> np.ndarray:
        """Which of those are whole characters: signs, and what is as high as a digit of the line, bool ``(N,)``."""
        y, unit = line.place.y, line.place.unit
        off = np.abs(self.y[near] - y) / unit
        whole: np.ndarray = self.signs[near] | (self.tall[near] > _LOW * unit) & (off < _OFF)
        return whole


@dataclass(frozen=True)
class _Said:
    """What lines say of candidates, each the sum over the lines.

    Attributes:
        kinds: of the candidates.
        odds: for it, float ``(N,)``.
        letters: for a letter, float ``(N,)``.
        digits: for each digit, float ``(N, 10)``.
        slots: see :class:`~mnistkit.reading.candidates.Candidates`.
    """

    kinds: np.ndarray
    odds: np.ndarray
    letters: np.ndarray
    digits: np.ndarray
    slots: np.ndarray

    @classmethod
    def nothing(cls, candidates: Candidates) -> _Said:
        count = len(candidates)
        return cls(candidates.kinds, np.zeros(count), np.zeros(count), np.zeros((count, 10)), np.full(count, NO_SLOT))

    def hear(self, line: Line, places: _Places, first: int) -> None:
        """Add what a line says, whose first character has the slot ``first``."""
        near = places.near(line)
        reach = _WITHIN / 2 * np.maximum(places.wide[near], _NARROW * line.place.unit)
        off = np.abs(places.x[near, None] - line.middles)
        within = off < reach[:, None]
        # A box with two of its line's characters in it is neither; one at the end of a display's cell is that of the cell.
        one = (within.sum(axis=1) == 1) & places.whole(near, line)
        inside, other = off < places.wide[near, None] / 2, ~one & ~places.signs[near]
        cell = other & (inside.sum(axis=1) == 1)
        self.slots[near[cell]] = first + inside[cell].nonzero()[1]
        self.odds[near[other & ~cell]] -= _AGAINST
        heard, which = near[one], within[one].argmax(axis=1) if one.any() else np.zeros(0, int)
        told, kinds = line.told[which], self.kinds[heard]
        # Of a digit, of each sign, of a letter.
        shares = np.column_stack([told[:, :10].sum(axis=1), told[:, 10:]])[np.arange(len(heard)), kinds]
        self.odds[heard] += log_odds(line.sure[which] * shares).clip(-_SUREST, _SUREST)
        self.letters[heard] += _letters(told)
        self.digits[heard] += _DIGITS * _digits(told)
        self.slots[heard] = first + which

    def applied(self, candidates: Candidates, temperature: float) -> Candidates:
        """The candidates with what was said of them."""
        kinds, letters = candidates.kinds, candidates.letters + self.letters
        odds = candidates.odds + self.odds + doubt(kinds, letters) - doubt(kinds, candidates.letters)
        told = candidates.logits / temperature + self.digits
        told += (odds - np.logaddexp.reduce(told, axis=1))[:, None]
        return replace(candidates, odds=odds, letters=letters, logits=temperature * told, slots=self.slots)


def with_lines(
    candidates: Candidates, chosen: Candidates, page: np.ndarray, columns: Columns, temperature: float = 1.0
) -> Candidates:
    """The candidates, with what the lines say of them, and those that only the lines have; as they are if all lines are clear.

    Args:
        candidates: of the page.
        chosen: those that would be read; they tell where the lines are.
        page: uint8 ``(H, W)``, grey.
        columns: reads strips.
        temperature: of the logits.
    """
    digits = chosen[chosen.kinds == 0]
    letters = letters_beside(candidates[(candidates.kinds == LETTER) & (candidates.odds > 0)], chosen)
    characters = joined([digits, letters])
    if not len(characters):
        return candidates
    degrees = slope(digits.boxes if len(digits) else characters.boxes)
    level = np.array(levelled(characters.boxes.tolist(), degrees))
    surely_letters = letters.letters >= _SURELY_LETTER
    clear = np.append(_clear(candidates, digits, temperature), surely_letters)
    in_words = np.append(np.zeros(len(digits), np.bool_), surely_letters)
    lines = order(characters.boxes, np.ones(len(characters), np.bool_), degrees)
    runs = [run for line in lines for run in _runs(line, level, len(digits)) if not clear[run].all()]
    # What may be a letter, alone and much lower than the digits of the page, is a speck and no line.
    heights = level[:, 3] - level[:, 1]
    lowest = _LOW * float(np.median(heights[: len(digits)])) if len(digits) else 0.0
    runs = [run for run in runs if len(run) > 1 or run[0] < len(digits) or heights[run[0]] > lowest]
    if not runs:
        return candidates
    # The least sure ones first: a page of texture has more than there is time for.
    runs.sort(key=lambda run: float(characters.odds[run].min()))
    places = _Places.of(candidates, degrees)
    said, alone = _Said.nothing(candidates), []
    lines_at = [_place(level[run], in_words[run]) for run in runs]
    for slot, line in zip(itertools.count(0, SLOTS), read_lines(lines_at, degrees, page, columns), strict=False):
        said.hear(line, places, slot)
        alone.append(_alone(candidates, line, slot, degrees, temperature))
    heard = said.applied(candidates, temperature)
    # What a candidate is likelier to be than not, the line does not have alone; but it may be right where one is rather a letter.
    known = np.unique(heard.slots[(heard.odds > 0) & (heard.kinds != LETTER)])
    return joined([heard, *(one[~np.isin(one.slots, known)] for one in alone)])


def _clear(candidates: Candidates, chosen: Candidates, temperature: float) -> np.ndarray:
    """Which of the chosen ones are so sure that no line has to be asked, with nothing doubtful beside them, bool ``(N,)``."""
    told = np.sort(chosen.logits / temperature, axis=1)
    # That it is a digit, and which: log-odds of the likeliest, as far as the second is the only other.
    surest = np.minimum(chosen.odds, told[:, -1] - told[:, -2])
    beside = chosen.boxes + (chosen.boxes[:, 3:] - chosen.boxes[:, 1:2]) * (-BESIDE, 0, BESIDE, 0)
    doubtful = candidates[candidates.odds > _DOUBT]
    _, inside = shared(doubtful.boxes, chosen.boxes)
    doubtful = doubtful[inside.max(axis=1, initial=0) < _PART]
    _, near = shared(doubtful.boxes, beside)
    word = words(chosen.boxes)
    close = np.bincount(word, minlength=len(word))[word] > 1
    clear: np.ndarray = (surest > np.where(close, _CLEAR_CLOSE, _CLEAR)) & (near.max(axis=0, initial=0) < _PART)
    return clear


def _place(boxes: np.ndarray, in_words: np.ndarray) -> Place:
    """Where the line is of some characters, from their level boxes and which are letters for sure."""
    left, top, right, bottom = boxes.T
    if in_words.any():
        # Most letters end at the line. Many are lower than a digit, some are as high, and few begin higher.
        band = float(np.percentile(top, _HIGHEST)), float(np.median(bottom))
        y, unit = (band[0] + band[1]) / 2, band[1] - band[0]
    else:
        y, unit = float((top + bottom).mean()) / 2, float(np.median(bottom - top))
    return Place(float(left.min()), float(right.max()), y, unit)


def _runs(line: Sequence[Sequence[int]], level: np.ndarray, digits: int) -> Iterator[list[int]]:
    """The parts of a line between wide gaps: the numbers of their characters, of which the first so many are digits."""
    run: list[int] = []
    for number in itertools.chain(*line):
        apart = _BETWEEN_LETTERS if run and min(number, run[-1]) >= digits else _APART
        if run and level[number, 0] - level[run[-1], 2] > apart * (level[number, 3] - level[number, 1]):
            yield run
            run = []
        run.append(number)
    if run:
        yield run


def _letters(told: np.ndarray) -> np.ndarray:
    """How much speaks for a letter, rather than a digit, log-odds, float ``(N,)``."""
    odds: np.ndarray = np.log(told[:, _TOLD_LETTER] + _FLOOR) - np.log(told[:, :10].sum(axis=1) + _FLOOR)
    return odds.clip(-_SUREST, _SUREST)


def _digits(told: np.ndarray) -> np.ndarray:
    """The logarithms of the probabilities of the ten digits, if it is one, float ``(N, 10)``."""
    digits = told[:, :10] + _FLOOR
    logarithms: np.ndarray = np.log(digits / digits.sum(axis=1, keepdims=True))
    return logarithms


def _alone(candidates: Candidates, line: Line, first: int, degrees: float, temperature: float) -> Candidates:
    """What the line says alone, if no candidate is that; its first character has the slot ``first``."""
    likeliest = line.told.argmax(axis=1) if len(line.told) else np.zeros(0, int)
    (begins, ends), unit = line.place.span, line.place.unit
    inside = (line.middles > begins) & (line.middles < ends)
    missing = np.flatnonzero(inside & (likeliest < _TOLD_LETTER))
    told, x = line.told[missing], line.middles
    kinds = np.where(likeliest[missing] < 10, 0, likeliest[missing] - 9)
    # Half the way to its neighbours, and no wider than a digit.
    gaps = np.diff(np.concatenate([[-np.inf], x, [np.inf]]))
    half = np.minimum(np.minimum(gaps[:-1], gaps[1:])[missing] / 2, 0.35 * unit)
    heights = [_HEIGHTS.get(SIGNS[kind - 1] if kind else "", (-0.5, 0.5)) for kind in kinds.tolist()]
    top, bottom = line.place.y + unit * np.array(heights).reshape(-1, 2).T
    middles = on_page(np.column_stack([x[missing], (top + bottom) / 2]), degrees)
    halves = np.column_stack([half, (bottom - top) / 2])
    share = np.where(kinds == 0, told[:, :10].sum(axis=1), told.max(axis=1, initial=0))
    letters = np.where(kinds == 0, _letters(told), 0)
    odds = log_odds(line.sure[missing] * share).clip(-_SUREST, _SUREST) + doubt(kinds, letters)
    frames = np.zeros((len(missing), *candidates.frames.shape[1:]), np.uint8)
    boxes = np.hstack([middles - halves, middles + halves])
    logits = temperature * (_digits(told) + odds[:, None])
    return Candidates(boxes, kinds, odds, logits, letters, frames, first + missing)
