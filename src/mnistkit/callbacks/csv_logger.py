"""The history as a CSV file."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from pathlib import Path
from typing import cast

from mnistkit.checkpoint import write_atomically
from mnistkit.training import Callback, Trainer
from mnistkit.types import PathLike

__all__ = ["CSVLogger"]


class CSVLogger(Callback):
    """Writes one row for each epoch: its figures, and the seconds that it took.

    The file is replaced whole after each epoch, so a resumed run has each epoch once.

    Args:
        path: the file.
    """

    def __init__(self, path: PathLike) -> None:
        self.path = Path(path)
        self._seconds: list[float] = []
        self._before = 0.0

    def on_fit_start(self, trainer: Trainer) -> None:
        """Begin to count the time."""
        if trainer.state.step == 0:
            self._seconds = []
        self._before = sum(self._seconds)

    def on_epoch_end(self, trainer: Trainer) -> None:
        """Write the file."""
        self._seconds.append(trainer.seconds - self._before)
        self._before = trainer.seconds
        if not trainer.world.is_main:
            return
        history = trainer.state.history
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, [*history.columns, "seconds"], restval="")
        writer.writeheader()
        for row, seconds in zip(history, self._seconds, strict=True):
            writer.writerow({**row, "seconds": f"{seconds:.3f}"})
        write_atomically(self.path, text.getvalue().encode())

    def state_dict(self) -> dict[str, object]:
        """The seconds of each epoch."""
        return {"seconds": list(self._seconds)}

    def load_state_dict(self, state: Mapping[str, object]) -> None:
        """Go on counting."""
        self._seconds = list(cast("list[float]", state["seconds"]))
