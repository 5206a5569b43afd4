"""The history as a CSV file."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping

from mnistkit._core.files import require_writable, user_path, write_atomically
from mnistkit.checkpoint import Saved
from mnistkit.training import Callback, Trainer
from mnistkit.types import PathLike

__all__ = ["CSVLogger"]


class CSVLogger(Callback):
    """Writes one row for each epoch: its figures, and the seconds that it took.

    The file is replaced whole after each epoch, so a resumed run has each epoch once.

    Args:
        path: the file.

    Raises:
        WriteError: when training starts, if it cannot be written, and later if a write fails.
    """

    def __init__(self, path: PathLike) -> None:
        self.path = user_path(path)
        self._seconds: dict[int, float] = {}
        self._before = 0.0

    def on_fit_start(self, trainer: Trainer) -> None:
        """Begin to count the time, if the file can be written."""
        if trainer.world.is_main:
            require_writable(self.path)
        if trainer.state.step == 0:
            self._seconds = {}
        # A logger that joins a resumed run does not know how long the epochs before it took.
        complete = len(self._seconds) == trainer.state.epoch
        self._before = sum(self._seconds.values()) if complete else trainer.seconds

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
