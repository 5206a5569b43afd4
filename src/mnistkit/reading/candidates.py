"""What may be a character of a page, and two opinions on it: the finder's, which sees the page, and the classifier's.

Candidates come from the finder's finds and from strokes of ink. Where both propose the same character, the strokes give the
cleaner frame; where only one does, its odds decide.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np

from mnistkit.errors import BlankImageError
from mnistkit.imaging import SIGNS, Finds, find_ink, frame_boxes
from mnistkit.imaging.sheet import find_sheet
from mnistkit.reading.ink import contrast, goes_on
from mnistkit.reading.single import FrameClassifier
from mnistkit.reading.strokes import UNSEEN, find_strokes, shared
from mnistkit.reading.words import words

__all__ = ["Candidates", "candidates_of", "choose_apart"]

# The least score of a find that is looked at more closely; weaker ones only speak for strokes.
_LEAST = 0.2
# The log-odds that a candidate is a digit, or a sign, are a sum of what speaks for it; the first number by logistic regression on
# 200 drawn pages, the others close to that, and moved on the real pictures that guide the imaging. In nats, for each of the
# finder's own log-odds, which are too careful; for each of the classifier's that it is any digit, at most so many either way;
# and what is left.
_FOUND, _MEMBER, _MOST, _BIAS = 2.9, 0.5, 4.0, -1.5
# What is left for a sign, of which only the finder has an opinion.
_SIGN = 0.5
# Strokes that fit a find are cleaner than a cut through its box, the worse they fit the less.
_STROKES, _FIT = 2.0, 1.2
# Strokes in which the finder saw no digit, but beside which it did; no ones, which an upright stroke of any letter may be.
_UNSEEN = -3.0
# What a digit of the same line speaks for another: one of about its height, at about its place, a few heights away.
_BESIDE, _TALLER, _OFF, _FAR = 3.0, 1.33, 0.3, 4.0
# What a word is worth whose characters are letters, for each nat of their mean; no letter, and no digit, says more than so many.
_WORD, _SUREST_LETTER, _SUREST_DIGIT = 3.0, 8.0, 2.0
# So much of the smaller one is shared with what stands in the same place.
_PART = 0.3
# What has less contrast than this share of the strongest on the page shows through from its other side.
_FAINTEST = 0.25
# How much the finder's opinion of which digit it is counts beside the classifier's, and a floor for its probabilities.
_FINDER, _FLOOR = 1.0, 0.01
# Two candidates that share this much of the smaller one, or of both, are not both right.
_INSIDE, _SAME = 0.5, 0.35
# So much are the boxes of signs grown at each side, in shares of theirs.
_GROWN = 0.5
# The box of a per cent sign may be that of its stroke alone: its rings, so much of its width away, are no digits.
_PERCENT, _WIDER = SIGNS.index("%") + 1, 0.25
# A minus is no higher than this share of its width: no drawn page reads otherwise for it, but a 7 before a 1 was one.
_MINUS, _HIGHEST_MINUS = SIGNS.index("-") + 1, 0.75
# More than this many characters are a texture.
_MOST_CHOSEN = 3000


@dataclass(frozen=True)
class Candidates:
    """What may be characters.

    Attributes:
        boxes: float ``(N, 4)``: left, top, right and bottom edge, in pixels of the page.
        kinds: 0 for a digit, 1 to 4 for a sign, int ``(N,)``.
        odds: the log-odds that it is one, float ``(N,)``.
        logits: of the classes, as the classifier's calibration reads them, from both opinions, float ``(N, classes)``.
        members: the classifier's log-odds that it is any digit, float ``(N,)``; 0 without a background class.
        frames: what the classifier saw, uint8 ``(N, C, H, W)``.
    """

    boxes: np.ndarray
    kinds: np.ndarray
    odds: np.ndarray
    logits: np.ndarray
    members: np.ndarray
    frames: np.ndarray

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
    finds = _no_high_minus(finds)
    parts = [_from_finds(page, finds, classifier), *_from_strokes(picture, finds, classifier, touching)]
    return Candidates(*(np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(Candidates)))


def choose_apart(candidates: Candidates, page: np.ndarray) -> Candidates:
    """Those that are likelier characters than not, no two of one place, none much fainter than the others, no rule.

    Args:
        candidates: of the page.
        page: uint8 ``(H, W)``, grey.
    """
    first = candidates[_apart(candidates)]
    beside = _beside(candidates, first[first.kinds == 0])
    weighed = replace(candidates, odds=candidates.odds + _BESIDE * beside)
    among = _among_letters(candidates, candidates[_apart(weighed)], page)
    weighed = replace(weighed, odds=weighed.odds + _WORD * among)
    chosen = weighed[_apart(weighed)]
    if not len(chosen):
        return chosen
    rules = (chosen.kinds == 0) & [goes_on(page, box) for box in chosen.boxes.tolist()]
    return chosen[~_faint(chosen, chosen, page) & ~rules]


def _faint(candidates: Candidates, chosen: Candidates, page: np.ndarray) -> np.ndarray:
    """Which have much less contrast than those that were chosen, bool ``(N,)``."""
    strength, usual = (
        np.array([contrast(page, box) for box in _with_paper(some).tolist()]) for some in (candidates, chosen)
    )
    faint: np.ndarray = strength < _FAINTEST * (np.percentile(usual, 90) if len(usual) else 0.0)
    return faint


def _apart(candidates: Candidates) -> np.ndarray:
    """The numbers of the likeliest of which no two overlap too much, the likeliest first."""
    order = np.argsort(-candidates.odds, kind="stable")
    order = order[candidates.odds[order] > 0][:_MOST_CHOSEN]
    boxes, kinds = candidates.boxes[order].copy(), candidates.kinds[order]
    signs, percent = kinds > 0, kinds == _PERCENT
    boxes[percent] += _WIDER * (boxes[percent, 2:3] - boxes[percent, :1]) * (-1, 0, 1, 0)
    same, inside = shared(boxes, boxes)
    return order[_first_of_each((same > _SAME) | (inside > _INSIDE) | (_touching(boxes) & signs & signs[:, None]))]


def _first_of_each(conflicts: np.ndarray) -> list[int]:
    """The numbers of those that are in no conflict, bool ``(N, N)``, with an earlier one that was taken."""
    kept: list[int] = []
    for number in range(len(conflicts)):
        if not conflicts[number, kept].any():
            kept.append(number)
    return kept


def _touching(boxes: np.ndarray) -> np.ndarray:
    """Which of some boxes touch or nearly do, bool ``(N, N)``: no two signs stand so close, but their sizes are little known."""
    grown = boxes + _GROWN * (boxes[:, 2:] - boxes[:, :2])[:, [0, 1, 0, 1]] * (-1, -1, 1, 1)
    low, high = np.maximum(grown[:, None, :2], grown[:, :2]), np.minimum(grown[:, None, 2:], grown[:, 2:])
    touching: np.ndarray = (low < high).all(axis=2)
    return touching


def _among_letters(candidates: Candidates, chosen: Candidates, page: np.ndarray) -> np.ndarray:
    """What speaks against each candidate for a digit because it stands in a word, float ``(N,)``, 0 or less.

    The mean of what all characters of the word tell of themselves: chosen digits by their odds, letters by the classifier's.
    """
    digits, letters = chosen[chosen.kinds == 0], _letters(candidates, chosen)
    letters = letters[~_faint(letters, chosen, page)]
    against = np.zeros(len(candidates))
    if not len(letters):
        return against
    boxes = np.concatenate([digits.boxes, letters.boxes])
    worth = np.concatenate([digits.odds, letters.members]).clip(-_SUREST_LETTER, _SUREST_DIGIT)
    word = words(boxes)
    mean = np.bincount(word, worth) / np.bincount(word).clip(min=1)
    lettered = np.isin(word, word[len(digits) :])
    evidence = np.where(lettered, mean[word].clip(max=0), 0)
    _, inside = shared(candidates.boxes, boxes)
    within = (inside.max(axis=1) > _PART) & (candidates.kinds == 0)
    against[within] = evidence[inside.argmax(axis=1)[within]]
    return against


def _letters(candidates: Candidates, chosen: Candidates) -> Candidates:
    """The candidates that the classifier takes for no digit, where none was chosen, no two of one place."""
    places = np.flatnonzero((candidates.kinds == 0) & (candidates.members < 0))
    _, inside = shared(candidates.boxes[places], chosen.boxes)
    places = places[inside.max(axis=1, initial=0) < _PART]
    left, top, right, bottom = candidates.boxes[places].T
    places = places[np.argsort(-(right - left) * (bottom - top), kind="stable")][:_MOST_CHOSEN]
    _, inside = shared(candidates.boxes[places], candidates.boxes[places])
    return candidates[places[_first_of_each(inside > _INSIDE)]]


def _beside(candidates: Candidates, digits: Candidates) -> np.ndarray:
    """Which candidates for a digit stand beside a digit of the same line, bool ``(N,)``."""
    (x, y, height), (others_x, others_y, tall) = (_places(boxes) for boxes in (candidates.boxes, digits.boxes))
    ratio, across = height[:, None] / tall, np.abs(x[:, None] - others_x) / tall
    alike = (ratio < _TALLER) & (ratio > 1 / _TALLER) & (np.abs(y[:, None] - others_y) < _OFF * tall)
    # Another cut through the same ink is no neighbour.
    _, inside = shared(candidates.boxes, digits.boxes)
    beside: np.ndarray = (alike & (inside < _PART) & (across < _FAR)).any(axis=1) & (candidates.kinds == 0)
    return beside


def _places(boxes: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The middles of boxes and their heights, each ``(N,)``."""
    left, top, right, bottom = boxes.T
    return (left + right) / 2, (top + bottom) / 2, (bottom - top).clip(min=1e-6)


def _with_paper(candidates: Candidates) -> np.ndarray:
    """Boxes in which there is paper too: that of a sign, or of a 1, may have nothing but its ink."""
    boxes = candidates.boxes
    longer = (boxes[:, 2:] - boxes[:, :2]).max(axis=1, keepdims=True)
    beside = np.where(candidates.kinds[:, None] > 0, longer, 1)
    return np.hstack([(boxes[:, :2] - beside).clip(min=0), boxes[:, 2:] + beside])


def _from_finds(page: np.ndarray, finds: Finds, classifier: FrameClassifier) -> Candidates:
    finds = finds[finds.scores.max(axis=1, initial=0) >= _LEAST]
    preprocessing = classifier.preprocessing
    frames = preprocessing.reshape(frame_boxes(page, finds.boxes, size=preprocessing.size))
    logits = _logits(frames, classifier)
    kinds = finds.scores.argmax(axis=1)
    members = _members(logits, classifier)
    odds = _FOUND * _log_odds(finds.scores.max(axis=1, initial=0))
    odds = odds + np.where(kinds == 0, _BIAS + _MEMBER * members.clip(-_MOST, _MOST), _SIGN)
    return Candidates(finds.boxes, kinds, odds, _joined(logits, finds.digits, odds, classifier), members, frames)


def _no_high_minus(finds: Finds) -> Finds:
    """The same finds, of which none so high for its width is a minus."""
    left, top, right, bottom = finds.boxes.T
    scores = finds.scores.copy()
    scores[bottom - top > _HIGHEST_MINUS * (right - left), _MINUS] = 0
    return replace(finds, scores=scores)


def _from_strokes(picture: np.ndarray, finds: Finds, classifier: FrameClassifier, touching: bool) -> list[Candidates]:
    """From the ink of the picture, and from that of a sheet in it."""
    finds = finds[finds.scores.argmax(axis=1) == 0]
    if not len(finds):
        return []
    try:
        ink = find_ink(picture)
        parts = [_strokes(ink, (0, 0), finds, classifier, touching)]
        if (sheet := find_sheet(ink)) is not None:
            # Only what is on the sheet: its own paper is no ink.
            corner = sheet.left, sheet.top
            parts.append(_strokes(find_ink(picture[sheet.pixels]), corner, finds, classifier, touching))
    except BlankImageError:
        return []
    return [part for part in parts if len(part)]


def _strokes(
    ink: np.ndarray, corner: tuple[int, int], finds: Finds, classifier: FrameClassifier, touching: bool
) -> Candidates:
    preprocessing = classifier.preprocessing
    strokes = find_strokes(ink, finds.boxes - np.tile(corner, 2), size=preprocessing.size, touching=touching)
    if not strokes:
        return _from_finds(ink, finds[:0], classifier)
    boxes = np.array([one.box for one in strokes]) + np.tile(corner, 2)
    frames = preprocessing.reshape(np.stack([one.frame for one in strokes]))
    number = np.array([one.find for one in strokes])
    seen, matched = number != UNSEEN, finds[np.maximum(number, 0)]
    logits = classifier.logits(frames)
    members = _members(logits, classifier)
    fit = np.log(np.maximum([one.fit for one in strokes], 1e-3))
    odds = np.where(seen, _BIAS + _FOUND * _log_odds(matched.scores[:, 0]) + _STROKES + _FIT * fit, _UNSEEN)
    odds += _MEMBER * members.clip(-_MOST, _MOST)
    digits = np.where(seen[:, None], matched.digits, 1 / matched.digits.shape[1])
    kinds = np.zeros(len(boxes), int)
    both = Candidates(boxes, kinds, odds, _joined(logits, digits, odds, classifier), members, frames)
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
    if classifier.classes == tuple("0123456789") and told.shape[1] == digits.shape[1]:
        told = told + _FINDER * np.log(digits + _FLOOR)
    told -= np.logaddexp.reduce(told, axis=1, keepdims=True)
    joined: np.ndarray = calibration.temperature * (told + odds[:, None])
    return joined


def _logits(frames: np.ndarray, classifier: FrameClassifier) -> np.ndarray:
    return classifier.logits(frames) if len(frames) else np.zeros((0, len(classifier.classes)))


def _members(logits: np.ndarray, classifier: FrameClassifier) -> np.ndarray:
    """The classifier's log-odds that it is any digit, float ``(N,)``; 0 without a background class."""
    calibration = classifier.calibration
    return _log_odds(calibration.membership(logits)) if calibration.background else np.zeros(len(logits))


def _log_odds(probability: np.ndarray) -> np.ndarray:
    inside = np.clip(probability, 1e-6, 1 - 1e-6)
    odds: np.ndarray = np.log(inside / (1 - inside))
    return odds
