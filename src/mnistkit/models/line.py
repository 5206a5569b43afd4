"""A reader of lines: which characters follow each other in a strip of a page."""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["LineNet"]

# The characters ``0123456789-.,%``, a letter, and nothing.
_CLASSES = 16
# How far apart the columns are that each of the last layers looks at: together they see 60 columns on either side, six digits.
_APART = (1, 2, 4, 8, 1, 2, 4, 8)


class LineNet(nn.Module):
    """From strips to characters, column by column, without cutting anything.

    Convolutions halve the height again and again, until a column is a list of features; the width is halved once. LeCun et al.
    1998, section VII, read strings so; trained as here: Graves et al. 2006, *Connectionist Temporal Classification*.

    Shape:
        input: float ``(N, 1, 32, W)``, any range: each strip is brought to mean 0 and standard deviation 1. ``W`` is even.
        output: ``(N, 16, W / 2)``: for each column of two pixels the logits of ``0123456789-.,%``, of a letter, and of
        nothing.

    Args:
        width: sets the number of features: so many at first, up to five times as many.
    """

    def __init__(self, width: int = 24) -> None:
        super().__init__()
        w = width
        self.features = nn.Sequential(
            _layer(1, w),
            nn.MaxPool2d(2),
            _layer(w, 2 * w),
            _layer(2 * w, 2 * w),
            nn.MaxPool2d((2, 1)),
            _layer(2 * w, 3 * w),
            _layer(3 * w, 3 * w),
            nn.MaxPool2d((2, 1)),
            _layer(3 * w, 4 * w),
            _layer(4 * w, 4 * w),
            _Residual(_layer(4 * w, 4 * w), nn.Conv2d(4 * w, 4 * w, 3, padding=1, bias=False), nn.BatchNorm2d(4 * w)),
        )
        self.columns = nn.Sequential(
            _layer(4 * w, 5 * w, (4, 3), (0, 1)),
            _layer(5 * w, 5 * w, (1, 5), (0, 2)),
            *(_context(5 * w, apart) for apart in _APART),
            nn.Conv2d(5 * w, _CLASSES, 1),
        )

    def forward(self, strips: Tensor) -> Tensor:
        """The logits of the columns."""
        deviation, mean = torch.std_mean(strips, dim=(1, 2, 3), keepdim=True)
        logits: Tensor = self.columns(self.features((strips - mean) / (deviation + 1e-3))).squeeze(2)
        return logits


class _Residual(nn.Module):
    """Adds to its input what some layers make of it, at first nothing: He et al. 2016, *Deep Residual Learning*.

    Args:
        layers: the last one is a batch norm.
    """

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        self.layers = nn.Sequential(*layers)
        last = layers[-1]
        assert isinstance(last, nn.BatchNorm2d)
        nn.init.zeros_(last.weight)

    def forward(self, features: Tensor) -> Tensor:
        """The features and what was added."""
        added: Tensor = features + self.layers(features)
        return added


def _context(maps: int, apart: int) -> nn.Module:
    """What stands in four other columns, so many columns apart: a word's letters tell which of them is no digit.

    Separable, dilated: Yu & Koltun 2016, *Multi-Scale Context Aggregation by Dilated Convolutions*.
    """
    return _Residual(
        nn.Conv2d(maps, maps, (1, 5), padding=(0, 2 * apart), dilation=(1, apart), groups=maps, bias=False),
        nn.BatchNorm2d(maps),
        nn.ReLU(inplace=True),
        nn.Conv2d(maps, maps, 1, bias=False),
        nn.BatchNorm2d(maps),
    )


def _layer(inputs: int, outputs: int, side: tuple[int, int] = (3, 3), padding: tuple[int, int] = (1, 1)) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, side, padding=padding, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )
