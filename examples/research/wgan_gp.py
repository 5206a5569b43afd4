"""A conditional Wasserstein GAN with gradient penalty, two optimizers; its critic also tells which digit an image shows.

Gulrajani et al. 2017, "Improved training of Wasserstein GANs", algorithm 1, here with one update of the critic for each of the
generator. The critic has a score for each digit (Miyato and Koyama 2018, "cGANs with projection discriminator") and a class loss,
of real images for itself and of drawn ones for the generator, ten times as heavy as the scores (Odena et al. 2017, "Conditional
image synthesis with auxiliary classifier GANs"). What draws is the average of the weights (Yazici et al. 2019, "The unusual
effectiveness of averaging in GAN training").

python examples/research/wgan_gp.py --seed 0
"""

import torch
import torch.nn.functional as F
from study import Outcome, judge_drawn, main
from torch import Tensor, nn

from mnistkit import EMA, Trainer
from mnistkit.data import Splits
from mnistkit.training import Cosine
from mnistkit.types import Batch, StepOutput

NOISE = 64
CLASS_WEIGHT = 10
EPOCHS = 5


class WGAN(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.generator = nn.Sequential(
            nn.Linear(NOISE + 10, 256), nn.ReLU(), nn.Linear(256, 512), nn.ReLU(), nn.Linear(512, 784), nn.Sigmoid()
        )
        self.critic = nn.Sequential(
            nn.Linear(784, 512), nn.LeakyReLU(0.2), nn.Linear(512, 256), nn.LeakyReLU(0.2), nn.Linear(256, 20)
        )

    def draw(self, labels: Tensor) -> Tensor:
        noise = torch.randn(len(labels), NOISE, device=labels.device)
        images: Tensor = self.generator(torch.cat([noise, F.one_hot(labels, 10)], 1))
        return images

    def judge(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        scores, logits = self.critic(images).split(10, 1)
        return scores.gather(1, labels[:, None]), F.cross_entropy(logits, labels)


class WGANTrainer(Trainer[WGAN]):
    def configure_optimizer(self) -> dict[str, torch.optim.Optimizer]:
        parts = self.model.named_children()
        return {name: torch.optim.Adam(part.parameters(), betas=(0.0, 0.9)) for name, part in parts}

    def training_step(self, batch: Batch) -> StepOutput:
        real, fake, labels = batch.images.flatten(1), self.model.draw(batch.labels).float(), batch.labels
        between = torch.lerp(fake.detach(), real, torch.rand_like(real[:, :1])).requires_grad_()
        (slope,) = torch.autograd.grad(self.model.judge(between, labels)[0].sum(), between, create_graph=True)
        of_real, class_loss = self.model.judge(real, labels)
        distance = of_real.mean() - self.model.judge(fake.detach(), labels)[0].mean()
        penalty = 10 * (slope.norm(dim=1) - 1).square().mean()
        self.step_optimizer("critic", penalty + CLASS_WEIGHT * class_loss - distance)
        of_fake, class_loss = self.model.judge(fake, labels)
        return StepOutput(CLASS_WEIGHT * class_loss - of_fake.mean(), metrics={"distance": distance})


def study(data: Splits, seed: int, epochs: int) -> Outcome:
    rates = {"generator": Cosine(1e-3), "critic": Cosine(1e-3)}
    trainer = WGANTrainer(WGAN(), lr=rates, callbacks=[EMA(0.999)], batch_size=64, seed=seed)
    trainer.fit(data.train.normalized(mean=0.0, std=1.0), epochs=epochs)
    return judge_drawn(lambda labels: trainer.model.draw(labels.to(trainer.device)))


if __name__ == "__main__":
    main(study, EPOCHS)
