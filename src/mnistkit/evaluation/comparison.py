"""Compare two models on the same images: is one better, or was it chance?"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Literal

from mnistkit._core.statistics import Z_95, exact_binomial_p, normal_p
from mnistkit.data import DigitDataset
from mnistkit.errors import ConfigError, DataError
from mnistkit.evaluation.inference import Model, evaluate
from mnistkit.evaluation.report import Report
from mnistkit.types import JsonValue

__all__ = ["Comparison", "compare"]

# From here on the normal approximation is good enough; it is the usual border.
_MANY = 25


@dataclass(frozen=True)
class Comparison:
    """Two models on the same images; prints as a verdict.

    Of two models on the same images, only the images that one gets right and the other does not tell them apart.

    Attributes:
        first: what the first model is called.
        second: what the second model is called.
        both: how many images both get right.
        only_first: how many only the first gets right.
        only_second: how many only the second gets right.
        neither: how many neither gets right.
    """

    first: str
    second: str
    both: int
    only_first: int
    only_second: int
    neither: int

    @property
    def count(self) -> int:
        """How many images there were."""
        return self.both + self.only_first + self.only_second + self.neither

    @property
    def first_accuracy(self) -> float:
        """The share of the images that the first model gets right."""
        return (self.both + self.only_first) / self.count

    @property
    def second_accuracy(self) -> float:
        """The share of the images that the second model gets right."""
        return (self.both + self.only_second) / self.count

    @property
    def difference(self) -> float:
        """The first model's accuracy minus the second's."""
        return (self.only_first - self.only_second) / self.count

    @property
    def interval(self) -> tuple[float, float]:
        """The difference's 95 % confidence interval for paired proportions (Bonett and Price 2012).

        It is an approximation, and at the border of significance it may disagree with :attr:`p_value`, which decides.
        """
        # One more of each kind keeps the interval honest where a kind is rare.
        count = self.count + 2
        first, second = (self.only_first + 1) / count, (self.only_second + 1) / count
        middle = first - second
        half = Z_95 * math.sqrt((first + second - middle**2) / count)
        return max(-1.0, middle - half), min(1.0, middle + half)

    @property
    def test(self) -> Literal["exact binomial", "chi-square with continuity correction"]:
        """Which form of McNemar's test (1947) was used; the exact one for fewer than 25 images that tell the models apart."""
        few = self.only_first + self.only_second < _MANY
        return "exact binomial" if few else "chi-square with continuity correction"

    @property
    def p_value(self) -> float:
        """How often two equally good models would differ this much or more, by McNemar's test, two-sided."""
        apart, gap = self.only_first + self.only_second, abs(self.only_first - self.only_second)
        if self.test == "exact binomial":
            return exact_binomial_p(self.only_first, apart)
        return normal_p(max(0, gap - 1) / math.sqrt(apart))

    @property
    def significant(self) -> bool:
        """Whether the p-value is below 0.05."""
        return self.p_value < 0.05

    def __str__(self) -> str:
        first, second = (self.first, self.second) if self.first != self.second else ("the first", "the second")
        if not self.only_first + self.only_second:
            return f"On {self.count:,} images, {first} and {second} are right on the same ones: they cannot be told apart here."
        low, high = self.interval
        verdict = (
            "More than chance explains: the difference is real for images like these."
            if self.significant
            else "Chance explains as much: these images do not show which one is better."
        )
        p = f"p = {self.p_value:.2g}" if self.p_value >= 0.0001 else "p < 0.0001"
        return (
            f"On {self.count:,} images, {first} has {self.first_accuracy:.2%} and {second} {self.second_accuracy:.2%}, "
            f"a difference of {100 * self.difference:+.2f} points (95 % interval {100 * low:+.2f} to {100 * high:+.2f}).\n"
            f"Only {first} is right on {self.only_first:,}, only {second} on {self.only_second:,}: McNemar's test, {self.test}, "
            f"{p}.\n{verdict}"
        )

    def to_json(self) -> dict[str, JsonValue]:
        """Every figure as JSON can hold it."""
        return {
            **asdict(self),
            "count": self.count,
            "first_accuracy": self.first_accuracy,
            "second_accuracy": self.second_accuracy,
            "difference": self.difference,
            "interval": list(self.interval),
            "test": self.test,
            "p_value": self.p_value,
            "significant": self.significant,
        }


def compare(first: Report | Model, second: Report | Model, data: DigitDataset | None = None) -> Comparison:
    """Compare two models on the same images, or by their reports on the same data set.

    The verdict is about these two trained models. Whether one way of training is better than another is a question for
    several seeds of each: see :func:`mnistkit.evaluation.repeat`.

    Args:
        first: a classifier, a predictor, a torch module, or a report on one.
        second: another. Their classes may stand in another order: what counts is which images each gets right.
        data: to measure what is no report; validation images, where the better one is to be chosen.

    Raises:
        ConfigError: for a model without data to measure it on.
        DataError: if the reports are about different data.

    >>> from mnistkit.evaluation import compare
    >>> _, _, test = load_mnist()
    >>> 0 <= compare(create_model("mlp"), create_model("lenet5"), test[:200]).p_value <= 1
    True
    """
    first, second = _report(first, data), _report(second, data)
    if first.fingerprint != second.fingerprint:
        raise DataError(
            f"{first.model} was measured on {first.data_name} (fingerprint {first.fingerprint}), {second.model} on "
            f"{second.data_name} (fingerprint {second.fingerprint}): a paired test needs the same images. If the models see them "
            "in different sizes, give evaluate() a Predictor of each and the images as they were loaded"
        )
    a, b = first.hits, second.hits
    return Comparison(
        first.model,
        second.model,
        both=int((a & b).sum()),
        only_first=int((a & ~b).sum()),
        only_second=int((~a & b).sum()),
        neither=int((~a & ~b).sum()),
    )


def _report(model: Report | Model, data: DigitDataset | None) -> Report:
    if isinstance(model, Report):
        return model
    if data is None:
        raise ConfigError(
            f"got a {type(model).__name__} and no images to measure it on: compare(first, second, validation), or give the "
            "reports of evaluate()"
        )
    return evaluate(model, data)
