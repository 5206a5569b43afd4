"""A conditional Wasserstein GAN with gradient penalty: a critic of five updates for each of the generator, two optimizers.

Gulrajani et al. 2017, "Improved training of Wasserstein GANs", algorithm 1; the label beside noise and image as in Mirza and
Osindero 2014.

python examples/research/wgan_gp.py --seed 0
"""

import torch
import torch.nn.functional as F
from study import Outcome, judge_drawn, main
from torch import Tensor, nn

from mnistkit import Trainer
from mnistkit.data import Splits
from mnistkit.types import Batch, StepOutput

NOISE = 64
EPOCHS = 12


class WGAN(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.generator = nn.Sequential(
            nn.Linear(NOISE + 10, 256), nn.ReLU(), nn.Linear(256, 256), nn.ReLU(), nn.Linear(256, 784), nn.Sigmoid()
        )
        self.critic = nn.Sequential(
            nn.Linear(784 + 10, 256), nn.LeakyReLU(0.2), nn.Linear(256, 256), nn.LeakyReLU(0.2), nn.Linear(256, 1)
        )

    def draw(self, labels: Tensor) -> Tensor:
        noise = torch.randn(len(labels), NOISE, device=labels.device)
        images: Tensor = self.generator(torch.cat([noise, F.one_hot(labels, 10)], 1))
        return images

    def judge(self, images: Tensor, labels: Tensor) -> Tensor:
        scores: Tensor = self.critic(torch.cat([images, F.one_hot(labels, 10)], 1))
        return scores


class WGANTrainer(Trainer[WGAN]):
    def configure_optimizer(self) -> dict[str, torch.optim.Optimizer]:
        parts = self.model.named_children()
        return {name: torch.optim.Adam(part.parameters(), 1e-3, (0.0, 0.9)) for name, part in parts}

    def training_step(self, batch: Batch) -> StepOutput:
        real, fake, judge = batch.images.flatten(1), self.model.draw(batch.labels), self.model.judge
        between = torch.lerp(fake.detach(), real, torch.rand_like(real[:, :1])).requires_grad_()
        (slope,) = torch.autograd.grad(judge(between, batch.labels).sum(), between, create_graph=True)
        distance = judge(real, batch.labels).mean() - judge(fake.detach(), batch.labels).mean()
        self.step_optimizer("critic", 10 * (slope.norm(dim=1) - 1).square().mean() - distance)
        if self.state.step % 5:
            self.skip("generator")
        return StepOutput(-judge(fake, batch.labels).mean(), metrics={"distance": distance})


def study(data: Splits, seed: int, epochs: int) -> Outcome:
    trainer = WGANTrainer(WGAN(), batch_size=64, seed=seed)
    trainer.fit(data.train.normalized(mean=0.0, std=1.0), epochs=epochs)
    return judge_drawn(lambda labels: trainer.model.draw(labels.to(trainer.device)))


if __name__ == "__main__":
    main(study, EPOCHS)
