"""The networks that ship, side by side: how good each is, and what it costs."""

from __future__ import annotations

import fnmatch
import statistics
import time
from dataclasses import asdict, dataclass

import torch

from mnistkit.classifier import Classifier
from mnistkit.errors import CheckpointFormatError, ConfigError, unknown_name
from mnistkit.metrics import Proportion
from mnistkit.models import list_pretrained, pretrained_file, summary
from mnistkit.types import JsonValue

__all__ = ["ZooEntry", "list_zoo"]

# A median of so many is within a few per cent of the next one.
_RUNS = 50
_WARM_UP = 5


@dataclass(frozen=True)
class ZooEntry:
    """One of the networks that ship.

    Attributes:
        name: for :meth:`mnistkit.Classifier.pretrained`.
        measured_on: the data set and split of the accuracy, such as ``"mnist test"``.
        score: how many of those images it gets right, as its card says.
        parameters: how many it has.
        macs: multiply-accumulate operations for one image.
        kilobytes: its file, in thousands of bytes.
        microseconds: for one image, with torch on this computer's processor: the median of what was measured just now.
    """

    name: str
    measured_on: str
    score: Proportion
    parameters: int
    macs: int
    kilobytes: float
    microseconds: float

    def to_json(self) -> dict[str, JsonValue]:
        """As JSON can hold it."""
        figures = asdict(self)
        del figures["score"]
        return {**figures, **self.score.to_json()}


def list_zoo(pattern: str = "*") -> list[ZooEntry]:
    """The networks that ship, the smallest first.

    Args:
        pattern: of their names, as a shell understands it.

    Raises:
        ConfigError: if no name matches.

    >>> for entry in list_zoo("handwriting"):
    ...     print(entry.name, f"{entry.score.accuracy:.2%}", entry.parameters, round(entry.kilobytes))
    handwriting 99.53% 194042 416
    """
    names = fnmatch.filter(list_pretrained(), pattern)
    if not names:
        raise ConfigError(unknown_name("weights", pattern, list_pretrained()))
    return sorted(map(_entry, names), key=lambda entry: entry.parameters)


def _entry(name: str) -> ZooEntry:
    classifier = Classifier.pretrained(name, device="cpu")
    measured_on, score = _test_figure(name, classifier)
    counted = summary(classifier.network)
    return ZooEntry(
        name,
        measured_on,
        score,
        counted.parameters,
        counted.macs,
        len(pretrained_file(name).read_bytes()) / 1000,
        _microseconds(classifier),
    )


def _test_figure(name: str, classifier: Classifier) -> tuple[str, Proportion]:
    for measured_on, figure in classifier.card.figures.items():
        match figure:
            case {"correct": int(correct), "count": int(count)} if measured_on.endswith(" test"):
                return measured_on, Proportion(correct, count)
    raise CheckpointFormatError(f"the card of the weights {name!r} has no figure of test images")


def _microseconds(classifier: Classifier) -> float:
    frame = torch.zeros(1, *classifier.preprocessing.frame_shape, dtype=torch.uint8)
    taken = []
    for _ in range(_WARM_UP + _RUNS):
        start = time.perf_counter()
        classifier.logits(frame)
        taken.append(time.perf_counter() - start)
    return 1e6 * statistics.median(taken[_WARM_UP:])
