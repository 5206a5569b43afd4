"""Figures about predictions: of each class, of each pair of classes, of one image, and of confidence."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mnistkit.errors import ConfigError, DataError
from mnistkit.metrics import wilson_interval

__all__ = [
    "Calibration",
    "CalibrationBin",
    "ClassFigures",
    "ConfusedPair",
    "Outcome",
    "calibration",
    "class_figures",
    "confused_pairs",
    "confusion_matrix",
    "percent",
]


@dataclass(frozen=True)
class ClassFigures:
    """How well a model does on one class.

    Attributes:
        name: of the class.
        precision: the share of the images that were given this label which have it; NaN if none was.
        recall: the share of the images with this label that were given it; NaN if there are none.
        f1: the harmonic mean of the two; NaN if the class neither occurs nor was given.
        support: how many images have this label.
    """

    name: str
    precision: float
    recall: float
    f1: float
    support: int


@dataclass(frozen=True)
class ConfusedPair:
    """One way to be wrong.

    Attributes:
        label: what the images show.
        prediction: what the model says.
        count: how many images it says this of.
        share: of all images with this label.
    """

    label: int
    prediction: int
    count: int
    share: float


@dataclass(frozen=True)
class Outcome:
    """What a model says of one image of a data set.

    Attributes:
        index: of the image in the data set.
        label: what it shows, according to the data set.
        prediction: what the model says.
        loss: its cross-entropy.
        probabilities: of every class.
    """

    index: int
    label: int
    prediction: int
    loss: float
    probabilities: tuple[float, ...]

    @property
    def confidence(self) -> float:
        """The probability of the prediction."""
        return self.probabilities[self.prediction]

    @property
    def correct(self) -> bool:
        """Whether the prediction is the label."""
        return self.prediction == self.label


@dataclass(frozen=True)
class CalibrationBin:
    """The images whose confidence is in ``(low, high]``.

    Attributes:
        low: below all of them.
        high: the largest possible.
        count: how many there are.
        confidence: their mean confidence; NaN if there are none.
        accuracy: the share of them that is right; NaN if there are none.
    """

    low: float
    high: float
    count: int
    confidence: float
    accuracy: float

    @property
    def interval(self) -> tuple[float, float]:
        """The accuracy's 95 % confidence interval (Wilson 1927); all of ``(0, 1)`` if there are no images."""
        return wilson_interval(round(self.accuracy * self.count) if self.count else 0, self.count)


@dataclass(frozen=True)
class Calibration:
    """Whether a confidence means what it says: of the images with 90 %, are nine in ten right?

    Attributes:
        bins: from confidence 0 to 1, all of one width; together the reliability curve.
    """

    bins: tuple[CalibrationBin, ...]

    @property
    def error(self) -> float:
        """The expected calibration error (Guo et al. 2017, equation 3).

        The distance between a bin's accuracy and its mean confidence, averaged over the bins by their share of the images.
        """
        filled = [part for part in self.bins if part.count]
        count = sum(part.count for part in filled)
        return sum(part.count * abs(part.accuracy - part.confidence) for part in filled) / count


def confusion_matrix(labels: np.ndarray, predictions: np.ndarray, classes: int) -> np.ndarray:
    """How often each label was given each prediction; int64 ``(classes, classes)``, a row for each label."""
    return np.bincount(labels * classes + predictions, minlength=classes * classes).reshape(classes, classes)


def class_figures(confusion: np.ndarray, classes: Sequence[str]) -> tuple[ClassFigures, ...]:
    """The figures of each class, from a confusion matrix."""
    right, shown, given = np.diag(confusion).tolist(), confusion.sum(1).tolist(), confusion.sum(0).tolist()
    return tuple(
        ClassFigures(name, _ratio(hits, said), _ratio(hits, support), _ratio(2 * hits, said + support), support)
        for name, hits, support, said in zip(classes, right, shown, given, strict=True)
    )


def percent(value: float) -> str:
    """A share as text; a dash for NaN, where there is none.

    >>> percent(0.98765), percent(float("nan"))
    ('98.77%', '-')
    """
    return "-" if math.isnan(value) else f"{value:.2%}"


def _ratio(part: int, whole: int) -> float:
    return part / whole if whole else float("nan")


def confused_pairs(confusion: np.ndarray) -> tuple[ConfusedPair, ...]:
    """Every label and wrong prediction that occur together, most frequent first."""
    wrong = confusion - np.diag(np.diag(confusion))
    support = confusion.sum(1)
    order = np.argsort(-wrong, axis=None, kind="stable")[: np.count_nonzero(wrong)]
    rows, columns = np.unravel_index(order, wrong.shape)
    return tuple(
        ConfusedPair(label, prediction, int(wrong[label, prediction]), float(wrong[label, prediction] / support[label]))
        for label, prediction in zip(rows.tolist(), columns.tolist(), strict=True)
    )


def calibration(confidences: np.ndarray, correct: np.ndarray, bins: int = 15) -> Calibration:
    """Sort predictions by their confidence into bins of equal width.

    Args:
        confidences: ``(N,)``, the probability of each prediction.
        correct: bool ``(N,)``, whether it is right.
        bins: how many; 15 is usual (Guo et al. 2017).

    Raises:
        DataError: for arrays of another shape, or confidences that are no probabilities.
        ConfigError: for less than one bin.
    """
    if confidences.ndim != 1 or correct.shape != confidences.shape or correct.dtype != bool:
        raise DataError(
            f"got confidences of shape {confidences.shape} and {correct.dtype} answers of shape {correct.shape}, expected "
            "(N,) and bool (N,)"
        )
    if not ((confidences >= 0) & (confidences <= 1)).all():
        raise DataError(f"got confidences from {confidences.min()} to {confidences.max()}, expected probabilities")
    if bins < 1:
        raise ConfigError(f"bins is {bins}, expected at least 1")
    edges = np.linspace(0, 1, bins + 1)
    values = confidences.astype(np.float64)
    # The bins are open below and closed above: a confidence of 1 belongs to the last.
    places = np.searchsorted(edges[1:-1], values, side="left")
    counts = np.bincount(places, minlength=bins)
    sums = np.bincount(places, weights=values, minlength=bins).tolist()
    hits = np.bincount(places, weights=correct, minlength=bins).tolist()
    return Calibration(
        tuple(
            CalibrationBin(low, high, count, _ratio(total, count), _ratio(right, count))
            for low, high, count, total, right in zip(
                edges[:-1].tolist(), edges[1:].tolist(), counts.tolist(), sums, hits, strict=True
            )
        )
    )
