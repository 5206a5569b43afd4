"""How much can a model bear? Its accuracy on images that were changed more and more, and on corrupted ones."""

from __future__ import annotations

import itertools
import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from mnistkit._core.progress import Progress
from mnistkit.data import DigitDataset
from mnistkit.evaluation.corruptions import CORRUPTIONS, corrupt
from mnistkit.evaluation.files import read_json, write_json
from mnistkit.evaluation.inference import Model, as_classifier
from mnistkit.evaluation.perturbations import PERTURBATIONS, perturb
from mnistkit.metrics import Proportion
from mnistkit.models.network import BATCH
from mnistkit.types import JsonValue, PathLike

__all__ = ["Curve", "Robustness", "robustness"]


@dataclass(frozen=True)
class Curve:
    """A model's scores against the level of one change.

    Attributes:
        name: of the change.
        unit: of its level.
        levels: ascending; the level that changes nothing is among them.
        scores: one for each level.
    """

    name: str
    unit: str
    levels: tuple[float, ...]
    scores: tuple[Proportion, ...]

    @property
    def accuracies(self) -> tuple[float, ...]:
        """The accuracy at each level."""
        return tuple(score.accuracy for score in self.scores)


@dataclass(frozen=True)
class Robustness:
    """What :func:`mnistkit.robustness` measured; prints as a table.

    Attributes:
        model: what the model is called.
        data_name: what the data set is called.
        fingerprint: the checksum of the data set's images and labels.
        unchanged: the score on the images as they are.
        curves: against shift, rotation, scale, stroke width, noise and blur.
        corruptions: the score on each corruption, by name.
    """

    model: str
    data_name: str
    fingerprint: str
    unchanged: Proportion
    curves: tuple[Curve, ...]
    corruptions: dict[str, Proportion]

    @property
    def mean_corruption_accuracy(self) -> float:
        """The mean of the accuracies on the corruptions; NaN if none was measured."""
        accuracies = [score.accuracy for score in self.corruptions.values()]
        return statistics.fmean(accuracies) if accuracies else math.nan

    def __str__(self) -> str:
        lines = [
            f"{self.model} on {self.data_name}, {self.unchanged.count:,} images",
            "",
            f"unchanged       {self.unchanged.accuracy:8.2%}",
        ]
        for curve in self.curves:
            levels = "".join(f"{level:>8g}" for level in curve.levels)
            lines += ["", f"{curve.name:<16}{levels}  {curve.unit}"]
            lines += [f"{'':<16}" + "".join(f"{accuracy:8.2%}" for accuracy in curve.accuracies)]
        if self.corruptions:
            lines += ["", "corruption      accuracy   95 % interval"]
            for name, score in self.corruptions.items():
                low, high = score.interval
                lines.append(f"{name:<16}{score.accuracy:8.2%}   {low:.2%} to {high:.2%}")
            lines.append(f"{'mean':<16}{self.mean_corruption_accuracy:8.2%}")
        return "\n".join(lines)

    def to_json(self) -> dict[str, JsonValue]:
        """Every figure as JSON can hold it."""
        curves: list[JsonValue] = [
            {
                "name": curve.name,
                "unit": curve.unit,
                "levels": list(curve.levels),
                "scores": [score.to_json() for score in curve.scores],
            }
            for curve in self.curves
        ]
        return {
            "model": self.model,
            "dataset": self.data_name,
            "fingerprint": self.fingerprint,
            "unchanged": self.unchanged.to_json(),
            "curves": curves,
            "corruptions": {name: score.to_json() for name, score in self.corruptions.items()},
        }

    def save(self, path: PathLike) -> None:
        """Write it as JSON, whole or not at all.

        Raises:
            WriteError: if it cannot be written.
        """
        write_json(path, "robustness", self.to_json())

    @classmethod
    def load(cls, path: PathLike) -> Robustness:
        """Read what :meth:`save` wrote.

        Raises:
            DataError: if there is no such file, or it holds something else.
        """
        return read_json(path, "robustness", _parse)


def robustness(
    model: Model,
    dataset: DigitDataset,
    *,
    curves: Sequence[str] = tuple(PERTURBATIONS),
    corruptions: Sequence[str] = CORRUPTIONS,
    seed: int = 0,
    batch_size: int = BATCH,
    device: str | torch.device | None = None,
    name: str | None = None,
    progress: bool = True,
) -> Robustness:
    """Measure a model's accuracy on changed images: against the level of each change, and on the corruptions of MNIST-C.

    All of it on the 10,000 test images of MNIST takes LeNet-5 about two minutes on one core; a part of them takes less:
    ``test.take_per_class(100)``.

    Args:
        model: a classifier or a predictor, which prepare the images in their own way; or a torch module from normalised
            images to logits. One that crops or resizes has to be given as a classifier, for the images are changed before.
        dataset: one-channel images; of 28x28 pixels for the corruptions.
        curves: names of changes, see :func:`mnistkit.evaluation.perturb`.
        corruptions: names of corruptions, see :func:`mnistkit.evaluation.corrupt`; each with the benchmark's severity.
        seed: of the changes; with one seed, all models see the same images.
        batch_size: images at a time.
        device: to move the model to; by default where it is.
        name: what to call the model; by default what its factory is called.
        progress: whether to show progress on standard error.

    Raises:
        ConfigError: for an unknown name, or another kind of model or data.
        DataError: for images of another kind, or data that does not fit the model.

    >>> from mnistkit.evaluation import robustness
    >>> _, _, test = load_mnist()
    >>> result = robustness(create_model("mlp"), test[:100], curves=["noise"], corruptions=["fog", "stripe"])
    >>> len(result.curves[0].accuracies), list(result.corruptions)
    (8, ['fog', 'stripe'])
    """

    def score(images: Tensor) -> Proportion:
        changed = classifier.prepared(replace(dataset, images=images))
        predictions = classifier.logits(changed, batch_size=batch_size).argmax(1)
        return Proportion(int((predictions == changed.labels.numpy(force=True)).sum()), len(changed))

    classifier = as_classifier(model, dataset, device)
    # Asked first, so that an unknown name costs no time.
    for kind in curves:
        perturb(dataset.images[:1], kind, 1.0)
    for kind in corruptions:
        corrupt(dataset.images[:1], kind)
    steps = 1 + sum(len(PERTURBATIONS[kind].levels) - 1 for kind in curves) + len(corruptions)
    with Progress(steps, "measurements", shown=progress) as bar:
        unchanged = score(dataset.images)
        bar.update()
        measured = []
        for kind in curves:
            change = PERTURBATIONS[kind]
            scores = []
            for level in change.levels:
                if level == change.neutral:
                    scores.append(unchanged)
                    continue
                scores.append(score(perturb(dataset.images, kind, level, seed=seed)))
                bar.update()
            measured.append(Curve(kind, change.unit, change.levels, tuple(scores)))
        corrupted = {}
        for kind in corruptions:
            corrupted[kind] = score(corrupt(dataset.images, kind, seed=seed))
            bar.update()
    data_name = f"{dataset.name} {dataset.split}"
    return Robustness(name or classifier.name, data_name, dataset.fingerprint, unchanged, tuple(measured), corrupted)


def _parse(content: dict[str, JsonValue]) -> Robustness:
    match content:
        case {
            "model": str(model),
            "dataset": str(data_name),
            "fingerprint": str(fingerprint),
            "unchanged": unchanged,
            "curves": list(curves),
            "corruptions": dict(corruptions),
        }:
            return Robustness(
                model,
                data_name,
                fingerprint,
                _parse_score(unchanged),
                tuple(map(_parse_curve, curves)),
                {name: _parse_score(score) for name, score in corruptions.items()},
            )
    raise ValueError("a part is missing")


def _parse_curve(content: JsonValue) -> Curve:
    match content:
        case {"name": str(name), "unit": str(unit), "levels": list(levels), "scores": list(scores)}:
            numbers = tuple(
                float(level) for level in levels if isinstance(level, (int, float)) and not isinstance(level, bool)
            )
            rising = all(low < high for low, high in itertools.pairwise(numbers))
            if rising and len(numbers) == len(levels) == len(scores):
                return Curve(name, unit, numbers, tuple(map(_parse_score, scores)))
    raise ValueError("a curve is damaged")


def _parse_score(content: JsonValue) -> Proportion:
    match content:
        case {"correct": int(correct), "count": int(count)} if count > 0 and bool not in {type(correct), type(count)}:
            return Proportion(correct, count)
    raise ValueError(f"no score: {content!r}")
