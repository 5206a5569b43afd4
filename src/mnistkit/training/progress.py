"""Progress of training: a bar in a terminal, one line below a notebook's cell, plain lines in a log or a pipe."""

from __future__ import annotations

from typing import TYPE_CHECKING, TextIO

from tqdm import tqdm

from mnistkit._core.progress import progress_stream, write_line
from mnistkit.errors import ConfigError
from mnistkit.metrics import Evaluation, Sums
from mnistkit.training.callback import Callback
from mnistkit.training.state import figure_text

if TYPE_CHECKING:
    from mnistkit.training.trainer import Trainer

__all__ = ["ProgressBar"]


class ProgressBar(Callback):
    """Shows each epoch's progress, and leaves a line with its figures.

    Args:
        every: also write a line every so many steps, with the mean loss and the accuracy of those steps.
        bar: whether to draw a bar; by default in a terminal or below a notebook's cell only.
        file: where to; by default standard error, and in a notebook one line, which takes the place of the one before it.

    Raises:
        ConfigError: if ``every`` is less than 1.
    """

    def __init__(self, *, every: int | None = None, bar: bool | None = None, file: TextIO | None = None) -> None:
        if every is not None and every < 1:
            raise ConfigError(f"every is {every}, expected at least 1")
        self.every = every
        self._wanted = bar
        self._file = file
        self._stream: TextIO | None = None
        self._bar: tqdm[None] | None = None
        self._seconds = 0.0
        self._seen: Sums = {}

    def on_fit_start(self, trainer: Trainer) -> None:
        """Begin to count the time."""
        self._stream = self._file or progress_stream()
        self._seconds = trainer.seconds
        self._seen = trainer.state.sums.state_dict()
        if trainer.precision.reason is not None:
            self._write(trainer, f"precision 'auto' is {trainer.precision.name!r}: {trainer.precision.reason}")
        self._open(trainer)

    def on_epoch_start(self, trainer: Trainer) -> None:
        """Draw a new bar."""
        self._seen = {}
        self._open(trainer)

    def on_step_end(self, trainer: Trainer) -> None:
        """Move the bar; write the line of so many steps."""
        # Reading the loss waits for the device, so only when the bar is drawn again anyway.
        if self._bar is not None and self._bar.update():
            self._bar.set_postfix_str(_figures(trainer.state.sums.compute()), refresh=False)
        if self.every is not None and trainer.state.step % self.every == 0:
            state = trainer.state
            recent = state.sums.since(self._seen).compute()
            self._seen = state.sums.state_dict()
            self._write(trainer, f"epoch {state.epoch + 1} step {state.step}  {_figures(recent)}")

    def on_epoch_end(self, trainer: Trainer) -> None:
        """Write the epoch's line."""
        state, now = trainer.state, trainer.seconds
        parts = [f"epoch {state.epoch}/{state.epochs}"]
        parts += [_figure(name, value) for name, value in state.metrics.items() if name not in {"epoch", "step", "lr"}]
        self._close()
        self._write(trainer, "  ".join([*parts, f"{now - self._seconds:.1f} s"]))
        self._seconds = now

    def on_fit_end(self, trainer: Trainer) -> None:
        """Clear the bar; say why training ended early."""
        self._close()
        if trainer.state.stop_reason is not None:
            self._write(trainer, f"stopped after {trainer.state.step} steps: {trainer.state.stop_reason}")
        self._stream = None

    def _open(self, trainer: Trainer) -> None:
        self._close()
        state, stream = trainer.state, self._stream
        if stream is None:
            return
        wanted = self._wanted if self._wanted is not None else stream.isatty()
        if wanted and trainer.world.is_main and state.epoch < state.epochs:
            self._bar = tqdm(
                total=state.steps_in_epoch,
                initial=state.step - state.epoch * state.steps_per_epoch,
                desc=f"epoch {state.epoch + 1}/{state.epochs}",
                unit="step",
                leave=False,
                file=stream,
                dynamic_ncols=True,
            )

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def _write(self, trainer: Trainer, line: str) -> None:
        if trainer.world.is_main and self._stream is not None:
            write_line(line, self._stream)


def _figures(result: Evaluation) -> str:
    accuracy = [] if result.score is None else [_figure("accuracy", result.accuracy)]
    others = [_figure(name, value) for name, value in result.metrics.items()]
    return "  ".join([_figure("loss", result.loss), *accuracy, *others])


def _figure(name: str, value: float) -> str:
    return f"{name} {figure_text(name, value)}"
