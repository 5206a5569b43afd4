"""Optimizers by name, with torch's own defaults and its fused form where there is one."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal, TypeAlias

import torch
from torch import nn

from mnistkit.errors import ConfigError, MnistkitError, unknown_name

__all__ = [
    "OptimizerFactory",
    "OptimizerName",
    "call_factory",
    "list_optimizers",
    "make_optimizer",
    "require_optimizer",
]

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


def require_optimizer(optimizer: object, options: Mapping[str, object]) -> None:
    """Refuse what will make no optimizer, as far as that can be known before the model is in place.

    Raises:
        ConfigError: for an unknown name, options or values that the optimizer of that name does not take, options without a
            name, and for what is no function and no optimizer.
    """
    if isinstance(optimizer, str):
        make_optimizer(optimizer, [nn.Parameter(torch.zeros(1))], options=options)
    elif options:
        raise ConfigError("optimizer_options= is for an optimizer by name; give the options to the optimizer itself")
    elif not callable(optimizer) and not isinstance(optimizer, torch.optim.Optimizer):
        raise ConfigError(
            f"optimizer is {optimizer!r}, expected a name ({', '.join(_OPTIMIZERS)}), a function from the parameters to an "
            "optimizer, such as torch.optim.SGD, or an optimizer"
        )


def call_factory(factory: OptimizerFactory, model: nn.Module) -> torch.optim.Optimizer:
    """An optimizer of a model's parameters, from the user's own function or class.

    Raises:
        ConfigError: if that does not take these parameters, or has arguments that are none.
    """
    try:
        return factory(model.parameters())
    except MnistkitError:
        raise
    except (TypeError, ValueError) as error:
        raise ConfigError(
            f"optimizer= makes no optimizer of the parameters of this {type(model).__name__}: {error}. Is it one for some of "
            "them only, as Muon is for matrices? Then override configure_optimizer, and give the others to a second optimizer"
        ) from error


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
        torchs = [each for each in dir(torch.optim) if each.lower() == name.lower() and each[0].isupper()]
        hint = f"; torch's own is given as a class, optimizer=torch.optim.{torchs[0]}" if torchs else ""
        raise ConfigError(unknown_name("optimizer", name, _OPTIMIZERS) + hint)
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
