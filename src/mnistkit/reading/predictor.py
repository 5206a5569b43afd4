"""Predictor: a trained model, and pictures of any kind."""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib import resources
from typing import BinaryIO, TypeVar, overload

import numpy as np
import PIL.Image
import torch
from torch import Tensor, nn

from mnistkit.backends import BackendName, compile_model
from mnistkit.calibration import Calibration, fit_calibration
from mnistkit.checkpoint import CheckpointFile, read_checkpoint, write_checkpoint
from mnistkit.data import Augmentation, DigitDataset, Preprocessing, TensorLoader
from mnistkit.device import resolve_device
from mnistkit.errors import BlankImageError, CheckpointMismatchError, ConfigError, ImageError, unknown_name
from mnistkit.imaging import load_image
from mnistkit.models import model_spec
from mnistkit.reading.explanation import Explanation
from mnistkit.reading.look import Look, images_in, look_at
from mnistkit.reading.prediction import Prediction, predictions_from
from mnistkit.reading.reading import Reading, read_page
from mnistkit.types import ImageLike, PathLike

__all__ = ["Predictor"]

_T = TypeVar("_T")

# A network is no faster with more at once, and so many photos fit into any memory.
_BATCH = 64
# Seconds that an image takes from which on threads pay: decoding a photo leaves Python's lock for long. Over small images
# threads quarrel about it, and all take up to 1.7 times as long.
_WORTH_THREADS = 0.02
# In nats: what is looked at only because the first look found no digit is one with 95 %, or none.
_SURE = 3.0
_DIGITS = tuple("0123456789")
# The weights that ship, by name; each is models/weights/NAME.safetensors, with a card beside it.
_WEIGHTS = ("handwriting",)


class Predictor:
    """Reads pictures with a trained model; ``Predictor()`` with the weights that ship.

    Args:
        model: from normalised images to logits; if not given, that of :meth:`from_pretrained`.
        preprocessing: how images are prepared: training's own. A model of one's own needs it.
        classes: a name for each label.
        calibration: how to read the logits; by default as they are.
        device: see :func:`mnistkit.resolve_device`.
        backend: what computes the network: ``"torch"``, or ``"onnx"`` or ``"openvino"`` on a CPU, which are quicker with
            single images, and take some seconds to begin (``docs/performance.md``).

    Attributes:
        calibration: how the logits are read; :meth:`calibrate` measures it.

    Raises:
        ConfigError: for a model without preprocessing or the reverse; for preprocessing that no picture can go through:
            MNIST's framing of colour, or 2 channels; for an unknown backend.
        MissingExtraError: for a backend that is not installed.
    """

    def __init__(
        self,
        model: nn.Module | None = None,
        preprocessing: Preprocessing | None = None,
        classes: Sequence[str] = _DIGITS,
        *,
        calibration: Calibration | None = None,
        device: str | torch.device = "auto",
        backend: BackendName = "torch",
    ) -> None:
        if model is None:
            if preprocessing is not None:
                raise ConfigError(
                    "preprocessing= goes with a model: the weights that ship have their own; give model=, too"
                )
            shipped = _shipped(_WEIGHTS[0])
            model, preprocessing, classes = shipped.build(), shipped.preprocessing, shipped.classes
            calibration = calibration or shipped.calibration
        if preprocessing is None:
            raise ConfigError(
                "a model needs preprocessing=, that of its training: dataset.preprocessing, or "
                "Preprocessing(mean=(0.1307,), std=(0.3081,)) from mnistkit.data"
            )
        if preprocessing.channels not in ((1,) if preprocessing.framing == "mnist" else (1, 3)):
            raise ConfigError(
                f"pictures cannot be brought to {preprocessing.channels} channels with framing {preprocessing.framing!r}; "
                "'mnist' makes 1 (grey), 'resize' 1 or 3 (colour): give preprocessing= with the framing of training"
            )
        self.device = resolve_device(device)
        self.model = model.to(self.device).eval()
        self.preprocessing = preprocessing
        self.classes = tuple(classes)
        self.calibration = calibration or Calibration()
        # The model itself is still what is explained and saved.
        self._network = compile_model(self.model, backend, preprocessing.input_shape)

    @classmethod
    def from_pretrained(
        cls, name: str = "handwriting", *, device: str | torch.device = "auto", backend: BackendName = "torch"
    ) -> Predictor:
        """A predictor with weights from the package.

        Args:
            name: ``"handwriting"``: pictures of digits as people write, draw, scan and photograph them.
            device: see :func:`mnistkit.resolve_device`.
            backend: as for :class:`Predictor`.

        Raises:
            ConfigError: for an unknown name or backend.
            MissingExtraError: for a backend that is not installed.

        >>> Predictor.from_pretrained().classes
        ('0', '1', '2', '3', '4', '5', '6', '7', '8', '9')
        """
        if name not in _WEIGHTS:
            raise ConfigError(unknown_name("weights", name, _WEIGHTS))
        return cls._from_file(_shipped(name), None, _DIGITS, device, backend)

    @classmethod
    def from_checkpoint(
        cls,
        path: PathLike,
        *,
        model: nn.Module | None = None,
        preprocessing: Preprocessing | None = None,
        classes: Sequence[str] = _DIGITS,
        device: str | torch.device = "auto",
        backend: BackendName = "torch",
    ) -> Predictor:
        """A predictor from a file.

        Args:
            path: a model or training file of mnistkit's; or a plain ``state_dict`` of somebody else's, which needs
                ``model`` and ``preprocessing``.
            model: to load a file's weights into that does not say how to build one.
            preprocessing: how images were prepared in training, where the file does not say it:
                ``Preprocessing(mean=(0.1307,), std=(0.3081,))``, or mean 0 and std 1 after a bare ``ToTensor``.
            classes: a name for each label, where the file does not say it.
            device: see :func:`mnistkit.resolve_device`; a file moves freely between devices.
            backend: as for :class:`Predictor`.

        Raises:
            CheckpointError: if the file cannot be read.
            CheckpointMismatchError: if the model does not fit, or something is neither in the file nor given.
            ConfigError: as for :class:`Predictor`.
        """
        content = read_checkpoint(path)
        prepare = preprocessing or content.preprocessing
        if prepare is None:
            raise CheckpointMismatchError(
                f"{path} does not say how images were prepared in training; give it, such as "
                "preprocessing=Preprocessing(mean=(0.1307,), std=(0.3081,)) from mnistkit.data, or mean=(0.0,), std=(1.0,) "
                "if pixels were only divided by 255"
            )
        content.preprocessing = prepare
        return cls._from_file(content, model, classes, device, backend)

    @classmethod
    def _from_file(
        cls,
        content: CheckpointFile,
        model: nn.Module | None,
        classes: Sequence[str],
        device: str | torch.device,
        backend: BackendName,
    ) -> Predictor:
        return cls(
            content.build(model),
            content.preprocessing,
            content.classes or classes,
            calibration=content.calibration,
            device=device,
            backend=backend,
        )

    def save(self, path: PathLike) -> None:
        """Write a model file with this calibration, for :meth:`from_checkpoint`.

        Raises:
            WriteError: if it cannot be written; an earlier file of that name is then intact.
        """
        write_checkpoint(
            path,
            CheckpointFile(
                weights=self.model.state_dict(),
                spec=model_spec(self.model),
                preprocessing=self.preprocessing,
                classes=self.classes,
                calibration=self.calibration,
            ),
        )

    @overload
    def predict(  # type: ignore[overload-overlap]  # a str is also a sequence of them; the first overload wins
        self, image: str | os.PathLike[str] | bytes | BinaryIO | PIL.Image.Image, *, reject: float | None = None
    ) -> Prediction: ...
    @overload
    def predict(self, image: Sequence[ImageLike], *, reject: float | None = None) -> list[Prediction]: ...
    @overload
    def predict(self, image: np.ndarray | Tensor, *, reject: float | None = None) -> Prediction | list[Prediction]: ...
    def predict(
        self, image: ImageLike | Sequence[ImageLike], *, reject: float | None = None
    ) -> Prediction | list[Prediction]:
        """Read one image, or several at once.

        Args:
            image: a path, encoded bytes, a binary file object, a PIL image, an array or a tensor; see
                :func:`mnistkit.imaging.load_image`. Several: a list of these, an array ``(N, H, W)`` or
                ``(N, H, W, C)``, a tensor ``(N, C, H, W)``, or the path of a folder. (Type checkers cannot see that a
                path is a folder's: ``predict(image_files(folder))``, from ``mnistkit.imaging``, is the same for them.)
            reject: the share of good pictures that should get an answer, such as 0.98: what looks less like a digit than
                that takes, or is blank, comes back with ``Prediction.rejected`` set. How sure the model is of which
                digit it is, ``Prediction.confidence`` says.

        Returns:
            A prediction; for several images a list in their order.

        Raises:
            ImageError: if one cannot be read; its position in a list is said.
            BlankImageError: if one has no ink, unless such are to be rejected.
            ConfigError: for a ``reject`` that is no share, or a model that was never calibrated.
        """
        several = images_in(image)
        if several is None:
            return self._predict([self._look(image, reject)], reject)[0]  # type: ignore[arg-type]  # images_in knows sequences
        predictions = []
        for position, result in enumerate(self.stream(several, reject=reject)):
            if isinstance(result, ImageError):
                raise type(result)(f"image {position} of {len(several)}: {result}") from result
            predictions.append(result)
        return predictions

    def stream(self, images: Iterable[ImageLike], *, reject: float | None = None) -> Iterator[Prediction | ImageError]:
        """Read any number of images as they come, in batches, with the memory of a few dozen.

        Args:
            images: such as :meth:`predict` takes one of.
            reject: as for :meth:`predict`.

        Yields:
            For each image, in order, its prediction or the error that says why there is none.

        Raises:
            ConfigError: as for :meth:`predict`, before the first image is read.
        """
        if reject is not None:
            self.calibration.least_evidence(reject)

        def look_or_error(image: ImageLike) -> Look | ImageError:
            try:
                return self._look(image, reject)
            except ImageError as error:
                return error

        with ThreadPoolExecutor(os.cpu_count()) as pool:
            for first, *rest in _chunks(images, _BATCH):
                start = time.perf_counter()
                looks = [look_or_error(first)]
                each = pool.map if time.perf_counter() - start > _WORTH_THREADS else map
                looks += each(look_or_error, rest)
                read = iter(self._predict([look for look in looks if not isinstance(look, ImageError)], reject))
                for look in looks:
                    yield look if isinstance(look, ImageError) else next(read)

    def explain(self, image: ImageLike) -> Explanation:
        """Read one image and keep every stage on the way, to see why it is read so.

        Raises:
            ImageError: if it cannot be read.
            BlankImageError: if it has no ink.

        >>> import numpy as np
        >>> picture = np.full((60, 60), 200, np.uint8)
        >>> picture[10:50, 28:32] = 40
        >>> explanation = Predictor().explain(picture)
        >>> print(explanation.prediction.label, *explanation.stages)
        1 picture ink digit strokes frame
        """
        looks = [self._look(image, None)]
        prediction = self._predict(looks, None)[0]
        return Explanation(prediction, looks[0].pictures)

    def read(self, image: ImageLike) -> Reading:
        """Read all the digits in a picture, line by line.

        Args:
            image: such as :meth:`predict` takes one of.

        Raises:
            ImageError: if it cannot be read.
            BlankImageError: if it has no ink.
            ConfigError: if the model was trained on something other than MNIST's frames.

        >>> import numpy as np
        >>> two = np.concatenate([image[0] for image in load_mnist().test.images[:2].numpy()], axis=1)
        >>> Predictor().read(two).text
        '72'
        """
        if self.preprocessing.framing != "mnist":
            raise ConfigError(
                f"this model reads whole pictures (framing {self.preprocessing.framing!r}); to find digits in one it needs "
                "to be trained on MNIST's frames"
            )
        pixels = load_image(image, channels=3)
        return read_page(pixels, self.logits, self.classes, self.calibration, self.preprocessing.size)

    def calibrate(
        self, dataset: DigitDataset, *, augment: Augmentation | None = None, knows_none: bool = False, seed: int = 0
    ) -> Calibration:
        """Measure on validation images how the logits are to be read, and do so from now on.

        Args:
            dataset: validation images, prepared as the model's: good pictures, of which ``reject`` is to answer a share.
            augment: changes them as pictures of real handwriting would: without it the confidence is right for clean
                images only.
            knows_none: whether the model was taught that "none of these" has logit 0.
            seed: of the augmentation.
        """

        def logits_of(augmentation: Augmentation | None) -> Tensor:
            loader = TensorLoader(dataset, 256, augment=augmentation, seed=seed, device=self.device)
            with torch.inference_mode():
                return torch.cat([self._network(images) for images, _ in loader])

        good = logits_of(None)
        changed = good if augment is None else logits_of(augment)
        self.calibration = fit_calibration(changed, dataset.labels, good=good, knows_none=knows_none)
        return self.calibration

    def logits(self, frames: np.ndarray) -> Tensor:
        """What the model makes of frames, before calibration.

        Args:
            frames: uint8 ``(N, H, W)`` or ``(N, C, H, W)``, as the model is to see them, but for normalisation:
                ``Prediction.frame`` of one-channel models, or MNIST's own images.

        Returns:
            float32 ``(N, classes)``, on the CPU.
        """
        batches = np.array_split(frames, range(_BATCH, len(frames), _BATCH))
        with_channels = (batch if batch.ndim == 4 else batch[:, None] for batch in batches)
        return torch.cat([self._logits(torch.from_numpy(batch)) for batch in with_channels])

    def _look(self, image: ImageLike, reject: float | None) -> Look:
        try:
            return look_at(image, self.preprocessing)
        except BlankImageError:
            if reject is None:
                raise
            return Look.blank(self.preprocessing)

    @torch.inference_mode()  # all of it: what the model puts out may be written to in this mode only
    def _predict(self, looks: list[Look], reject: float | None) -> list[Prediction]:
        """A prediction for each of a batch of images; a look that was no digit is replaced where another is one."""
        if not looks:
            return []
        seen, logits = self._see([look.frame for look in looks])
        if self.calibration.knows_none:
            for number, score in enumerate(self.calibration.scores(logits).tolist()):
                if score < 0 and (better := self._look_again(looks[number])) is not None:
                    looks[number], seen[number], logits[number] = better
        shares = [look.share for look in looks]
        return predictions_from(logits, seen.numpy(), self.classes, self.calibration, reject, shares)

    def _look_again(self, look: Look) -> tuple[Look, Tensor, Tensor] | None:
        """At the candidate that is likeliest to be a digit, what the model sees there and its logits.

        ``None`` if none surely is one: many looks find something.
        """
        candidates = list(look.others)
        if not candidates:
            return None
        seen, logits = self._see([stages.frame[None] for stages in candidates])
        scores = self.calibration.scores(logits)
        best = int(scores.argmax())
        return (Look.at(candidates[best]), seen[best], logits[best]) if float(scores[best]) > _SURE else None

    def _see(self, frames: Sequence[np.ndarray]) -> tuple[Tensor, Tensor]:
        seen = self.preprocessing.reshape(torch.from_numpy(np.stack(frames)))
        return seen, self._logits(seen)

    def _logits(self, seen: Tensor) -> Tensor:
        with torch.inference_mode():
            logits: Tensor = self._network(self.preprocessing.normalize(seen.to(self.device)))
        return logits.cpu()


def _shipped(name: str) -> CheckpointFile:
    with resources.as_file(resources.files("mnistkit.models") / "weights" / f"{name}.safetensors") as path:
        return read_checkpoint(path)


def _chunks(items: Iterable[_T], size: int) -> Iterator[list[_T]]:
    iterator = iter(items)
    while chunk := list(itertools.islice(iterator, size)):
        yield chunk
