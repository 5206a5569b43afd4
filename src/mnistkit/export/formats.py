"""Which formats there are, which of them is meant, and who writes it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import PurePath
from typing import TYPE_CHECKING

from mnistkit._core.files import write_atomically
from mnistkit.errors import ConfigError, unknown_name
from mnistkit.export.c99 import c_header
from mnistkit.export.graph import int8_bytes, onnx_bytes, torch_bytes
from mnistkit.export.html import html_page
from mnistkit.types import ExportFormat, PathLike

if TYPE_CHECKING:
    from mnistkit.classifier import Classifier

__all__ = ["ENDINGS", "write_export"]

#: Of the files of each format.
ENDINGS: dict[ExportFormat, str] = {"html": ".html", "onnx": ".onnx", "int8": ".int8.onnx", "torch": ".pt2", "c": ".h"}

_MAKE: dict[ExportFormat, Callable[[Classifier], bytes]] = {
    "html": lambda classifier: html_page(classifier).encode(),
    "onnx": onnx_bytes,
    "int8": int8_bytes,
    "torch": torch_bytes,
    "c": lambda classifier: c_header(classifier).encode(),
}


def write_export(classifier: Classifier, path: PathLike, format: ExportFormat | None = None) -> None:
    """Write a classifier as a file for another program; :meth:`mnistkit.Classifier.export` is the same.

    Args:
        classifier: what to write.
        path: the file. An earlier one stays as it is if anything fails.
        format: by default what the file's ending says.

            - ``"html"`` (.html): a page to draw digits on, with all that it needs inside (:func:`html_page`).
            - ``"onnx"`` (.onnx): for ONNX Runtime and what else reads its files. Frames, uint8 ``(batch, C, H, W)``, go in, and
              ``logits``, calibrated ``probabilities`` and ``labels`` come out; classes, preparation, calibration and card are in
              the metadata. :func:`mnistkit.backends.export_onnx` writes the bare network.
            - ``"int8"`` (.int8.onnx): the same in a quarter of the size, with weights of 8 bits.
            - ``"torch"`` (.pt2): the same for ``torch.export.load``.
            - ``"c"`` (.h): a C99 header with ``predict(const uint8_t image[], float probabilities[])`` (:func:`c_header`).

    Raises:
        ConfigError: for an unknown format or ending; for a network that the format cannot hold.
        MissingExtraError: for a format that needs what is not installed.
        WriteError: if the file cannot be written.
    """
    if format is None:
        file = PurePath(path).name.lower()
        # The longest: a name may end in .int8.onnx.
        named = sorted(
            (name for name, own in ENDINGS.items() if file.endswith(own)), key=lambda name: -len(ENDINGS[name])
        )
        if not named:
            raise ConfigError(
                f"{path}: its ending names no format; use {', '.join(ENDINGS.values())}, or give format= one of "
                f"{', '.join(ENDINGS)}"
            )
        format = named[0]
    if format not in ENDINGS:
        raise ConfigError(unknown_name("format", format, ENDINGS))
    write_atomically(path, _MAKE[format](classifier))
