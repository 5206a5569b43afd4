"""Torch's own learning-rate schedulers in a run."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Literal, TypeAlias

import torch
from torch.optim.lr_scheduler import CyclicLR, LRScheduler, OneCycleLR, ReduceLROnPlateau

from mnistkit.errors import ConfigError, unknown_name
from mnistkit.training.callback import Callback

if TYPE_CHECKING:
    from mnistkit.training.trainer import Trainer

__all__ = ["SchedulerFactory", "TorchScheduler", "is_scheduler"]

#: From the optimizer to a scheduler: ``functools.partial(torch.optim.lr_scheduler.StepLR, step_size=5)``.
SchedulerFactory: TypeAlias = Callable[[torch.optim.Optimizer], LRScheduler]


class TorchScheduler(Callback):
    """Steps one of torch's own schedulers, and saves its state; ``Trainer(lr=scheduler)`` adds one of these.

    Args:
        scheduler: one of the trainer's optimizer, or a function from the optimizer to one. ``functools.partial(OneCycleLR,
            max_lr=0.1)`` is told the run's ``total_steps``.
        optimizer: the name of the optimizer, where there are several: ``callbacks`` has one of these for each.
        each: when to step it; by default after each update for ``OneCycleLR`` and ``CyclicLR``, after each epoch for the
            others, as their documentation says.
        monitor: the figure that ``ReduceLROnPlateau`` watches; by default ``val_loss``, or ``train_loss`` where nothing is
            validated.

    Raises:
        ConfigError: for a class that was not made; when training starts, for an unknown optimizer, without a name where there
            are several, or if the scheduler is of another optimizer.
    """

    shapes_run = True

    def __init__(
        self,
        scheduler: LRScheduler | SchedulerFactory,
        *,
        optimizer: str | None = None,
        each: Literal["step", "epoch"] | None = None,
        monitor: str | None = None,
    ) -> None:
        if isinstance(scheduler, type):
            raise ConfigError(
                f"got the class {scheduler.__name__}: give its arguments, functools.partial({scheduler.__name__}, ...)"
            )
        self.optimizer = optimizer
        self.name = type(self).__name__ if optimizer is None else f"{type(self).__name__}.{optimizer}"
        self.each = each
        self.monitor = monitor
        self._scheduler = scheduler
        self._live: LRScheduler | None = None
        self._saved: Mapping[str, object] | None = None

    def on_fit_start(self, trainer: Trainer) -> None:
        """Make the scheduler, or go on with the saved state."""
        optimizer = self._optimizer_of(trainer)
        settings = [
            {name: value for name, value in group.items() if name != "params"} for group in optimizer.param_groups
        ]
        self._live = self._made(optimizer, trainer.state.total_steps)
        if self._live.optimizer is not optimizer:
            raise ConfigError(
                f"the {type(self._live).__name__} is of another optimizer than the trainer's; give a function instead, "
                "lr=lambda optimizer: StepLR(optimizer, step_size=5)"
            )
        if self._saved is not None:
            self._live.load_state_dict(dict(self._saved))
            self._saved = None
            # Making it set the first rate, and perhaps a momentum; those of the saved run were in the optimizer already.
            for group, saved in zip(optimizer.param_groups, settings, strict=True):
                group.update(saved)
        self._require_long_enough(trainer)

    def _require_long_enough(self, trainer: Trainer) -> None:
        if not isinstance(self._live, OneCycleLR):
            return
        needed = trainer.state.total_steps if self._each == "step" else trainer.state.epochs
        if self._live.total_steps < needed:
            raise ConfigError(
                f"the OneCycleLR is made for {self._live.total_steps} steps, and the run has {needed}. Leave its length out, "
                "lr=functools.partial(OneCycleLR, max_lr=0.1), and it is that of the run; a run that is resumed cannot be made "
                "longer, because its rate would have been another from the start"
            )

    def _optimizer_of(self, trainer: Trainer) -> torch.optim.Optimizer:
        if self.optimizer is None and len(trainer.optimizers) == 1:
            return trainer.optimizer
        if self.optimizer is None:
            raise ConfigError(
                f"a scheduler is of one optimizer, this run has {', '.join(trainer.optimizers)}; give lr= a schedule for each, "
                f"or callbacks= a TorchScheduler(..., optimizer={next(iter(trainer.optimizers))!r}) for each"
            )
        if self.optimizer not in trainer.optimizers:
            raise ConfigError(unknown_name("optimizer", self.optimizer, trainer.optimizers))
        return trainer.optimizers[self.optimizer]

    def _made(self, optimizer: torch.optim.Optimizer, steps: int) -> LRScheduler:
        given = self._scheduler
        if isinstance(given, LRScheduler):
            return given
        if isinstance(given, functools.partial) and given.func is OneCycleLR:
            known = {"total_steps", "epochs"} & given.keywords.keys()
            given = given if known else functools.partial(given, total_steps=steps)
        return given(optimizer)

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
        return self.each or ("step" if isinstance(self._live, OneCycleLR | CyclicLR) else "epoch")

    def _step(self, trainer: Trainer) -> None:
        scheduler, metrics = self._live, trainer.state.metrics
        if isinstance(scheduler, ReduceLROnPlateau):
            name = self.monitor or ("val_loss" if "val_loss" in metrics else "train_loss")
            scheduler.step(trainer.state.history[name][-1])
        elif scheduler is not None:
            scheduler.step()

    def state_dict(self) -> dict[str, object]:
        """The scheduler's own state."""
        return {} if self._live is None else dict(self._live.state_dict())

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
