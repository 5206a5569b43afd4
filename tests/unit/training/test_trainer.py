"""What `Trainer` computes: steps, updates, evaluation, and which data it takes."""

import copy
import io
import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, Dataset, TensorDataset

from mnistkit import Augment, Checkpoint, DigitDataset, Predictor, TensorLoader, Trainer, create_model, load_model
from mnistkit.callbacks import EMA, ProgressBar
from mnistkit.data import CombinedLoader, LoaderAdapter
from mnistkit.distributed import World
from mnistkit.errors import ConfigError, DataError, NonFiniteLossError
from mnistkit.training import Cosine
from mnistkit.types import StepOutput


def softmax(**options):
    return Trainer(create_model("softmax_regression"), **{"batch_size": 10, "progress": False} | options)


def weights(model):
    return nn.utils.parameters_to_vector(model.parameters()).detach().clone()


def pairs(data):
    """The images as a tensor data set of torch's own, and their labels."""
    return TensorDataset(data.preprocessing.normalize(data.images), data.labels)


@pytest.fixture
def train(small):
    return small.train.take_per_class(6)


@pytest.fixture
def validation(small):
    return small.validation.take_per_class(3)


# ---- how long it learns ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("epochs", "steps"), [(0.5, [3]), (1.5, [6, 9]), (2.1, [6, 12, 13]), (0.01, [1]), (1.01, [6])])
def test_the_last_epoch_may_be_a_part_of_one(train, validation, epochs, steps):
    class Recording(Trainer):
        def learning_rate(self, step, total):
            totals.append(total)
            return super().learning_rate(step, total)

    totals = []
    trainer = Recording(create_model("softmax_regression"), batch_size=10, progress=False)
    history = trainer.fit(train, validation, epochs=epochs)
    assert history["step"] == steps
    assert len(history["val_accuracy"]) == len(history["train_accuracy"]) == len(steps)
    assert totals == [steps[-1]] * steps[-1]


def test_a_part_of_an_epoch_is_the_beginning_of_a_whole_one(train, at):
    stop = at("on_step_end", lambda t: t.state.step == 9 and t.stop("here"))
    stopped, partial = softmax(callbacks=[stop]), softmax()
    partial.model.load_state_dict(stopped.model.state_dict())
    stopped.fit(train, epochs=3)
    partial.fit(train, epochs=1.5)
    assert torch.equal(weights(stopped.model), weights(partial.model))


def test_a_part_of_an_epoch_counts_updates_not_batches(train):
    history = softmax(accumulate=2).fit(train, epochs=4 / 3)
    assert history["step"] == [3, 4]


# ---- what it learns -------------------------------------------------------------------------------------------------


def test_a_fit_learns_and_reports_each_epoch(small):
    trainer = softmax(lr=0.01)
    history = trainer.fit(small.train, small.validation, epochs=4)
    assert history.columns == ["epoch", "step", "lr", "train_loss", "train_accuracy", "val_loss", "val_accuracy"]
    assert history["epoch"] == [1, 2, 3, 4]
    assert history["step"] == [30, 60, 90, 120]
    assert history["train_loss"] == sorted(history["train_loss"], reverse=True)
    assert trainer.evaluate(small.test).accuracy > 0.7
    assert trainer.state.history is history


def test_the_training_figures_are_the_means_over_the_epochs_images(train):
    losses, correct = [], []

    class Recording(Trainer):
        def training_step(self, batch):
            output = super().training_step(batch)
            losses.append(output.loss.item() * len(batch.labels))
            correct.append(int((output.logits.argmax(1) == batch.labels).sum()))
            return output

    history = Recording(create_model("softmax_regression"), batch_size=16, progress=False).fit(train, epochs=1)
    assert history.last["train_loss"] == pytest.approx(sum(losses) / 60)
    assert history.last["train_accuracy"] == sum(correct) / 60


def test_the_same_seed_gives_the_same_weights_and_another_one_others(train):
    def run(seed):
        torch.manual_seed(3)
        model = create_model("mlp", hidden=(8,), dropout=0.3)
        Trainer(model, seed=seed, progress=False, batch_size=16, augment=Augment(shift=2)).fit(train, epochs=2)
        return weights(model)

    assert torch.equal(run(1), run(1))
    assert not torch.equal(run(1), run(2))


def test_every_epoch_and_every_seed_draws_random_numbers_of_its_own(train, at):
    drawn = []
    for seed in (0, 1, 0):
        softmax(seed=seed, callbacks=[at("on_step_end", lambda t: drawn.append(float(torch.rand(()))))]).fit(
            train, epochs=3
        )
    assert len(set(drawn[:36])) == 36
    assert drawn[36:] == drawn[:18]


def test_a_data_loader_of_torchs_own_trains_as_well_as_the_data_set_itself(small):
    accuracies = []
    for data in (small.train, DataLoader(small.train, batch_size=10, shuffle=True), TensorLoader(small.train, 10)):
        trainer = softmax(lr=0.01, batch_size=10 if data is small.train else None)
        trainer.fit(data, DataLoader(small.validation, batch_size=64), epochs=3)
        accuracies.append(trainer.evaluate(small.test).accuracy)
    assert min(accuracies) > 0.7
    assert max(accuracies) - min(accuracies) < 0.1


def test_a_loader_may_be_any_sized_iterable_of_pairs(train):
    batches = [(train.preprocessing.normalize(part.images), part.labels) for part in (train[:40], train[40:])]
    assert softmax(batch_size=None).fit(batches, batches, epochs=2)["step"] == [2, 4]


@pytest.mark.parametrize(("channels", "side", "classes"), [(3, 16, 26), (1, 28, 47), (2, 9, 2)])
def test_a_model_of_torchs_own_takes_other_classes_channels_and_sizes(tmp_path, channels, side, classes):
    images = torch.randint(0, 256, (classes * 2, channels, side, side), dtype=torch.uint8)
    labels = torch.arange(classes).repeat(2)
    data = DigitDataset.from_arrays(images, labels, classes=[f"class {n}" for n in range(classes)])
    model = nn.Sequential(nn.Flatten(), nn.Linear(channels * side * side, classes))
    trainer = Trainer(model, lr=0.03, batch_size=16, progress=False, callbacks=[Checkpoint(tmp_path, monitor=None)])
    history = trainer.fit(data, epochs=20)
    assert history.last["train_accuracy"] > 0.95
    rebuilt = nn.Sequential(nn.Flatten(), nn.Linear(channels * side * side, classes))
    load_model(tmp_path / "last.safetensors", model=rebuilt)
    assert torch.equal(weights(rebuilt), weights(model))
    assert trainer.evaluate(data).count == classes * 2


def test_fitting_again_goes_on_from_the_weights_with_a_new_history(train, at):
    trainer = softmax()
    first = trainer.fit(train, epochs=2)
    before = weights(trainer.model)
    started = []
    trainer.callbacks.append(at("on_fit_start", lambda t: started.append(weights(t.model))))
    second = trainer.fit(train, epochs=1)
    assert torch.equal(started[0], before)
    assert (len(first), len(second)) == (2, 1)
    assert second["epoch"] == [1]
    assert second.last["train_loss"] < first["train_loss"][0]


def test_fit_leaves_the_model_ready_for_use(train, at):
    trainer = Trainer(create_model("mlp", dropout=0.5), progress=False)
    modes = []
    trainer.callbacks.append(at("on_step_end", lambda t: modes.append(t.model.training)))
    for _ in range(2):
        trainer.fit(train, epochs=1)
        assert not any(module.training for module in trainer.model.modules())
    assert modes == [True, True]


# ---- what a step computes -------------------------------------------------------------------------------------------


def test_a_loss_with_label_smoothing_is_used_in_training_and_evaluation(train):
    smoothed = nn.CrossEntropyLoss(label_smoothing=0.1)
    trainer = softmax(loss=smoothed, lr=0.01)
    trainer.fit(train, epochs=1)
    images, labels = train.preprocessing.normalize(train.images), train.labels
    with torch.no_grad():
        logits = trainer.model(images)
    result = trainer.evaluate(train)
    assert result.loss == pytest.approx(float(smoothed(logits, labels)), rel=1e-5)
    assert result.loss != pytest.approx(float(F.cross_entropy(logits, labels)), rel=1e-3)


def test_an_overridden_loss_is_used_in_training_and_evaluation(train):
    class Twice(Trainer):
        def loss(self, logits, labels):
            return 2 * super().loss(logits, labels)

    model = create_model("softmax_regression")
    plain = Trainer(model, progress=False).evaluate(train).loss
    trainer = Twice(model, progress=False, batch_size=60, optimizer=lambda p: torch.optim.SGD(p, lr=1e-9))
    assert trainer.evaluate(train).loss == pytest.approx(2 * plain, rel=1e-5)
    assert trainer.fit(train, epochs=1).last["train_loss"] == pytest.approx(2 * plain, rel=1e-5)


def test_further_metrics_are_averaged_over_the_images(train):
    class WithMetric(Trainer):
        def training_step(self, batch):
            output = super().training_step(batch)
            return StepOutput(output.loss, output.logits, {"size": torch.tensor(float(len(batch.labels)))})

    history = WithMetric(create_model("softmax_regression"), batch_size=40, progress=False).fit(train, epochs=1)
    assert history.last["train_size"] == (40 * 40 + 20 * 20) / 60


def test_a_step_without_logits_reports_no_accuracy(train, validation):
    class LossOnly(Trainer):
        def training_step(self, batch):
            return StepOutput(super().training_step(batch).loss)

        def evaluation_step(self, batch):
            return StepOutput(super().evaluation_step(batch).loss)

    history = LossOnly(create_model("softmax_regression"), progress=False).fit(train, validation, epochs=1)
    assert history.columns == ["epoch", "step", "lr", "train_loss", "val_loss"]


def test_bfloat16_trains_on_a_cpu_with_float32_weights(small):
    seen = set()

    class Recording(Trainer):
        def training_step(self, batch):
            output = super().training_step(batch)
            seen.add((output.logits.dtype, output.loss.dtype))
            return output

        def evaluation_step(self, batch):
            output = super().evaluation_step(batch)
            seen.add((output.logits.dtype, output.loss.dtype))
            return output

    model = create_model("softmax_regression")
    trainer = Recording(model, precision="bf16", lr=0.01, batch_size=10, progress=False)
    trainer.fit(small.train, small.validation, epochs=3)
    assert seen == {(torch.bfloat16, torch.float32)}
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}
    assert trainer.evaluate(small.test).accuracy > 0.7


def test_float16_on_a_cpu_is_refused():
    with pytest.raises(ConfigError, match="precision 'fp16' needs a GPU; on a CPU use 'bf16' or 'fp32'"):
        softmax(precision="fp16", device="cpu")


@pytest.mark.parametrize("accumulate", [1, 2, 3, 6, 7])
def test_every_group_of_batches_is_one_update(train, accumulate, at):
    groups, moved = [], []

    class Counting(Trainer):
        def training_step(self, batch):
            groups[-1] += 1
            return super().training_step(batch)

    before = {}
    callbacks = [
        at("on_step_start", lambda t: (groups.append(0), before.update(w=weights(t.model))), "start"),
        at("on_step_end", lambda t: moved.append(not torch.equal(before["w"], weights(t.model))), "end"),
    ]
    trainer = Counting(
        create_model("softmax_regression"), batch_size=10, accumulate=accumulate, progress=False, callbacks=callbacks
    )
    history = trainer.fit(train, epochs=2)
    in_an_epoch = [accumulate] * (6 // accumulate) + [6 % accumulate] * (6 % accumulate > 0)
    assert groups == in_an_epoch * 2
    assert moved == [True] * len(groups)
    assert history["step"] == [len(in_an_epoch), 2 * len(in_an_epoch)]
    assert trainer.state.total_steps == 2 * len(in_an_epoch)


def test_gradients_are_whole_at_on_gradients_and_clipped_at_the_update(train, at):
    def norm(trainer):
        return float(torch.norm(torch.stack([p.grad.norm() for p in trainer.model.parameters()])))

    complete, clipped = [], []

    class Recording(Trainer):
        def optimizer_step(self):
            clipped.append(norm(self))
            super().optimizer_step()

    callback = at("on_gradients", lambda t: complete.append(norm(t)))
    Recording(
        create_model("softmax_regression"), clip_norm=0.01, batch_size=10, progress=False, callbacks=[callback]
    ).fit(train, epochs=1)
    assert len(complete) == len(clipped) == 6
    assert min(complete) > 0.1
    assert clipped == pytest.approx([0.01] * 6, rel=1e-3)


def test_gradients_do_not_leak_from_one_step_into_the_next(train, at):
    seen = []
    callback = at("on_gradients", lambda t: seen.append(next(t.model.parameters()).grad.clone()))
    trainer = softmax(batch_size=60, optimizer=lambda p: torch.optim.SGD(p, lr=1e-12), callbacks=[callback])
    trainer.fit(train, epochs=2)
    torch.testing.assert_close(seen[0], seen[1], rtol=1e-4, atol=1e-6)


def test_the_learning_rate_of_a_step_is_asked_with_its_number_and_the_total(train, at):
    asked = []

    def schedule(step, total):
        asked.append((step, total))
        return 0.1 / (step + 1)

    rates = []
    trainer = softmax(
        lr=schedule,
        accumulate=2,
        callbacks=[at("on_step_end", lambda t: rates.append((t.state.lr, t.optimizer.param_groups[0]["lr"])))],
    )
    history = trainer.fit(train, epochs=2)
    assert asked == [(step, 6) for step in range(6)]
    assert rates == [(0.1 / (step + 1),) * 2 for step in range(6)]
    assert history["lr"] == [0.1 / 3, 0.1 / 6]


def test_a_subclass_may_choose_the_learning_rate(train):
    class Halving(Trainer):
        def learning_rate(self, step, total):
            return 0.1 * 0.5**step

    history = Halving(create_model("softmax_regression"), batch_size=30, progress=False).fit(train, epochs=2)
    assert history["lr"] == [0.05, 0.0125]


def test_a_callback_may_swap_the_inference_model_and_it_is_evaluated(train):
    trainer = softmax()
    other = create_model("softmax_regression")
    own = trainer.evaluate(train).loss
    trainer.inference_model = other
    assert trainer.evaluate(train).loss == Trainer(other, progress=False).evaluate(train).loss != own


# ---- evaluation -----------------------------------------------------------------------------------------------------


def test_evaluate_needs_no_fit_and_takes_test_data(small):
    model = create_model("softmax_regression")
    result = Trainer(model, progress=False).evaluate(small.test)
    with torch.no_grad():
        logits = model(small.test.preprocessing.normalize(small.test.images))
    assert result.score.correct == int((logits.argmax(1) == small.test.labels).sum())
    assert result.loss == pytest.approx(float(F.cross_entropy(logits, small.test.labels)), rel=1e-5)
    assert result.count == 100


def test_evaluation_counts_a_last_smaller_batch_by_its_images(small):
    trainer = softmax()
    whole = trainer.evaluate(DataLoader(small.test, batch_size=100))
    parts = trainer.evaluate(DataLoader(small.test, batch_size=33))
    assert parts.loss == pytest.approx(whole.loss, rel=1e-5)
    assert (parts.score, parts.count) == (whole.score, 100)


class Fragile(nn.Module):
    """Parts in different modes, and a forward pass that can fail."""

    def __init__(self):
        super().__init__()
        self.frozen = nn.BatchNorm1d(784).eval()
        self.live = nn.Dropout(0.5)
        self.last = nn.Linear(784, 10)
        self.fail = False

    def forward(self, images):
        assert not self.training
        assert not self.live.training
        if self.fail:
            raise ArithmeticError("the forward pass failed")
        return self.last(self.live(self.frozen(images.flatten(1))))


@pytest.mark.parametrize("fail", [False, True])
def test_evaluation_leaves_every_modules_mode_as_it_was(validation, fail):
    model = Fragile()
    model.fail = fail
    before = {name: module.training for name, module in model.named_modules()}
    assert before == {"": True, "frozen": False, "live": True, "last": True}
    trainer = Trainer(model, progress=False)
    if fail:
        with pytest.raises(ArithmeticError, match="the forward pass failed"):
            trainer.evaluate(validation)
    else:
        trainer.evaluate(validation)
    assert {name: module.training for name, module in model.named_modules()} == before
    assert torch.is_grad_enabled()


def test_evaluation_changes_neither_weights_nor_running_statistics(validation):
    model = nn.Sequential(nn.BatchNorm2d(1), nn.Flatten(), nn.Linear(784, 10))
    before = {name: value.clone() for name, value in model.state_dict().items()}
    Trainer(model, progress=False).evaluate(validation)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_an_evaluation_step_runs_without_gradients_but_may_ask_for_them(validation):
    class Attacking(Trainer):
        def evaluation_step(self, batch):
            assert not torch.is_grad_enabled()
            images = batch.images.clone().requires_grad_()
            with torch.enable_grad():
                (gradient,) = torch.autograd.grad(self.loss(self.model(images), batch.labels), images)
            return super().evaluation_step(batch._replace(images=batch.images + gradient.sign()))

    model = create_model("softmax_regression")
    clean = Trainer(model, progress=False).evaluate(validation)
    assert Attacking(model, progress=False).evaluate(validation).loss > clean.loss


def test_a_model_that_keeps_what_it_computed_in_an_evaluation_can_still_be_trained(train):
    class Lazy(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = nn.Linear(784, 10)
            self.mask = None

        def forward(self, images):
            if self.mask is None:
                self.mask = torch.ones(784)
            return self.linear(images.flatten(1) * self.mask)

    trainer = Trainer(Lazy(), progress=False)
    trainer.evaluate(train)
    assert len(trainer.fit(train, epochs=1)) == 1


def test_nothing_leaks_out_of_a_step_that_raises(train, validation):
    class Failing(Trainer):
        def training_step(self, batch):
            with self.precision.autocast():
                self.model(batch.images)
                raise LookupError("in autocast")

        def evaluation_step(self, batch):
            with self.precision.autocast():
                raise LookupError("in evaluation")

    trainer = Failing(create_model("softmax_regression"), precision="bf16", progress=False)
    for call in (lambda: trainer.fit(train, epochs=1), lambda: trainer.evaluate(validation)):
        with pytest.raises(LookupError):
            call()
        assert not torch.is_autocast_enabled("cpu")
        assert torch.is_grad_enabled()
        assert not torch.is_inference_mode_enabled()


# ---- what it refuses ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"accumulate": 0}, "accumulate is 0, expected at least 1"),
        ({"clip_norm": 0.0}, "clip_norm is 0.0, expected a positive number or None"),
        ({"clip_norm": math.nan}, "clip_norm is nan, expected a positive number or None"),
        ({"precision": "fp8"}, "unknown precision 'fp8'. Available: bf16, fp16, fp32"),
        ({"lr": 0}, "lr is 0, expected a positive number"),
        ({"lr": -1e-3}, "lr is -0.001, expected a positive number"),
        ({"device": "tpu"}, "tpu"),
    ],
)
def test_arguments_that_cannot_be_used_are_refused_at_once(options, message):
    with pytest.raises(ConfigError, match=message):
        softmax(**options)


@pytest.mark.parametrize("epochs", [0, -1, math.nan, math.inf])
def test_no_epochs_and_endless_ones_are_refused(train, epochs):
    with pytest.raises(ConfigError, match=f"epochs is {epochs}, expected a positive number"):
        softmax().fit(train, epochs=epochs)


def test_a_batch_size_below_one_is_refused(train):
    with pytest.raises(ConfigError, match="batch_size is 0, expected at least 1"):
        softmax(batch_size=0).fit(train)


def test_empty_data_is_refused(train):
    trainer = softmax(batch_size=None)
    for method in (trainer.fit, trainer.evaluate):
        with pytest.raises(DataError, match=r"mnist train: 0 images .* has too few images"):
            method(train[:0])
        with pytest.raises(DataError, match="DataLoader is empty: it has no batches"):
            method(DataLoader(train[:5], batch_size=10, drop_last=True))


def test_an_iterable_without_a_length_is_refused(train):
    with pytest.raises(ConfigError, match="generator has no length; the learning rate needs to know"):
        softmax(batch_size=None).fit(batch for batch in TensorLoader(train))


def test_images_from_0_to_255_are_refused(train):
    raw = TensorDataset(train.images.float(), train.labels)
    trainer = softmax(batch_size=None)
    for method in (trainer.fit, trainer.evaluate):
        with pytest.raises(DataError, match=r"images from 0 to 255: raw 0 to 255 values; divide by 255 and normalise"):
            method(DataLoader(raw, batch_size=60))


def test_a_loader_on_another_device_is_refused(train):
    with pytest.raises(ConfigError, match="the loader is on meta, the trainer on cpu; give both one device="):
        softmax(device="cpu", batch_size=None).fit(TensorLoader(train, device="meta"))


def test_a_loader_of_another_process_is_refused(train):
    loader = TensorLoader(train, shuffle=True, world=World(rank=1, size=2))
    for data in (loader, CombinedLoader(TensorLoader(train), loader), LoaderAdapter(CombinedLoader(loader))):
        with pytest.raises(ConfigError, match=r"for process 1 of 2, this is 0 of 1: give it world=World\.current\(\)"):
            softmax(batch_size=None).fit(data)


def test_images_of_another_shape_than_the_models_are_refused(train):
    with pytest.raises(DataError, match=r"got images of shape \(10, 1, 20, 20\), this LeNet expects \(N, 1, 28, 28\)"):
        Trainer(create_model("lenet5"), batch_size=10, progress=False).fit(train.crop(20))


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_loss_that_is_no_number_stops_with_the_step_before_it_can_do_harm(tmp_path, train, validation, value, at):
    before = []

    class Bursting(Trainer):
        def loss(self, logits, labels):
            factor = value if self.model.training and self.state.step == 8 else 1.0
            return super().loss(logits, labels) * factor

    trainer = Bursting(
        create_model("softmax_regression"),
        batch_size=10,
        lr=0.01,
        progress=False,
        callbacks=[
            Checkpoint(tmp_path, every_steps=4),
            at("on_step_end", lambda t: before.append(weights(t.model))),
        ],
    )
    with pytest.raises(
        NonFiniteLossError, match=r"NaN or infinite at step 9 \(epoch 2\).*learning rate 0.01.*clip_norm=1.0"
    ):
        trainer.fit(train, validation, epochs=3)
    assert torch.equal(weights(trainer.model), before[7])
    assert torch.equal(weights(load_model(tmp_path / "last.safetensors")), before[7])
    assert torch.equal(weights(load_model(tmp_path / "best.safetensors")), before[5])
    assert not trainer.model.training


def test_on_a_gpu_the_loss_is_looked_at_every_so_often_and_always_before_saving(tmp_path, small, at):
    """Looking means waiting there. The trainer is only told that it is on one."""

    class Spoilt(Trainer):
        def training_step(self, batch):
            output = super().training_step(batch)
            return StepOutput(output.loss * (math.nan if self.state.step >= 7 else 1), output.logits)

    def spoilt(*callbacks):
        told = at("on_epoch_start", lambda trainer: setattr(trainer, "device", torch.device("cuda")))
        model = create_model("softmax_regression")
        trainer = Spoilt(model, batch_size=5, device="cpu", progress=False, callbacks=[told, *callbacks])
        trainer.fit(small.train, epochs=1)

    with pytest.raises(NonFiniteLossError, match=r"at step 51 \(epoch 1\) or just before it"):
        spoilt()
    path = tmp_path / "model.safetensors"
    with pytest.raises(NonFiniteLossError, match="at step 21"):
        spoilt(at("on_step_end", lambda trainer: trainer.state.step == 20 and trainer.save_model(path), name="save"))
    assert not path.exists()


def test_what_belongs_to_a_step_says_so_outside_of_one(train):
    trainer = softmax()
    trainer.fit(train, steps=1)
    loss = torch.zeros((), requires_grad=True)
    for call in (
        trainer.gradients,
        trainer.optimizer_step,
        lambda: trainer.skip("optimizer"),
        lambda: trainer.step_optimizer("optimizer", loss),
    ):
        with pytest.raises(ConfigError, match="no run is under way: call this from a method of a Trainer subclass"):
            call()


def test_a_subclass_takes_no_name_of_the_loop_s_own_by_chance(train):
    """Whatever it calls its own methods and attributes: the trainer has no private names to be met but those of notebooks."""
    assert [
        name for name in vars(Trainer) if name.startswith("_") and not name.startswith(("__", "_Trainer__", "_repr_"))
    ] == []
    names = ["_step", "_loss", "_run", "_call", "_seed", "_group", "_loader", "_optimizer", "_batches", "_backward"]
    own = type("Own", (Trainer,), dict.fromkeys(names[::2], "a method"))(
        create_model("softmax_regression"), batch_size=10, progress=False
    )
    vars(own).update(dict.fromkeys(names[1::2], "an attribute"))
    plain = Trainer(copy.deepcopy(own.model), batch_size=10, progress=False)
    assert own.fit(train, steps=3) == plain.fit(train, steps=3)
    assert torch.equal(weights(own.model), weights(plain.model))


@pytest.mark.parametrize("accumulate", [1, 3])
def test_spoilt_weights_never_replace_a_good_checkpoint(tmp_path, train, validation, accumulate, at):
    good = []

    def spoil(trainer):
        if trainer.state.step == trainer.state.steps_per_epoch * 2:
            with torch.no_grad():
                next(trainer.model.parameters())[0, 0] = math.nan
        else:
            good.append(weights(trainer.model))

    trainer = softmax(accumulate=accumulate, callbacks=[at("on_step_end", spoil), Checkpoint(tmp_path)])
    with pytest.raises(NonFiniteLossError, match=r"the weights \S+ became NaN or infinite by step \d+, .*Lower lr="):
        trainer.fit(train, validation, epochs=3)
    kept = good[trainer.state.steps_per_epoch - 1]
    for name in ("last", "best"):
        assert torch.equal(weights(load_model(tmp_path / f"{name}.safetensors")), kept)


def test_a_loader_that_can_be_used_only_once_is_refused_in_its_second_epoch(train):
    class Once:
        def __init__(self, data):
            self.batches = iter(list(TensorLoader(data, 10)))

        def __iter__(self):
            return self.batches

        def __len__(self):
            return 6

    with pytest.raises(DataError, match="Once ended after 0 batches, its length is 6"):
        softmax(batch_size=None).fit(Once(train), epochs=2)


# ---- errors of the user's own go through ----------------------------------------------------------------------------


class Stopping(Dataset):
    """Raises StopIteration where an image should be."""

    def __len__(self):
        return 40

    def __getitem__(self, index):
        if index == 25:
            raise StopIteration("of the data set")
        return torch.zeros(1, 28, 28), index % 10


def test_stop_iteration_in_a_data_set_does_not_end_an_epoch_in_silence():
    trainer = softmax(batch_size=None)
    for method in (trainer.fit, trainer.evaluate):
        with pytest.raises(DataError, match="DataLoader ended after 2 batches, its length is 4"):
            method(DataLoader(Stopping(), batch_size=10))


def raising(error):
    def action(*arguments):
        raise error

    return action


@pytest.mark.parametrize("error", [StopIteration("mine"), AttributeError("mine"), GeneratorExit("mine")], ids=repr)
@pytest.mark.parametrize("where", ["training_step", "evaluation_step", "backward", "optimizer_step", "learning_rate"])
def test_an_error_of_an_open_method_goes_through_as_it_is(train, validation, error, where):
    broken = type("Broken", (Trainer,), {where: raising(error)})
    with pytest.raises(type(error)) as caught:
        broken(create_model("softmax_regression"), progress=False).fit(train, validation, epochs=1)
    assert caught.value is error


@pytest.mark.parametrize("error", [StopIteration("mine"), AttributeError("mine")], ids=repr)
@pytest.mark.parametrize(
    "hook",
    [
        "on_epoch_start",
        "on_step_start",
        "on_gradients",
        "on_step_end",
        "on_eval_start",
        "on_eval_end",
        "on_epoch_end",
        "on_checkpoint",
    ],
)
def test_an_error_of_a_callback_goes_through_as_it_is(train, validation, error, hook, at):
    with pytest.raises(type(error)) as caught:
        softmax(callbacks=[at(hook, raising(error))]).fit(train, validation, epochs=1)
    assert caught.value is error


def test_an_error_of_a_loader_or_an_augmentation_goes_through(train):
    class Broken:
        def __len__(self):
            return 3

        def __iter__(self):
            yield torch.zeros(2, 1, 28, 28), torch.zeros(2, dtype=torch.int64)
            raise AttributeError("of the loader")

    with pytest.raises(AttributeError, match="of the loader"):
        softmax(batch_size=None).fit(Broken(), epochs=1)
    with pytest.raises(RuntimeError, match="StopIteration"):
        softmax(augment=raising(StopIteration("of the augmentation"))).fit(train, epochs=1)


# ---- stopping -------------------------------------------------------------------------------------------------------


def test_stop_ends_training_after_the_step_under_way(train, validation, at):
    stopped = at("on_step_start", lambda t: t.state.step == 7 and t.stop("enough"))
    trainer = softmax(callbacks=[stopped])
    history = trainer.fit(train, validation, epochs=5)
    assert (trainer.state.step, trainer.state.batch, len(history)) == (8, 2, 1)
    assert trainer.state.stop_reason == "enough"


def test_stop_at_the_end_of_an_epoch_keeps_its_row(train, validation, at):
    trainer = softmax(callbacks=[at("on_epoch_end", lambda t: t.stop("enough"))])
    assert len(trainer.fit(train, validation, epochs=5)) == 1


def test_stop_before_the_first_step_trains_nothing(train, at):
    trainer = softmax(callbacks=[at("on_fit_start", lambda t: t.stop("not today"))])
    before = weights(trainer.model)
    assert len(trainer.fit(train, epochs=5)) == 0
    assert torch.equal(weights(trainer.model), before)


def test_the_first_reason_to_stop_is_the_one_reported_and_a_new_fit_forgets_it(train, at):
    trainer = softmax(callbacks=[at("on_step_end", lambda t: (t.stop("first"), t.stop("second")))])
    trainer.fit(train, epochs=5)
    assert trainer.state.stop_reason == "first"
    trainer.callbacks.clear()
    trainer.fit(train, epochs=2)
    assert trainer.state.stop_reason is None
    assert trainer.state.epoch == 2


# ---- around it ------------------------------------------------------------------------------------------------------


def test_progress_adds_a_bar_unless_there_is_one(train, capsys):
    assert [type(callback) for callback in Trainer(create_model("lenet1")).callbacks] == [ProgressBar]
    own = ProgressBar(file=io.StringIO())
    assert Trainer(create_model("lenet1"), callbacks=[own]).callbacks == [own]
    assert softmax().callbacks == []
    softmax(progress=True).fit(train, epochs=1)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("epoch 1/1  train_loss ")


def test_a_model_may_be_saved_without_a_fit(tmp_path):
    trainer = softmax()
    trainer.save_model(tmp_path / "new.safetensors")
    assert torch.equal(weights(load_model(tmp_path / "new.safetensors")), weights(trainer.model))


def test_a_saved_model_predicts_what_the_trainer_evaluated(tmp_path, small):
    trainer = softmax(lr=0.01, callbacks=[EMA(0.5)])
    trainer.fit(small.train, epochs=2)
    trainer.save_model(tmp_path / "model.safetensors")
    predictor = Predictor.from_checkpoint(tmp_path / "model.safetensors")
    expected = trainer.model(small.test.preprocessing.normalize(small.test.images)).argmax(1)
    assert torch.equal(
        predictor.classifier.network(predictor.classifier.preprocessing.normalize(small.test.images)).argmax(1),
        expected,
    )


def test_a_schedule_reaches_its_end_in_the_last_step(train):
    trainer = softmax(lr=Cosine(0.1, final=0.001), accumulate=4)
    assert trainer.fit(train, epochs=3).last["lr"] == pytest.approx(0.001)


def test_the_time_runs_while_fit_does(train, at, monkeypatch):
    """By a clock on which a step takes a second, and the time between two runs a minute."""
    now, seen = [1000.0], []
    monkeypatch.setattr("time.monotonic", lambda: now[0])

    def work(trainer):
        now[0] += 1
        seen.append(trainer.seconds)

    trainer = softmax(callbacks=[at("on_step_end", work)])
    assert trainer.seconds == 0.0
    for _ in range(2):
        trainer.fit(train, epochs=1)
        now[0] += 60
        assert trainer.seconds == 6.0
    assert seen == [1.0, 2.0, 3.0, 4.0, 5.0, 6.0] * 2
