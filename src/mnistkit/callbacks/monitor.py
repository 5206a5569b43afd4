"""A figure to watch, and which way is better."""

from __future__ import annotations

import difflib
import math
from dataclasses import dataclass
from typing import Literal

from mnistkit.errors import ConfigError, unknown_name
from mnistkit.training import Trainer

__all__ = ["Mode", "Monitor"]

Mode = Literal["auto", "min", "max"]

# What every run with labels has.
_KNOWN = ("val_accuracy", "val_loss", "train_accuracy", "train_loss")


@dataclass(frozen=True)
class Monitor:
    """Reads one figure of the newest epoch.

    Attributes:
        metric: its name in the history.
        mode: whether less (``"min"``) or more is better; ``"auto"`` knows that of names ending in ``loss``, ``error`` or
            ``accuracy``.

    Raises:
        ConfigError: for an unknown mode, or ``"auto"`` with another name.
    """

    metric: str
    mode: Mode = "auto"

    def __post_init__(self) -> None:
        if self.mode not in ("auto", "min", "max"):
            raise ConfigError(unknown_name("mode", self.mode, ("auto", "min", "max")))
        if self.mode == "auto" and not self.metric.endswith(("loss", "error", "accuracy")):
            close = difflib.get_close_matches(self.metric, _KNOWN, n=1)
            guess = f"did you mean {close[0]!r}? If not: " if close else ""
            raise ConfigError(f"{guess}is more of {self.metric!r} better, or less? Say so: mode='max' or mode='min'")

    @property
    def less_is_better(self) -> bool:
        """Which way is better."""
        return self.mode == "min" or (self.mode == "auto" and self.metric.endswith(("loss", "error")))

    @property
    def worst(self) -> float:
        """What any figure is better than."""
        return math.inf if self.less_is_better else -math.inf

    def require_source(self, trainer: Trainer, who: str) -> None:
        """Refuse before the first epoch what could never be read.

        Raises:
            ConfigError: for a validation figure without validation data.
        """
        if self.metric.startswith("val_") and trainer.validation_data is None:
            raise ConfigError(
                f"{who} watches {self.metric!r}, but fit() was given no validation data; give it, or watch 'train_loss'"
            )

    def read(self, trainer: Trainer) -> float:
        """The figure of the newest epoch.

        Raises:
            ConfigError: if there is none of that name; every rank raises it.
        """
        metrics = trainer.state.metrics
        if self.metric in metrics:
            return metrics[self.metric]
        loss = self.metric.replace("accuracy", "loss")
        if self.metric in _KNOWN and loss in metrics:
            raise ConfigError(
                f"there is no {self.metric!r}: the steps of {type(trainer).__name__} return no logits with labels to count right "
                f"ones of. Watch monitor={loss!r}; a Checkpoint that raises this has written its last.safetensors, to go on from "
                "with fit(resume=...)"
            )
        raise ConfigError(unknown_name("metric", self.metric, metrics))

    def is_better(self, value: float, than: float, by: float = 0.0) -> bool:
        """Whether a figure beats another by more than a margin; NaN never does."""
        return value < than - by if self.less_is_better else value > than + by
