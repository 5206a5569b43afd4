"""An exponential moving average of the weights."""

from __future__ import annotations

import itertools
from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from mnistkit.checkpoint import Saved, load_weights
from mnistkit.errors import ConfigError
from mnistkit.models.network import copy_of
from mnistkit.training import Callback, Trainer

__all__ = ["EMA"]


class EMA(Callback):
    """Keeps an exponential moving average of the weights, and has it evaluated and saved in their place.

    When training ends, the model itself gets the averaged weights. Buffers (batch norm's statistics) are copied. What the
    model gets while it trains, as a layer that is pruned gets weights of another name, is averaged from then on.

    Args:
        decay: weight of the old average in each update, from 0 to 1. The first updates use less,
            ``(1 + n) / (10 + n)`` after ``n``, so that the start is soon forgotten.

    Attributes:
        model: the averaged model, while training.

    Raises:
        ConfigError: unless ``0 <= decay < 1``; when training starts, for a model that cannot be copied.
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
        self.model = copy_of(trainer.model).requires_grad_(False)
        if self._saved is not None:
            load_weights(self.model, self._saved)
            self._saved = None
        trainer.inference_model = self.model

    def on_step_end(self, trainer: Trainer) -> None:
        """Move the average towards the weights."""
        self._updates += 1
        decay = min(self.decay, (1 + self._updates) / (10 + self._updates))
        averages, weights = self._side_by_side(trainer)
        moving = [name for name, weight in weights.items() if isinstance(weight, nn.Parameter)]
        move = get_ema_multi_avg_fn(decay)  # type: ignore[no-untyped-call]  # torch's own
        move([averages[name] for name in moving], [weights[name] for name in moving], self._updates)
        with torch.no_grad():
            for name, weight in weights.items():
                if not isinstance(weight, nn.Parameter):
                    averages[name].copy_(weight)

    def on_fit_end(self, trainer: Trainer) -> None:
        """Give the model the averaged weights."""
        if self.model is not None and trainer.inference_model is self.model:
            self._side_by_side(trainer)
            trainer.model.load_state_dict(self.model.state_dict())
            trainer.inference_model = trainer.model

    def _side_by_side(self, trainer: Trainer) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """The tensors of the average and those of the model, by the same names, in the same shapes."""
        averages, weights = _tensors(trainer.inference_model), _tensors(trainer.model)
        if _shapes(averages) == _shapes(weights):
            return averages, weights
        # Observers of quantisation got their first images, or a layer was pruned or parametrised.
        self.model = trainer.inference_model = copy_of(trainer.model).requires_grad_(False)
        renewed = _tensors(self.model)
        with torch.no_grad():
            for name, average in averages.items():
                if name in renewed and renewed[name].shape == average.shape:
                    renewed[name].copy_(average)
        return renewed, weights

    def state_dict(self) -> dict[str, object]:
        """The average and the number of updates in it."""
        return {"updates": self._updates, "weights": None if self.model is None else dict(self.model.state_dict())}

    def load_state_dict(self, state: Mapping[str, object]) -> None:
        """Go on with a saved average."""
        saved = Saved(state, self.name)
        self._updates, self._saved = saved.whole("updates"), saved.tensors("weights")


def _tensors(model: nn.Module) -> dict[str, Tensor]:
    return dict(itertools.chain(model.named_parameters(), model.named_buffers()))


def _shapes(tensors: Mapping[str, Tensor]) -> dict[str, torch.Size]:
    return {name: tensor.shape for name, tensor in tensors.items()}
