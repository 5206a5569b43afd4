"""The checkpoint file: safetensors with a JSON header, written whole or not at all, read without running code.

A *model* file holds the weights and all that is needed to use them: how to build the model, how to prepare an image,
what the classes are called, what was measured. A *training* file also holds what resuming needs.
"""

from __future__ import annotations

import json
import pickle
import platform
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn

from mnistkit._core.files import user_path, write_atomically
from mnistkit._packing import pack, storable, unpack
from mnistkit.calibration import Calibration
from mnistkit.data.preprocessing import Preprocessing
from mnistkit.device import resolve_device
from mnistkit.errors import CheckpointError, CheckpointFormatError, CheckpointMismatchError
from mnistkit.models import ModelSpec
from mnistkit.types import JsonValue, PathLike

__all__ = [
    "FORMAT_VERSION",
    "CheckpointFile",
    "load_model",
    "load_weights",
    "read_checkpoint",
    "write_checkpoint",
]

FORMAT_VERSION = 1
_HEADER = "mnistkit"
_MODEL = "model/"


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
        versions: of what wrote the file.
        training: what resuming needs; ``None`` in a model file.
    """

    weights: dict[str, Tensor]
    spec: ModelSpec | None = None
    preprocessing: Preprocessing | None = None
    classes: tuple[str, ...] = ()
    calibration: Calibration = field(default_factory=Calibration)
    metrics: dict[str, float] = field(default_factory=dict)
    data: dict[str, JsonValue] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
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
            CheckpointMismatchError: if the weights do not fit, or a model is needed and none was given.
            UnknownModelError: if the model's factory is not registered in this process.
        """
        if model is None:
            if self.spec is None:
                raise CheckpointMismatchError(
                    "the file does not say which model its weights belong to; give it: model=create_model('lenet5')"
                )
            model = self.spec.create()
        load_weights(model, self.weights)
        return model.eval()


def write_checkpoint(path: PathLike, content: CheckpointFile) -> None:
    """Write a checkpoint whole or not at all: what was there before stays until the new one is safe on disk.

    Raises:
        CheckpointError: if it holds something that a file cannot.
        WriteError: if it cannot be written (a full disk, say).
    """
    tensors = {_MODEL + name: tensor for name, tensor in _unwrapped(content.weights).items()}
    header: dict[str, JsonValue] = {
        "format_version": FORMAT_VERSION,
        "kind": content.kind,
        "model": None
        if content.spec is None
        else {"name": content.spec.name, "arguments": pack(content.spec.arguments, "arguments", tensors)},
        "preprocessing": None if content.preprocessing is None else content.preprocessing.to_json(),
        "classes": list(content.classes),
        "calibration": content.calibration.to_json(),
        "metrics": pack(content.metrics, "metrics", tensors),
        "data": pack(content.data, "data", tensors),
        "versions": {"mnistkit": _own_version(), "torch": str(torch.__version__), "python": platform.python_version()},
        "training": pack(content.training, "training", tensors),
    }
    text = json.dumps(header, allow_nan=False)
    try:
        data = safetensors.torch.save(storable(tensors), {_HEADER: text})
    except KeyError as error:  # safetensors looks the dtype up
        raise CheckpointError(f"cannot write {path}: a checkpoint does not hold tensors of dtype {error}") from error
    write_atomically(path, data)


def read_checkpoint(path: PathLike) -> CheckpointFile:
    """Read a checkpoint onto the CPU: mnistkit's own, plain safetensors, or a ``state_dict`` saved by ``torch.save``.

    Raises:
        CheckpointError: if there is no such file.
        CheckpointFormatError: if it is damaged, from a newer version, or could only be loaded by running code from it.
    """
    path = user_path(path)
    try:
        with path.open("rb") as file:
            start = file.read(16)
    except FileNotFoundError as error:
        raise CheckpointError(f"there is no checkpoint {path}") from error
    except OSError as error:
        raise CheckpointError(f"cannot read {path}: {error.strerror or error}") from error
    # First, because the eight bytes before it are a length: any length, also one that looks like the start of a pickle.
    if start[8:9] == b"{":
        return _read_safetensors(path)
    if start[:2] == b"PK" or start[:1] == b"\x80":
        return CheckpointFile(_read_torch_file(path))
    raise CheckpointFormatError(
        f"{path} is not a checkpoint: it begins with {start[:9]!r}; expected a .safetensors file, or a state_dict "
        "saved with torch.save"
    )


def _read_safetensors(path: Path) -> CheckpointFile:
    try:
        with safetensors.safe_open(str(path), framework="pt") as file:
            metadata = file.metadata() or {}
            tensors: dict[str, Tensor] = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  (no dict)
    except (safetensors.SafetensorError, OSError) as error:
        raise CheckpointFormatError(f"{path} is damaged or truncated ({error}); use an earlier checkpoint") from error
    if _HEADER not in metadata:
        return CheckpointFile(_unwrapped(tensors))
    try:
        return _parse(path, json.loads(metadata[_HEADER]), tensors)
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise CheckpointFormatError(f"{path} has a damaged header ({error!r}); use an earlier checkpoint") from error


def _parse(path: Path, header: dict[str, JsonValue], tensors: dict[str, Tensor]) -> CheckpointFile:
    version = header["format_version"]
    if version != FORMAT_VERSION:
        raise CheckpointFormatError(
            f"{path} has format version {version}; this mnistkit {_own_version()} reads version {FORMAT_VERSION}: "
            "upgrade it with pip install --upgrade mnistkit"
        )
    content: dict[str, object] = {name: unpack(value, tensors) for name, value in header.items()}
    match content:
        case {
            "model": dict() | None as spec,
            "preprocessing": dict() | None,
            "classes": list(classes),
            "calibration": dict(calibration),
            "metrics": dict(metrics),
            "data": dict(data),
            "versions": dict(versions),
            "training": dict() | None as training,
        }:
            preprocessing = header["preprocessing"]
            return CheckpointFile(
                weights={n.removeprefix(_MODEL): t for n, t in tensors.items() if n.startswith(_MODEL)},
                spec=None if spec is None else ModelSpec(spec["name"], spec["arguments"]),
                preprocessing=Preprocessing.from_json(preprocessing) if isinstance(preprocessing, dict) else None,
                classes=tuple(classes),
                calibration=Calibration.from_json(calibration),
                metrics=metrics,
                data=data,
                versions=versions,
                training=training,
            )
    raise ValueError("a part is missing")


def _read_torch_file(path: Path) -> dict[str, Tensor]:
    try:
        # Of an open file torch looks at the content; of a path also at how it ends.
        with path.open("rb") as file:
            loaded: object = torch.load(file, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise CheckpointFormatError(
            f"{path} holds pickled Python objects, probably a whole model: loading it would run code from the file, and "
            "needs the very classes that it was made with. In the script that made it, save the weights only: "
            "torch.save(model.state_dict(), 'weights.pt')"
        ) from error
    except Exception as error:  # what an unpickler makes of damaged bytes can be any error
        raise CheckpointFormatError(f"{path} is damaged or truncated ({error!r})") from error
    for key in ("state_dict", "model_state_dict", "model"):
        if isinstance(loaded, Mapping) and isinstance(loaded.get(key), Mapping):
            loaded = loaded[key]
    if not isinstance(loaded, Mapping) or not loaded or not all(isinstance(t, Tensor) for t in loaded.values()):
        raise CheckpointFormatError(f"{path} holds a {type(loaded).__name__}, expected a state_dict: tensors by name")
    return _unwrapped({str(name): tensor for name, tensor in loaded.items()})


def _unwrapped(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The weights by the names that they have without DataParallel and torch.compile around the model."""
    names = _plain_names(weights)
    return {names[name]: tensor for name, tensor in weights.items()}


def _plain_names(names: Iterable[str]) -> dict[str, str]:
    plain = {name: name.replace("_orig_mod.", "") for name in names}
    # A wrapper's prefix is before every name; a model may have a part of its own called "module".
    while plain and all(name.startswith("module.") for name in plain.values()):
        plain = {name: short.removeprefix("module.") for name, short in plain.items()}
    return plain


def load_weights(model: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Load a state dict, on whatever device the model is; nothing is loaded if anything does not fit.

    Raises:
        CheckpointMismatchError: with every missing, unexpected and differently shaped entry.
    """
    places = {plain: name for name, plain in _plain_names(model.state_dict()).items()}
    own, weights = _unwrapped(model.state_dict()), _unwrapped(weights)
    problems = [f"missing: {name} {tuple(own[name].shape)}" for name in sorted(own.keys() - weights.keys())]
    problems += [f"unexpected: {name} {tuple(weights[name].shape)}" for name in sorted(weights.keys() - own.keys())]
    problems += [
        f"shape: {name} is {tuple(weights[name].shape)} in the file and {tuple(own[name].shape)} in the model"
        for name in sorted(own.keys() & weights.keys())
        if own[name].shape != weights[name].shape
    ]
    if problems:
        raise CheckpointMismatchError(
            f"the weights do not fit this {type(model).__name__}:\n  "
            + "\n  ".join(problems)
            + "\nIs it the right model, "
            "with the right arguments?"
        )
    model.load_state_dict({places[name]: tensor for name, tensor in weights.items()})


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
