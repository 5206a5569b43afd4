"""The callback: what watches a run, decides when it ends, and saves it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from mnistkit.errors import ConfigError, unknown_name

if TYPE_CHECKING:
    from mnistkit.training.trainer import Trainer

__all__ = ["HOOKS", "Callback"]

HOOKS = (
    "on_fit_start",
    "on_epoch_start",
    "on_step_start",
    "on_gradients",
    "on_step_end",
    "on_eval_start",
    "on_eval_end",
    "on_epoch_end",
    "on_checkpoint",
    "on_fit_end",
    "on_exception",
)


class Callback:
    """Observes a run; override the hooks that matter. What a step computes belongs in a ``Trainer`` subclass.

    Every hook gets the trainer and nothing else (``on_exception`` also the error): ``trainer.state`` has the counters
    and figures, ``trainer.model`` the model. See :class:`mnistkit.Trainer` for when each is called.

    A hook that is misspelt raises when the class is defined.

    Attributes:
        shapes_run: whether a run with other settings of it, or without it, is another run, which must not be resumed as this
            one; of a callback that only watches it is not.
        name: under which its state is saved; two callbacks of one run need different ones.

    >>> class Shout(Callback):
    ...     def on_epoch_end(self, trainer):
    ...         print(f"EPOCH {trainer.state.epoch}!")
    >>> class Wrong(Callback):
    ...     def on_epoch_ended(self, trainer): ...
    Traceback (most recent call last):
    mnistkit.errors.ConfigError: Wrong: unknown hook 'on_epoch_ended'; did you mean 'on_epoch_end'? Available: ...
    """

    name: str
    shapes_run: ClassVar[bool] = False

    def __init_subclass__(cls) -> None:
        for attribute in vars(cls):
            if attribute.startswith("on_") and attribute not in HOOKS:
                raise ConfigError(f"{cls.__name__}: {unknown_name('hook', attribute, HOOKS)}")
        if "name" not in vars(cls):
            cls.name = cls.__name__

    def on_fit_start(self, trainer: Trainer) -> None:
        """After placement and any resume."""

    def on_epoch_start(self, trainer: Trainer) -> None:
        """Before an epoch's first batch; not when resuming inside one."""

    def on_step_start(self, trainer: Trainer) -> None:
        """Before the first batch of an update."""

    def on_gradients(self, trainer: Trainer) -> None:
        """Gradients are complete and unscaled, before clipping and update."""

    def on_step_end(self, trainer: Trainer) -> None:
        """After the update."""

    def on_eval_start(self, trainer: Trainer) -> None:
        """Before any evaluation."""

    def on_eval_end(self, trainer: Trainer) -> None:
        """After any evaluation; ``trainer.evaluation`` is its result."""

    def on_epoch_end(self, trainer: Trainer) -> None:
        """Training and validation figures of the epoch are in the state."""

    def on_checkpoint(self, trainer: Trainer) -> None:
        """The run may be saved: after the ``on_step_end``, or the ``on_epoch_end``, of every callback."""

    def on_fit_end(self, trainer: Trainer) -> None:
        """At the end, whatever happened, in reverse order, for each callback whose ``on_fit_start`` returned."""

    def on_exception(self, trainer: Trainer, error: BaseException) -> None:
        """Something was raised; ``on_fit_end`` follows, then the error goes on."""

    def state_dict(self) -> dict[str, object]:
        """What to save with a checkpoint: numbers, strings, lists, dicts and tensors."""
        return {}

    def load_state_dict(self, state: Mapping[str, object]) -> None:
        """Restore what :meth:`state_dict` returned; called before ``on_fit_start``."""
