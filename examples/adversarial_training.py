"""Adversarial training with the fast gradient sign method (Goodfellow et al. 2015, equation 1 and section 6).

python examples/adversarial_training.py --epochs 5
"""

import argparse

import torch
from torch import Tensor, nn

from mnistkit import Trainer, create_model, load_mnist, seed_everything
from mnistkit.types import Batch, StepOutput


class AdversarialTrainer(Trainer):
    """Half of each loss is that of images moved by ``epsilon`` (of full white) in the direction that hurts most."""

    epsilon = 0.1
    std = 0.3081

    def attack(self, model: nn.Module, batch: Batch) -> Batch:
        images = batch.images.clone().requires_grad_(True)
        with torch.enable_grad():
            (gradient,) = torch.autograd.grad(self.loss(model(images), batch.labels), images)
        return Batch((images + self.epsilon / self.std * gradient.sign()).detach(), batch.labels)

    def training_step(self, batch: Batch) -> StepOutput:
        clean = super().training_step(batch)
        attacked = super().training_step(self.attack(self.model, batch))
        return StepOutput((clean.loss + attacked.loss) / 2, clean.logits, {"attacked_loss": attacked.loss})

    def evaluation_step(self, batch: Batch) -> StepOutput:
        clean = super().evaluation_step(batch)
        attacked = super().evaluation_step(self.attack(self.inference_model, batch))
        return StepOutput(clean.loss, clean.logits, {"attacked_accuracy": accuracy(attacked.logits, batch.labels)})


def accuracy(logits: Tensor | None, labels: Tensor) -> Tensor:
    assert logits is not None
    return (logits.argmax(1) == labels).double().mean()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--images", type=int, default=55_000)
    options = parser.parse_args()
    train, validation, test = load_mnist()
    for kind in (Trainer, AdversarialTrainer):
        seed_everything(0)
        trainer = kind(create_model("lenet5"))
        trainer.fit(train[: options.images], validation, epochs=options.epochs)
        result = AdversarialTrainer(trainer.model, progress=False).evaluate(test)
        print(f"{kind.__name__}: {result}")


if __name__ == "__main__":
    main()
