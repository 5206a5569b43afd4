"""Pickles read without running anything in them: tensors become records of what they are, all else an inert stand-in."""

from __future__ import annotations

import io
import pickle
import pickletools
from collections import OrderedDict
from dataclasses import dataclass
from typing import Self

import torch

__all__ = ["Foreign", "SavedTensor", "Storage", "Unpickler", "require_bounded"]

_DTYPES = {
    "DoubleStorage": torch.float64,
    "FloatStorage": torch.float32,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
    "ComplexFloatStorage": torch.complex64,
    "ComplexDoubleStorage": torch.complex128,
}
# These put an object at a place of the unpickler's memory, which grows to hold it.
_PLACES = frozenset({"PUT", "BINPUT", "LONG_BINPUT"})


@dataclass(frozen=True)
class Storage:
    """A block of numbers somewhere in the file."""

    key: str
    dtype: torch.dtype


@dataclass(frozen=True)
class SavedTensor:
    """A tensor that has not been read: where its numbers are and how they are laid out, in numbers."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


class Foreign:
    """In place of an object of a class that reading does not need; it takes its state and does nothing with it.

    Attributes:
        kind: the name of its class.
    """

    kind = "object"

    def __new__(cls, *_: object, **__: object) -> Self:  # noqa: D102  (it takes whatever the class in its place would)
        return super().__new__(cls)

    def __init__(self, *_: object, **__: object) -> None: ...

    def __setstate__(self, state: object) -> None: ...

    def __call__(self, *_: object, **__: object) -> Foreign:
        """For what a function of its own makes."""
        return self

    def append(self, item: object) -> None:
        """For a list of its own kind."""

    def extend(self, items: object) -> None:
        """For a list of its own kind."""

    def add(self, item: object) -> None:
        """For a set of its own kind."""

    def __setitem__(self, key: object, value: object) -> None: ...


class Unpickler(pickle.Unpickler):
    """Makes nothing but Python's own containers, numbers and strings, :class:`SavedTensor` and :class:`Foreign`."""

    def __init__(self, file: io.BytesIO) -> None:
        super().__init__(file)
        #: Bytes of a number in each storage that the pickle names.
        self.item_sizes: dict[str, int] = {}

    def find_class(self, module: str, name: str) -> object:
        """What stands for a name in the pickle; new each time, as the pickle may set attributes of it."""
        match module, name:
            case "collections", "OrderedDict":
                return OrderedDict
            case "torch", "Size":
                return tuple
            case "torch._utils", "_rebuild_tensor_v2":
                return lambda *arguments: _tensor(*arguments)
            case "torch._utils", "_rebuild_parameter" | "_rebuild_parameter_with_state":
                return lambda data, *_: data
            case "torch", _ if name in _DTYPES:
                return _DTYPES[name]
        return type(name, (Foreign,), {"kind": f"{module}.{name}"})

    def persistent_load(self, pid: object) -> object:
        """A storage, by what the pickle says of it."""
        match pid:
            # In files before torch 1.6 the last is a part of a larger storage, if it is one.
            case ("storage", torch.dtype() as dtype, str(key), str(), int(), *view) if view in ([], [None]):
                self.item_sizes[key] = dtype.itemsize
                return Storage(key, dtype)
            # So they tell the source of a model's class.
            case ("module", type() as kind, *_) if issubclass(kind, Foreign):
                return kind
        return Foreign()


def require_bounded(data: bytes) -> int:
    """Read a pickle's instructions without doing them; returns how long it is.

    Raises:
        UnpicklingError: if it would take memory that it does not fill.
        ValueError: if it is none.
    """
    file, count = io.BytesIO(data), 0
    for count, (instruction, argument, _) in enumerate(pickletools.genops(file), 1):
        if instruction.name in _PLACES and argument is not None and int(argument) > count:
            raise pickle.UnpicklingError("a place in memory far beyond what is there")
        if instruction.name.startswith("EXT"):
            raise pickle.UnpicklingError("a name by a number that only one program knows")
    return file.tell()


def _tensor(storage: object, offset: object, shape: object, strides: object, *_: object) -> SavedTensor | Foreign:
    match storage, offset, shape, strides:
        case Storage(), int(), tuple(), tuple() if all(isinstance(n, int) and n >= 0 for n in (*shape, *strides)):
            return SavedTensor(storage, offset, shape, strides)
    return Foreign()
