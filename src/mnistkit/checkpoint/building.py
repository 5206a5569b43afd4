"""A model made as a file says, which is somebody's word: made without memory first, compared, and only then for real."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from mnistkit.checkpoint.weights import load_weights, require_fitting
from mnistkit.errors import CheckpointFormatError, CheckpointMismatchError
from mnistkit.models import ModelSpec, model_factory

__all__ = ["build_model"]

# What makes tensors from sizes alone; all else is made of tensors that were counted.
_MAKERS: frozenset[Callable[..., object]] = frozenset(
    {torch.arange, torch.empty, torch.eye, torch.full, torch.linspace, torch.ones, torch.rand, torch.randn, torch.zeros}
)

# What making a model may take beside its weights: tables of positions, an image to measure layers with.
_SPARE_BYTES = 64 << 20
_SPARE_OPERATIONS = 1000
_OPERATIONS_PER_WEIGHT = 100


def build_model(spec: ModelSpec, weights: Mapping[str, Tensor]) -> nn.Module:
    """The model that a file names, with the file's weights.

    It is made on torch's meta device first, where tensors have shapes and no memory, and compared with the weights. A
    factory that does not work there (it looks at numbers) is given memory, but never more than the weights explain.

    Raises:
        CheckpointFormatError: if there is no such model: its factory refuses the arguments, or makes another model.
        UnknownModelError: if the factory is not registered in this process.
    """
    model_factory(spec.name)
    try:
        draft = _create(spec, _Allowance(weights), torch.device("meta"))
    except CheckpointFormatError:
        model = _create(spec, _Allowance(weights), contextlib.nullcontext())
    else:
        _compare(spec, draft, weights)
        model = _create(spec, contextlib.nullcontext(), contextlib.nullcontext())
    _compare(spec, model, weights)
    load_weights(model, weights)
    return model


def _create(spec: ModelSpec, *places: contextlib.AbstractContextManager[object]) -> nn.Module:
    # New weights are drawn in vain, and must not change what the program draws next.
    with contextlib.ExitStack() as stack:
        stack.enter_context(torch.random.fork_rng(devices=[]))
        for place in places:
            stack.enter_context(place)
        try:
            return spec.create()
        except Exception as error:  # arguments of a file can make a factory fail in any way
            raise CheckpointFormatError(
                f"the file's model {spec.name} cannot be made with its arguments: {type(error).__name__}: {error}"
            ) from error


def _compare(spec: ModelSpec, model: nn.Module, weights: Mapping[str, Tensor]) -> None:
    try:
        require_fitting(model, weights)
    except CheckpointMismatchError as error:
        raise CheckpointFormatError(
            f"the file names the model {spec.name}, whose weights it does not hold: {error}"
        ) from error


class _Allowance(TorchFunctionMode):
    """Counts what torch is asked for, new tensors before they are made, and refuses what these weights cannot need."""

    def __init__(self, weights: Mapping[str, Tensor]) -> None:
        super().__init__()
        # In eight bytes a number: the weights may be saved in fewer than the model is made in.
        self._bytes = _SPARE_BYTES + 4 * sum(8 * tensor.numel() for tensor in weights.values())
        self._operations = _SPARE_OPERATIONS + _OPERATIONS_PER_WEIGHT * len(weights)

    def __torch_function__(
        self,
        func: Callable[..., object],
        types: Sequence[type],
        args: tuple[object, ...] = (),
        kwargs: dict[str, object] | None = None,
    ) -> object:
        kwargs = kwargs or {}
        self._operations -= 1
        if func in _MAKERS:
            self._bytes -= _size(func(*args, **(kwargs | {"device": "meta"})))
        if self._operations < 0 or self._bytes < 0:
            raise CheckpointFormatError("it would be far larger than the weights in the file")
        return func(*args, **kwargs)


def _size(made: object) -> int:
    return made.numel() * made.element_size() if isinstance(made, Tensor) else 0
