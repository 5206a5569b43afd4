"""The training part of a checkpoint, by kind; all of it is looked at before any of it reaches a run."""

from __future__ import annotations

import copy
import inspect
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from mnistkit.checkpoint import Saved
from mnistkit.errors import CheckpointFormatError
from mnistkit.metrics import Sums
from mnistkit.types import JsonValue

__all__ = ["TrainingState", "require_usable"]


@dataclass(frozen=True)
class TrainingState:
    """What resuming needs, as a file has it.

    Attributes:
        run: the settings that an exact resume must find again.
        epoch: epochs finished.
        step: optimizer updates done, over all epochs.
        batch: batches seen in the epoch under way.
        seconds: how long ``fit`` ran.
        sums: the training metrics of the epoch under way.
        history: a row of figures for each epoch.
        buffers: of the model in this process, of several but the first.
        weights: what is trained, where something else (an average) is what is used.
        optimizers: the state of each by name.
        precision: the loss scale and its history.
        trainer: the state of the trainer's subclass.
        callbacks: the state of each by name.
        generators: the states of torch's random generators, by device type.
        held: checksums of the weights of the modules that the trainer held beside its model.
    """

    run: dict[str, JsonValue]
    epoch: int
    step: int
    batch: int
    seconds: float
    sums: Sums
    history: list[dict[str, float]]
    buffers: dict[str, Tensor]
    weights: dict[str, Tensor] | None
    optimizers: dict[str, dict[str, object]]
    precision: dict[str, float]
    trainer: dict[str, object]
    callbacks: dict[str, dict[str, object]]
    generators: dict[str, Tensor]
    held: dict[str, JsonValue]

    @classmethod
    def from_file(cls, training: Mapping[str, object]) -> Self:
        """Read the training part of a file.

        Raises:
            CheckpointFormatError: if something is missing, of another kind, or contradicts the rest.
        """
        saved = Saved(training, "training")
        optimizers, callbacks = saved.part("optimizers"), saved.part("callbacks")
        state = cls(
            run=saved.json("run"),
            epoch=saved.whole("epoch"),
            step=saved.whole("step"),
            batch=saved.whole("batch"),
            seconds=saved.number("seconds"),
            sums=saved.sums("sums"),
            history=saved.rows("history"),
            buffers=saved.tensors("buffers") or {} if "buffers" in training else {},
            weights=saved.tensors("model"),
            optimizers={name: optimizers.mapping(name) for name in optimizers},
            precision=saved.numbers("precision"),
            trainer=saved.mapping("trainer"),
            callbacks={name: callbacks.mapping(name) for name in callbacks},
            generators=saved.tensors("generators") or {},
            held=saved.json("held"),
        )
        if len(state.history) != state.epoch:
            raise saved.refused("history", f"a row for each of {state.epoch} epochs")
        if not 0 <= state.seconds < math.inf:
            raise saved.refused("seconds", "a time")
        counted = [float(state.sums.get(name, 0.0)) for name in ("count", "loss", "correct")]
        if not all(map(math.isfinite, counted)) or (state.batch and not counted[0] >= 1):
            raise saved.refused("sums", "finite sums over the batches of the epoch")
        _require_generator(saved, state.generators.get("cpu"))
        return state


def require_usable(optimizer: torch.optim.Optimizer, state: Mapping[str, object], place: str) -> None:
    """Compare an optimizer's saved state with what a step on a copy of it makes, then try it there.

    Shapes are compared before the trial, because torch's fused kernels do not look and write wherever they lead.

    Args:
        optimizer: is left as it is.
        state: what its ``state_dict`` was.
        place: where it is in the file, for the error.

    Raises:
        CheckpointFormatError: if it is of another form, cannot be loaded, makes a step fail, or the weights NaN.
    """
    twin = copy.deepcopy(optimizer)
    twin.state.clear()
    _take_settings(twin, state)
    if inspect.signature(twin.step).parameters["closure"].default is inspect.Parameter.empty:
        # LBFGS: a step on nothing makes no state to compare with, and there is no fused kernel to be led astray.
        _require_loaded(twin, state, place)
        return
    weights = [weight for group in twin.param_groups for weight in group["params"] if weight.requires_grad]
    for weight in weights:
        weight.grad = torch.zeros_like(weight)
    try:
        # Some optimizers draw numbers; the run's own are still to come.
        with torch.random.fork_rng(devices=[]):
            twin.step()
            if not _same_form(twin.state_dict(), state):
                raise TypeError("names, shapes or types are others")
            # It keeps what it is given, and a step changes tensors in place.
            twin.load_state_dict(copy.deepcopy(dict(state)))
            twin.step()
    except Exception as error:  # a state of another kind can make an optimizer fail in any way
        raise CheckpointFormatError(
            f"{place} is no state of this {type(optimizer).__name__} ({type(error).__name__}: {error}); use an earlier "
            "checkpoint"
        ) from error
    if not all(bool(torch.isfinite(weight).all()) for weight in weights):
        raise CheckpointFormatError(f"{place} turns the weights into NaN or infinity; use an earlier checkpoint")


def _take_settings(twin: torch.optim.Optimizer, state: Mapping[str, object]) -> None:
    """The saved settings of each group decide what a step keeps: a scheduler may have brought a momentum."""
    match state:
        case {"param_groups": list(groups)}:
            for group, saved in zip(twin.param_groups, groups, strict=False):
                if isinstance(saved, dict):
                    group.update({name: value for name, value in saved.items() if name in group and name != "params"})


def _require_loaded(twin: torch.optim.Optimizer, state: Mapping[str, object], place: str) -> None:
    try:
        twin.load_state_dict(copy.deepcopy(dict(state)))
    except Exception as error:
        raise CheckpointFormatError(
            f"{place} is no state of this {type(twin).__name__} ({type(error).__name__}: {error}); use an earlier checkpoint"
        ) from error


def _same_form(here: Mapping[str, object], there: Mapping[str, object]) -> bool:
    """Whether two optimizers' states have tensors of the same shapes and types at the same places."""
    match here, there:
        case {"param_groups": list(groups), "state": dict(states)}, {"param_groups": list(saved), "state": dict(found)}:
            # A weight that got no gradient yet has no state.
            return (
                len(groups) == len(saved)
                and all(
                    group["params"] == other["params"] and all(_alike(group.get(key), other[key]) for key in other)
                    for group, other in zip(groups, saved, strict=True)
                )
                and found.keys() <= states.keys()
                and all(states[key].keys() == found[key].keys() for key in found)
                and all(_alike(states[key][name], found[key][name]) for key in found for name in found[key])
            )
    return False


def _alike(here: object, there: object) -> bool:
    if isinstance(here, Tensor) and isinstance(there, Tensor):
        return here.shape == there.shape and here.dtype == there.dtype
    return there is None or (not isinstance(there, Tensor) and not isinstance(here, Tensor))


def _require_generator(saved: Saved, state: Tensor | None) -> None:
    try:
        torch.Generator().set_state(torch.empty(0) if state is None else state)
    except (RuntimeError, TypeError) as error:
        raise saved.refused("generators", "the state of torch's generator") from error
