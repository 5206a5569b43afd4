"""What each process of a run has for itself inside an epoch, all in one checkpoint."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor

from mnistkit.checkpoint import Saved
from mnistkit.checkpoint.packing import pack, storable, unpack
from mnistkit.distributed import World
from mnistkit.seeding import generator_states
from mnistkit.training.description import held_weights

if TYPE_CHECKING:
    from mnistkit.training.trainer import Trainer

__all__ = ["gather", "of_rank", "own_state"]


def own_state(trainer: Trainer) -> dict[str, object]:
    """What may differ between the processes of a run: each has images, random numbers and memories of its own."""
    own: dict[str, object] = {
        "sums": trainer.state.sums.state_dict(),
        "trainer": dict(trainer.state_dict()),
        "callbacks": {callback.name: callback.state_dict() for callback in trainer.callbacks},
        "generators": generator_states(trainer.device),
        "held": held_weights(trainer),
    }
    if trainer.world.is_main:  # its buffers are among the weights
        return own
    weights = trainer.model.state_dict()
    return own | {"buffers": {name: weights[name] for name, _ in trainer.model.named_buffers() if name in weights}}


def gather(own: Mapping[str, object], world: World) -> dict[str, object]:
    """The state of rank 0, and under ``"ranks"`` those of the others, as far as they differ from it.

    Raises:
        CheckpointError: for a state that no file can hold.
        ProcessGroupError: if another process died, or does not take part.
    """
    if world.size == 1:
        return dict(own)
    tensors: dict[str, Tensor] = {}
    tree = pack(own, "training", tensors)
    first, *others = (
        cast("dict[str, object]", unpack(tree, tensors)) for tree, tensors in world.gather((tree, storable(tensors)))
    )
    return {**first, "ranks": [_differing(other, first) for other in others]}


def of_rank(training: Mapping[str, object], rank: int) -> dict[str, object]:
    """The training part of a file as one process reads it.

    Raises:
        CheckpointFormatError: if it does not hold what it should.
    """
    saved = Saved(training, "training")
    processes = Saved(saved["run"], "training/run").whole("processes")
    others = saved.items("ranks") if processes > 1 else []
    if len(others) != processes - 1:
        raise saved.refused("ranks", f"a state for each of {processes - 1} further processes")
    # More processes than before are refused by whoever compares the runs.
    if not 0 < rank < processes:
        return dict(training)
    own = Saved(others[rank - 1], f"training/ranks/{rank - 1}")
    return {
        **training,
        **{name: own[name] for name in own},
        "callbacks": {**saved.mapping("callbacks"), **own.mapping("callbacks")},
    }


def _differing(own: Mapping[str, object], first: Mapping[str, object]) -> dict[str, object]:
    callbacks, others = (cast("Mapping[str, object]", state["callbacks"]) for state in (own, first))
    return {
        **{name: part for name, part in own.items() if not _same(part, first.get(name))},
        "callbacks": {name: part for name, part in callbacks.items() if not _same(part, others.get(name))},
    }


def _same(one: object, other: object) -> bool:
    match one, other:
        case Tensor(), Tensor():
            return one.dtype == other.dtype and torch.equal(one, other)
        case Mapping(), Mapping():
            return list(one) == list(other) and all(_same(one[name], other[name]) for name in one)
        case ((list() | tuple()), (list() | tuple())):
            return type(one) is type(other) and len(one) == len(other) and all(map(_same, one, other))
    return type(one) is type(other) and one == other
