"""Ends training when it no longer helps, and goes back to the best weights."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from mnistkit.callbacks.monitor import Mode, Monitor
from mnistkit.checkpoint import Saved, require_fitting
from mnistkit.errors import ConfigError
from mnistkit.training import Callback, Trainer

__all__ = ["EarlyStopping"]


class EarlyStopping(Callback):
    """Stops after ``patience`` epochs without an improvement.

    Args:
        patience: epochs to wait for one.
        monitor: the figure to watch.
        mode: ``"min"``, ``"max"`` or ``"auto"``, which knows that less loss is better.
        min_delta: how much better counts as an improvement.
        restore_best: leave the model with its best weights when ``fit`` ends, however it ends.

    Attributes:
        best: the best figure so far.
        best_epoch: the epoch that reached it.

    Raises:
        ConfigError: if ``patience`` is less than 1 or ``min_delta`` negative.
    """

    shapes_run = True

    def __init__(
        self,
        patience: int = 3,
        *,
        monitor: str = "val_accuracy",
        mode: Mode = "auto",
        min_delta: float = 0.0,
        restore_best: bool = True,
    ) -> None:
        if patience < 1 or min_delta < 0:
            raise ConfigError(f"patience is {patience} (at least 1), min_delta is {min_delta} (at least 0)")
        self.patience = patience
        self.min_delta = min_delta
        self.restore_best = restore_best
        self._monitor = Monitor(monitor, mode)
        self._reset()

    def _reset(self) -> None:
        self.best = self._monitor.worst
        self.best_epoch = 0
        self._epoch = 0
        self._weights: dict[str, Tensor] | None = None

    def on_fit_start(self, trainer: Trainer) -> None:
        """Begin to wait, or go on waiting."""
        self._monitor.require_source(trainer, "EarlyStopping")
        if trainer.state.step == 0:
            self._reset()
        if self._weights is not None:
            require_fitting(trainer.inference_model, self._weights)
        self._stop_if_due(trainer)

    def on_epoch_end(self, trainer: Trainer) -> None:
        """Compare."""
        self._epoch = trainer.state.epoch
        value = self._monitor.read(trainer)
        if self._monitor.is_better(value, self.best, self.min_delta):
            self.best, self.best_epoch = value, self._epoch
            if self.restore_best:
                self._weights = {k: v.detach().cpu().clone() for k, v in trainer.inference_model.state_dict().items()}
        self._stop_if_due(trainer)

    def on_fit_end(self, trainer: Trainer) -> None:
        """Put the best weights back."""
        if self._weights is not None:
            trainer.model.load_state_dict(self._weights)
            trainer.inference_model = trainer.model

    def _stop_if_due(self, trainer: Trainer) -> None:
        if self._epoch - self.best_epoch >= self.patience:
            trainer.stop(
                f"{self._monitor.metric} did not improve for {self.patience} epochs; best {self.best:.4f} in epoch "
                f"{self.best_epoch}"
            )

    def state_dict(self) -> dict[str, object]:
        """The best figure and weights so far, and how long ago they were."""
        return {"best": self.best, "best_epoch": self.best_epoch, "epoch": self._epoch, "weights": self._weights}

    def load_state_dict(self, state: Mapping[str, object]) -> None:
        """Go on waiting."""
        saved = Saved(state, self.name)
        self.best, self.best_epoch, self._epoch = saved.number("best"), saved.whole("best_epoch"), saved.whole("epoch")
        self._weights = saved.tensors("weights")
