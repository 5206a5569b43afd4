"""Classifier: a trained network with all that is needed to use it, as one value."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor, nn

from mnistkit.backends import BackendName, CompiledModel, compile_model
from mnistkit.calibration import Calibration, fit_calibration
from mnistkit.card import Card, as_panel
from mnistkit.checkpoint import CheckpointFile, read_checkpoint, write_checkpoint
from mnistkit.data import DIGITS, Augmentation, DigitDataset, TensorLoader, refuse_test_images, require_dataset
from mnistkit.device import resolve_device
from mnistkit.errors import CheckpointMismatchError, ConfigError
from mnistkit.export import write_export
from mnistkit.imaging import Preprocessing
from mnistkit.models import ModelSpec, list_pretrained, model_spec, pretrained_file
from mnistkit.models.network import BATCH, as_frames, copy_of, forward, model_device, require_logits
from mnistkit.types import ExportFormat, PathLike

__all__ = ["Classifier"]


@dataclass(frozen=True, eq=False)
class Classifier:
    """A trained network, how its images are prepared, what its classes are called, and how its logits are read.

    A value that does not change: what measures or moves it gives a new one. :class:`~mnistkit.Predictor` reads pictures
    with it, :func:`~mnistkit.evaluate`, ``compare`` and ``robustness`` judge it. It pickles.

    Attributes:
        network: from prepared images to logits. It is used as it is, and left in the mode that it is in.
        preprocessing: how images are prepared: training's own.
        classes: a name for each output.
        calibration: how the logits are read; by default as they are.
        card: data, recipe, figures, licence.
        program: another program's form of the network, see :meth:`on`; ``None`` where torch computes it.

    Raises:
        ConfigError: for a network that is no torch module.

    >>> classifier = Classifier.pretrained()
    >>> classifier.classes, classifier.spec.name
    (('0', '1', '2', '3', '4', '5', '6', '7', '8', '9'), 'handwriting_cnn')
    >>> classifier.probabilities(load_mnist().test.images[:2]).argmax(1)
    array([7, 2])
    """

    network: nn.Module = field(repr=False)
    preprocessing: Preprocessing
    classes: tuple[str, ...] = DIGITS
    calibration: Calibration = field(default_factory=Calibration)
    card: Card = field(default_factory=Card, repr=False)
    program: CompiledModel | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if not isinstance(self.network, nn.Module):
            raise ConfigError(f"got a {type(self.network).__name__} as the network, expected a torch module")
        if not isinstance(self.preprocessing, Preprocessing):
            raise ConfigError(
                "a network needs the preprocessing of its training: dataset.preprocessing, or "
                "Preprocessing(mean=(0.1307,), std=(0.3081,)) from mnistkit.data"
            )
        if self.program is not None and not self.program.computes(self.network, self.preprocessing.input_shape):
            # As dataclasses.replace(classifier, network=another) gives it.
            program = compile_model(self.network, self.program.backend, self.preprocessing.input_shape)
            object.__setattr__(self, "program", program)

    @classmethod
    def load(
        cls,
        path: PathLike,
        *,
        model: nn.Module | None = None,
        preprocessing: Preprocessing | None = None,
        classes: Sequence[str] = DIGITS,
        device: str | torch.device = "auto",
        backend: BackendName = "torch",
    ) -> Classifier:
        """The classifier in a file.

        Args:
            path: a model or training file of mnistkit's; or a plain ``state_dict`` of somebody else's, which needs
                ``model`` and ``preprocessing``.
            model: to load a file's weights into that does not say how to build one.
            preprocessing: how images were prepared in training, where the file does not say it:
                ``Preprocessing(mean=(0.1307,), std=(0.3081,))``, or mean 0 and std 1 after a bare ``ToTensor``.
            classes: a name for each label, where the file does not say it.
            device: see :func:`mnistkit.resolve_device`; a file moves freely between devices.
            backend: as for :meth:`on`.

        Raises:
            CheckpointError: if the file cannot be read.
            CheckpointMismatchError: if the model does not fit, or something is neither in the file nor given.
            ConfigError: for an unknown device or backend.
            MissingExtraError: for a backend that is not installed.
        """
        content = read_checkpoint(path)
        prepare = preprocessing or content.preprocessing
        if prepare is None:
            raise CheckpointMismatchError(
                f"{path} does not say how images were prepared in training; give it, such as "
                "preprocessing=Preprocessing(mean=(0.1307,), std=(0.3081,)) from mnistkit.data, or mean=(0.0,), std=(1.0,) "
                "if pixels were only divided by 255"
            )
        content.preprocessing, content.classes = prepare, content.classes or tuple(classes)
        return cls.from_file(content, content.build(model)).on(device, backend)

    @classmethod
    def from_file(cls, content: CheckpointFile, network: nn.Module) -> Classifier:
        """What a checkpoint file says of a network that has its weights; a ConfigError if it lacks the preprocessing."""
        prepare, classes = content.preprocessing, content.classes or DIGITS
        if prepare is None:
            raise ConfigError(
                "nothing says how images were prepared in training, for its data was a loader: make the classifier with "
                "Classifier(trainer.inference_model, preprocessing), such as Preprocessing(mean=(0.1307,), std=(0.3081,))"
            )
        return cls(network, prepare, classes, content.calibration, Card.from_file(content))

    @classmethod
    def pretrained(
        cls, name: str = "handwriting", *, device: str | torch.device = "auto", backend: BackendName = "torch"
    ) -> Classifier:
        """A classifier from the package.

        Args:
            name: ``"handwriting"``: pictures of digits as people write, draw, scan and photograph them; or one of the
                :doc:`model zoo </zoo>`, which have seen MNIST's images only, see :meth:`list_pretrained`.
            device: see :func:`mnistkit.resolve_device`.
            backend: as for :meth:`on`.

        Raises:
            ConfigError: for an unknown name, device or backend.
            MissingExtraError: for a backend that is not installed.
        """
        return cls.load(pretrained_file(name), device=device, backend=backend)

    @staticmethod
    def list_pretrained() -> list[str]:
        """The names that :meth:`pretrained` knows."""
        return list_pretrained()

    def save(self, path: PathLike, *, half: bool = False) -> None:
        """Write a model file, from which :meth:`load` makes the same again; a WriteError leaves an earlier one intact.

        Args:
            path: the file.
            half: write the weights as 16-bit floats, in half the room. What is loaded from there computes in 32 bits as
                before, with weights rounded to three digits: measure that, before a card says what it can.

        Raises:
            CheckpointFormatError: for weights that are not finite, or too large for 16 bits (65,504).
            WriteError: if the file cannot be written.
        """
        content = CheckpointFile(
            weights=self.network.state_dict(),
            spec=self.spec,
            preprocessing=self.preprocessing,
            classes=self.classes,
            calibration=self.calibration,
            metrics=self.card.figures,
            data=self.card.data,
            about=self.card.about(),
        )
        write_checkpoint(path, content, half=half)

    def export(self, path: PathLike, format: ExportFormat | None = None) -> None:
        """Write a file that works without this library; arguments and errors as for :func:`mnistkit.export.write_export`."""
        write_export(self, path, format)

    @property
    def spec(self) -> ModelSpec | None:
        """How to build the network; ``None`` if no registered factory made it."""
        return model_spec(self.network)

    @property
    def name(self) -> str:
        """What the network's factory is called, or else its class."""
        return self.spec.name if self.spec else type(self.network).__name__

    @property
    def device(self) -> torch.device:
        """Where the network is."""
        return model_device(self.network)

    @property
    def backend(self) -> BackendName:
        """What computes the network."""
        return "torch" if self.program is None else self.program.backend

    def _repr_html_(self) -> str:
        return as_panel(self)

    def on(self, device: str | torch.device | None = None, backend: BackendName | None = None) -> Classifier:
        """The same classifier on another device, or computed by another program.

        Args:
            device: see :func:`mnistkit.resolve_device`; by default where it is.
            backend: ``"torch"``, or ``"onnx"`` or ``"openvino"`` on a CPU, which are quicker with single images, and take
                some seconds to begin (``docs/performance.md``); by default what it is.

        Raises:
            ConfigError: for an unknown backend, or a device that is not there.
            MissingExtraError: for a backend that is not installed.
        """
        place, name = self.device if device is None else resolve_device(device), backend or self.backend
        if (place, name) == (self.device, self.backend):
            return self
        network = self.network if place == self.device else copy_of(self.network).to(place)
        return replace(self, network=network, program=compile_model(network, name, self.preprocessing.input_shape))

    def logits(self, frames: np.ndarray | Tensor | DigitDataset, *, batch_size: int = BATCH) -> np.ndarray:
        """What the network makes of images, before calibration.

        Args:
            frames: uint8 ``(N, H, W)`` or ``(N, C, H, W)``, as the network is to see them but for normalisation:
                ``Prediction.frame``, or MNIST's own images. A data set is prepared as the network's.
            batch_size: images at a time.

        Returns:
            float32 ``(N, classes)``.

        Raises:
            DataError: for images of another shape or type, for none, or where the network puts out something else than
                logits of its classes.
            NonFiniteLossError: where it puts out NaN or infinity.
        """
        given = self.prepared(frames).images if isinstance(frames, DigitDataset) else frames
        images = as_frames(given, self.preprocessing.frame_shape)
        parts = torch.split(images, batch_size)
        return self._outputs((self.preprocessing.normalize(part.to(self.device)) for part in parts), len(images))

    def probabilities(self, frames: np.ndarray | Tensor | DigitDataset, *, batch_size: int = BATCH) -> np.ndarray:
        """The calibrated probability of each class, float64 ``(N, classes)``; arguments and errors as for :meth:`logits`."""
        return self.calibration.probabilities(self.logits(frames, batch_size=batch_size))

    def prepared(self, dataset: DigitDataset) -> DigitDataset:
        """The data set as this classifier is to see it: its images prepared as in training, its labels by class name.

        Raises:
            DataError: for images of another size, or labels of a class that the classifier does not have.
            ConfigError: for images that were cropped or resized in another way than the classifier's.
        """
        require_dataset(dataset)
        return dataset.prepared_as(self.preprocessing).with_classes(self.classes)

    def calibrate(
        self,
        validation: DigitDataset,
        *,
        augment: Augmentation | None = None,
        background: bool | None = None,
        seed: int = 0,
    ) -> Classifier:
        """Measure on validation images how the logits are to be read: the same classifier with that calibration.

        A classifier that was trained on all training images has none left to be calibrated on: take the calibration of its
        twin, trained in the same way on the smaller split: ``replace(full, calibration=twin.calibrate(validation).calibration)``.

        Args:
            validation: images that it was not trained on, and no test images: good pictures, of which ``coverage`` is to
                answer a share. They are prepared as the classifier's.
            augment: changes them as pictures of real handwriting would: without it the confidence is right for clean
                images only.
            background: whether the network was taught a background class, "none of these", of logit 0; by default as in
                the calibration that it has.
            seed: of the augmentation.

        Raises:
            SplitLeakError: for test images, or images that the card says it was trained on.
            ConfigError: for other data than a :class:`DigitDataset`, or cropped in another way.
            DataError: as for :meth:`logits` and :meth:`prepared`.
        """
        refuse_test_images(validation, "calibration")
        dataset = self.prepared(validation)
        self.card.refuse_seen(validation, "calibration")
        good = self.logits(dataset)
        changed = good
        if augment is not None:
            loader = TensorLoader(dataset, BATCH, augment=augment, seed=seed, device=self.device)
            changed = self._outputs((images for images, _ in loader), len(dataset))
        calibration = fit_calibration(
            changed,
            dataset.labels.numpy(force=True),
            good=good,
            background=self.calibration.background if background is None else background,
        )
        return replace(self, calibration=calibration)

    def _outputs(self, batches: Iterable[Tensor], count: int) -> np.ndarray:
        outputs = forward(self.program or self.network, batches)
        return require_logits(outputs, count, len(self.classes))
