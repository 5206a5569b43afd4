"""Two digits at a time, one pair after the other: what is left of the first at the end, with the pair told or not?

Kirkpatrick et al. 2017, "Overcoming catastrophic forgetting in neural networks", equation 3 (EWC); replay of 20 images of each
earlier digit; and nothing at all: the comparison of van de Ven and Tolias 2019, "Three scenarios for continual learning".

python examples/research/split_mnist.py --seed 0
"""

from dataclasses import replace

import torch
from matplotlib.figure import Figure
from study import Outcome, main
from torch import Tensor

from mnistkit import DigitDataset, TensorLoader, Trainer, create_model, plots
from mnistkit.data import CombinedLoader, Splits, concatenate
from mnistkit.training import History
from mnistkit.types import Batch, StepOutput

EPOCHS = 1


class Continual(Trainer):
    """Learns one pair after the other; where the pair is told, the logits of the other pairs do not count."""

    told = False

    def learn(self, pair: DigitDataset, epochs: int) -> None:
        self.fit(pair, epochs=epochs)

    def loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        return super().loss(self.among(logits, labels), labels)

    def evaluation_step(self, batch: Batch) -> StepOutput:
        logits = self.inference_model(batch.images)
        return StepOutput(self.loss(logits, batch.labels), self.among(logits, batch.labels))

    def among(self, logits: Tensor, labels: Tensor) -> Tensor:
        others = torch.arange(10, device=labels.device) // 2 != labels[:, None] // 2
        return logits.masked_fill(others, -torch.inf) if self.told else logits


class EWC(Continual):
    """Holds each weight where it was, by how much it mattered for the earlier pairs."""

    strength = 1000.0
    held: tuple[tuple[Tensor, Tensor, Tensor], ...] = ()  # a weight, its value, its Fisher information

    def learn(self, pair: DigitDataset, epochs: int) -> None:
        super().learn(pair, epochs)
        weights = list(self.model.parameters())
        information = [torch.zeros_like(weight) for weight in weights]
        for image, label in pair[:500]:
            logits = self.model(image[None].to(self.device))
            slopes = torch.autograd.grad(self.loss(logits, torch.tensor([label], device=self.device)), weights)
            for total, slope in zip(information, slopes, strict=True):
                total += slope.square() / 500
        values = [weight.detach().clone() for weight in weights]
        self.held += tuple(zip(weights, values, information, strict=True))

    def training_step(self, batch: Batch) -> StepOutput:
        output = super().training_step(batch)
        pulls = [(important * (weight - value).square()).sum() for weight, value, important in self.held]
        return StepOutput(output.loss + self.strength / 2 * sum(pulls), output.logits)


class Replay(Continual):
    """Half of each batch are images of the earlier pairs."""

    kept: DigitDataset | None = None

    def learn(self, pair: DigitDataset, epochs: int) -> None:
        new = TensorLoader(pair, 64, shuffle=True, seed=self.seed)
        self.fit(
            pair if self.kept is None else CombinedLoader(new, TensorLoader(self.kept, 64, shuffle=True)), epochs=epochs
        )
        few = pair.take_per_class(20)
        self.kept = few if self.kept is None else concatenate(self.kept, few)

    def training_step(self, batch: Batch | tuple[Batch, Batch]) -> StepOutput:
        if not isinstance(batch, Batch):
            batch = Batch(*map(torch.cat, zip(*batch, strict=True)))
        return replace(super().training_step(batch), labels=batch.labels)


def study(data: Splits, seed: int, epochs: int) -> Outcome:
    pairs = [(2 * number, 2 * number + 1) for number in range(5)]
    figures = {}
    picture = Figure(figsize=(8.0, 3.2), layout="constrained")
    for told, ax in zip((True, False), picture.subplots(1, 2), strict=True):
        curves = {}
        for name, kind in {"nothing": Continual, "EWC": EWC, "replay": Replay}.items():
            torch.manual_seed(seed)
            trainer = kind(create_model("mlp", hidden=(100, 100)), progress=False, seed=seed)
            trainer.told, rows = told, []
            for number, pair in enumerate(pairs, 1):
                trainer.learn(data.train.only(*pair), epochs)
                seen = data.validation.only(*range(2 * number))
                rows.append({"epoch": number, "val_accuracy": trainer.evaluate(seen).accuracy})
            curves[name] = History(rows)
            figures[f"{name}, pair told" if told else name] = trainer.evaluate(data.test).accuracy
        plots.training_curves(curves, measures=["accuracy"], axes=[ax])
        ax.set(xlabel="pairs learnt", title="the pair is told" if told else "it is not", ylim=(0, 102))
    return Outcome(figures, picture)


if __name__ == "__main__":
    main(study, EPOCHS)
