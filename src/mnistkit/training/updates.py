"""The optimizers of a run, and what happens to gradients between back-propagation and update."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import nn

from mnistkit.distributed import World
from mnistkit.errors import ConfigError, unknown_name
from mnistkit.precision import Precision

__all__ = ["Updates"]


class Updates:
    """One update after another, of one optimizer or several.

    Args:
        optimizers: by name.
        precision: unscales gradients and steps.
        world: averages gradients over the processes.
        clip_norm: largest norm of all gradients together; ``None`` for no limit.

    Attributes:
        due: the optimizers that the update under way has not stepped yet.
    """

    def __init__(
        self,
        optimizers: dict[str, torch.optim.Optimizer],
        precision: Precision,
        world: World,
        clip_norm: float | None,
    ) -> None:
        self.optimizers = optimizers
        self.due = dict(optimizers)
        self._precision = precision
        self._world = world
        self._clip_norm = clip_norm

    @property
    def lr(self) -> float:
        """The learning rate of the first parameter group."""
        return float(next(iter(self.optimizers.values())).param_groups[0]["lr"])

    def begin(self, lr: float | None) -> None:
        """Set the learning rate, unless the optimizers keep their own, and clear the gradients."""
        self.due = dict(self.optimizers)
        for optimizer in self.optimizers.values():
            _clear(optimizer)
            if lr is not None:
                for group in optimizer.param_groups:
                    group["lr"] = lr * group.get("lr_scale", 1.0)

    def complete(self, optimizers: Iterable[torch.optim.Optimizer] | None = None) -> None:
        """Average the gradients of the optimizers that are due over the processes, and unscale them."""
        for optimizer in self.due.values() if optimizers is None else optimizers:
            self._world.average_gradients(_parameters(optimizer))
            self._precision.unscale(optimizer)

    def clip(self, optimizers: Iterable[torch.optim.Optimizer] | None = None) -> None:
        """Limit the norm of their gradients."""
        if self._clip_norm is not None:
            chosen = self.due.values() if optimizers is None else optimizers
            nn.utils.clip_grad_norm_([p for optimizer in chosen for p in _parameters(optimizer)], self._clip_norm)

    def step(self) -> None:
        """Update the parameters of every optimizer that is due."""
        for optimizer in self.due.values():
            self._precision.step(optimizer)

    def step_now(self, name: str) -> None:
        """Complete, clip, step and clear one optimizer, which is then no longer due.

        Raises:
            ConfigError: for an unknown name, with the likeliest meant one.
        """
        if name not in self.optimizers:
            raise ConfigError(unknown_name("optimizer", name, self.optimizers))
        self.due.pop(name, None)
        optimizer = self.optimizers[name]
        self.complete([optimizer])
        self.clip([optimizer])
        self._precision.step(optimizer)
        _clear(optimizer)


def _parameters(optimizer: torch.optim.Optimizer) -> list[nn.Parameter]:
    return [parameter for group in optimizer.param_groups for parameter in group["params"]]


def _clear(optimizer: torch.optim.Optimizer) -> None:
    # What `zero_grad` comes to, without the profiler's record that it makes of every call: that alone is 50 microseconds.
    for parameter in _parameters(optimizer):
        parameter.grad = None
