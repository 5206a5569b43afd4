"""Ctrl-C while training: the step ends, the run is saved, and the interrupt goes on."""

import signal
import threading

import pytest
import torch
from torch import nn

from mnistkit import Checkpoint, Trainer, create_model
from mnistkit.checkpoint import read_checkpoint
from mnistkit.training import Callback


def interrupting(hook, *, at=1, times=1):
    """A callback in which Ctrl-C is pressed."""

    def method(self, trainer):
        self.calls = getattr(self, "calls", 0) + 1
        if self.calls == at:
            for _ in range(times):
                signal.raise_signal(signal.SIGINT)

    return type("Interrupting", (Callback,), {hook: method})()


def trainer_of(*callbacks):
    torch.manual_seed(0)
    return Trainer(create_model("softmax_regression"), callbacks=callbacks, batch_size=10, progress=False)


@pytest.fixture(autouse=True)
def interrupts_arrive():
    """A shell starts what runs in its background with Ctrl-C ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def train(small):
    return small.train.take_per_class(4)


def test_the_step_under_way_ends_and_the_run_is_saved(tmp_path, train):
    errors = []

    class Watch(Callback):
        def on_exception(self, trainer, error):
            errors.append(error)

    trainer = trainer_of(interrupting("on_gradients", at=6), Checkpoint(tmp_path, monitor=None), Watch())
    with pytest.raises(KeyboardInterrupt) as caught:
        trainer.fit(train, epochs=3)
    assert errors == [caught.value]
    assert trainer.state.stop_reason == "interrupted"
    assert (trainer.state.epoch, trainer.state.step, trainer.state.batch) == (1, 6, 2)
    saved = read_checkpoint(tmp_path / "last.safetensors")
    assert (saved.training["epoch"], saved.training["step"], saved.training["batch"]) == (1, 6, 2)
    assert all(torch.equal(saved.weights[name], value) for name, value in trainer.model.state_dict().items())
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert not trainer.model.training


def test_an_interrupted_run_resumes_to_the_very_weights_of_one_that_was_not(tmp_path, train):
    def weights(trainer):
        return nn.utils.parameters_to_vector(trainer.model.parameters()).detach()

    whole = trainer_of(Checkpoint(tmp_path / "whole", monitor=None))
    history = whole.fit(train, epochs=3)
    with pytest.raises(KeyboardInterrupt):
        trainer_of(interrupting("on_step_start", at=8), Checkpoint(tmp_path / "cut", monitor=None)).fit(train, epochs=3)
    resumed = trainer_of(Checkpoint(tmp_path / "cut", monitor=None))
    assert resumed.fit(train, epochs=3, resume=tmp_path / "cut" / "last.safetensors") == history
    assert torch.equal(weights(resumed), weights(whole))


def test_a_second_interrupt_raises_at_once(train, at):
    reached = []

    after = at("on_step_end", lambda t: reached.append(t.state.step))
    trainer = trainer_of(interrupting("on_gradients", at=2, times=2), after)
    with pytest.raises(KeyboardInterrupt):
        trainer.fit(train, epochs=1)
    assert reached == [1]
    assert trainer.state.step == 1
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.parametrize(
    ("hook", "steps"),
    [
        ("on_fit_start", 1),
        ("on_epoch_start", 1),
        ("on_step_start", 1),
        ("on_step_end", 1),
        ("on_eval_start", 4),
        ("on_eval_end", 4),
        ("on_epoch_end", 4),
    ],
)
def test_an_interrupt_at_any_moment_ends_training_at_the_next_boundary(small, train, hook, steps):
    trainer = trainer_of(interrupting(hook))
    with pytest.raises(KeyboardInterrupt):
        trainer.fit(train, small.validation, epochs=3)
    assert trainer.state.step == steps


@pytest.mark.parametrize("hook", ["on_epoch_end", "on_checkpoint", "on_fit_end"])
def test_an_interrupt_too_late_to_stop_anything_is_not_lost(train, hook):
    last = {"on_epoch_end": 2, "on_checkpoint": 10, "on_fit_end": 1}[hook]
    trainer = trainer_of(interrupting(hook, at=last))
    with pytest.raises(KeyboardInterrupt):
        trainer.fit(train, epochs=2)
    assert len(trainer.state.history) == 2
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_an_error_after_an_interrupt_is_the_one_that_comes_out(train):
    class Failing(Callback):
        def on_step_end(self, trainer):
            raise LookupError("after the interrupt")

    with pytest.raises(LookupError, match="after the interrupt"):
        trainer_of(interrupting("on_step_start"), Failing()).fit(train, epochs=1)


def test_a_handler_of_the_users_own_is_left_alone(train):
    calls = []

    def handler(number, frame):
        calls.append(number)

    signal.signal(signal.SIGINT, handler)
    trainer = trainer_of(interrupting("on_step_start", at=2))
    assert len(trainer.fit(train, epochs=2)) == 2
    assert calls == [signal.SIGINT]
    assert signal.getsignal(signal.SIGINT) is handler


def test_fit_works_in_a_thread_that_cannot_handle_signals(train):
    trainer, results = trainer_of(), []
    thread = threading.Thread(target=lambda: results.append(trainer.fit(train, epochs=2)))
    thread.start()
    thread.join(timeout=60)
    assert [len(history) for history in results] == [2]


def test_the_interrupt_of_a_fit_inside_a_fit_belongs_to_the_outer_one(train):
    class Nested(Callback):
        def on_epoch_end(self, trainer):
            trainer_of(interrupting("on_step_start")).fit(train, epochs=1)

    trainer = trainer_of(Nested())
    with pytest.raises(KeyboardInterrupt):
        trainer.fit(train, epochs=3)
    assert trainer.state.epoch == 1


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_cluster_or_a_closed_terminal_ends_the_run_after_it_was_saved_also_if_told_twice(
    number, code, tmp_path, train, at
):
    # Under nohup a closed terminal is ignored, and stays so.
    earlier = signal.signal(number, signal.SIG_DFL)
    come = at("on_gradients", lambda t: signal.raise_signal(number) if t.state.step == 2 else None)
    again = at("on_step_end", lambda t: signal.raise_signal(number) if t.state.step == 3 else None, "again")
    with pytest.raises(SystemExit) as caught:
        trainer_of(come, again, Checkpoint(tmp_path, monitor=None)).fit(train, epochs=2)
    assert caught.value.code == code
    assert read_checkpoint(tmp_path / "last.safetensors").training["step"] == 3
    assert signal.signal(number, earlier) is signal.SIG_DFL
