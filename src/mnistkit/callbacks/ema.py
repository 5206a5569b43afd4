"""An exponential moving average of the weights."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass

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

    When training ends, the model itself gets the averaged weights. Buffers (batch norm's statistics) are copied;
    :class:`~mnistkit.callbacks.PreciseBatchNorm` after this computes those of the averaged weights. What the model gets while it
    trains, as a layer that is pruned gets weights of another name, is averaged from then on. Parameters of the average ask for
    gradients where the model's do, so that an evaluation step that adapts them works on either.

    Args:
        decay: weight of the old average in each update, from 0 to 1. The first updates use less,
            ``(1 + n) / (10 + n)`` after ``n``, so that the start is soon forgotten.

    Attributes:
        model: the averaged model, while training.

    Raises:
        ConfigError: unless ``0 <= decay < 1``; when training starts, for a model that cannot be copied; where a ``Trainer``
            subclass or another callback has a network of its own evaluated.
    """

    shapes_run = True

    def __init__(self, decay: float = 0.999) -> None:
        if not 0 <= decay < 1:
            raise ConfigError(f"decay is {decay}, expected from 0 to just under 1")
        self.decay = decay
        self.model: nn.Module | None = None
        self._updates = 0
        self._saved: Mapping[str, Tensor] | None = None
        self._pairs: list[_Pair] = []

    def on_fit_start(self, trainer: Trainer) -> None:
        """Copy the model, or go on with the saved average."""
        self._require_place(trainer, trainer.model)
        if trainer.state.step == 0:
            self._updates = 0
        self._pairs = []
        self.model = copy_of(trainer.model)
        if self._saved is not None:
            load_weights(self.model, self._saved)
            self._saved = None
        trainer.inference_model = self.model

    def on_epoch_start(self, trainer: Trainer) -> None:  # noqa: ARG002  (a hook's signature)
        """Look at the whole model again after the next update."""
        self._pairs = []

    def on_step_end(self, trainer: Trainer) -> None:
        """Move the average towards the weights."""
        self._require_place(trainer, self.model)
        self._updates += 1
        decay = min(self.decay, (1 + self._updates) / (10 + self._updates))
        # To go through all layers by name takes longer than the update of a small network.
        if not self._pairs or not all(pair.is_current() for pair in self._pairs):
            self._pair_up(trainer)
        moving = [pair for pair in self._pairs if isinstance(pair.weight, nn.Parameter)]
        move = get_ema_multi_avg_fn(decay)  # type: ignore[no-untyped-call]  # torch's own
        move([pair.average for pair in moving], [pair.weight for pair in moving], self._updates)
        if len(moving) < len(self._pairs):
            with torch.no_grad():
                for pair in self._pairs:
                    if not isinstance(pair.weight, nn.Parameter):
                        pair.average.copy_(pair.weight)

    def on_eval_start(self, trainer: Trainer) -> None:
        """Have an average of the form that the model has now."""
        if self._averages(trainer):
            self._pair_up(trainer)

    def on_fit_end(self, trainer: Trainer) -> None:
        """Give the model the averaged weights."""
        if self.model is not None and self._averages(trainer):
            self._pair_up(trainer)
            trainer.model.load_state_dict(self.model.state_dict())
            trainer.inference_model = trainer.model
        self._pairs = []

    def _averages(self, trainer: Trainer) -> bool:
        """Whether a run is under way, and its average is what is evaluated."""
        return trainer.inference_model is self.model

    def _require_place(self, trainer: Trainer, expected: nn.Module | None) -> None:
        """Of two networks that are to be evaluated in place of the model, one would be in vain."""
        found = trainer.inference_model
        if found is not expected:
            raise ConfigError(
                f"EMA has its average of the {type(trainer.model).__name__} evaluated and saved, and so has the "
                f"{type(trainer).__name__} or another callback a {type(found).__name__}, as inference_model; only one can be. "
                "Leave EMA out, or leave inference_model alone and ask EMA's average, ema.model, where the other is needed"
            )

    def _pair_up(self, trainer: Trainer) -> None:
        """Find the tensors of the average and those of the model, by the same names, in the same shapes."""
        averages, weights = _tensors(trainer.inference_model), _tensors(trainer.model)
        if _shapes(averages) != _shapes(weights):
            # Observers of quantisation got their first images, or a layer was pruned or parametrised.
            self.model = trainer.inference_model = copy_of(trainer.model)
            renewed = _tensors(self.model)
            with torch.no_grad():
                for name, average in averages.items():
                    if name in renewed and renewed[name].shape == average.shape:
                        renewed[name].copy_(average)
            averages = renewed
        self._pairs = [_Pair(*_place(trainer.model, name), weights[name], averages[name]) for name in weights]

    def state_dict(self) -> dict[str, object]:
        """The average and the number of updates in it."""
        return {"updates": self._updates, "weights": None if self.model is None else dict(self.model.state_dict())}

    def load_state_dict(self, state: Mapping[str, object]) -> None:
        """Go on with a saved average."""
        saved = Saved(state, self.name)
        self._updates, self._saved = saved.whole("updates"), saved.tensors("weights")


@dataclass(frozen=True)
class _Pair:
    """A tensor of the model, where it is, and its average."""

    owner: nn.Module
    name: str
    weight: Tensor
    average: Tensor

    def is_current(self) -> bool:
        """Whether the model still has this tensor there, in this shape."""
        return getattr(self.owner, self.name, None) is self.weight and self.weight.shape == self.average.shape


def _place(model: nn.Module, name: str) -> tuple[nn.Module, str]:
    layer, _, attribute = name.rpartition(".")
    return model.get_submodule(layer), attribute


def _tensors(model: nn.Module) -> dict[str, Tensor]:
    return dict(itertools.chain(model.named_parameters(), model.named_buffers()))


def _shapes(tensors: Mapping[str, Tensor]) -> dict[str, torch.Size]:
    return {name: tensor.shape for name, tensor in tensors.items()}
