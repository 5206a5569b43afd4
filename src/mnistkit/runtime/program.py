"""An ONNX file that ONNX Runtime has compiled."""

from __future__ import annotations

import os
from collections.abc import Mapping
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np

from mnistkit._core.files import package_data
from mnistkit.errors import CheckpointFormatError, ConfigError, MissingExtraError, is_whole

if TYPE_CHECKING:
    import onnxruntime

__all__ = ["Program", "import_onnxruntime", "shipped"]

_NO_TELEMETRY = "ORT_DISABLE_TELEMETRY"


class Program:
    """Computes an ONNX model on the CPU, each call in the thread that calls; any number of threads may call at once.

    It has no threads of its own: a forked child would not have them, and would wait for them for ever when it ends. It
    pickles, and is compiled anew where it is unpickled.

    Args:
        model: the file's content.
        source: what to call it in an error.

    Raises:
        CheckpointFormatError: if it is no ONNX model that ONNX Runtime can compute.
        MissingExtraError: if ONNX Runtime is not installed.
    """

    def __init__(self, model: bytes, source: str) -> None:
        self._model, self._source = model, source
        self._session = _compile(model, source)

    def __reduce__(self) -> tuple[type[Program], tuple[bytes, str]]:
        return Program, (self._model, self._source)

    @property
    def metadata(self) -> Mapping[str, str]:
        """What the file says of itself."""
        about: dict[str, str] = self._session.get_modelmeta().custom_metadata_map
        return about

    def __call__(self, name: str, array: np.ndarray) -> np.ndarray:
        """The first output for an input of this name."""
        output: np.ndarray = self._session.run(None, {name: array})[0]
        return output


def import_onnxruntime(feature: str) -> ModuleType:
    """ONNX Runtime, without its telemetry where this is its first import.

    From 1.29 on its import starts a thread that sends reports, for which a forked child waits for ever when it ends. A program
    that wants them sets the variable itself, or imports ONNX Runtime before.

    Raises:
        MissingExtraError: if it is not installed, with the feature that needs it.
    """
    asked = _NO_TELEMETRY in os.environ
    os.environ.setdefault(_NO_TELEMETRY, "1")
    try:
        import onnxruntime
    except ImportError as error:
        raise MissingExtraError("onnxruntime", "onnx", feature) from error
    finally:
        if not asked:
            os.environ.pop(_NO_TELEMETRY, None)
    module: ModuleType = onnxruntime
    return module


def _compile(model: bytes, source: str) -> onnxruntime.InferenceSession:
    runtime = import_onnxruntime(source)
    options = runtime.SessionOptions()
    options.intra_op_num_threads = 1
    # The memory for one large page would be kept for good.
    options.enable_cpu_mem_arena = False
    options.log_severity_level = 3
    try:
        return runtime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime has an error of its own for each fault, and none for all of them
        raise CheckpointFormatError(f"{source} is no ONNX model that can be computed here: {error}") from error


def shipped(name: str) -> Program:
    """A model that comes with mnistkit-runtime.

    Raises:
        ConfigError: where mnistkit is installed without it.
    """
    if is_whole() and not package_data("runtime").joinpath("weights").exists():
        raise ConfigError(
            "the weights that ship are ONNX files in mnistkit-runtime only; here Classifier.pretrained() has them, and its "
            "export('digits.onnx') writes a file that OnnxClassifier.load() reads"
        )
    file = package_data("runtime", "weights", f"{name}.onnx")
    return Program(file.read_bytes(), file.name)
