"""What a Trainer subclass may override besides its steps: hooks and saved state, and the guard against misspelt names."""

from __future__ import annotations

import difflib
from collections.abc import Mapping

from mnistkit.errors import ConfigError, unknown_name
from mnistkit.training.callback import HOOKS

__all__ = ["OwnHooks"]

# As similar as `train_step` and `training_step`, or `configure_optimizers` and `configure_optimizer`.
_NEAR = 0.85


class OwnHooks:
    """The trainer as its own first callback: the same hooks as a callback's, called before those of the callbacks.

    A subclass is checked when it is defined: a misspelt hook or open method, and an override of a closed one, raise.
    """

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        inherited = {name: value for base in reversed(cls.__mro__[1:]) for name, value in vars(base).items()}
        closed = {name for name, value in inherited.items() if getattr(value, "__final__", False)}
        # The library's own class below this one has nothing to be compared with.
        methods = {name for name, value in inherited.items() if callable(value) and not name.startswith("_")} - closed
        for name, value in vars(cls).items():
            if name in closed:
                raise ConfigError(
                    f"{cls.__name__} overrides {name}, which is closed: the loop depends on it. Override one of "
                    f"{', '.join(sorted(methods))}"
                )
            if name.startswith("on_") and name not in HOOKS:
                raise ConfigError(f"{cls.__name__}: {unknown_name('hook', name, HOOKS)}")
            if callable(value) and not name.startswith("_") and name not in inherited and "training_step" in methods:
                near = difflib.get_close_matches(name, methods, n=1, cutoff=_NEAR)
                if near:
                    raise ConfigError(
                        f"{cls.__name__} has a method {name}, which nothing calls; did you mean {near[0]}? If not, give it a "
                        "name that is less like it"
                    )

    def on_fit_start(self) -> None:
        """After placement and any resume."""

    def on_epoch_start(self) -> None:
        """Before an epoch's first batch; not when resuming inside one."""

    def on_step_start(self) -> None:
        """Before the first batch of an update."""

    def on_gradients(self) -> None:
        """Gradients are complete and unscaled, before clipping and update; for each update of a step that has several."""

    def on_step_end(self) -> None:
        """After the update."""

    def on_eval_start(self) -> None:
        """Before any evaluation."""

    def on_eval_end(self) -> None:
        """After any evaluation; ``self.evaluation`` is its result."""

    def on_epoch_end(self) -> None:
        """Training and validation figures of the epoch are in the state."""

    def on_checkpoint(self) -> None:
        """The run may be saved."""

    def on_fit_end(self) -> None:
        """At the end, whatever happened, after the callbacks', if ``on_fit_start`` returned."""

    def on_exception(self, error: BaseException) -> None:
        """Something was raised; ``on_fit_end`` follows, then the error goes on."""

    def state_dict(self) -> Mapping[str, object]:
        """What to save with a training checkpoint besides the model: numbers, strings, lists, dicts and tensors."""
        return {}

    def load_state_dict(self, state: Mapping[str, object]) -> None:
        """Restore what :meth:`state_dict` returned; called before ``on_fit_start``."""
