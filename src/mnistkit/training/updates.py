"""The optimizers of a run, and what happens to gradients between back-propagation and update."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping

import torch
from torch import nn

from mnistkit.distributed import World
from mnistkit.errors import ConfigError, unknown_name
from mnistkit.precision import Precision

__all__ = ["Updates", "parameters_of"]


class Updates:
    """One update after another, of one optimizer or several.

    Args:
        optimizers: by name.
        precision: unscales gradients and steps.
        world: averages gradients over the processes.
        clip_norm: largest norm of all gradients together; ``None`` for no limit.

    Attributes:
        due: the optimizers that the update under way is to step.
        images: how many this process computes its gradients from, which is its weight among several.
    """

    def __init__(
        self,
        optimizers: Mapping[str, torch.optim.Optimizer],
        precision: Precision,
        world: World,
        clip_norm: float | None,
    ) -> None:
        self.optimizers = dict(optimizers)
        self.due = dict(optimizers)
        self.images = 1
        self._fixed = False
        self._precision = precision
        self._world = world
        self._clip_norm = clip_norm

    @property
    def lr(self) -> float:
        """The learning rate of the first parameter group."""
        return float(next(iter(self.optimizers.values())).param_groups[0]["lr"])

    @property
    def parameters(self) -> list[nn.Parameter]:
        """What the optimizers that are due train."""
        return [p for optimizer in self.due.values() for p in parameters_of(optimizer) if p.requires_grad]

    def begin(self, rate: float | Mapping[str, float] | None, images: int = 1) -> None:
        """Set the learning rates, unless the optimizers keep their own, and clear the gradients.

        Raises:
            ConfigError: for a rate of an unknown optimizer, or one rate for several of them.
        """
        self.due = dict(self.optimizers)
        self.images = images
        self.clear()
        if rate is None:
            return
        if not isinstance(rate, Mapping):
            if len(self.optimizers) > 1:
                raise ConfigError(
                    f"got one learning rate, {rate:g}, for the optimizers {', '.join(self.optimizers)}; give one for each, "
                    f"{dict.fromkeys(self.optimizers, rate)}, or none: they then keep their own"
                )
            rate = dict.fromkeys(self.optimizers, rate)
        for name, lr in rate.items():
            for group in self._require(name).param_groups:
                group["lr"] = lr * group.get("lr_scale", 1.0)

    @contextlib.contextmanager
    def fixed(self) -> Iterator[None]:
        """While a step is computed again: what is due stays so."""
        self._fixed = True
        try:
            yield
        finally:
            self._fixed = False

    def skip(self, name: str) -> None:
        """Leave one optimizer alone until the next :meth:`begin`."""
        self._take(name)

    def alone(self, name: str) -> Updates:
        """An update of one optimizer, which is then no longer due here."""
        optimizer = self._take(name)
        update = Updates({name: optimizer}, self._precision, self._world, self._clip_norm)
        update.images = self.images
        return update

    def clear(self) -> None:
        """Forget the gradients of what is due."""
        for optimizer in self.due.values():
            # What `zero_grad` comes to, without the profiler's record that it makes of every call: that alone is 50
            # microseconds.
            for parameter in parameters_of(optimizer):
                parameter.grad = None

    def complete(self) -> None:
        """Average the gradients of the optimizers that are due over the processes, and unscale them."""
        for optimizer in self.due.values():
            self._world.average_gradients(parameters_of(optimizer), self.images)
            self._precision.unscale(optimizer)

    def clip(self) -> None:
        """Limit the norm of all gradients together."""
        if self._clip_norm is not None:
            parameters = [p for optimizer in self.due.values() for p in parameters_of(optimizer)]
            nn.utils.clip_grad_norm_(parameters, self._clip_norm)

    def step(self) -> None:
        """Update the parameters of every optimizer that is due.

        Raises:
            ConfigError: for LBFGS, which needs the loss as a function.
        """
        for optimizer in self.due.values():
            if isinstance(optimizer, torch.optim.LBFGS):
                raise ConfigError(
                    "LBFGS computes the loss several times in one update; override optimizer_step in a Trainer subclass: "
                    "self.optimizer.step(self.gradients)"
                )
            self._precision.step(optimizer)

    def _take(self, name: str) -> torch.optim.Optimizer:
        if self._fixed:
            raise ConfigError("gradients() repeats a step, and this one has step_optimizer() or skip() in it")
        self.due.pop(name, None)
        return self._require(name)

    def _require(self, name: str) -> torch.optim.Optimizer:
        if name not in self.optimizers:
            raise ConfigError(unknown_name("optimizer", name, self.optimizers))
        return self.optimizers[name]


def parameters_of(optimizer: torch.optim.Optimizer) -> list[nn.Parameter]:
    """Every parameter of every group."""
    return [parameter for group in optimizer.param_groups for parameter in group["params"]]
