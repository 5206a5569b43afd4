"""A run as a checkpoint, and back: everything that cannot be computed again, and nothing else."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, cast, get_args

import torch

from mnistkit.checkpoint import (
    CheckpointFile,
    load_weights,
    read_checkpoint,
    require_fitting,
    require_sound,
    write_checkpoint,
)
from mnistkit.classifier import Classifier
from mnistkit.data import TensorLoader, sample_marks
from mnistkit.data.split_guard import datasets_in
from mnistkit.distributed import World
from mnistkit.errors import (
    CheckpointFormatError,
    CheckpointMismatchError,
    MnistkitError,
    NonFiniteLossError,
    WriteError,
)
from mnistkit.models import model_spec
from mnistkit.models.network import copy_of, require_forward
from mnistkit.precision import PrecisionName
from mnistkit.training import ranks
from mnistkit.training.callback import Callback
from mnistkit.training.description import as_json, differences, held_weights
from mnistkit.training.saved_state import TrainingState, require_usable
from mnistkit.training.state import History, TrainState
from mnistkit.types import JsonValue, PathLike

if TYPE_CHECKING:
    from mnistkit.training.trainer import Trainer

__all__ = ["classifier", "require_held", "restore", "save_model", "save_training"]


def classifier(trainer: Trainer) -> Classifier:
    """What was trained, as a value of its own."""
    require_forward(trainer.inference_model)
    _require_finite(trainer)
    return Classifier.from_file(_content(trainer), copy_of(trainer.inference_model).eval())


def save_model(trainer: Trainer, path: PathLike) -> None:
    """Write a model file."""
    _require_finite(trainer)
    write_checkpoint(path, _content(trainer))


def save_training(trainer: Trainer, path: PathLike) -> None:
    """Write a training file: together, rank 0 with its own hands."""
    _require_finite(trainer)
    with World.joined(trainer.device, trainer.timeout) as world:
        parts = ranks.gather(ranks.own_state(trainer), world)
        failure: MnistkitError | None = None
        if world.is_main:
            try:
                _write_training(trainer, parts, path)
            except MnistkitError as error:
                failure = error
        if world.any(failure is not None):
            # On every rank: those that went on would wait for rank 0 for ever.
            raise failure or WriteError(f"rank 0 could not write {path}; its own error says why")


def _write_training(trainer: Trainer, parts: Mapping[str, object], path: PathLike) -> None:
    state, content = trainer.state, _content(trainer)
    trained = None if trainer.inference_model is trainer.model else trainer.model.state_dict()
    content.training = {
        "run": _run(trainer),
        "epoch": state.epoch,
        "step": state.step,
        "batch": state.batch,
        "seconds": trainer.seconds,
        "history": state.history.rows,
        # What is trained, where something else (an average) is what is used.
        "model": trained,
        "optimizers": {name: optimizer.state_dict() for name, optimizer in trainer.optimizers.items()},
        "precision": trainer.precision.state_dict(),
        **parts,
    }
    write_checkpoint(path, content)


def restore(trainer: Trainer, path: PathLike) -> TrainingState:
    """Put a run back to where a training file was written; returns what that says.

    Raises:
        CheckpointError: if it cannot be read.
        CheckpointFormatError: if its training part is damaged.
        CheckpointMismatchError: if it is a model file, or of a run with other settings or data; all are listed.
    """
    content = read_checkpoint(path)
    if content.training is None:
        raise CheckpointMismatchError(
            f"{path} is a model file, without what resuming needs; resume from the last.safetensors of its run, or start "
            "a new run from these weights: Trainer(load_model(path), ...)"
        )
    try:
        saved = TrainingState.from_file(ranks.of_rank(content.training, trainer.world.rank))
        _require_same_run(trainer, saved, path)
        _require_counted(trainer.state, saved, trainer.accumulate)
        weights = {**(saved.weights or content.weights), **saved.buffers}
        require_sound(weights, "training/model")
        require_fitting(trainer.model, weights)
        _require_state(trainer, saved)
        # Subclass and callbacks first: theirs is the only state that can be refused while it is loaded.
        _load(trainer, saved.trainer, "trainer")
        for callback in trainer.callbacks:
            if callback.name in saved.callbacks:
                _load(callback, saved.callbacks[callback.name], f"callbacks/{callback.name}")
    except CheckpointFormatError as error:
        raise CheckpointFormatError(f"{path}: {error}") from error
    state = trainer.state
    load_weights(trainer.model, weights)
    for name, optimizer in trainer.optimizers.items():
        optimizer.load_state_dict(saved.optimizers[name])
    # An epoch whose last update was made before the interruption reports that update's learning rate.
    state.lr = float(trainer.optimizer.param_groups[0]["lr"])
    trainer.precision.load_state_dict(dict(saved.precision))
    state.epoch, state.step, state.batch = saved.epoch, saved.step, saved.batch
    state.sums.load_state_dict(saved.sums)
    state.history = History(saved.history)
    state.seconds_before = saved.seconds
    return saved


def require_held(trainer: Trainer, saved: TrainingState) -> None:
    """Refuse to go on with other weights beside the model than the run had: another teacher's, or such as nothing restored.

    Raises:
        CheckpointMismatchError: with the names of the modules; on every rank, if it is so on one.
    """
    here = held_weights(trainer)
    others = [name for name, checksum in saved.held.items() if here.get(name, checksum) != checksum]
    if trainer.world.any(bool(others)):
        # On every rank: those that went on would wait for this one for ever.
        raise CheckpointMismatchError(
            f"the run that is resumed had other weights in {', '.join(others) or 'a module of another process'}, which the "
            f"{type(trainer).__name__} holds beside its model. Give it the same. If they change while it trains (batch norm's "
            "statistics do, unless eval() was called), return them from state_dict() and restore them in load_state_dict()"
        )


def _require_counted(state: TrainState, saved: TrainingState, accumulate: int) -> None:
    """The counters of one run at one moment agree."""
    expected = saved.epoch * state.steps_per_epoch + math.ceil(saved.batch / accumulate)
    if saved.batch > state.steps_per_epoch * accumulate or saved.step != min(expected, state.total_steps):
        raise CheckpointFormatError(
            f"training/step is {saved.step} after {saved.epoch} epochs and {saved.batch} batches, expected {expected}; use an "
            "earlier checkpoint"
        )


def _require_state(trainer: Trainer, saved: TrainingState) -> None:
    if saved.optimizers.keys() != trainer.optimizers.keys():
        raise CheckpointFormatError(f"training/optimizers has {', '.join(saved.optimizers)}; use an earlier checkpoint")
    for name, optimizer in trainer.optimizers.items():
        require_usable(optimizer, saved.optimizers[name], f"training/optimizers/{name}")
    if saved.precision.keys() != trainer.precision.state_dict().keys():
        raise CheckpointFormatError("training/precision is that of another precision; use an earlier checkpoint")


def _load(owner: Trainer | Callback, state: Mapping[str, object], place: str) -> None:
    try:
        owner.load_state_dict(state)
    except MnistkitError:
        raise
    except Exception as error:  # a subclass or a callback can be anybody's
        raise CheckpointFormatError(
            f"training/{place} is no state of this {type(owner).__name__} ({type(error).__name__}: {error}); use an earlier "
            "checkpoint"
        ) from error


def _content(trainer: Trainer) -> CheckpointFile:
    dataset = next(datasets_in(trainer.train_data), None)
    return CheckpointFile(
        weights=trainer.inference_model.state_dict(),
        spec=model_spec(trainer.inference_model),
        preprocessing=None if dataset is None else dataset.preprocessing,
        classes=() if dataset is None else dataset.classes,
        metrics=dict(trainer.state.metrics),
        # By the marks the images are known again: a classifier must not be calibrated on them.
        data=_data(trainer) | ({} if dataset is None else {"marks": list(sample_marks(dataset))}),
        about={"recipe": _run(trainer) | {"epochs": trainer.state.epoch}, "seconds": trainer.seconds},
    )


def _require_finite(trainer: Trainer) -> None:
    trainer.require_finite()
    # The update that spoils the weights comes before the loss that shows it.
    spoilt = [name for name, weight in trainer.model.named_parameters() if not torch.isfinite(weight).all()]
    if spoilt:
        raise NonFiniteLossError(
            f"the weights {', '.join(spoilt)} became NaN or infinite by step {trainer.state.step}, at learning rate "
            f"{trainer.state.lr:g}; checkpoints hold the state before that. Lower lr=, set clip_norm=1.0, or look for bad "
            "values in the data"
        )


def _data(trainer: Trainer) -> dict[str, JsonValue]:
    dataset = next(datasets_in(trainer.train_data), None)
    if dataset is None:
        return {"name": type(trainer.train_data).__name__, "batches": trainer.state.steps_per_epoch}
    return {
        "name": dataset.name,
        "source": dataset.source,
        "split": dataset.split,
        "count": len(dataset),
        "fingerprint": dataset.fingerprint,
    }


def _run(trainer: Trainer) -> dict[str, JsonValue]:
    """The settings that an exact resume must find again."""
    data = trainer.train_data
    # A TensorLoader of the user's own makes the batches in the trainer's place.
    loader = data if isinstance(data, TensorLoader) else trainer
    dataset = next(datasets_in(data), None)
    return {
        "seed": trainer.seed,
        "batch_size": loader.batch_size,
        "steps_per_epoch": trainer.state.steps_per_epoch,
        "accumulate": trainer.accumulate,
        "clip_norm": trainer.clip_norm,
        "precision": trainer.precision.name,
        "processes": trainer.world.size,
        "augment": as_json(loader.augment),
        **trainer.description,
        "order": [data.shuffle, data.seed] if isinstance(data, TensorLoader) else None,
        "data": _data(trainer),
        "preprocessing": None if dataset is None else dataset.preprocessing.to_json(),
    }


def _require_same_run(trainer: Trainer, saved: TrainingState, path: PathLike) -> None:
    there = saved.run
    if trainer.precision.reason is not None and there.get("precision") in get_args(PrecisionName):
        # Left to us: then it is that of the run, wherever it began.
        trainer.precision.use(cast("PrecisionName", there["precision"]))
    here = _run(trainer)
    problems = list(differences(there, here, ""))
    names = {callback.name for callback in trainer.callbacks}
    problems += [
        f"callback {name!r}: has a state in the file, is not there now"
        for name, state in sorted(saved.callbacks.items())
        if state and name not in names
    ]
    state, epoch, step = trainer.state, saved.epoch, saved.step
    if epoch > state.epochs or step > state.total_steps:
        problems.append(
            f"epochs: {epoch} done in the file, {state.epochs} wanted now (steps: {step} and {state.total_steps})"
        )
    elif not saved.batch and step < min(epoch * state.steps_per_epoch, state.total_steps):
        problems.append(f"epochs: it ended inside epoch {epoch}, after {step} steps, and cannot be made longer")
    if problems:
        raise CheckpointMismatchError(
            f"{path} is of another run:\n  "
            + "\n  ".join(problems)
            + "\nResume with the same settings; to start a new run "
            "from its weights: Trainer(load_model(path), ...)"
        )
