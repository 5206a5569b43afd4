"""A checkpoint written and read: what is in a file, and which kind of file it is."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn

from mnistkit._core.files import open_regular, user_path, write_atomically
from mnistkit.calibration import Calibration
from mnistkit.checkpoint.building import build_model
from mnistkit.checkpoint.foreign import describe, read_torch_file
from mnistkit.checkpoint.header import FORMAT_VERSION, NO_CHECKSUM, has_checksum, parse_header, with_checksum
from mnistkit.checkpoint.packing import pack, storable
from mnistkit.checkpoint.quantized import as_bytes, from_bytes
from mnistkit.checkpoint.weights import load_weights, require_sound, unwrapped
from mnistkit.device import resolve_device
from mnistkit.errors import CheckpointError, CheckpointFormatError, CheckpointMismatchError
from mnistkit.imaging import Preprocessing
from mnistkit.models import ModelSpec
from mnistkit.types import JsonValue, PathLike

__all__ = ["FORMAT_VERSION", "CheckpointFile", "load_model", "read_checkpoint", "write_checkpoint"]

_HEADER = "mnistkit"
_MODEL = "model/"
_STEPS = "steps/"


@dataclass
class CheckpointFile:
    """What a checkpoint holds.

    Attributes:
        weights: the model's state dict, on the CPU.
        spec: how to build the model; ``None`` if no registered factory made it.
        preprocessing: how to prepare an image; ``None`` in files that mnistkit did not write.
        classes: a name for each label.
        calibration: how to read the logits.
        metrics: what was measured, by name.
        data: what the model was trained on.
        about: more of its card: ``recipe``, ``seconds``, ``licence``, ``limits``; see :class:`mnistkit.card.Card`.
        versions: of what wrote the file.
        training: what resuming needs; ``None`` in a model file.
    """

    weights: dict[str, Tensor]
    spec: ModelSpec | None = None
    preprocessing: Preprocessing | None = None
    classes: tuple[str, ...] = ()
    calibration: Calibration = field(default_factory=Calibration)
    metrics: Mapping[str, JsonValue] = field(default_factory=dict)
    data: Mapping[str, JsonValue] = field(default_factory=dict)
    about: Mapping[str, JsonValue] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    training: dict[str, object] | None = None

    @property
    def kind(self) -> Literal["model", "training"]:
        """Whether training can be resumed from it."""
        return "model" if self.training is None else "training"

    def build(self, model: nn.Module | None = None) -> nn.Module:
        """The model with these weights, in eval mode.

        Args:
            model: to load them into, where the file does not say how to build one.

        Raises:
            CheckpointFormatError: if the file names a model of other weights, or one that cannot be made.
            CheckpointMismatchError: if the weights do not fit the given model, or one is needed and none was given.
            UnknownModelError: if the model's factory is not registered in this process.
        """
        if model is not None:
            load_weights(model, self.weights)
        elif self.spec is not None:
            model = build_model(self.spec, self.weights)
        else:
            raise CheckpointMismatchError(
                "the file does not say which model its weights belong to; give it: model=create_model('lenet5')"
            )
        return model.eval()


def write_checkpoint(
    path: PathLike, content: CheckpointFile, *, half: bool = False, quantized: int | None = None
) -> None:
    """Write a checkpoint whole or not at all: what was there before stays until the new one is safe on disk.

    Args:
        path: the file.
        content: what it is to hold.
        half: write the weights as 16-bit floats.
        quantized: write those of layers with this many or more as bytes, in steps of 1/127 of the largest of each output, and
            the others as 16-bit floats.

    Raises:
        CheckpointError: if it holds something that a file cannot.
        CheckpointFormatError: for weights that are not finite, or too large for 16 bits.
        WriteError: if it cannot be written (a full disk, say).
    """
    weights = unwrapped(content.weights)
    steps: dict[str, Tensor] = {}
    if quantized is not None:
        weights, steps = as_bytes(weights, quantized)
    elif half:
        weights = {name: tensor.half() if tensor.is_floating_point() else tensor for name, tensor in weights.items()}
    tensors = {_MODEL + name: tensor for name, tensor in weights.items()}
    tensors |= {_STEPS + name: tensor for name, tensor in steps.items()}
    header: dict[str, JsonValue] = {
        "checksum": NO_CHECKSUM,
        "format_version": FORMAT_VERSION,
        "kind": content.kind,
        "model": None
        if content.spec is None
        else {"name": content.spec.name, "arguments": pack(content.spec.arguments, "arguments", tensors)},
        "preprocessing": None if content.preprocessing is None else content.preprocessing.to_json(),
        "classes": pack(list(content.classes), "classes", tensors),
        "calibration": content.calibration.to_json(),
        "metrics": pack(content.metrics, "metrics", tensors),
        "data": pack(content.data, "data", tensors),
        "about": pack(content.about, "about", tensors),
        "versions": {"mnistkit": _own_version(), "torch": str(torch.__version__), "python": platform.python_version()},
        "training": pack(content.training, "training", tensors),
    }
    stored = storable(tensors)
    require_sound({**weights, **steps}, "the model")
    text = json.dumps(header, allow_nan=False)
    try:
        data = safetensors.torch.save(stored, {_HEADER: text})
    except KeyError as error:  # safetensors looks the dtype up
        raise CheckpointError(f"cannot write {path}: a checkpoint does not hold tensors of dtype {error}") from error
    write_atomically(path, with_checksum(data))


def read_checkpoint(path: PathLike) -> CheckpointFile:
    """Read a checkpoint onto the CPU: mnistkit's own, plain safetensors, or a ``state_dict`` saved by ``torch.save``.

    No code of the file is run, and no more memory is taken than twice the file's size and some megabytes.

    Raises:
        CheckpointError: if there is no such file.
        CheckpointFormatError: if it is damaged, from a newer version, holds weights that are not finite, or is of a kind
            that cannot be read without running code from it.
    """
    path = user_path(path)
    try:
        with open_regular(path) as file:
            data = file.read()
    except FileNotFoundError as error:
        raise CheckpointError(f"there is no checkpoint {path}") from error
    except OSError as error:
        raise CheckpointError(f"cannot read {path}: {error.strerror or error}") from error
    except ValueError as error:  # a null byte
        raise CheckpointError(f"cannot read {str(path)!r}: {error}") from error
    # First, because the eight bytes before it are a length: any length, also one that looks like the start of a pickle.
    if data[8:9] == b"{":
        content = _read_safetensors(path, data)
    elif data[:2] == b"PK" or data[:1] == b"\x80":
        content = CheckpointFile(unwrapped(read_torch_file(path, data)))
    else:
        raise CheckpointFormatError(describe(path, data))
    require_sound(content.weights, path)
    return content


def _read_safetensors(path: Path, data: bytes) -> CheckpointFile:
    try:
        checked = has_checksum(data)
        tensors = safetensors.torch.load(data)
        metadata = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")]).get("__metadata__", {})
    except (safetensors.SafetensorError, KeyError, ValueError, RuntimeError, RecursionError) as error:
        raise CheckpointFormatError(f"{path} is damaged or truncated ({error}); use an earlier checkpoint") from error
    if _HEADER not in metadata:
        return CheckpointFile(unwrapped(tensors))
    weights, steps = (
        {name.removeprefix(start): tensors.pop(name) for name in list(tensors) if name.startswith(start)}
        for start in (_MODEL, _STEPS)
    )
    try:
        weights = from_bytes(weights, steps)
        return CheckpointFile(weights=weights, **parse_header(metadata[_HEADER], tensors, checked=checked))
    except CheckpointFormatError as error:
        raise CheckpointFormatError(f"{path}: {error}") from error
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise CheckpointFormatError(f"{path} has a damaged header ({error!r}); use an earlier checkpoint") from error


def load_model(path: PathLike, *, model: nn.Module | None = None, device: torch.device | str = "cpu") -> nn.Module:
    """The model of a checkpoint, in eval mode.

    Args:
        path: a file that mnistkit wrote, or with ``model`` a plain state dict (``.safetensors``, ``.pt``, ``.pth``).
        model: to load the weights into, where the file does not say how to build one.
        device: where to put it, see :func:`mnistkit.resolve_device`; a file moves freely between devices.

    Raises:
        CheckpointError: if the file cannot be read or does not fit; see :func:`mnistkit.checkpoint.read_checkpoint`.
        ConfigError: if this machine has no such device.
    """
    place = resolve_device(device)
    return read_checkpoint(path).build(model).to(place)


def _own_version() -> str:
    from mnistkit import __version__

    return __version__
