"""Ends training when the time is up, or when it is good enough."""

from __future__ import annotations

from mnistkit.callbacks.monitor import Mode, Monitor
from mnistkit.errors import ConfigError
from mnistkit.training import Callback, Trainer

__all__ = ["TargetReached", "TimeLimit"]


class TimeLimit(Callback):
    """Stops once ``fit`` has run for so long, the time before a resume included.

    Args:
        seconds: the limit.

    Raises:
        ConfigError: if it is not positive.
    """

    def __init__(self, seconds: float) -> None:
        if not seconds > 0:
            raise ConfigError(f"seconds is {seconds}, expected a positive number")
        self.seconds = seconds

    def on_step_end(self, trainer: Trainer) -> None:
        """Look at the clock; what one process sees, all do."""
        if trainer.world.any(trainer.seconds >= self.seconds):
            trainer.stop(f"the time limit of {self.seconds:g} s is over")


class TargetReached(Callback):
    """Stops after the first epoch with a figure at least as good as ``target``.

    Args:
        target: the figure to reach, such as 0.99.
        monitor: the figure to watch.
        mode: ``"min"``, ``"max"`` or ``"auto"``, which knows that less loss is better.
    """

    shapes_run = True

    def __init__(self, target: float, *, monitor: str = "val_accuracy", mode: Mode = "auto") -> None:
        self.target = target
        self._monitor = Monitor(monitor, mode)

    def on_fit_start(self, trainer: Trainer) -> None:
        """Look whether a resumed run is there already."""
        self._monitor.require_source(trainer, "TargetReached")
        if trainer.state.metrics:
            self._stop_if_there(trainer)

    def on_epoch_end(self, trainer: Trainer) -> None:
        """Compare."""
        self._stop_if_there(trainer)

    def _stop_if_there(self, trainer: Trainer) -> None:
        value = self._monitor.read(trainer)
        if value == self.target or self._monitor.is_better(value, self.target):
            trainer.stop(f"{self._monitor.metric} reached {value:.4f}, the target was {self.target:g}")
