"""What every callback in `mnistkit.callbacks` keeps to, found by reflection: one that is added is covered here too."""

import copy
import csv
import inspect
import io
import json
import math

import pytest
import torch
from torch import Tensor

import mnistkit.callbacks
from mnistkit import Augment, Trainer, create_model
from mnistkit.checkpoint import read_checkpoint
from mnistkit.checkpoint.packing import pack, unpack
from mnistkit.training import HOOKS, Callback
from mnistkit.training.schedules import Cosine

KINDS = {
    name: kind
    for name, kind in vars(mnistkit.callbacks).items()
    if isinstance(kind, type) and issubclass(kind, Callback) and kind is not Callback
}

# How to make each, with what makes it act in a run of six steps.
MAKE = {
    "CSVLogger": lambda folder: mnistkit.callbacks.CSVLogger(folder / "run.csv", overwrite=True),
    "Checkpoint": lambda folder: mnistkit.callbacks.Checkpoint(
        folder / "run", every_epochs=1, every_steps=2, keep=2, overwrite=True
    ),
    "EMA": lambda folder: mnistkit.callbacks.EMA(0.7),
    "EarlyStopping": lambda folder: mnistkit.callbacks.EarlyStopping(patience=10, monitor="train_loss"),
    "KernelRecorder": lambda folder: mnistkit.callbacks.KernelRecorder("conv.0", every=2),
    "PeriodicEvaluation": lambda folder: mnistkit.callbacks.PeriodicEvaluation(every=2),
    "PreciseBatchNorm": lambda folder: mnistkit.callbacks.PreciseBatchNorm(images=30),
    "ProgressBar": lambda folder: mnistkit.callbacks.ProgressBar(every=2, file=io.StringIO()),
    "TargetReached": lambda folder: mnistkit.callbacks.TargetReached(0.0, monitor="train_loss"),
    "TensorBoardLogger": lambda folder: mnistkit.callbacks.TensorBoardLogger(folder / "log"),
    "TimeLimit": lambda folder: mnistkit.callbacks.TimeLimit(1e6),
}

every_callback = pytest.mark.parametrize("name", sorted(KINDS))


class Save(Callback):
    """Writes the state of the run at every moment at which it may be saved."""

    def __init__(self, folder):
        self.folder, self.moments = folder, []

    def on_checkpoint(self, trainer):
        path = self.folder / f"{len(self.moments)}.safetensors"
        trainer.save_checkpoint(path)
        self.moments.append(path)


class Look(Callback):
    """Keeps the state of every callback as a run begins."""

    def on_fit_start(self, trainer):
        self.first = {callback.name: copy.deepcopy(callback.state_dict()) for callback in trainer.callbacks}


def trainer_of(*callbacks):
    torch.manual_seed(0)
    return Trainer(
        create_model("handwriting_cnn", width=2, dropout=0.2),
        lr=Cosine(0.01),
        batch_size=10,
        augment=Augment(shift=1),
        accumulate=2,
        callbacks=callbacks,
        progress=False,
    )


@pytest.fixture
def data(small):
    return small.train.take_per_class(5), small.validation.take_per_class(1)


def assert_same(one, other, place="state"):
    """Equal, bit for bit, except for times."""
    if isinstance(one, Tensor):
        assert torch.equal(one, other), place
    elif isinstance(one, dict):
        assert one.keys() == other.keys(), place
        for key in one:
            assert_same(one[key], other[key], f"{place}/{key}") if key != "seconds" else None
    elif isinstance(one, list | tuple):
        assert len(one) == len(other), place
        for index, pair in enumerate(zip(one, other, strict=True)):
            assert_same(*pair, f"{place}/{index}")
    else:
        assert one == other or (one != one and other != other), place


def test_every_callback_is_covered_here():
    assert sorted(KINDS) == sorted(MAKE)


def test_names_are_unique(tmp_path):
    names = [MAKE[name](tmp_path).name for name in KINDS]
    assert len(set(names)) == len(names)


@every_callback
def test_a_name_is_that_of_the_class(name, tmp_path):
    assert MAKE[name](tmp_path).name == name == KINDS[name].__name__


@every_callback
def test_hooks_take_what_the_protocol_says(name):
    hooks = [hook for hook in HOOKS if hook in vars(KINDS[name])]
    assert hooks
    for hook in (*hooks, "state_dict", "load_state_dict"):
        own, protocol = (inspect.signature(getattr(kind, hook)) for kind in (KINDS[name], Callback))
        assert list(own.parameters) == list(protocol.parameters)
        assert own.return_annotation == protocol.return_annotation


@every_callback
def test_the_constructor_takes_all_but_the_essential_by_keyword(name):
    parameters = list(inspect.signature(KINDS[name]).parameters.values())
    assert sum(parameter.kind is not inspect.Parameter.KEYWORD_ONLY for parameter in parameters) <= 1
    assert all(parameter.annotation is not inspect.Parameter.empty for parameter in parameters)


@every_callback
def test_its_state_can_be_packed_into_a_file_and_back_at_every_moment(name, tmp_path, data):
    callback, states = MAKE[name](tmp_path), []

    class Collect(Callback):
        def on_fit_start(self, trainer):
            states.append(callback.state_dict())

        on_checkpoint = on_fit_end = on_fit_start

    states.append(callback.state_dict())
    trainer_of(callback, Collect()).fit(*data, epochs=1)
    for state in states:
        tensors = {}
        text = json.dumps(pack(state, "state", tensors), allow_nan=False)
        assert_same(unpack(json.loads(text), dict(tensors)), state)
        MAKE[name](tmp_path).load_state_dict(unpack(json.loads(text), dict(tensors)))


@every_callback
def test_a_resumed_run_ends_like_one_that_was_not_interrupted(name, tmp_path, data):
    save, callback = Save(tmp_path / "moments"), MAKE[name](tmp_path / "whole")
    whole = trainer_of(callback, save)
    history = whole.fit(*data, epochs=2)
    # Every moment is tried with all of them together.
    for number, moment in enumerate(save.moments[::3]):
        again, look = MAKE[name](tmp_path / f"resumed {number}"), Look()
        trainer = trainer_of(again, look, Save(tmp_path / f"moments {number}"))
        assert trainer.fit(*data, epochs=2, resume=moment) == history
        assert_same(look.first[name], read_checkpoint(moment).training["callbacks"][name])
        assert_same(again.state_dict(), callback.state_dict())
        assert_same(trainer.model.state_dict(), whole.model.state_dict())
        assert_same(trainer.optimizer.state_dict(), whole.optimizer.state_dict())


@every_callback
def test_two_fits_in_a_row_are_two_runs(name, tmp_path, data):
    callback = MAKE[name](tmp_path / "twice")
    trainer = trainer_of(callback)
    first = trainer.fit(*data, epochs=2)
    weights = {key: value.clone() for key, value in trainer.model.state_dict().items()}
    second = trainer.fit(*data, epochs=2)
    fresh = MAKE[name](tmp_path / "once")
    other = trainer_of(fresh)
    other.model.load_state_dict(weights)
    assert other.fit(*data, epochs=2) == second
    assert len(first) == len(second)
    assert_same(callback.state_dict(), fresh.state_dict())
    assert_same(other.model.state_dict(), trainer.model.state_dict())


@every_callback
def test_it_survives_an_error_of_somebody_else(name, tmp_path, data):
    class Fail(Callback):
        def on_gradients(self, trainer):
            if trainer.state.step == 4:
                raise LookupError("of somebody else")

    trainer = trainer_of(MAKE[name](tmp_path), Fail())
    with pytest.raises(LookupError, match="of somebody else"):
        trainer.fit(*data, epochs=50)
    assert trainer.inference_model is trainer.model
    trainer.callbacks.pop()
    assert len(trainer.fit(*data, epochs=1)) == 1


def test_all_of_them_together_resume_exactly_at_any_moment(tmp_path, data):
    def everything(folder):
        return [make(folder) for name, make in MAKE.items() if name != "TargetReached"]

    save, callbacks = Save(tmp_path / "moments"), everything(tmp_path / "whole")
    whole = trainer_of(*callbacks, save)
    history = whole.fit(*data, epochs=2)
    for number, moment in enumerate(save.moments):
        others = everything(tmp_path / str(number))
        trainer = trainer_of(*others, Save(tmp_path / f"moments {number}"))
        assert trainer.fit(*data, epochs=2, resume=moment) == history
        assert_same(trainer.model.state_dict(), whole.model.state_dict())
        for one, other in zip(callbacks, others, strict=True):
            assert_same(one.state_dict(), other.state_dict(), one.name)
    with (tmp_path / "0" / "run.csv").open(newline="") as file:
        assert [row["epoch"] for row in csv.DictReader(file)] == ["1", "2"]
    assert read_checkpoint(save.moments[-1]).training["callbacks"].keys() >= {callback.name for callback in callbacks}


def test_the_comparison_notices_a_difference():
    one = {"a": [1, {"b": torch.zeros(2)}], "seconds": 1.0, "c": math.nan}
    assert_same(one, {"a": [1, {"b": torch.zeros(2)}], "seconds": 2.0, "c": math.nan})
    for other in (
        {"a": [1, {"b": torch.ones(2)}], "seconds": 1.0, "c": math.nan},
        {"a": [1], "seconds": 1.0, "c": math.nan},
        {"a": [1, {"b": torch.zeros(2)}], "seconds": 1.0, "c": 0.0},
        {"a": [1, {"b": torch.zeros(2)}], "seconds": 1.0},
    ):
        with pytest.raises(AssertionError):
            assert_same(one, other)
