"""A network made to be trained in seconds on a CPU."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from mnistkit.models.layers import flat_features, require_pair, require_positive
from mnistkit.models.network import ImageClassifier, lay_out
from mnistkit.models.registry import register_model

__all__ = ["FastCNN", "fast_cnn"]

# MNIST's digits fill the middle 20 pixels; with 2 more on each side nearly all of every shifted one is seen.
_SEEN = 24


class FastCNN(ImageClassifier):
    """Two convolutions and a hidden layer on the middle of the image. See :func:`fast_cnn`."""

    def forward(self, images: Tensor) -> Tensor:
        """Logits ``(N, classes)`` of images ``(N, C, H, W)``.

        Raises:
            DataError: for images of another shape.
        """
        self._check(images)
        margin = _margin(images.shape[-1])
        middle = images[..., margin : images.shape[-2] - margin, margin : images.shape[-1] - margin]
        logits: Tensor = self.fc(self.conv(lay_out(middle)).flatten(1))
        return logits


@register_model
def fast_cnn(
    *,
    maps: tuple[int, int] = (16, 24),
    hidden: int = 256,
    image_size: int = 28,
    channels: int = 1,
    classes: int = 10,
) -> FastCNN:
    """conv6 1>16 in steps of 2, conv3 16>24, pool2, 384>256>10, all but the last with batch norm; 105,498 parameters.

    It sees the middle 24x24 pixels, the first convolution halves the image at once, nothing is padded, and the maximum
    is taken before it is normalised: of all operations only those stay that pay for their time. A product of matrices
    keeps a processor busier than a convolution of a few pixels, so the last third is one.

    Args:
        maps: of the two convolutions.
        hidden: how many units the layer between the convolutions and the classes has.
        image_size: height and width of the images.
        channels: of the images.
        classes: how many there are.

    Raises:
        ConfigError: for sizes below one, or images too small.
    """
    require_pair(maps=maps)
    first, second = maps
    require_positive(**{f"maps[{number}]": count for number, count in enumerate(maps)})
    require_positive(hidden=hidden, image_size=image_size, channels=channels, classes=classes)
    conv = nn.Sequential(
        nn.Conv2d(channels, first, 6, stride=2, bias=False),
        nn.BatchNorm2d(first),
        nn.ReLU(),
        nn.Conv2d(first, second, 3, bias=False),
        nn.MaxPool2d(2),
        nn.BatchNorm2d(second),
        nn.ReLU(),
    )
    side = image_size - 2 * _margin(image_size)
    features = flat_features(conv, (channels, side, side))
    fc = nn.Sequential(
        nn.Linear(features, hidden, bias=False), _BatchNorm(hidden), nn.ReLU(), nn.Linear(hidden, classes)
    )
    return FastCNN(conv, fc, (channels, image_size, image_size))


class _BatchNorm(nn.BatchNorm1d):
    """Takes a batch of one image, too, as the last of an epoch may be: that has no spread, and torch refuses it."""

    def forward(self, input: Tensor) -> Tensor:
        if not self.training or len(input) > 1:
            return super().forward(input)
        return F.batch_norm(input, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps)


def _margin(side: int) -> int:
    """What is left out on each side of an image."""
    return max(0, side - _SEEN) // 2
