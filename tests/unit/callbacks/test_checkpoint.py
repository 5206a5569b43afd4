"""What is on disk after each epoch, each so many steps, and an early end."""

import math

import pytest
import torch
from torch import nn

from mnistkit import Checkpoint, Trainer, create_model, load_model
from mnistkit.checkpoint import read_checkpoint
from mnistkit.errors import ConfigError, WriteError
from mnistkit.training import Callback


@pytest.fixture
def train(small):
    return small.train.take_per_class(4)


@pytest.fixture
def validation(small):
    return small.validation.take_per_class(2)


class Scripted(Trainer):
    """Its validation figures are given, so that which is best is known."""

    def __init__(self, *args, accuracies=(), **options):
        super().__init__(*args, **options)
        self.accuracies = accuracies

    def evaluation_step(self, batch):
        output = super().evaluation_step(batch)
        metrics = {"figure": torch.tensor(self.accuracies[self.state.epoch])}
        return type(output)(output.loss, output.logits, metrics)


class Weights(Callback):
    """Keeps the weights of the end of each epoch, and of each step."""

    def __init__(self):
        self.epochs, self.steps = {}, {}

    def on_step_end(self, trainer):
        self.steps[trainer.state.step] = flat(trainer.model)

    def on_epoch_end(self, trainer):
        self.epochs[trainer.state.epoch] = flat(trainer.model)


def flat(model):
    return nn.utils.parameters_to_vector(model.parameters()).detach().clone()


def run(data, *callbacks, kind=Trainer, epochs=3, model=None, resume=None, **options):
    torch.manual_seed(0)
    trainer = kind(
        model or create_model("softmax_regression"),
        callbacks=callbacks,
        **{"batch_size": 10, "progress": False} | options,
    )
    trainer.fit(*data, epochs=epochs, resume=resume)
    return trainer


def names(path):
    return sorted(file.name for file in path.iterdir())


def test_the_best_and_the_last_are_there_after_a_run(tmp_path, train, validation):
    kept = Weights()
    checkpoint = Checkpoint(tmp_path / "new" / "folder", monitor="val_figure", mode="max")
    run((train, validation), kept, checkpoint, kind=Scripted, accuracies=[0.5, 0.75, 0.25], epochs=3)
    assert names(tmp_path / "new" / "folder") == ["best.safetensors", "last.safetensors"]
    assert checkpoint.best == 0.75
    assert torch.equal(flat(load_model(checkpoint.best_path)), kept.epochs[2])
    assert torch.equal(flat(load_model(checkpoint.last_path)), kept.epochs[3])
    best, last = read_checkpoint(checkpoint.best_path), read_checkpoint(checkpoint.last_path)
    assert (best.kind, last.kind) == ("model", "training")
    assert (best.metrics["epoch"], best.metrics["val_figure"]) == (2, 0.75)
    assert last.metrics["epoch"] == 3


@pytest.mark.parametrize(
    ("mode", "figures", "best"),
    [
        ("max", [0.5, 0.75, 0.25], 2),
        ("min", [0.5, 0.75, 0.25], 3),
        ("max", [0.5, 0.5, 0.5], 1),
    ],
)
def test_the_mode_decides_which_epoch_is_best(tmp_path, train, validation, mode, figures, best):
    checkpoint = Checkpoint(tmp_path, monitor="val_figure", mode=mode)
    run((train, validation), checkpoint, kind=Scripted, accuracies=figures)
    assert read_checkpoint(checkpoint.best_path).metrics["epoch"] == best


def test_an_epoch_whose_figure_is_nan_is_not_the_best(tmp_path, train, validation):
    checkpoint = Checkpoint(tmp_path, monitor="val_figure", mode="max")
    run((train, validation), checkpoint, kind=Scripted, accuracies=[math.nan, 0.5, math.nan])
    assert checkpoint.best == 0.5
    assert read_checkpoint(checkpoint.best_path).metrics["epoch"] == 2


def test_without_a_monitor_there_is_no_best_and_no_need_of_validation(tmp_path, train):
    run((train,), Checkpoint(tmp_path, monitor=None))
    assert names(tmp_path) == ["last.safetensors"]


def test_numbered_files_come_every_so_many_epochs_and_the_newest_are_kept(tmp_path, train):
    kept = Weights()
    run((train,), kept, Checkpoint(tmp_path, monitor=None, every_epochs=2, keep=2), epochs=7)
    assert names(tmp_path) == ["epoch-000004.safetensors", "epoch-000006.safetensors", "last.safetensors"]
    assert torch.equal(flat(load_model(tmp_path / "epoch-000004.safetensors")), kept.epochs[4])
    assert read_checkpoint(tmp_path / "epoch-000006.safetensors").kind == "training"


def test_without_keep_all_numbered_files_stay(tmp_path, train):
    run((train,), Checkpoint(tmp_path, monitor=None, every_epochs=1), epochs=4)
    assert len(names(tmp_path)) == 5


def test_the_newest_is_found_by_number_and_not_by_name(tmp_path, train):
    for number in ("9", "0000010", "best", "000003-copy"):
        (tmp_path / f"epoch-{number}.safetensors").write_text("of another run")
    run((train,), Checkpoint(tmp_path, monitor=None, every_epochs=1, keep=1, overwrite=True), epochs=1)
    assert "epoch-000001.safetensors" in names(tmp_path)
    run((train,), Checkpoint(tmp_path, monitor=None, every_epochs=5, keep=2, overwrite=True), epochs=10)
    assert names(tmp_path) == [
        "epoch-0000010.safetensors",
        "epoch-000003-copy.safetensors",
        "epoch-000010.safetensors",
        "epoch-9.safetensors",
        "epoch-best.safetensors",
        "last.safetensors",
    ]


def test_last_is_written_every_so_many_steps(tmp_path, train, at):
    path, steps = tmp_path / "last.safetensors", []
    look = at("on_step_start", lambda t: steps.append(read_checkpoint(path).training["step"] if path.exists() else 0))
    run((train,), Checkpoint(tmp_path, monitor=None, every_steps=3), look, epochs=2)
    assert steps == [0, 0, 0, 3, 4, 4, 6, 6]


def test_last_is_written_when_training_stops_early(tmp_path, train, validation, at):
    stop, kept = at("on_step_end", lambda t: t.state.step == 6 and t.stop("enough")), Weights()
    run((train, validation), stop, kept, Checkpoint(tmp_path))
    content = read_checkpoint(tmp_path / "last.safetensors")
    assert (content.training["step"], content.training["batch"]) == (6, 2)
    assert torch.equal(flat(load_model(tmp_path / "last.safetensors")), kept.steps[6])


def test_a_resumed_run_does_not_forget_the_best(tmp_path, train, validation, at):
    stop = at("on_epoch_end", lambda t: t.state.epoch == 2 and t.stop("a pause"))
    figures = {"kind": Scripted, "accuracies": [0.75, 0.5, 0.625, 0.875]}
    first = Checkpoint(tmp_path, monitor="val_figure", mode="max")
    run((train, validation), first, stop, **figures, epochs=4)
    again = Checkpoint(tmp_path, monitor="val_figure", mode="max")
    bests = []
    look = [
        at("on_fit_start", lambda t: bests.append(again.best), "start"),
        at("on_epoch_end", lambda t: bests.append(read_checkpoint(again.best_path).metrics["epoch"]), "end"),
    ]
    run((train, validation), again, *look, **figures, epochs=4, resume=first.last_path)
    assert bests == [0.75, 1, 1]
    assert read_checkpoint(again.best_path).metrics["epoch"] == 4


class NoLogits(Trainer):
    """Of its steps no accuracy can be counted."""

    def training_step(self, batch):
        return super().training_step(batch).loss

    def evaluation_step(self, batch):
        return super().evaluation_step(batch).loss


def test_a_run_whose_monitor_is_no_figure_of_it_goes_on_with_another_one(tmp_path, train, validation):
    with pytest.raises(ConfigError, match=r"no 'val_accuracy': the steps of NoLogits .*monitor='val_loss'.*resume="):
        run((train, validation), Checkpoint(tmp_path), kind=NoLogits, epochs=3)
    again = Checkpoint(tmp_path, monitor="val_loss")
    history = run((train, validation), again, kind=NoLogits, epochs=3, resume=again.last_path).state.history
    assert len(history) == 3
    assert again.best == min(history["val_loss"][1:])
    assert read_checkpoint(again.best_path).metrics["val_loss"] == again.best


def test_a_new_run_with_the_same_callback_begins_without_a_best(tmp_path, train, validation):
    checkpoint = Checkpoint(tmp_path, monitor="val_figure", mode="max", overwrite=True)
    run((train, validation), checkpoint, kind=Scripted, accuracies=[0.9], epochs=1)
    run((train, validation), checkpoint, kind=Scripted, accuracies=[0.2], epochs=1)
    assert checkpoint.best == pytest.approx(0.2)
    assert read_checkpoint(checkpoint.best_path).metrics["val_figure"] == pytest.approx(0.2)


class Remembering(Trainer):
    """Keeps near the weights that it had after the tasks before."""

    memory: tuple[torch.Tensor, ...] = ()

    def training_step(self, batch):
        pulls = [(w - old).square().sum() for old, w in zip(self.memory, self.model.parameters(), strict=False)]
        return super().training_step(batch).loss + 0.1 * sum(pulls)

    def state_dict(self):
        return {"memory": list(self.memory)}

    def load_state_dict(self, state):
        self.memory = tuple(state["memory"])


def test_tasks_one_after_the_other_have_a_folder_and_a_best_each_and_resume_in_the_middle_of_one(tmp_path, train, at):
    def learn(folder, killed_at=None):
        def kill(trainer):
            if (checkpoint.directory.name, trainer.state.step) == killed_at:
                raise LookupError

        torch.manual_seed(0)
        checkpoint, bests = Checkpoint(folder, monitor="train_loss", every_steps=1), []
        trainer = Remembering(
            create_model("softmax_regression"),
            callbacks=[checkpoint, at("on_checkpoint", kill, "kill")],
            batch_size=6,
            progress=False,
        )
        for number in range(3):
            checkpoint.directory = f"{folder}/{number}"
            last = checkpoint.last_path
            task = train.only(2 * number, 2 * number + 1)
            trainer.fit(task, epochs=2, resume=last if last.exists() else None)
            trainer.memory = tuple(weight.detach().clone() for weight in trainer.model.parameters())
            bests.append(checkpoint.best)
        return flat(trainer.model), bests

    whole, bests = learn(tmp_path / "whole")
    assert [names(tmp_path / "whole" / str(number)) for number in range(3)] == [
        ["best.safetensors", "last.safetensors"]
    ] * 3
    with pytest.raises(LookupError):
        learn(tmp_path / "killed", ("1", 3))
    again, bests_again = learn(tmp_path / "killed")
    assert torch.equal(again, whole)
    assert bests_again == bests


def test_a_second_fit_into_the_same_folder_is_told_how_to_have_another_one(tmp_path, train):
    checkpoint = Checkpoint(tmp_path, monitor="train_loss")
    trainer = run((train,), checkpoint, epochs=1)
    with pytest.raises(ConfigError, match=r"for a second fit\(\) of one Trainer, .*checkpoint\.directory = "):
        trainer.fit(train, epochs=1)


def test_several_may_write_into_folders_of_their_own(tmp_path, train, validation):
    run(
        (train, validation),
        Checkpoint(tmp_path / "a"),
        Checkpoint(tmp_path / "b", monitor="val_loss", name="by loss"),
        epochs=1,
    )
    assert names(tmp_path / "a") == names(tmp_path / "b") == ["best.safetensors", "last.safetensors"]
    assert read_checkpoint(tmp_path / "a" / "last.safetensors").training["callbacks"].keys() == {
        "Checkpoint",
        "by loss",
    }


def test_an_error_writes_nothing_more(tmp_path, train, at):
    def fail(trainer):
        if trainer.state.step == 6:
            raise LookupError

    with pytest.raises(LookupError):
        run((train,), at("on_step_end", fail), Checkpoint(tmp_path, monitor=None))
    assert read_checkpoint(tmp_path / "last.safetensors").training["step"] == 4


# ---- a folder is for one run ------------------------------------------------------------------------------------------


def contents(path):
    return {file.name: file.read_bytes() for file in path.iterdir()}


@pytest.mark.parametrize("left", ["best", "last", "epoch-000002"])
def test_another_run_s_files_are_not_overwritten(tmp_path, train, validation, left):
    (tmp_path / f"{left}.safetensors").write_bytes(b"of a good run")
    trained = Weights()
    with pytest.raises(
        ConfigError, match=rf"^{tmp_path} holds a run already \({left}\.safetensors\); go on with it by"
    ):
        run((train, validation), Checkpoint(tmp_path), trained)
    assert contents(tmp_path) == {f"{left}.safetensors": b"of a good run"}
    assert not trained.steps
    run((train, validation), Checkpoint(tmp_path, overwrite=True), epochs=1)
    assert read_checkpoint(tmp_path / "best.safetensors").kind == "model"


def test_a_run_can_be_resumed_in_its_folder(tmp_path, train, validation):
    first = Checkpoint(tmp_path, every_epochs=1)
    run((train, validation), first, epochs=1)
    run((train, validation), Checkpoint(tmp_path, every_epochs=1), epochs=2, resume=first.last_path)
    assert names(tmp_path) == [
        "best.safetensors", "epoch-000001.safetensors", "epoch-000002.safetensors", "last.safetensors"
    ]  # fmt: skip


def test_another_run_s_folder_is_not_taken_by_one_that_is_resumed_from_elsewhere(tmp_path, train, at):
    mine, other = tmp_path / "mine", tmp_path / "other"
    worse = at("on_step_start", lambda trainer: trainer.optimizer.param_groups[0].update(lr=1.0))
    run((train,), Checkpoint(other, monitor=None), worse, epochs=2)
    before = contents(other)
    second = Checkpoint(tmp_path / "second", monitor=None, name="second")
    run((train,), Checkpoint(mine, monitor=None), second, epochs=1)
    with pytest.raises(ConfigError, match=rf"^{other} holds a run already \(last\.safetensors\); go on with it by"):
        run((train,), Checkpoint(other, monitor=None), second, epochs=2, resume=mine / "last.safetensors")
    assert contents(other) == before
    (other / "last.safetensors").write_bytes(b"damaged")
    with pytest.raises(ConfigError, match="holds a run already"):
        run((train,), Checkpoint(other, monitor=None), second, epochs=2, resume=mine / "last.safetensors")
    # Of several folders that a run writes into, it can be resumed from any.
    run((train,), Checkpoint(mine, monitor=None), second, epochs=2, resume=second.last_path)
    assert read_checkpoint(mine / "last.safetensors").training["epoch"] == 2


@pytest.mark.parametrize("overwrite", [False, True])
def test_two_runs_at_once_do_not_share_a_folder(tmp_path, train, at, overwrite):
    def second(trainer):
        with pytest.raises(ConfigError, match=f"^another run is writing into {tmp_path}; wait for its end, or give"):
            run((train,), Checkpoint(tmp_path, monitor=None, overwrite=overwrite))

    run((train,), Checkpoint(tmp_path, monitor=None), at("on_epoch_end", second), epochs=1)
    assert names(tmp_path) == ["last.safetensors"]
    run((train,), Checkpoint(tmp_path, monitor=None, overwrite=True), epochs=1)


def test_an_error_leaves_the_folder_to_the_next_run(tmp_path, train, at):
    def fail(trainer):
        raise LookupError

    for hook in ("on_fit_start", "on_step_end"):
        with pytest.raises(LookupError):
            run((train,), Checkpoint(tmp_path, monitor=None), at(hook, fail))
    run((train,), Checkpoint(tmp_path, monitor=None), epochs=1)
    assert names(tmp_path) == ["last.safetensors"]


def test_two_callbacks_of_one_run_share_a_folder_but_not_a_file(tmp_path, train, validation):
    numbered = Checkpoint(tmp_path, monitor=None, every_epochs=1, name="numbered")
    run((train, validation), Checkpoint(tmp_path), numbered, epochs=1)
    assert names(tmp_path) == ["best.safetensors", "epoch-000001.safetensors", "last.safetensors"]
    with pytest.raises(ConfigError, match=r"^2 Checkpoints of this run would write one .*best\.safetensors; give each"):
        run((train, validation), Checkpoint(tmp_path / "x"), Checkpoint(tmp_path / "x", monitor="val_loss", name="b"))


@pytest.mark.parametrize("name", ["best", "last"])
def test_what_cannot_be_written_is_found_before_the_first_epoch(tmp_path, train, validation, name):
    (tmp_path / f"{name}.safetensors").mkdir()
    trained = Weights()
    with pytest.raises(WriteError, match=f"{name}.safetensors: it is a folder, expected a file"):
        run((train, validation), Checkpoint(tmp_path, overwrite=True), trained)
    (tmp_path / "file").touch()
    with pytest.raises(WriteError, match=f"^cannot write {tmp_path / 'file'}: File exists; "):
        run((train, validation), Checkpoint(tmp_path / "file"), trained)
    assert not trained.steps


def test_a_tilde_is_a_home(tmp_path, train, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    run((train,), Checkpoint("~/run", monitor=None), epochs=1)
    assert names(tmp_path / "run") == ["last.safetensors"]
    run((train,), Checkpoint("~/run", monitor=None), epochs=2, resume="~/run/last.safetensors")


@pytest.mark.parametrize("argument", ["every_epochs", "every_steps", "keep"])
def test_numbers_below_one_are_refused_by_name(tmp_path, argument):
    with pytest.raises(ConfigError, match=f"{argument} is 0, expected at least 1 or None"):
        Checkpoint(tmp_path, **{argument: 0})
