"""Numbers about predictions: additive sums, so that batches and processes merge exactly, and what they come to."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from mnistkit._core.statistics import Z_95 as Z_95
from mnistkit._core.statistics import wilson_interval as wilson_interval
from mnistkit.distributed import World
from mnistkit.types import JsonValue, StepOutput

__all__ = ["Z_95", "Evaluation", "MetricSums", "wilson_interval"]


@dataclass(frozen=True)
class Evaluation:
    """What an evaluation found.

    Attributes:
        loss: mean over the images.
        correct: how many images were classified correctly; ``None`` where steps return no logits.
        count: how many images there were.
        metrics: the means of a step's further metrics.
    """

    loss: float
    correct: int | None
    count: int
    metrics: Mapping[str, float] = field(default_factory=dict)

    @property
    def accuracy(self) -> float:
        """The fraction classified correctly; NaN where steps return no logits."""
        return math.nan if self.correct is None else self.correct / self.count

    @property
    def interval(self) -> tuple[float, float]:
        """The accuracy's 95 % confidence interval (Wilson)."""
        return (math.nan, math.nan) if self.correct is None else wilson_interval(self.correct, self.count)

    def row(self, prefix: str) -> dict[str, float]:
        """The figures by name, as a history keeps them: ``{"val_loss": ..., "val_accuracy": ...}``."""
        row = {f"{prefix}_loss": self.loss}
        if self.correct is not None:
            row[f"{prefix}_accuracy"] = self.accuracy
        return row | {f"{prefix}_{name}": value for name, value in self.metrics.items()}

    def to_json(self) -> dict[str, JsonValue]:
        """As JSON can hold it; what there is not is ``None``."""
        known = self.correct is not None
        return {
            "loss": self.loss,
            "accuracy": self.accuracy if known else None,
            "interval": list(self.interval) if known else None,
            "correct": self.correct,
            "count": self.count,
            "metrics": dict(self.metrics),
        }

    def __str__(self) -> str:
        parts = [f"loss {self.loss:.4f}"]
        if self.correct is not None:
            low, high = self.interval
            parts.append(
                f"accuracy {self.accuracy:.2%} (95 % interval {low:.2%} to {high:.2%}, {self.correct:,} of {self.count:,})"
            )
        parts += [f"{name} {value:.4f}" for name, value in self.metrics.items()]
        return ", ".join(parts)


class MetricSums:
    """Running sums of loss, correct answers, images and further metrics, kept on the device.

    ``update`` adds a batch without waiting for the device; ``merge`` adds up the processes; ``compute`` reads.
    """

    def __init__(self, device: torch.device | str = "cpu") -> None:
        self._device = torch.device(device)
        # Apple's GPUs have no float64.
        self._dtype = torch.float32 if self._device.type == "mps" else torch.float64
        self._sums: dict[str, Tensor | float] = {}

    def update(self, output: StepOutput, labels: Tensor) -> None:
        """Add one batch."""
        n = len(labels)
        self._add("count", n)
        self._add("loss", self._wide(output.loss) * n)
        if output.logits is not None:
            self._add("correct", self._wide((output.logits.detach().argmax(1) == labels).sum()))
        for name, value in output.metrics.items():
            self._add(f"metrics/{name}", self._wide(value) * n)

    def _wide(self, value: Tensor) -> Tensor | float:
        """Before it is multiplied: float16 ends at 65,504. On a CPU, where no one waits, numbers are quicker to add."""
        value = value.detach()
        return value.item() if self._device.type == "cpu" else value.to(self._dtype)

    def _add(self, name: str, value: Tensor | float) -> None:
        self._sums[name] = self._sums.get(name, 0.0) + value

    def merge(self, world: World) -> None:
        """Add up the sums of every process; a process that saw no batch takes part with zeros."""
        if world.size == 1:
            return
        # Ranks without a batch do not know the names, so everybody learns them first.
        for name in world.union(self._sums):
            here = torch.as_tensor(self._sums.get(name, 0.0), dtype=self._dtype, device=self._device)
            self._sums[name] = world.sum(here)

    def is_finite(self) -> bool:
        """Whether every loss added so far was a finite number; waits for the device."""
        return "loss" not in self._sums or math.isfinite(self._sums["loss"])

    def compute(self) -> Evaluation:
        """The means of all that was added.

        Raises:
            ZeroDivisionError: if nothing was.
        """
        sums = {name: float(value) for name, value in self._sums.items()}
        count = int(sums.get("count", 0))
        return Evaluation(
            loss=sums.get("loss", 0.0) / count,
            correct=int(sums["correct"]) if "correct" in sums else None,
            count=count,
            metrics={name.removeprefix("metrics/"): sums[name] / count for name in sums if name.startswith("metrics/")},
        )

    def since(self, earlier: Mapping[str, float]) -> MetricSums:
        """What was added after an earlier :meth:`state_dict`, on the CPU; after ``{}``, everything.

        >>> sums, labels = MetricSums(), torch.tensor([0, 1])
        >>> sums.update(StepOutput(torch.tensor(4.0)), labels)
        >>> earlier = sums.state_dict()
        >>> sums.update(StepOutput(torch.tensor(2.0)), labels)
        >>> sums.compute().loss, sums.since(earlier).compute().loss
        (3.0, 2.0)
        """
        recent = MetricSums()
        recent.load_state_dict({name: value - earlier.get(name, 0.0) for name, value in self.state_dict().items()})
        return recent

    def state_dict(self) -> dict[str, float]:
        """The sums; float64 numbers survive JSON exactly."""
        return {name: float(value) for name, value in self._sums.items()}

    def load_state_dict(self, state: Mapping[str, float]) -> None:
        """Restore what :meth:`state_dict` returned."""
        self._sums = dict(state)
