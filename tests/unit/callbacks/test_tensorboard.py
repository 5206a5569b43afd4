"""Scalars as TensorBoard itself reads them."""

import shutil
import sys

import pytest

from mnistkit import Checkpoint, Trainer, create_model
from mnistkit.callbacks import TensorBoardLogger
from mnistkit.errors import MissingExtraError, WriteError
from mnistkit.training import Callback


@pytest.fixture
def data(small):
    return small.train.take_per_class(3), small.validation.take_per_class(1)


def trainer_of(*callbacks):
    return Trainer(create_model("softmax_regression"), callbacks=callbacks, batch_size=10, progress=False)


def scalars(path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(path)).Reload()
    return {tag: [(event.step, event.value) for event in events.Scalars(tag)] for tag in events.Tags()["scalars"]}


def test_every_figure_is_a_scalar_over_the_epochs(tmp_path, data):
    history = trainer_of(TensorBoardLogger(tmp_path)).fit(*data, epochs=3)
    written = scalars(tmp_path)
    assert sorted(written) == sorted(set(history.columns) - {"epoch"})
    for name, points in written.items():
        assert points == [(epoch, pytest.approx(value, rel=1e-6)) for epoch, value in enumerate(history[name], 1)]


@pytest.mark.parametrize("cut", [3, 4, 6])
@pytest.mark.parametrize("epoch_ended", [False, True])
def test_a_resumed_run_has_each_epoch_once(tmp_path, data, cut, epoch_ended):
    class Kill(Callback):
        def on_checkpoint(self, trainer):
            if trainer.state.step >= cut and (trainer.state.batch == 0) == epoch_ended:
                raise LookupError("killed before it could save")

    with pytest.raises(LookupError):
        trainer_of(TensorBoardLogger(tmp_path / "log"), Kill(), Checkpoint(tmp_path, every_steps=1)).fit(
            *data, epochs=3
        )
    # TensorBoard reads files in the order of their names, which begin with the second in which they were made.
    (first,) = (tmp_path / "log").iterdir()
    first.rename(first.with_name("events.out.tfevents.0000000001.earlier"))
    trainer_of(TensorBoardLogger(tmp_path / "log"), Checkpoint(tmp_path, every_steps=1)).fit(
        *data, epochs=3, resume=tmp_path / "last.safetensors"
    )
    assert [step for step, _ in scalars(tmp_path / "log")["val_accuracy"]] == [1, 2, 3]


def test_the_log_is_closed_after_an_error(tmp_path, data):
    class Fail(Callback):
        def on_step_end(self, trainer):
            if trainer.state.step == 5:
                raise LookupError

    logger = TensorBoardLogger(tmp_path)
    with pytest.raises(LookupError):
        trainer_of(logger, Fail()).fit(*data, epochs=3)
    assert [step for step, _ in scalars(tmp_path)["train_loss"]] == [1]
    logger.on_fit_end(None)


def test_a_folder_that_cannot_be_made_ends_the_run_before_it_begins(tmp_path, data):
    (tmp_path / "file").touch()
    for directory in (tmp_path / "file", tmp_path / "file" / "log"):
        trainer = trainer_of(TensorBoardLogger(directory))
        with pytest.raises(WriteError, match=f"^cannot write {directory}: "):
            trainer.fit(*data, epochs=1)
        assert trainer.state.step == 0


def test_a_log_that_is_deleted_meanwhile_is_missed(tmp_path, data, at):
    remove = at("on_epoch_end", lambda trainer: trainer.state.epoch == 2 and shutil.rmtree(tmp_path / "log"))
    with pytest.raises(WriteError, match=f"^cannot write {tmp_path / 'log'}: the log there was deleted; "):
        trainer_of(remove, TensorBoardLogger(tmp_path / "log")).fit(*data, epochs=3)


FULL = """
import resource, sys, threading
from mnistkit import Trainer, create_model, load_mnist
from mnistkit.callbacks import TensorBoardLogger
train, validation, _ = load_mnist()
trainer = Trainer(create_model("mlp"), callbacks=[TensorBoardLogger(sys.argv[1])], progress=False)
resource.setrlimit(resource.RLIMIT_FSIZE, (300, 300))
try:
    trainer.fit(train[:100], validation[:100], epochs=9)
finally:
    print(len(threading.enumerate()))
"""


@pytest.mark.processes
def test_a_full_disk_is_one_error(tmp_path, forked):
    process = forked.run("-c", FULL, tmp_path / "log")
    assert process.stdout == "1\n"
    assert "Exception in thread" not in process.stderr
    last = process.stderr.splitlines()[-1]
    assert last == f"mnistkit.errors.WriteError: cannot write {tmp_path / 'log'}: File too large; free some space"


def test_only_the_main_process_logs(tmp_path):
    trainer = trainer_of()
    trainer.world = type(trainer.world)(rank=1, size=2)
    logger = TensorBoardLogger(tmp_path / "log")
    logger.on_fit_start(trainer)
    logger.on_epoch_end(trainer)
    logger.on_fit_end(trainer)
    assert not (tmp_path / "log").exists()


def test_without_tensorboard_the_error_says_what_to_install(tmp_path, data, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    for name in [name for name in sys.modules if name.startswith("tensorboard.")]:
        monkeypatch.delitem(sys.modules, name)
    trainer = trainer_of(TensorBoardLogger(tmp_path))
    with pytest.raises(
        MissingExtraError,
        match=r"^TensorBoardLogger needs tensorboard, which is not installed: pip install 'mnistkit\[tensorboard\]'$",
    ) as caught:
        trainer.fit(*data, epochs=1)
    assert isinstance(caught.value, ImportError)
    assert trainer.state.step == 0
