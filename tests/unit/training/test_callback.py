"""The callback protocol: names, spelling, who is started, who is ended, and in which order."""

import pytest

from mnistkit import Checkpoint, EarlyStopping, Trainer, create_model
from mnistkit.errors import ConfigError, DuplicateCallbackError
from mnistkit.training import HOOKS, Callback


@pytest.fixture
def train(small):
    return small.train.take_per_class(2)


def recorder(name, log, **actions):
    """A callback that writes every hook into a log, and then does what is asked of it."""

    def hook_of(hook):
        def method(self, trainer, *error):
            log.append((name, hook, *error))
            if hook in actions:
                actions[hook](trainer)

        return method

    return type("Recorder", (Callback,), {hook: hook_of(hook) for hook in HOOKS} | {"name": name})()


def fail(error):
    def action(trainer):
        raise error

    return action


def fit(data, *callbacks, epochs=1):
    Trainer(create_model("softmax_regression"), callbacks=callbacks, batch_size=10, progress=False).fit(
        data, epochs=epochs
    )


@pytest.mark.parametrize(
    ("wrong", "meant"),
    [("on_epoch_ended", "on_epoch_end"), ("on_step_strat", "on_step_start"), ("on_fit_ends", "on_fit_end")],
)
def test_a_misspelt_hook_raises_when_the_class_is_defined(wrong, meant):
    with pytest.raises(
        ConfigError, match=rf"^Mine: unknown hook '{wrong}'; did you mean '{meant}'\? Available: on_checkpoint, "
    ):
        type("Mine", (Callback,), {wrong: lambda self, trainer: None})


def test_a_hook_that_resembles_none_lists_all_of_them():
    with pytest.raises(ConfigError, match="unknown hook 'on_zebra'. Available: " + ", ".join(sorted(HOOKS))):
        type("Mine", (Checkpoint,), {"on_zebra": None})


def test_the_list_of_hooks_is_what_a_callback_has():
    assert [name for name in vars(Callback) if name.startswith("on_")] == list(HOOKS)


def test_a_callback_is_named_like_its_class_unless_it_says_otherwise():
    class Plain(Callback): ...

    class Inherits(Plain): ...

    class Named(Plain):
        name = "other"

    assert [kind().name for kind in (Plain, Inherits, Named)] == ["Plain", "Inherits", "other"]


def test_a_plain_callback_does_nothing_and_saves_nothing(train):
    class Plain(Callback): ...

    plain = Plain()
    fit(train, plain)
    plain.on_exception(None, ValueError())
    plain.load_state_dict({})
    assert plain.state_dict() == {}


def test_two_callbacks_of_one_name_are_refused(tmp_path):
    model = create_model("softmax_regression")
    with pytest.raises(DuplicateCallbackError, match="2 callbacks are named 'Checkpoint'; give each its own name="):
        Trainer(model, callbacks=[Checkpoint(tmp_path / "a"), Checkpoint(tmp_path / "b")])
    Trainer(model, callbacks=[Checkpoint(tmp_path / "a"), Checkpoint(tmp_path / "b", name="second")])


def test_a_callback_added_later_under_a_taken_name_is_refused_by_fit(train, tmp_path):
    trainer = Trainer(create_model("softmax_regression"), callbacks=[Checkpoint(tmp_path)], progress=False)
    trainer.callbacks.append(Checkpoint(tmp_path / "b"))
    with pytest.raises(DuplicateCallbackError, match="2 callbacks are named 'Checkpoint'"):
        trainer.fit(train, epochs=1)


def test_fit_end_comes_in_reverse_order(train):
    log = []
    fit(train, *(recorder(name, log) for name in "abc"))
    assert [name for name, hook in log if hook == "on_fit_start"] == ["a", "b", "c"]
    assert log[-3:] == [("c", "on_fit_end"), ("b", "on_fit_end"), ("a", "on_fit_end")]
    assert "on_exception" not in {hook for _, hook in log}


@pytest.mark.parametrize("error", [ValueError("x"), KeyboardInterrupt(), SystemExit(3), StopIteration()], ids=repr)
@pytest.mark.parametrize("hook", ["on_epoch_start", "on_step_end", "on_checkpoint"])
def test_an_error_is_shown_to_every_callback_before_each_is_ended(train, error, hook):
    log = []
    with pytest.raises(type(error)) as caught:
        fit(train, recorder("a", log), recorder("b", log, **{hook: fail(error)}), recorder("c", log))
    assert caught.value is error
    position = log.index(("b", hook))
    assert log[position + 1 :] == [
        *((name, "on_exception", error) for name in "abc"),
        *((name, "on_fit_end") for name in "cba"),
    ]


def test_a_callback_that_did_not_start_is_not_ended(train):
    log, error = [], ConfigError("cannot start")
    with pytest.raises(ConfigError, match="cannot start"):
        fit(train, recorder("a", log), recorder("b", log, on_fit_start=fail(error)), recorder("c", log))
    assert log == [
        ("a", "on_fit_start"),
        ("b", "on_fit_start"),
        ("a", "on_exception", error),
        ("a", "on_fit_end"),
    ]


def test_every_callback_is_ended_even_if_ending_another_fails(train):
    log = []
    with pytest.raises(LookupError, match="of b"):
        fit(train, recorder("a", log), recorder("b", log, on_fit_end=fail(LookupError("of b"))), recorder("c", log))
    assert [name for name, hook, *_ in log if hook == "on_fit_end"] == ["c", "b", "a"]


def test_every_callback_is_ended_even_if_an_exception_hook_fails(train):
    log = []
    with pytest.raises(LookupError, match="of the hook") as caught:
        fit(
            train,
            recorder("a", log, on_exception=fail(LookupError("of the hook"))),
            recorder("b", log, on_step_end=fail(ValueError("first"))),
        )
    assert str(caught.value.__context__) == "first"
    assert [name for name, hook, *_ in log if hook == "on_fit_end"] == ["b", "a"]


def test_an_error_and_a_failing_end_both_come_out(train):
    with pytest.raises(LookupError, match="the end") as caught:
        fit(train, recorder("a", [], on_step_end=fail(ValueError("first")), on_fit_end=fail(LookupError("the end"))))
    assert str(caught.value.__context__) == "first"


def test_callbacks_see_what_the_ones_before_them_did(train):
    seen = []
    fit(
        train,
        recorder("a", [], on_epoch_end=lambda t: t.stop("by a")),
        recorder("b", [], on_epoch_end=lambda t: seen.append(t.state.stop_reason)),
    )
    assert seen == ["by a"]


def test_an_inherited_hook_is_called(train):
    class Base(Callback):
        def __init__(self):
            self.steps = 0

        def on_step_end(self, trainer):
            self.steps += 1

    class Derived(Base): ...

    derived = Derived()
    fit(train, derived)
    assert derived.steps == 2


def test_the_counters_count_what_is_finished(small):
    seen = {}

    def note(hook):
        return lambda t: seen.setdefault(hook, []).append((t.state.epoch, t.state.step, t.state.batch))

    hooks = ("on_epoch_start", "on_step_start", "on_step_end", "on_epoch_end", "on_checkpoint", "on_fit_end")
    callback = recorder("a", [], **{hook: note(hook) for hook in hooks})
    Trainer(create_model("softmax_regression"), callbacks=[callback], batch_size=20, accumulate=2, progress=False).fit(
        small.train.take_per_class(6), epochs=2
    )
    assert seen["on_epoch_start"] == [(0, 0, 0), (1, 2, 0)]
    assert seen["on_step_start"] == [(0, 0, 0), (0, 1, 2), (1, 2, 0), (1, 3, 2)]
    assert seen["on_step_end"] == [(0, 1, 2), (0, 2, 3), (1, 3, 2), (1, 4, 3)]
    assert seen["on_epoch_end"] == [(1, 2, 0), (2, 4, 0)]
    assert seen["on_checkpoint"] == [(0, 1, 2), (0, 2, 3), (1, 2, 0), (1, 3, 2), (1, 4, 3), (2, 4, 0)]
    assert seen["on_fit_end"] == [(2, 4, 0)]


def test_what_is_not_a_callback_is_refused():
    with pytest.raises(ConfigError, match=r"EarlyStopping'> is not a Callback: make one, EarlyStopping\(\.\.\.\)"):
        Trainer(create_model("mlp"), callbacks=[EarlyStopping])
    with pytest.raises(ConfigError, match=r"'csv' is not a Callback$"):
        Trainer(create_model("mlp"), callbacks=["csv"])
