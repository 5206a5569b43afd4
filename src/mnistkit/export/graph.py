"""A classifier as one graph, from bytes to labels: for ONNX Runtime, and for torch without this library."""

from __future__ import annotations

import io
import json
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from mnistkit.backends import onnx_model
from mnistkit.models.network import copy_of
from mnistkit.runtime.program import import_onnxruntime

if TYPE_CHECKING:
    import onnx

    from mnistkit.classifier import Classifier

__all__ = ["finder_bytes", "int8_bytes", "onnx_bytes", "torch_bytes"]

_OUTPUTS = ["logits", "probabilities", "labels"]


class _Whole(nn.Module):
    """A network with what comes before and after it.

    Shape:
        input: uint8 ``(N, C, H, W)``. output: logits and probabilities, float32 ``(N, classes)``, and labels, int64 ``(N,)``.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, classifier: Classifier) -> None:
        super().__init__()
        self.network = copy_of(classifier.network).to("cpu", torch.float32).eval()
        preprocessing = classifier.preprocessing
        self.flat = preprocessing.flat
        self.temperature = classifier.calibration.temperature
        self.register_buffer("mean", torch.tensor(preprocessing.mean)[:, None, None])
        self.register_buffer("std", torch.tensor(preprocessing.std)[:, None, None])

    def forward(self, frames: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        images = (frames.float() / 255 - self.mean) / self.std
        logits = self.network(images.flatten(1) if self.flat else images)
        return logits, (logits / self.temperature).softmax(dim=1), logits.argmax(dim=1)


def torch_bytes(classifier: Classifier) -> bytes:
    """A program that ``torch.export.load`` reads: from uint8 frames to logits, probabilities and labels.

    Raises:
        ConfigError: for a network whose way depends on the numbers in an image.
    """
    file = io.BytesIO()
    torch.export.save(_exported(classifier), file)
    return file.getvalue()


def onnx_bytes(classifier: Classifier) -> bytes:
    """An ONNX file: from uint8 frames to logits, probabilities and labels; what else is known is in its metadata.

    Raises:
        MissingExtraError: if onnx or onnxscript is not installed.
    """
    data: bytes = _onnx(classifier).SerializeToString()
    return data


def int8_bytes(classifier: Classifier) -> bytes:
    """As :func:`onnx_bytes`, with the weights as bytes, and the layers computed in whole numbers.

    The scale of what goes from layer to layer is found anew for each batch, so that no images are needed here.

    Raises:
        MissingExtraError: if onnx, onnxscript or onnxruntime is not installed.
    """
    import_onnxruntime("export to int8")
    from onnxruntime.quantization import QuantType, quantize_dynamic
    from onnxruntime.quantization.shape_inference import quant_pre_process

    model = _onnx(classifier)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "net.onnx")
        path.write_bytes(model.SerializeToString())
        quant_pre_process(path, path, skip_symbolic_shape=True)
        # ONNX Runtime multiplies bytes without a sign only.
        quantize_dynamic(path, path, weight_type=QuantType.QUInt8)
        return path.read_bytes()


def finder_bytes(network: nn.Module) -> bytes:
    """The network of a finder as an ONNX file: from ``pages``, uint8 ``(N, 1, H, W)``, to ``maps``; any sides that it can take.

    Raises:
        MissingExtraError: if onnx or onnxscript is not installed.
    """
    count, high, wide = (torch.export.Dim(name, min=1, max=most) for name, most in (("n", 64), ("h", 400), ("w", 400)))
    example = torch.zeros(2, 1, 96, 64, dtype=torch.uint8)
    return _page_network_bytes(network, example, {0: count, 2: 32 * high, 3: 32 * wide}, "pages", "maps")


def line_bytes(network: nn.Module) -> bytes:
    """The network of a reader of lines as an ONNX file: from ``strips``, uint8 ``(N, 1, 32, W)``, ``W`` even, to ``columns``.

    Raises:
        MissingExtraError: if onnx or onnxscript is not installed.
    """
    count, wide = torch.export.Dim("n", min=1, max=64), torch.export.Dim("w", min=4, max=4000)
    example = torch.zeros(2, 1, 32, 100, dtype=torch.uint8)
    return _page_network_bytes(network, example, {0: count, 3: 2 * wide}, "strips", "columns")


def _page_network_bytes(
    network: nn.Module, example: Tensor, sizes: Mapping[int, object], given: str, said: str
) -> bytes:
    """An ONNX file, for inputs as the example, of any of these sizes."""
    whole = _Pages(copy_of(network).to("cpu", torch.float32).eval())
    program = torch.export.export(whole, (example,), dynamic_shapes=(dict(sizes),))
    data: bytes = onnx_model(program, given, [said]).SerializeToString()
    return data


class _Pages(nn.Module):
    """The network of a finder or of a reader of lines, from bytes."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, pages: Tensor) -> Tensor:
        maps: Tensor = self.network(pages.float() / 127.5 - 1)
        return maps


def _exported(classifier: Classifier) -> torch.export.ExportedProgram:
    shape = replace(classifier.preprocessing, flat=False).input_shape
    # A size of 1 would be taken for one that never changes.
    example = torch.zeros(2, *shape, dtype=torch.uint8)
    return torch.export.export(_Whole(classifier), (example,), dynamic_shapes=({0: torch.export.Dim.DYNAMIC},))


def _onnx(classifier: Classifier) -> onnx.ModelProto:
    model = onnx_model(_exported(classifier), "frames", _OUTPUTS)
    about = {
        "classes": list(classifier.classes),
        "preprocessing": classifier.preprocessing.to_json(),
        "calibration": classifier.calibration.to_json(),
        "card": classifier.card.to_json(),
    }
    for name, part in about.items():
        model.metadata_props.add(key=name, value=json.dumps(part))
    # The exporter gives the first axis a name of its own, another for each network.
    for value in (*model.graph.input, *model.graph.output, *model.graph.value_info):
        for axis in value.type.tensor_type.shape.dim:
            if axis.dim_param:
                axis.dim_param = "batch"
    return model
