"""An exponential moving average of the weights."""

from __future__ import annotations

import copy
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from mnistkit.checkpoint import Saved, load_weights
from mnistkit.errors import ConfigError
from mnistkit.training import Callback, Trainer

__all__ = ["EMA"]


class EMA(Callback):
    """Keeps an exponential moving average of the weights, and has it evaluated and saved in their place.

    When training ends, the model itself gets the averaged weights. Buffers (batch norm's statistics) are copied.

    Args:
        decay: weight of the old average in each update, from 0 to 1. The first updates use less,
            ``(1 + n) / (10 + n)`` after ``n``, so that the start is soon forgotten.

    Attributes:
        model: the averaged model, while training.

    Raises:
        ConfigError: unless ``0 <= decay < 1``.
    """

    shapes_run = True

    def __init__(self, decay: float = 0.999) -> None:
        if not 0 <= decay < 1:
            raise ConfigError(f"decay is {decay}, expected from 0 to just under 1")
        self.decay = decay
        self.model: nn.Module | None = None
        self._updates = 0
        self._saved: Mapping[str, Tensor] | None = None

    def on_fit_start(self, trainer: Trainer) -> None:
        """Copy the model, or go on with the saved average."""
        if trainer.state.step == 0:
            self._updates = 0
        self.model = copy.deepcopy(trainer.model).requires_grad_(False)
        if self._saved is not None:
            load_weights(self.model, self._saved)
            self._saved = None
        trainer.inference_model = self.model

    def on_step_end(self, trainer: Trainer) -> None:
        """Move the average towards the weights."""
        self._updates += 1
        decay = min(self.decay, (1 + self._updates) / (10 + self._updates))
        with torch.no_grad():
            averages: list[Tensor] = list(trainer.inference_model.parameters())
            weights: list[Tensor] = list(trainer.model.parameters())
            torch._foreach_lerp_(averages, weights, 1 - decay)
            for average, current in zip(trainer.inference_model.buffers(), trainer.model.buffers(), strict=True):
                average.copy_(current)

    def on_fit_end(self, trainer: Trainer) -> None:
        """Give the model the averaged weights."""
        if self.model is not None and trainer.inference_model is self.model:
            trainer.model.load_state_dict(self.model.state_dict())
            trainer.inference_model = trainer.model

    def state_dict(self) -> dict[str, object]:
        """The average and the number of updates in it."""
        return {"updates": self._updates, "weights": None if self.model is None else dict(self.model.state_dict())}

    def load_state_dict(self, state: Mapping[str, object]) -> None:
        """Go on with a saved average."""
        saved = Saved(state, self.name)
        self._updates, self._saved = saved.whole("updates"), saved.tensors("weights")
