"""What the factories share: layers by name, how many numbers convolutions leave, and checks of what is asked for."""

from __future__ import annotations

import math
from typing import Literal, TypeAlias

from torch import nn

from mnistkit.errors import ConfigError, unknown_name

__all__ = [
    "Activation",
    "Pool",
    "activation_layer",
    "flat_features",
    "list_activations",
    "pool_and_activate",
    "require_pair",
    "require_positive",
    "require_probability",
]

Activation: TypeAlias = Literal["relu", "tanh", "sigmoid", "gelu", "silu"]
Pool: TypeAlias = Literal["max", "avg"]

_ACTIVATIONS: dict[str, type[nn.Module]] = {
    "relu": nn.ReLU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
}
# Those that never decrease: taking a maximum before or after them is the same.
_MONOTONE = frozenset({"relu", "tanh", "sigmoid"})


def activation_layer(name: str) -> nn.Module:
    """A new activation layer.

    Raises:
        ConfigError: for an unknown name.
    """
    if not isinstance(name, str) or name not in _ACTIVATIONS:
        raise ConfigError(unknown_name("activation", name, _ACTIVATIONS))
    return _ACTIVATIONS[name]()


def list_activations() -> list[str]:
    """The activations that models take by name.

    >>> list_activations()
    ['gelu', 'relu', 'sigmoid', 'silu', 'tanh']
    """
    return sorted(_ACTIVATIONS)


def pool_and_activate(pool: str, activation: str) -> list[nn.Module]:
    """2x2 pooling and an activation, in the cheaper of the orders that give the same result.

    Raises:
        ConfigError: for an unknown name.
    """
    if pool not in ("max", "avg"):
        raise ConfigError(unknown_name("pooling", pool, ("max", "avg")))
    layer = activation_layer(activation)
    # The maximum commutes with an activation that never decreases, which then has a quarter of the work.
    if pool == "max" and activation in _MONOTONE:
        return [nn.MaxPool2d(2), layer]
    return [layer, nn.MaxPool2d(2) if pool == "max" else nn.AvgPool2d(2)]


def flat_features(conv: nn.Sequential, input_shape: tuple[int, int, int]) -> int:
    """How many numbers convolutions and poolings make of one image, by their sizes alone: no image is made.

    Raises:
        ConfigError: if the image is too small for them.
    """
    channels, *sides = input_shape
    for layer in conv:
        if isinstance(layer, (nn.Conv2d, nn.MaxPool2d, nn.AvgPool2d)):
            sides = [_output_side(layer, side) for side in sides]
            channels = layer.out_channels if isinstance(layer, nn.Conv2d) else channels
            if min(sides) < 1:
                raise ConfigError(f"images of shape {input_shape} are too small for these layers")
    return channels * math.prod(sides)


def _output_side(layer: nn.Conv2d | nn.MaxPool2d | nn.AvgPool2d, side: int) -> int:
    """The formula of torch's documentation of these layers, for square kernels without dilation."""
    kernel, stride, padding = (
        int(value[0] if isinstance(value, tuple) else value)
        for value in (layer.kernel_size, layer.stride, layer.padding)
    )
    return (side + 2 * padding - kernel) // stride + 1


def require_positive(**values: int) -> None:
    """Refuse sizes below one, by name.

    Raises:
        ConfigError: for the first that is not a positive integer.
    """
    for name, value in values.items():
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise ConfigError(f"{name} is {value!r}, expected a whole number from 1")


def require_probability(**values: float) -> None:
    """Refuse what is no probability, by name.

    Raises:
        ConfigError: for the first that is not a number from 0 to 1.
    """
    for name, value in values.items():
        if not isinstance(value, (int, float)) or not 0 <= value <= 1:
            raise ConfigError(f"{name} is {value!r}, expected a number from 0 to 1")


def require_pair(**values: tuple[object, object]) -> None:
    """Refuse what is not two values, by name.

    Raises:
        ConfigError: for the first that is no tuple or list of two.
    """
    for name, value in values.items():
        if not isinstance(value, (tuple, list)) or len(value) != 2:
            raise ConfigError(f"{name} is {value!r}, expected a tuple of two")
