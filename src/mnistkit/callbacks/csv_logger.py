"""The history as a CSV file."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping

from mnistkit._core.files import require_writable, user_path, write_atomically
from mnistkit._core.text import printable
from mnistkit.checkpoint import Saved
from mnistkit.errors import ConfigError, DataError, MnistkitError
from mnistkit.training import Callback, History, Trainer
from mnistkit.types import PathLike

__all__ = ["CSVLogger"]


class CSVLogger(Callback):
    """Writes one row for each epoch: its figures, and the seconds that it took.

    The file is replaced whole after each epoch, so a resumed run has each epoch once.

    Args:
        path: the file.
        overwrite: whether a new run may replace the file of an earlier one.

    Raises:
        ConfigError: when training starts, if the file is there already and of another run.
        WriteError: when training starts, if it cannot be written, and later if a write fails.
    """

    def __init__(self, path: PathLike, *, overwrite: bool = False) -> None:
        self.path = user_path(path)
        self.overwrite = overwrite
        self._seconds: dict[int, float] = {}
        self._before = 0.0

    def on_fit_start(self, trainer: Trainer) -> None:
        """Begin to count the time, if the file can be written."""
        refusal = self._refusal(trainer) if trainer.world.is_main else None
        if trainer.world.any(refusal is not None):
            # On every rank: those that went on would wait for rank 0 for ever.
            raise refusal or ConfigError(f"rank 0 cannot write {printable(self.path)}; its own error says why")
        if trainer.state.step == 0:
            self._seconds = {}
        # A logger that joins a resumed run does not know how long the epochs before it took.
        complete = len(self._seconds) == trainer.state.epoch
        self._before = sum(self._seconds.values()) if complete else trainer.seconds

    def _refusal(self, trainer: Trainer) -> MnistkitError | None:
        try:
            require_writable(self.path)
        except MnistkitError as refusal:
            return refusal
        if self.overwrite or not self.path.exists() or not self.path.stat().st_size or self._is_of_this_run(trainer):
            return None
        return ConfigError(
            f"{printable(self.path)} is there already, and not of this run; give another file, or replace it with "
            "CSVLogger(..., overwrite=True)"
        )

    def _is_of_this_run(self, trainer: Trainer) -> bool:
        try:
            earlier = History.from_csv(self.path)
        except (DataError, OSError):  # a file of something else
            return False
        state = trainer.state
        return state.step > 0 and "train_loss" in earlier.columns and earlier.agrees_with(state.history)

    def on_epoch_end(self, trainer: Trainer) -> None:
        """Write the file."""
        self._seconds[trainer.state.epoch] = trainer.seconds - self._before
        self._before = trainer.seconds
        if not trainer.world.is_main:
            return
        history = trainer.state.history
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, [*history.columns, "seconds"], restval="")
        writer.writeheader()
        for epoch, row in enumerate(history, 1):
            seconds = {"seconds": f"{self._seconds[epoch]:.3f}"} if epoch in self._seconds else {}
            writer.writerow(row | seconds)
        write_atomically(self.path, text.getvalue().encode())

    def state_dict(self) -> dict[str, object]:
        """The seconds of each epoch."""
        return {"seconds": dict(self._seconds)}

    def load_state_dict(self, state: Mapping[str, object]) -> None:
        """Go on counting."""
        self._seconds = Saved(state, self.name).numbered("seconds")
