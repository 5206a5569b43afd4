"""Recipe: everything that makes a training run but the seed."""

from __future__ import annotations

import contextlib
import functools
import inspect
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Literal

import torch
import torch.nn.functional as F

from mnistkit._core.files import user_path
from mnistkit.callbacks import Checkpoint, CSVLogger
from mnistkit.classifier import Classifier
from mnistkit.data import Augmentation, DigitDataset, Splits, load_dataset
from mnistkit.distributed import World
from mnistkit.errors import ConfigError
from mnistkit.models import create_model, model_factory
from mnistkit.precision import PrecisionName
from mnistkit.recipes.result import Result, machine
from mnistkit.seeding import keeping_generators
from mnistkit.training import Callback, Constant, OptimizerName, Schedule, Trainer
from mnistkit.training.description import as_json
from mnistkit.types import JsonValue, PathLike

__all__ = ["Recipe"]


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Everything that makes a training run but the seed: the same recipe with the same seed gives the same classifier.

    ``dataclasses.replace(recipe, epochs=5)`` is a recipe that differs in one thing.

    Attributes:
        name: what it is called, in the card of what it trains.
        title: says in a line what it is.
        model: one of :func:`mnistkit.list_models`.
        arguments: of the model; image size, channels and classes are those of the data.
        dataset: one of :func:`mnistkit.data.list_datasets`.
        validation: how many training images are set aside to choose by.
        per_class: how many training images of each class are taken, drawn with the run's seed; ``None`` for all.
        extend: from the training images and the run's seed to those that are trained on: with drawn ones besides, say.
        crop: the side of the middle of each image that is kept; ``None`` for whole images.
        flat: whether images are rows of pixels.
        optimizer: one of :func:`mnistkit.training.list_optimizers`.
        optimizer_options: its further arguments.
        lr: the learning rate, or the highest.
        schedule: makes a schedule of it: :class:`~mnistkit.training.Constant`, :class:`~mnistkit.training.Cosine`,
            :class:`mnistkit.OneCycle`, or ``functools.partial(OneCycle, rise=0.2)``.
        epochs: passes over the training images; 1.5 is one and a half.
        batch_size: images in a batch.
        augment: changes the images of each batch.
        label_smoothing: what part of each label is spread over all classes (Szegedy et al. 2016, section 7).
        callbacks: functions that make a callback each, such as ``functools.partial(EMA, 0.99)``: every run has its own.
        keep: which weights are the result: of the epoch that was best, on the validation images or, without any, by the
            training loss; or those after the last epoch.
        trainer_class: trains.
        precision: as for :class:`mnistkit.Trainer`.

    >>> recipe = Recipe(name="small", title="Softmax regression", model="softmax_regression", epochs=3, per_class=30)
    >>> result = recipe.run(seed=0, progress=False)
    >>> result.accuracy > 0.5, result.split, result.classifier.card.recipe["name"]
    (True, 'test', 'small')
    """

    name: str
    title: str
    model: str
    arguments: Mapping[str, object] = field(default_factory=dict)
    dataset: str = "mnist"
    validation: int = 5000
    per_class: int | None = None
    extend: Callable[[DigitDataset, int], DigitDataset] | None = None
    crop: int | None = None
    flat: bool = False
    optimizer: OptimizerName = "adam"
    optimizer_options: Mapping[str, object] = field(default_factory=dict)
    lr: float = 1e-3
    schedule: Callable[[float], Schedule] = Constant
    epochs: float = 10
    batch_size: int = 64
    augment: Augmentation | None = None
    label_smoothing: float = 0.0
    callbacks: tuple[Callable[[], Callback], ...] = ()
    keep: Literal["best", "last"] = "best"
    trainer_class: type[Trainer] = Trainer
    precision: PrecisionName | Literal["auto"] = "fp32"

    def describe(self) -> dict[str, JsonValue]:
        """Every setting, as JSON can hold it; functions and classes by their names."""
        return {setting.name: as_json(getattr(self, setting.name)) for setting in fields(self)}

    def load(self, seed: int = 0, *, root: PathLike | None = None) -> Splits:
        """The data set, prepared.

        Args:
            seed: of the run, which decides the images if only some of each class are taken, or more are made.
            root: the folder with the data set's files.

        Raises:
            ConfigError: for an unknown data set.
            DataError: if its files cannot be read, or it has too few images.
            DownloadError: if it is not here and cannot be fetched.
        """
        return self.prepare(load_dataset(self.dataset, root=root, validation=self.validation), seed)

    def prepare(self, data: Splits, seed: int = 0) -> Splits:
        """Data as :meth:`load` gives it: so many images of each class, extended, cropped, flat, as the recipe says.

        Raises:
            DataError: if a class has too few images.
        """
        train = data.train if self.per_class is None else data.train.take_per_class(self.per_class, seed)
        train = train if self.extend is None else self.extend(train, seed)
        return Splits(*(self._shaped(part) for part in (train, data.validation, data.test)))

    def _shaped(self, part: DigitDataset) -> DigitDataset:
        part = part if self.crop is None else part.crop(self.crop)
        return part.flatten() if self.flat else part

    def trainer(
        self,
        data: DigitDataset,
        *,
        seed: int = 0,
        callbacks: Sequence[Callback] = (),
        device: str | torch.device = "auto",
        progress: bool = True,
    ) -> Trainer:
        """A trainer with a new network for images like these; call its ``fit`` with this recipe's ``epochs``.

        Args:
            data: says how large the images are, and how many classes there are.
            seed: of the network's weights, the order of the images, the augmentation and dropout.
            callbacks: besides the recipe's own.
            device: see :func:`mnistkit.resolve_device`.
            progress: whether to show progress.

        Raises:
            ConfigError: for settings that cannot be used, or a device that is not there.
        """
        channels, height, _ = data.images.shape[1:]
        fitting: dict[str, object] = {"classes": len(data.classes), "channels": channels, "image_size": height}
        known = inspect.signature(model_factory(self.model)).parameters
        arguments = {name: value for name, value in fitting.items() if name in known} | dict(self.arguments)
        # Weights are drawn on the CPU, from torch's generator.
        with keeping_generators(torch.device("cpu")):
            torch.default_generator.manual_seed(seed)
            model = create_model(self.model, **arguments)
        smoothed = functools.partial(F.cross_entropy, label_smoothing=self.label_smoothing)
        return self.trainer_class(
            model,
            optimizer=self.optimizer,
            optimizer_options=self.optimizer_options,
            lr=self.schedule(self.lr),
            loss=smoothed if self.label_smoothing else None,
            callbacks=[*(make() for make in self.callbacks), *callbacks],
            batch_size=self.batch_size,
            augment=self.augment,
            precision=self.precision,
            device=device,
            seed=seed,
            progress=progress,
        )

    def run(
        self,
        seed: int = 0,
        *,
        folder: PathLike | None = None,
        data: Splits | None = None,
        root: PathLike | None = None,
        device: str | torch.device = "auto",
        resume: bool = False,
        progress: bool = True,
    ) -> Result:
        """Train, and look at the test images once, afterwards.

        Args:
            seed: of everything random.
            folder: keeps the run: the classifier (``best.safetensors``, or ``model.safetensors`` where the last weights are
                the result), ``last.safetensors`` to resume from, ``history.csv``. Without one the result is in memory only.
            data: to be prepared and used instead of the recipe's data set; a part without images is one that there is not.
            root: the folder with the data set's files.
            device: see :func:`mnistkit.resolve_device`.
            resume: go on with the run in the folder, if there is one.
            progress: whether to show progress on standard error.

        Raises:
            ConfigError: for settings that cannot be used; if the folder holds a run and ``resume`` is not said; if there is
                nothing to measure on.
            CheckpointError: for a run in the folder that is not this one.

        What :meth:`load` and :meth:`mnistkit.Trainer.fit` raise, besides.
        """
        if folder is None and (resume or World.current().size > 1):
            raise ConfigError("a run that is resumed, or that several processes share, needs a folder=")
        train, validation, test = self.load(seed, root=root) if data is None else self.prepare(data, seed)
        judge = test if len(test) else validation
        if not len(judge):
            raise ConfigError(f"{train.name} has no test images, and without validation images nothing to measure on")
        with contextlib.ExitStack() as stack:
            # The best weights are on a disk while training goes on, also those of a run that nobody keeps.
            place = user_path(folder or stack.enter_context(tempfile.TemporaryDirectory()))
            checkpoint = Checkpoint(place, monitor=self._monitor(validation))
            # The folder is the checkpoint's to keep from other runs; a history alone is left of one that saved nothing.
            callbacks = [checkpoint, CSVLogger(place / "history.csv", overwrite=True)]
            trainer = self.trainer(train, seed=seed, callbacks=callbacks, device=device, progress=progress)
            last = checkpoint.last_path if resume and checkpoint.last_path.exists() else None
            history = trainer.fit(train, validation if len(validation) else None, epochs=self.epochs, resume=last)
            path = checkpoint.best_path if self.keep == "best" else place / "model.safetensors"
            classifier = Classifier.load(path, device=trainer.device) if self.keep == "best" else trainer.classifier()
        precision = trainer.precision.name
        network = Trainer(classifier.network, device=trainer.device, precision=precision, progress=False)
        evaluation = network.evaluate(judge)
        card = replace(
            classifier.card,
            recipe={"name": self.name, **classifier.card.recipe},
            figures={**classifier.card.figures, judge.split: evaluation.to_json()},
            seconds=trainer.seconds,
        )
        classifier = replace(classifier, card=card)
        if folder is not None and World.current().is_main:
            classifier.save(path)
        return Result(
            recipe=self.name,
            seed=seed,
            classifier=classifier,
            history=history,
            evaluation=evaluation,
            split=judge.split,
            seconds=trainer.seconds,
            machine=machine(trainer.device),
            path=None if folder is None else path,
        )

    def _monitor(self, validation: DigitDataset) -> str | None:
        if self.keep == "last":
            return None
        return "val_accuracy" if len(validation) else "train_loss"
