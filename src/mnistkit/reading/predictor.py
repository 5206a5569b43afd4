"""Predictor: a trained classifier, and pictures of any kind."""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, cast, overload

import numpy as np

from mnistkit._core import html
from mnistkit.errors import BlankImageError, ConfigError, ImageError
from mnistkit.imaging import Preprocessing, frame_image, frame_in_stages, images_in, load_for_frame
from mnistkit.reading.again import look_again
from mnistkit.reading.coverage import cover
from mnistkit.reading.explanation import Explanation
from mnistkit.reading.page import load_page, read_page, require_frames
from mnistkit.reading.prediction import Prediction
from mnistkit.reading.pretrained import columns, maps, pretrained_classifier, require_whole
from mnistkit.reading.reading import Reading
from mnistkit.reading.single import Candidate, reject
from mnistkit.runtime import OnnxClassifier
from mnistkit.types import ImageLike, PathLike, SingleImage

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from mnistkit.backends import BackendName
    from mnistkit.classifier import Classifier

__all__ = ["Predictor"]

# A network is no faster with more at once, and so many photos fit into any memory.
_BATCH = 64
# Seconds that an image takes from which on threads pay: decoding a photo leaves Python's lock for long. Over small images
# threads quarrel about it, and all take up to 1.7 times as long.
_WORTH_THREADS = 0.02


class Predictor:
    """Reads pictures with a trained classifier; ``Predictor()`` with the weights that ship.

    Safe from threads: any number of them may use one predictor at once. It can be pickled, for the processes of a pool.

    Args:
        classifier: if not given, ``Classifier.pretrained()``. An :class:`~mnistkit.runtime.OnnxClassifier` needs no torch; with
            mnistkit-runtime it is the one that ships.
        device: for the weights that ship, see :func:`mnistkit.resolve_device`; another classifier is used where it is.
        backend: what computes the weights that ship: ``"torch"``, or ``"onnx"`` or ``"openvino"``; see
            :meth:`mnistkit.Classifier.on`.

    Attributes:
        classifier: what says what a frame shows.

    Raises:
        ConfigError: for something else than a classifier; for one whose preprocessing no picture can go through: MNIST's
            framing of colour, or 2 channels; for an unknown device or backend.
        MissingExtraError: for a backend that is not installed.
    """

    def __init__(
        self,
        classifier: Classifier | OnnxClassifier | None = None,
        *,
        device: str | torch.device | None = None,
        backend: BackendName | None = None,
    ) -> None:
        if classifier is None:
            classifier = pretrained_classifier(device, backend)
        elif device is not None or backend is not None:
            raise ConfigError(
                "the classifier has its device and backend already; change them: classifier.on(device, backend)"
            )
        preprocessing = getattr(classifier, "preprocessing", None)
        if not isinstance(preprocessing, Preprocessing):
            raise ConfigError(
                f"got a {type(classifier).__name__}, expected a Classifier: Predictor(Classifier(model, preprocessing)), with "
                "the preprocessing of training, such as dataset.preprocessing"
            )
        if preprocessing.channels not in ((1,) if preprocessing.framing == "mnist" else (1, 3)):
            raise ConfigError(
                f"pictures cannot be brought to {preprocessing.channels} channels with framing {preprocessing.framing!r}; "
                "'mnist' makes 1 (grey), 'resize' 1 or 3 (colour): give preprocessing= with the framing of training"
            )
        self.classifier = cast("Classifier", classifier)

    def _repr_html_(self) -> str:
        return html.panel("Predictor", self.classifier._repr_html_())

    @classmethod
    def from_checkpoint(
        cls,
        path: PathLike,
        *,
        model: nn.Module | None = None,
        preprocessing: Preprocessing | None = None,
        classes: Sequence[str] = tuple("0123456789"),
        device: str | torch.device = "auto",
        backend: BackendName = "torch",
    ) -> Predictor:
        """A predictor from a file; arguments and errors as for :meth:`mnistkit.Classifier.load` and :class:`Predictor`."""
        require_whole("Predictor.from_checkpoint()")
        from mnistkit.classifier import Classifier

        loaded = Classifier.load(
            path, model=model, preprocessing=preprocessing, classes=classes, device=device, backend=backend
        )
        return cls(loaded)

    @overload  # a str is also a sequence of them; the first overload wins
    def predict(self, image: SingleImage, *, coverage: float | None = None) -> Prediction: ...  # type: ignore[overload-overlap]
    @overload
    def predict(self, image: Sequence[ImageLike], *, coverage: float | None = None) -> list[Prediction]: ...
    @overload
    def predict(
        self, image: np.ndarray | Tensor, *, coverage: float | None = None
    ) -> Prediction | list[Prediction]: ...
    def predict(
        self, image: ImageLike | Sequence[ImageLike], *, coverage: float | None = None
    ) -> Prediction | list[Prediction]:
        """Read one image, or several at once.

        Args:
            image: a path, encoded bytes, a binary file object, a PIL image, an array or a tensor; see
                :func:`mnistkit.imaging.load_image`. Several: a list of these, an array ``(N, H, W)`` or
                ``(N, H, W, C)``, a tensor ``(N, C, H, W)``, or the path of a folder. (Type checkers cannot see that a
                path is a folder's: ``predict(image_files(folder))``, from ``mnistkit.imaging``, is the same for them.)
            coverage: the share of good pictures that should get an answer, such as 0.98: what looks less like a digit than
                that takes, or is blank, comes back with ``Prediction.rejected`` set. How sure the model is of which
                digit it is, ``Prediction.confidence`` says.

        Returns:
            A prediction; for several images a list in their order.

        Raises:
            ImageError: if one cannot be read; its position in a list is said.
            BlankImageError: if one has no ink, unless such are to be rejected.
            ConfigError: for a ``coverage`` that is no share, or a model that was never calibrated.
        """
        several = self._several(image)
        if several is None:
            candidate = self._find(image, coverage)  # type: ignore[arg-type]  # images_in knows sequences
            return self._predict([candidate], coverage)[0]
        predictions = []
        for position, result in enumerate(self.stream(several, coverage=coverage)):
            if isinstance(result, ImageError):
                raise type(result)(f"image {position} of {len(several)}: {result}") from result
            predictions.append(result)
        return predictions

    def stream(
        self, images: Iterable[ImageLike], *, coverage: float | None = None
    ) -> Iterator[Prediction | ImageError]:
        """Read any number of images as they come, in batches, with the memory of a few dozen.

        Args:
            images: such as :meth:`predict` takes one of.
            coverage: as for :meth:`predict`.

        Yields:
            For each image, in order, its prediction or the error that says why there is none.

        Raises:
            ConfigError: as for :meth:`predict`, before the first image is read.
        """
        if coverage is not None:
            self.classifier.calibration.least_evidence(coverage)

        def find_or_error(image: ImageLike) -> Candidate | ImageError:
            try:
                return self._find(image, coverage)
            except ImageError as error:
                return error

        coming = iter(images)
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            while batch := list(itertools.islice(coming, _BATCH)):
                first, *rest = batch
                start = time.perf_counter()
                found = [find_or_error(first)]
                each = pool.map if time.perf_counter() - start > _WORTH_THREADS else map
                found += each(find_or_error, rest)
                candidates = [result for result in found if not isinstance(result, ImageError)]
                read = iter(self._predict(candidates, coverage))
                for result in found:
                    yield result if isinstance(result, ImageError) else next(read)

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
        self._require_one(image)
        chosen, logits = self._choose([self._find(image, None)])
        return Explanation(self._likeliest(logits, chosen)[0], chosen[0].stages)

    def read(self, image: ImageLike, *, coverage: float | None = None) -> Reading:
        """Read all the digits in a picture, line by line; a blank picture has none.

        The page may lie on its side, upside down or askew, on a sheet on a table, in a ruled table: see
        :class:`~mnistkit.Reading`.

        Args:
            image: such as :meth:`predict` takes one of. The pages of a PDF or TIFF are read one by one, see
                :func:`mnistkit.imaging.load_pages`.
            coverage: the share of good digits that should get an answer, such as 0.98, as for :meth:`predict`: any other
                that was found has ``prediction.rejected`` set, and is ``"?"`` in the texts.

        Raises:
            ImageError: if it cannot be read.
            ConfigError: if the model was trained on something other than MNIST's frames; for a ``coverage`` that is no
                share, or a model that was never calibrated.

        >>> import numpy as np
        >>> two = np.concatenate([image[0] for image in load_mnist().test.images[:2].numpy()], axis=1)
        >>> Predictor().read(two).text
        '72'
        """
        require_frames(self.classifier)
        if getattr(image, "ndim", None) != 2:  # a page may be as wide as the rows of a table of pictures
            self._require_one(image)
        if coverage is not None:
            self.classifier.calibration.least_evidence(coverage)  # refused before the work
        reading = read_page(*load_page(image), self.classifier, maps, columns)
        return reading if coverage is None else cover(reading, self.classifier, coverage)

    def _several(self, image: ImageLike | Sequence[ImageLike]) -> Sequence[ImageLike] | None:
        preprocessing = self.classifier.preprocessing
        return images_in(image, size=preprocessing.size, channels=preprocessing.channels)

    def _require_one(self, image: ImageLike) -> None:
        if (several := self._several(image)) is not None:
            raise ImageError(f"got {len(several)} pictures, expected one: take them one by one")

    def _find(self, image: ImageLike, coverage: float | None) -> Candidate:
        """The likeliest candidate of an image; where answers may be refused, an empty one of a blank image."""
        preprocessing = self.classifier.preprocessing
        size, framing = preprocessing.size, preprocessing.framing
        try:
            picture = load_for_frame(image, size=size, framing=framing, channels=preprocessing.channels)
            if framing == "mnist":
                stages = frame_in_stages(picture, size=size)
                frame = preprocessing.reshape(stages.frame[None, None])[0]
                return Candidate(frame, stages.share, stages.pictures(), None if stages.framed else picture)
            frame = frame_image(picture, size=size, framing=framing)
        except BlankImageError:
            if coverage is None:
                raise
            return Candidate(preprocessing.reshape(np.zeros((1, preprocessing.channels, *size), np.uint8))[0])
        stages_seen = {"picture": picture, "frame": np.moveaxis(frame, 0, -1).squeeze()}
        return Candidate(preprocessing.reshape(frame[None])[0], stages=stages_seen)

    def _predict(self, candidates: Sequence[Candidate], coverage: float | None) -> list[Prediction]:
        """A prediction for each of several pictures, of which the likeliest candidates are given."""
        if not candidates:
            return []
        chosen, logits = self._choose(candidates)
        predictions = self._likeliest(logits, chosen)
        if coverage is None:
            return predictions
        return reject(predictions, logits, chosen, self.classifier.calibration, coverage)

    def _choose(self, candidates: Sequence[Candidate]) -> tuple[list[Candidate], np.ndarray]:
        """The candidates that are read, and their logits.

        Where one is no digit, for all that a background class can tell, and another of the picture surely is, that is taken.
        """
        chosen = list(candidates)
        logits = self.classifier.logits(np.stack([candidate.frame for candidate in chosen]))
        if self.classifier.calibration.background:
            scores = self.classifier.calibration.scores(logits)
            for number in np.flatnonzero(scores < 0):
                better = look_again(chosen[number], float(scores[number]), self.classifier, maps)
                if better is not None:
                    chosen[number], logits[number] = better
        return chosen, logits

    def _likeliest(self, logits: np.ndarray, candidates: Sequence[Candidate]) -> list[Prediction]:
        # A network may tell more classes than were named.
        names = (*self.classifier.classes, *map(str, range(len(self.classifier.classes), logits.shape[1])))
        predictions = []
        for row, candidate in zip(self.classifier.calibration.probabilities(logits).tolist(), candidates, strict=True):
            label = max(range(len(row)), key=row.__getitem__)
            frame = candidate.frame[0] if len(candidate.frame) == 1 else np.moveaxis(candidate.frame, 0, -1)
            predictions.append(Prediction(label, names[label], row[label], tuple(row), frame, names))
        return predictions
