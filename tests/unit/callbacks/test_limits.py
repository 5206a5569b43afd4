"""Ending when the time is up, or when it is good enough."""

import pytest
import torch

from mnistkit import Checkpoint, Trainer, create_model
from mnistkit.callbacks import TargetReached, TimeLimit
from mnistkit.errors import ConfigError
from mnistkit.training import Callback


@pytest.fixture
def data(small):
    return small.train.take_per_class(3), small.validation.take_per_class(1)


def fit(data, *callbacks, epochs=3, **options):
    trainer = Trainer(create_model("softmax_regression"), callbacks=callbacks, batch_size=10, progress=False)
    trainer.fit(*data, epochs=epochs, **options)
    return trainer


def test_training_ends_with_the_step_in_which_the_time_is_over(data):
    class Late(Callback):
        """From step 4 on, an hour has passed."""

        def on_step_end(self, trainer):
            if trainer.state.step == 4:
                trainer.state.seconds_before += 3600

    trainer = fit(data, Late(), TimeLimit(1800))
    assert trainer.state.step == 4
    assert trainer.state.stop_reason == "the time limit of 1800 s is over"


def test_a_limit_that_is_not_reached_changes_nothing(data):
    trainer = fit(data, TimeLimit(1e9))
    assert (trainer.state.epoch, trainer.state.stop_reason) == (3, None)


def test_the_time_before_a_resume_counts(tmp_path, data):
    class Late(Callback):
        def on_step_end(self, trainer):
            trainer.state.seconds_before += 3600

    fit(data, Late(), Checkpoint(tmp_path), epochs=1)
    trainer = fit(data, TimeLimit(1800), Checkpoint(tmp_path), resume=tmp_path / "last.safetensors")
    assert trainer.state.step == 4


@pytest.mark.parametrize("seconds", [0, -1, float("nan")])
def test_a_limit_that_is_not_positive_is_refused(seconds):
    with pytest.raises(ConfigError, match=f"seconds is {seconds}, expected a positive number"):
        TimeLimit(seconds)


@pytest.mark.parametrize(
    ("figure", "offset", "epochs"), [("train_loss", 0.0, 2), ("train_loss", 1e-9, 2), ("train_loss", -1e-9, 3)]
)
def test_training_ends_after_the_first_epoch_that_is_at_least_as_good_as_the_target(data, figure, offset, epochs):
    """Less loss is better, and just the target is good enough."""
    torch.manual_seed(0)
    reached = fit(data).state.history[figure][1]
    torch.manual_seed(0)
    trainer = fit(data, TargetReached(reached + offset, monitor=figure))
    assert trainer.state.epoch == epochs
    if epochs == 2:
        assert trainer.state.stop_reason == f"{figure} reached {reached:.4f}, the target was {reached + offset:g}"


def test_accuracy_is_watched_by_default_and_more_is_better(data):
    assert fit(data, TargetReached(0.0)).state.epoch == 1
    assert fit(data, TargetReached(1.01)).state.epoch == 3


def test_a_resumed_run_that_is_there_already_trains_no_more(tmp_path, data):
    fit(data, Checkpoint(tmp_path), TargetReached(0.0))
    trainer = fit(data, Checkpoint(tmp_path), TargetReached(0.0), resume=tmp_path / "last.safetensors")
    assert trainer.state.epoch == 1
    assert "val_accuracy reached" in trainer.state.stop_reason
