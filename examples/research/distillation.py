"""A network of fewer than 3,000 parameters learns what a large one makes of each image, from 3 % of the images.

Hinton et al. 2015, "Distilling the knowledge in a neural network", sections 2 (soft targets at a temperature) and 6 (3 % of the
images will do); alone, the small network learns the labels of the same images.

python examples/research/distillation.py --seed 0
"""

from dataclasses import replace

import torch
import torch.nn.functional as F
from study import Outcome, main
from torch import nn

from mnistkit import OneCycle, Trainer, plots
from mnistkit.data import Splits
from mnistkit.recipes import get_recipe
from mnistkit.types import Batch, StepOutput

TEMPERATURE = 4.0
EPOCHS = 60


def small() -> nn.Module:
    """1,690 parameters."""
    return nn.Sequential(
        nn.Conv2d(1, 4, 5, stride=2, padding=2),
        nn.ReLU(),
        nn.Conv2d(4, 8, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2, padding=1),
        nn.Flatten(),
        nn.Linear(8 * 4 * 4, 10),
    )


class Distillation(Trainer):
    teacher: nn.Module

    def training_step(self, batch: Batch) -> StepOutput:
        logits = self.model(batch.images)
        with torch.no_grad():
            soft = (self.teacher(batch.images) / TEMPERATURE).softmax(1)
        distance = F.kl_div((logits / TEMPERATURE).log_softmax(1), soft, reduction="batchmean")
        return StepOutput(0.1 * self.loss(logits, batch.labels) + 0.9 * TEMPERATURE**2 * distance, logits)


def study(data: Splits, seed: int, epochs: int) -> Outcome:
    # Smoothed labels would hide from the student which classes are alike.
    teacher = replace(get_recipe("fast-99.0"), label_smoothing=0.0).run(seed, data=data).classifier.network
    _, few = data.train.stratified_split(3 * len(data.train) // 100, seed)
    kinds: dict[str, type[Trainer]] = {"alone": Trainer, "distilled": Distillation}
    runs, accuracies = {}, {}
    for name, kind in kinds.items():
        torch.manual_seed(seed)
        trainer = kind(small(), lr=OneCycle(0.01), seed=seed)
        if isinstance(trainer, Distillation):
            trainer.teacher = teacher
        runs[name] = trainer.fit(few, data.validation[:1000], epochs=epochs)
        accuracies[name] = trainer.evaluate(data.test).accuracy
    return Outcome(accuracies, plots.training_curves(runs, measures=["error"]))


if __name__ == "__main__":
    main(study, EPOCHS)
