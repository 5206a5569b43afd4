"""Curves: the right figures in the right panel, told apart without colour."""

import numpy as np
import pytest

from mnistkit import CSVLogger, Trainer, create_model
from mnistkit.callbacks import PeriodicEvaluation
from mnistkit.errors import ConfigError, DataError
from mnistkit.plots import learning_rate_sweep, training_curves
from mnistkit.training import History, LearningRateSweep

ROWS = [
    {"epoch": 1, "step": 10, "train_loss": 2.0, "train_accuracy": 0.5, "val_loss": 1.5, "val_accuracy": 0.75},
    {"epoch": 2, "step": 20, "train_loss": 1.0, "train_accuracy": 0.75, "val_loss": 1.25, "val_accuracy": 0.875},
]


def lines(ax):
    return {line.get_label(): (list(line.get_xdata()), list(line.get_ydata())) for line in ax.lines}


def test_each_measure_is_a_panel():
    figure = training_curves(History(ROWS), measures=("loss", "accuracy", "error"))
    loss, accuracy, error = figure.axes
    assert lines(loss) == {"training": ([1, 2], [2.0, 1.0]), "validation": ([1, 2], [1.5, 1.25])}
    assert lines(accuracy) == {"training": ([1, 2], [50, 75]), "validation": ([1, 2], [75, 87.5])}
    assert lines(error) == {"training": ([1, 2], [50, 25]), "validation": ([1, 2], [25, 12.5])}
    assert [ax.get_ylabel() for ax in figure.axes] == ["loss", "accuracy (%)", "error rate (%)"]
    assert loss.get_xlabel() == "epoch"


def test_runs_differ_in_more_than_colour():
    figure = training_curves({"a": History(ROWS), "b": History(ROWS)}, measures=["loss"])
    drawn = figure.axes[0].lines
    assert [line.get_label() for line in drawn] == ["a, training", "a, validation", "b, training", "b, validation"]
    looks = [(line.get_marker(), line.get_linestyle(), line.get_linewidth()) for line in drawn]
    assert len(set(looks)) == 4
    assert drawn[0].get_color() == drawn[1].get_color() != drawn[2].get_color()
    legend = figure.axes[0].get_legend()
    assert [text.get_text() for text in legend.get_texts()] == [line.get_label() for line in drawn]


def test_the_loggers_file_is_drawn_like_the_history(tmp_path, small):
    logger = CSVLogger(tmp_path / "run.csv")
    trainer = Trainer(create_model("softmax_regression"), callbacks=[logger], device="cpu", progress=False)
    history = trainer.fit(small.train, small.validation, epochs=3)
    from_file, from_memory = (training_curves(run) for run in (logger.path, history))
    for one, other in zip(from_file.axes, from_memory.axes, strict=True):
        assert lines(one) == lines(other)
    assert lines(from_file.axes[1])["validation"][1] == [100 * value for value in history["val_accuracy"]]


def test_figures_between_the_epochs_are_drawn_over_the_steps(small):
    figures = PeriodicEvaluation(every=2)
    trainer = Trainer(create_model("softmax_regression"), callbacks=[figures], device="cpu", progress=False)
    trainer.fit(small.train, small.validation, epochs=2)
    ax = training_curves(figures.history, measures=["error"]).axes[0]
    assert ax.get_xlabel() == "step"
    assert lines(ax)["validation"][0] == figures.history["step"]


def test_a_run_without_validation_has_one_line():
    rows = [{"epoch": 1, "train_loss": 2.0}, {"epoch": 2, "train_loss": 1.0}]
    assert list(lines(training_curves(History(rows), measures=["loss"]).axes[0])) == ["training"]


def test_epochs_are_whole_numbers():
    figure = training_curves(History(ROWS), measures=["loss"])
    figure.draw_without_rendering()
    assert all(float(place).is_integer() for place in figure.axes[0].get_xticks())


def test_long_runs_have_no_markers():
    rows = [{"epoch": epoch, "train_loss": 1 / epoch} for epoch in range(1, 60)]
    assert training_curves(History(rows), measures=["loss"]).axes[0].lines[0].get_marker() == "None"


@pytest.mark.parametrize(
    ("runs", "measures", "error", "text"),
    [
        (History(ROWS), ["acuracy"], ConfigError, "unknown measure 'acuracy'; did you mean 'accuracy'"),
        (History(), ["loss"], DataError, "the history has no rows: train at least one epoch"),
        ({}, ["loss"], DataError, "there are no runs to draw"),
        (History([{"epoch": 1, "val_loss": 1.0}]), ["error"], ConfigError, "no run has error: .*epoch, val_loss"),
    ],
)  # fmt: skip
def test_what_cannot_be_drawn_is_refused(runs, measures, error, text):
    with pytest.raises(error, match=text):
        training_curves(runs, measures=measures)


def test_an_empty_file_is_refused_by_its_name(tmp_path):
    (tmp_path / "empty.csv").write_text("epoch,train_loss\n")
    with pytest.raises(DataError, match=r"empty.csv has no rows"):
        training_curves(tmp_path / "empty.csv")


def test_the_sweep_shows_its_losses_and_the_suggestion():
    rates, losses = (1e-4, 1e-3, 1e-2, 1e-1), (2.3, 2.0, 1.0, 40.0)
    ax = learning_rate_sweep(LearningRateSweep(rates, losses, losses, 3e-3)).axes[0]
    raw, smoothed, suggestion = ax.lines
    np.testing.assert_allclose(raw.get_ydata(), losses)
    np.testing.assert_allclose(smoothed.get_xdata(), rates)
    assert suggestion.get_xdata() == [3e-3, 3e-3]
    assert suggestion.get_label() == "steepest at 3.0e-03"
    assert ax.get_xscale() == "log"
    # The explosion does not flatten the rest.
    low, high = ax.get_ylim()
    assert low < 1.0 < 2.3 < high < 5
