"""A model layer by layer: shapes, parameters, multiply-adds."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass

import torch
from torch import Tensor, nn

from mnistkit._core import html
from mnistkit.errors import ConfigError
from mnistkit.models.network import evaluating
from mnistkit.types import JsonValue

__all__ = ["LayerSummary", "Summary", "summary"]


_COLUMNS = ("layer", "output shape", "parameters", "MACs")


@dataclass(frozen=True)
class LayerSummary:
    """One layer.

    Attributes:
        name: its path in the model.
        kind: its class.
        output_shape: of one image, without the batch.
        parameters: how many it has.
        macs: multiply-accumulate operations for one image; convolutions, linear and recurrent layers are counted.
    """

    name: str
    kind: str
    output_shape: tuple[int, ...]
    parameters: int
    macs: int


@dataclass(frozen=True)
class Summary:
    """All layers of a model, in the order in which they run; prints as a table."""

    model: str
    input_shape: tuple[int, ...]
    layers: tuple[LayerSummary, ...]
    parameters: int
    trainable: int

    @property
    def macs(self) -> int:
        """Multiply-accumulate operations for one image."""
        return sum(layer.macs for layer in self.layers)

    def to_json(self) -> dict[str, JsonValue]:
        """As JSON can hold it: the totals, and a row for each layer."""
        return {
            "model": self.model,
            "input_shape": list(self.input_shape),
            "parameters": self.parameters,
            "trainable": self.trainable,
            "macs": self.macs,
            "layers": [asdict(layer) | {"output_shape": list(layer.output_shape)} for layer in self.layers],
        }

    def _rows(self) -> list[tuple[str, str, str, str]]:
        rows = [
            (f"{layer.name} ({layer.kind})", _shape(layer.output_shape), f"{layer.parameters:,}", f"{layer.macs:,}")
            for layer in self.layers
        ]
        return [*rows, ("total", "", f"{self.parameters:,}", f"{self.macs:,}")]

    @property
    def _title(self) -> str:
        return f"{self.model}, input {_shape(self.input_shape)}, {self.trainable:,} trainable parameters"

    def _repr_html_(self) -> str:
        return html.panel(self._title, html.table(_COLUMNS, self._rows()))

    def __str__(self) -> str:
        rows = [_COLUMNS, *self._rows()]
        widths = [max(len(row[column]) for row in rows) for column in range(4)]
        lines = [
            f"{a:<{widths[0]}}  {b:<{widths[1]}}  {c:>{widths[2]}}  {d:>{widths[3]}}".rstrip() for a, b, c, d in rows
        ]
        rule = "-" * max(map(len, lines))
        return "\n".join([self._title, rule, lines[0], rule, *lines[1:-1], rule, lines[-1]])


def summary(model: nn.Module, input_shape: tuple[int, ...] | None = None) -> Summary:
    """Run one blank image through a model and report on every layer.

    Args:
        model: any module; its mode and weights stay as they are.
        input_shape: of one image, without the batch; by default what the model itself says.

    Raises:
        ConfigError: if neither says the shape.

    >>> print(summary(create_model("mlp", image_size=20)))
    MLP, input 400, 10,575 trainable parameters
    ---------------------------------------------------
    layer              output shape  parameters    MACs
    ---------------------------------------------------
    layers.0 (Linear)  25                10,025  10,000
    layers.1 (ReLU)    25                     0       0
    layers.2 (Linear)  15                   390     375
    layers.3 (ReLU)    15                     0       0
    layers.4 (Linear)  10                   160     150
    ---------------------------------------------------
    total                                10,575  10,525
    """
    shape = input_shape or getattr(model, "input_shape", None)
    if not isinstance(shape, tuple):
        raise ConfigError(f"{type(model).__name__} does not say its input_shape: give it, such as (1, 28, 28)")
    layers: list[LayerSummary] = []

    def record(name: str, layer: nn.Module, output: object) -> None:
        if isinstance(layer, nn.RNNBase) and isinstance(output, tuple):
            # Its output beside its state; the batch comes second unless it says otherwise.
            output = output[0] if layer.batch_first else output[0].transpose(0, 1)
        if isinstance(output, Tensor):
            own = sum(p.numel() for p in layer.parameters())
            layers.append(LayerSummary(name, type(layer).__name__, tuple(output.shape[1:]), own, _macs(layer, output)))

    hooks = [
        layer.register_forward_hook(lambda layer, _, output, name=name: record(name, layer, output))
        for name, layer in model.named_modules()
        if not any(layer.children()) and layer is not model
    ] or [model.register_forward_hook(lambda layer, _, output: record("", layer, output))]
    example = next(model.parameters(), torch.empty(0))
    try:
        with evaluating(model), torch.no_grad():
            model(torch.zeros(1, *shape, device=example.device, dtype=example.dtype))
    finally:
        for hook in hooks:
            hook.remove()
    counts = [(p.numel(), p.requires_grad) for p in model.parameters()]
    return Summary(
        type(model).__name__,
        shape,
        tuple(layers),
        sum(count for count, _ in counts),
        sum(count for count, trainable in counts if trainable),
    )


def _macs(layer: nn.Module, output: Tensor) -> int:
    if isinstance(layer, nn.Linear):
        return layer.in_features * math.prod(output.shape[1:])
    if isinstance(layer, nn.Conv1d | nn.Conv2d | nn.Conv3d):
        return layer.in_channels // layer.groups * math.prod(layer.kernel_size) * math.prod(output.shape[1:])
    if isinstance(layer, nn.RNNBase):
        # Every weight matrix once for each place of the sequence.
        return output.shape[1] * sum(weight.numel() for weight in layer.parameters() if weight.ndim == 2)
    return 0


def _shape(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))
