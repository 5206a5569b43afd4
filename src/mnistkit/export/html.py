"""A classifier as one HTML page to draw digits on: weights, program and style in one file that asks nothing of a network."""

from __future__ import annotations

import base64
import json
import re
from html import escape
from typing import TYPE_CHECKING, Literal

import numpy as np

from mnistkit._core.files import package_data
from mnistkit.errors import ConfigError
from mnistkit.export.steps import Program, Step
from mnistkit.export.tracing import trace
from mnistkit.types import JsonValue

if TYPE_CHECKING:
    from mnistkit.classifier import Classifier

__all__ = ["html_page"]

# Each uses only what is above it.
_SCRIPTS = ("product.js", "network.js", "image.js", "framing.js", "ink.js", "page.js")


def html_page(classifier: Classifier, *, bits: Literal[8, 16] = 16) -> str:
    """A page on which digits can be drawn and pictures dropped, and which reads them by itself.

    It frames what is drawn as ``mnistkit.imaging`` frames a drawing, and computes in float32 what the classifier's network
    computes.

    Args:
        classifier: a network of convolutions, linear layers, poolings, normalisations and activations.
        bits: of each weight. They are whole numbers with a scale for each row: 16 bits give logits that are the classifier's to
            about 1e-4 (``docs/drawing.md``), 8 a file of half the size.

    Raises:
        ConfigError: for another number of bits; for a network with an operation that the page does not know, by its name.
    """
    if bits not in (8, 16):
        raise ConfigError(f"bits is {bits!r}, expected 8 or 16")
    preprocessing, calibration = classifier.preprocessing, classifier.calibration
    blob = bytearray()
    model: dict[str, JsonValue] = {
        "program": _packed(trace(classifier.network, preprocessing.input_shape), blob, bits),
        "preprocessing": preprocessing.to_json(),
        "calibration": calibration.to_json(),
        "classes": list(classifier.classes),
        "weights": "",
    }
    model["weights"] = base64.b64encode(blob).decode()
    parts = {
        "title": escape(classifier.name),
        "style": _read("page.css"),
        # Names of classes may hold anything; no "</script>" shall end the script.
        "model": json.dumps(model, separators=(",", ":")).replace("<", "\\u003c"),
        "script": "".join(map(_read, _SCRIPTS)),
    }
    # In one pass, since a class may be called "{{style}}".
    return re.sub(r"\{\{(\w+)\}\}", lambda place: parts[place[1]], _read("page.html"))


def _read(name: str) -> str:
    return package_data("export", "page", name).read_text(encoding="utf-8")


def _packed(program: Program, blob: bytearray, bits: int) -> dict[str, JsonValue]:
    """As JSON, with the arrays in the blob."""
    steps: list[JsonValue] = [_packed_step(step, blob, bits) for step in program.steps]
    return {"sizes": list(program.sizes), "output": program.output, "steps": steps}


def _packed_step(step: Step, blob: bytearray, bits: int) -> dict[str, JsonValue]:
    weights: dict[str, JsonValue] = {
        name: _quantized(array, blob, bits) if name == "matrix" else _stored(array.astype("<f4"), blob)
        for name, array in step.weights.items()
    }
    if step.index is not None:
        weights["index"] = _stored(step.index.astype("<i4"), blob)
    return {
        "operation": step.operation,
        "inputs": list(step.inputs),
        "output": step.output,
        "settings": dict(step.settings),
        "weights": weights,
    }


def _quantized(matrix: np.ndarray, blob: bytearray, bits: int) -> dict[str, JsonValue]:
    """Each row as whole numbers, of which the largest is as large as may be."""
    most = 2 ** (bits - 1) - 1
    scales = np.maximum(np.abs(matrix).max(axis=1), np.finfo(np.float32).tiny) / most
    numbers = np.rint(matrix / scales[:, None]).clip(-most, most).astype(f"<i{bits // 8}")
    return {**_stored(numbers, blob), "scales": _stored(scales.astype("<f4"), blob)}


def _stored(array: np.ndarray, blob: bytearray) -> dict[str, JsonValue]:
    blob.extend(bytes(-len(blob) % 4))
    place: dict[str, JsonValue] = {"kind": array.dtype.name, "at": len(blob), "length": array.size}
    blob.extend(array.tobytes())
    return place
