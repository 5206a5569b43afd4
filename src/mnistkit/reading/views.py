"""Ways to see a page: in each direction, and on its sheet alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from mnistkit.errors import BlankImageError
from mnistkit.imaging import find_ink
from mnistkit.imaging.sheet import find_sheet
from mnistkit.reading.single import FrameClassifier
from mnistkit.reading.strokes import read_strokes

__all__ = ["View", "stroke_views"]

# With these log-odds, in nats, something is surely a digit; more count for no more.
_SURE = 4.0
# What share of the digits so sure is nearly all: upside down, three of ten digits are still digits.
_NEARLY_ALL = 0.9
# The order in which directions are tried, in quarters: pages on their side are commoner than those upside down.
_QUARTERS = (0, 1, 3, 2)


@dataclass(frozen=True)
class View:
    """What was seen on a page in one direction.

    Attributes:
        boxes: of digits, float ``(N, 4)``: left, top, right and bottom edge, in pixels of the page as it was turned.
        log_probabilities: of the classes, float ``(N, classes)``.
        odds: the log-odds that it is the likeliest of its classes, float ``(N,)``.
        frames: what the classifier saw, uint8 ``(N, C, H, W)``.
        quarters: by how many quarters the page was turned counter-clockwise.
    """

    boxes: np.ndarray
    log_probabilities: np.ndarray
    odds: np.ndarray
    frames: np.ndarray
    quarters: int = 0

    @property
    def worth(self) -> float:
        """How much speaks for the page being so."""
        return float(np.clip(self.odds, 0, 2 * _SURE).sum())

    @property
    def is_clear(self) -> bool:
        """Whether nearly all that was found is surely a digit: no other view can be better."""
        return len(self.odds) > 0 and float((self.odds > _SURE).mean()) >= _NEARLY_ALL


def stroke_views(picture: np.ndarray, classifier: FrameClassifier) -> Iterator[View]:
    """Views of the strokes of a picture, uint8 ``(H, W)`` or ``(H, W, 3)``; none if it is blank."""
    try:
        ink = find_ink(picture)
        yield _strokes(ink, classifier, (0, 0), 0, ink.shape)
        sheet = find_sheet(ink)
        if sheet is not None:
            # Only what is on the sheet: its own paper is no ink.
            ink, corner = find_ink(picture[sheet.pixels]), (sheet.left, sheet.top)
        else:
            corner = (0, 0)
        for quarters in _QUARTERS if sheet is not None else _QUARTERS[1:]:
            yield _strokes(ink, classifier, corner, quarters, picture.shape)
    except BlankImageError:
        return


def _strokes(
    ink: np.ndarray, classifier: FrameClassifier, corner: tuple[int, int], quarters: int, shape: tuple[int, ...]
) -> View:
    taken = read_strokes(np.ascontiguousarray(np.rot90(ink, quarters)), classifier)
    boxes = np.array([one.box for one in taken]).reshape(-1, 4)
    boxes += np.tile(_turned_corner(corner, ink.shape, quarters, shape), 2)
    size = classifier.preprocessing.input_shape
    logits = np.stack([one.logits for one in taken]) if taken else np.zeros((0, len(classifier.classes)))
    return View(
        boxes,
        np.log(classifier.calibration.probabilities(logits) + 1e-12),
        np.array([one.odds for one in taken]),
        np.stack([one.frame for one in taken]) if taken else np.zeros((0, *size), np.uint8),
        quarters,
    )


def _turned_corner(
    corner: tuple[int, int], part: tuple[int, ...], quarters: int, shape: tuple[int, ...]
) -> tuple[int, int]:
    """Where the upper left corner of a part of the page lies, both turned."""
    left, top = corner
    right, bottom = shape[1] - left - part[1], shape[0] - top - part[0]
    return ((left, top), (top, right), (right, bottom), (bottom, left))[quarters]
