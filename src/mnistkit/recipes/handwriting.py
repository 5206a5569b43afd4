"""What the recipe for real handwriting has besides MNIST: digits drawn in the styles that it lacks, and what is no digit."""

from __future__ import annotations

from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mnistkit.data import Augment, DigitDataset, concatenate
from mnistkit.errors import ConfigError
from mnistkit.seeding import derive_seed
from mnistkit.synthetic import draw_digits, draw_distractors
from mnistkit.training import Trainer
from mnistkit.types import Batch, StepOutput

__all__ = ["AUGMENT", "DigitOrNot"]

#: As unlike clean images as what comes in practice.
AUGMENT = Augment(rotate=12, scale=0.13, shear=15, shift=2, elastic=0.8, ink=0.7, erase=0.05, blur=0.6, gamma=0.6)


class DigitOrNot(Trainer[nn.Module]):
    """Trains on MNIST's digits, on drawn ones, and on distractors, a quarter as many as there are digits in each batch.

    A network of ten outputs that has seen nothing but digits gives every scribble to one of them. Here the "no digit" of an
    eleventh class has the fixed logit 0: what is no digit is taught to have ten logits far below it, and the sum of their
    exponentials says how much a picture looks like any digit at all (an energy score, Liu et al. 2020, equation 4).

    What is drawn has even seeds: draw what is to validate with odd ones.

    Attributes:
        drawn: how many drawn digits, and how many distractors.
        distractors: what is no digit, made from the training images.
    """

    drawn: ClassVar[int] = 20_000
    distractors: DigitDataset

    @classmethod
    def with_drawn(cls, train: DigitDataset, seed: int) -> DigitDataset:
        """Training images and, after them, the drawn digits."""
        return concatenate(train, draw_digits(cls.drawn, seed=2 * seed))

    def on_fit_start(self) -> None:
        """Draw the distractors."""
        train = self.train_data
        if not isinstance(train, DigitDataset) or len(train) <= self.drawn:
            raise ConfigError("DigitOrNot trains on a DigitDataset that its with_drawn() made")
        self.distractors = draw_distractors(self.drawn, train[: -self.drawn], seed=2 * self.seed)

    def training_step(self, batch: Batch) -> StepOutput:
        """The loss over digits and distractors; the logits are those of the digits."""
        count = len(batch.labels) // 4
        generator = torch.Generator().manual_seed(derive_seed(self.seed, "distractors", self.state.step))
        chosen = torch.randint(len(self.distractors), (count,), generator=generator)
        frames = AUGMENT(self.distractors.images[chosen].float().div_(255), generator)
        others = self.distractors.preprocessing.normalize_unit(frames).to(self.device)
        logits = self.model(torch.cat([batch.images, others]))
        # The class after the last one.
        labels = torch.cat([batch.labels, batch.labels.new_full((count,), logits.shape[1])])
        return StepOutput(self.loss(logits, labels), logits[: len(batch.labels)])

    def loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Cross-entropy with the fixed logit 0 of "no digit" after the others."""
        return F.cross_entropy(F.pad(logits, (0, 1)), labels, label_smoothing=0.05)
