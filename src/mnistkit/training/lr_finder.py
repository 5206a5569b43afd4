"""The learning-rate finder: a short run with ever larger steps, on a copy."""

from __future__ import annotations

import contextlib
import copy
import math
from dataclasses import asdict, dataclass

import torch

from mnistkit.distributed import World
from mnistkit.errors import ConfigError, NonFiniteLossError
from mnistkit.metrics import Sums
from mnistkit.models.network import computed_weights
from mnistkit.training.callback import Callback
from mnistkit.training.loading import Data
from mnistkit.training.trainer import Trainer
from mnistkit.types import JsonValue

__all__ = ["LearningRateSweep", "find_learning_rate"]

# The sweep ends where the smoothed loss is above its smallest value by this many times that.
_EXPLOSION = 3.0
# The width of the smoothing, as a part of the sweep.
_WIDTH = 0.025


@dataclass(frozen=True)
class LearningRateSweep:
    """Losses against learning rates.

    Attributes:
        rates: the learning rate of each step, rising.
        losses: the loss of each step's batches, before the update.
        smoothed: their mean over neighbouring steps, weighted as a bell; it lags behind no more than it runs ahead.
        suggestion: where the smoothed loss falls most steeply over the logarithm of the rate, before its minimum.
    """

    rates: tuple[float, ...]
    losses: tuple[float, ...]
    smoothed: tuple[float, ...]
    suggestion: float

    def to_json(self) -> dict[str, JsonValue]:
        """As JSON can hold it."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}


def find_learning_rate(
    trainer: Trainer, train: Data, *, start: float = 1e-6, end: float = 1.0, steps: int = 100
) -> LearningRateSweep:
    """Train a copy with a learning rate that grows from step to step (Smith 2017, section 3.3, here exponentially).

    The steps are the trainer's own: its loss, optimizer, precision, accumulation and overridden methods. Everything that
    it holds is copied first, and its callbacks are left out: model and trainer are as if nothing had happened. The sweep
    ends early when the loss explodes.

    Args:
        trainer: whose model, optimizer and steps to use; the model as it is now, trained or not.
        train: what ``fit`` would be given.
        start: the first learning rate.
        end: the last one.
        steps: from the first to the last.

    Raises:
        ConfigError: unless ``0 < start < end`` and there are at least 10 steps; with several processes; if the optimizer
            updates the model itself and not the copy; if the loss explodes within 10 steps.
        SplitLeakError: if test images are among the data.
        DataError: for data that is empty or does not fit the model.

    >>> train, _, _ = load_mnist()
    >>> trainer = Trainer(create_model("softmax_regression"), progress=False)
    >>> sweep = find_learning_rate(trainer, train[:2000], steps=40)
    >>> sweep.rates[0] < sweep.suggestion < sweep.rates[-1]
    True
    """
    if not (0 < start < end < math.inf and steps >= 10):
        raise ConfigError(
            f"start is {start}, end {end}, steps {steps}; expected 0 < start < end, and at least 10 steps"
        )
    if World.current().size > 1:
        raise ConfigError("the learning-rate finder runs in one process; start it without torchrun")
    recorder = _Recorder(steps)
    # Data is read only, and callbacks would log, stop or save a run that is none.
    shared: dict[int, object] = {id(data): data for data in (trainer.train_data, trainer.validation_data)}
    shared[id(trainer.callbacks)] = [recorder]
    shared |= computed_weights(trainer.model)
    probe = copy.deepcopy(trainer, shared)
    # On the instance, before any method of a subclass; type checkers refuse to see a method assigned.
    setattr(probe, "learning_rate", lambda step, _: start * (end / start) ** (step / (steps - 1)))  # noqa: B010
    # Many sweeps end with a NaN loss.
    with contextlib.suppress(NonFiniteLossError):
        probe.fit(train, steps=steps)
    return recorder.sweep()


class _Recorder(Callback):
    """Notes each step's learning rate and loss; ends the run after the last step, or when the loss explodes."""

    def __init__(self, steps: int) -> None:
        self._steps = steps
        self._seen: Sums = {}
        self._rates: list[float] = []
        self._losses: list[float] = []
        self._smoothed: list[float] = []

    def on_epoch_start(self, trainer: Trainer) -> None:  # noqa: ARG002  (a hook's signature)
        self._seen = {}

    def on_step_end(self, trainer: Trainer) -> None:
        sums = trainer.state.sums
        loss = sums.since(self._seen).compute().loss
        self._seen = sums.state_dict()
        # On a GPU the loop itself looks only now and then.
        if not math.isfinite(loss):
            trainer.stop("the loss exploded")
            return
        self._rates.append(trainer.state.lr)
        self._losses.append(loss)
        self._smoothed = _smooth(self._losses, _WIDTH * self._steps)
        lowest = min(self._smoothed)
        if trainer.state.step == self._steps or self._smoothed[-1] - lowest > _EXPLOSION * abs(lowest):
            trainer.stop("the sweep is complete")

    def sweep(self) -> LearningRateSweep:
        if len(self._losses) < 10:
            raise ConfigError(f"the loss exploded within {len(self._losses)} steps; begin with a smaller start=")
        return LearningRateSweep(
            tuple(self._rates), tuple(self._losses), tuple(self._smoothed), _steepest(self._rates, self._smoothed)
        )


def _smooth(losses: list[float], width: float) -> list[float]:
    values = torch.tensor(losses, dtype=torch.float64)
    places = torch.arange(len(losses), dtype=torch.float64)
    weights = torch.exp(-0.5 * ((places[:, None] - places) / width) ** 2)
    smoothed: list[float] = (weights @ values / weights.sum(1)).tolist()
    return smoothed


def _steepest(rates: list[float], smoothed: list[float]) -> float:
    lowest = max(2, min(range(len(smoothed)), key=smoothed.__getitem__))
    slopes = [
        (smoothed[i + 1] - smoothed[i - 1]) / math.log(rates[i + 1] / rates[i - 1])
        for i in range(1, min(lowest + 1, len(rates) - 1))
    ]
    return rates[1 + min(range(len(slopes)), key=slopes.__getitem__)]
