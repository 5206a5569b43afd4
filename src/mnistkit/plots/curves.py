"""Figures over time: curves of one run or several, and the learning-rate finder's sweep."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

from mnistkit._core.style import DASHES, AxesGrid, Theme, dress, look_of, one_axes, several_axes
from mnistkit.errors import ConfigError, DataError, unknown_name
from mnistkit.training import History, LearningRateSweep
from mnistkit.types import PathLike

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["Measure", "Runs", "learning_rate_sweep", "training_curves"]

Measure: TypeAlias = Literal["loss", "accuracy", "error"]
#: One run, or several by name: a history, or the file of a :class:`mnistkit.CSVLogger`.
Runs: TypeAlias = "History | PathLike | Mapping[str, History | PathLike]"

_PARTS = {"train": "training", "val": "validation"}


def training_curves(
    runs: Runs,
    *,
    measures: Sequence[Measure] = ("loss", "accuracy"),
    axes: AxesGrid | None = None,
    theme: Theme = "light",
) -> Figure:
    """Loss, accuracy and error rate over the epochs, or over the steps if a history has no epochs.

    Validation is a full line, training a dashed one. Several runs differ in colour and marker; the first panel says which.

    Args:
        runs: a history or a CSVLogger's file; several by name.
        measures: a panel for each: ``"loss"``, ``"accuracy"``, ``"error"`` (1 - accuracy).
        axes: where to draw, one for each measure; by default a new figure.
        theme: ``"light"`` or ``"dark"``.

    Raises:
        ConfigError: for an unknown measure or theme, too few axes, or a measure that no run has.
        DataError: for a run without rows, or a file that is not a CSVLogger's.

    >>> from mnistkit.training import History
    >>> history = History([{"epoch": 1, "val_accuracy": 0.97}, {"epoch": 2, "val_accuracy": 0.98}])
    >>> training_curves({"LeNet-5": history}, measures=["error"]).axes[0].get_ylabel()
    'error rate (%)'
    """
    for measure in measures:
        if measure not in get_args(Measure):
            raise ConfigError(unknown_name("measure", measure, get_args(Measure)))
    histories = _histories(runs)
    columns = min(2, len(measures))
    size = (4.4 if columns == 1 else 6.4, 2.8 * -(-len(measures) // 2))
    figure, panels = several_axes(axes, len(measures), columns, size, theme)
    for measure, ax in zip(measures, panels, strict=True):
        _draw_measure(ax, histories, measure, theme)
    panels[0].legend(fontsize=9)
    for ax in panels:
        dress(ax, theme, grid="both")
    return figure


def _histories(runs: Runs) -> dict[str, History]:
    named = runs if isinstance(runs, Mapping) else {"": runs}
    histories = {}
    for name, run in named.items():
        history = run if isinstance(run, History) else History.from_csv(run)
        if not len(history):
            source = "the history" if isinstance(run, History) else str(Path(run))
            raise DataError(f"{source} has no rows: train at least one epoch")
        histories[name] = history
    if not histories:
        raise DataError("there are no runs to draw")
    return histories


def _draw_measure(ax: Axes, histories: Mapping[str, History], measure: str, theme: str) -> None:
    from matplotlib.ticker import MaxNLocator

    look = look_of(theme)
    column = "accuracy" if measure == "error" else measure
    drawn = False
    over = "epoch" if all("epoch" in history.columns for history in histories.values()) else "step"
    for number, (name, history) in enumerate(histories.items()):
        colour, marker = look.lines[number % len(look.lines)], "osD^vP"[number % 6]
        for part, title in _PARTS.items():
            points = [
                (row[over], row[f"{part}_{column}"]) for row in history if f"{part}_{column}" in row and over in row
            ]
            if not points:
                continue
            x, y = zip(*points, strict=True)
            shown = [_percent(value, measure) for value in y]
            drawn = True
            ax.plot(
                x,
                shown,
                color=colour,
                linestyle="-" if part == "val" else DASHES[1],
                linewidth=2.0 if part == "val" else 1.4,
                marker=marker if len(points) <= 40 else None,
                markersize=4,
                label=f"{name}, {title}" if name else title,
            )
    if not drawn:
        have = ", ".join(sorted({name for history in histories.values() for name in history.columns}))
        raise ConfigError(f"no run has {measure}: expected train_{column} or val_{column}; there is {have}")
    ax.set_xlabel(over)
    ax.set_ylabel({"loss": "loss", "accuracy": "accuracy (%)", "error": "error rate (%)"}[measure])
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))


def _percent(value: float, measure: str) -> float:
    if measure == "loss":
        return value
    return 100 * (1 - value if measure == "error" else value)


def learning_rate_sweep(sweep: LearningRateSweep, *, ax: Axes | None = None, theme: Theme = "light") -> Figure:
    """Loss against learning rate, with the rate at which it falls most steeply.

    Args:
        sweep: of :func:`mnistkit.training.find_learning_rate`.
        ax: where to draw; by default a new figure.
        theme: ``"light"`` or ``"dark"``.

    Raises:
        ConfigError: for an unknown theme.
    """
    look = look_of(theme)
    figure, ax = one_axes(ax, (4.6, 3.0), theme)
    ax.plot(sweep.rates, sweep.losses, color=look.faint, linewidth=0.9, alpha=0.8, label="each step")
    ax.plot(sweep.rates, sweep.smoothed, color=look.lines[0], linewidth=2.2, label="smoothed")
    ax.axvline(
        sweep.suggestion,
        color=look.lines[1],
        linewidth=1.6,
        linestyle=DASHES[1],
        label=f"steepest at {sweep.suggestion:.1e}",
    )
    low, high = min(sweep.losses), sweep.smoothed[0]
    ax.set(xscale="log", xlabel="learning rate", ylabel="loss")
    # The explosion at the end would flatten everything before it.
    ax.set_ylim(low - 0.05 * abs(high - low), high + 0.6 * abs(high - low))
    ax.legend(fontsize=9, loc="lower left")
    dress(ax, theme, grid="both")
    return figure
