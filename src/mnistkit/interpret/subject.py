"""What is looked into: a bare module, or the network of a classifier or predictor, which also says how images are prepared."""

from __future__ import annotations

from typing import TypeAlias

import torch
from torch import Tensor, nn

from mnistkit.classifier import Classifier
from mnistkit.errors import ConfigError, DataError
from mnistkit.models.network import require_forward
from mnistkit.reading import Predictor

__all__ = ["Subject", "network_of", "prepared"]

#: A torch module from prepared images to logits; or a classifier or predictor, which takes uint8 images too.
Subject: TypeAlias = nn.Module | Classifier | Predictor


def network_of(model: Subject) -> nn.Module:
    """The network itself.

    Raises:
        ConfigError: for anything else, and for a network without ``forward``.
    """
    model = model.classifier if isinstance(model, Predictor) else model
    network = model.network if isinstance(model, Classifier) else model
    if not isinstance(network, nn.Module):
        raise ConfigError(
            f"got a {type(network).__name__} as the model, expected a torch module, a Classifier or a Predictor"
        )
    require_forward(network)
    return network


def prepared(model: Subject, images: Tensor) -> Tensor:
    """Images as the network is to see them: uint8 ones are normalised by the classifier, others are so already.

    Raises:
        DataError: for uint8 images without a classifier that knows how they are normalised.
    """
    if images.dtype != torch.uint8:
        return images
    classifier = model.classifier if isinstance(model, Predictor) else model
    if not isinstance(classifier, Classifier):
        raise DataError(
            "got torch.uint8 images for a bare module: normalise them, with dataset.preprocessing.normalize(images), or give its "
            "Classifier"
        )
    return classifier.preprocessing.normalize(images)
