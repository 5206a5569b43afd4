"""What may be a character of a page, and two opinions on it: the finder's, which sees the page, and the classifier's.

Candidates come from the finder's finds and from strokes of ink. Where both propose the same character, the strokes give the
cleaner frame; where only one does, its odds decide.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace

import numpy as np

from mnistkit.errors import BlankImageError
from mnistkit.imaging import LETTER, SIGNS, Finds, Parts, find_frames, find_ink, find_parts, frame_boxes
from mnistkit.imaging.sheet import find_sheet
from mnistkit.reading.display import read_displays
from mnistkit.reading.single import FrameClassifier, tells_digits
from mnistkit.reading.strokes import UNSEEN, find_strokes, shared

__all__ = ["NO_SLOT", "SLOTS", "Candidates", "candidates_of", "doubt", "inks_of", "joined", "log_odds"]

#: The number of no slot.
NO_SLOT = -1
#: The slots of each line are counted from a multiple of this: no line has so many.
SLOTS = 10_000

# The least score of a find that is looked at more closely; weaker ones only speak for strokes.
_LEAST = 0.2
# The log-odds that a candidate is a digit, or a sign, are a sum of what speaks for it, in nats: for each of the finder's own
# log-odds, which are too careful (in the mean over 18 kinds of drawn pages 10.3 digits of 100 are wrong, and 10.6 with the 2.9 of
# a logistic regression for an earlier finder); for each of the classifier's that it is any digit, at most so many either way; and
# what is left. These are close to that regression, too, and moved on the real pictures that guide the imaging.
_FOUND, _MEMBER, _MOST, _BIAS = 2.5, 0.5, 4.0, -3.0
# That it is a character, digit or letter, is no surer than this: the finder's two scores are not made to add up.
_CHARACTER = 0.97
# A digit that shares so much of itself with a character of a display is a part of it, or a cut beside one of its bars.
_ON_DISPLAY = 0.2
# What is read from a display's bars, of which all fit.
_SHOWN = 12.0
# What is left for a sign, of which only the finder has an opinion, and for a letter, which alone is rarer than a digit: in words
# they tell of each other.
_SIGN, _LETTER = 0.5, -1.0
# Strokes that fit a find are cleaner than a cut through its box, the worse they fit the less.
_STROKES, _FIT = 2.0, 1.2
# Where strokes that are rather a digit than not fit a find by this share, and it is hardly a letter, no cut through its box is
# looked at: pages of many digits take a tenth less time, and of two times 240 drawn pages 13.1 and 15.4 digits of 100 are wrong,
# instead of 13.0 and 15.3.
_SETTLED = 0.65
# Strokes in which the finder saw no digit, but beside which it did; no ones, which an upright stroke of any letter may be.
_UNSEEN = -3.0
# How much the finder's opinion of which digit it is counts beside the classifier's, and a floor for its probabilities.
_FINDER, _FLOOR = 1.0, 0.01
# What has this share of its ink in lines is part of one.
_LINED = 0.6
# A minus is no higher than it is wide, though finds of it are higher than its stroke: a 7 before a 1 was one.
_MINUS, _HIGHEST_MINUS = SIGNS.index("-") + 1, 1.0


@dataclass(frozen=True)
class Candidates:
    """What may be characters.

    Attributes:
        boxes: float ``(N, 4)``: left, top, right and bottom edge, in pixels of the page.
        kinds: 0 for a digit, 1 to 4 for a sign, 5 for a letter, int ``(N,)``.
        odds: the log-odds that it is one, float ``(N,)``.
        logits: of the classes, as the classifier's calibration reads them, from both opinions, float ``(N, classes)``.
        letters: how much speaks for a letter rather than a digit, log-odds, float ``(N,)``; 0 where the finder has no opinion.
        frames: what the classifier saw, uint8 ``(N, C, H, W)``.
        slots: the number of the character that it is in a line that was read whole, int ``(N,)``; :data:`NO_SLOT` where none
            was. What is in two slots of one line is apart, however much the boxes share.
    """

    boxes: np.ndarray
    kinds: np.ndarray
    odds: np.ndarray
    logits: np.ndarray
    letters: np.ndarray
    frames: np.ndarray
    slots: np.ndarray

    @property
    def signs(self) -> np.ndarray:
        """Which are signs, bool ``(N,)``."""
        signs: np.ndarray = (self.kinds != 0) & (self.kinds != LETTER)
        return signs

    def __len__(self) -> int:
        return len(self.boxes)

    def __getitem__(self, chosen: np.ndarray | slice) -> Candidates:
        return Candidates(*(getattr(self, field.name)[chosen] for field in fields(self)))


def candidates_of(
    picture: np.ndarray, page: np.ndarray, finds: Finds, classifier: FrameClassifier, *, touching: bool = True
) -> Candidates:
    """All that may be characters of a page.

    Args:
        picture: uint8 ``(H, W)`` or ``(H, W, 3)``.
        page: the same in grey, uint8 ``(H, W)``.
        finds: the finder's.
        classifier: tells what they are.
        touching: whether digits may touch others that the finder does not see; parts of a single one are no digits.
    """
    finds, inks = _no_high_minus(finds), list(inks_of(picture))
    for parts, corner in inks:
        finds = finds[_lined(parts, finds.boxes - np.tile(corner, 2)) < _LINED]
    strokes = joined(
        [_from_finds(page, finds[:0], classifier)]
        + [_strokes(parts, corner, finds, classifier, touching) for parts, corner in inks]
    )
    others = joined([_from_finds(page, _unsettled(finds, strokes), classifier), strokes])
    shown = joined([others[:0], *(_displays(parts.ink, corner, classifier) for parts, corner in inks)])
    _, inside = shared(others.boxes, shown.boxes)
    return joined([others[(others.kinds != 0) | (inside.max(axis=1, initial=0) < _ON_DISPLAY)], shown])


def _from_finds(page: np.ndarray, finds: Finds, classifier: FrameClassifier) -> Candidates:
    """A candidate of each kind that a find may be: neighbours tell digits from letters."""
    finds = finds[finds.scores.max(axis=1, initial=0) >= _LEAST]
    preprocessing, digit = classifier.preprocessing, finds.scores[:, 0] >= _LEAST
    seen = preprocessing.reshape(frame_boxes(page, finds.boxes[digit], size=preprocessing.size))
    told = _logits(seen, classifier)
    # What is surely no digit needs no classifier.
    frames = np.zeros((len(finds), *seen.shape[1:]), np.uint8)
    logits, members = np.zeros((len(finds), told.shape[1])), np.zeros(len(finds))
    frames[digit], logits[digit] = seen, told
    members[digit] = _MEMBER * _members(told, classifier).clip(-_MOST, _MOST)
    # That the classifier takes it for a digit says nothing: letters look like digits.
    letters = log_odds(finds.scores[:, LETTER]) - log_odds(finds.scores[:, 0]) - members.clip(max=0)
    number, kinds = np.nonzero(finds.scores >= _LEAST)
    rest = np.select([kinds == 0, kinds == LETTER], [_BIAS + members[number], _LETTER - members[number]], _SIGN)
    signs = (kinds != 0) & (kinds != LETTER)
    odds = _FOUND * log_odds(np.where(signs, finds.scores[number, kinds], _characters(finds)[number])) + rest
    odds += doubt(kinds, letters[number])
    both = _joined(logits[number], finds.digits[number], odds, classifier)
    return Candidates(finds.boxes[number], kinds, odds, both, letters[number], frames[number], _no_slots(len(number)))


def inks_of(picture: np.ndarray) -> Iterator[tuple[Parts, tuple[int, int]]]:
    """The ink of a picture, and of a sheet in it, each with its left and top edge; nothing of a blank one."""
    with contextlib.suppress(BlankImageError):
        parts = find_parts(find_ink(picture))
        yield parts, (0, 0)
        if (sheet := find_sheet(parts)) is not None:
            # Only what is on the sheet: its own paper is no ink.
            yield find_parts(find_ink(picture[sheet.pixels])), (sheet.left, sheet.top)


def joined(parts: Sequence[Candidates]) -> Candidates:
    """Those of all parts."""
    return Candidates(*(np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(Candidates)))


def doubt(kinds: np.ndarray, letters: np.ndarray) -> np.ndarray:
    """What a digit or a letter loses as it may be the other, in nats, 0 or less; a sign nothing.

    Args:
        kinds: as those of :class:`Candidates`.
        letters: how much speaks for a letter, log-odds, float ``(N,)``.
    """
    side = np.select([kinds == 0, kinds == LETTER], [1, -1], 0)
    loss: np.ndarray = np.where(side == 0, 0.0, -np.logaddexp(0, side * _FOUND * letters))
    return loss


def _characters(finds: Finds) -> np.ndarray:
    """How sure it is that each is a digit or a letter, float ``(N,)``."""
    sure: np.ndarray = (finds.scores[:, 0] + finds.scores[:, LETTER]).clip(max=_CHARACTER)
    return sure


def _no_high_minus(finds: Finds) -> Finds:
    """The same finds, of which none so high for its width is a minus."""
    left, top, right, bottom = finds.boxes.T
    scores = finds.scores.copy()
    scores[bottom - top > _HIGHEST_MINUS * (right - left), _MINUS] = 0
    return replace(finds, scores=scores)


def _unsettled(finds: Finds, strokes: Candidates) -> Finds:
    """The same finds; what strokes show better is none of their digits."""
    fits, _ = shared(finds.boxes, strokes[strokes.odds > 0].boxes)
    scores = finds.scores.copy()
    scores[(fits.max(axis=1, initial=0) >= _SETTLED) & (scores[:, LETTER] < _LEAST), 0] = 0
    return replace(finds, scores=scores)


def _lined(parts: Parts, boxes: np.ndarray) -> np.ndarray:
    """Which share of the ink in each box is that of lines: of borders, boxes, tables and ruled paper, float ``(N,)``."""
    ink, lines = parts.ink, find_frames(parts)
    if not lines.any():
        return np.zeros(len(boxes))
    corners = boxes.round().astype(int).clip(0, np.tile(ink.shape[::-1], 2))
    sums = [
        [float(ink[top:bottom, left:right][which].sum()) for which in (lines[top:bottom, left:right], ...)]
        for left, top, right, bottom in corners.tolist()
    ]
    of_lines, all_of_it = np.array(sums).reshape(-1, 2).T
    share: np.ndarray = of_lines / all_of_it.clip(min=1)
    return share


def _displays(ink: np.ndarray, corner: tuple[int, int], classifier: FrameClassifier) -> Candidates:
    """What is read from bars; of classes that are no digits, nothing."""
    shown = read_displays(ink) if tells_digits(classifier) else []
    boxes = np.array([one.box for one in shown]).reshape(-1, 4)
    frames = classifier.preprocessing.reshape(frame_boxes(ink, boxes, size=classifier.preprocessing.size))
    kinds = np.array([SIGNS.find(one.text) + 1 for one in shown], int)
    told = np.zeros((len(shown), len(classifier.classes)))
    told[kinds == 0, [int(one.text) for one in shown if one.text.isdigit()]] = _SHOWN
    odds = np.full(len(shown), _SHOWN)
    logits = told * classifier.calibration.temperature
    return Candidates(boxes + np.tile(corner, 2), kinds, odds, logits, -odds, frames, _no_slots(len(shown)))


def _strokes(
    parts: Parts, corner: tuple[int, int], finds: Finds, classifier: FrameClassifier, touching: bool
) -> Candidates:
    likely = (finds.scores.argmax(axis=1) == 0) | (finds.scores[:, 0] >= _LEAST)
    preprocessing, finds = classifier.preprocessing, finds[likely]
    boxes = finds.boxes - np.tile(corner, 2)
    # What is hardly a digit tells nothing of what it touches.
    touched = (finds.scores[:, 0] >= _LEAST) & touching
    strokes = find_strokes(parts, boxes, size=preprocessing.size, touching=touched) if len(finds) else []
    if not strokes:
        return _from_finds(parts.ink, finds[:0], classifier)
    boxes = np.array([one.box for one in strokes]) + np.tile(corner, 2)
    frames = preprocessing.reshape(np.stack([one.frame for one in strokes]))
    number = np.array([one.find for one in strokes])
    seen, matched = number != UNSEEN, finds[np.maximum(number, 0)]
    logits = classifier.logits(frames)
    fit = np.log(np.maximum([one.fit for one in strokes], 1e-3))
    odds = np.where(seen, _BIAS + _FOUND * log_odds(_characters(matched)) + _STROKES + _FIT * fit, _UNSEEN)
    letters = np.where(seen, log_odds(matched.scores[:, LETTER]) - log_odds(matched.scores[:, 0]), 0)
    kinds = np.zeros(len(boxes), int)
    odds += doubt(kinds, letters)
    odds += _MEMBER * _members(logits, classifier).clip(-_MOST, _MOST)
    digits = np.where(seen[:, None], matched.digits, 1 / matched.digits.shape[1])
    told = _joined(logits, digits, odds, classifier)
    both = Candidates(boxes, kinds, odds, told, letters, frames, _no_slots(len(boxes)))
    ones = logits.argmax(axis=1) == classifier.classes.index("1") if "1" in classifier.classes else False
    return both[seen | np.logical_not(ones)]


def _joined(logits: np.ndarray, digits: np.ndarray, odds: np.ndarray, classifier: FrameClassifier) -> np.ndarray:
    """Logits from both opinions: the classes' odds together are those of a digit.

    Where the classifier sees no digit in a frame, it has no opinion of which one it is.
    """
    calibration = classifier.calibration
    own = calibration.probabilities(logits)
    if calibration.background:
        member = calibration.membership(logits)[:, None]
        own = member * own + (1 - member) / own.shape[1]
    told = np.log(own + 1e-12)
    if tells_digits(classifier) and told.shape[1] == digits.shape[1]:
        told = told + _FINDER * np.log(digits + _FLOOR)
    told -= np.logaddexp.reduce(told, axis=1, keepdims=True)
    joined: np.ndarray = calibration.temperature * (told + odds[:, None])
    return joined


def _no_slots(count: int) -> np.ndarray:
    return np.full(count, NO_SLOT)


def _logits(frames: np.ndarray, classifier: FrameClassifier) -> np.ndarray:
    return classifier.logits(frames) if len(frames) else np.zeros((0, len(classifier.classes)))


def _members(logits: np.ndarray, classifier: FrameClassifier) -> np.ndarray:
    """The classifier's log-odds that it is any digit, float ``(N,)``; 0 without a background class."""
    calibration = classifier.calibration
    return log_odds(calibration.membership(logits)) if calibration.background else np.zeros(len(logits))


def log_odds(probability: np.ndarray) -> np.ndarray:
    """The logarithms of the odds of probabilities, within 14 nats."""
    inside = np.clip(probability, 1e-6, 1 - 1e-6)
    odds: np.ndarray = np.log(inside / (1 - inside))
    return odds
