"""A page of digits: the best of its views, in lines and groups."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from mnistkit.imaging import shrink
from mnistkit.reading.lines import order, slope
from mnistkit.reading.prediction import Prediction
from mnistkit.reading.reading import ReadDigit, Reading
from mnistkit.reading.single import FrameClassifier
from mnistkit.reading.views import View, stroke_views

__all__ = ["read_page"]

# Pages are scaled down to this side, in pixels: a digit a hundredth of the page wide still has 16 of them.
_SIDE = 1600
# A page read in another direction has to be better by this factor, most pages are upright; and to have so many digits: fewer
# have no direction.
_TURNED, _FEWEST = 1.35, 3


def read_page(pixels: np.ndarray, classifier: FrameClassifier) -> Reading:
    """Read all digits of a picture.

    The page is seen as it is and, unless that is clear, on its side and upside down, and on its sheet alone where it lies
    on another ground. What speaks most for digits, the sum of their log-odds, decides.

    Args:
        pixels: uint8 ``(H, W)`` or ``(H, W, 3)``.
        classifier: tells what they are, from frames of MNIST's kind.
    """
    picture = shrink(pixels, _SIDE)
    view = _best(stroke_views(picture, classifier))
    if view is None:
        return Reading((), picture, pixels.shape[1] / picture.shape[1])
    return _reading(view, picture, pixels.shape[1] / picture.shape[1], classifier)


def _best(views: Iterator[View]) -> View | None:
    best = next(views, None)
    if best is None or best.is_clear:
        return best
    for view in views:
        upright = view.quarters == best.quarters
        if view.worth > best.worth * (1 if upright else _TURNED) and (upright or len(view.boxes) >= _FEWEST):
            best = view
    return best


def _reading(view: View, picture: np.ndarray, scale: float, classifier: FrameClassifier) -> Reading:
    degrees = slope(view.boxes)
    characters: list[ReadDigit] = []
    for line, groups in enumerate(order(view.boxes, degrees)):
        for group, numbers in enumerate(groups):
            for n in numbers:
                box = _upright(tuple(view.boxes[n].tolist()), view.quarters, picture.shape, scale)
                prediction = _prediction(np.exp(view.log_probabilities[n]), view.frames[n], classifier)
                none = float(1 / (1 + np.exp(view.odds[n])))
                characters.append(ReadDigit(prediction, box, line, group, none))
    return Reading(tuple(characters), picture, scale, 90 * view.quarters, degrees)


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
