"""Result: what a run of a recipe gave."""

from __future__ import annotations

import platform
from dataclasses import dataclass, field
from pathlib import Path

import torch

from mnistkit.classifier import Classifier
from mnistkit.metrics import Evaluation
from mnistkit.training import History
from mnistkit.types import JsonValue, SplitName

__all__ = ["Result", "machine"]


@dataclass(frozen=True, eq=False)
class Result:
    """What a run gave.

    Attributes:
        recipe: its name.
        seed: the seed of the run.
        classifier: what was trained, with a card that says how, and what was measured.
        history: a row for each epoch.
        evaluation: measured after training, once.
        split: on which images: ``"test"``, or ``"validation"`` where there are no test images.
        seconds: that training took.
        machine: that it ran on.
        path: of the classifier's file; ``None`` for a run without a folder.
    """

    recipe: str
    seed: int
    classifier: Classifier = field(repr=False)
    history: History = field(repr=False)
    evaluation: Evaluation
    split: SplitName
    seconds: float
    machine: str
    path: Path | None

    @property
    def accuracy(self) -> float:
        """The fraction classified correctly; NaN where there is no such thing."""
        return self.evaluation.accuracy

    def __str__(self) -> str:
        return f"{self.recipe}, seed {self.seed}: {self.split} {self.evaluation}"

    def to_json(self) -> dict[str, JsonValue]:
        """All but the weights, as JSON can hold it; the evaluation is under the name of its split."""
        return {
            "recipe": self.recipe,
            "seed": self.seed,
            "epochs": len(self.history),
            "seconds": self.seconds,
            "machine": self.machine,
            "checkpoint": None if self.path is None else str(self.path),
            "history": [dict(row) for row in self.history.rows],
            self.split: self.evaluation.to_json(),
        }


def machine(device: torch.device) -> str:
    """What computes: the processor, or the GPU, and the software."""
    if device.type == "cuda":
        computer = torch.cuda.get_device_name(device)
    else:
        computer = platform.machine() if device.type == "cpu" else device.type
    return f"{computer}, torch {torch.__version__}, Python {platform.python_version()}"
