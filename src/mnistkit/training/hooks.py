"""The hooks of a trainer and of its callbacks, called in order; started and ended in pairs, whatever happens in between."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from mnistkit.training.callback import Callback
from mnistkit.training.own_hooks import OwnHooks

if TYPE_CHECKING:
    from mnistkit.training.trainer import Trainer

__all__ = ["Hooks"]


class Hooks:
    """Calls the hooks of a trainer, and then those of its callbacks."""

    def __init__(self, trainer: Trainer) -> None:
        self._trainer = trainer
        self._overriding: dict[str, list[Callable[[], None]]] = {}

    def call(self, hook: str) -> None:
        """Call one hook wherever it is overridden: a step must not pay for hooks that do nothing."""
        if hook not in self._overriding:
            trainer, own = self._trainer, getattr(type(self._trainer), hook)
            self._overriding[hook] = [] if own is getattr(OwnHooks, hook) else [getattr(trainer, hook)]
            self._overriding[hook] += [
                functools.partial(getattr(callback, hook), trainer)
                for callback in trainer.callbacks
                if getattr(type(callback), hook) is not getattr(Callback, hook)
            ]
        for method in self._overriding[hook]:
            method()

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Between ``on_fit_start`` and ``on_fit_end``: each that was started is ended, in reverse order."""
        trainer = self._trainer
        failed: list[Callable[[BaseException], None]] = []
        with contextlib.ExitStack() as ending:
            try:
                trainer.on_fit_start()
                failed.append(trainer.on_exception)
                ending.callback(trainer.on_fit_end)
                for callback in trainer.callbacks:
                    callback.on_fit_start(trainer)
                    failed.append(functools.partial(callback.on_exception, trainer))
                    ending.callback(callback.on_fit_end, trainer)
                yield
            except BaseException as error:
                for on_exception in failed:
                    on_exception(error)
                raise
