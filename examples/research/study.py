"""What the studies share: what one gives, its command line, and how drawn digits are judged."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from matplotlib.figure import Figure
from torch import Tensor

from mnistkit import Classifier, DigitDataset, load_mnist, plots, seed_everything
from mnistkit.data import Splits


@dataclass(frozen=True)
class Outcome:
    """The figures that a study reached, each a share from 0 to 1, and a picture."""

    figures: dict[str, float]
    picture: Figure


class Study(Protocol):
    """Trains on the training images, may choose by the validation images, and looks at the test images once, at the end."""

    def __call__(self, data: Splits, seed: int, epochs: int) -> Outcome: ...


def run(study: Study, seed: int, epochs: int, images: int | None = None) -> Outcome:
    """Run a study on MNIST, or on so many images of each part only, to try it out."""
    seed_everything(seed)
    return study(Splits(*(part[:images] for part in load_mnist())), seed, epochs)


def main(study: Study, epochs: int) -> None:
    """Run a study from the command line, print its figures, and write its picture."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=epochs)
    parser.add_argument("--images", type=int, help="how many of each part, to try it out; all by default")
    parser.add_argument("--output", default="research.png", help="where the picture goes")
    options = parser.parse_args()
    outcome = run(study, options.seed, options.epochs, options.images)
    for figure, share in outcome.figures.items():
        print(f"{figure}: {share:.2%}")
    outcome.picture.savefig(options.output)


def judge_drawn(draw: Callable[[Tensor], Tensor]) -> Outcome:
    """Have a hundred of each digit drawn, and read them with the network in the package, which never saw the generator.

    Args:
        draw: from labels ``(N,)`` to images ``(N, 784)`` from 0 to 1.
    """
    labels = torch.arange(10).repeat(100)
    with torch.no_grad():
        images = draw(labels).cpu().view(-1, 28, 28)
    drawn = DigitDataset.from_arrays(images.numpy(), labels, white=1.0)
    read = torch.from_numpy(Classifier.pretrained().logits(drawn).argmax(1))
    right = (read == labels).float().mean().item()
    return Outcome({"read as the wanted digit": right}, plots.prediction_grid(drawn, read, rows=5, columns=10))
