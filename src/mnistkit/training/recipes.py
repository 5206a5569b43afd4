"""Recipes for those in a hurry: MNIST in seconds on two CPU cores."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn

from mnistkit.data import Augmentation, DigitDataset, PixelShift
from mnistkit.models import fast_cnn
from mnistkit.training.callback import Callback
from mnistkit.training.optimizers import make_optimizer
from mnistkit.training.schedules import OneCycle
from mnistkit.training.trainer import Trainer

__all__ = ["FAST", "Recipe"]


@dataclass(frozen=True)
class Recipe:
    """A :func:`~mnistkit.models.fast_cnn` and how to train it: Adam with a short memory, one cycle, smoothed labels.

    ``mnistkit.training.FAST`` has those of ``mnistkit train --fast``, by the accuracy that they are for.

    Attributes:
        maps: of the network's convolutions.
        hidden: units of its hidden layer.
        epochs: how many passes over the training images, or what part of one.
        peak: the highest learning rate.
        batch_size: images in a batch.
        augment: changes the images of each batch.

    >>> recipe = FAST["99.0"]
    >>> train, validation, test = load_mnist()
    >>> trainer = recipe.trainer(train, progress=False)
    >>> history = trainer.fit(train.take_per_class(20), epochs=recipe.epochs)
    >>> trainer.evaluate(test.take_per_class(10)).count
    100
    """

    maps: tuple[int, int]
    hidden: int
    epochs: float
    peak: float = 0.015
    batch_size: int = 192
    augment: Augmentation | None = None

    def trainer(
        self,
        data: DigitDataset,
        *,
        callbacks: Sequence[Callback] = (),
        device: str | torch.device = "auto",
        seed: int = 0,
        progress: bool = True,
    ) -> Trainer:
        """A trainer with a new network for images like these; call its ``fit`` with this recipe's ``epochs``.

        Args:
            data: says how large the images are, and how many classes there are.
            callbacks: see :class:`mnistkit.Trainer`, as for the others.
            device: where to train.
            seed: of the order and the shifts; the network's weights come from torch's generator as it is.
            progress: whether to show progress.

        Raises:
            ConfigError: for images too small for the network, or a device that is not there.
        """
        channels, height, _ = data.images.shape[1:]
        model = fast_cnn(
            maps=self.maps, hidden=self.hidden, image_size=height, channels=channels, classes=len(data.classes)
        )
        return Trainer(
            model,
            optimizer=_adam,
            lr=OneCycle(self.peak),
            loss=functools.partial(F.cross_entropy, label_smoothing=0.1),
            callbacks=callbacks,
            batch_size=self.batch_size,
            augment=self.augment,
            precision="auto",
            device=device,
            seed=seed,
            progress=progress,
        )


def _adam(parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
    optimizer = make_optimizer("adam", parameters, lr=1e-3)
    for group in optimizer.param_groups:
        # A run of a few hundred steps has no time for averages over a thousand.
        group["betas"] = (0.7, 0.9)
    return optimizer


#: The quickest recipes found whose mean accuracy on validation images was at least this many percent, two CPU cores.
FAST: dict[str, Recipe] = {
    "99.0": Recipe((16, 24), 256, epochs=0.8, peak=0.025),
    "99.4": Recipe((16, 32), 512, epochs=2.75, augment=PixelShift(1)),
    "99.6": Recipe((32, 64), 512, epochs=8, augment=PixelShift(1)),
}
