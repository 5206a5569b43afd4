"""Numbers about predictions: additive sums, so that batches and processes merge exactly, and what they come to."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

import torch
from torch import Tensor

from mnistkit._core.statistics import Proportion as Proportion
from mnistkit.distributed import World
from mnistkit.errors import ConfigError, DataError
from mnistkit.types import JsonValue, StepOutput

__all__ = ["Evaluation", "Metric", "MetricSums", "Proportion"]


@dataclass(frozen=True)
class Evaluation:
    """What an evaluation found.

    Attributes:
        loss: mean over the images.
        count: how many images there were.
        score: how many of them were classified correctly; ``None`` where some have no logits, or no label of one class.
        metrics: the means of a step's further metrics.
    """

    loss: float
    count: int
    score: Proportion | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)

    @property
    def accuracy(self) -> float:
        """The fraction classified correctly; NaN where there is no such thing."""
        return math.nan if self.score is None else self.score.accuracy

    def row(self, prefix: str) -> dict[str, float]:
        """The figures by name, as a history keeps them: ``{"val_loss": ..., "val_accuracy": ...}``."""
        row = {f"{prefix}_loss": self.loss}
        if self.score is not None:
            row[f"{prefix}_accuracy"] = self.accuracy
        return row | {f"{prefix}_{name}": value for name, value in self.metrics.items()}

    def to_json(self) -> dict[str, JsonValue]:
        """As JSON can hold it; what there is not is ``None``."""
        unknown: dict[str, JsonValue] = {"correct": None, "accuracy": None, "interval": None}
        score = unknown if self.score is None else self.score.to_json()
        return {"loss": self.loss, "count": self.count, **score, "metrics": dict(self.metrics)}

    def __str__(self) -> str:
        parts = [f"loss {self.loss:.4f}"]
        if self.score is not None:
            parts.append(f"accuracy {self.score}")
        parts += [f"{name} {value:.4f}" for name, value in self.metrics.items()]
        return ", ".join(parts)


#: From logits ``(N, classes)`` and labels to the mean over the images, a number or of any shape. Labels that are probabilities
#: have become the most probable class, int64 ``(N,)``. A metric with a method ``finish`` has that applied to the mean over all
#: images, to make one number of it.
Metric: TypeAlias = Callable[[Tensor, Tensor], Tensor]


#: What was added up, by name: numbers, and tensors where a metric is of such a shape.
Sums: TypeAlias = dict[str, Tensor | float]


class MetricSums:
    """Running sums of loss, correct answers, images and further metrics, kept on the device.

    ``update`` adds a batch without waiting for the device, but for the first where ``highest`` is not known; ``merge`` adds
    up the processes; ``compute`` reads.

    Args:
        device: where the sums are.
        metrics: computed from the logits and labels of each batch that has both.
        soft: whether labels of the logits' shape may be probabilities, of which the largest is the class. What they are is told
            by the loss, not by a batch: the rows of several classes an image may happen to add up to 1.
        highest: the highest label of the batches, where the data says it; else the first batch is looked at, on a CPU each.
    """

    def __init__(
        self,
        device: torch.device | str = "cpu",
        metrics: Mapping[str, Metric] | None = None,
        *,
        soft: bool = True,
        highest: int | None = None,
    ) -> None:
        self._device = torch.device(device)
        # Apple's GPUs have no float64.
        self._dtype = torch.float32 if self._device.type == "mps" else torch.float64
        self._metrics = dict(metrics or {})
        self._soft = soft
        self._highest = highest
        self._sums: Sums = {}

    def empty(self) -> MetricSums:
        """New ones of the same figures, with nothing in them."""
        return MetricSums(self._device, self._metrics, soft=self._soft, highest=self._highest)

    def update(self, output: StepOutput, labels: Tensor | None, count: int | None = None) -> None:
        """Add one batch.

        Args:
            output: of the step; its own labels, if it has some, are counted instead.
            labels: of the images; ``None`` for a batch without.
            count: of images; by default, one for each label.

        Raises:
            DataError: for labels that are no class of the logits.
        """
        if output.labels is not None:
            labels, count = output.labels, None
        n = (0 if labels is None else len(labels)) if count is None else count
        logits = None if output.logits is None else output.logits.detach()
        self._add("count", n)
        self._add("loss", self._wide(output.loss) * n)
        truth = None if logits is None or labels is None else true_classes(logits, labels, soft=self._soft)
        if logits is not None and truth is not None:
            self._require_classes(logits, truth, self._highest if truth is labels and output.labels is None else None)
        if logits is None or truth is None:
            self._add("unclassified", n)
        else:
            self._add("correct", self._wide((logits.argmax(1) == truth).sum()))
        self.add(output.metrics, n)
        if self._metrics and logits is not None and labels is not None:
            with torch.no_grad():
                wide = logits.float()
                self.add(
                    {name: metric(wide, labels if truth is None else truth) for name, metric in self._metrics.items()},
                    n,
                )

    def add(self, figures: Mapping[str, Tensor | float], count: int) -> None:
        """Add further figures, each the mean over so many images; those that had none of it do not count in its mean."""
        for name, value in figures.items():
            self._add(f"metrics/{name}", self._wide(value) * count)
            self._add(f"images/{name}", count)

    def _require_classes(self, logits: Tensor, truth: Tensor, highest: int | None) -> None:
        if highest is None:
            if not len(truth) or ("correct" in self._sums and self._device.type != "cpu"):
                return
            highest = int(truth.max())
        if highest >= logits.shape[1]:
            raise DataError(
                f"got labels up to {highest} with logits of {logits.shape[1]} classes, 0 to {logits.shape[1] - 1}, of which no "
                "accuracy makes sense. Does the step answer another question than the batch's labels do? Return the labels of "
                "its own, StepOutput(loss, logits, labels=labels), or no logits. Else create the model with "
                f"classes={highest + 1}"
            )

    def _wide(self, value: Tensor | float) -> Tensor | float:
        """Before it is multiplied: float16 ends at 65,504. On a CPU, where no one waits, numbers are quicker to add."""
        if not isinstance(value, Tensor):
            return float(value)
        value = value.detach()
        if self._device.type == "cpu" and value.ndim == 0:
            return value.item()
        return value.to(self._device, self._dtype)

    def _add(self, name: str, value: Tensor | float) -> None:
        self._sums[name] = self._sums.get(name, 0.0) + value

    def merge(self, world: World) -> None:
        """Add up the sums of every process; a process that saw no batch takes part with zeros."""
        if world.size == 1:
            return
        # Ranks without a batch know neither names nor shapes, so everybody learns them first.
        known = [json.dumps([name, list(torch.as_tensor(value).shape)]) for name, value in self._sums.items()]
        for name, shape in map(json.loads, world.union(known)):
            zeros = torch.zeros(shape, dtype=self._dtype, device=self._device)
            self._sums[name] = world.sum(zeros + self._sums.get(name, 0.0))

    def is_finite(self) -> bool:
        """Whether every loss added so far was a finite number; waits for the device."""
        return "loss" not in self._sums or math.isfinite(self._sums["loss"])

    def compute(self) -> Evaluation:
        """The means of all that was added.

        Raises:
            ZeroDivisionError: if nothing was.
            ConfigError: for a metric whose mean is not one number.
        """
        count = int(self._sums.get("count", 0))
        classified = "correct" in self._sums and not self._sums.get("unclassified", 0)
        return Evaluation(
            loss=float(self._sums.get("loss", 0.0)) / count,
            count=count,
            score=Proportion(int(self._sums["correct"]), count) if classified else None,
            metrics={
                name: self._figure(name, self._sums[f"metrics/{name}"] / images)
                for name, images in self._counted()
                if images
            },
        )

    def _counted(self) -> Iterator[tuple[str, float]]:
        """Each further metric, and of how many images it is a mean."""
        for name, images in self._sums.items():
            if name.startswith("images/"):
                yield name.removeprefix("images/"), float(images)

    def _figure(self, name: str, mean: Tensor | float) -> float:
        finish = getattr(self._metrics.get(name), "finish", None)
        result = mean if finish is None else finish(torch.as_tensor(mean, dtype=self._dtype))
        if isinstance(result, Tensor) and result.numel() != 1:
            raise ConfigError(
                f"the metric {name!r} comes to a tensor of shape {tuple(result.shape)}, expected one number; give it a "
                "method finish(mean) that makes one of the mean over all images"
            )
        return float(result)

    def since(self, earlier: Mapping[str, Tensor | float]) -> MetricSums:
        """What was added after an earlier :meth:`state_dict`, on the CPU; after ``{}``, everything.

        >>> sums, labels = MetricSums(), torch.tensor([0, 1])
        >>> sums.update(StepOutput(torch.tensor(4.0)), labels)
        >>> earlier = sums.state_dict()
        >>> sums.update(StepOutput(torch.tensor(2.0)), labels)
        >>> sums.compute().loss, sums.since(earlier).compute().loss
        (3.0, 2.0)
        """
        recent = MetricSums(metrics=self._metrics)
        recent.load_state_dict({name: value - earlier.get(name, 0.0) for name, value in self.state_dict().items()})
        return recent

    def state_dict(self) -> Sums:
        """The sums, on the CPU; float64 numbers survive JSON exactly."""
        return {
            name: value.cpu() if isinstance(value, Tensor) and value.ndim else float(value)
            for name, value in self._sums.items()
        }

    def load_state_dict(self, state: Mapping[str, Tensor | float]) -> None:
        """Restore what :meth:`state_dict` returned."""
        self._sums = {
            name: value.to(self._device) if isinstance(value, Tensor) else value for name, value in state.items()
        }


def true_classes(logits: Tensor, labels: Tensor, *, soft: bool = True) -> Tensor | None:
    """The class of each image according to its label, where logits and labels are those of one class an image.

    Args:
        logits: ``(N, classes)``.
        labels: integers ``(N,)``; or probabilities ``(N, classes)``, of which the largest counts.
        soft: whether they may be the latter.

    Returns:
        ``(N,)``; ``None`` for anything else (regression, several classes an image), of which no accuracy makes sense.
    """
    if logits.ndim != 2 or logits.shape[1] < 2:
        return None
    if labels.shape == logits.shape[:1] and not labels.is_floating_point():
        return labels
    if soft and labels.shape == logits.shape and are_probabilities(labels):
        return labels.argmax(1)
    return None


def are_probabilities(labels: Tensor) -> bool:
    """Whether each row is a distribution over the classes: one-hot, smoothed, mixed."""
    # As wide as the roundings of bfloat16 need it.
    return bool((labels >= 0).all()) and bool(((labels.sum(1) - 1).abs() < 0.02).all())
