"""Torch's own learning-rate schedulers in a run."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Literal, TypeAlias

import torch
from torch.optim.lr_scheduler import CyclicLR, LRScheduler, OneCycleLR, ReduceLROnPlateau

from mnistkit.errors import ConfigError
from mnistkit.training.callback import Callback

if TYPE_CHECKING:
    from mnistkit.training.trainer import Trainer

__all__ = ["SchedulerFactory", "TorchScheduler", "is_scheduler"]

#: From the optimizer to a scheduler: ``functools.partial(torch.optim.lr_scheduler.StepLR, step_size=5)``.
SchedulerFactory: TypeAlias = Callable[[torch.optim.Optimizer], LRScheduler]


class TorchScheduler(Callback):
    """Steps one of torch's own schedulers, and saves its state; ``Trainer(lr=scheduler)`` adds one of these.

    Args:
        scheduler: one of the trainer's optimizer, or a function from the optimizer to one.
        each: when to step it; by default after each update for ``OneCycleLR`` and ``CyclicLR``, after each epoch for the
            others, as their documentation says.
        monitor: the figure that ``ReduceLROnPlateau`` watches; by default ``val_loss``, or ``train_loss`` where nothing is
            validated.

    Raises:
        ConfigError: for a class that was not made; when training starts, with several optimizers, or if the scheduler
            is of another optimizer.
    """

    def __init__(
        self,
        scheduler: LRScheduler | SchedulerFactory,
        *,
        each: Literal["step", "epoch"] | None = None,
        monitor: str | None = None,
    ) -> None:
        if isinstance(scheduler, type):
            raise ConfigError(
                f"got the class {scheduler.__name__}: give its arguments, functools.partial({scheduler.__name__}, ...)"
            )
        self.each = each
        self.monitor = monitor
        self._given = scheduler
        self._scheduler: LRScheduler | None = None
        self._saved: Mapping[str, object] | None = None

    def on_fit_start(self, trainer: Trainer) -> None:
        """Make the scheduler, or go on with the saved state."""
        optimizer = trainer.optimizer
        if len(trainer.optimizers) > 1:
            raise ConfigError(
                f"a scheduler is of one optimizer, this run has {', '.join(trainer.optimizers)}; give lr= a schedule for "
                "each, or make and step the schedulers in hooks of a Trainer subclass"
            )
        rates = [group["lr"] for group in optimizer.param_groups]
        self._scheduler = self._given if isinstance(self._given, LRScheduler) else self._given(optimizer)
        if self._scheduler.optimizer is not optimizer:
            raise ConfigError(
                f"the {type(self._scheduler).__name__} is of another optimizer than the trainer's; give a function instead, "
                "lr=lambda optimizer: StepLR(optimizer, step_size=5)"
            )
        if self._saved is not None:
            self._scheduler.load_state_dict(dict(self._saved))
            self._saved = None
            # Making it set the first rate; the one of the saved run was in the optimizer already.
            for group, rate in zip(optimizer.param_groups, rates, strict=True):
                group["lr"] = rate

    def on_step_end(self, trainer: Trainer) -> None:
        """Step a scheduler of updates."""
        if self._each == "step":
            self._step(trainer)

    def on_epoch_end(self, trainer: Trainer) -> None:
        """Step a scheduler of epochs."""
        if self._each == "epoch":
            self._step(trainer)

    @property
    def _each(self) -> str:
        return self.each or ("step" if isinstance(self._scheduler, OneCycleLR | CyclicLR) else "epoch")

    def _step(self, trainer: Trainer) -> None:
        scheduler, metrics = self._scheduler, trainer.state.metrics
        if isinstance(scheduler, ReduceLROnPlateau):
            name = self.monitor or ("val_loss" if "val_loss" in metrics else "train_loss")
            scheduler.step(trainer.state.history[name][-1])
        elif scheduler is not None:
            scheduler.step()

    def state_dict(self) -> dict[str, object]:
        """The scheduler's own state."""
        return {} if self._scheduler is None else dict(self._scheduler.state_dict())

    def load_state_dict(self, state: Mapping[str, object]) -> None:
        """Go on with a saved state once the run starts."""
        self._saved = state or None


def is_scheduler(value: object) -> bool:
    """Whether this is one of torch's schedulers, or a function from an optimizer to one: it takes one argument, not two."""
    if isinstance(value, LRScheduler) or (isinstance(value, type) and issubclass(value, LRScheduler)):
        return True
    if not callable(value):
        return False
    try:
        inspect.signature(value).bind(0, 0)
    except (TypeError, ValueError):
        return True
    # A partial of a scheduler's class takes more than the optimizer by position.
    made = getattr(value, "func", None)
    return isinstance(made, type) and issubclass(made, LRScheduler)
