"""Card: where a classifier comes from, how it was trained and what was measured of it; and how that is shown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mnistkit._core import html
from mnistkit.checkpoint import CheckpointFile
from mnistkit.data import DigitDataset, overlap
from mnistkit.errors import CheckpointFormatError, SplitLeakError
from mnistkit.types import JsonValue

if TYPE_CHECKING:
    from mnistkit.classifier import Classifier

__all__ = ["Card"]

# By chance a few images of two data sets look alike.
_FEW = 0.02


@dataclass(frozen=True)
class Card:
    """Where a classifier comes from and what is known of it.

    Attributes:
        data: what it was trained on: name, source, split, number of images, their fingerprint, and marks of a sample of them.
        recipe: how it was trained.
        figures: what was measured, by name.
        seconds: how long the training took; ``None`` if nobody knows.
        licence: under which the weights may be used.
        limits: what it cannot do.
        versions: of what wrote its file.
    """

    data: Mapping[str, JsonValue] = field(default_factory=dict)
    recipe: Mapping[str, JsonValue] = field(default_factory=dict)
    figures: Mapping[str, JsonValue] = field(default_factory=dict)
    seconds: float | None = None
    licence: str = ""
    limits: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, JsonValue]:
        """As JSON can hold it."""
        return {
            "data": dict(self.data),
            "figures": dict(self.figures),
            "versions": dict(self.versions),
            **self.about(),
        }

    def about(self) -> dict[str, JsonValue]:
        """What a file keeps beside data, figures and versions."""
        return {
            "recipe": dict(self.recipe),
            "seconds": self.seconds,
            "licence": self.licence,
            "limits": self.limits,
        }

    def summary(self) -> dict[str, str]:
        """The main of it, in words: what it was trained on, its accuracies, licence and limits; ``""`` where nobody knows."""
        accuracies = {
            name: figures["accuracy"]
            for name, figures in self.figures.items()
            if isinstance(figures, dict) and "accuracy" in figures
        }
        name, count = self.data.get("name", ""), self.data.get("count")
        return {
            "trained on": f"{name}, {count:,} images" if isinstance(count, int) else str(name),
            "accuracy": ", ".join(
                f"{value:.2%} on {name}" for name, value in accuracies.items() if isinstance(value, float)
            ),
            "licence": self.licence,
            "limits": self.limits,
        }

    @classmethod
    def from_file(cls, content: CheckpointFile) -> Card:
        """What a checkpoint file says.

        Raises:
            CheckpointFormatError: if a part of it is of another kind than it should be.
        """
        match {**cls().about(), **content.about}:
            case {
                "recipe": dict(recipe),
                "seconds": int() | float() | None as seconds,
                "licence": str(licence),
                "limits": str(limits),
            }:
                return cls(content.data, recipe, content.metrics, seconds, licence, limits, content.versions)
        raise CheckpointFormatError(f"the file's card is damaged: {content.about!r}")

    def refuse_seen(self, dataset: DigitDataset, purpose: str) -> None:
        """Refuse images that the classifier was trained on, as far as the card knows: by name and split, and by sight.

        By sight it knows them from the marks in ``data``; what these can tell and what not, see
        :func:`mnistkit.data.overlap`.

        Raises:
            SplitLeakError: if there are any.
        """
        name, marks = self.data.get("name"), self.data.get("marks")
        by_name = isinstance(name, str) and dataset.name in name.split("+") and dataset.split == "train"
        by_sight = isinstance(marks, list) and overlap(dataset, [m for m in marks if isinstance(m, int)]) > _FEW
        if by_name or by_sight:
            raise SplitLeakError(
                f"{dataset!r} was given as {purpose} data, and the classifier was trained on such images ({name}): of them it is "
                "too sure. Give the validation images of its training"
            )


def as_panel(classifier: Classifier) -> str:
    """A classifier as a notebook shows it, with the main of its card, as HTML."""
    network, preprocessing = classifier.network, classifier.preprocessing
    known = {
        "network": f"{classifier.name}, {sum(part.numel() for part in network.parameters()):,} parameters",
        "classes": f"{len(classifier.classes)}: {', '.join(classifier.classes)}",
        "pictures": f"{'x'.join(map(str, preprocessing.input_shape))}, framing {preprocessing.framing!r}",
        "calibrated": "yes" if classifier.calibration.acceptance else "no",
        "on": f"{classifier.device}, {classifier.backend}",
        **classifier.card.summary(),
    }
    return html.panel(type(classifier).__name__, html.facts(known))
