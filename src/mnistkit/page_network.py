"""PageNetwork: a trained network that looks at pages or parts of them, with its card: what finder and line reader share."""

from __future__ import annotations

import copy
import functools
import itertools
from dataclasses import dataclass, field
from typing import ClassVar, Self

import numpy as np
import torch
from torch import nn
from torch.nn.utils import fuse_conv_bn_eval

from mnistkit._core.files import package_data
from mnistkit.card import Card
from mnistkit.checkpoint import CheckpointFile, read_checkpoint, write_checkpoint
from mnistkit.models.network import forward
from mnistkit.seeding import keeping_generators
from mnistkit.types import PathLike

__all__ = ["PageNetwork"]


@dataclass(frozen=True, eq=False)
class PageNetwork:
    """A trained network with its card.

    Attributes:
        network: from images to maps.
        card: data, recipe, figures, licence.
    """

    network: nn.Module = field(repr=False)
    card: Card = field(default_factory=Card, repr=False)

    #: The class of the network, and the name of the file in the package.
    made_of: ClassVar[type[nn.Module]]
    shipped: ClassVar[str]

    @classmethod
    def untrained(cls) -> nn.Module:
        """A network of this kind with random weights."""
        # On a processor, convolutions are quicker with the channels of each pixel side by side.
        return cls.made_of().to(memory_format=torch.channels_last)

    @classmethod
    def load(cls, path: PathLike) -> Self:
        """What is in a file that :meth:`save` wrote.

        Raises:
            CheckpointError: if the file cannot be read, or holds something else.
        """
        content = read_checkpoint(path)
        with keeping_generators(torch.device("cpu")):
            untrained = cls.untrained()
        network = content.build(untrained).float().to(memory_format=torch.channels_last)
        return cls(network, Card.from_file(content))

    @classmethod
    @functools.cache
    def pretrained(cls) -> Self:
        """The one in the package, on the CPU: numbers by hand, in print and on displays."""
        return cls.load(package_data("models", "weights", "pages", f"{cls.shipped}.safetensors"))

    def folded(self) -> Self:
        """The same in fewer steps, for looking only: a look takes a sixth to a quarter less time.

        Each batch norm becomes part of the convolution before it, so that this copy can be neither trained nor saved.
        """
        network = copy.deepcopy(self.network).eval()
        for module in list(network.modules()):
            for (name, layer), (after, norm) in itertools.pairwise(list(module.named_children())):
                if isinstance(layer, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                    setattr(module, name, fuse_conv_bn_eval(layer, norm))
                    setattr(module, after, nn.Identity().eval())
        return type(self)(network.to(memory_format=torch.channels_last), self.card)

    def save(self, path: PathLike, *, quantized: int | None = None) -> None:
        """Write a model file in half precision; a WriteError leaves an earlier one intact.

        Args:
            path: the file.
            quantized: layers of this many weights or more are written as bytes, which makes them half as large; see
                :func:`mnistkit.checkpoint.write_checkpoint`.
        """
        card = self.card
        content = CheckpointFile(self.network.state_dict(), metrics=card.figures, data=card.data, about=card.about())
        write_checkpoint(path, content, half=quantized is None, quantized=quantized)

    def _of_pixels(self, images: np.ndarray) -> np.ndarray:
        """What the network says of uint8 ``(N, H, W)``, as float32."""
        pixels = torch.from_numpy(images)[:, None].float().div_(127.5).sub_(1)
        said: np.ndarray = forward(self.network, [pixels.contiguous(memory_format=torch.channels_last)]).numpy(
            force=True
        )
        return said
