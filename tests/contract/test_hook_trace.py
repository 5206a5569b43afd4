"""The loop in `Trainer`'s docstring is the loop that runs: the pseudocode is read, played, and compared with a recorded run."""

import contextlib
import inspect
import itertools
import re
import textwrap
from dataclasses import dataclass

import pytest
import torch

from mnistkit import Trainer, create_model
from mnistkit.errors import NonFiniteLossError
from mnistkit.training import HOOKS, Callback
from mnistkit.training.hooks import Hooks

METHODS = (
    "configure_optimizer",
    "learning_rate",
    "training_step",
    "backward",
    "optimizer_step",
    "evaluation_step",
)


@dataclass
class Line:
    """A line of the pseudocode, with those that are indented under it."""

    text: str
    under: list["Line"]


def pseudocode():
    """The block in the docstring that begins with `fit(`."""
    text = inspect.getdoc(Trainer)
    block = text.split("with every hook in its place::\n\n")[1].split("\n\n")[0]
    return textwrap.dedent(block)


def parse(text):
    root = Line("", [])
    stack = [(-1, root)]
    for raw in text.splitlines():
        indent, line = len(raw) - len(raw.lstrip()), Line(raw.strip(), [])
        while stack[-1][0] >= indent:
            stack.pop()
        stack[-1][1].under.append(line)
        stack.append((indent, line))
    return root.under


def named(text):
    """The hooks and open methods that a line names, in order."""
    return [word for word in re.findall(r"\w+", text) if word in HOOKS + METHODS]


@dataclass
class Run:
    """A run to be played: how many epochs, the sizes of the groups, validation batches, callbacks, and where it fails."""

    epochs: int
    groups: list[int]
    validation: int
    callbacks: tuple[str, ...] = ("first", "second")

    def play(self, lines, size=0):
        for line in lines:
            head, _, inline = line.text.partition(":")
            if line.text.startswith("fit("):
                yield from self.play(line.under)
            elif head == "for each epoch":
                for _ in range(self.epochs):
                    yield from self.play(line.under)
            elif head.startswith("for each group"):
                for group in self.groups:
                    yield from self.play(line.under, group)
            elif head == "for each batch":
                for _ in range(size):
                    yield from self.play([Line(inline, [])])
            elif head == "if validation":
                yield from self.play(line.under, self.validation) if self.validation else ()
            elif not line.under:
                for name in named(line.text):
                    yield from self.events(name, backwards="in reverse order" in line.text)
            else:
                raise ValueError(f"a line that this test does not understand: {line.text!r}")

    def events(self, name, *, backwards=False):
        if name not in HOOKS:
            return [name]
        return [f"{name} of {callback}" for callback in self.callbacks[:: -1 if backwards else 1]]

    def trace(self, fails_at=None):
        """What is called, in order; up to the event of that number, which raises, and what follows an error."""
        whole = list(self.play(parse(pseudocode())))
        regular = [event for event in whole if not event.startswith("on_exception")]
        if fails_at is None:
            return regular
        ends = [event for event in whole if event.startswith(("on_exception", "on_fit_end"))]
        return regular[: fails_at + 1] + ends


def recorded(run, data, fails_at=None):
    """The same of a real run."""
    trace = []

    def note(event):
        trace.append(event)
        if fails_at == len(trace) - 1:
            raise LookupError(f"at {event}")

    def noting(method):
        def wrapped(self, *arguments):
            note(method)
            return getattr(super(traced, self), method)(*arguments)

        return wrapped

    traced = type("Traced", (Trainer,), {method: noting(method) for method in METHODS})
    callbacks = [
        type(
            "Recorder",
            (Callback,),
            {hook: lambda self, *_, hook=hook: note(f"{hook} of {self.name}") for hook in HOOKS} | {"name": name},
        )()
        for name in run.callbacks
    ]
    accumulate = run.groups[0]
    train, validation = data
    batch_size = -(-len(train) // sum(run.groups))
    trainer = traced(
        create_model("softmax_regression"),
        accumulate=accumulate,
        batch_size=batch_size,
        callbacks=callbacks,
        progress=False,
    )
    with contextlib.nullcontext() if fails_at is None else pytest.raises(LookupError) as caught:
        trainer.fit(train, validation if run.validation else None, epochs=run.epochs)
    if caught is not None:
        assert str(caught.value) == f"at {trace[fails_at]}"
    return trace


@pytest.fixture
def data(small):
    # 256 validation images in a batch.
    images, labels = small.validation.images.repeat(3, 1, 1, 1), small.validation.labels.repeat(3)
    validation = type(small.validation).from_arrays(images, labels, split="validation")
    return small.train.take_per_class(5), validation


RUNS = {
    "one step": Run(epochs=1, groups=[1], validation=0),
    "accumulation and validation": Run(epochs=2, groups=[2, 2, 1], validation=2),
    "a whole last group": Run(epochs=3, groups=[5, 5], validation=2, callbacks=("only",)),
    "no callbacks": Run(epochs=2, groups=[1, 1], validation=2, callbacks=()),
}


@pytest.mark.parametrize("run", RUNS.values(), ids=RUNS)
def test_the_loop_is_what_the_docstring_says(run, data):
    assert recorded(run, data) == run.trace()


def test_an_error_anywhere_takes_the_way_that_the_docstring_says(data):
    run = Run(epochs=2, groups=[2, 1], validation=2)
    regular = run.trace()
    # From the moment at which every callback has started to the last at which any is running.
    first = regular.index("on_fit_start of second") + 1
    last = regular.index("on_fit_end of second")
    for position in range(first, last):
        assert recorded(run, data, fails_at=position) == run.trace(fails_at=position)


def test_an_error_of_the_loops_own_takes_that_way_too(data):
    trace = []

    class Recorder(Callback):
        def on_exception(self, trainer, error):
            trace.append(type(error))

        def on_fit_end(self, trainer):
            trace.append("end")

    def nan(logits, labels):
        return logits.sum() * torch.nan

    with pytest.raises(NonFiniteLossError):
        Trainer(create_model("softmax_regression"), loss=nan, callbacks=[Recorder()], progress=False).fit(
            data[0], epochs=1
        )
    assert trace == [NonFiniteLossError, "end"]


def test_the_docstring_names_every_hook_and_every_open_method_of_the_loop():
    names = set(named(pseudocode()))
    assert set(HOOKS) - names == set()
    assert set(METHODS) - names == set()


def test_the_open_methods_are_those_that_the_docstring_lists():
    paragraph = inspect.getdoc(Trainer).split("Open to override: ")[1].split(" The rest")[0]
    listed = re.findall(r":meth:`(\w+)`", paragraph)
    assert set(listed) == {*METHODS, "loss", "state_dict", "load_state_dict"}
    closed = {name for name, value in vars(Trainer).items() if getattr(value, "__final__", False)}
    assert closed.isdisjoint(listed)
    assert closed >= {"fit", "evaluate", "stop", "gradients", "step_optimizer", "skip", "save_model", "save_checkpoint"}


def moved(text, line, after):
    """The pseudocode with one line somewhere else."""
    lines = text.splitlines()
    (taken,) = (candidate for candidate in lines if candidate.strip() == line)
    lines.remove(taken)
    (place,) = (number for number, candidate in enumerate(lines) if candidate.strip().startswith(after))
    indent = len(lines[place]) - len(lines[place].lstrip())
    lines.insert(place + 1, " " * indent + taken.strip())
    return "\n".join(lines)


WRONG = {
    "a hook too late": lambda text: moved(text, "on_gradients", "optimizer_step()"),
    "a hook too early": lambda text: moved(text, "on_epoch_end", "on_epoch_start"),
    "a hook in the outer loop": lambda text: moved(text, "on_step_end", "on_epoch_end"),
    "a hook missing": lambda text: text.replace("on_eval_start", "").replace("\n\n", "\n"),
    "a hook doubled": lambda text: text.replace("on_step_start\n", "on_step_start, on_step_start\n"),
    "the wrong order of ends": lambda text: text.replace("in reverse order", "in order"),
    "a step in place of a batch": lambda text: text.replace(
        "for each batch: training_step(batch)", "training_step(batch)"
    ),
    "the methods swapped": lambda text: text.replace(
        "training_step(batch), backward(", "backward(training_step(batch) "
    ),
}


@pytest.mark.parametrize("change", WRONG.values(), ids=WRONG)
def test_a_docstring_that_is_wrong_is_noticed(change, data, monkeypatch):
    run = RUNS["accumulation and validation"]
    right = pseudocode()
    wrong = change(right)
    assert wrong != right
    actual = recorded(run, data)
    assert actual == run.trace()
    monkeypatch.setitem(globals(), "pseudocode", lambda: wrong)
    assert actual != run.trace()


def test_a_loop_that_is_wrong_is_noticed(data, monkeypatch):
    run = RUNS["accumulation and validation"]
    original = Hooks.call
    called = set()

    def skipping(self, hook):
        if hook != "on_gradients" or hook in called:
            original(self, hook)
        called.add(hook)

    monkeypatch.setattr(Hooks, "call", skipping)
    assert recorded(run, data) != run.trace()


def test_a_line_that_is_not_understood_is_not_passed_over():
    with pytest.raises(ValueError, match="does not understand: 'for each moon:'"):
        list(itertools.islice(Run(1, [1], 0).play(parse("fit():\n    for each moon:\n        on_step_end")), 5))
