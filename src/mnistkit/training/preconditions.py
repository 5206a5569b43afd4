"""What a trainer looks at before it trains, so that a mistake costs no epoch."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence

import torch
from torch import nn

from mnistkit.errors import ConfigError, DuplicateCallbackError
from mnistkit.training.callback import Callback
from mnistkit.training.updates import parameters_of

__all__ = ["require_augmentation", "require_callbacks", "require_model", "require_trainable"]


def require_model(model: object) -> None:
    """Refuse what is no model.

    Raises:
        ConfigError: for a name, a class, or anything else.
    """
    if isinstance(model, nn.Module):
        return
    hint = ""
    if isinstance(model, str):
        hint = f": create_model({model!r})"
    elif isinstance(model, type):
        hint = f": make one, {model.__name__}()"
    raise ConfigError(f"got {model!r} as the model, expected a torch module{hint}")


def require_augmentation(augment: object) -> None:
    """Refuse what cannot be called with images and a generator, such as torchvision's transforms.

    Raises:
        ConfigError: with how to wrap it.
    """
    if augment is None:
        return
    if callable(augment) and not isinstance(augment, type):
        called = augment.forward if isinstance(augment, nn.Module) else augment
        try:
            inspect.signature(called).bind(0, 0)
        except TypeError:
            pass
        except ValueError:  # a built-in function does not say what it takes
            return
        else:
            return
    name = augment.__name__ if isinstance(augment, type) else type(augment).__name__
    raise ConfigError(
        f"augment is {name}, expected a function of (images, generator) that changes a whole batch, float32 (N, C, H, W) "
        "from 0 to 1, such as Augment(rotate=10). A transform of torchvision's takes images only, and one change for all "
        "of them: augment=lambda images, generator: torch.stack([transform(image) for image in images])"
    )


def require_callbacks(callbacks: Sequence[object]) -> None:
    """Refuse what cannot be called, or saved under a name of its own.

    Raises:
        ConfigError: for what is not a callback.
        DuplicateCallbackError: if two callbacks have one name.
    """
    names = []
    for one in callbacks:
        if not isinstance(one, Callback):
            hint = f": make one, {one.__name__}(...)" if isinstance(one, type) else ""
            raise ConfigError(f"{one!r} is not a Callback{hint}")
        names.append(one.name)
    for name in names:
        if names.count(name) > 1:
            raise DuplicateCallbackError(f"{names.count(name)} callbacks are named {name!r}; give each its own name=")


def require_trainable(
    model: nn.Module, optimizers: Mapping[str, torch.optim.Optimizer], held: Mapping[str, object]
) -> None:
    """Refuse optimizers that would train nothing of this run.

    Args:
        model: what is trained.
        optimizers: by name.
        held: the trainer's attributes: modules and parameters that a subclass keeps there may be trained too.

    Raises:
        ConfigError: if there are none, one has another model's parameters only, everything is frozen, or the model has
            parameters that require a gradient and are in no optimizer.
    """
    if not optimizers:
        raise ConfigError("configure_optimizer returned no optimizer")
    for name, optimizer in optimizers.items():
        if not isinstance(optimizer, torch.optim.Optimizer):
            raise ConfigError(
                f"the optimizer {name!r} is a {type(optimizer).__name__}, expected a torch.optim.Optimizer"
            )
    own = {id(parameter) for parameter in model.parameters()}
    for value in held.values():
        if isinstance(value, nn.Parameter):
            own.add(id(value))
        elif isinstance(value, nn.Module):
            own.update(id(parameter) for parameter in value.parameters())
    for name, optimizer in optimizers.items():
        parameters = parameters_of(optimizer)
        if own.isdisjoint(map(id, parameters)):
            raise ConfigError(
                f"the {name} has no parameter of the {type(model).__name__} that is to be trained; it was made for another "
                "model. Make it again for this one; a function must use the parameters that it is given, "
                "optimizer=lambda parameters: torch.optim.SGD(parameters, lr=0.1)"
            )
        if not any(parameter.requires_grad for parameter in parameters):
            raise ConfigError(
                f"the {name} has nothing to train: requires_grad is False for all of its {len(parameters)} parameters; "
                "call requires_grad_(True) on the layers to be trained"
            )
    known = {id(parameter) for optimizer in optimizers.values() for parameter in parameters_of(optimizer)}
    left_out = [name for name, p in model.named_parameters() if p.requires_grad and id(p) not in known]
    if left_out:
        raise ConfigError(
            f"{', '.join(left_out[:4])}{' and others' * (len(left_out) > 4)}: no optimizer has these parameters of the "
            f"{type(model).__name__}, so they would never be trained. Give them to one, or call requires_grad_(False) on what is "
            "to stay as it is"
        )
