"""When training is ended, and which weights are left."""

import math

import pytest
import torch
from torch import nn

from mnistkit import EarlyStopping, Trainer, create_model
from mnistkit.callbacks import EMA, Checkpoint
from mnistkit.errors import ConfigError
from mnistkit.training import Callback
from mnistkit.types import StepOutput


@pytest.fixture
def data(small):
    return small.train.take_per_class(3), small.validation.take_per_class(1)


def flat(model):
    return nn.utils.parameters_to_vector(model.parameters()).detach().clone()


class Scripted(Trainer):
    """Its validation figure is given for each epoch."""

    figures = ()

    def evaluation_step(self, batch):
        output = super().evaluation_step(batch)
        figure = torch.tensor(self.figures[self.state.epoch], dtype=torch.float64)
        return StepOutput(output.loss, output.logits, {"figure": figure})


class Weights(Callback):
    def __init__(self):
        self.epochs = {}

    def on_epoch_end(self, trainer):
        self.epochs[trainer.state.epoch] = flat(trainer.inference_model)


def trainer_of(figures, *callbacks):
    torch.manual_seed(0)
    trainer = Scripted(create_model("softmax_regression"), callbacks=callbacks, batch_size=10, progress=False)
    trainer.figures = figures
    return trainer


def stopping(patience=2, *, mode="max", **options):
    return EarlyStopping(patience, monitor="val_figure", mode=mode, **options)


@pytest.mark.parametrize(
    ("figures", "patience", "epochs", "best"),
    [
        ([0.5, 0.6, 0.55, 0.58, 0.9, 0.9], 2, 4, 2),
        ([0.5, 0.6, 0.55, 0.61, 0.6, 0.6], 2, 6, 4),
        ([0.5, 0.4, 0.9, 0.9, 0.9, 0.9], 1, 2, 1),
        ([0.5, 0.5, 0.5, 0.5, 0.5, 0.5], 3, 4, 1),
        ([0.1, 0.2, 0.3, 0.4, 0.5, 0.6], 1, 6, 6),
    ],
)
def test_training_ends_after_so_many_epochs_without_an_improvement(data, figures, patience, epochs, best):
    weights, callback = Weights(), stopping(patience)
    trainer = trainer_of(figures, weights, callback)
    assert len(trainer.fit(*data, epochs=6)) == epochs
    assert (callback.best_epoch, callback.best) == (best, figures[best - 1])
    assert torch.equal(flat(trainer.model), weights.epochs[best])
    reason = f"val_figure did not improve for {patience} epochs; best {callback.best:.4f} in epoch {best}"
    assert trainer.state.stop_reason == (reason if epochs - best >= patience else None)


def test_less_may_be_better(data):
    callback = stopping(1, mode="min")
    assert len(trainer_of([0.5, 0.4, 0.45, 0.1], callback).fit(*data, epochs=4)) == 3
    assert callback.best == 0.4


def test_a_small_improvement_may_not_count(data):
    callback = stopping(2, min_delta=0.1)
    assert len(trainer_of([0.5, 0.55, 0.59, 0.9], callback).fit(*data, epochs=4)) == 3
    assert (callback.best, callback.best_epoch) == (0.5, 1)


def test_a_figure_that_is_nan_is_no_improvement(data):
    callback = stopping(2)
    trainer = trainer_of([math.nan] * 5, callback)
    assert len(trainer.fit(*data, epochs=5)) == 2
    assert "best -inf in epoch 0" in trainer.state.stop_reason


def test_the_best_weights_are_left_though_training_was_not_ended_early(data):
    weights = Weights()
    trainer = trainer_of([0.9, 0.8, 0.7], weights, stopping(5))
    trainer.fit(*data, epochs=3)
    assert trainer.state.stop_reason is None
    assert torch.equal(flat(trainer.model), weights.epochs[1])


@pytest.mark.parametrize("error", [LookupError, KeyboardInterrupt])
def test_the_best_weights_are_left_after_an_error(data, error):
    class Fail(Callback):
        def on_step_end(self, trainer):
            if trainer.state.step == 8:
                raise error

    weights = Weights()
    trainer = trainer_of([0.9, 0.8, 0.7], weights, stopping(5), Fail())
    with pytest.raises(error):
        trainer.fit(*data, epochs=3)
    assert torch.equal(flat(trainer.model), weights.epochs[1])


def test_the_last_weights_are_left_if_asked_to(data):
    weights = Weights()
    trainer = trainer_of([0.9, 0.8, 0.7], weights, stopping(5, restore_best=False))
    trainer.fit(*data, epochs=3)
    assert torch.equal(flat(trainer.model), weights.epochs[3])


@pytest.mark.parametrize("order", [1, -1])
def test_with_averaged_weights_the_best_average_is_left(data, order):
    weights = Weights()
    trainer = trainer_of([0.7, 0.9, 0.8], *[EMA(0.5), weights, stopping(5)][::order])
    trainer.fit(*data, epochs=3)
    assert torch.equal(flat(trainer.model), weights.epochs[2])
    assert trainer.inference_model is trainer.model


def test_a_resumed_run_goes_on_waiting_and_keeps_the_best_weights(tmp_path, data, at):
    figures = [0.5, 0.9, 0.6, 0.6, 0.6, 0.6]

    pause, weights = at("on_epoch_end", lambda t: t.state.epoch == 3 and t.stop("a pause")), Weights()
    trainer_of(figures, weights, stopping(2, restore_best=True), pause, Checkpoint(tmp_path, monitor=None)).fit(
        *data, epochs=6
    )
    callback = stopping(2)
    trainer = trainer_of(figures, callback, Checkpoint(tmp_path, monitor=None))
    assert len(trainer.fit(*data, epochs=6, resume=tmp_path / "last.safetensors")) == 4
    assert torch.equal(flat(trainer.model), weights.epochs[2])


def test_a_run_that_was_ended_early_is_ended_at_once_when_resumed(tmp_path, data):
    figures = [0.5, 0.4, 0.9, 0.9]
    first = trainer_of(figures, stopping(1), Checkpoint(tmp_path, monitor=None))
    history = first.fit(*data, epochs=4)
    again = trainer_of(figures, stopping(1), Checkpoint(tmp_path, monitor=None))
    assert again.fit(*data, epochs=4, resume=tmp_path / "last.safetensors") == history
    assert again.state.stop_reason == first.state.stop_reason
    assert torch.equal(flat(again.model), flat(first.model))


def test_a_new_run_with_the_same_callback_begins_anew(data):
    callback = stopping(1)
    trainer_of([0.9, 0.1], callback).fit(*data, epochs=2)
    trainer = trainer_of([0.1, 0.2, 0.3], callback)
    assert len(trainer.fit(*data, epochs=3)) == 3
    assert callback.best == 0.3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"patience": 0}, r"patience is 0 \(at least 1\)"),
        ({"min_delta": -0.1}, r"min_delta is -0.1 \(at least 0\)"),
    ],
)
def test_numbers_that_make_no_sense_are_refused(arguments, message):
    with pytest.raises(ConfigError, match=message):
        EarlyStopping(**arguments)
