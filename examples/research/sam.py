"""Sharpness-aware minimisation, on 1,000 images: each update uses the gradients at the worst weights nearby.

Foret et al. 2021, "Sharpness-aware minimization for efficiently improving generalization", algorithm 1, beside SGD alone.

python examples/research/sam.py --seed 0
"""

import torch
from study import Outcome, main

from mnistkit import OneCycle, Trainer, create_model, plots
from mnistkit.data import Splits

RADIUS = 0.1
EPOCHS = 40


class SAM(Trainer):
    def optimizer_step(self) -> None:
        weights = [(weight, weight.grad) for weight in self.model.parameters() if weight.grad is not None]
        norm = torch.stack([slope.norm() for _, slope in weights]).norm().item()

        def climb(radius: float) -> None:
            for weight, slope in weights:
                weight.detach().add_(slope, alpha=radius / (norm + 1e-12))

        climb(RADIUS)
        self.gradients()
        climb(-RADIUS)
        super().optimizer_step()


def study(data: Splits, seed: int, epochs: int) -> Outcome:
    train = data.train[:1000]
    kinds: dict[str, type[Trainer]] = {"SGD": Trainer, "SAM": SAM}
    runs, accuracies = {}, {}
    for name, kind in kinds.items():
        torch.manual_seed(seed)
        trainer = kind(
            create_model("lenet5"),
            optimizer="sgd",
            optimizer_options={"momentum": 0.9},
            lr=OneCycle(0.05),
            seed=seed,
        )
        runs[name] = trainer.fit(train, data.validation[:1000], epochs=epochs)
        accuracies[name] = trainer.evaluate(data.test).accuracy
    picture = plots.training_curves(runs, measures=["error"])
    picture.axes[0].set_ylim(0, 15)  # where they differ
    return Outcome(accuracies, picture)


if __name__ == "__main__":
    main(study, EPOCHS)
