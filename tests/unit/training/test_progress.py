"""Progress: a bar in a terminal, plain lines in a log."""

import io
import re

import pytest

from mnistkit import Trainer, create_model
from mnistkit.callbacks import ProgressBar
from mnistkit.distributed import World
from mnistkit.errors import ConfigError
from mnistkit.training import progress
from mnistkit.types import StepOutput


class Terminal(io.StringIO):
    def isatty(self):
        return True


class Eager(progress.tqdm):
    """Draws at every update, however fast they come."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, mininterval=0, miniters=1, **kwargs)


@pytest.fixture
def train(small):
    return small.train.take_per_class(6)


@pytest.fixture
def validation(small):
    return small.validation.take_per_class(3)


def fit(train, validation, bar, *callbacks, epochs=2, **options):
    trainer = Trainer(create_model("softmax_regression"), callbacks=[bar, *callbacks], batch_size=10)
    trainer.fit(train, validation, epochs=epochs, **options)
    return trainer


EPOCH = r"epoch {}/2  train_loss \d\.\d{{4}}  train_accuracy \d+\.\d\d%  val_loss \d\.\d{{4}}  val_accuracy \d+\.\d\d%  \d+\.\d s"


def test_a_log_gets_one_plain_line_an_epoch(train, validation):
    file = io.StringIO()
    trainer = fit(train, validation, ProgressBar(file=file))
    lines = file.getvalue().splitlines()
    assert "\r" not in file.getvalue()
    assert len(lines) == 2
    for number, line in enumerate(lines, 1):
        assert re.fullmatch(EPOCH.format(number), line)
    assert f"val_loss {trainer.state.history.last['val_loss']:.4f}" in lines[1]
    assert f"train_accuracy {trainer.state.history.last['train_accuracy']:.2%}" in lines[1]


def test_a_terminal_gets_a_bar_and_keeps_the_epochs_lines(train, validation, monkeypatch):
    monkeypatch.setattr(progress, "tqdm", Eager)
    file = Terminal()
    fit(train, validation, ProgressBar(file=file))
    text = file.getvalue()
    assert re.search(r"\repoch 1/2:  17%.* 1/6 ", text)
    assert re.search(r"\repoch 2/2: 100%.* 6/6 .*step/s, loss \d\.\d{4}  accuracy \d+\.\d\d%\]", text)
    for number in (1, 2):
        assert re.search(rf"[\r\n]{EPOCH.format(number)}\n", text)
    assert text.rsplit("\n", 1)[1].strip("\r ") == ""


@pytest.mark.parametrize(("file", "bar", "drawn"), [(Terminal, False, False), (io.StringIO, True, True)])
def test_whether_there_is_a_bar_can_be_said(train, file, bar, drawn):
    file = file()
    fit(train, None, ProgressBar(bar=bar, file=file), epochs=1)
    assert ("\r" in file.getvalue()) == drawn


def test_progress_goes_to_standard_error(train, capsys):
    fit(train, None, ProgressBar(), epochs=1)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("epoch 1/1  train_loss ")


def test_every_so_many_steps_there_is_a_line_of_those_steps(train):
    losses = []

    class Recording(Trainer):
        def training_step(self, batch):
            output = super().training_step(batch)
            losses.append(output.loss.item())
            return output

    file = io.StringIO()
    Recording(create_model("softmax_regression"), callbacks=[ProgressBar(every=4, file=file)], batch_size=10).fit(
        train, epochs=2
    )
    lines = [
        re.match(r"epoch (\d) step (\d+)  loss (\d\.\d{4})  accuracy", line) for line in file.getvalue().splitlines()
    ]
    shown = [(int(m[1]), int(m[2]), float(m[3])) for m in lines if m]
    # Those of its own epoch: the line of step 8 is about steps 7 and 8.
    groups = [(1, 4, losses[0:4]), (2, 8, losses[6:8]), (2, 12, losses[8:12])]
    assert shown == [(epoch, step, pytest.approx(sum(group) / len(group), abs=1e-4)) for epoch, step, group in groups]


def test_a_line_after_a_resume_is_about_the_steps_since_then(tmp_path, train, at):
    path, whole, resumed = tmp_path / "four.safetensors", io.StringIO(), io.StringIO()
    save = at("on_checkpoint", lambda t: t.state.step == 4 and t.save_checkpoint(path))
    fit(train, None, ProgressBar(every=2, file=whole), save, epochs=1)
    fit(train, None, ProgressBar(every=2, file=resumed), save, epochs=1, resume=path)
    assert resumed.getvalue().splitlines()[0] == whole.getvalue().splitlines()[2]
    assert resumed.getvalue().startswith("epoch 1 step 6  loss ")


def test_a_resumed_bar_begins_where_the_run_was(tmp_path, train, monkeypatch, at):
    monkeypatch.setattr(progress, "tqdm", Eager)
    path = tmp_path / "ten.safetensors"
    save = at("on_checkpoint", lambda t: t.state.step == 10 and t.save_checkpoint(path))
    fit(train, None, ProgressBar(file=io.StringIO()), save)
    file = Terminal()
    fit(train, None, ProgressBar(file=file), save, resume=path)
    assert re.match(r"\repoch 2/2:  67%.* 4/6 ", file.getvalue())
    assert re.search(r"\repoch 2/2:  83%.* 5/6 ", file.getvalue())
    assert "epoch 1/2" not in file.getvalue()


def test_a_finished_run_that_is_resumed_draws_nothing(tmp_path, train):
    trainer = fit(train, None, ProgressBar(file=io.StringIO()))
    trainer.save_checkpoint(tmp_path / "end.safetensors")
    file = Terminal()
    fit(train, None, ProgressBar(file=file), resume=tmp_path / "end.safetensors")
    assert file.getvalue() == ""


def test_an_early_end_says_why(train, at):
    file = io.StringIO()
    fit(train, None, ProgressBar(file=file), at("on_step_end", lambda t: t.stop("enough")))
    assert file.getvalue() == "stopped after 1 steps: enough\n"


def test_an_error_leaves_the_line_clear(train, at):
    def fail(trainer):
        raise LookupError

    file = Terminal()
    with pytest.raises(LookupError):
        fit(train, None, ProgressBar(file=file), at("on_step_end", fail))
    assert file.getvalue().rsplit("\r", 1)[1].strip() == ""
    assert len(file.getvalue().split("\r")) > 2


def test_steps_without_logits_show_the_loss_alone(train):
    class LossOnly(Trainer):
        def training_step(self, batch):
            return StepOutput(super().training_step(batch).loss)

    file = io.StringIO()
    LossOnly(create_model("softmax_regression"), callbacks=[ProgressBar(every=1, file=file)], batch_size=60).fit(
        train, epochs=1
    )
    assert re.fullmatch(
        r"epoch 1 step 1  loss \d\.\d{4}\nepoch 1/1  train_loss \d\.\d{4}  \d+\.\d s\n", file.getvalue()
    )


def test_a_line_every_no_steps_is_refused():
    with pytest.raises(ConfigError, match="every is 0, expected at least 1"):
        ProgressBar(every=0)


def test_only_the_main_process_writes(train):
    file = Terminal()
    bar = ProgressBar(every=1, file=file)
    trainer = Trainer(create_model("softmax_regression"), callbacks=[bar])
    trainer.fit(train, epochs=1)
    assert file.getvalue()
    file.seek(0)
    file.truncate()
    trainer.world = World(rank=1, size=2)
    for hook in (bar.on_fit_start, bar.on_epoch_start, bar.on_step_end, bar.on_epoch_end, bar.on_fit_end):
        hook(trainer)
    assert file.getvalue() == ""


def test_a_precision_chosen_for_the_user_is_said(train):
    file = io.StringIO()
    trainer = Trainer(
        create_model("softmax_regression"), callbacks=[ProgressBar(file=file)], batch_size=10, precision="auto"
    )
    trainer.fit(train, epochs=1)
    first = file.getvalue().splitlines()[0]
    assert first == f"precision 'auto' is 'fp32': {trainer.precision.reason}"
    assert trainer.precision.reason


def test_the_bar_of_a_part_of_an_epoch_is_as_long_as_that_part(train, monkeypatch):
    monkeypatch.setattr(progress, "tqdm", Eager)
    file = Terminal()
    fit(train, None, ProgressBar(file=file), epochs=1.5)
    assert re.search(r"\repoch 1/2: .* 6/6 ", file.getvalue())
    assert re.search(r"\repoch 2/2: 100%.* 3/3 ", file.getvalue())
