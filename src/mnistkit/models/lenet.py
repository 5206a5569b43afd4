"""LeNet-1, LeNet-4 and LeNet-5.

LeCun, Bottou, Bengio, Haffner 1998: Gradient-based learning applied to document recognition.
"""

from __future__ import annotations

from typing import Literal

from torch import nn

from mnistkit.errors import ConfigError
from mnistkit.models.layers import (
    Activation,
    Pool,
    activation_layer,
    flat_features,
    pool_and_activate,
    require_positive,
    require_probability,
)
from mnistkit.models.network import ImageClassifier
from mnistkit.models.registry import register_model

__all__ = ["LeNet", "lenet1", "lenet4", "lenet5"]


class LeNet(ImageClassifier):
    """One of the LeNets: 5x5 convolutions and 2x2 pooling, then dense layers. See the factories."""


@register_model
def lenet5(
    *,
    activation: Activation = "relu",
    pool: Pool = "max",
    padding: Literal[0, 2] = 2,
    dropout: float = 0.0,
    image_size: int = 28,
    channels: int = 1,
    classes: int = 10,
) -> LeNet:
    """LeNet-5, with today's activation and pooling by default: 61,706 parameters.

    conv5 1>6, pool2, conv5 6>16, pool2, 400>120>84>10, an activation between *all* layers. ``padding=0`` starts from
    28x28 rather than 32x32: 256>120>84>10, 44,426 parameters; with ``activation="sigmoid"`` that is the LeNet of many
    courses. ``activation="tanh", pool="avg"`` is closest to 1998 (section II.B), whose second convolution was sparse
    and whose pooling had weights.

    Args:
        activation: after each layer but the last.
        pool: how 2x2 blocks are joined.
        padding: of the first convolution.
        dropout: probability of dropping a unit of the dense hidden layers in training.
        image_size: height and width of the images.
        channels: of the images.
        classes: how many there are.

    Raises:
        ConfigError: for unknown names, a dropout that is no probability, or images too small.
    """
    require_positive(image_size=image_size, channels=channels, classes=classes)
    require_probability(dropout=dropout)
    if padding not in (0, 2):
        raise ConfigError(f"padding is {padding!r}, expected 0 or 2")
    conv = nn.Sequential(
        nn.Conv2d(channels, 6, 5, padding=padding),
        *pool_and_activate(pool, activation),
        nn.Conv2d(6, 16, 5),
        *pool_and_activate(pool, activation),
    )
    shape = (channels, image_size, image_size)
    layers: list[nn.Module] = []
    for inputs, outputs in ((flat_features(conv, shape), 120), (120, 84)):
        layers += [nn.Linear(inputs, outputs), activation_layer(activation)]
        if dropout:
            layers.append(nn.Dropout(dropout))
    return LeNet(conv, nn.Sequential(*layers, nn.Linear(84, classes)), shape)


@register_model
def lenet1(
    *,
    activation: Activation = "tanh",
    pool: Pool = "avg",
    image_size: int = 28,
    channels: int = 1,
    classes: int = 10,
) -> LeNet:
    """LeNet-1: conv5 1>4, pool2, conv5 4>12 (dense here, sparse in 1989), pool2, 192>10; 3,246 parameters.

    Args:
        activation: after each layer but the last.
        pool: how 2x2 blocks are joined.
        image_size: height and width of the images.
        channels: of the images.
        classes: how many there are.

    Raises:
        ConfigError: for unknown names, or images too small.
    """
    require_positive(image_size=image_size, channels=channels, classes=classes)
    conv = nn.Sequential(
        nn.Conv2d(channels, 4, 5),
        *pool_and_activate(pool, activation),
        nn.Conv2d(4, 12, 5),
        *pool_and_activate(pool, activation),
    )
    shape = (channels, image_size, image_size)
    return LeNet(conv, nn.Sequential(nn.Linear(flat_features(conv, shape), classes)), shape)


@register_model
def lenet4(
    *,
    activation: Activation = "tanh",
    pool: Pool = "avg",
    image_size: int = 28,
    channels: int = 1,
    classes: int = 10,
) -> LeNet:
    """LeNet-4: 4 maps, 8 subsampled maps, 16 maps, 120 units; 16,690 parameters (the paper: about 17,000).

    The paper (section III.C) tells the layers but not their connections. Here each of the 4 first maps feeds a pair of
    subsampling maps with their own 2x2 weights, the 16 maps see all 8 of these, and each of the 120 units sees 4 of
    the 16 pooled maps.

    Args:
        activation: after each layer but the last.
        pool: how 2x2 blocks of the 16 maps are joined.
        image_size: height and width of the images.
        channels: of the images.
        classes: how many there are.

    Raises:
        ConfigError: for unknown names, or images too small.
    """
    require_positive(image_size=image_size, channels=channels, classes=classes)
    conv = nn.Sequential(
        nn.Conv2d(channels, 4, 5, padding=2),
        activation_layer(activation),
        nn.Conv2d(4, 8, 2, stride=2, groups=4),
        activation_layer(activation),
        nn.Conv2d(8, 16, 5),
        *pool_and_activate(pool, activation),
        nn.Conv2d(16, 120, 5, groups=4),
        activation_layer(activation),
    )
    shape = (channels, image_size, image_size)
    return LeNet(conv, nn.Sequential(nn.Linear(flat_features(conv, shape), classes)), shape)
