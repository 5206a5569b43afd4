"""Run a model over a data set and report on it."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mnistkit._modules import evaluating, model_device
from mnistkit.data import DigitDataset, TensorLoader
from mnistkit.device import resolve_device
from mnistkit.errors import ConfigError, DataError, NonFiniteLossError
from mnistkit.evaluation.report import Report
from mnistkit.models import model_spec
from mnistkit.reading import Predictor

__all__ = ["compute_logits", "evaluate", "model_name", "require_kinds"]


def evaluate(
    model: nn.Module | Predictor,
    dataset: DigitDataset,
    *,
    batch_size: int = 500,
    device: str | torch.device | None = None,
    name: str | None = None,
) -> Report:
    """Measure a model on a data set: accuracy, loss, figures of each class, confusion, calibration, every mistake.

    Measure on the test images once, when everything has been chosen; until then on the validation images.

    Args:
        model: from normalised images to logits; or a predictor, which prepares the images in its own way.
        dataset: the images and their labels.
        batch_size: images at a time.
        device: to move the model to, see :func:`mnistkit.resolve_device`; by default where it is.
        name: what to call the model; by default what its factory is called.

    Raises:
        ConfigError: for another kind of model or data.
        DataError: for a data set without images, or with labels that the model does not know.
        NonFiniteLossError: if the model's output is not a number somewhere.

    >>> _, _, test = load_mnist()
    >>> report = evaluate(create_model("lenet5"), test[:500])
    >>> report.confusion.shape, len(report.mistakes) == report.count - report.correct
    ((10, 10), True)
    """
    logits = compute_logits(model, dataset, batch_size=batch_size, device=device)
    known = model.classes if isinstance(model, Predictor) else dataset.classes
    if logits.shape[1] < len(dataset.classes):
        raise DataError(
            f"the model has {logits.shape[1]} classes and {dataset!r} has {len(dataset.classes)}: "
            f"create the model with classes={len(dataset.classes)}, or give a data set of its classes"
        )
    scores = logits.log_softmax(1)
    return Report(
        model=name or model_name(model),
        data_name=f"{dataset.name} {dataset.split}",
        fingerprint=dataset.fingerprint,
        # A model may tell more classes than were named.
        classes=(*known, *map(str, range(len(known), logits.shape[1]))),
        labels=dataset.labels.cpu().numpy(),
        probabilities=scores.exp().float().numpy(),
        losses=-scores.gather(1, dataset.labels.cpu()[:, None])[:, 0].float().numpy(),
        data=dataset,
    )


def model_name(model: nn.Module | Predictor) -> str:
    """What a model's factory is called, or else its class."""
    module = model.model if isinstance(model, Predictor) else model
    spec = model_spec(module)
    return spec.name if spec else type(module).__name__


def compute_logits(
    model: nn.Module | Predictor,
    dataset: DigitDataset,
    *,
    batch_size: int = 500,
    device: str | torch.device | None = None,
) -> Tensor:
    """What a model says of every image of a data set, with every module's mode left as it was.

    Args:
        model: from normalised images to logits; or a predictor, which prepares the images in its own way.
        dataset: the images.
        batch_size: images at a time.
        device: to move the model to; by default where it is.

    Returns:
        float64 ``(N, classes)``, on the CPU.

    Raises:
        ConfigError: for another kind of model or data.
        DataError: for a data set without images, or an output that is no ``(N, classes)``.
        NonFiniteLossError: if the output is not a number somewhere.
    """
    require_kinds(model, dataset)
    if isinstance(model, Predictor):
        if dataset.preprocessing != model.preprocessing:
            dataset = dataset.prepared_as(model.preprocessing)
        model = model.model
    place = model_device(model) if device is None else resolve_device(device)
    model.to(place)
    outputs: list[Tensor] = []
    with evaluating(model), torch.inference_mode():
        for images, _ in TensorLoader(dataset, batch_size, device=place):
            outputs.append(model(images).cpu().double())
    if outputs[0].ndim != 2 or sum(map(len, outputs)) != len(dataset):
        raise DataError(
            f"the model's output for {len(dataset)} images has shapes such as {tuple(outputs[0].shape)}, expected logits "
            "(N, classes)"
        )
    logits = torch.cat(outputs).clone()
    finite = logits.isfinite().all(1)
    if not finite.all():
        first = int((~finite).nonzero()[0])
        raise NonFiniteLossError(
            f"the model's output is not finite for {int((~finite).sum())} of {len(dataset)} images, first for image {first}: "
            f"{logits[first].tolist()}; its weights may be damaged, or training has diverged"
        )
    return logits


def require_kinds(model: object, dataset: object) -> None:
    """Refuse what is no model or no data set, as a program without a type checker may give it.

    Raises:
        ConfigError: with what was expected.
    """
    if not isinstance(model, (nn.Module, Predictor)):
        raise ConfigError(f"got a {type(model).__name__} as the model, expected a torch module or a Predictor")
    if not isinstance(dataset, DigitDataset):
        raise ConfigError(
            f"got a {type(dataset).__name__} as the data, expected a DigitDataset, such as one of train, validation, test = "
            "load_mnist(); DigitDataset.from_arrays() makes one of arrays, and Trainer.evaluate() takes any loader"
        )
