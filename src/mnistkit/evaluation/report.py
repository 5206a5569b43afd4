"""Report: what was measured of a model on a data set."""

from __future__ import annotations

import functools
from dataclasses import asdict, dataclass, field, replace

import numpy as np

from mnistkit._core.files import write_atomically
from mnistkit._core.json import plain
from mnistkit.calibration import Reliability
from mnistkit.calibration import reliability as sort_into_bins
from mnistkit.data import DigitDataset
from mnistkit.errors import ConfigError, DataError
from mnistkit.evaluation import figures
from mnistkit.evaluation.figures import ClassFigures, ConfusedPair, Outcome
from mnistkit.evaluation.files import read_json, shortest, write_json
from mnistkit.metrics import Proportion
from mnistkit.types import JsonValue, PathLike

__all__ = ["Report"]


@dataclass(frozen=True, eq=False)
class Report:
    """What :func:`mnistkit.evaluate` measured; prints as a table.

    Everything follows from the labels and the probabilities, which it keeps for every image.

    Attributes:
        model: what the model is called.
        data_name: what the data set is called.
        fingerprint: the checksum of the data set's images and labels.
        classes: a name for each label.
        labels: int64 ``(N,)``, what the images show according to the data set.
        probabilities: float32 ``(N, classes)``.
        losses: float32 ``(N,)``, the cross-entropy of each image.
        data: the data set itself; ``None`` in a report that was loaded without it.
    """

    model: str
    data_name: str
    fingerprint: str
    classes: tuple[str, ...]
    labels: np.ndarray = field(repr=False)
    probabilities: np.ndarray = field(repr=False)
    losses: np.ndarray = field(repr=False)
    data: DigitDataset | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        n, shape = len(self.labels), self.probabilities.shape
        if self.labels.shape != (n,) or self.losses.shape != (n,) or shape != (n, len(self.classes)):
            raise DataError(
                f"got labels {self.labels.shape}, probabilities {shape}, losses {self.losses.shape}, {len(self.classes)} "
                "classes; expected (N,), (N, classes), (N,)"
            )

    @property
    def count(self) -> int:
        """How many images there were."""
        return len(self.labels)

    @functools.cached_property
    def predictions(self) -> np.ndarray:
        """The likeliest class of each image; int64 ``(N,)``."""
        likeliest: np.ndarray = self.probabilities.argmax(1)
        return likeliest

    @property
    def confidences(self) -> np.ndarray:
        """The probability of each prediction; float32 ``(N,)``."""
        highest: np.ndarray = self.probabilities.max(1)
        return highest

    @property
    def hits(self) -> np.ndarray:
        """Whether each prediction is right; bool ``(N,)``."""
        hits: np.ndarray = self.predictions == self.labels
        return hits

    @functools.cached_property
    def score(self) -> Proportion:
        """How many predictions are right, with the accuracy's 95 % confidence interval."""
        return Proportion(int(self.hits.sum()), self.count)

    @property
    def accuracy(self) -> float:
        """The share of the predictions that is right."""
        return self.score.accuracy

    @property
    def loss(self) -> float:
        """The mean cross-entropy."""
        return float(self.losses.mean(dtype=np.float64))

    @functools.cached_property
    def confusion(self) -> np.ndarray:
        """How often each label was given each prediction; int64 ``(classes, classes)``, a row for each label."""
        return figures.confusion_matrix(self.labels, self.predictions, len(self.classes))

    @functools.cached_property
    def per_class(self) -> tuple[ClassFigures, ...]:
        """Precision, recall, F1 and number of images of each class."""
        return figures.class_figures(self.confusion, self.classes)

    @property
    def macro(self) -> ClassFigures:
        """The means over the classes, each counted once; figures that a class does not have are left out."""
        return figures.mean_figures(self.per_class, self.count)

    @property
    def confused_pairs(self) -> tuple[ConfusedPair, ...]:
        """Every label and wrong prediction that occur together, most frequent first."""
        return figures.confused_pairs(self.confusion)

    @functools.cached_property
    def reliability(self) -> Reliability:
        """Accuracy against confidence in 15 bins of equal width, and the expected calibration error."""
        return sort_into_bins(self.confidences, self.hits)

    @functools.cached_property
    def mistakes(self) -> tuple[Outcome, ...]:
        """Every image that was misclassified, highest loss first."""
        return tuple(outcome for outcome in map(self.outcome, self._by_loss()) if not outcome.correct)

    def top_losses(self, count: int = 10) -> tuple[Outcome, ...]:
        """The images with the highest losses, highest first: mistakes, and what was right with little confidence."""
        return tuple(map(self.outcome, self._by_loss()[:count]))

    def outcome(self, index: int) -> Outcome:
        """What the model says of one image.

        Raises:
            IndexError: if there is no such image.
        """
        probabilities = tuple(self.probabilities[index].tolist())
        place = index % self.count
        return Outcome(
            place, int(self.labels[index]), int(self.predictions[index]), float(self.losses[index]), probabilities
        )

    def _by_loss(self) -> list[int]:
        order: list[int] = np.argsort(-self.losses, kind="stable").tolist()
        return order

    def __str__(self) -> str:
        from mnistkit.evaluation.shown import as_text

        return as_text(self)

    def _repr_html_(self) -> str:
        from mnistkit.evaluation.shown import as_panel

        return as_panel(self)

    def to_json(self) -> dict[str, JsonValue]:
        """Every figure as JSON can hold it, without those of each image; what does not exist is ``None``."""
        rows: dict[str, object] = {
            "model": self.model,
            "dataset": self.data_name,
            "fingerprint": self.fingerprint,
            "classes": self.classes,
            **self.score.to_json(),
            "loss": self.loss,
            "calibration_error": self.reliability.error,
            "per_class": [asdict(row) for row in self.per_class],
            "macro": {
                name: value for name, value in asdict(self.macro).items() if name in {"precision", "recall", "f1"}
            },
            "confusion": self.confusion.tolist(),
            "confused_pairs": [asdict(pair) for pair in self.confused_pairs],
            "reliability": [part.to_json() for part in self.reliability.bins],
        }
        return {name: plain(value) for name, value in rows.items()}

    def save(self, path: PathLike) -> None:
        """Write everything as JSON, whole or not at all: the figures, the mistakes, and what is known of each image.

        Raises:
            WriteError: if it cannot be written.
        """
        content: dict[str, JsonValue] = {
            **self.to_json(),
            "mistakes": [plain(asdict(outcome)) for outcome in self.mistakes],
            "images": {
                "labels": self.labels.tolist(),
                "losses": shortest(self.losses),
                "probabilities": shortest(self.probabilities),
            },
        }
        write_json(path, "report", content)

    @classmethod
    def load(cls, path: PathLike, data: DigitDataset | None = None) -> Report:
        """Read what :meth:`save` wrote.

        Args:
            path: the file.
            data: the data set that was measured on, for the pictures; a file does not hold them.

        Raises:
            DataError: if there is no such file, it is no report, or it is one of other data.
        """
        report = read_json(path, "report", _parse)
        return report if data is None else report.with_data(data)

    def with_data(self, data: DigitDataset) -> Report:
        """The same report with the data set that it is about, for the pictures.

        Raises:
            DataError: if it is about other data.
        """
        if data.fingerprint != self.fingerprint:
            raise DataError(
                f"the report is about {self.data_name} with fingerprint {self.fingerprint}, got {data!r} with fingerprint "
                f"{data.fingerprint}: give the data set that was evaluated"
            )
        return replace(self, data=data)

    def save_html(self, path: PathLike, *, most: int = 300) -> None:
        """Write one page for a browser that needs nothing else: figures, curves, confusion, and pictures of the mistakes.

        Args:
            path: the file.
            most: how many mistakes to show, highest loss first.

        Raises:
            ConfigError: if the report does not have its data set, see :meth:`with_data`.
            WriteError: if the file cannot be written.
        """
        from mnistkit.evaluation.page import render

        if self.data is None:
            raise ConfigError(
                "this report was loaded without its data set, so there are no pictures to show: "
                "Report.load(path, data=test), or report.with_data(test)"
            )
        write_atomically(path, render(self, self.data, most).encode())


def _parse(content: dict[str, JsonValue]) -> Report:
    match content:
        case {
            "model": str(model),
            "dataset": str(data_name),
            "fingerprint": str(fingerprint),
            "classes": list(classes),
            "images": {"labels": list(labels), "probabilities": list(probabilities), "losses": list(losses)},
        }:
            with np.errstate(over="ignore"):  # what is too large for a float32 is refused below
                report = Report(
                    model,
                    data_name,
                    fingerprint,
                    tuple(map(str, classes)),
                    np.array(labels, np.int64),
                    np.array(probabilities, np.float32),
                    np.array(losses, np.float32),
                )
            _require_possible(report)
            return report
    raise ValueError("a part is missing")


def _require_possible(report: Report) -> None:
    """Refuse what no measurement gives: its figures would be wrong, or fail much later."""
    if not report.count:
        raise ValueError("it has no images")
    if not ((report.labels >= 0) & (report.labels < len(report.classes))).all():
        raise ValueError(f"it has labels outside 0 to {len(report.classes) - 1}")
    if not ((report.probabilities >= 0) & (report.probabilities <= 1)).all():
        raise ValueError("it has probabilities outside 0 to 1")
    if not (np.isfinite(report.losses) & (report.losses >= 0)).all():
        raise ValueError("it has losses that are negative or not finite")
