"""Finder: a trained network that sees where on a page characters stand, as one value."""

from __future__ import annotations

import functools
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import nn

from mnistkit._core.files import package_data
from mnistkit.card import Card
from mnistkit.checkpoint import CheckpointFile, read_checkpoint, write_checkpoint
from mnistkit.models import FinderNet
from mnistkit.models.network import forward
from mnistkit.seeding import keeping_generators
from mnistkit.types import PathLike

__all__ = ["Finder"]


@dataclass(frozen=True, eq=False)
class Finder:
    """A trained :class:`~mnistkit.models.FinderNet` with its card: tells where on a page digits, signs and letters stand.

    :meth:`mnistkit.Predictor.read` looks for characters with it, whichever classifier tells what they are.

    Attributes:
        network: from pages to maps.
        card: data, recipe, figures, licence.

    >>> pages = np.full((1, 64, 96), 255, np.uint8)
    >>> Finder.pretrained().maps(pages).shape
    (1, 20, 16, 24)
    """

    network: nn.Module = field(repr=False)
    card: Card = field(default_factory=Card, repr=False)

    @classmethod
    def load(cls, path: PathLike) -> Finder:
        """The finder in a file that :meth:`save` wrote.

        Raises:
            CheckpointError: if the file cannot be read, or holds something else.
        """
        content = read_checkpoint(path)
        with keeping_generators(torch.device("cpu")):
            untrained = FinderNet()
        # On a processor, convolutions are quicker with the channels of each pixel side by side.
        network = content.build(untrained).float().to(memory_format=torch.channels_last)
        return cls(network, Card.from_file(content))

    @classmethod
    @functools.cache
    def pretrained(cls) -> Finder:
        """The one in the package, on the CPU: numbers by hand, in print and on displays."""
        return cls.load(package_data("models", "weights", "finder", "pages.safetensors"))

    def save(self, path: PathLike) -> None:
        """Write a model file in half precision; a WriteError leaves an earlier one intact."""
        weights = {
            name: value.half() if value.is_floating_point() else value
            for name, value in self.network.state_dict().items()
        }
        card = self.card
        write_checkpoint(path, CheckpointFile(weights, metrics=card.figures, data=card.data, about=card.about()))

    def maps(self, pages: np.ndarray) -> np.ndarray:
        """What stands where.

        Args:
            pages: uint8 ``(N, H, W)``, grey, with sides that are multiples of 32.

        Returns:
            float32 ``(N, 20, H / 4, W / 4)``: see :class:`~mnistkit.models.FinderNet`.
        """
        images = torch.from_numpy(pages)[:, None].float().div_(127.5).sub_(1)
        maps: np.ndarray = forward(self.network, [images.contiguous(memory_format=torch.channels_last)]).numpy(
            force=True
        )
        return maps
