"""From a network of torch's to plain steps.

torch tells which operations the network is made of (``torch.export``), here for one image. What only moves numbers about, as
slicing, padding, reordering and joining do, becomes one kind of step: the operation itself, run on numbered places, tells
where each number comes from.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.fx import Node
from torch.fx.node import Argument, map_arg

from mnistkit.errors import ConfigError
from mnistkit.export.layers import FUNCTIONS, OPERATIONS
from mnistkit.export.steps import Builder, Program, Value, fold
from mnistkit.models.network import copy_of

__all__ = ["trace"]

# Operations that give the numbers of their inputs, or zeros, in other places.
_MOVES = frozenset(
    {"clone", "contiguous", "dropout", "feature_dropout", "alpha_dropout", "to", "alias", "detach", "flatten", "view"}
    | {
        "reshape",
        "unflatten",
        "unsqueeze",
        "squeeze",
        "permute",
        "transpose",
        "movedim",
        "t",
        "slice",
        "select",
        "narrow",
    }
    | {"chunk", "split", "split_with_sizes", "expand", "expand_as", "repeat", "roll", "flip", "pad", "cat", "concat"}
    | {"stack", "pixel_shuffle", "pixel_unshuffle", "channel_shuffle", "upsample_nearest2d"}
)
# Of these the result shares no memory with what it was made from.
_COPIES = frozenset({"clone", "repeat", "roll", "flip", "pad", "cat", "concat", "stack", "upsample_nearest2d"})
# Arguments of a copy that say of what kind its numbers are: those of places are of a kind of their own.
_KINDS = frozenset({"dtype", "layout", "device", "pin_memory"})


def trace(network: nn.Module, input_shape: Sequence[int]) -> Program:
    """The steps of a network in eval mode.

    Args:
        network: from prepared images to logits; it is left as it is.
        input_shape: of one image, without the batch.

    Raises:
        ConfigError: for a network with an operation that is not known here, with its name and that of its layer; for one
            that ``torch.export`` cannot follow, or that puts out something else than logits.
    """
    for name, layer in network.named_modules():
        if isinstance(layer, nn.RNNBase):  # of which torch itself would warn before it comes to its operation
            raise _unknown(f"its layer {name!r} is of the kind {type(layer).__name__}")
    model = copy_of(network).to("cpu", torch.float32).eval()
    try:
        exported = torch.export.export(model, (torch.zeros(1, *input_shape),))
    except (RuntimeError, AssertionError) as error:
        reason = str(error).strip().partition("\n")[0] or type(error).__name__
        raise ConfigError(
            f"torch.export cannot follow this network, perhaps because its way depends on the numbers in an image: {reason}"
        ) from error
    return _Tracer().program(exported)


def _unknown(what: str) -> ConfigError:
    return ConfigError(
        f"this network cannot be run without torch: {what}, which is not known here. Known are convolutions of images, "
        f"linear layers, poolings, normalisations, sums, products, joins, and {', '.join(sorted(FUNCTIONS))}"
    )


class _Tracer:
    """Goes through the operations in order, and writes steps for each."""

    def __init__(self) -> None:
        self.builder = Builder()
        self.values: dict[Node, object] = {}

    def program(self, exported: torch.export.ExportedProgram) -> Program:
        """All of them."""
        signature = exported.graph_signature
        stored: dict[str, object] = {**exported.state_dict, **exported.constants}
        names = {**signature.inputs_to_parameters, **signature.inputs_to_buffers}
        names |= signature.inputs_to_lifted_tensor_constants
        for node in exported.graph.nodes:
            if node.op == "placeholder":
                known = node.name in names
                self.values[node] = stored[names[node.name]] if known else self.builder.value(node.meta["val"].shape)
            elif node.op == "call_function":
                self.values[node] = self._call(node)
        match self._known(exported.graph.output_node().args[0]):
            case (Value(number, shape),) if len(shape) == 2:
                return Program(fold(self.builder.steps, number), tuple(self.builder.sizes), number)
        raise ConfigError("this network does not put out logits (N, classes) and nothing else, as a classifier does")

    def _known(self, argument: Argument) -> object:
        """An argument, with what was made of its nodes in their places."""
        return map_arg(argument, lambda node: cast("Argument", self.values[node]))

    def _call(self, node: Node) -> object:
        given = cast("tuple[object, ...]", self._known(node.args))
        if getattr(node.target, "__name__", "") == "getitem":
            return cast("tuple[object, ...]", given[0])[cast("int", given[1])]
        schema = node.target._schema.arguments  # type: ignore[union-attr]
        arguments = {argument.name: argument.default_value for argument in schema if argument.has_default_value()}
        arguments |= zip((argument.name for argument in schema), given, strict=False)
        arguments |= cast("dict[str, object]", self._known(node.kwargs))
        name = _name(node)
        made = self._made(name.rstrip("_"), node, arguments)
        if name.endswith("_"):
            self._overwrite(node, arguments["self"], made)
        return made

    def _made(self, name: str, node: Node, given: dict[str, object]) -> object:
        """What an operation makes of what it is given."""
        result = node.meta["val"]
        inputs = list(_flat(given.values()))
        values = [one for one in inputs if isinstance(one, Value)]
        made: object = None
        if isinstance(result, Tensor) and result.dtype != torch.float32:
            pass
        elif name in _MOVES and given.get("value") in (None, 0) and not any(isinstance(one, Tensor) for one in inputs):
            made = self._move(name, node, values)
        elif name in OPERATIONS and isinstance(result, Tensor):
            made = OPERATIONS[name](self.builder, given, tuple(result.shape))
        if made is None:
            raise self._unknown(node)
        return made

    def _move(self, name: str, node: Node, values: Sequence[Value]) -> object:
        """The operation is run on the numbers of places, from 1 on: a 0 is one that it put there."""
        ends = np.cumsum([value.size for value in values])
        numbers = torch.arange(1, int(ends[-1]) + 1, dtype=torch.float64).tensor_split(ends[:-1].tolist())
        parts = iter([part.reshape(value.shape) for part, value in zip(numbers, values, strict=True)])
        arguments = map_arg(node.args, lambda _: cast("Argument", next(parts)))
        keywords = {key: value for key, value in node.kwargs.items() if key not in _KINDS}
        moved = node.target(*cast("tuple[object, ...]", arguments), **keywords)  # type: ignore[operator]
        if isinstance(moved, Tensor):
            return self._moved(moved, name, values)
        return tuple(self._moved(part, name, values) for part in moved)

    def _moved(self, numbers: Tensor, name: str, values: Sequence[Value]) -> Value:
        index = numbers.numpy().ravel().astype(np.int32) - 1
        stays = np.array_equal(index, np.arange(sum(value.size for value in values)))
        if stays and name not in _COPIES:
            return replace(values[0], shape=tuple(numbers.shape))
        return self.builder.add("move", values, numbers.shape, index=None if stays else index)

    def _overwrite(self, node: Node, before: object, made: object) -> None:
        """What was changed in place is changed under its other names, too."""
        moved = {step.output for step in self.builder.steps if step.operation == "move"}
        source = node.args[0]
        if not isinstance(before, Value) or not isinstance(made, Value) or not isinstance(source, Node):
            raise self._unknown(node)
        if before.number in moved and _name(source) in {*_MOVES - _COPIES, "getitem"}:
            raise self._unknown(node)  # a part of another value, which would have to change with it
        for other, value in self.values.items():
            if isinstance(value, Value) and value.number == before.number:
                self.values[other] = replace(made, shape=value.shape)

    def _unknown(self, node: Node) -> ConfigError:
        *_, (path, kind) = (node.meta.get("nn_module_stack") or {"": ("", "")}).values()
        kind = (kind if isinstance(kind, str) else kind.__name__).rpartition(".")[2]
        where = f"its layer {path!r} ({kind})" if path else "it"
        return _unknown(f"{where} computes {str(node.target).removesuffix('.default')}")


def _name(node: Node) -> str:
    """The operation's own, as torch has it."""
    return str(getattr(node.target, "_opname", getattr(node.target, "__name__", node.target)))


def _flat(values: Iterable[object]) -> Iterator[object]:
    """Also what is in lists, as the inputs of a join are."""
    for value in values:
        if isinstance(value, (list, tuple)):
            yield from value
        else:
            yield value
