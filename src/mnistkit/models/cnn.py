"""Convolutional networks: those of well-known tutorials, with their exact layer sizes, and one for real handwriting."""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn

from mnistkit.errors import ConfigError
from mnistkit.models.layers import flat_features, pool_and_activate, require_pair, require_positive, require_probability
from mnistkit.models.network import ImageClassifier
from mnistkit.models.registry import register_model

__all__ = ["ConvNet", "convnet", "digit_cnn", "example_cnn", "handwriting_cnn", "vgg_cnn"]


class ConvNet(ImageClassifier):
    """Two 5x5 convolutions with pooling and one hidden dense layer. See :func:`convnet`."""

    def retrieve_features(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """What each convolution finds in images ``(N, C, H, W)``: its maps after the activation, before pooling.

        Returns:
            ``(N, 4, 28, 28)`` and ``(N, 8, 14, 14)`` for the default depth and size.
        """
        self._check(images)
        first, pool1, activation1, second, _, activation2 = self.conv
        maps = first(images)
        return activation1(maps), activation2(second(activation1(pool1(maps))))


@register_model
def convnet(
    *,
    depth: tuple[int, int] = (4, 8),
    hidden: int = 512,
    dropout: float = 0.5,
    image_size: int = 28,
    channels: int = 1,
    classes: int = 10,
) -> ConvNet:
    """conv5 1>4, pool2, conv5 4>8, pool2, 392>512, dropout, >10: 207,258 parameters.

    Args:
        depth: maps of the two convolutions.
        hidden: units of the dense layer.
        dropout: probability of dropping one of them in training.
        image_size: height and width of the images.
        channels: of the images.
        classes: how many there are.

    Raises:
        ConfigError: for sizes below one, a dropout that is no probability, or images too small.
    """
    require_pair(depth=depth)
    first, second = depth
    require_positive(**{"depth[0]": first, "depth[1]": second})
    require_positive(hidden=hidden, image_size=image_size, channels=channels, classes=classes)
    require_probability(dropout=dropout)
    conv = nn.Sequential(
        nn.Conv2d(channels, first, 5, padding=2),
        *pool_and_activate("max", "relu"),
        nn.Conv2d(first, second, 5, padding=2),
        *pool_and_activate("max", "relu"),
    )
    shape = (channels, image_size, image_size)
    fc = nn.Sequential(
        nn.Linear(flat_features(conv, shape), hidden), nn.ReLU(), nn.Dropout(dropout), nn.Linear(hidden, classes)
    )
    return ConvNet(conv, fc, shape)


@register_model
def digit_cnn(*, image_size: int = 28, channels: int = 1, classes: int = 10) -> ImageClassifier:
    """conv5 1>10, pool2, conv3 10>20, 2000>500>10: 1,007,590 parameters, nearly all of them in one dense layer.

    Args:
        image_size: height and width of the images.
        channels: of the images.
        classes: how many there are.

    Raises:
        ConfigError: for sizes below one, or images too small.
    """
    require_positive(image_size=image_size, channels=channels, classes=classes)
    conv = nn.Sequential(nn.Conv2d(channels, 10, 5), *pool_and_activate("max", "relu"), nn.Conv2d(10, 20, 3), nn.ReLU())
    shape = (channels, image_size, image_size)
    fc = nn.Sequential(nn.Linear(flat_features(conv, shape), 500), nn.ReLU(), nn.Linear(500, classes))
    return ImageClassifier(conv, fc, shape)


@register_model
def example_cnn(
    *, dropout: tuple[float, float] = (0.25, 0.5), image_size: int = 28, channels: int = 1, classes: int = 10
) -> ImageClassifier:
    """The CNN of PyTorch's own MNIST example: conv3 1>32, conv3 32>64, pool2, 9216>128>10; 1,199,882 parameters.

    Args:
        dropout: probabilities of dropping a pooled value and a hidden unit in training.
        image_size: height and width of the images.
        channels: of the images.
        classes: how many there are.

    Raises:
        ConfigError: for sizes below one, a dropout that is no probability, or images too small.
    """
    require_positive(image_size=image_size, channels=channels, classes=classes)
    require_pair(dropout=dropout)
    require_probability(**{"dropout[0]": dropout[0], "dropout[1]": dropout[1]})
    conv = nn.Sequential(
        nn.Conv2d(channels, 32, 3),
        nn.ReLU(),
        nn.Conv2d(32, 64, 3),
        *pool_and_activate("max", "relu"),
        nn.Dropout(dropout[0]),
    )
    shape = (channels, image_size, image_size)
    fc = nn.Sequential(
        nn.Linear(flat_features(conv, shape), 128), nn.ReLU(), nn.Dropout(dropout[1]), nn.Linear(128, classes)
    )
    return ImageClassifier(conv, fc, shape)


@register_model
def handwriting_cnn(
    *, width: int = 32, dropout: float = 0.2, image_size: int = 28, channels: int = 1, classes: int = 10
) -> ImageClassifier:
    """Five convolutions with batch normalisation, small and fast, for training on much: 194,042 parameters.

    conv5 1>16, pool2, conv3 16>64, conv3 64>64, pool2, conv3 64>96, conv3 96>96, pool2, dropout, 864>10.

    Args:
        width: sets the maps of the convolutions: half of it, twice it two times, three times it two times.
        dropout: probability of dropping one of the features in training.
        image_size: height and width of the images.
        channels: of the images.
        classes: how many there are.

    Raises:
        ConfigError: for an odd or non-positive width, other sizes below one, a dropout that is no probability, or images
            too small.
    """
    require_positive(width=width, image_size=image_size, channels=channels, classes=classes)
    if width % 2:
        raise ConfigError(f"width is {width}, expected an even number: the first convolution has half as many maps")
    require_probability(dropout=dropout)
    conv = nn.Sequential(
        # At full size normalising costs as much as convolving one channel: pooled first, a quarter of it.
        nn.Conv2d(channels, width // 2, 5, padding=2, bias=False),
        nn.MaxPool2d(2),
        nn.BatchNorm2d(width // 2),
        nn.ReLU(),
        *_normalized(width // 2, 2 * width),
        *_normalized(2 * width, 2 * width),
        nn.MaxPool2d(2),
        *_normalized(2 * width, 3 * width),
        *_normalized(3 * width, 3 * width),
        nn.MaxPool2d(2),
    )
    shape = (channels, image_size, image_size)
    fc = nn.Sequential(nn.Dropout(dropout), nn.Linear(flat_features(conv, shape), classes))
    return ImageClassifier(conv, fc, shape)


@register_model
def vgg_cnn(
    *,
    maps: tuple[int, ...] = (32, 64, 128),
    dropout: float = 0.2,
    image_size: int = 28,
    channels: int = 1,
    classes: int = 10,
) -> ImageClassifier:
    """Stages of two 3x3 convolutions and pooling, each with more maps, in the manner of VGG: 298,410 parameters.

    conv3 1>32, conv3 32>32, pool2, conv3 32>64, conv3 64>64, pool2, conv3 64>128, conv3 128>128, pool2, 1152>10; batch
    normalisation after each convolution (Ioffe & Szegedy 2015), dropout after each stage (Simonyan & Zisserman 2015,
    section 2, without their hidden dense layers).

    Args:
        maps: of both convolutions of each stage.
        dropout: probability of dropping one of the pooled values in training.
        image_size: height and width of the images.
        channels: of the images.
        classes: how many there are.

    Raises:
        ConfigError: for no stage, sizes below one, a dropout that is no probability, or images too small.
    """
    if not isinstance(maps, (tuple, list)) or not maps:
        raise ConfigError(f"maps is {maps!r}, expected a tuple of at least one number of maps")
    require_positive(**{f"maps[{number}]": count for number, count in enumerate(maps)})
    require_positive(image_size=image_size, channels=channels, classes=classes)
    require_probability(dropout=dropout)
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise((channels, *maps)):
        layers += [*_normalized(inputs, outputs), *_normalized(outputs, outputs), nn.MaxPool2d(2), nn.Dropout(dropout)]
    conv = nn.Sequential(*layers)
    shape = (channels, image_size, image_size)
    fc = nn.Sequential(nn.Linear(flat_features(conv, shape), classes))
    return ImageClassifier(conv, fc, shape)


def _normalized(inputs: int, outputs: int) -> list[nn.Module]:
    """A 3x3 convolution that keeps the size, normalised; the normalisation's shift makes a bias of its own pointless."""
    return [nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()]
