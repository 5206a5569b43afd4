"""Optimizers by name, function and object; several in one run; their learning rates."""

import copy
import functools
import pickle

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from mnistkit import Trainer, create_model
from mnistkit.errors import ConfigError
from mnistkit.training import Callback, list_optimizers
from mnistkit.training.optimizers import make_optimizer
from mnistkit.types import StepOutput


def mlp():
    torch.manual_seed(0)
    return create_model("mlp", hidden=(8,))


def weights(model):
    return nn.utils.parameters_to_vector(model.parameters()).detach().clone()


@pytest.fixture
def train(small):
    return small.train.take_per_class(6)


def torchs_own(name):
    """The class of torch that a name stands for."""
    (found,) = (kind for kind in vars(torch.optim).values() if getattr(kind, "__name__", "").lower() == name)
    return found


@pytest.mark.parametrize("name", list_optimizers())
def test_every_optimizer_by_name_computes_as_torchs_own_with_its_defaults(train, name):
    def run(optimizer):
        model = mlp()
        trainer = Trainer(model, optimizer=optimizer, lr=0.05, batch_size=10, progress=False)
        trainer.fit(train, epochs=3)
        return trainer, weights(model)

    kind = torchs_own(name)
    fused = {"fused": True} if name in ("adam", "adamw", "adagrad", "sgd") else {}
    (named, by_name), (own, by_class) = run(name), run(lambda parameters: kind(parameters, lr=0.05, **fused))
    assert torch.equal(by_name, by_class)
    assert isinstance(named.optimizer, kind)
    assert type(named.optimizer).__name__ == kind.__name__
    assert {**named.optimizer.param_groups[0], "params": 0} == {**own.optimizer.param_groups[0], "params": 0}
    losses = named.state.history["train_loss"]
    assert losses[-1] < losses[0]


@pytest.mark.parametrize("name", list_optimizers())
def test_an_optimizer_by_name_does_all_that_torchs_own_does(name):
    steps, model = [], mlp()
    first, *rest = model.parameters()
    optimizer = make_optimizer(name, [first], 0.01)
    optimizer.add_param_group({"params": rest, "lr": 0.02})
    optimizer.register_step_pre_hook(lambda *_: steps.append("before"))
    optimizer.register_step_post_hook(lambda *_: steps.append("after"))

    def closure():
        optimizer.zero_grad()
        loss = model(torch.ones(2, 784)).square().sum()
        loss.backward()
        return loss

    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=2, gamma=0.1)
    losses = []
    for _ in range(2):
        losses.append(float(optimizer.step(closure).detach()))
        scheduler.step()
    assert losses[0] != losses[1]
    assert steps == ["before", "after"] * 2
    saved = torchs_own(name)([{"params": [first]}, {"params": rest}], lr=0.5)
    saved.load_state_dict(optimizer.state_dict())
    for twin in (saved, copy.deepcopy(optimizer), pickle.loads(pickle.dumps(optimizer))):
        assert [group["lr"] for group in twin.param_groups] == pytest.approx([0.001, 0.002])
        assert len(twin.state) == len(optimizer.state)
    with pytest.raises(TypeError, match="can only optimize Tensors"):
        optimizer.add_param_group({"params": [1.0]})


@pytest.mark.parametrize("name", ["adam", "adamw", "adagrad", "sgd"])
def test_the_fused_form_computes_the_same_update(name):
    plain, fused = mlp(), mlp()
    by_name = make_optimizer(name, fused.parameters(), 0.01)
    own = type(by_name)(plain.parameters(), lr=0.01)
    assert by_name.param_groups[0]["fused"]
    for model, optimizer in ((fused, by_name), (plain, own)):
        for _ in range(3):
            optimizer.zero_grad()
            model(torch.ones(2, 784)).square().sum().backward()
            optimizer.step()
    torch.testing.assert_close(weights(fused), weights(plain), rtol=1e-4, atol=1e-5)


def test_an_optimizer_on_another_kind_of_device_is_not_fused():
    (parameter,) = nn.Linear(2, 2, bias=False, device="meta").parameters()
    assert not make_optimizer("adam", [parameter], 0.01).param_groups[0]["fused"]


@pytest.mark.parametrize(
    ("optimizer", "options", "message"),
    [
        ("adan", {}, r"unknown optimizer 'adan'; did you mean 'adam'\? Available: adadelta, .*sgd$"),
        (
            "adamax",
            {},
            r"unknown optimizer 'adamax'.*; torch's own is given as a class, optimizer=torch\.optim\.Adamax$",
        ),
        ("sgd", {"momentm": 0.9}, "unknown option of sgd 'momentm'; did you mean 'momentum'"),
        ("sgd", {"momentum": -1}, "sgd cannot be made with {'momentum': -1}: Invalid momentum"),
        (None, {}, r"optimizer is None, expected a name \(adam, .*a function from the parameters"),
    ],
)
def test_what_can_be_no_optimizer_is_refused_where_the_trainer_is_made(optimizer, options, message):
    with pytest.raises(ConfigError, match=message):
        Trainer(mlp(), optimizer=optimizer, optimizer_options=options, progress=False)


class OfMatrices(torch.optim.SGD):
    """Takes what Muon takes."""

    def __init__(self, parameters):
        super().__init__(parameters, lr=0.1)
        if any(parameter.ndim != 2 for group in self.param_groups for parameter in group["params"]):
            raise ValueError("only supports 2D parameters")


@pytest.mark.parametrize(
    ("optimizer", "reason"),
    [(OfMatrices, "only supports 2D parameters"), (functools.partial(torch.optim.SGD, momentm=0.9), ".*'momentm'")],
)
def test_an_optimizer_that_does_not_take_the_models_parameters_is_refused_with_what_to_do(train, optimizer, reason):
    trainer = Trainer(mlp(), optimizer=optimizer, progress=False)
    with pytest.raises(
        ConfigError, match=f"no optimizer of the parameters of this MLP: {reason}.*override configure_opt"
    ):
        trainer.fit(train, epochs=1)


def test_an_error_of_the_librarys_own_in_a_function_for_the_optimizer_goes_through(train):
    def refused(parameters):
        raise ConfigError("mine")

    with pytest.raises(ConfigError, match=r"^mine$"):
        Trainer(mlp(), optimizer=refused, progress=False).fit(train, epochs=1)


def test_a_name_a_function_and_an_object_give_the_same_weights(train):
    def run(optimizer):
        model = mlp()
        chosen = optimizer(model) if callable(optimizer) and optimizer.__name__ == "of_model" else optimizer
        Trainer(model, optimizer=chosen, lr=0.05, batch_size=10, progress=False).fit(train, epochs=1)
        return weights(model)

    def of_model(model):
        return torch.optim.SGD(model.parameters(), lr=0.7, fused=True)

    named = run("sgd")
    assert torch.equal(run(lambda parameters: torch.optim.SGD(parameters, lr=0.3, fused=True)), named)
    assert torch.equal(run(of_model), named)


def test_without_lr_an_optimizer_keeps_its_own_and_a_name_has_0_001(train):
    model = mlp()
    chosen = torch.optim.SGD(model.parameters(), lr=0.123)
    assert Trainer(model, optimizer=chosen, progress=False).fit(train, epochs=1)["lr"] == [0.123]
    assert chosen.param_groups[0]["lr"] == 0.123
    function = Trainer(model, optimizer=lambda p: torch.optim.SGD(p, lr=0.045), progress=False)
    assert function.fit(train, epochs=1)["lr"] == [0.045]
    assert Trainer(model, progress=False).fit(train, epochs=1)["lr"] == [0.001]


def test_lr_overrides_what_an_optimizer_says(train):
    model = mlp()
    chosen = torch.optim.SGD(model.parameters(), lr=0.123)
    assert Trainer(model, optimizer=chosen, lr=0.5, progress=False).fit(train, epochs=1)["lr"] == [0.5]
    assert chosen.param_groups[0]["lr"] == 0.5


def test_a_parameter_group_gets_its_multiple_of_the_learning_rate(train, at):
    seen = []
    look = at("on_step_end", lambda t: seen.append([group["lr"] for group in t.optimizer.param_groups]))
    model = mlp()
    first, second = model.layers[0].parameters(), model.layers[2].parameters()
    optimizer = torch.optim.SGD([{"params": [*first]}, {"params": [*second], "lr_scale": 0.1}], lr=1.0)
    Trainer(
        model, optimizer=optimizer, lr=lambda step, total: 0.5**step, batch_size=20, progress=False, callbacks=[look]
    ).fit(train, epochs=1)
    assert seen == [pytest.approx([rate, rate / 10]) for rate in (1.0, 0.5, 0.25)]


def test_an_object_keeps_its_momentum_for_a_second_fit_and_a_name_begins_anew(train):
    model = mlp()
    chosen = torch.optim.Adam(model.parameters())
    trainer = Trainer(model, optimizer=chosen, batch_size=20, progress=False)
    for steps in (3, 6):
        trainer.fit(train, epochs=1)
        assert {int(state["step"]) for state in chosen.state.values()} == {steps}
    named = Trainer(model, batch_size=20, progress=False)
    for _ in range(2):
        named.fit(train, epochs=1)
        assert {int(state["step"]) for state in named.optimizer.state.values()} == {3}


class Duel(nn.Module):
    """Two networks, each with its own optimizer."""

    def __init__(self):
        super().__init__()
        self.maker = nn.Linear(4, 784)
        self.judge = nn.Linear(784, 1)


class DuelTrainer(Trainer):
    """A GAN in small: the judge is updated inside the step, the maker at its end."""

    updates = ("judge",)

    def configure_optimizer(self):
        return {name: torch.optim.SGD(part.parameters(), lr=0.1) for name, part in self.model.named_children()}

    def training_step(self, batch):
        made = self.model.maker(torch.randn(len(batch.images), 4))
        for name in self.updates:
            judged = (
                F.softplus(self.model.judge(made.detach())).mean()
                + F.softplus(-self.model.judge(batch.images.flatten(1))).mean()
            )
            self.step_optimizer(name, judged)
        return StepOutput(F.softplus(-self.model.judge(made)).mean())


def count_steps(counts):
    """Has every optimizer of a run count its updates, in order."""

    class Count(Callback):
        def on_fit_start(self, trainer):
            for name, optimizer in trainer.optimizers.items():
                optimizer.register_step_post_hook(lambda *_, name=name: counts.append(name))

    return Count()


def test_two_optimizers_are_each_stepped_once_in_every_step(train):
    changed, steps = [], []

    class Look(Callback):
        def on_gradients(self, trainer):
            self.before = [weights(part) for part in trainer.model.children()]

        def on_step_end(self, trainer):
            after = [weights(part) for part in trainer.model.children()]
            changed.append([not torch.equal(a, b) for a, b in zip(self.before, after, strict=True)])

    trainer = DuelTrainer(Duel(), batch_size=30, progress=False, callbacks=[count_steps(steps), Look()])
    history = trainer.fit(train, epochs=1)
    assert steps == ["judge", "maker"] * 2
    assert changed == [[True, False]] * 2
    assert list(trainer.optimizers) == ["maker", "judge"]
    assert history.columns == ["epoch", "step", "lr", "train_loss"]


def test_one_optimizer_may_be_updated_several_times_in_a_step(train):
    class Critic(DuelTrainer):
        updates = ("judge",) * 3

    steps = []
    Critic(Duel(), batch_size=30, progress=False, callbacks=[count_steps(steps)]).fit(train, epochs=1)
    assert steps == ["judge", "judge", "judge", "maker"] * 2


def test_an_update_clips_and_clears_the_gradients_of_its_optimizer(train):
    before, after = [], []

    class Clipped(DuelTrainer):
        def configure_optimizer(self):
            optimizers = super().configure_optimizer()
            judge = self.model.judge
            optimizers["judge"].register_step_pre_hook(
                lambda *_: before.append(float(torch.cat([p.grad.flatten() for p in judge.parameters()]).norm()))
            )
            return optimizers

        def training_step(self, batch):
            output = super().training_step(batch)
            after.extend(parameter.grad for parameter in self.model.judge.parameters())
            return output

    Clipped(Duel(), clip_norm=1e-3, batch_size=30, progress=False).fit(train, epochs=1)
    assert before == pytest.approx([1e-3] * 2, rel=1e-2)
    assert after == [None] * 4


def test_an_update_of_an_unknown_optimizer_is_refused_with_the_likeliest_meant_one(train):
    class Wrong(DuelTrainer):
        updates = ("jugde",)

    with pytest.raises(ConfigError, match=r"unknown optimizer 'jugde'; did you mean 'judge'\? Available: judge, maker"):
        Wrong(Duel(), progress=False).fit(train, epochs=1)


def test_an_overridden_optimizer_step_decides_alone(train):
    class Sam(Trainer):
        """Sharpness-aware minimisation, in small: the gradient is taken a little uphill."""

        def training_step(self, batch):
            self.batch = batch
            return super().training_step(batch)

        def optimizer_step(self):
            parameters = [p for p in self.model.parameters() if p.grad is not None]
            uphill = [0.05 * p.grad / p.grad.norm().clamp(min=1e-12) for p in parameters]
            with torch.no_grad():
                torch._foreach_add_(parameters, uphill)
            self.optimizer.zero_grad()
            self.backward(super().training_step(self.batch).loss)
            with torch.no_grad():
                torch._foreach_sub_(parameters, uphill)
            super().optimizer_step()

    history = Sam(mlp(), lr=0.01, batch_size=10, progress=False).fit(train, epochs=5)
    assert history["train_loss"][-1] < 0.9 * history["train_loss"][0]


def test_an_update_inside_a_step_of_several_batches_is_refused(train):
    trainer = DuelTrainer(Duel(), batch_size=30, accumulate=2, progress=False)
    with pytest.raises(
        ConfigError, match=r"step_optimizer\('judge'\) inside a step of 2 batches; it needs accumulate=1"
    ):
        trainer.fit(train, epochs=1)
