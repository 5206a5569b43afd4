"""Figures about predictions: of each class, of each pair of classes, of one image, and of confidence."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

__all__ = [
    "ClassFigures",
    "ConfusedPair",
    "Outcome",
    "class_figures",
    "confused_pairs",
    "confusion_matrix",
    "mean_figures",
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


def mean_figures(rows: Sequence[ClassFigures], count: int) -> ClassFigures:
    """The means over classes, each counted once, of ``count`` images; figures that a class does not have are left out."""
    return ClassFigures(
        "mean",
        _mean([row.precision for row in rows]),
        _mean([row.recall for row in rows]),
        _mean([row.f1 for row in rows]),
        support=count,
    )


def percent(value: float) -> str:
    """A share as text; a dash for NaN, where there is none.

    >>> percent(0.98765), percent(float("nan"))
    ('98.77%', '-')
    """
    return "-" if math.isnan(value) else f"{value:.2%}"


def _ratio(part: int, whole: int) -> float:
    return part / whole if whole else float("nan")


def _mean(values: list[float]) -> float:
    known = [value for value in values if not math.isnan(value)]
    return sum(known) / len(known) if known else math.nan


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
