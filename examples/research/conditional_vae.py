"""A conditional variational autoencoder, which draws the digit that it is asked for.

Kingma and Welling 2014, "Auto-encoding variational Bayes", equation 10; the label beside image and code as in Sohn et al. 2015.

python examples/research/conditional_vae.py --seed 0
"""

import torch
import torch.nn.functional as F
from study import Outcome, judge_drawn, main
from torch import Tensor, nn

from mnistkit import OneCycle, Trainer
from mnistkit.data import Splits
from mnistkit.types import Batch, StepOutput

CODE = 2
EPOCHS = 10


class ConditionalVAE(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(784 + 10, 256), nn.ReLU(), nn.Linear(256, 2 * CODE))
        self.decoder = nn.Sequential(nn.Linear(CODE + 10, 256), nn.ReLU(), nn.Linear(256, 784))

    def encode(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        mean, log_variance = self.encoder(torch.cat([images, F.one_hot(labels, 10)], 1)).chunk(2, 1)
        return mean, log_variance

    def decode(self, codes: Tensor, labels: Tensor) -> Tensor:
        pixels: Tensor = self.decoder(torch.cat([codes, F.one_hot(labels, 10)], 1))
        return pixels


class VAETrainer(Trainer[ConditionalVAE]):
    def training_step(self, batch: Batch) -> StepOutput:
        return self.reconstruct(self.model, batch)

    def evaluation_step(self, batch: Batch) -> StepOutput:
        return self.reconstruct(self.inference_model, batch)

    def reconstruct(self, model: nn.Module, batch: Batch) -> StepOutput:
        assert isinstance(model, ConditionalVAE)
        images = batch.images.flatten(1)
        mean, log_variance = model.encode(images, batch.labels)
        codes = mean + (0.5 * log_variance).exp() * torch.randn_like(mean)
        pixels = model.decode(codes, batch.labels)
        error = F.binary_cross_entropy_with_logits(pixels, images, reduction="sum") / len(images)
        divergence = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(1).mean()
        return StepOutput(error + divergence, metrics={"error": error, "divergence": divergence})


def study(data: Splits, seed: int, epochs: int) -> Outcome:
    train, validation = (part.normalized(mean=0.0, std=1.0) for part in (data.train, data.validation))
    trainer = VAETrainer(ConditionalVAE(), lr=OneCycle(0.003), batch_size=128, seed=seed)
    trainer.fit(train, validation[:1000], epochs=epochs)

    def draw(labels: Tensor) -> Tensor:
        codes = torch.randn(len(labels), CODE)
        return trainer.model.decode(codes.to(trainer.device), labels.to(trainer.device)).sigmoid()

    return judge_drawn(draw)


if __name__ == "__main__":
    main(study, EPOCHS)
