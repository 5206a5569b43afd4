"""Saves the best model and the state of the run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import cast

from mnistkit.callbacks.monitor import Mode, Monitor
from mnistkit.errors import ConfigError
from mnistkit.training import Callback, Trainer
from mnistkit.types import PathLike

__all__ = ["Checkpoint"]


class Checkpoint(Callback):
    """Writes ``best.safetensors``, ``last.safetensors`` and, if asked to, one file every so many epochs.

    ``best`` is a model file, for :class:`mnistkit.Predictor`; the others are training files, for ``fit(resume=...)``
    too. ``last`` is written after each epoch, every ``every_steps`` steps, and when training stops early. Each file is
    replaced whole; a failed write (a full disk) raises and leaves the one before.

    Args:
        directory: where to; made if need be.
        monitor: the figure that decides which is best; ``None`` writes no ``best``.
        mode: ``"min"``, ``"max"`` or ``"auto"``, which knows that less loss is better.
        every_epochs: also keep ``epoch-000005.safetensors`` every so many epochs.
        every_steps: also write ``last`` every so many updates; with one process only.
        keep: how many of the numbered files to keep, the newest; ``None`` for all.
        name: to tell several apart.

    Attributes:
        best: the best figure so far.

    Raises:
        ConfigError: for numbers below 1.
    """

    def __init__(
        self,
        directory: PathLike,
        *,
        monitor: str | None = "val_accuracy",
        mode: Mode = "auto",
        every_epochs: int | None = None,
        every_steps: int | None = None,
        keep: int | None = None,
        name: str = "Checkpoint",
    ) -> None:
        for argument, value in (("every_epochs", every_epochs), ("every_steps", every_steps), ("keep", keep)):
            if value is not None and value < 1:
                raise ConfigError(f"{argument} is {value}, expected at least 1 or None")
        self.directory = Path(directory)
        self.every_epochs = every_epochs
        self.every_steps = every_steps
        self.keep = keep
        self.name = name
        self._monitor = None if monitor is None else Monitor(monitor, mode)
        self.best = 0.0 if self._monitor is None else self._monitor.worst

    @property
    def best_path(self) -> Path:
        """The best model."""
        return self.directory / "best.safetensors"

    @property
    def last_path(self) -> Path:
        """The state of the run."""
        return self.directory / "last.safetensors"

    def on_fit_start(self, trainer: Trainer) -> None:
        """Refuse what could never work, before the first epoch."""
        if self._monitor is not None:
            self._monitor.require_source(trainer, "Checkpoint")
            if trainer.state.step == 0:
                self.best = self._monitor.worst
        if self.every_steps is not None and trainer.world.size > 1:
            raise ConfigError("every_steps needs a single process: several resume between epochs; leave it out")

    def on_checkpoint(self, trainer: Trainer) -> None:
        """Save."""
        state = trainer.state
        epoch_ended = state.batch == 0
        if epoch_ended and self._monitor is not None:
            value = self._monitor.read(trainer)
            if self._monitor.is_better(value, self.best):
                self.best = value
                if trainer.world.is_main:
                    trainer.save_model(self.best_path)
        if not trainer.world.is_main:
            return
        numbered = epoch_ended and self.every_epochs is not None and state.epoch % self.every_epochs == 0
        if numbered:
            trainer.save_checkpoint(self.directory / f"epoch-{state.epoch:06d}.safetensors")
            self._prune(state.epoch)
        by_step = self.every_steps is not None and state.step % self.every_steps == 0
        # Several processes can only resume between epochs, so an unfinished one does not replace the last that ended.
        stopped = state.stop_reason is not None and trainer.world.size == 1
        if epoch_ended or by_step or stopped:
            trainer.save_checkpoint(self.last_path)

    def _prune(self, epoch: int) -> None:
        if self.keep is not None:
            # By number, so that epoch 1000000 comes after epoch 999999; a longer run before this one may have left more.
            found = {file.stem.removeprefix("epoch-"): file for file in self.directory.glob("epoch-*.safetensors")}
            files = {int(number): file for number, file in found.items() if number.isdecimal()}
            for number in sorted(number for number in files if number <= epoch)[: -self.keep]:
                files[number].unlink()

    def state_dict(self) -> dict[str, object]:
        """The best figure so far."""
        return {"best": self.best}

    def load_state_dict(self, state: Mapping[str, object]) -> None:
        """Go on from the best figure so far."""
        self.best = cast("float", state["best"])
