"""A page of digits: in which direction it is read, what stands on it, in lines and groups."""

from __future__ import annotations

import numpy as np

from mnistkit.errors import ConfigError
from mnistkit.imaging import LETTER, SIGNS, Columns, Finds, Maps, find_characters, shrink, to_grey
from mnistkit.imaging.finds import fullest_part
from mnistkit.imaging.load import load_reduced
from mnistkit.reading.candidates import Candidates, candidates_of, inks_of
from mnistkit.reading.choosing import choose_apart
from mnistkit.reading.display import read_displays
from mnistkit.reading.lines import order, slope
from mnistkit.reading.prediction import Prediction
from mnistkit.reading.reading import ReadDigit, Reading, ReadSign
from mnistkit.reading.single import FrameClassifier, tells_digits
from mnistkit.reading.whole_lines import with_lines
from mnistkit.types import ImageLike

__all__ = ["load_page", "read_page", "require_frames"]

# Pages are scaled down to this side, in pixels: a digit a hundredth of the page wide still has 16 of them.
_SIDE = 1600
# For the page's direction a glance is enough: at a copy in which all its digits but so many in a hundred, the lowest, are so many
# pixels high. Four looks at a crowded page would take longer than all else, so the copy is no larger than the third, and of
# small print it shows the part with the most characters.
# What is found on the grain of paper or cloth is not as sure as the last, print is in every direction.
_LOW, _GLANCE, _LARGEST_GLANCE, _PRINT = 10, 24, 800, 0.2
# A page read in another direction has to be better by this factor, most pages are upright; and to have so many digits or
# letters: fewer have no direction, as most of them may be digits upside down too. Of 150 drawn pages of ten digits or more,
# turned in all four ways, 591 of 600 are read as they lie; of 150 upright ones of words, all. Each has to be worth the last on
# average: grain is worth 0.06, print in its direction 0.2 to 0.5.
_TURNED, _FEWEST, _FAIR = 1.2, 8, 0.08
# Upside down the finder sees about as many characters, if not the same ones. Where the page has too few for a direction, or is on
# its side and has fewer than this, it is not looked at that way. Of 250 pages of 18 kinds, three in ten of them turned, none is
# read in another direction for it.
_PERHAPS = 5
# With the first score a find is a digit or a letter. A page lies as it should if of so many of them it is clear that they are
# digits, and which, with at least the second share for one of ten, and no more finds than those may be a digit, too: where there
# are few, with the fourth score, which most finds of a page on its side have, else with the last, which grain seldom has. Of 360
# drawn pages that lie on their side or upside down three are taken for upright ones.
_SURE, _CLEAR, _NEARLY_ALL, _MAYBE, _LIKELY = 0.3, 0.75, 0.85, 0.1, 0.2


def require_frames(classifier: FrameClassifier) -> None:
    """Refuse a classifier that cannot tell the digits of a page; a ConfigError."""
    framing = classifier.preprocessing.framing
    if framing != "mnist":
        raise ConfigError(
            f"this model reads whole pictures (framing {framing!r}); to find digits in one it needs to be trained on MNIST's "
            "frames"
        )


def load_page(image: ImageLike) -> tuple[np.ndarray, float]:
    """A picture as large as it is read, uint8 ``(H, W)`` or ``(H, W, 3)``, and how many pixels of the file are one of it.

    Raises:
        ImageError: if it cannot be read.
    """
    pixels, reduced = load_reduced(image, _SIDE)
    picture = shrink(pixels, _SIDE)
    return picture, reduced * pixels.shape[1] / picture.shape[1]


def read_page(picture: np.ndarray, scale: float, classifier: FrameClassifier, maps: Maps, columns: Columns) -> Reading:
    """Read all digits of a picture, and the signs beside them.

    The page is seen as it is and, unless that is clear, on its side and upside down. Where the finder sees most digits, it is
    read.

    Args:
        picture: uint8 ``(H, W)`` or ``(H, W, 3)``.
        scale: how many pixels of the file are one of it; boxes are told in those.
        classifier: tells which digit it is, from frames of MNIST's kind.
        maps: tell where characters stand.
        columns: tell which follow each other in a line.
    """
    grey = to_grey(picture)
    finds, quarters = _upright_finds(grey, maps)
    turned = np.ascontiguousarray(np.rot90(picture, quarters))
    page = np.ascontiguousarray(np.rot90(grey, quarters))
    candidates = candidates_of(turned, page, finds, classifier)
    chosen = choose_apart(candidates, page)
    if tells_digits(classifier):
        heard = with_lines(candidates, chosen, page, columns, classifier.calibration.temperature)
        chosen = chosen if heard is candidates else choose_apart(heard, page)
    return _reading(chosen, quarters, picture, scale, classifier)


def _upright_finds(grey: np.ndarray, maps: Maps) -> tuple[Finds, int]:
    """The finds in the page's best direction, and by how many quarters it was turned counter-clockwise for them."""
    finds = find_characters(grey, maps)
    if _clearly_upright(finds):
        return finds, 0
    glance = _glance(grey, finds)

    def look(page: np.ndarray, quarters: int) -> Finds:
        return find_characters(np.ascontiguousarray(np.rot90(page, quarters)), maps)

    # A glance as large as the page is the page: it is seen already.
    whole = glance.shape == grey.shape
    looks = {1: look(glance, 1)}
    if len(_characters(looks[1])) >= _PERHAPS:
        looks[3] = look(glance, 3)
    if len(_characters(finds)) >= _FEWEST:
        looks[2] = look(glance, 2)
    quarters = max(looks, key=lambda turn: _worth_turning(looks[turn]))
    worth = _worth_turning(looks[quarters])
    if not worth or worth <= _TURNED * _worth(finds if whole else look(glance, 0)):
        return finds, 0
    if quarters % 2 and _shows_numbers(grey):
        return finds, 0
    return looks[quarters] if whole else look(grey, quarters), quarters


def _shows_numbers(grey: np.ndarray) -> bool:
    """Whether there is a display on the page as it is: its bars look like ones, and more so on their side."""
    return any(read_displays(parts.ink) for parts, _ in inks_of(grey))


def _characters(finds: Finds) -> Finds:
    """The digits and letters that the finder sees."""
    return finds[finds.written >= _SURE]


def _clearly_upright(finds: Finds) -> bool:
    """Whether no other direction has to be looked at: nearly all characters are one of ten digits, and no letter."""
    seen = _characters(finds)
    if 2 * len(seen) <= (finds.written > (_MAYBE if len(seen) < _PERHAPS else _LIKELY)).sum():
        return False
    digits = (seen.scores[:, 0] > seen.scores[:, LETTER]) & (seen.digits.max(axis=1, initial=0) >= _CLEAR)
    return bool(digits.mean() >= _NEARLY_ALL)


def _glance(grey: np.ndarray, finds: Finds) -> np.ndarray:
    """The page, or its fullest part, as small as its low digits can still be told from letters, as far as the finds tell."""
    seen, digits = _characters(finds), finds[finds.scores[:, 0] >= _SURE]
    # One digit among letters may be a spot.
    told = digits if len(digits) >= _FEWEST else seen
    if len(told) < _FEWEST:
        return shrink(grey, _LARGEST_GLANCE)
    by = _GLANCE / float(np.percentile(told.boxes[:, 3] - told.boxes[:, 1], _LOW))
    if finds.sureness < _PRINT:
        return shrink(grey, min(_LARGEST_GLANCE, round(by * max(grey.shape))))
    part = fullest_part(grey, seen.boxes, _LARGEST_GLANCE / by)
    return shrink(part, round(by * max(part.shape)))


def _worth(finds: Finds) -> float:
    """How much speaks for a direction: digits that are surely there, and surely one of ten, and letters that are.

    Letters upside down often look like digits: what is a letter in one direction counts there, as a digit does. Of 150 drawn
    pages of words 56 were turned upside down, and read, without it.
    """
    digits = finds.scores[:, 0] * finds.digits.max(axis=1, initial=0)
    return float(np.maximum(digits**2, finds.scores[:, LETTER] ** 3).sum())


def _worth_turning(finds: Finds) -> float:
    """How much speaks for turning a page so: its worth, or 0 if it has too few characters for a direction, or unsure ones."""
    worth, count = _worth(finds), len(_characters(finds))
    return worth if count >= _FEWEST and worth >= _FAIR * count else 0.0


def _reading(
    chosen: Candidates, quarters: int, picture: np.ndarray, scale: float, classifier: FrameClassifier
) -> Reading:
    digits = chosen.kinds == 0
    degrees = slope(chosen.boxes[digits])
    probabilities = classifier.calibration.probabilities(chosen.logits)
    characters: list[ReadDigit | ReadSign] = []
    for line, groups in enumerate(order(chosen.boxes, digits, degrees)):
        for group, numbers in enumerate(groups):
            for n in numbers:
                box = _upright(tuple(chosen.boxes[n].tolist()), quarters, picture.shape, scale)
                sure = float(1 / (1 + np.exp(-chosen.odds[n])))
                if digits[n]:
                    characters.append(
                        ReadDigit(
                            _prediction(probabilities[n], chosen.frames[n], classifier), box, line, group, 1 - sure
                        )
                    )
                else:
                    characters.append(ReadSign(SIGNS[chosen.kinds[n] - 1], box, line, group, sure))
    return Reading(tuple(characters), picture, scale, 90 * quarters, degrees)


def _prediction(probabilities: np.ndarray, frame: np.ndarray, classifier: FrameClassifier) -> Prediction:
    label = int(probabilities.argmax())
    seen = frame[0] if len(frame) == 1 else np.moveaxis(frame, 0, -1)
    # A network may tell more classes than were named.
    names = (*classifier.classes, *map(str, range(len(classifier.classes), len(probabilities))))
    return Prediction(label, names[label], float(probabilities[label]), tuple(probabilities.tolist()), seen, names)


def _upright(
    box: tuple[float, ...], quarters: int, shape: tuple[int, ...], scale: float
) -> tuple[float, float, float, float]:
    """A box of the turned page in pixels of the picture as it is."""
    height, width = shape[:2]
    left, top, right, bottom = box
    for turn in range(quarters):
        # So wide was the page before this quarter turn counter-clockwise.
        wide = width if (quarters - turn) % 2 == 1 else height
        left, top, right, bottom = wide - bottom, left, wide - top, right
    return left * scale, top * scale, right * scale, bottom * scale
