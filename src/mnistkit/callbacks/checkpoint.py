"""Saves the best model and the state of the run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from mnistkit._core.files import make_folder, require_writable, telling, user_path
from mnistkit._core.locks import FolderLock
from mnistkit._core.text import printable
from mnistkit.callbacks.monitor import Mode, Monitor
from mnistkit.checkpoint import Saved, read_checkpoint
from mnistkit.errors import CheckpointError, ConfigError, MnistkitError
from mnistkit.training import Callback, History, Trainer
from mnistkit.training.saved_state import TrainingState
from mnistkit.types import PathLike

__all__ = ["Checkpoint"]


class Checkpoint(Callback):
    """Writes ``best.safetensors``, ``last.safetensors`` and, if asked to, one file every so many epochs.

    ``best`` is a model file, for :class:`mnistkit.Predictor`; the others are training files, for ``fit(resume=...)``
    too. ``last`` is written after each epoch, every ``every_steps`` steps, and when training stops early. Each file is
    replaced whole; a failed write (a full disk) raises and leaves the one before.

    A directory is for one run. While it trains, no other run may write there, in this or another process; afterwards only
    the same one, resumed, may. Whether it can be written is tried before the first epoch. A second ``fit`` of one trainer (the
    next of several tasks, say) is a run of its own, with a best figure of its own: set ``checkpoint.directory`` before it.

    Args:
        directory: where to; made if need be.
        monitor: the figure that decides which is best; ``None`` writes no ``best``.
        mode: ``"min"``, ``"max"`` or ``"auto"``, which knows that less loss is better.
        every_epochs: also keep ``epoch-000005.safetensors`` every so many epochs.
        every_steps: also write ``last`` every so many updates.
        keep: how many of the numbered files to keep, the newest; ``None`` for all.
        overwrite: whether a new run may replace the files of an earlier one.
        name: to tell several apart.

    Attributes:
        best: the best figure so far.
        directory: where the next ``fit`` writes.

    Raises:
        ConfigError: for numbers below 1; when training starts, if the directory is another run's.
        WriteError: when training starts, if files cannot be written there.
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
        overwrite: bool = False,
        name: str = "Checkpoint",
    ) -> None:
        for argument, value in (("every_epochs", every_epochs), ("every_steps", every_steps), ("keep", keep)):
            if value is not None and value < 1:
                raise ConfigError(f"{argument} is {value}, expected at least 1 or None")
        self.directory = directory
        self.every_epochs = every_epochs
        self.every_steps = every_steps
        self.keep = keep
        self.overwrite = overwrite
        self.name = name
        self._monitor = None if monitor is None else Monitor(monitor, mode)
        self.best = 0.0 if self._monitor is None else self._monitor.worst
        self._lock: FolderLock | None = None

    @property
    def directory(self) -> Path:
        """Where the files are, or will be."""
        return self._directory

    @directory.setter
    def directory(self, directory: PathLike) -> None:
        self._directory = user_path(directory)

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
        refusal = self._take_directory(trainer) if trainer.world.is_main else None
        if trainer.world.any(refusal is not None):
            # On every rank: those that went on would wait for rank 0 for ever.
            raise refusal or ConfigError(f"rank 0 cannot write into {self.directory}; its own error says why")

    def _take_directory(self, trainer: Trainer) -> MnistkitError | None:
        """Keep the directory for this run, or say why it cannot be had."""
        beside = [
            callback
            for callback in trainer.callbacks
            if isinstance(callback, Checkpoint) and callback.directory.absolute() == self.directory.absolute()
        ]
        if sum(callback._monitor is not None for callback in beside) > 1:
            return ConfigError(
                f"{len(beside)} Checkpoints of this run would write one {self.best_path}; give each its own directory, or "
                "all but one monitor=None"
            )
        try:
            # The first of those that share a directory keeps it for all.
            if beside[:1] in ([], [self]):
                with telling(self.directory):
                    self._lock = FolderLock(make_folder(self.directory))
                self._refuse_another_run(trainer)
            for path in [self.last_path] if self._monitor is None else [self.last_path, self.best_path]:
                require_writable(path)
        except MnistkitError as refusal:
            self.on_fit_end(trainer)
            return refusal
        return None

    def _refuse_another_run(self, trainer: Trainer) -> None:
        earlier = [path for path in (self.last_path, self.best_path, *self._numbered().values()) if path.exists()]
        if earlier and not self.overwrite and not self._is_of_this_run(trainer):
            raise ConfigError(
                f"{printable(self.directory)} holds a run already ({earlier[0].name}); go on with it by "
                "fit(..., resume=...), give another directory (for a second fit() of one Trainer, which is another run, "
                "checkpoint.directory = ...), or replace it with Checkpoint(..., overwrite=True)"
            )

    def _is_of_this_run(self, trainer: Trainer) -> bool:
        """Whether the run that is resumed, from here or elsewhere, is the one that wrote the training files here."""
        kept = next((path for path in (self.last_path, *self._numbered().values()) if path.exists()), None)
        if kept is None or trainer.state.step == 0:
            return False
        try:
            saved = TrainingState.from_file(read_checkpoint(kept).training or {})
        except CheckpointError:  # whatever it is, this run did not write it whole
            return False
        return History(saved.history).agrees_with(trainer.state.history)

    def on_fit_end(self, trainer: Trainer) -> None:  # noqa: ARG002  (a hook's signature)
        """Leave the directory to the next run."""
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def on_checkpoint(self, trainer: Trainer) -> None:
        """Save."""
        try:
            if self._monitor is not None and trainer.state.batch == 0:
                self._save_best(trainer, self._monitor)
        finally:
            # A monitor with a wrong name is not to cost the epoch that was trained.
            self._save_state(trainer)

    def _save_best(self, trainer: Trainer, monitor: Monitor) -> None:
        value = monitor.read(trainer)
        if monitor.is_better(value, self.best):
            self.best = value
            if trainer.world.is_main:
                trainer.save_model(self.best_path)

    def _save_state(self, trainer: Trainer) -> None:
        state = trainer.state
        epoch_ended = state.batch == 0
        numbered = epoch_ended and self.every_epochs is not None and state.epoch % self.every_epochs == 0
        if numbered:
            trainer.save_checkpoint(self.directory / f"epoch-{state.epoch:06d}.safetensors")
            if trainer.world.is_main:
                self._prune(state.epoch)
        by_step = self.every_steps is not None and state.step % self.every_steps == 0
        if epoch_ended or by_step or state.is_stopping():
            trainer.save_checkpoint(self.last_path)

    def _numbered(self) -> dict[int, Path]:
        """The numbered files that are there, whoever wrote them."""
        found = {file.stem.removeprefix("epoch-"): file for file in self.directory.glob("epoch-*.safetensors")}
        return {int(number): file for number, file in found.items() if number.isdecimal()}

    def _prune(self, epoch: int) -> None:
        if self.keep is not None:
            # By number, so that epoch 1000000 comes after epoch 999999; a longer run before this one may have left more.
            files = self._numbered()
            for number in sorted(number for number in files if number <= epoch)[: -self.keep]:
                files[number].unlink(missing_ok=True)

    def state_dict(self) -> dict[str, object]:
        """The best figure so far, by its name."""
        return {"best": {} if self._monitor is None else {self._monitor.metric: self.best}}

    def load_state_dict(self, state: Mapping[str, object]) -> None:
        """Go on from the best figure so far; of another figure than was watched before there is none yet."""
        if self._monitor is not None:
            self.best = Saved(state, self.name).numbers("best").get(self._monitor.metric, self._monitor.worst)
