"""What makes a run, as JSON: a resumed run must be described alike."""

from __future__ import annotations

import functools
import inspect
import math
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from mnistkit.checkpoint.weights import is_dense
from mnistkit.data import DigitDataset
from mnistkit.data.split_guard import datasets_in
from mnistkit.models import model_spec
from mnistkit.training.schedules import Constant
from mnistkit.types import JsonValue

if TYPE_CHECKING:
    from mnistkit.training.trainer import Trainer

__all__ = ["as_json", "describe", "differences", "held_modules", "held_weights"]


def describe(trainer: Trainer, loss: object) -> dict[str, JsonValue]:
    """The part of a run that is settled when it starts: everything but its counters.

    Functions are known by their names only, and objects of unknown classes by their class.
    """
    spec = model_spec(trainer.model)
    steady = trainer.lr is None or isinstance(trainer.lr, Constant)
    own_rate = type(trainer).learning_rate is not _plain_rate()
    return {
        "model": as_json(trainer.model) if spec is None else {"name": spec.name, **dict(spec.arguments)},
        "trainer": _kind(trainer),
        "optimizers": {name: _optimizer(optimizer) for name, optimizer in trainer.optimizers.items()},
        "lr": as_json(trainer.lr),
        # A schedule that goes somewhere goes there in so many steps.
        "total_steps": None if steady and not own_rate else trainer.state.total_steps,
        "loss": as_json(loss),
        "metrics": as_json(sorted(trainer.metrics)),
        "validation": _data(trainer.validation_data),
        "callbacks": {each.name: as_json(_settings(each)) for each in trainer.callbacks if each.shapes_run},
    }


def _kind(trainer: Trainer) -> JsonValue:
    """The class, with the arguments that it has besides those of every trainer."""
    from mnistkit.training.trainer import Trainer

    name, common = type(trainer).__qualname__, inspect.signature(Trainer).parameters
    own = {setting: value for setting, value in _settings(trainer).items() if setting not in {"kind", *common}}
    return {"kind": name, **own} if own else name


def _plain_rate() -> object:
    from mnistkit.training.trainer import Trainer

    return Trainer.learning_rate


def _optimizer(optimizer: Optimizer) -> JsonValue:
    groups = [{name: value for name, value in group.items() if name != "params"} for group in optimizer.param_groups]
    return {
        "kind": type(optimizer).__name__,
        "groups": as_json({str(number): group for number, group in enumerate(groups)}),
    }


def _data(data: object) -> JsonValue:
    if data is None:
        return None
    return [dataset.fingerprint for dataset in datasets_in(data)] or type(data).__name__


def _settings(owner: object) -> dict[str, JsonValue]:
    """The arguments that an object was made with, as far as it keeps them."""
    found: dict[str, JsonValue] = {"kind": type(owner).__name__}
    for name in inspect.signature(type(owner)).parameters:
        for kept in (name, f"_{name}"):
            if kept in vars(owner):
                found[name] = as_json(vars(owner)[kept])
                break
    return found


def as_json(value: object) -> JsonValue:
    """A setting as JSON: a dataclass by its fields, a module by its settings, a function by its name."""
    if isinstance(value, float) and not math.isfinite(value):
        return repr(value)
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Mapping):
        return {str(name): as_json(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [as_json(part) for part in value]
    if isinstance(value, Tensor):
        return f"{zlib.crc32(value.detach().cpu().contiguous().double().numpy().tobytes()):08x}"
    if isinstance(value, functools.partial):
        return {
            "kind": _name(value.func),
            "arguments": as_json(value.args),
            **{n: as_json(v) for n, v in value.keywords.items()},
        }
    if isinstance(value, DigitDataset):
        return value.fingerprint
    if isinstance(value, nn.Module):
        plain = {n: v for n, v in vars(value).items() if not n.startswith("_") and n != "training"}
        kept = {n: as_json(v) for n, v in plain.items() if v is None or isinstance(v, bool | int | float | str | tuple)}
        weights = (
            {n: as_json(buffer) for n, buffer in value.named_buffers()}
            if not any(True for _ in value.parameters())
            else {}
        )
        return {"kind": type(value).__name__, **kept, **weights, "parts": repr(value)}
    if is_dataclass(value) and not isinstance(value, type):
        return {"kind": type(value).__name__, **{f.name: as_json(getattr(value, f.name)) for f in fields(value)}}
    if isinstance(value, Path):
        return str(value)
    return _name(value)


def held_weights(trainer: Trainer) -> dict[str, JsonValue]:
    """A checksum of the weights of every module that a trainer holds beside its model: a teacher, a loss that has some."""
    return {place: _checksum(module) for place, module in held_modules(trainer).items() if module.state_dict()}


def held_modules(trainer: Trainer) -> dict[str, nn.Module]:
    """The modules that a trainer holds beside its model, by where they are."""
    known = {*trainer.model.modules(), *trainer.inference_model.modules()}
    return {
        place.removeprefix("_Trainer__"): module
        for attribute, value in vars(trainer).items()
        if attribute not in {"train_data", "validation_data"}
        for place, module in _modules_in(value, attribute)
        if module not in known
    }


def _modules_in(value: object, place: str) -> Iterator[tuple[str, nn.Module]]:
    """The modules in an attribute: itself, in a list, a tuple or a dict, or among what a function was given beforehand."""
    if isinstance(value, nn.Module):
        yield place, value
    elif isinstance(value, functools.partial):
        yield from _modules_in(value.args, place)
        yield from _modules_in(value.keywords, place)
    elif isinstance(value, Mapping):
        for name, part in value.items():
            yield from _modules_in(part, f"{place}/{name}")
    elif isinstance(value, list | tuple):
        for number, part in enumerate(value):
            yield from _modules_in(part, f"{place}/{number}")


def _checksum(module: nn.Module) -> str:
    total = 0
    for name, tensor in module.state_dict().items():
        total = zlib.crc32(name.encode(), total)
        if isinstance(tensor, Tensor) and is_dense(tensor):
            bytes_of_it = tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy()
            total = zlib.crc32(bytes_of_it.data, total)
    return f"{total:08x}"


def differences(there: JsonValue, here: JsonValue, place: str) -> Iterator[str]:
    """Every place in which two descriptions differ, with what each has there."""
    if isinstance(there, dict) and isinstance(here, dict):
        for name in sorted(there.keys() | here.keys()):
            yield from differences(there.get(name), here.get(name), f"{place}/{name}" if place else name)
    elif there != here:
        yield f"{place}: {there!r} in the file, {here!r} now"


def _name(value: object) -> str:
    name = getattr(value, "__qualname__", None)
    return name if isinstance(name, str) else type(value).__qualname__
