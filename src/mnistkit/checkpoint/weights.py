"""Weights by name: whose they are, whether they fit a model, and whether they are numbers at all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn

from mnistkit.errors import CheckpointFormatError, CheckpointMismatchError, ConfigError
from mnistkit.models.network import copy_of, require_shapes

__all__ = ["is_dense", "kind_of", "load_weights", "plain_names", "require_fitting", "require_sound", "unwrapped"]

# As many differences of one kind tell what is wrong; twenty hide it.
_SHOWN = 4


def unwrapped(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The weights by the names that they have without DataParallel and torch.compile around the model."""
    names = plain_names(weights)
    return {names[name]: tensor for name, tensor in weights.items()}


def plain_names(names: Iterable[str]) -> dict[str, str]:
    """Each name, and what it is without a wrapper's prefix."""
    plain = {name: name.replace("_orig_mod.", "") for name in names}
    # A wrapper's prefix is before every name; a model may have a part of its own called "module".
    while plain and all(name.startswith("module.") for name in plain.values()):
        plain = {name: short.removeprefix("module.") for name, short in plain.items()}
    return plain


def load_weights(model: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Load a state dict, on whatever device the model is; nothing is loaded if anything does not fit.

    Names are compared without what all of them begin with, so that ``model.`` of Lightning, ``net.`` or ``module.`` before
    every name do not matter. Where not one name fits, the layers are told by the shapes of their tensors, if that is
    possible in one way only.

    Raises:
        CheckpointFormatError: for a tensor that is not dense, or holds NaN or infinity.
        CheckpointMismatchError: with what is missing, unexpected, or of another shape or type.
        ConfigError: if the model has no memory, on torch's meta device.
    """
    require_sound(weights, "the state dict")
    own = model.state_dict()
    if any(tensor.is_meta for tensor in own.values()):
        raise ConfigError(
            "the model is on the meta device, without memory for weights; model.to_empty(device='cpu') first"
        )
    places = require_fitting(model, weights)
    model.load_state_dict({places[name]: tensor for name, tensor in weights.items()})


def require_fitting(model: nn.Module, weights: Mapping[str, Tensor]) -> dict[str, str]:
    """Compare weights with a model, of which only names, shapes and types are asked: it may be on the meta device.

    Another shape fits where the model's own ``load_state_dict`` takes it: quantisation's observers grow with what they saw.

    Returns:
        For each name of the weights, that of the model.

    Raises:
        CheckpointMismatchError: with what is missing, unexpected, or of another shape or type.
        ConfigError: if the model has lazy layers that have no shape yet.
    """
    require_shapes(model)
    own = model.state_dict()
    places = _same_names(own, weights) or _same_shapes(own, weights)
    here, there = plain_names(own), plain_names(weights)
    if places is None:
        known = {short: name for name, short in here.items()}
        places = {name: known[short] for name, short in there.items() if short in known}
    pairs = {there[name]: (weights[name], own[place]) for name, place in sorted(places.items())}
    found = set(places.values())
    problems = _few(f"missing: {here[name]} {tuple(own[name].shape)}" for name in sorted(own.keys() - found))
    problems += _few(
        f"unexpected: {there[name]} {tuple(weights[name].shape)}" for name in sorted(weights.keys() - places.keys())
    )
    other_shapes = [
        f"shape: {name} is {tuple(theirs.shape)} in the file and {tuple(ours.shape)} in the model"
        for name, (theirs, ours) in pairs.items()
        if theirs.shape != ours.shape
    ]
    if other_shapes and (problems or not _takes(model, {places[name]: weights[name] for name in places})):
        problems += _few(other_shapes)
    problems += _few(
        f"type: {name} is {theirs.dtype} in the file and {ours.dtype} in the model"
        for name, (theirs, ours) in pairs.items()
        if theirs.dtype != ours.dtype and not (theirs.is_floating_point() and ours.is_floating_point())
    )
    if problems:
        raise CheckpointMismatchError(
            f"the weights do not fit this {type(model).__name__}:\n  "
            + "\n  ".join(problems)
            + "\nIs it the right model, with the right arguments?"
        )
    return places


def require_sound(weights: Mapping[str, Tensor], source: object) -> None:
    """Refuse what no layer can work with.

    Raises:
        CheckpointFormatError: for a tensor that is not dense, or holds NaN or infinity.
    """
    for name, tensor in weights.items():
        if not isinstance(tensor, Tensor) or not is_dense(tensor):
            raise CheckpointFormatError(
                f"{source} has {kind_of(tensor)} as {name!r}, expected dense tensors; save model.state_dict() of a plain model"
            )
    spoilt = [name for name, tensor in weights.items() if not _is_finite(tensor)]
    if spoilt:
        raise CheckpointFormatError(
            f"{source} has NaN or infinity in {', '.join(spoilt[:_SHOWN])}{' and others' * (len(spoilt) > _SHOWN)}: the "
            "training diverged, or the file is damaged; use an earlier checkpoint (a constant buffer with infinity in it "
            "needs no saving: register_buffer(..., persistent=False))"
        )


def _takes(model: nn.Module, weights: Mapping[str, Tensor]) -> bool:
    if any(tensor.is_meta for tensor in model.state_dict().values()):
        return False
    try:
        copy_of(model).load_state_dict(weights)
    except (ConfigError, RuntimeError):  # it cannot be copied, or the shapes do not fit
        return False
    return True


def is_dense(tensor: Tensor) -> bool:
    """Whether a tensor is a plain block of numbers in memory."""
    return tensor.layout is torch.strided and not (tensor.is_meta or tensor.is_quantized or tensor.is_nested)


def _is_finite(tensor: Tensor) -> bool:
    if not (tensor.is_floating_point() or tensor.is_complex()):
        return True
    # Of eight bits torch does not know what is finite.
    wide = tensor.float() if tensor.element_size() == 1 else tensor
    return bool(torch.isfinite(wide).all())


def kind_of(value: object) -> str:
    """What is given where a dense tensor is expected."""
    if not isinstance(value, Tensor):
        return f"a {type(value).__name__}"
    if value.is_meta:
        return "a tensor without data (on the meta device)"
    if value.is_quantized:
        return "a quantized tensor"
    return "a nested tensor" if value.is_nested else f"a tensor of layout {value.layout}"


def _few(lines: Iterable[str]) -> list[str]:
    every = list(lines)
    more = [f"and {len(every) - _SHOWN} more"] if len(every) > _SHOWN else []
    return every[:_SHOWN] + more


def _same_names(own: Iterable[str], theirs: Iterable[str]) -> dict[str, str] | None:
    """The model's name for each of theirs, if they are the same but for what all begin with."""
    here, there = _short_names(own), _short_names(theirs)
    return {there[short]: here[short] for short in there} if here.keys() == there.keys() else None


def _short_names(names: Iterable[str]) -> dict[str, str]:
    """The names by what tells them apart: without torch.compile's mark, and without the parts that all begin with."""
    parts = {name: name.replace("_orig_mod.", "").split(".") for name in names}
    first, last = min(parts.values(), default=[]), max(parts.values(), default=[])
    shared = 0
    while shared < min(len(first), len(last)) - 1 and first[shared] == last[shared]:
        shared += 1
    return {".".join(path[shared:]): name for name, path in parts.items()}


def _same_shapes(own: Mapping[str, Tensor], theirs: Mapping[str, Tensor]) -> dict[str, str] | None:
    """The model's name for each of theirs, if not one is the same and the shapes leave no choice.

    A layer is what has the same name but for the last part (weight, bias). Two layers of one shape could be taken for each
    other, and then nothing is paired.
    """
    if own.keys() & theirs.keys():
        return None
    here, there = _layers(own), _layers(theirs)
    if here.keys() != there.keys() or any(len(layers) > 1 for layers in (*here.values(), *there.values())):
        return None
    return {
        _joined(there[shape][0], name): _joined(here[shape][0], name) for shape in there for name, _ in sorted(shape)
    }


def _layers(weights: Mapping[str, Tensor]) -> dict[frozenset[tuple[str, torch.Size]], list[str]]:
    """The layers by what they hold."""
    shapes: dict[str, set[tuple[str, torch.Size]]] = {}
    for name, tensor in weights.items():
        layer, _, last = name.rpartition(".")
        shapes.setdefault(layer, set()).add((last, tensor.shape))
    layers: dict[frozenset[tuple[str, torch.Size]], list[str]] = {}
    for layer, shape in shapes.items():
        layers.setdefault(frozenset(shape), []).append(layer)
    return layers


def _joined(layer: str, name: str) -> str:
    return f"{layer}.{name}" if layer else name
