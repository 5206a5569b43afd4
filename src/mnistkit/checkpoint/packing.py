"""Nested state as JSON plus named tensors, without pickle: what optimizers and callbacks want saved."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from mnistkit.checkpoint.weights import is_dense, kind_of
from mnistkit.errors import CheckpointError
from mnistkit.types import JsonValue

__all__ = ["pack", "storable", "unpack"]

# A JSON object with one of these keys stands for what JSON does not have.
_TENSOR, _TUPLE, _ITEMS, _FLOAT = "$tensor", "$tuple", "$items", "$float"

# Deeper than any state is; what is nested without end would end in Python's own recursion limit.
_DEEPEST = 50


def pack(value: object, path: str, tensors: dict[str, Tensor], *, depth: int = 0) -> JsonValue:
    """Turn nested dicts, lists, tuples, numbers, strings and tensors into JSON.

    Args:
        value: what to pack.
        path: names the tensors in it.
        tensors: collects them.
        depth: how deep it is nested already.

    A string with bytes that are no text, such as a file's name, gets escapes in their place.

    Raises:
        CheckpointError: for anything else, with its place, or for more than 50 levels.
    """
    if depth > _DEEPEST:
        raise CheckpointError(f"cannot save {path[:80]}...: it is nested more than {_DEEPEST} levels deep")
    if isinstance(value, Tensor):
        # The keys 1 and "1" make one path of two places.
        while path in tensors:
            path += "'"
        tensors[path] = value
        return {_TENSOR: path}
    if isinstance(value, float) and not math.isfinite(value):
        return {_FLOAT: repr(float(value))}
    if isinstance(value, str):
        return _text(value)
    if value is None or isinstance(value, (bool, int, float)):
        return value
    deeper = depth + 1
    if isinstance(value, list):
        return [pack(item, f"{path}/{index}", tensors, depth=deeper) for index, item in enumerate(value)]
    if isinstance(value, tuple):
        return {_TUPLE: pack(list(value), path, tensors, depth=depth)}
    if isinstance(value, Mapping):
        pairs = [(key, pack(item, f"{path}/{key}", tensors, depth=deeper)) for key, item in value.items()]
        if all(isinstance(key, str) and not key.startswith("$") for key in value):
            return {_text(key): item for key, item in pairs}
        return {_ITEMS: [[pack(key, path, tensors, depth=deeper), item] for key, item in pairs]}
    raise CheckpointError(
        f"cannot save {path}: a checkpoint holds numbers, strings, lists, tuples, dicts and tensors, not {type(value).__name__}"
    )


def unpack(value: JsonValue, tensors: dict[str, Tensor], *, depth: int = 0) -> object:
    """Undo :func:`pack`, and take the tensors that are used out of ``tensors``: each has one place.

    Raises:
        KeyError: for a tensor that is not there, or not any more.
        TypeError: for a key that no dict can have.
        ValueError: for more levels than :func:`pack` makes, or text that is no number.
    """
    # A tuple takes one more level of JSON than of the state.
    if depth > 2 * _DEEPEST + 2:
        raise ValueError(f"nested more than {_DEEPEST} levels deep")
    deeper = depth + 1
    if isinstance(value, list):
        return [unpack(item, tensors, depth=deeper) for item in value]
    if not isinstance(value, dict):
        return value
    match value:
        case {"$tensor": str(path)}:
            return tensors.pop(path)
        case {"$tuple": list(items)}:
            return tuple(unpack(item, tensors, depth=deeper) for item in items)
        case {"$items": list(items)}:
            return {
                unpack(key, tensors, depth=deeper): unpack(item, tensors, depth=deeper)
                for key, item in map(_pair, items)
            }
        case {"$float": str(text)}:
            return float(text)
    return {key: unpack(item, tensors, depth=deeper) for key, item in value.items()}


def _pair(item: JsonValue) -> tuple[JsonValue, JsonValue]:
    match item:
        case [key, value]:
            return key, value
    raise ValueError("an item is no pair of key and value")


def _text(value: str) -> str:
    return value.encode("utf-8", "backslashreplace").decode()


def storable(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors as a file can hold them: on the CPU, contiguous, none a view of another's memory.

    Raises:
        CheckpointError: for a tensor that is sparse, quantised or has no data, and for what is none.
    """
    stored: dict[str, Tensor] = {}
    seen: set[int] = set()
    for name, tensor in tensors.items():
        if not isinstance(tensor, Tensor) or not is_dense(tensor):
            raise CheckpointError(
                f"cannot save {name}: a checkpoint holds dense tensors, not {kind_of(tensor)}; a network that was converted to 8 "
                "bits is saved before that, or by torch.export"
            )
        plain = tensor.detach().cpu().contiguous()
        memory = plain.untyped_storage()
        if memory.data_ptr() in seen or memory.nbytes() != plain.numel() * plain.element_size():
            plain = plain.clone(memory_format=torch.contiguous_format)
        seen.add(plain.untyped_storage().data_ptr())
        stored[name] = plain
    return stored
