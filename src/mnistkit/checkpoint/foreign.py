"""Files of others: a ``state_dict`` that ``torch.save`` wrote, in any dict around it, and what else a file may turn out to be."""

from __future__ import annotations

import io
import math
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeAlias

import torch
from torch import Tensor

from mnistkit.checkpoint.pickles import Foreign, SavedTensor, Unpickler, require_bounded
from mnistkit.errors import CheckpointFormatError

__all__ = ["describe", "read_torch_file"]

_Storages: TypeAlias = Callable[[str], bytes]

# Under these names programs keep the weights beside other things.
_KEYS = ("state_dict", "model_state_dict", "model", "net", "weights", "params")

# What begins a file written before torch 1.6.
_LEGACY = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."

_SAVE = "In the script that made it, save the weights only: torch.save(model.state_dict(), 'weights.pt')"


def describe(path: Path, data: bytes) -> str:
    """Why a file is no checkpoint, and what it is if that can be told."""
    expected = "expected a .safetensors file, or a state_dict saved with torch.save"
    for start, kind in (
        (b"\x89HDF", "an HDF5 file, as Keras writes; mnistkit reads PyTorch's weights only"),
        (b"\x93NUMPY", "a NumPy array, not a model's weights by name"),
    ):
        if data.startswith(start):
            return f"{path} is {kind}; {expected}"
    if path.suffix == ".onnx" or (data[:1] == b"\x08" and data[2:3] in (b"\x12", b"\x1a", b"\x3a")):
        return (
            f"{path} is an ONNX model, which holds a program and not a state_dict: run it with onnxruntime; {expected}"
        )
    return f"{path} is not a checkpoint: it begins with {data[:9]!r}; {expected}"


def read_torch_file(path: Path, data: bytes) -> dict[str, Tensor]:
    """The weights in a file of ``torch.save``, without running anything in it; what is beside them is left alone.

    Raises:
        CheckpointFormatError: if it holds none, or is damaged.
    """
    try:
        loaded, storages = _read_zip(path, data) if data[:2] == b"PK" else _read_legacy(data)
        # Tensors may share their numbers, and then take more than the file; but not by much.
        reader = _Reader(storages, 4 * len(data))
        return {name: reader.read(saved) for name, saved in _weights(path, loaded).items()}
    except CheckpointFormatError:
        raise
    except Exception as error:  # what an unpickler makes of damaged bytes can be any error
        raise CheckpointFormatError(f"{path} is damaged or truncated ({error!r})") from error


def _read_zip(path: Path, data: bytes) -> tuple[object, _Storages]:
    archive = zipfile.ZipFile(io.BytesIO(data))
    names = archive.namelist()
    if any("/code/" in name or name.endswith("constants.pkl") for name in names):
        raise CheckpointFormatError(f"{path} is a TorchScript program, with code that would have to be run. {_SAVE}")
    if sum(record.file_size for record in archive.infolist()) > len(data):
        raise CheckpointFormatError(
            f"{path} is compressed, or its records overlap: unpacked it would be larger than the file, and torch.save stores "
            "weights as they are"
        )
    root = next((name.removesuffix("data.pkl") for name in names if name.endswith("data.pkl")), None)
    if root is None:
        kind = "a Keras model" if any(name.endswith(".weights.h5") for name in names) else "a zip archive"
        kind = "NumPy arrays" if any(name.endswith(".npy") for name in names) else kind
        raise CheckpointFormatError(
            f"{path} is {kind}, expected a .safetensors file, or a state_dict saved with torch.save"
        )
    if f"{root}byteorder" in names and archive.read(f"{root}byteorder") != b"little":
        raise CheckpointFormatError(
            f"{path} was written by a machine of the other byte order. {_SAVE}, on a common one"
        )
    program = archive.read(f"{root}data.pkl")
    require_bounded(program)
    return Unpickler(io.BytesIO(program)).load(), lambda key: archive.read(f"{root}data/{key}")


def _read_legacy(data: bytes) -> tuple[object, _Storages]:
    """Five pickles (a mark, a version, the machine, the content, the storages' keys), then each storage after its length."""
    if not data.startswith(_LEGACY):
        require_bounded(data)
        return Unpickler(io.BytesIO(data)).load(), _no_storage
    at = 0
    parts: list[object] = []
    sizes: dict[str, int] = {}
    blocks: dict[str, bytes] = {}
    for _ in range(5):
        end = at + require_bounded(data[at:])
        unpickler = Unpickler(io.BytesIO(data[at:end]))
        parts.append(unpickler.load())
        sizes |= unpickler.item_sizes
        at = end
    *_, content, keys = parts
    for key in keys if isinstance(keys, list) else []:
        start = at + 8
        at = start + int.from_bytes(data[at:start], "little") * sizes[key]
        if at > len(data):
            raise ValueError("it ends inside a tensor")
        blocks[key] = data[start:at]
    return content, blocks.__getitem__


def _no_storage(key: str) -> bytes:
    raise KeyError(key)


def _weights(path: Path, loaded: object) -> dict[str, SavedTensor]:
    """The tensors by name, in whatever dict around them."""
    for key in _KEYS:
        if isinstance(loaded, Mapping) and isinstance(loaded.get(key), (Mapping, Foreign)):
            loaded = loaded[key]
    parts = _state_dicts(loaded) if isinstance(loaded, Mapping) else {}
    if len(parts) > 1:
        raise CheckpointFormatError(
            f"{path} holds several state_dicts, {', '.join(map(repr, parts))}. Save the one that is wanted: "
            f"torch.save(torch.load(path, weights_only=True)[{next(iter(parts))!r}], 'weights.pt')"
        )
    loaded = next(iter(parts.values()), loaded)
    if isinstance(loaded, Foreign):
        raise CheckpointFormatError(
            f"{path} holds pickled Python objects, probably a whole model: loading it would run code from the file, and "
            f"needs the very classes that it was made with. {_SAVE}"
        )
    if isinstance(loaded, SavedTensor):
        raise CheckpointFormatError(f"{path} holds a Tensor, expected a state_dict: tensors by name")
    if not isinstance(loaded, Mapping) or not loaded:
        raise CheckpointFormatError(f"{path} holds a {type(loaded).__name__}, expected a state_dict: tensors by name")
    for name, value in loaded.items():
        if isinstance(value, Foreign):
            raise CheckpointFormatError(
                f"{path} holds {value.kind} as {name!r}, expected dense tensors of numbers. {_SAVE}"
            )
        if not isinstance(value, SavedTensor):
            raise CheckpointFormatError(
                f"{path} holds a {type(loaded).__name__}, expected a state_dict: tensors by name"
            )
    return {str(name): value for name, value in loaded.items()}


def _state_dicts(values: Mapping[object, object]) -> dict[str, Mapping[object, object]]:
    """Those of several values that are tensors by name, if none is a tensor itself."""
    if any(isinstance(value, SavedTensor) for value in values.values()):
        return {}
    return {
        str(name): value
        for name, value in values.items()
        if isinstance(value, Mapping) and value and all(isinstance(part, SavedTensor) for part in value.values())
    }


class _Reader:
    """Reads tensors out of a file's storages; one that has several names is one tensor.

    Args:
        storages: the bytes of a storage by its key.
        most: how many bytes all tensors together may take.
    """

    def __init__(self, storages: _Storages, most: int) -> None:
        self._storages = storages
        self._left = most
        self._read: dict[SavedTensor, Tensor] = {}

    def read(self, saved: SavedTensor) -> Tensor:
        """A tensor in memory of its own."""
        if saved not in self._read:
            self._left -= math.prod(saved.shape) * saved.storage.dtype.itemsize
            if self._left < 0:
                raise ValueError("its tensors would be far larger than the file")
            memory = bytearray(self._storages(saved.storage.key))
            block = torch.frombuffer(memory, dtype=saved.storage.dtype) if memory else torch.empty(0)
            view = block.to(saved.storage.dtype).as_strided(saved.shape, saved.strides, saved.offset)
            self._read[saved] = view.clone(memory_format=torch.contiguous_format)
        return self._read[saved]
