"""Optimizers by name, with torch's own defaults and its fused form where there is one."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal, TypeAlias

import torch
from torch import nn

from mnistkit.errors import ConfigError, unknown_name

__all__ = ["OptimizerFactory", "OptimizerName", "list_optimizers", "make_optimizer"]

OptimizerName: TypeAlias = Literal["adadelta", "adagrad", "adam", "adamw", "nadam", "radam", "rmsprop", "sgd"]

#: From a model's parameters to an optimizer: ``lambda parameters: torch.optim.SGD(parameters, lr=0.1, momentum=0.9)``.
OptimizerFactory: TypeAlias = Callable[[Iterable[nn.Parameter]], torch.optim.Optimizer]


class _Eager(torch.optim.Optimizer):
    """A torch optimizer without the wrappers that ask torch's compiler to leave it alone.

    They import that compiler to ask it, which takes a second or two of every process that trains.
    """

    zero_grad = inspect.unwrap(torch.optim.Optimizer.zero_grad)
    add_param_group = inspect.unwrap(torch.optim.Optimizer.add_param_group)
    state_dict = inspect.unwrap(torch.optim.Optimizer.state_dict)
    load_state_dict = inspect.unwrap(torch.optim.Optimizer.load_state_dict)

    def __init_subclass__(cls) -> None:
        # One of the wrappers also turned gradients off.
        cls.step = torch.no_grad()(inspect.unwrap(cls.step))  # type: ignore[method-assign]  # of a class in the making


class Adam(_Eager, torch.optim.Adam):
    """Kingma, Ba 2014."""


class AdamW(_Eager, torch.optim.AdamW):
    """Loshchilov, Hutter 2017."""


class NAdam(_Eager, torch.optim.NAdam):
    """Dozat 2016."""


class RAdam(_Eager, torch.optim.RAdam):
    """Liu et al. 2019."""


class Adagrad(_Eager, torch.optim.Adagrad):
    """Duchi, Hazan, Singer 2011."""


class Adadelta(_Eager, torch.optim.Adadelta):
    """Zeiler 2012."""


class RMSprop(_Eager, torch.optim.RMSprop):
    """Tieleman, Hinton 2012."""


class SGD(_Eager, torch.optim.SGD):
    """Stochastic gradient descent, with torch's momentum if asked for."""


_OPTIMIZERS: dict[str, type[torch.optim.Optimizer]] = {
    each.__name__.lower(): each for each in (Adam, AdamW, NAdam, RAdam, Adagrad, Adadelta, RMSprop, SGD)
}
_FUSED = frozenset({"adam", "adamw", "adagrad", "sgd"})


def list_optimizers() -> list[str]:
    """The names that :class:`mnistkit.Trainer` takes as ``optimizer``."""
    return sorted(_OPTIMIZERS)


def make_optimizer(
    name: str, parameters: Iterable[nn.Parameter], lr: float = 1e-3, options: Mapping[str, object] | None = None
) -> torch.optim.Optimizer:
    """An optimizer by name.

    Args:
        name: one of :func:`list_optimizers`.
        parameters: to be trained.
        lr: the learning rate.
        options: further arguments of the optimizer's class: ``{"momentum": 0.9, "nesterov": True}``.

    Raises:
        ConfigError: for an unknown name or option, with the likeliest meant one; for a value that torch refuses, or
            without any parameter.
    """
    if name not in _OPTIMIZERS:
        raise ConfigError(unknown_name("optimizer", name, _OPTIMIZERS))
    kind, parameters, options = _OPTIMIZERS[name], list(parameters), options or {}
    if not parameters:
        raise ConfigError("the model has no parameters, so there is nothing to train")
    known = [each for each in inspect.signature(kind).parameters if each not in {"params", "lr"}]
    for option in options:
        if option == "lr":
            raise ConfigError(
                "optimizer_options has the learning rate; give it as lr=, or, if lr= is one of torch's schedulers, with the "
                f"optimizer: functools.partial(torch.optim.{kind.__name__}, lr={options[option]})"
            )
        if option not in known:
            raise ConfigError(unknown_name(f"option of {name}", option, known))
    arguments: dict[str, Any] = {"lr": lr, **options}
    if name in _FUSED and all(p.device.type in {"cpu", "cuda"} for p in parameters):
        # One kernel for the whole update: the same arithmetic, less overhead.
        arguments = {"fused": True} | arguments
    try:
        return kind(parameters, **arguments)
    except (TypeError, ValueError, RuntimeError) as error:
        raise ConfigError(f"{name} cannot be made with {dict(options)}: {error}") from error
