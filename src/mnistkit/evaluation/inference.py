"""Run a model over a data set and report on it."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import torch
from torch import nn

from mnistkit.classifier import Classifier
from mnistkit.data import DigitDataset, require_dataset
from mnistkit.device import resolve_device
from mnistkit.errors import ConfigError
from mnistkit.evaluation.report import Report
from mnistkit.models.network import BATCH
from mnistkit.reading import Predictor

__all__ = ["Model", "as_classifier", "evaluate"]

#: What can be judged: a classifier, a predictor's, or a bare torch module, whose images are prepared as the data set says.
Model: TypeAlias = Classifier | Predictor | nn.Module


def evaluate(
    model: Model,
    dataset: DigitDataset,
    *,
    batch_size: int = BATCH,
    device: str | torch.device | None = None,
    name: str | None = None,
) -> Report:
    """Measure a model on a data set: accuracy, loss, figures of each class, confusion, calibration, every mistake.

    Measure on the test images once, when everything has been chosen; until then on the validation images.

    A classifier, and that of a predictor, is judged as it answers: with its own preparation of the images, calibrated, by
    the names of its classes, on its backend. Every image is its frame already; a predictor would frame a few of MNIST's own
    anew.

    Args:
        model: a classifier or a predictor; or a torch module from normalised images to logits.
        dataset: the images and their labels.
        batch_size: images at a time.
        device: to judge it on, see :func:`mnistkit.resolve_device`; by default where it is.
        name: what to call the model; by default what its factory is called.

    Raises:
        ConfigError: for another kind of model or data, or several networks without a ``forward`` of their own.
        DataError: for a data set without images, or with labels that the model does not know; for a network that puts out
            something else than logits.
        NonFiniteLossError: if the model's output is not a number somewhere.

    >>> _, _, test = load_mnist()
    >>> report = evaluate(create_model("lenet5"), test[:500])
    >>> report.confusion.shape, len(report.mistakes) == report.count - report.score.correct
    ((10, 10), True)
    """
    classifier = as_classifier(model, dataset, device)
    prepared = classifier.prepared(dataset)
    logits = classifier.logits(prepared, batch_size=batch_size)
    probabilities = classifier.calibration.probabilities(logits)
    labels = prepared.labels.numpy(force=True)
    scaled = logits.astype(np.float64) / classifier.calibration.temperature
    of_label = np.take_along_axis(scaled, labels[:, None], axis=1)[:, 0]
    return Report(
        model=name or classifier.name,
        data_name=f"{dataset.name} {dataset.split}",
        fingerprint=dataset.fingerprint,
        # A network may tell more classes than were named.
        classes=(*classifier.classes, *map(str, range(len(classifier.classes), logits.shape[1]))),
        labels=labels,
        probabilities=probabilities.astype(np.float32),
        losses=(np.logaddexp.reduce(scaled, axis=1) - of_label).astype(np.float32),
        data=dataset,
    )


def as_classifier(model: object, dataset: DigitDataset, device: str | torch.device | None = None) -> Classifier:
    """What is judged, as a classifier; a bare module takes preparation and classes from the data.

    Raises:
        ConfigError: for what is no model or no data set, as a program without a type checker may give it.
    """
    model = model.classifier if isinstance(model, Predictor) else model
    if not isinstance(model, (Classifier, nn.Module)):
        raise ConfigError(
            f"got a {type(model).__name__} as the model, expected a Classifier, a Predictor or a torch module"
        )
    require_dataset(dataset)
    if isinstance(model, nn.Module):
        place = None if device is None else resolve_device(device)
        return Classifier(model if place is None else model.to(place), dataset.preprocessing, dataset.classes)
    return model.on(device)
