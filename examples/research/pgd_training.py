"""Training on images that an attack has just made as wrong as it can, so that the network holds against such attacks.

Madry et al. 2018, "Towards deep learning models resistant to adversarial attacks", equation 2.1 and section 5; the network is
that of Wong et al. 2020, "Fast is better than free", which learns this in minutes.

python examples/research/pgd_training.py --seed 0
"""

import torch
from study import Outcome, main
from torch import Tensor, nn

from mnistkit import DigitDataset, OneCycle, TensorLoader, Trainer, plots
from mnistkit.data import Splits
from mnistkit.types import Batch, StepOutput

EPSILON = 0.3  # the largest change of a pixel, of full white
EPOCHS = 7


def network() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 16, 4, stride=2, padding=1),
        nn.ReLU(),
        nn.Conv2d(16, 32, 4, stride=2, padding=1),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(32 * 7 * 7, 100),
        nn.ReLU(),
        nn.Linear(100, 10),
    )


class PGDTrainer(Trainer):
    def attacked(self, model: nn.Module, batch: Batch, steps: int, size: float) -> Batch:
        images = batch.images
        changed = images + torch.empty_like(images).uniform_(-EPSILON, EPSILON)
        for _ in range(steps):
            changed = changed.clamp(0, 1).requires_grad_()
            with torch.enable_grad():
                loss = self.loss(model(changed), batch.labels)
            (slope,) = torch.autograd.grad(loss, changed)
            changed = images + (changed.detach() + size * slope.sign() - images).clamp(-EPSILON, EPSILON)
        return Batch(changed.clamp(0, 1), batch.labels)

    def training_step(self, batch: Batch) -> StepOutput:
        return super().training_step(self.attacked(self.model, batch, steps=2, size=0.2))

    def evaluation_step(self, batch: Batch) -> StepOutput:
        changed = self.attacked(self.inference_model, batch, steps=40, size=0.01)
        clean, attacked = map(super().evaluation_step, (batch, changed))
        return StepOutput(clean.loss, clean.logits, {"attacked_accuracy": accuracy(attacked.logits, batch.labels)})


def accuracy(logits: Tensor | None, labels: Tensor) -> Tensor:
    assert logits is not None
    return (logits.argmax(1) == labels).double().mean()


def study(data: Splits, seed: int, epochs: int) -> Outcome:
    train, _, test = (part.normalized(mean=0.0, std=1.0) for part in data)
    trainer = PGDTrainer(network(), lr=OneCycle(0.005), batch_size=128, seed=seed)
    trainer.fit(train, epochs=epochs)
    result = trainer.evaluate(test[:2000])  # forty steps of an attack take their time
    batch = next(TensorLoader(test, 40, device=trainer.device).batches())
    changed = trainer.attacked(trainer.inference_model, batch, steps=40, size=0.01)
    read = trainer.model(changed.images).argmax(1).cpu()
    picture = DigitDataset.from_arrays(changed.images[:, 0].cpu().numpy(), batch.labels.cpu(), white=1.0)
    figures = {"test accuracy": result.accuracy, "under attack": result.metrics["attacked_accuracy"]}
    return Outcome(figures, plots.prediction_grid(picture, read, rows=4, columns=10))


if __name__ == "__main__":
    main(study, EPOCHS)
