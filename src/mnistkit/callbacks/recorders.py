"""What happens between the epochs: kernels as they form, figures every so many steps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from torch import Tensor

from mnistkit.checkpoint import Saved
from mnistkit.errors import ConfigError, unknown_name
from mnistkit.metrics import Sums
from mnistkit.training import Callback, History, Trainer

__all__ = ["KernelRecorder", "PeriodicEvaluation"]


class KernelRecorder(Callback):
    """Copies a layer's weights before the first step and every so many steps.

    Args:
        layer: the layer's path in the model, such as ``"conv.0"`` (see :func:`mnistkit.summary`).
        every: steps between two copies.

    Attributes:
        steps: when the copies were made.
        kernels: the copies, on the CPU, of the weight's own shape: ``(out, in, height, width)`` for a convolution.

    Raises:
        ConfigError: if ``every`` is less than 1; when training starts, if there is no such layer.
    """

    def __init__(self, layer: str, *, every: int = 100) -> None:
        if every < 1:
            raise ConfigError(f"every is {every}, expected at least 1")
        self.layer = layer
        self.every = every
        self.steps: list[int] = []
        self.kernels: list[Tensor] = []

    def on_fit_start(self, trainer: Trainer) -> None:
        """Copy the weights that training begins with."""
        weighted = [name for name, module in trainer.model.named_modules() if isinstance(_weight(module), Tensor)]
        if self.layer not in weighted:
            raise ConfigError(unknown_name("layer with weights", self.layer, weighted))
        if trainer.state.step == 0:
            self.steps, self.kernels = [], []
            self._record(trainer)

    def on_step_end(self, trainer: Trainer) -> None:
        """Copy the weights."""
        if trainer.state.step % self.every == 0:
            self._record(trainer)

    def _record(self, trainer: Trainer) -> None:
        weight = cast("Tensor", _weight(trainer.model.get_submodule(self.layer)))
        self.steps.append(trainer.state.step)
        self.kernels.append(weight.detach().cpu().clone())

    def state_dict(self) -> dict[str, object]:
        """The copies so far."""
        return {"steps": list(self.steps), "kernels": list(self.kernels)}

    def load_state_dict(self, state: Mapping[str, object]) -> None:
        """Go on copying."""
        saved = Saved(state, self.name)
        steps, kernels = saved.items("steps"), saved.items("kernels")
        self.steps = [step for step in steps if isinstance(step, int)]
        self.kernels = [kernel for kernel in kernels if isinstance(kernel, Tensor)]
        if len(steps) != len(self.steps) or len({len(steps), len(kernels), len(self.kernels)}) > 1:
            raise saved.refused("kernels", "a tensor for each step")


class PeriodicEvaluation(Callback):
    """Evaluates the validation data every so many steps, beside the training figures of those steps.

    Args:
        every: steps between two evaluations.

    Attributes:
        history: a row for each: ``step``, ``train_loss``, ``train_accuracy``, ``val_loss``, ``val_accuracy``
            and a step's further metrics.

    Raises:
        ConfigError: if ``every`` is less than 1; when training starts, without validation data.
    """

    def __init__(self, *, every: int = 100) -> None:
        if every < 1:
            raise ConfigError(f"every is {every}, expected at least 1")
        self.every = every
        self.history = History()
        self._seen: Sums = {}

    def on_fit_start(self, trainer: Trainer) -> None:
        """Refuse to begin without validation data."""
        if trainer.validation_data is None:
            raise ConfigError("PeriodicEvaluation needs validation data: fit(train, validation)")
        if trainer.state.step == 0:
            self.history, self._seen = History(), {}

    def on_epoch_start(self, trainer: Trainer) -> None:  # noqa: ARG002  (a hook's signature)
        """The sums of an epoch begin at nothing."""
        self._seen = {}

    def on_step_end(self, trainer: Trainer) -> None:
        """Evaluate."""
        if trainer.state.step % self.every or trainer.validation_data is None:
            return
        state = trainer.state
        train = state.sums.since(self._seen).compute()
        self._seen = state.sums.state_dict()
        validation = trainer.evaluate(trainer.validation_data)
        self.history.rows.append({"step": state.step} | train.row("train") | validation.row("val"))

    def state_dict(self) -> dict[str, object]:
        """The rows so far."""
        return {"rows": list(self.history.rows), "seen": dict(self._seen)}

    def load_state_dict(self, state: Mapping[str, object]) -> None:
        """Go on."""
        saved = Saved(state, self.name)
        self.history, self._seen = History(saved.rows("rows")), saved.sums("seen")


def _weight(module: object) -> object:
    return getattr(module, "weight", None)
