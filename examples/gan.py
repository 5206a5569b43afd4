"""A GAN on MNIST: two networks, two optimizers, one Trainer subclass.

python examples/gan.py --epochs 20 --output gan.png
"""

import argparse

import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn

from mnistkit import Trainer, load_mnist, seed_everything
from mnistkit.types import Batch, StepOutput

NOISE = 64


class GAN(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.generator = nn.Sequential(
            nn.Linear(NOISE, 256),
            nn.LeakyReLU(0.2),
            nn.Linear(256, 512),
            nn.LeakyReLU(0.2),
            nn.Linear(512, 784),
            nn.Tanh(),
        )
        self.discriminator = nn.Sequential(
            nn.Linear(784, 512),
            nn.LeakyReLU(0.2),
            nn.Dropout(0.3),
            nn.Linear(512, 256),
            nn.LeakyReLU(0.2),
            nn.Linear(256, 1),
        )

    def generate(self, count: int) -> Tensor:
        images: Tensor = self.generator(torch.randn(count, NOISE, device=next(self.parameters()).device))
        return images


class GANTrainer(Trainer[GAN]):
    def configure_optimizer(self) -> dict[str, torch.optim.Optimizer]:
        return {
            name: torch.optim.Adam(network.parameters(), lr=2e-4, betas=(0.5, 0.999))
            for name, network in self.model.named_children()
        }

    def training_step(self, batch: Batch) -> StepOutput:
        real, fake = batch.images.flatten(1), self.model.generate(len(batch.images))
        d_loss = self.judge(real, 1.0) + self.judge(fake.detach(), 0.0)
        self.step_optimizer("discriminator", d_loss)
        return StepOutput(self.judge(fake, 1.0), metrics={"discriminator_loss": d_loss})

    def judge(self, images: Tensor, target: float) -> Tensor:
        scores = self.model.discriminator(images)
        return F.binary_cross_entropy_with_logits(scores, torch.full_like(scores, target))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--images", type=int, default=55_000)
    parser.add_argument("--output", default="gan.png")
    options = parser.parse_args()
    seed_everything(0)
    # Tanh gives -1 to 1, so the real images are brought there too.
    train = load_mnist().train[: options.images].normalized(mean=0.5, std=0.5)
    trainer = GANTrainer(GAN(), batch_size=128)
    trainer.fit(train, epochs=options.epochs)
    with torch.no_grad():
        grid = trainer.model.generate(64).view(8, 8, 28, 28).permute(0, 2, 1, 3).reshape(224, 224)
    Image.fromarray(((grid + 1) * 127.5).byte().cpu().numpy()).save(options.output)


if __name__ == "__main__":
    main()
