"""A network made to be trained in seconds on a CPU."""

from __future__ import annotations

from torch import Tensor, nn

from mnistkit.errors import ConfigError
from mnistkit.models._base import ImageClassifier, flat_features, lay_out, require_positive
from mnistkit.models._registry import register_model

__all__ = ["FastCNN", "fast_cnn"]

# MNIST's digits fill the middle 20 pixels; with 2 more on each side nearly all of every shifted one is seen.
_SEEN = 24


class FastCNN(ImageClassifier):
    """Three convolutions on the middle of the image. See :func:`fast_cnn`."""

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
    *, maps: tuple[int, int, int] = (16, 32, 96), image_size: int = 28, channels: int = 1, classes: int = 10
) -> FastCNN:
    """conv6 1>16 in steps of 2, conv3 16>32, pool2, conv3 32>96, 384>10, each convolution with batch norm; 36,970 parameters.

    It sees the middle 24x24 pixels, the first convolution halves the image at once, nothing is padded, and the maximum
    is taken before it is normalised: of all operations only those stay that pay for their time.

    Args:
        maps: of the three convolutions; multiples of 16 are cheapest.
        image_size: height and width of the images.
        channels: of the images.
        classes: how many there are.

    Raises:
        ConfigError: for sizes below one, or images too small.
    """
    if not isinstance(maps, (tuple, list)) or len(maps) != 3:
        raise ConfigError(f"maps is {maps!r}, expected a tuple of three")
    first, second, third = maps
    require_positive(**{f"maps[{number}]": count for number, count in enumerate(maps)})
    require_positive(image_size=image_size, channels=channels, classes=classes)
    conv = nn.Sequential(
        nn.Conv2d(channels, first, 6, stride=2, bias=False),
        nn.BatchNorm2d(first),
        nn.ReLU(),
        nn.Conv2d(first, second, 3, bias=False),
        nn.MaxPool2d(2),
        nn.BatchNorm2d(second),
        nn.ReLU(),
        nn.Conv2d(second, third, 3, bias=False),
        nn.BatchNorm2d(third),
        nn.ReLU(),
    )
    side = image_size - 2 * _margin(image_size)
    features = flat_features(conv, (channels, side, side))
    return FastCNN(conv, nn.Sequential(nn.Linear(features, classes)), (channels, image_size, image_size))


def _margin(side: int) -> int:
    """What is left out on each side of an image."""
    return max(0, side - _SEEN) // 2
