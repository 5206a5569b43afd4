"""History and counters."""

import pytest

from mnistkit.errors import ConfigError, DataError
from mnistkit.metrics import MetricSums
from mnistkit.training import History, TrainState

ROWS = [{"epoch": 1, "train_loss": 0.5}, {"epoch": 2, "train_loss": 0.4, "val_loss": 0.6}]


def test_a_history_gives_columns_by_name_and_rows_by_number():
    history = History(ROWS)
    assert history["train_loss"] == [0.5, 0.4]
    assert history["val_loss"] == [0.6]
    assert history.columns == ["epoch", "train_loss", "val_loss"]
    assert history.last == ROWS[1]
    assert list(history) == ROWS
    assert len(history) == 2
    assert repr(history) == f"History({ROWS!r})"


def test_an_empty_history_has_no_last_row():
    history = History()
    assert (history.last, history.columns, len(history)) == ({}, [], 0)
    history.rows.append({"epoch": 1})
    assert History().rows == []


def test_an_unknown_column_names_the_likeliest_meant_one():
    with pytest.raises(
        ConfigError,
        match="unknown metric 'val_los'; did you mean 'val_loss'\\? Available: epoch, train_loss, val_loss",
    ):
        History(ROWS)["val_los"]


def test_histories_are_equal_by_their_rows_and_not_hashable():
    assert History(ROWS) == History([dict(row) for row in ROWS])
    assert History(ROWS) != History(ROWS[:1])
    assert History(ROWS) != ROWS
    with pytest.raises(TypeError, match="unhashable"):
        hash(History())


@pytest.mark.parametrize(("total", "epochs", "steps_of_each"), [(21, 3, [7, 7, 7]), (18, 3, [7, 7, 4]), (3, 1, [3])])
def test_the_last_epoch_may_be_a_part_of_one(total, epochs, steps_of_each):
    state = TrainState(total_steps=total, steps_per_epoch=7, sums=MetricSums())
    assert state.epochs == epochs
    for epoch, steps in enumerate(steps_of_each):
        state.epoch = epoch
        assert state.steps_in_epoch == steps


def test_the_state_knows_whether_it_is_to_stop():
    state = TrainState(total_steps=21, steps_per_epoch=7, sums=MetricSums())
    assert not state.is_stopping()
    assert state.metrics == {}
    state.stop_reason = ""
    assert state.is_stopping()
    state.history.rows.append({"epoch": 1})
    assert state.metrics == {"epoch": 1}
    assert TrainState(1, 1, MetricSums()).history.rows == []


def test_a_file_of_figures_is_a_history(tmp_path):
    (tmp_path / "run.csv").write_text("epoch,train_loss,val_loss,seconds\n1,0.5,,1.2\n2,0.4,0.6,\n")
    assert History.from_csv(tmp_path / "run.csv") == History(ROWS)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("epoch,loss\n1,0.5\n2,low\n", "line 3: could not convert string to float: 'low'"),
        ("epoch,loss\n1\n", "line 2: "),
        ("epoch,loss\n1,2,3\n", "line 2: "),
    ],
)
def test_a_file_of_something_else_is_refused(tmp_path, text, problem):
    (tmp_path / "run.csv").write_text(text)
    with pytest.raises(DataError, match=f"run.csv, {problem}.*expected the file of a CSVLogger"):
        History.from_csv(tmp_path / "run.csv")


def test_a_file_that_is_not_there_is_an_error_of_the_system(tmp_path):
    with pytest.raises(FileNotFoundError):
        History.from_csv(tmp_path / "none.csv")
