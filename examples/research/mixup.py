"""Images and labels mixed in pairs, on 1,000 images: all over (mixup), or a rectangle of one in the other (CutMix).

Zhang et al. 2018, "mixup: beyond empirical risk minimization", equation 1; Yun et al. 2019, "CutMix: regularization strategy to
train strong classifiers with localizable features", equations 1 and 2.

python examples/research/mixup.py --seed 0
"""

import torch
import torch.nn.functional as F
from study import Outcome, main
from torch import Tensor

from mnistkit import OneCycle, Trainer, create_model, plots
from mnistkit.data import Splits
from mnistkit.types import Batch, StepOutput

EPOCHS = 60


class Mixup(Trainer):
    def training_step(self, batch: Batch) -> StepOutput:
        other, truth = torch.randperm(len(batch.labels)), F.one_hot(batch.labels, 10).float()
        share = torch.distributions.Beta(1.0, 1.0).sample().item()
        images, share = self.mixed(batch.images, batch.images[other], share)
        return super().training_step(Batch(images, share * truth + (1 - share) * truth[other]))

    def mixed(self, images: Tensor, others: Tensor, share: float) -> tuple[Tensor, float]:
        return share * images + (1 - share) * others, share


class CutMix(Mixup):
    def mixed(self, images: Tensor, others: Tensor, share: float) -> tuple[Tensor, float]:
        height, width = (round(side * (1 - share) ** 0.5) for side in images.shape[2:])
        top = int(torch.randint(images.shape[2] - height + 1, ()))
        left = int(torch.randint(images.shape[3] - width + 1, ()))
        inside = torch.zeros_like(images[:1], dtype=torch.bool)
        inside[:, :, top : top + height, left : left + width] = True
        return torch.where(inside, others, images), 1 - inside.float().mean().item()


def study(data: Splits, seed: int, epochs: int) -> Outcome:
    kinds: dict[str, type[Trainer]] = {"neither": Trainer, "mixup": Mixup, "CutMix": CutMix}
    runs, accuracies = {}, {}
    for name, kind in kinds.items():
        torch.manual_seed(seed)
        trainer = kind(create_model("lenet5"), lr=OneCycle(0.004), seed=seed)
        runs[name] = trainer.fit(data.train[:1000], data.validation[:1000], epochs=epochs)
        accuracies[name] = trainer.evaluate(data.test).accuracy
    picture = plots.training_curves(runs, measures=["error"])
    picture.axes[0].set_ylim(0, 15)  # where they differ
    return Outcome(accuracies, picture)


if __name__ == "__main__":
    main(study, EPOCHS)
