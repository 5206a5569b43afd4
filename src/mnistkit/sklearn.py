"""Networks of this package as an estimator of scikit-learn's."""

from __future__ import annotations

import inspect
import math
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Self

import numpy as np
import torch
from torch.utils.data import DataLoader, TensorDataset

from mnistkit.card import Card
from mnistkit.classifier import Classifier
from mnistkit.data import Augmentation, DigitDataset, TensorLoader, sample_marks
from mnistkit.errors import ImageError, MissingExtraError
from mnistkit.models import create_model, model_factory
from mnistkit.models.network import BATCH, copy_of, forward, require_logits
from mnistkit.seeding import keeping_generators
from mnistkit.training import History, OneCycle, OptimizerName, Trainer
from mnistkit.training.description import as_json
from mnistkit.types import Batch

try:
    from sklearn.base import BaseEstimator, ClassifierMixin
    from sklearn.utils.multiclass import check_classification_targets
    from sklearn.utils.validation import check_is_fitted, check_random_state, validate_data
except ImportError as error:
    raise MissingExtraError("scikit-learn", "sklearn", "mnistkit.sklearn") from error

if TYPE_CHECKING:
    import pandas as pd
    from sklearn.utils import Tags

__all__ = ["DigitClassifier"]

# These see rows of numbers, of any kind and number; all others see images.
_OF_ROWS = ("mlp", "softmax_regression")
# What stands for white: in images of floats, in those of 4 bits such as scikit-learn's own, and in bytes.
_WHITES = (1, 16, 255)
# Settings that change nothing of what is learnt.
_NO_RECIPE = ("device", "progress")
# Smaller images are scaled to it: most networks pool too often for less.
_SMALLEST_SIDE = 28


class _Batches:
    """Batches that the trainer does not look into.

    Who fits an estimator splits the data. Kaggle's and OpenML's tables mix MNIST's test images with the others, so that a part
    of them is trained on in every fold of a cross-validation, which is sound there. The card knows the images by sight.
    """

    def __init__(self, loader: TensorLoader) -> None:
        self._loader = loader

    def __len__(self) -> int:
        return len(self._loader)

    def batches(self, epoch: int, start: int) -> Iterator[Batch]:
        return self._loader.batches(epoch, start)


class DigitClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """A network as an estimator: it fits, predicts and scores, in a ``Pipeline``, a ``GridSearchCV``, a ``cross_val_score``.

    It takes what scikit-learn's users have: rows of pixels (Kaggle's table, OpenML's ``mnist_784``, ``load_digits()``),
    arrays, tables of pandas or Polars, and arrays of images. Classes may be numbers or text. After
    ``fit``, ``Predictor(estimator.classifier_)`` reads pictures, and ``estimator.classifier_.save(path)`` keeps it.

    Here the user splits the data: MNIST's test images, which Kaggle's and OpenML's tables mix with the others, are not
    refused as :meth:`mnistkit.Trainer.fit` does, and the score is honest for rows that were not fitted.

    Args:
        model: one of :func:`mnistkit.list_models`. ``"mlp"`` and ``"softmax_regression"`` take tables of any numbers; all
            others take images.
        arguments: of the model; image size, channels and classes are those of the data.
        epochs: passes over the samples.
        lr: the highest learning rate of one cycle (:class:`mnistkit.OneCycle`).
        optimizer: one of :func:`mnistkit.training.list_optimizers`.
        batch_size: samples in a batch.
        augment: changes the images of each batch, such as :class:`mnistkit.Augment`.
        white: the number that stands for white in images; by default the least of 1, 16 and 255 that none of the training
            images exceeds.
        device: see :func:`mnistkit.resolve_device`.
        random_state: of the weights, the order and the augmentation: a seed, a generator of NumPy's, or ``None`` for others
            each time.
        progress: whether to show progress on standard error.

    Attributes:
        classes_: what the labels were, sorted.
        n_features_in_: how many columns the samples had; not there after images that were no rows.
        network_: the trained network, from prepared samples to logits.
        classifier_: the :class:`mnistkit.Classifier`; of a network of images only.
        history_: of the training, a row for each epoch.
        white_: what stands for white; of a network of images only.

    >>> from sklearn.datasets import load_digits
    >>> from mnistkit.sklearn import DigitClassifier
    >>> X, y = load_digits(return_X_y=True)
    >>> reader = DigitClassifier("softmax_regression", epochs=5, lr=0.1, random_state=0).fit(X[:1500], y[:1500])
    >>> reader.score(X[1500:], y[1500:]) > 0.8
    True
    """

    classes_: np.ndarray
    n_features_in_: int
    network_: torch.nn.Module
    classifier_: Classifier
    history_: History
    white_: float

    def __init__(
        self,
        model: str = "lenet5",
        *,
        arguments: Mapping[str, object] | None = None,
        epochs: float = 10,
        lr: float = 0.004,
        optimizer: OptimizerName = "adam",
        batch_size: int = 64,
        augment: Augmentation | None = None,
        white: float | None = None,
        device: str | torch.device = "auto",
        random_state: int | np.random.RandomState | None = None,
        progress: bool = False,
    ) -> None:
        self.model = model
        self.arguments = arguments
        self.epochs = epochs
        self.lr = lr
        self.optimizer = optimizer
        self.batch_size = batch_size
        self.augment = augment
        self.white = white
        self.device = device
        self.random_state = random_state
        self.progress = progress

    def fit(self, X: np.ndarray | pd.DataFrame, y: np.ndarray | pd.Series) -> Self:  # noqa: N803 - scikit-learn's name
        """Train a new network.

        Args:
            X: ``(n, features)``, or images ``(n, height, width)`` or ``(n, channels, height, width)``. Rows of pixels are of
                square images.
            y: ``(n,)``, the class of each.

        Raises:
            ValueError: for samples that are no numbers, of one class only, or that the network cannot take: as images,
                values from 0 to white in a square number of columns.
            ConfigError: for settings that cannot be used.
        """
        samples, given = validate_data(self, X, y, dtype=np.float32, allow_nd=not self._takes_rows())
        check_classification_targets(given)
        self.classes_, labels = np.unique(given, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(f"got samples of 1 class, {self.classes_[0]!r}; a classifier needs two at least")
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        if self._takes_rows():
            self._fit_rows(samples, labels, seed)
        else:
            self._fit_images(samples, labels, seed)
        return self

    def predict_proba(self, X: np.ndarray | pd.DataFrame) -> np.ndarray:  # noqa: N803
        """The probability of each class.

        Args:
            X: as for :meth:`fit`.

        Returns:
            float64 ``(n, classes)``, in the order of ``classes_``.

        Raises:
            ValueError: as for :meth:`fit`; for another number of columns; before :meth:`fit` (scikit-learn's ``NotFittedError``).
        """
        check_is_fitted(self, "network_")
        samples = validate_data(self, X, dtype=np.float32, allow_nd=not self._takes_rows(), reset=False)
        if not self._takes_rows():
            images = self._images(samples, np.zeros(len(samples), np.int64))
            return self.classifier_.probabilities(images.images)
        # In double precision a row's answer does not depend on the rows beside it, as scikit-learn's checks expect.
        network = copy_of(self.network_).double()
        rows = torch.from_numpy(self._scaled(samples)).double()
        logits = require_logits(forward(network, torch.split(rows, BATCH)), len(rows), len(self.classes_))
        powers = np.exp(logits.astype(np.float64) - logits.max(axis=1, keepdims=True))
        probabilities: np.ndarray = powers / powers.sum(axis=1, keepdims=True)
        return probabilities

    def predict(self, X: np.ndarray | pd.DataFrame) -> np.ndarray:  # noqa: N803
        """The likeliest class of each sample, ``(n,)``; arguments and errors as for :meth:`predict_proba`."""
        likeliest = self.predict_proba(X).argmax(axis=1)
        answers: np.ndarray = self.classes_[likeliest]
        return answers

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = not self._takes_rows()
        tags.input_tags.positive_only = not self._takes_rows()
        return tags

    def _takes_rows(self) -> bool:
        return self.model in _OF_ROWS

    def _fit_rows(self, samples: np.ndarray, labels: np.ndarray, seed: int) -> None:
        with np.errstate(over="ignore"):
            self._mean, deviation = samples.mean(axis=0, dtype=np.float64), samples.std(axis=0, dtype=np.float64)
        self._deviation = np.where(deviation > 0, deviation, 1.0)
        # A network of this package counts a row's numbers as the channels of an image of one pixel.
        trainer = self._trainer(samples.shape[1], 1, seed)
        rows = TensorDataset(torch.from_numpy(self._scaled(samples)), torch.from_numpy(labels.astype(np.int64)))
        order = torch.Generator().manual_seed(seed)
        self.history_ = trainer.fit(
            DataLoader(rows, self.batch_size, shuffle=True, generator=order), epochs=self.epochs
        )
        self.network_ = trainer.inference_model

    def _scaled(self, samples: np.ndarray) -> np.ndarray:
        scaled: np.ndarray = ((samples - self._mean) / self._deviation).astype(np.float32)
        return scaled

    def _fit_images(self, samples: np.ndarray, labels: np.ndarray, seed: int) -> None:
        high = float(samples.max())
        self.white_ = float(self.white or next((white for white in _WHITES if high <= white), 0))
        if not self.white_:
            raise ImageError(
                f"got images with values to {high:g}, expected at most 255; say what stands for white, as white="
            )
        self._mean_std: tuple[tuple[float, ...], tuple[float, ...]] | None = None
        images = self._images(samples, labels)
        self._mean_std = images.mean, images.std
        channels, side, _ = images.images.shape[1:]
        trainer = self._trainer(channels, side, seed)
        batches = _Batches(
            TensorLoader(images, self.batch_size, augment=self.augment, seed=seed, device=trainer.device)
        )
        self.history_ = trainer.fit(batches, epochs=self.epochs)
        self.network_ = trainer.inference_model
        card = Card(
            data={
                "name": images.name,
                "split": images.split,
                "images": len(images),
                "fingerprint": images.fingerprint,
                "marks": list(sample_marks(images)),
            },
            recipe={name: as_json(value) for name, value in self.get_params().items() if name not in _NO_RECIPE},
            seconds=trainer.seconds,
        )
        self.classifier_ = Classifier(self.network_, images.preprocessing, images.classes, card=card)

    def _images(self, samples: np.ndarray, labels: np.ndarray) -> DigitDataset:
        low, high = float(samples.min()), float(samples.max())
        if low < 0 or high > self.white_:
            raise ImageError(
                f"Negative values in data, or too large ones: got images with values from {low:g} to {high:g}, expected 0 to "
                f"{self.white_:g} for white"
            )
        columns = samples.shape[1]
        if samples.ndim == 2 and (columns < 4 or math.isqrt(columns) ** 2 != columns):
            raise ImageError(
                f"got rows of {columns} numbers, which make no square image; expected such as 784, or images "
                "(n, height, width); DigitClassifier('mlp') takes rows of any length"
            )
        names = [str(name) for name in self.classes_]
        images = DigitDataset.from_arrays(samples, labels, white=self.white_, classes=names, mean_std=self._mean_std)
        return images if images.images.shape[-1] >= _SMALLEST_SIDE else images.resize(_SMALLEST_SIDE)

    def _trainer(self, channels: int, side: int, seed: int) -> Trainer:
        fitting: dict[str, object] = {"classes": len(self.classes_), "channels": channels, "image_size": side}
        known = inspect.signature(model_factory(self.model)).parameters
        arguments = {name: value for name, value in fitting.items() if name in known} | dict(self.arguments or {})
        with keeping_generators(torch.device("cpu")):
            torch.default_generator.manual_seed(seed)
            network = create_model(self.model, **arguments)
        return Trainer(
            network,
            optimizer=self.optimizer,
            lr=OneCycle(self.lr),
            device=self.device,
            seed=seed,
            progress=self.progress,
        )
