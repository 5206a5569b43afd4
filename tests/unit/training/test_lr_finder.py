"""The learning-rate finder: the trainer's own steps, on a copy, and nothing left behind."""

import copy
import json
import math

import pytest
import torch
from torch import nn
from torch.nn.utils import prune

from mnistkit import Trainer, create_model
from mnistkit.errors import ConfigError, SplitLeakError
from mnistkit.training import Callback, find_learning_rate
from mnistkit.types import StepOutput


@pytest.fixture
def data(small):
    return small.train


def trainer_of(model="softmax_regression", kind=Trainer, **options):
    module = create_model(model) if isinstance(model, str) else model
    return kind(module, batch_size=32, device="cpu", progress=False, **options)


def test_the_rates_grow_by_equal_factors_and_the_losses_are_those_of_training(data):
    trainer = trainer_of(optimizer="sgd")
    sweep = find_learning_rate(trainer, data, start=1e-4, end=1e-2, steps=21)
    assert sweep.rates == pytest.approx([1e-4 * 10 ** (step / 10) for step in range(21)])
    # The same steps by hand.
    twin = copy.deepcopy(trainer.model)
    from mnistkit import TensorLoader

    loader, losses, epoch = TensorLoader(data, 32, shuffle=True), [], 0
    while len(losses) < 21:
        for images, labels in loader.batches(epoch):
            loss = nn.functional.cross_entropy(twin(images), labels)
            twin.zero_grad()
            loss.backward()
            with torch.no_grad():
                for parameter in twin.parameters():
                    parameter -= sweep.rates[min(len(losses), 20)] * parameter.grad
            losses.append(loss.item())
        epoch += 1
    assert sweep.losses == pytest.approx(losses[:21], rel=1e-5)
    assert json.loads(json.dumps(sweep.to_json()))["losses"] == list(sweep.losses)


def test_model_trainer_and_generators_are_as_if_nothing_had_happened(data):
    calls = []

    class Watch(Callback):
        def on_fit_start(self, trainer):
            calls.append("start")

        def on_step_end(self, trainer):
            calls.append("step")

    model = create_model("lenet5", dropout=0.5)
    trainer = trainer_of(model, callbacks=[Watch()], augment=lambda images, generator: images)
    weights = copy.deepcopy(model.state_dict())
    generator = torch.get_rng_state()
    callbacks, state = trainer.callbacks, trainer.state
    find_learning_rate(trainer, data, steps=12)
    assert calls == []
    assert all(torch.equal(weights[name], value) for name, value in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())
    assert torch.equal(torch.get_rng_state(), generator)
    assert trainer.callbacks is callbacks
    assert trainer.state is state
    assert trainer.state.step == 0
    assert trainer.train_data is None
    assert trainer.optimizers == {}
    assert model.training


def test_training_afterwards_is_the_same_as_without(data):
    def history(sweep):
        torch.manual_seed(3)
        trainer = trainer_of(lr=0.01)
        if sweep:
            find_learning_rate(trainer, data, steps=15)
        return trainer.fit(data, epochs=2)

    assert history(True) == history(False)


def test_a_trained_models_weights_and_optimizer_are_where_the_sweep_starts(data):
    model = create_model("softmax_regression")
    trainer = trainer_of(model, optimizer=torch.optim.Adam(model.parameters(), lr=0.01))
    trainer.fit(data, epochs=5)
    state = copy.deepcopy(trainer.optimizer.state_dict())
    weights = copy.deepcopy(model.state_dict())
    sweep = find_learning_rate(trainer, data, steps=10, end=1e-5)
    assert sweep.losses[0] < 1.0
    assert all(torch.equal(weights[name], value) for name, value in model.state_dict().items())
    for before, after in zip(state["state"].values(), trainer.optimizer.state_dict()["state"].values(), strict=True):
        assert all(torch.equal(before[name], after[name]) for name in before)
    assert trainer.optimizer.param_groups[0]["lr"] == state["param_groups"][0]["lr"]
    assert trainer.state.epoch == 5
    assert trainer.train_data is data


def test_the_trainers_own_step_is_taken(data):
    class Own(Trainer):
        def training_step(self, batch):
            logits = self.model(batch.images)
            return StepOutput(7 + 0 * logits.sum(), logits)

        def learning_rate(self, step, total):
            raise AssertionError("the sweep has rates of its own")

    sweep = find_learning_rate(trainer_of(kind=Own), data, steps=10)
    assert sweep.losses == pytest.approx([7.0] * 10)


def test_a_pruned_model_is_swept_on_a_copy_too(data):
    model = create_model("softmax_regression")
    layer = next(module for module in model.modules() if isinstance(module, nn.Linear))
    prune.l1_unstructured(layer, "weight", 0.5)
    before = layer.weight_orig.detach().clone()
    assert len(find_learning_rate(trainer_of(model), data, steps=20).losses) > 10
    assert torch.equal(layer.weight_orig, before)


def test_it_ends_when_the_loss_explodes(data):
    sweep = find_learning_rate(trainer_of(optimizer="sgd"), data, start=1e-3, end=1e6, steps=60)
    assert 10 <= len(sweep.rates) < 60
    assert len(sweep.losses) == len(sweep.smoothed) == len(sweep.rates)
    assert sweep.smoothed[-1] > 3 * min(sweep.smoothed)
    assert sweep.rates[0] < sweep.suggestion < sweep.rates[-1]


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_loss_that_is_no_number_ends_it_too(data, value):
    class Breaks(Trainer):
        def loss(self, logits, labels):
            loss = super().loss(logits, labels)
            return loss * value if self.state.step >= 14 else loss

    sweep = find_learning_rate(trainer_of(kind=Breaks), data, steps=50)
    assert len(sweep.rates) == 14
    assert all(map(math.isfinite, sweep.smoothed))


def test_what_the_loop_does_not_notice_is_noticed(data, monkeypatch):
    """On a GPU the loop looks at the loss only now and then."""
    monkeypatch.setattr(Trainer, "require_finite", lambda self: None)

    class Breaks(Trainer):
        def loss(self, logits, labels):
            return super().loss(logits, labels) * (math.nan if self.state.step >= 12 else 1)

    sweep = find_learning_rate(trainer_of(kind=Breaks), data, steps=50)
    assert len(sweep.losses) == 12
    assert all(map(math.isfinite, sweep.losses))


def test_an_explosion_at_once_says_what_to_do(data):
    with pytest.raises(ConfigError, match=r"the loss exploded within \d steps; begin with a smaller start="):
        find_learning_rate(trainer_of("lenet5", optimizer="sgd"), data, start=1e8, end=1e30, steps=50)


def test_an_optimizer_bound_to_the_model_is_refused(data):
    model = create_model("softmax_regression")
    trainer = trainer_of(model, optimizer=lambda _: torch.optim.SGD(model.parameters(), lr=0.1))
    weights = copy.deepcopy(model.state_dict())
    with pytest.raises(ConfigError, match="a function must use the parameters that it is given"):
        find_learning_rate(trainer, data, steps=10)
    assert all(torch.equal(weights[name], value) for name, value in model.state_dict().items())


@pytest.mark.parametrize(
    "options", [{"start": 0.0}, {"start": 1.0, "end": 0.1}, {"end": math.inf}, {"steps": 9}, {"start": math.nan}]
)
def test_a_sweep_that_makes_no_sense_is_refused(data, options):
    with pytest.raises(ConfigError, match="expected 0 < start < end, and at least 10 steps"):
        find_learning_rate(trainer_of(), data, **options)


def test_test_images_are_refused(small):
    with pytest.raises(SplitLeakError, match="as training data"):
        find_learning_rate(trainer_of(), small.test, steps=10)


def test_several_processes_are_refused(data, monkeypatch):
    from mnistkit.distributed import World

    monkeypatch.setattr(World, "current", classmethod(lambda cls: cls(0, 2)))
    with pytest.raises(ConfigError, match="runs in one process; start it without torchrun"):
        find_learning_rate(trainer_of(), data)


def sweep_of(losses, data, **options):
    """Of a trainer whose step after step has these losses."""

    class Scripted(Trainer):
        def training_step(self, batch):
            logits = self.model(batch.images)
            return StepOutput(losses[self.state.step] + 0 * logits.sum(), logits)

    return find_learning_rate(trainer_of(kind=Scripted), data, steps=len(losses), **options)


def test_smoothing_keeps_lines_and_does_not_lag(data):
    assert sweep_of([5.0] * 30, data).smoothed == pytest.approx([5.0] * 30)
    line = [100.0 + number for number in range(60)]
    assert sweep_of(line, data).smoothed[10:-10] == pytest.approx(line[10:-10])


def test_one_outlier_is_smoothed_away(data):
    losses = [5.0] * 80
    losses[40] = 6.0
    smoothed = sweep_of(losses, data).smoothed
    assert max(smoothed) == smoothed[40] == pytest.approx(5.2, abs=0.05)
    assert smoothed[39] == pytest.approx(smoothed[41])


def test_the_suggestion_is_the_steepest_place_before_the_minimum(data):
    # Falls as a smooth step around number 20, then rises; falls again, steeper, where it is too late.
    losses = [2 - math.tanh((number - 20) / 4) for number in range(40)] + [3.4 - number / 4 for number in range(9)]
    sweep = sweep_of(losses, data, start=1e-5, end=0.1)
    assert len(sweep.rates) == len(losses)
    assert sweep.suggestion == sweep.rates[20]
