"""The history as a file, whole after every epoch."""

import csv

import pytest

from mnistkit import Checkpoint, CSVLogger, Trainer, create_model
from mnistkit.distributed import World
from mnistkit.errors import ConfigError, WriteError
from mnistkit.training import Callback, History


@pytest.fixture
def data(small):
    return small.train.take_per_class(3), small.validation.take_per_class(1)


def fit(data, *callbacks, epochs=3, seed=0, **options):
    model = create_model("softmax_regression")
    trainer = Trainer(model, callbacks=callbacks, batch_size=10, seed=seed, progress=False)
    return trainer.fit(*data, epochs=epochs, **options)


def rows(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_each_epoch_is_a_row_of_the_exact_figures_and_its_seconds(tmp_path, data):
    history = fit(data, CSVLogger(tmp_path / "logs" / "run.csv"))
    written = rows(tmp_path / "logs" / "run.csv")
    assert [*written[0]] == [*history.columns, "seconds"]
    assert [{name: float(row[name]) for name in history.columns} for row in written] == history.rows
    assert all(float(row["seconds"]) >= 0 for row in written)


def test_the_file_is_whole_after_every_epoch(tmp_path, data):
    lengths = []

    class Look(Callback):
        def on_checkpoint(self, trainer):
            if trainer.state.batch == 0:
                lengths.append(len(rows(tmp_path / "run.csv")))

    fit(data, CSVLogger(tmp_path / "run.csv"), Look())
    assert lengths == [1, 2, 3]
    assert [file.name for file in tmp_path.iterdir()] == ["run.csv"]


@pytest.mark.parametrize("cut", [3, 4, 5, 6])
def test_a_resumed_run_has_each_epoch_once(tmp_path, data, cut):
    class Kill(Callback):
        def on_checkpoint(self, trainer):
            if trainer.state.step == cut:
                raise LookupError("killed")

    path = tmp_path / "run.csv"
    whole = fit(data, CSVLogger(path), Checkpoint(tmp_path, every_steps=1))
    callbacks = [CSVLogger(path, overwrite=True), Checkpoint(tmp_path, every_steps=1, overwrite=True)]
    with pytest.raises(LookupError):
        fit(data, *callbacks, Kill())
    history = fit(data, *callbacks, resume=tmp_path / "last.safetensors")
    assert len(history) == len(whole) == 3
    assert [int(row["epoch"]) for row in rows(path)] == [1, 2, 3]
    assert all(float(row["seconds"]) >= 0 for row in rows(path))


def test_a_logger_that_joins_a_resumed_run_leaves_the_time_before_it_open(tmp_path, data):
    class AnHour(Callback):
        def on_epoch_end(self, trainer):
            trainer.state.seconds_before += 3600

    path, last = tmp_path / "run.csv", tmp_path / "last.safetensors"
    fit(data, AnHour(), Checkpoint(tmp_path), epochs=2)
    fit(data, Checkpoint(tmp_path), CSVLogger(path), resume=last)
    written = rows(path)
    assert [row["epoch"] for row in written] == ["1", "2", "3"]
    assert [row["seconds"] for row in written[:2]] == ["", ""]
    assert 0 <= float(written[2]["seconds"]) < 3600
    fit(data, Checkpoint(tmp_path), CSVLogger(path), epochs=4, resume=last)
    assert [row["seconds"] == "" for row in rows(path)] == [True, True, False, False]
    assert float(rows(path)[3]["seconds"]) < 3600


def test_an_epoch_that_was_interrupted_took_the_time_of_both_its_parts(tmp_path, data):
    class AnHour(Callback):
        def on_step_end(self, trainer):
            trainer.state.seconds_before += 3600
            if trainer.state.step == 5:
                trainer.stop("a pause")

    path = tmp_path / "run.csv"
    fit(data, AnHour(), CSVLogger(path), Checkpoint(tmp_path))
    fit(data, CSVLogger(path), Checkpoint(tmp_path), resume=tmp_path / "last.safetensors")
    assert [int(float(row["seconds"])) // 3600 for row in rows(path)] == [3, 2, 0]


def test_a_new_run_with_the_same_logger_begins_a_new_file(tmp_path, data):
    logger = CSVLogger(tmp_path / "run.csv", overwrite=True)
    fit(data, logger)
    fit(data, logger, epochs=1)
    assert len(rows(tmp_path / "run.csv")) == 1
    assert list(logger.state_dict()["seconds"]) == [1]


@pytest.mark.parametrize("left", ["of another run", "of nothing known"])
def test_an_earlier_file_is_not_replaced(tmp_path, data, left):
    path, last = tmp_path / "run.csv", tmp_path / "mine" / "last.safetensors"
    if left == "of another run":
        fit(data, CSVLogger(path), seed=1)
    else:
        path.write_text("Dear diary,\n")
    before = path.read_bytes()
    with pytest.raises(ConfigError, match=rf"^{path} is there already, and not of this run; give another file, or"):
        fit(data, CSVLogger(path))
    fit(data, Checkpoint(tmp_path / "mine"), epochs=1)
    with pytest.raises(ConfigError, match="is there already, and not of this run"):
        fit(data, Checkpoint(tmp_path / "mine"), CSVLogger(path), resume=last)
    assert path.read_bytes() == before
    path.write_bytes(b"")
    assert len(fit(data, CSVLogger(path))) == len(rows(path)) == 3


def test_a_column_that_comes_later_is_empty_before(tmp_path, data, at):
    late = at("on_epoch_end", lambda t: t.state.epoch == 2 and t.state.history.last.update(late=0.5))
    fit(data, late, CSVLogger(tmp_path / "run.csv"))
    assert [row["late"] for row in rows(tmp_path / "run.csv")] == ["", "0.5", ""]


def test_a_file_that_cannot_be_written_is_an_error(tmp_path, data):
    (tmp_path / "run.csv").mkdir()
    with pytest.raises(WriteError, match=r"cannot write .*run\.csv"):
        fit(data, CSVLogger(tmp_path / "run.csv"))


def test_only_the_main_process_writes(tmp_path, data):
    logger = CSVLogger(tmp_path / "run.csv")
    trainer = Trainer(create_model("softmax_regression"), progress=False)
    trainer.fit(*data, epochs=1)
    trainer.world = World(rank=1, size=2)
    logger.on_epoch_end(trainer)
    assert not logger.path.exists()
    assert list(logger.state_dict()["seconds"]) == [1]


def test_the_file_read_back_is_the_history(tmp_path, data):
    history = fit(data, CSVLogger(tmp_path / "run.csv"))
    read = History.from_csv(tmp_path / "run.csv")
    assert read == history
    assert "seconds" not in read.columns
