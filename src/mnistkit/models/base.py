"""What the image classifiers share: a convolutional part, a dense part, and a check of what comes in."""

from __future__ import annotations

import math
from typing import Literal, TypeAlias

import torch
from torch import Tensor, nn

from mnistkit.errors import ConfigError, DataError, unknown_name

__all__ = [
    "Activation",
    "ImageClassifier",
    "Pool",
    "activation_layer",
    "flat_features",
    "lay_out",
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


class ImageClassifier(nn.Module):
    """A convolutional part and a dense part; from normalised images to logits.

    Shape:
        input: float ``(N, *input_shape)``. output: float ``(N, classes)``, logits: no softmax.

    Attributes:
        conv: layers from the image to feature maps.
        fc: layers from the flattened maps to the logits.
        input_shape: ``(C, H, W)`` of one image.
    """

    def __init__(self, conv: nn.Sequential, fc: nn.Sequential, input_shape: tuple[int, int, int]) -> None:
        super().__init__()
        self.conv = conv
        self.fc = fc
        self.input_shape = input_shape

    def forward(self, images: Tensor) -> Tensor:
        """Logits ``(N, classes)`` of images ``(N, C, H, W)``.

        Raises:
            DataError: for images of another shape.
        """
        self._check(images)
        logits: Tensor = self.fc(self.conv(lay_out(images)).flatten(1))
        return logits

    def _check(self, images: Tensor) -> None:
        if images.shape[1:] != self.input_shape:
            expected = ", ".join(map(str, self.input_shape))
            raise DataError(
                f"got images of shape {tuple(images.shape)}, this {type(self).__name__} expects (N, {expected})"
            )


def lay_out(images: Tensor) -> Tensor:
    """The same images as convolutions are quickest with: on a CPU with the channels innermost in memory.

    All layers after keep to it, and compute 1.1 to 1.9 times as fast (``docs/performance.md``). The weights stay as they
    are, and with them optimizers, averages and checkpoints.
    """
    if images.device.type != "cpu":
        return images
    # With one channel torch takes either layout for the other, so only a copy has the strides that say it.
    return images.clone(memory_format=torch.channels_last)


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
