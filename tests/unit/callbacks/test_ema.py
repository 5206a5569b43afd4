"""Averaged weights: the formula, the buffers, and where they are used."""

import threading

import pytest
import torch
from torch import nn
from torch.ao import quantization
from torch.nn.utils import parametrizations, prune

from mnistkit import Checkpoint, Trainer, create_model, load_model
from mnistkit.callbacks import EMA
from mnistkit.errors import ConfigError
from mnistkit.training import Callback


@pytest.fixture
def data(small):
    return small.train.take_per_class(4), small.validation.take_per_class(1)


def normed():
    torch.manual_seed(0)
    return nn.Sequential(nn.BatchNorm2d(1), nn.Flatten(), nn.Linear(784, 10))


class Steps(Callback):
    """The weights and buffers before the first step and after each."""

    def __init__(self):
        self.states = []

    def on_fit_start(self, trainer):
        self.states = [copy(trainer.model)]

    def on_step_end(self, trainer):
        self.states.append(copy(trainer.model))


def copy(model):
    return {name: value.clone() for name, value in model.state_dict().items()}


def fit(data, *callbacks, model=None, epochs=3, **options):
    trainer = Trainer(model or normed(), callbacks=callbacks, batch_size=10, lr=0.01, progress=False)
    trainer.fit(*data, epochs=epochs, **options)
    return trainer


@pytest.mark.parametrize("decay", [0.0, 0.3, 0.5, 0.999])
def test_the_average_is_that_of_the_formula(data, decay):
    steps = Steps()
    trainer = fit(data, steps, EMA(decay))
    names = [name for name, _ in trainer.model.named_parameters()]
    average = {name: steps.states[0][name].double() for name in names}
    for number, state in enumerate(steps.states[1:], 1):
        kept = min(decay, (1 + number) / (10 + number))
        average = {name: kept * average[name] + (1 - kept) * state[name] for name in names}
    assert len(steps.states) == 13
    for name in names:
        torch.testing.assert_close(trainer.model.state_dict()[name].double(), average[name], rtol=1e-5, atol=1e-6)


def test_buffers_are_copied(data):
    steps = Steps()
    trainer = fit(data, steps, EMA(0.9))
    for name, buffer in trainer.model.named_buffers():
        assert torch.equal(buffer, steps.states[-1][name])
    assert int(trainer.model[0].num_batches_tracked) == 12


def test_the_average_is_evaluated_and_the_weights_are_trained(data):
    ema, seen = EMA(0.9), []

    class Look(Callback):
        def on_epoch_end(self, trainer):
            averaged = Trainer(ema.model, progress=False).evaluate(data[1]).loss
            trained = Trainer(trainer.model, progress=False).evaluate(data[1]).loss
            seen.append((trainer.state.validation.loss == averaged, averaged == trained))
            assert trainer.inference_model is ema.model is not trainer.model

    trainer = fit(data, ema, Look())
    assert seen == [(True, False)] * 3
    assert trainer.inference_model is trainer.model


def test_averaging_does_not_change_what_is_trained(data):
    plain, averaged = Steps(), Steps()
    fit(data, plain)
    fit(data, averaged, EMA(0.9))
    assert all(torch.equal(a[name], b[name]) for a, b in zip(plain.states, averaged.states, strict=True) for name in a)


def test_the_best_file_holds_the_average_and_the_model_gets_it_in_the_end(tmp_path, data):
    seen = {}

    class Look(Callback):
        def on_checkpoint(self, trainer):
            if trainer.state.batch == 0:
                seen[trainer.state.epoch] = copy(trainer.inference_model)

    checkpoint = Checkpoint(tmp_path, monitor="val_loss")
    trainer = fit(data, EMA(0.9), Look(), checkpoint, model=create_model("softmax_regression"))
    best = min(range(3), key=lambda epoch: trainer.state.history["val_loss"][epoch]) + 1
    for name, value in load_model(checkpoint.best_path).state_dict().items():
        assert torch.equal(value, seen[best][name])
    for name, value in trainer.model.state_dict().items():
        assert torch.equal(value, seen[3][name])
    assert trainer.evaluate(data[1]).loss == trainer.state.history.last["val_loss"]


def test_the_model_gets_the_average_also_after_an_error(data):
    ema, seen = EMA(0.9), {}

    class Fail(Callback):
        def on_step_end(self, trainer):
            seen.update(copy(trainer.inference_model))
            if trainer.state.step == 5:
                raise LookupError

    model = normed()
    with pytest.raises(LookupError):
        fit(data, ema, Fail(), model=model)
    assert all(torch.equal(value, seen[name]) for name, value in model.state_dict().items())


def test_a_second_fit_averages_anew(data):
    trainer = fit(data, EMA(0.9), epochs=2)
    fresh = Trainer(normed(), callbacks=[EMA(0.9)], batch_size=10, lr=0.01, progress=False)
    fresh.model.load_state_dict(trainer.model.state_dict())
    trainer.fit(*data, epochs=2)
    fresh.fit(*data, epochs=2)
    for name, value in trainer.model.state_dict().items():
        assert torch.equal(value, fresh.model.state_dict()[name])


class Adapting(Trainer):
    """Evaluates the network after one step of gradient descent on half of each batch (Finn et al. 2017, algorithm 1)."""

    def evaluation_step(self, batch):
        half, network = len(batch.images) // 2, self.inference_model
        weights = dict(network.named_parameters())
        with torch.enable_grad():
            loss = self.loss(network(batch.images[:half]), batch.labels[:half])
            slopes = torch.autograd.grad(loss, list(weights.values()))
        adapted = {name: weight - 0.1 * slope for (name, weight), slope in zip(weights.items(), slopes, strict=True)}
        return self.loss(torch.func.functional_call(network, adapted, (batch.images[half:],)), batch.labels[half:])


def test_an_evaluation_that_adapts_the_weights_adapts_the_average_too(data):
    seen = {}
    for decay in (0.0, 0.9):
        trainer = Adapting(normed(), callbacks=[EMA(decay)], batch_size=10, lr=0.01, progress=False)
        seen[decay] = trainer.fit(*data, epochs=1).last["val_loss"]
    plain = Adapting(normed(), batch_size=10, lr=0.01, progress=False).fit(*data, epochs=1).last["val_loss"]
    assert seen[0.0] == pytest.approx(plain) != pytest.approx(seen[0.9])


class MeanTeacher(Trainer):
    """Has a slow copy of its own evaluated."""

    def on_fit_start(self):
        self.inference_model = normed().requires_grad_(False)


def test_a_trainer_that_has_another_network_evaluated_is_told_that_one_of_the_two_would_be_in_vain(data):
    trainer = MeanTeacher(normed(), callbacks=[EMA()], progress=False)
    with pytest.raises(
        ConfigError, match=r"so has the MeanTeacher or another callback a Sequential, as inference_model; on"
    ):
        trainer.fit(*data, epochs=1)
    assert trainer.state.step == 0
    assert len(MeanTeacher(normed(), progress=False).fit(*data, epochs=1)) == 1


@pytest.mark.parametrize("hook", ["on_fit_start", "on_step_end", "on_epoch_end"])
def test_a_callback_that_takes_the_place_of_the_average_is_not_mixed_into_it(data, at, hook):
    other = normed().requires_grad_(False)
    before = copy(other)

    def take(trainer):
        trainer.inference_model = other

    with pytest.raises(ConfigError, match="Leave EMA out, or leave inference_model alone"):
        fit(data, EMA(0.5), at(hook, take, "take"))
    assert all(torch.equal(value, before[name]) for name, value in other.state_dict().items())


def test_before_a_fit_there_is_nothing_to_save_or_to_end():
    ema = EMA()
    assert ema.state_dict() == {"updates": 0, "weights": None}
    ema.load_state_dict(ema.state_dict())
    trainer = Trainer(normed(), progress=False)
    before = copy(trainer.model)
    ema.on_fit_end(trainer)
    assert all(torch.equal(value, before[name]) for name, value in trainer.model.state_dict().items())


@pytest.mark.parametrize("decay", [-0.1, 1.0, 2.0, float("nan")])
def test_a_decay_outside_0_to_1_is_refused(decay):
    with pytest.raises(ConfigError, match=f"decay is {decay}, expected from 0 to just under 1"):
        EMA(decay)


# ---- models of other kinds ------------------------------------------------------------------------------------------


def quantised():
    """Quantisation-aware training: the observers' buffers grow with the first images."""
    torch.manual_seed(0)
    layers = nn.Sequential(quantization.QuantStub(), nn.Conv2d(1, 2, 5, 4), nn.Flatten(), nn.Linear(72, 10))
    model = nn.Sequential(layers, quantization.DeQuantStub()).train()
    model.qconfig = quantization.get_default_qat_qconfig("x86")
    return quantization.prepare_qat(model)


def pruned():
    model = normed()
    prune.l1_unstructured(model[2], "weight", 0.5)
    return model


def parametrised():
    model = normed()
    parametrizations.spectral_norm(model[2])
    return model


def weight_normed():
    model = normed()
    nn.utils.weight_norm(model[2])
    return model


@pytest.mark.filterwarnings(
    "ignore:torch.ao.quantization is deprecated", "ignore:.*weight_norm.* is deprecated", "ignore:.*reduce_range"
)
@pytest.mark.parametrize("make", [quantised, pruned, parametrised, weight_normed])
def test_models_that_torch_changed_are_averaged_and_resumed(tmp_path, data, make):
    def run(folder, epochs, **options):
        return fit(data, EMA(0.5), Checkpoint(tmp_path / folder), model=make(), epochs=epochs, **options)

    whole, first = run("whole", 2), run("halves", 1)
    resumed = run("halves", 2, resume=tmp_path / "halves/last.safetensors")
    assert resumed.state.history == whole.state.history
    for name, value in resumed.model.state_dict().items():
        assert torch.equal(value, whole.model.state_dict()[name])
    assert first.classifier().logits(data[1]).shape == (10, 10)


def test_a_layer_that_is_pruned_on_the_way_is_averaged_from_then_on(data, at):
    ema, seen = EMA(0.9), {}

    def prune_now(trainer):
        if trainer.state.step == 5:
            seen["before"] = copy(ema.model)
            prune.l1_unstructured(trainer.model[2], "weight", 0.5)

    def look(trainer):
        if trainer.state.step == 5:
            seen["average"], seen["trained"] = copy(ema.model), copy(trainer.model)

    trainer = fit(data, at("on_step_end", prune_now, "prune"), ema, at("on_step_end", look, "look"))
    before, average, trained = seen["before"], seen["average"], seen["trained"]
    assert torch.equal(average["2.weight_orig"], trained["2.weight_orig"])
    assert torch.equal(average["2.weight_mask"], trained["2.weight_mask"])
    for name in ("0.weight", "0.bias", "2.bias"):
        torch.testing.assert_close(average[name], before[name].lerp(trained[name], 9 / 15))
    trainer.evaluate(data[1])
    assert float((trainer.model[2].weight == 0).float().mean()) == 0.5


class Changing(nn.Module):
    """After each third batch a buffer is longer, after each fifth one is another tensor; the seventh brings a new one."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Sequential(nn.Flatten(), nn.Linear(784, 10))
        self.batches = 0
        self.register_buffer("longer", torch.zeros(1))
        self.register_buffer("other", torch.zeros(()))

    def forward(self, images):
        self.batches += self.training
        if self.training and self.batches % 3 == 0:
            self.longer.resize_(len(self.longer) + 1).fill_(self.batches)
        if self.training and self.batches % 5 == 0:
            self.other = torch.tensor(float(self.batches))
        if self.training and self.batches == 7:
            self.register_buffer("late", torch.ones(2))
        return self.layer(images)


def test_what_the_model_gets_in_the_middle_of_an_epoch_is_in_the_average_too(data, at):
    ema, others = EMA(0.5), []

    def look(trainer):
        assert torch.equal(ema.model.longer, trainer.model.longer)
        others.append(float(ema.model.other))

    def evaluated(trainer):
        assert copy(ema.model).keys() == copy(trainer.model).keys()

    trainer = fit(
        data, ema, at("on_step_end", look, "look"), at("on_eval_end", evaluated, "evaluated"), model=Changing()
    )
    assert others == [0] * 4 + [5] * 5 + [10] * 3
    assert torch.equal(trainer.model.late, torch.ones(2))


def test_an_error_before_the_first_average_of_new_buffers_is_the_error_that_is_seen(data):
    class Growing(nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("seen", None)
            self.layer = nn.Linear(784, 10)

        def forward(self, images):
            self.seen = images.flatten(1).mean(0)
            raise LookupError

    model = Growing()
    with pytest.raises(LookupError):
        fit(data, EMA(0.5), model=model)
    assert model.seen.shape == (784,)


class Locked(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Flatten(), nn.Linear(784, 10))
        self.lock = threading.Lock()


def test_a_model_that_cannot_be_copied_is_refused_with_what_to_do(data):
    with pytest.raises(ConfigError, match=r"this Locked cannot be copied \(.*lock.*\)\. .*__deepcopy__"):
        fit(data, EMA(), model=Locked())
    # Training alone copies nothing.
    with pytest.raises(ConfigError, match="this Locked cannot be copied"):
        fit(data, model=Locked()).classifier()


def test_a_model_that_has_no_shape_yet_is_refused_with_what_to_do(data):
    lazy = nn.Sequential(nn.Flatten(), nn.LazyLinear(10))
    with pytest.raises(ConfigError, match=r"1\.weight has no shape yet: .* model\(images\)"):
        fit(data, EMA(), model=lazy)
    lazy(torch.zeros(1, 1, 28, 28))
    fit(data, EMA(), model=lazy, epochs=1)
