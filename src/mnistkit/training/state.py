"""Where a run stands: the counters, the metrics of the epoch under way, the history."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from mnistkit._core import html
from mnistkit._core.json import plain
from mnistkit.errors import ConfigError, DataError, unknown_name
from mnistkit.metrics import Evaluation, MetricSums
from mnistkit.types import JsonValue, PathLike

__all__ = ["History", "TrainState", "count_steps", "figure_text"]


def figure_text(name: str, value: float) -> str:
    """A figure of a run as text.

    >>> figure_text("val_accuracy", 0.98765), figure_text("val_loss", 0.0434), figure_text("lr", 0.001), figure_text("step", 859)
    ('98.77%', '0.0434', '0.001', '859')
    """
    if name.endswith("accuracy"):
        return f"{value:.2%}"
    return f"{value:g}" if name in {"epoch", "step", "lr"} else f"{value:.4f}"


class History:
    """One row of figures for each epoch; a column by name, a row by number.

    Rows hold what the same command would give again (no clock times): ``epoch``, ``step``, ``lr``, ``train_loss``,
    ``train_accuracy``, ``val_loss``, ``val_accuracy`` and a step's further metrics.

    >>> history = History([{"epoch": 1, "val_accuracy": 0.97}, {"epoch": 2, "val_accuracy": 0.98}])
    >>> history["val_accuracy"], history.last["epoch"]
    ([0.97, 0.98], 2)
    """

    def __init__(self, rows: list[dict[str, float]] | None = None) -> None:
        self.rows: list[dict[str, float]] = rows or []

    @classmethod
    def from_csv(cls, path: PathLike) -> History:
        """Read what :class:`mnistkit.CSVLogger` wrote, without the seconds: the run's history again.

        Raises:
            DataError: if the file is no table of numbers under a line of names.
            OSError: if it cannot be read.
        """
        with Path(path).open(newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file)
            try:
                rows = [
                    {name: float(value) for name, value in row.items() if value != "" and name != "seconds"}
                    for row in reader
                ]
            except (TypeError, ValueError) as error:
                raise DataError(
                    f"{path}, line {reader.line_num}: {error}; expected the file of a CSVLogger, a line of names and then "
                    "a number, or nothing, under each"
                ) from error
        return cls(rows)

    def agrees_with(self, other: History) -> bool:
        """Whether both can be of one run: in each epoch that both have, steps and training loss are the same."""
        figures = ("step", "train_loss")
        return all(
            [mine.get(name) for name in figures] == [theirs.get(name) for name in figures]
            for mine, theirs in zip(self.rows, other.rows, strict=False)
        )

    @property
    def last(self) -> dict[str, float]:
        """The newest row; empty before the first epoch ends."""
        return self.rows[-1] if self.rows else {}

    @property
    def columns(self) -> list[str]:
        """Every name that occurs in a row, in the order of appearance."""
        return list(dict.fromkeys(name for row in self.rows for name in row))

    def __getitem__(self, name: str) -> list[float]:
        """A column.

        Raises:
            ConfigError: for a name that is in no row, with the likeliest meant one.
        """
        if name not in self.columns:
            raise ConfigError(unknown_name("metric", name, self.columns))
        return [row[name] for row in self.rows if name in row]

    def to_json(self) -> dict[str, JsonValue]:
        """As JSON can hold it: a row for each epoch; NaN is ``None``."""
        return {"epochs": plain(self.rows)}

    def _repr_html_(self) -> str:
        rows = [[figure_text(name, row[name]) if name in row else "" for name in self.columns] for row in self.rows]
        return html.panel(f"{len(self):,} epochs", html.table(self.columns, rows))

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[dict[str, float]]:
        return iter(self.rows)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, History) and self.rows == other.rows

    __hash__ = None  # type: ignore[assignment]  # it changes

    def __repr__(self) -> str:
        return f"History({self.rows!r})"


@dataclass
class TrainState:
    """The counters of a run; each counts what is finished. Those of a run that has not begun are the defaults.

    Attributes:
        total_steps: optimizer updates in the whole run.
        steps_per_epoch: optimizer updates in each epoch; the last may have fewer.
        epoch: epochs finished.
        step: optimizer updates done, over all epochs.
        batch: batches seen in the epoch under way.
        sums: the training metrics of the epoch under way.
        train: the training metrics of the last finished epoch.
        validation: the last validation of an epoch.
        lr: the learning rate of the last update, of the first parameter group.
        history: the figures of all finished epochs.
        seconds_before: how long ``fit`` ran before a resume; see ``Trainer.seconds``.
        stop_reason: why training is to end early; ``None`` unless it is.
    """

    total_steps: int = 0
    steps_per_epoch: int = 1
    sums: MetricSums = field(default_factory=MetricSums)
    epoch: int = 0
    step: int = 0
    batch: int = 0
    train: Evaluation | None = None
    validation: Evaluation | None = None
    lr: float = 0.0
    history: History = field(default_factory=History)
    seconds_before: float = 0.0
    stop_reason: str | None = None

    @property
    def epochs(self) -> int:
        """How many epochs the run is to have, the last perhaps only a part of one."""
        return math.ceil(self.total_steps / self.steps_per_epoch)

    @property
    def steps_in_epoch(self) -> int:
        """Optimizer updates in the epoch under way, which may be the last and only a part."""
        return min(self.steps_per_epoch, self.total_steps - self.epoch * self.steps_per_epoch)

    def is_stopping(self) -> bool:
        """Whether training is to end early."""
        return self.stop_reason is not None

    @property
    def metrics(self) -> dict[str, float]:
        """The newest figures by name."""
        return self.history.last


def count_steps(epochs: float | None, steps: int | None, in_epoch: int) -> int:
    """The updates of a run, asked for as epochs (10 unless given) or as a number.

    Raises:
        ConfigError: for both at once, or a number that is not positive.
    """
    if steps is None:
        epochs = 10 if epochs is None else epochs
        if not 0 < epochs < math.inf:
            raise ConfigError(f"epochs is {epochs}, expected a positive number")
        return max(1, round(epochs * in_epoch))
    if epochs is not None:
        raise ConfigError(f"got epochs={epochs} and steps={steps}; give one of them")
    if steps < 1:
        raise ConfigError(f"steps is {steps}, expected at least 1")
    return steps
