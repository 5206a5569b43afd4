"""Features without labels: two changed pictures of one image are to be alike, and unlike those of all other images.

Chen et al. 2020, "A simple framework for contrastive learning of visual representations", equation 1; a linear layer then learns
the labels from the features, which stay as they are (section 4).

python examples/research/simclr.py --seed 0
"""

import torch
import torch.nn.functional as F
from study import Outcome, main
from torch import Tensor, nn
from torch.utils.data import TensorDataset

from mnistkit import Augment, OneCycle, Trainer, plots
from mnistkit.data import DigitDataset, Splits
from mnistkit.interpret import embed
from mnistkit.types import Batch, StepOutput

VIEWS = Augment(rotate=20, scale=0.2, shear=15, shift=3, ink=0.5)
EPOCHS = 2


class Encoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for inputs, outputs in ((1, 16), (16, 32), (32, 64)):
            layers += [nn.Conv2d(inputs, outputs, 3, stride=2, padding=1), nn.BatchNorm2d(outputs), nn.ReLU()]
        self.features = nn.Sequential(*layers, nn.AvgPool2d(2), nn.Flatten())
        self.head = nn.Sequential(nn.Linear(256, 128), nn.ReLU(), nn.Linear(128, 32))

    def forward(self, images: Tensor) -> Tensor:
        return F.normalize(self.head(self.features(images)))


class SimCLR(Trainer[Encoder]):
    temperature = 0.5

    def training_step(self, batch: Batch) -> StepOutput:
        codes = self.model(torch.cat([VIEWS(batch.images, torch.default_generator) for _ in range(2)]))
        likeness = (codes @ codes.T / self.temperature).fill_diagonal_(-torch.inf)
        other = torch.arange(len(codes), device=self.device).roll(len(batch.images))
        return StepOutput(F.cross_entropy(likeness, other))


def probe(encoder: Encoder, data: Splits, seed: int) -> float:
    """The accuracy of a linear layer on the features."""

    def features(part: DigitDataset) -> TensorDataset:
        return TensorDataset(embed(encoder, part.preprocessing.normalize(part.images), "features"), part.labels)

    trainer = Trainer(nn.Linear(256, 10), lr=OneCycle(0.01), batch_size=256, seed=seed)
    trainer.fit(features(data.train), features(data.validation), epochs=5)
    return trainer.evaluate(features(data.test)).accuracy


def study(data: Splits, seed: int, epochs: int) -> Outcome:
    data = Splits(*(part.normalized(mean=0.0, std=1.0) for part in data))
    encoder = Encoder()
    before = probe(encoder, data, seed)
    SimCLR(encoder, lr=OneCycle(0.003), batch_size=256, seed=seed).fit(data.train, epochs=epochs)
    figures = {"linear probe": probe(encoder, data, seed), "of random features": before}
    return Outcome(
        figures, plots.embedding_map(encoder, data.validation[:500], method="tsne", layer="features", seed=seed)
    )


if __name__ == "__main__":
    main(study, EPOCHS)
