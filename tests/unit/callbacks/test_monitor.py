"""Which figure is watched, and which way is better."""

import math

import pytest

from mnistkit import Checkpoint, EarlyStopping, Trainer, create_model
from mnistkit.callbacks import TargetReached
from mnistkit.callbacks.monitor import Monitor
from mnistkit.errors import ConfigError


@pytest.mark.parametrize(
    ("metric", "mode", "less"),
    [
        ("val_loss", "auto", True),
        ("val_error", "auto", True),
        ("val_accuracy", "auto", False),
        ("val_f1", "max", False),
        ("val_loss", "max", False),
        ("val_accuracy", "min", True),
    ],
)
def test_the_mode_says_which_way_is_better(metric, mode, less):
    monitor = Monitor(metric, mode)
    assert monitor.less_is_better is less
    assert monitor.is_better(0.1, 0.2) is less
    assert monitor.is_better(0.2, 0.1) is not less
    assert not monitor.is_better(0.1, 0.1)
    assert monitor.is_better(0.5, monitor.worst)


def test_an_improvement_may_have_to_be_of_some_size():
    assert Monitor("val_loss").is_better(0.8, 1.0, by=0.1)
    assert not Monitor("val_loss").is_better(0.95, 1.0, by=0.1)
    assert Monitor("val_accuracy").is_better(0.8, 0.6, by=0.1)
    assert not Monitor("val_accuracy").is_better(0.65, 0.6, by=0.1)


@pytest.mark.parametrize("metric", ["val_loss", "val_accuracy"])
def test_nan_is_never_better(metric):
    monitor = Monitor(metric)
    assert not monitor.is_better(math.nan, monitor.worst)


@pytest.mark.parametrize("make", [Checkpoint, lambda path, **options: EarlyStopping(**options)])
def test_an_unknown_mode_is_refused(tmp_path, make):
    with pytest.raises(ConfigError, match=r"unknown mode 'maximum'.* Available: auto, max, min"):
        make(tmp_path, mode="maximum")


CALLBACKS = {
    "Checkpoint": lambda path, metric: Checkpoint(path, monitor=metric, mode="max"),
    "EarlyStopping": lambda path, metric: EarlyStopping(monitor=metric, mode="max"),
    "TargetReached": lambda path, metric: TargetReached(0.5, monitor=metric, mode="max"),
}


@pytest.mark.parametrize(("who", "make"), CALLBACKS.items(), ids=CALLBACKS)
def test_a_validation_figure_without_validation_data_is_refused_before_the_first_step(tmp_path, small, who, make):
    trainer = Trainer(create_model("softmax_regression"), callbacks=[make(tmp_path, "val_accuracy")], progress=False)
    with pytest.raises(
        ConfigError, match=rf"{who} watches 'val_accuracy', but fit\(\) was given no validation data; .*'train_loss'"
    ):
        trainer.fit(small.train, epochs=1)
    assert trainer.state.step == 0


@pytest.mark.parametrize("make", CALLBACKS.values(), ids=CALLBACKS)
def test_an_unknown_figure_is_refused_with_those_there_are(tmp_path, small, make):
    trainer = Trainer(create_model("softmax_regression"), callbacks=[make(tmp_path, "val_acuracy")], progress=False)
    with pytest.raises(
        ConfigError,
        match=r"unknown metric 'val_acuracy'; did you mean 'val_accuracy'\? Available: epoch, lr, step, train_accuracy, "
        r"train_loss, val_accuracy, val_loss",
    ):
        trainer.fit(small.train.take_per_class(2), small.validation, epochs=1)


@pytest.mark.parametrize("make", CALLBACKS.values(), ids=CALLBACKS)
def test_a_training_figure_needs_no_validation_data(tmp_path, small, make):
    trainer = Trainer(create_model("softmax_regression"), callbacks=[make(tmp_path, "train_loss")], progress=False)
    assert len(trainer.fit(small.train.take_per_class(2), epochs=1)) == 1
