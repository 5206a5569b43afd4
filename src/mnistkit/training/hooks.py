"""The callbacks of a trainer, called in order; started and ended in pairs, whatever happens in between."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from mnistkit.errors import ConfigError, DuplicateCallbackError
from mnistkit.training.callback import Callback

if TYPE_CHECKING:
    from mnistkit.training.trainer import Trainer

__all__ = ["Hooks"]


class Hooks:
    """Calls the hooks of callbacks.

    Raises:
        ConfigError: for what is not a callback.
        DuplicateCallbackError: if two callbacks have one name.
    """

    def __init__(self, callbacks: Sequence[Callback]) -> None:
        given: Sequence[object] = callbacks
        for one in given:
            if not isinstance(one, Callback):
                hint = f": make one, {one.__name__}(...)" if isinstance(one, type) else ""
                raise ConfigError(f"{one!r} is not a Callback{hint}")
        names = [callback.name for callback in callbacks]
        for name in names:
            if names.count(name) > 1:
                raise DuplicateCallbackError(
                    f"{names.count(name)} callbacks are named {name!r}; give each its own name="
                )
        self._callbacks = callbacks
        self._overriding: dict[str, list[Callable[[Trainer], None]]] = {}

    def call(self, hook: str, trainer: Trainer) -> None:
        """Call one hook of every callback that overrides it: a step must not pay for hooks that do nothing."""
        if hook not in self._overriding:
            self._overriding[hook] = [
                getattr(callback, hook)
                for callback in self._callbacks
                if getattr(type(callback), hook) is not getattr(Callback, hook)
            ]
        for method in self._overriding[hook]:
            method(trainer)

    @contextlib.contextmanager
    def running(self, trainer: Trainer) -> Iterator[None]:
        """Between ``on_fit_start`` and ``on_fit_end``: each that was started is ended, in reverse order."""
        with contextlib.ExitStack() as ending:
            started: list[Callback] = []
            try:
                for callback in self._callbacks:
                    callback.on_fit_start(trainer)
                    started.append(callback)
                    ending.callback(callback.on_fit_end, trainer)
                yield
            except BaseException as error:
                for callback in started:
                    callback.on_exception(trainer, error)
                raise
