"""A finder: where on a page digits and the signs of numbers stand, from one look at all of it."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["FinderNet"]

# A digit, each sign, a letter; ten digits.
_KINDS, _DIGITS = 6, 10
# Few places are the middle of a character: to begin with this, none is likely (Lin et al. 2017, section 4.1).
_PRIOR = -5.0


class FinderNet(nn.Module):
    """Maps of characters, fully convolutional (Zhou et al. 2019, *Objects as Points*).

    Going down, features of ever larger surroundings, to 1/32 of the size; coming up again, each added to the next finer
    ones (Lin et al. 2017, *Feature Pyramid Networks*), so that a place of the finest map knows the page around it.

    Shape:
        input: float ``(N, 1, H, W)``, -1 black to 1 white; height and width are multiples of 32.
        output: ``(N, 20, H / 4, W / 4)``: the logits of a digit, of each of ``-.,%``, and of a letter, having its middle in a
        place; the logits of the ten digits, if it is one; the distance of the middle from that of the place, to the right and
        down, in places; the logarithms of the character's width and height in units of 16 pixels.

    Args:
        width: sets the number of features: as many at 1/4 of the size, up to four times as many at 1/32.
    """

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        w = width
        self.quarter = nn.Sequential(_layer(1, w // 2, 5, stride=2), _layer(w // 2, w, stride=2), _layer(w, w))
        self.eighth = nn.Sequential(
            _layer(w, 2 * w, stride=2), _layer(2 * w, 2 * w), _Residual(2 * w), _Residual(2 * w)
        )
        self.sixteenth = nn.Sequential(_layer(2 * w, 3 * w, stride=2), _layer(3 * w, 3 * w), _Residual(3 * w))
        self.deepest = nn.Sequential(_layer(3 * w, 4 * w, stride=2), _layer(4 * w, 4 * w))
        self.up_sixteenth = _Joined(4 * w, 3 * w, 2 * w)
        self.up_eighth = _Joined(2 * w, 2 * w, 2 * w)
        self.up_quarter = _Joined(2 * w, w, 3 * w // 2)
        self.score = nn.Conv2d(3 * w // 2, _KINDS, 1)
        self.digit = nn.Conv2d(3 * w // 2, _DIGITS, 1)
        self.box = nn.Conv2d(3 * w // 2, 4, 1)
        assert self.score.bias is not None  # a convolution has one unless it is told otherwise
        nn.init.constant_(self.score.bias, _PRIOR)

    def forward(self, images: Tensor) -> Tensor:
        """The maps."""
        quarter = self.quarter(images)
        eighth = self.eighth(quarter)
        sixteenth = self.sixteenth(eighth)
        up = self.up_sixteenth(self.deepest(sixteenth), sixteenth)
        up = self.up_quarter(self.up_eighth(up, eighth), quarter)
        return torch.cat([self.score(up), self.digit(up), self.box(up)], dim=1)


class _Residual(nn.Module):
    """Features, and what a layer adds to them (He et al. 2016, *Deep Residual Learning*): at first, nothing."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(features, features, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(features)
        nn.init.zeros_(self.norm.weight)

    def forward(self, features: Tensor) -> Tensor:
        return F.relu(features + self.norm(self.convolution(features)), inplace=True)


class _Joined(nn.Module):
    """Coarse features twice as fine, with the finer ones added."""

    def __init__(self, coarse: int, fine: int, outputs: int) -> None:
        super().__init__()
        self.coarse = nn.Conv2d(coarse, outputs, 1)
        self.fine = nn.Conv2d(fine, outputs, 1)
        self.layer = _layer(outputs, outputs)

    def forward(self, coarse: Tensor, fine: Tensor) -> Tensor:
        joined: Tensor = self.layer(F.interpolate(self.coarse(coarse), scale_factor=2.0) + self.fine(fine))
        return joined


def _layer(inputs: int, outputs: int, side: int = 3, *, stride: int = 1) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, side, stride=stride, padding=side // 2, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )
