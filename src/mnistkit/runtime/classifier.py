"""OnnxClassifier: a classifier that ONNX Runtime computes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from mnistkit._core import html
from mnistkit._core.files import open_regular
from mnistkit.calibration import Calibration
from mnistkit.errors import CheckpointError, CheckpointFormatError, ConfigError, DataError
from mnistkit.imaging import Preprocessing
from mnistkit.runtime.program import Program, shipped
from mnistkit.types import JsonValue, PathLike

__all__ = ["OnnxClassifier"]

_BATCH = 256


@dataclass(frozen=True, eq=False)
class OnnxClassifier:
    """A trained classifier from a file that ``Classifier.export("digits.onnx")`` wrote; :class:`~mnistkit.Predictor` takes it.

    Its answers are those of the classifier that was exported. Any number of threads may use it, and it pickles.

    Attributes:
        program: computes the logits of frames.
        preprocessing: how images are prepared.
        classes: a name for each output.
        calibration: how the logits are read.
        card: where it comes from, as JSON.
    """

    program: Program = field(repr=False)
    preprocessing: Preprocessing
    classes: tuple[str, ...]
    calibration: Calibration
    card: Mapping[str, JsonValue] = field(repr=False)

    @classmethod
    def load(cls, path: PathLike) -> OnnxClassifier:
        """The classifier in an ONNX file.

        Raises:
            CheckpointError: if there is no such file.
            CheckpointFormatError: if it was not written by ``Classifier.export``.
            MissingExtraError: if ONNX Runtime is not installed.
        """
        try:
            with open_regular(Path(path).expanduser()) as file:
                model = file.read()
        except OSError as error:
            raise CheckpointError(f"cannot read {path}: {error.strerror or error}") from error
        return cls._of(Program(model, str(path)), str(path))

    @classmethod
    def pretrained(cls, name: str = "handwriting") -> OnnxClassifier:
        """The weights that come with mnistkit-runtime.

        Raises:
            ConfigError: for another name; where mnistkit is installed without them.
        """
        if name != "handwriting":
            raise ConfigError(f"there are no weights {name!r}; mnistkit-runtime has 'handwriting'")
        return cls._of(shipped(name), name)

    @classmethod
    def _of(cls, program: Program, source: str) -> OnnxClassifier:
        about = program.metadata
        try:
            classes, calibration, preprocessing, card = (
                json.loads(about[name]) for name in ("classes", "calibration", "preprocessing", "card")
            )
            return cls(
                program,
                Preprocessing.from_json(preprocessing),
                tuple(map(str, classes)),
                Calibration.from_json(calibration),
                dict(card),
            )
        except (KeyError, TypeError, ValueError, RecursionError) as error:
            raise CheckpointFormatError(
                f"{source} does not say how pictures are prepared and answers are read; expected a file that "
                f"Classifier.export('digits.onnx') wrote ({type(error).__name__}: {error})"
            ) from error

    def logits(self, frames: np.ndarray, *, batch_size: int = _BATCH) -> np.ndarray:
        """What the network makes of images, before calibration.

        Args:
            frames: uint8 ``(N, H, W)`` or ``(N, C, H, W)``: ``Prediction.frame``, or MNIST's own images.
            batch_size: images at a time.

        Returns:
            float32 ``(N, classes)``.

        Raises:
            DataError: for images of another shape or type, or for none.
        """
        images = frames[:, None] if frames.ndim == 3 else frames
        shape = self.preprocessing.frame_shape
        if images.dtype != np.uint8 or images.shape[1:] != shape or not len(images):
            raise DataError(
                f"got {frames.dtype} of shape {frames.shape} as frames, expected at least one uint8 image of "
                f"(N, {', '.join(map(str, shape))}); Predictor(classifier).predict() takes pictures of any kind"
            )
        batches = range(0, len(images), batch_size)
        return np.concatenate([self.program("frames", images[start : start + batch_size]) for start in batches])

    def probabilities(self, frames: np.ndarray, *, batch_size: int = _BATCH) -> np.ndarray:
        """The calibrated probability of each class, float64 ``(N, classes)``; arguments and errors as for :meth:`logits`."""
        return self.calibration.probabilities(self.logits(frames, batch_size=batch_size))

    def _repr_html_(self) -> str:
        known = {
            "classes": f"{len(self.classes)}: {', '.join(self.classes)}",
            "pictures": f"{'x'.join(map(str, self.preprocessing.frame_shape))}, framing {self.preprocessing.framing!r}",
            "calibrated": "yes" if self.calibration.acceptance else "no",
            "on": "ONNX Runtime",
            "licence": self.card.get("licence"),
            "limits": self.card.get("limits"),
        }
        return html.panel(type(self).__name__, html.facts(known))
