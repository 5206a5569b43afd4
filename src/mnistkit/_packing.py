"""Nested state as JSON plus named tensors, without pickle: what optimizers and callbacks want saved."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from mnistkit.errors import CheckpointError
from mnistkit.types import JsonValue

__all__ = ["pack", "storable", "to_tuples", "unpack"]

# A JSON object with one of these keys stands for what JSON does not have.
_TENSOR, _TUPLE, _ITEMS, _FLOAT = "$tensor", "$tuple", "$items", "$float"


def pack(value: object, path: str, tensors: dict[str, Tensor]) -> JsonValue:
    """Turn nested dicts, lists, tuples, numbers, strings and tensors into JSON.

    Args:
        value: what to pack.
        path: names the tensors in it.
        tensors: collects them.

    Raises:
        CheckpointError: for anything else, with its place.
    """
    if isinstance(value, Tensor):
        # The keys 1 and "1" make one path of two places.
        while path in tensors:
            path += "'"
        tensors[path] = value
        return {_TENSOR: path}
    if isinstance(value, float) and not math.isfinite(value):
        return {_FLOAT: repr(float(value))}
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, list):
        return [pack(item, f"{path}/{index}", tensors) for index, item in enumerate(value)]
    if isinstance(value, tuple):
        return {_TUPLE: pack(list(value), path, tensors)}
    if isinstance(value, Mapping):
        if all(isinstance(key, str) and not key.startswith("$") for key in value):
            return {key: pack(item, f"{path}/{key}", tensors) for key, item in value.items()}
        return {
            _ITEMS: [[pack(key, path, tensors), pack(item, f"{path}/{key}", tensors)] for key, item in value.items()]
        }
    raise CheckpointError(
        f"cannot save {path}: a checkpoint holds numbers, strings, lists, tuples, dicts and tensors, not {type(value).__name__}"
    )


def unpack(value: JsonValue, tensors: Mapping[str, Tensor]) -> object:
    """Undo :func:`pack`."""
    if isinstance(value, list):
        return [unpack(item, tensors) for item in value]
    if not isinstance(value, dict):
        return value
    match value:
        case {"$tensor": str(path)}:
            return tensors[path]
        case {"$tuple": list(items)}:
            return tuple(unpack(item, tensors) for item in items)
        case {"$items": list(items)}:
            pairs = (item for item in items if isinstance(item, list))
            return {unpack(key, tensors): unpack(item, tensors) for key, item in pairs}
        case {"$float": str(text)}:
            return float(text)
    return {key: unpack(item, tensors) for key, item in value.items()}


def to_tuples(value: JsonValue) -> object:
    """JSON's lists as the tuples that they were, at every depth."""
    return tuple(to_tuples(item) for item in value) if isinstance(value, list) else value


def storable(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors as a file can hold them: on the CPU, contiguous, none a view of another's memory.

    Raises:
        CheckpointError: for a tensor that is sparse or has no data.
    """
    stored: dict[str, Tensor] = {}
    seen: set[int] = set()
    for name, tensor in tensors.items():
        if tensor.layout is not torch.strided or tensor.is_meta:
            raise CheckpointError(
                f"cannot save {name}: a checkpoint holds dense tensors, not a {tensor.layout} one on {tensor.device}"
            )
        plain = tensor.detach().cpu().contiguous()
        memory = plain.untyped_storage()
        if memory.data_ptr() in seen or memory.nbytes() != plain.numel() * plain.element_size():
            plain = plain.clone(memory_format=torch.contiguous_format)
        seen.add(plain.untyped_storage().data_ptr())
        stored[name] = plain
    return stored
