"""A hundred labels, and all other images without: what is sure of a lightly changed image is learnt for a heavily changed one.

Sohn et al. 2020, "FixMatch: simplifying semi-supervised learning with consistency and confidence", equations 3 and 4.

python examples/research/fixmatch.py --seed 0
"""

import torch
import torch.nn.functional as F
from study import Outcome, main
from torch import Tensor

from mnistkit import Augment, TensorLoader, Trainer, create_model, plots
from mnistkit.callbacks import EMA
from mnistkit.data import CombinedLoader, Splits
from mnistkit.training import Cosine
from mnistkit.types import Batch, StepOutput

WEAK = Augment(shift=2)
STRONG = Augment(rotate=25, scale=0.25, shear=20, shift=4, ink=0.5, erase=0.5)
EPOCHS = 4


class FixMatch(Trainer):
    def training_step(self, batch: tuple[Batch, Batch]) -> StepOutput:  # type: ignore[override]
        (unlabelled, _), (images, labels) = batch
        logits = self.model(torch.cat([changed(images, WEAK), changed(unlabelled, WEAK), changed(unlabelled, STRONG)]))
        known, weak, strong = logits.split([len(images), len(unlabelled), len(unlabelled)])
        certainty, guess = weak.detach().softmax(1).max(1)
        sure = (certainty >= 0.95).float()
        consistency = (F.cross_entropy(strong, guess, reduction="none") * sure).mean()
        return StepOutput(self.loss(known, labels) + consistency, metrics={"sure": sure.mean()})


def changed(images: Tensor, augment: Augment) -> Tensor:
    return augment(images, torch.default_generator)


def study(data: Splits, seed: int, epochs: int) -> Outcome:
    train, validation, test = (part.normalized(mean=0.0, std=1.0) for part in data)
    few = train.take_per_class(10, seed)
    loader = CombinedLoader(
        TensorLoader(train, 128, shuffle=True, seed=seed), TensorLoader(few, 64, shuffle=True, seed=seed)
    )
    model = create_model("lenet5")
    trainer = FixMatch(model, lr=Cosine(0.002), callbacks=[EMA(0.99)], seed=seed)
    history = trainer.fit(loader, validation, epochs=epochs)
    return Outcome(
        {"test accuracy": trainer.evaluate(test).accuracy}, plots.training_curves(history, measures=["error"])
    )


if __name__ == "__main__":
    main(study, EPOCHS)
