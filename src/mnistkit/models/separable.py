"""A network of depthwise separable convolutions: the most accuracy for few parameters."""

from __future__ import annotations

import math

import torch
from torch import nn

from mnistkit.errors import ConfigError
from mnistkit.models.layers import flat_features, require_pair, require_positive
from mnistkit.models.network import ImageClassifier
from mnistkit.models.registry import register_model

__all__ = ["separable_cnn"]


@register_model
def separable_cnn(
    *,
    first: int = 6,
    stages: tuple[tuple[int, ...], tuple[int, ...]] = ((13,), (13,)),
    repeats: int = 3,
    image_size: int = 28,
    channels: int = 1,
    classes: int = 10,
) -> ImageClassifier:
    """conv5 1>6 in steps of 2, two stages of separable convolutions with pool2 after each, 13>10; 941 parameters.

    A separable convolution (Chollet 2017) filters each map by itself, 3x3, and then mixes the maps in each place, with
    nothing in between: a dense one of 16 to 16 maps has 2,304 weights, this has 400. What is left of each map after the
    second pooling is weighted place by place, not averaged: where a stroke ends tells digits apart.

    A convolution that keeps the number of maps runs several times with the same weights, and with a batch norm of its own each
    time (Liang and Hu 2015, *Recurrent convolutional neural network for object recognition*): depth for few parameters.

    Args:
        first: maps of the first convolution, which halves the image.
        stages: the maps of each separable convolution before the first pooling, and between it and the second.
        repeats: how often a convolution runs that has as many maps as what it gets.
        image_size: height and width of the images.
        channels: of the images.
        classes: how many there are.

    Raises:
        ConfigError: for sizes below one, or images too small.
    """
    require_pair(stages=stages)
    require_positive(first=first, repeats=repeats, image_size=image_size, channels=channels, classes=classes)
    halving = nn.Conv2d(channels, first, 5, stride=2, padding=2, bias=False)
    layers: list[nn.Module] = [halving, nn.BatchNorm2d(first), nn.ReLU()]
    inputs = first
    for number, stage in enumerate(stages):
        if not isinstance(stage, (tuple, list)) or not stage:
            raise ConfigError(f"stages[{number}] is {stage!r}, expected a tuple of at least one number of maps")
        for outputs in stage:
            require_positive(**{f"stages[{number}]": outputs})
            layers.append(_Separable(inputs, outputs, repeats if outputs == inputs else 1))
            inputs = outputs
        layers.append(nn.MaxPool2d(2))
    shape = (channels, image_size, image_size)
    # Separable convolutions keep the size: of those that change the number of maps only the first is counted.
    side = math.isqrt(flat_features(nn.Sequential(*layers), shape) // first)
    conv = nn.Sequential(*layers, nn.Conv2d(inputs, inputs, side, groups=inputs, bias=False))
    return ImageClassifier(conv, nn.Sequential(nn.Linear(inputs, classes)), shape)


class _Separable(nn.Module):
    """A separable convolution that runs one time or more, each with a batch norm of its own."""

    def __init__(self, inputs: int, outputs: int, times: int) -> None:
        super().__init__()
        self.each = nn.Conv2d(inputs, inputs, 3, padding=1, groups=inputs, bias=False)
        self.mix = nn.Conv2d(inputs, outputs, 1, bias=False)
        self.norms = nn.ModuleList(nn.BatchNorm2d(outputs) for _ in range(times))
        self.activation = nn.ReLU()

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        for norm in self.norms:
            maps = self.activation(norm(self.mix(self.each(maps))))
        return maps
