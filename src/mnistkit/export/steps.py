"""A network as a list of plain steps: what runs it without torch needs to know no more."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from torch import Tensor

from mnistkit.types import JsonValue

__all__ = ["Builder", "Program", "Step", "Value", "fold"]


@dataclass(frozen=True)
class Value:
    """What the steps make: its number, and its shape with a batch of one."""

    number: int
    shape: tuple[int, ...]

    @property
    def size(self) -> int:
        """How many numbers it has."""
        return math.prod(self.shape)


@dataclass(frozen=True)
class Step:
    """One operation on values of float32, which lie flat in memory.

    Attributes:
        operation: its name.
        inputs: numbers of the values that it takes.
        output: number of the value that it makes.
        settings: sizes and the like.
        weights: float32 arrays by name; a matrix has a row for each output.
        index: of a ``move``, where in its inputs, one after the other, each number comes from; -1 for a 0. int32.
    """

    operation: str
    inputs: tuple[int, ...]
    output: int
    settings: Mapping[str, JsonValue] = field(default_factory=dict)
    weights: Mapping[str, np.ndarray] = field(default_factory=dict)
    index: np.ndarray | None = None


@dataclass(frozen=True)
class Program:
    """All steps of a network, from one prepared image, which is value 0, to its logits.

    Attributes:
        steps: in order.
        sizes: how many numbers each value has.
        output: number of the value with the logits.
    """

    steps: tuple[Step, ...]
    sizes: tuple[int, ...]
    output: int


class Builder:
    """Writes steps, one after the other.

    Attributes:
        steps: so far.
        sizes: of the values so far.
    """

    def __init__(self) -> None:
        self.steps: list[Step] = []
        self.sizes: list[int] = []

    def value(self, shape: Iterable[int]) -> Value:
        """A new one."""
        made = Value(len(self.sizes), tuple(shape))
        self.sizes.append(made.size)
        return made

    def add(
        self,
        operation: str,
        inputs: Sequence[Value],
        shape: Iterable[int],
        settings: Mapping[str, JsonValue] | None = None,
        weights: Mapping[str, Tensor] | None = None,
        index: np.ndarray | None = None,
    ) -> Value:
        """Write a step, of whose value the shape is given."""
        made = self.value(shape)
        arrays = {name: tensor.detach().float().numpy() for name, tensor in (weights or {}).items()}
        numbers = tuple(value.number for value in inputs)
        self.steps.append(Step(operation, numbers, made.number, settings or {}, arrays, index))
        return made


def fold(steps: Sequence[Step], output: int) -> tuple[Step, ...]:
    """The same steps with each normalisation taken into the weights of the layer before it, where nothing else sees that."""
    uses = Counter(number for step in steps for number in step.inputs)
    uses[output] += 1
    folded: list[Step] = []
    for step in steps:
        before = next((one for one in folded if one.output == step.inputs[0]), None) if step.inputs else None
        if before is None or step.operation != "affine" or not _takes(before, step) or uses[before.output] > 1:
            folded.append(step)
            continue
        matrix, bias = before.weights["matrix"], before.weights["bias"]
        scale, shift = step.weights["scale"], step.weights["shift"]
        weights = {"matrix": matrix * scale[:, None], "bias": bias * scale + shift}
        folded[folded.index(before)] = replace(before, output=step.output, weights=weights)
    return tuple(folded)


def _takes(layer: Step, affine: Step) -> bool:
    """Whether each row of the layer's weights has one scale of the affine step."""
    inner = {"conv": layer.settings.get("pixels"), "linear": 1}.get(layer.operation)
    return inner == affine.settings["inner"] and len(layer.weights["matrix"]) == len(affine.weights["scale"])
