"""Models by name: a factory is a plain typed function, and what it makes remembers how to be made again."""

from __future__ import annotations

import fnmatch
import functools
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ParamSpec, TypeVar

from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from mnistkit._core.json import to_tuples
from mnistkit.errors import ConfigError, UnknownModelError, unknown_name
from mnistkit.types import JsonValue

__all__ = ["ModelSpec", "create_model", "list_models", "model_factory", "model_spec", "register_model"]

P = ParamSpec("P")
M = TypeVar("M", bound=nn.Module)

_FACTORIES: dict[str, Callable[..., nn.Module]] = {}
_SPEC = "_mnistkit_spec"
_SHAPES = "_mnistkit_shapes"


@dataclass(frozen=True)
class ModelSpec:
    """How to make a model again: the name of its factory and every argument.

    Attributes:
        name: in the registry.
        arguments: by name, defaults included, as JSON can hold them.
    """

    name: str
    arguments: Mapping[str, JsonValue]

    def create(self) -> nn.Module:
        """Make the model, with new weights.

        Raises:
            UnknownModelError: if nobody registered the name in this process.
        """
        return create_model(self.name, **{name: to_tuples(value) for name, value in self.arguments.items()})


def register_model(factory: Callable[P, M]) -> Callable[P, M]:
    """Make a model factory known under its function's name; the model it makes can then be saved and rebuilt.

    The factory's arguments must be keywords that JSON can hold (numbers, strings, booleans, tuples of them).

    Raises:
        ConfigError: if the name is taken.

    >>> @register_model
    ... def two_layers(*, hidden: int = 32, classes: int = 10) -> nn.Sequential:
    ...     return nn.Sequential(nn.Flatten(), nn.Linear(784, hidden), nn.ReLU(), nn.Linear(hidden, classes))
    >>> create_model("two_layers", hidden=8)[1]
    Linear(in_features=784, out_features=8, bias=True)
    """
    name = factory.__name__
    if name in _FACTORIES:
        raise ConfigError(f"a model named {name!r} is registered already; give the function another name")
    signature = inspect.signature(factory)

    @functools.wraps(factory)
    def stamped(*args: P.args, **kwargs: P.kwargs) -> M:
        model = factory(*args, **kwargs)
        bound = signature.bind(*args, **kwargs)
        bound.apply_defaults()
        setattr(model, _SPEC, ModelSpec(name, {key: _json(name, key, value) for key, value in bound.arguments.items()}))
        setattr(model, _SHAPES, _shapes(model))
        return model

    _FACTORIES[name] = stamped
    return stamped


def create_model(name: str, /, **arguments: object) -> nn.Module:
    """Make a registered model by name.

    Args:
        name: one of :func:`list_models`.
        **arguments: of its factory; see the factory's own documentation.

    Raises:
        UnknownModelError: for an unknown name, with the likeliest meant one.
        ConfigError: for an argument that the factory does not take, or a value that it refuses.

    >>> sum(p.numel() for p in create_model("lenet5", padding=0).parameters())
    44426
    """
    factory = model_factory(name)
    known = inspect.signature(factory).parameters
    for argument in arguments:
        if argument not in known:
            raise ConfigError(unknown_name(f"argument of {name}", argument, known))
    return factory(**arguments)


def list_models(pattern: str = "*") -> list[str]:
    """The registered names that match a shell pattern, sorted.

    >>> list_models("lenet*")
    ['lenet1', 'lenet4', 'lenet5']
    """
    return sorted(fnmatch.filter(_FACTORIES, pattern))


def model_factory(name: str) -> Callable[..., nn.Module]:
    """The factory registered under a name.

    Raises:
        UnknownModelError: for an unknown name, with the likeliest meant one.
    """
    if name not in _FACTORIES:
        raise UnknownModelError(unknown_name("model", name, _FACTORIES))
    return _FACTORIES[name]


def model_spec(model: nn.Module) -> ModelSpec | None:
    """How a model was made, also inside a parallel one; ``None`` if that would not make it again.

    No registered factory made it, or it has other weights since: a new last layer, masks, a parametrization.
    """
    while isinstance(model, (nn.DataParallel, nn.parallel.DistributedDataParallel)):
        model = model.module
    spec = getattr(model, _SPEC, None)
    return spec if isinstance(spec, ModelSpec) and _is_as_made(model) else None


def _is_as_made(model: nn.Module) -> bool:
    made, now = getattr(model, _SHAPES, {}), _shapes(model)
    return made.keys() == now.keys() and all(shape in {None, now[name]} for name, shape in made.items())


def _shapes(model: nn.Module) -> dict[str, tuple[int, ...] | None]:
    """Of each weight, under the name that it has uncompiled; of what the first batch will make there is none."""
    return {
        name.replace("_orig_mod.", ""): None if is_lazy(weight) else tuple(weight.shape)
        for name, weight in model.state_dict(keep_vars=True).items()
        if isinstance(weight, Tensor)
    }


def _json(model: str, name: str, value: object) -> JsonValue:
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, (tuple, list)):
        return [_json(model, name, item) for item in value]
    raise ConfigError(
        f"{model}'s argument {name} is {value!r}; a registered model takes numbers, strings, booleans and tuples of them, "
        "so that a checkpoint can hold them"
    )
