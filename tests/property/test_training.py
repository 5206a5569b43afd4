"""What holds of every schedule, every accumulation, and every way to interrupt a run."""

import itertools
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.utils.data import DataLoader

from mnistkit import Augment, Trainer, create_model
from mnistkit.callbacks import EMA, Checkpoint, EarlyStopping, PeriodicEvaluation
from mnistkit.training import Callback, Constant, Cosine, OneCycle, Warmup

# ---- schedules ------------------------------------------------------------------------------------------------------

rates = st.floats(1e-6, 10)
totals = st.integers(1, 5000)
fractions = st.floats(0, 1)
flat = st.one_of(
    st.builds(Constant, rates),
    st.builds(Cosine, rates, st.just(0.0)),
    st.builds(OneCycle, rates, fractions, fractions, fractions),
)
schedules = st.one_of(flat, st.builds(Warmup, st.integers(1, 5000), flat))


def top(schedule):
    if isinstance(schedule, Warmup):
        return top(schedule.then)
    return schedule.peak if isinstance(schedule, OneCycle) else schedule.lr


@given(schedules, totals, st.data())
@settings(max_examples=50)
def test_a_rate_is_a_number_from_0_to_the_highest(schedule, total, data):
    step = data.draw(st.integers(0, total - 1))
    rate = schedule(step, total)
    assert math.isfinite(rate)
    assert -1e-12 <= rate <= top(schedule) * (1 + 1e-9)
    assert schedule(step, total) == rate


@given(rates, fractions, totals)
@settings(max_examples=50)
def test_a_cosine_only_falls(lr, share, total):
    values = [Cosine(lr, final=lr * share)(step, total) for step in range(min(total, 200))]
    assert all(later <= earlier * (1 + 1e-12) for earlier, later in itertools.pairwise(values))
    assert values[0] == pytest.approx(lr)
    assert Cosine(lr, final=lr * share)(max(1, total - 1), total) == pytest.approx(lr * share)


@given(rates, fractions, st.integers(2, 200))
@settings(max_examples=50)
def test_one_cycle_climbs_and_then_falls(peak, rise, total):
    values = [OneCycle(peak, rise=rise)(step, total) for step in range(total)]
    highest = values.index(max(values))
    assert values[: highest + 1] == sorted(values[: highest + 1])
    assert values[highest:] == sorted(values[highest:], reverse=True)
    assert abs(highest - rise * (total - 1)) <= 1
    # The highest point may lie between two steps, most when there are few.
    assert values[highest] <= peak * (1 + 1e-12)


@given(rates, st.integers(1, 100), st.integers(1, 100))
@settings(max_examples=50)
def test_a_warm_up_grows_by_equal_parts_up_to_the_other_schedule(lr, steps, rest):
    schedule = Warmup(steps, Cosine(lr))
    values = [schedule(step, steps + rest) for step in range(steps + rest)]
    assert values[:steps] == pytest.approx([lr * (step + 1) / (steps + 1) for step in range(steps)])
    assert values[steps:] == [Cosine(lr)(step, rest) for step in range(rest)]


# ---- accumulation ---------------------------------------------------------------------------------------------------


def parameters(model):
    return nn.utils.parameters_to_vector(model.parameters()).detach().clone()


@given(
    count=st.integers(1, 4),
    size=st.sampled_from([1, 2, 5, 10]),
    clip=st.sampled_from([None, 0.1]),
    momentum=st.booleans(),
)
@settings(max_examples=15)
def test_accumulating_batches_is_one_larger_batch(small, count, size, clip, momentum):
    data = small.train[:60]

    def run(batch_size, accumulate):
        torch.manual_seed(0)
        model = create_model("mlp", hidden=(8,), activation="tanh")
        trainer = Trainer(
            model,
            optimizer=lambda p: torch.optim.SGD(p, lr=0.01, momentum=0.9 if momentum else 0.0),
            batch_size=batch_size,
            accumulate=accumulate,
            clip_norm=clip,
            progress=False,
        )
        history = trainer.fit(data, epochs=1)
        return parameters(model), history

    (parts, history), (whole, expected) = run(size, count), run(size * count, 1)
    torch.testing.assert_close(parts, whole, rtol=1e-5, atol=1e-5)
    assert history["step"] == expected["step"]
    assert history["train_loss"] == pytest.approx(expected["train_loss"], rel=1e-4)


# ---- resuming -------------------------------------------------------------------------------------------------------

EPOCHS, GROUPS, TOTAL = 3, 3, 9


class Killed(Exception):
    """Nothing of the process is left but the file."""


class Kill(Callback):
    """Saves at one moment of the run, and ends it there."""

    def __init__(self, path, moment):
        self.path, self.moment = path, moment

    def on_checkpoint(self, trainer):
        # A moment is a step, or with a half the end of the epoch after it.
        if trainer.state.step + (0.5 if trainer.state.batch == 0 else 0.0) == self.moment:
            trainer.save_checkpoint(self.path)
            raise Killed


class Net(nn.Module):
    """Dropout, batch norm and shared weights: all that makes resuming hard."""

    def __init__(self):
        super().__init__()
        self.first, self.norm, self.last = nn.Linear(49, 12), nn.BatchNorm1d(12), nn.Linear(12, 10)
        self.again = self.last

    def forward(self, images):
        pooled = nn.functional.avg_pool2d(images, 4).flatten(1)
        hidden = nn.functional.dropout(torch.relu(self.norm(self.first(pooled))), 0.3, self.training)
        return self.last(hidden) + 0.1 * self.again(hidden.square())


def everything(trainer, ema):
    """All that two runs could differ in."""
    return {
        "weights": trainer.model.state_dict(),
        "optimizer": trainer.optimizer.state_dict(),
        "history": trainer.state.history.rows,
        "average": ema.state_dict(),
        "callbacks": [c.state_dict() for c in trainer.callbacks if not isinstance(c, EMA | Kill)],
        "counters": (trainer.state.epoch, trainer.state.step, trainer.state.batch, trainer.state.lr),
    }


def start(folder, moment, kind, load):
    torch.manual_seed(11)
    ema, kill = EMA(0.8), Kill(folder / "run.safetensors", moment)
    trainer = Trainer(
        Net(),
        optimizer=kind,
        lr=OneCycle(0.02),
        accumulate=3,
        clip_norm=1.0,
        # A loader of torch's own has both.
        augment=Augment(rotate=10, shift=2, elastic=1, ink=0.5, erase=0.2) if load is LOADS["data set"] else None,
        batch_size=8 if load is LOADS["data set"] else None,
        callbacks=[ema, EarlyStopping(patience=50), PeriodicEvaluation(every=2), Checkpoint(folder), kill],
        progress=False,
    )
    return trainer, ema


def run(folder, data, moments, kind, load):
    """Train, killed at each of the moments and resumed from the file, to the end."""
    resume = None
    for moment in [*moments, None]:
        trainer, ema = start(folder, moment, kind, load)
        try:
            trainer.fit(load(data[0]), load(data[1]), epochs=EPOCHS, resume=resume)
        except Killed:
            resume = folder / "run.safetensors"
    assert (len(trainer.state.history), trainer.state.step) == (EPOCHS, TOTAL)
    return everything(trainer, ema)


def assert_identical(one, other, place="run"):
    if isinstance(one, Tensor):
        assert torch.equal(one, other), place
    elif isinstance(one, dict):
        assert list(one) == list(other), place
        for key in one:
            assert_identical(one[key], other[key], f"{place}/{key}")
    elif isinstance(one, list | tuple):
        assert len(one) == len(other), place
        for index, pair in enumerate(zip(one, other, strict=True)):
            assert_identical(*pair, f"{place}/{index}")
    else:
        assert one == other, place


MOMENTS = sorted([*range(1, TOTAL + 1), *(epoch * GROUPS + 0.5 for epoch in range(1, EPOCHS + 1))])
LOADS = {
    "data set": lambda data: data,
    "DataLoader": lambda data: DataLoader(data, batch_size=8, shuffle=True),
}


@pytest.fixture(scope="module")
def data(small):
    # Eight batches an epoch, the last of them smaller: groups of three, three and two.
    return small.train[:61], small.validation[:20]


@pytest.fixture(scope="module")
def uninterrupted(data, tmp_path_factory):
    """The same run in one piece, by optimizer and by loader."""
    ends = {}

    def end(kind, load):
        if (kind, load) not in ends:
            ends[kind, load] = run(tmp_path_factory.mktemp("whole"), data, [], kind, LOADS[load])
        return ends[kind, load]

    return end


# A loader of torch's own differs inside an epoch, at its end and at the run's.
@pytest.mark.parametrize(
    ("load", "moment"),
    [*(("data set", moment) for moment in MOMENTS), *(("DataLoader", moment) for moment in (1, 3, 3.5, 5, 9.5))],
)
def test_a_run_killed_at_any_moment_and_resumed_is_the_same_run(data, tmp_path, uninterrupted, moment, load):
    assert_identical(run(tmp_path, data, [moment], "adam", LOADS[load]), uninterrupted("adam", load))


@given(
    moments=st.lists(st.sampled_from(MOMENTS), min_size=2, max_size=5, unique=True).map(sorted),
    kind=st.sampled_from(["adamw", "sgd", "rmsprop", "nadam"]),
    load=st.sampled_from(sorted(LOADS)),
)
@settings(max_examples=8)
def test_a_run_killed_many_times_is_the_same_run(data, tmp_path_factory, uninterrupted, moments, kind, load):
    killed = run(tmp_path_factory.mktemp("killed"), data, moments, kind, LOADS[load])
    assert_identical(killed, uninterrupted(kind, load))


def test_the_comparison_notices_a_run_that_is_not_the_same(data, tmp_path, uninterrupted, monkeypatch):
    """One that forgets where its generator was."""
    monkeypatch.setattr("mnistkit.training.run.set_generator_states", lambda *arguments: None)
    with pytest.raises(AssertionError, match="run/optimizer"):
        assert_identical(run(tmp_path, data, [4], "adam", LOADS["data set"]), uninterrupted("adam", "data set"))
