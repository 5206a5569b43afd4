"""The weights that ship: computed by torch, or, where only mnistkit-runtime is installed, by ONNX Runtime."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import numpy as np

from mnistkit.errors import ConfigError, MissingExtraError, is_whole
from mnistkit.runtime import OnnxClassifier, OnnxFinder, OnnxLineReader

if TYPE_CHECKING:
    import torch

    from mnistkit.backends import BackendName
    from mnistkit.classifier import Classifier
    from mnistkit.finder import Finder
    from mnistkit.line_reader import LineReader

__all__ = ["columns", "maps", "pretrained_classifier", "require_whole"]


def require_whole(feature: str) -> None:
    """Refuse what mnistkit-runtime cannot do; a MissingExtraError."""
    if not is_whole():
        raise MissingExtraError("the whole of mnistkit", "", feature)


def pretrained_classifier(
    device: str | torch.device | None, backend: BackendName | None
) -> Classifier | OnnxClassifier:
    """The classifier that ships.

    Raises:
        ConfigError: for an unknown device or backend, and in mnistkit-runtime for another than the one it has.
        MissingExtraError: for a backend that is not installed.
    """
    if is_whole():
        # Imported late: reading needs no torch, but this does.
        from mnistkit.classifier import Classifier

        return Classifier.pretrained(device=device or "auto", backend=backend or "torch")
    if str(device or "cpu") not in ("auto", "cpu") or backend not in (None, "onnx"):
        raise ConfigError(
            f"got device {str(device or 'cpu')!r} and backend {backend or 'onnx'!r}; mnistkit-runtime has the CPU and 'onnx'. "
            "Others need the whole of mnistkit: pip uninstall mnistkit-runtime, then pip install mnistkit"
        )
    return OnnxClassifier.pretrained()


def maps(pages: np.ndarray) -> np.ndarray:
    """What the finder that ships sees on pages, uint8 ``(N, H, W)``: see :data:`~mnistkit.imaging.Maps`."""
    if is_whole():
        return _finder().maps(pages)
    return OnnxFinder.pretrained().maps(pages)


def columns(strips: np.ndarray) -> np.ndarray:
    """What the reader of lines that ships sees in strips, uint8 ``(N, 32, W)``: see :data:`~mnistkit.imaging.Columns`."""
    if is_whole():
        return _line_reader().columns(strips)
    return OnnxLineReader.pretrained().columns(strips)


@functools.cache
def _finder() -> Finder:
    from mnistkit.finder import Finder

    return Finder.pretrained().folded()


@functools.cache
def _line_reader() -> LineReader:
    from mnistkit.line_reader import LineReader

    return LineReader.pretrained().folded()
