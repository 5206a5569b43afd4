"""The seams that research needs: own hooks and state, gradients(), optimizers stepped by name, metrics, any batch."""

import functools

import pandas
import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import ConcatDataset, DataLoader, Dataset, Subset, TensorDataset, random_split

from mnistkit import Augment, Checkpoint, DigitDataset, EarlyStopping, TensorLoader, Trainer, create_model
from mnistkit.callbacks import PeriodicEvaluation
from mnistkit.checkpoint import read_checkpoint
from mnistkit.data import CombinedLoader
from mnistkit.errors import CheckpointMismatchError, ConfigError, DataError
from mnistkit.training import HOOKS, Callback, TorchScheduler
from mnistkit.types import Batch, StepOutput


def softmax(kind=Trainer, **options):
    torch.manual_seed(0)
    return kind(create_model("softmax_regression"), **{"batch_size": 10, "progress": False} | options)


def weights(model):
    return nn.utils.parameters_to_vector(model.parameters()).detach().clone()


def normalised(data):
    return data.preprocessing.normalize(data.images)


@pytest.fixture
def train(small):
    return small.train.take_per_class(6)


@pytest.fixture
def validation(small):
    return small.validation.take_per_class(3)


# ---- the trainer is its own first callback ---------------------------------------------------------------------------


def test_its_own_hooks_come_before_those_of_its_callbacks_and_end_after_them(train, validation):
    log = []

    def note(who):
        return {hook: lambda self, *arguments, hook=hook: log.append((who, hook)) for hook in HOOKS}

    watched = type("Watched", (Trainer,), note("trainer"))
    callback = type("Watching", (Callback,), note("callback"))()
    softmax(watched, callbacks=[callback], batch_size=60).fit(train, validation, epochs=1)
    regular = [hook for hook in HOOKS if hook != "on_exception"]
    assert [hook for who, hook in log if who == "trainer"] == [hook for who, hook in log if who == "callback"]
    assert {hook for _, hook in log} == set(regular)
    assert log[-2:] == [("callback", "on_fit_end"), ("trainer", "on_fit_end")]
    pairs = log[:-2]
    assert all(pairs[i][0] == "trainer" and pairs[i + 1] == ("callback", pairs[i][1]) for i in range(0, len(pairs), 2))


def test_it_is_told_of_an_error_and_ended(train):
    log = []

    class Failing(Trainer):
        def on_step_end(self):
            raise LookupError("mine")

        def on_exception(self, error):
            log.append(error)

        def on_fit_end(self):
            log.append("end")

    with pytest.raises(LookupError) as caught:
        softmax(Failing).fit(train, epochs=1)
    assert log == [caught.value, "end"]


class Counting(Trainer):
    """Has a state of its own: a teacher that follows, a counter, a buffer of what it saw."""

    def on_fit_start(self):
        if self.state.step == 0:
            self.steps, self.seen = 0, torch.zeros(10)

    def on_step_end(self):
        self.steps += 1
        self.seen = 0.9 * self.seen + self.model.state_dict()[next(iter(self.model.state_dict()))].sum()

    def state_dict(self):
        return {"steps": self.steps, "seen": self.seen}

    def load_state_dict(self, state):
        self.steps, self.seen = state["steps"], state["seen"]


def test_its_own_state_is_saved_and_resumed(train, tmp_path, at):
    path = tmp_path / "run.safetensors"
    save = at("on_checkpoint", lambda t: t.state.step == 4 and t.state.batch and t.save_checkpoint(path))
    whole, resumed = softmax(Counting, callbacks=[save]), softmax(Counting)
    whole.fit(train, epochs=2)
    resumed.fit(train, epochs=2, resume=path)
    assert (resumed.steps, whole.steps) == (12, 12)
    assert torch.equal(resumed.seen, whole.seen)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("on_epoch_ended", "unknown hook 'on_epoch_ended'; did you mean 'on_epoch_end'"),
        ("train_step", "has a method train_step, which nothing calls; did you mean training_step"),
        ("validation_step", "did you mean evaluation_step"),
        ("configure_optimizers", "did you mean configure_optimizer"),
        ("fit", "overrides fit, which is closed"),
        ("evaluate", "overrides evaluate, which is closed"),
        ("step_optimizer", "overrides step_optimizer, which is closed.*optimizer_step"),
    ],
)
def test_a_misspelt_or_closed_method_raises_when_the_class_is_made(name, message):
    with pytest.raises(ConfigError, match=message):
        type("Mine", (Trainer,), {name: lambda self: None})


def test_methods_of_ones_own_are_left_alone():
    class Mine(Trainer):
        schedule = None
        step = 3

        def attack(self, images): ...
        def penalty(self): ...
        def losses(self): ...
        def _train_step(self): ...

    class Further(Mine):
        def attack(self, images): ...
        def on_epoch_end(self): ...

    assert softmax(Further).schedule is None


# ---- random numbers --------------------------------------------------------------------------------------------------


class Noisy(Trainer):
    def evaluation_step(self, batch):
        torch.rand(3)
        return super().evaluation_step(batch._replace(images=batch.images + 0.1 * torch.randn_like(batch.images)))


def test_evaluating_draws_none_of_trainings_random_numbers(train, validation):
    def run(*callbacks):
        torch.manual_seed(1)
        model = create_model("mlp", hidden=(8,), dropout=0.5)
        loader = DataLoader(train, batch_size=10, shuffle=True)
        Noisy(model, callbacks=callbacks, progress=False).fit(
            loader, DataLoader(validation, batch_size=7, shuffle=True), epochs=2
        )
        return weights(model)

    assert torch.equal(run(), run(PeriodicEvaluation(every=1)))


class Pair(Trainer):
    """Two networks side by side."""

    def training_step(self, batch):
        return sum(network(batch.images.flatten(1)).square().mean() for network in self.model.values())


def test_several_networks_without_an_evaluation_of_their_own_are_refused_before_the_first_step(train, validation):
    def made(kind=Pair, **options):
        networks = nn.ModuleDict({"one": nn.Linear(784, 2), "other": nn.Linear(784, 1)})
        return kind(networks, batch_size=10, progress=False, **options)

    refused = (
        r"the ModuleDict has no forward\(\) .*override training_step.* and evaluation_step.* or give fit\(\) no val"
    )
    trainer = made()
    with pytest.raises(ConfigError, match=refused):
        trainer.fit(train, validation, epochs=1)
    assert trainer.state.step == 0
    with pytest.raises(ConfigError, match=refused):
        made(Trainer).fit(train, epochs=1)
    trainer.fit(train, epochs=1)
    with pytest.raises(ConfigError, match=refused):
        trainer.evaluate(validation)
    with pytest.raises(ConfigError, match=refused):
        trainer.classifier()

    class Judged(Pair):
        def evaluation_step(self, batch):
            return self.inference_model["one"](batch.images.flatten(1)).square().mean()

    class Replaced(Pair):
        def on_fit_start(self):
            self.inference_model = create_model("softmax_regression")

    for kind in (Judged, Replaced):
        assert "val_loss" in made(kind).fit(train, validation, epochs=1).last


def test_two_evaluations_draw_the_same_and_those_of_another_seed_others(validation):
    model = create_model("softmax_regression")
    first, second, other = (Noisy(model, seed=seed, progress=False).evaluate(validation).loss for seed in (0, 0, 1))
    assert first == second != other


@pytest.mark.parametrize("fails", [False, True])
def test_fit_and_evaluate_leave_torchs_generator_as_it_was(train, validation, fails, at):
    class Failing(Noisy):
        def on_epoch_end(self):
            if fails:
                raise LookupError

    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    trainer = Failing(create_model("softmax_regression"), progress=False)
    torch.manual_seed(5)
    try:
        trainer.fit(train, validation, epochs=1)
    except LookupError:
        assert fails
    trainer.evaluate(validation)
    assert torch.equal(torch.rand(3), expected)


# ---- gradients() -----------------------------------------------------------------------------------------------------


class LBFGS(Trainer):
    def optimizer_step(self):
        self.optimizer.step(self.gradients)


def test_lbfgs_takes_its_closure_from_gradients(train):
    trainer = softmax(LBFGS, batch_size=60, optimizer=lambda p: torch.optim.LBFGS(p, line_search_fn="strong_wolfe"))
    history = trainer.fit(train, epochs=3)
    assert history["train_loss"][-1] < 0.05 * history["train_loss"][0]
    assert history.last["step"] == 3


class SAM(Trainer):
    """Sharpness-aware minimisation (Foret et al. 2021, algorithm 1)."""

    def optimizer_step(self):
        parameters = [p for p in self.model.parameters() if p.grad is not None]
        norm = torch.stack([p.grad.norm() for p in parameters]).norm()
        uphill = [0.05 * p.grad / norm for p in parameters]
        with torch.no_grad():
            torch._foreach_add_(parameters, uphill)
        self.gradients()
        with torch.no_grad():
            torch._foreach_sub_(parameters, uphill)
        super().optimizer_step()


def test_gradients_are_those_of_all_batches_at_the_weights_as_they_are(train):
    found = []

    class Look(Trainer):
        def optimizer_step(self):
            first = [p.grad.clone() for p in self.model.parameters()]
            loss = self.gradients()
            found.append((first, [p.grad.clone() for p in self.model.parameters()], loss))
            with torch.no_grad():
                next(self.model.parameters()).add_(0.1)
            found.append((self.gradients(), first, [p.grad.clone() for p in self.model.parameters()]))

    trainer = softmax(Look, accumulate=3, clip_norm=0.5)
    history = trainer.fit(train, steps=1)
    (first, again, loss), (moved, _, other) = found
    assert all(torch.equal(one, two) for one, two in zip(first, again, strict=True))
    assert not all(torch.equal(one, two) for one, two in zip(first, other, strict=True))
    assert float(loss) == pytest.approx(history.last["train_loss"])
    assert float(moved) != float(loss)
    # Counted once, however often it was computed.
    assert trainer.state.train.count == 30


@pytest.mark.parametrize("step", [2, 4])
@pytest.mark.parametrize(
    ("kind", "options"),
    [
        (LBFGS, {"batch_size": 20, "optimizer": lambda p: torch.optim.LBFGS(p, lr=0.1, max_iter=3, history_size=4)}),
        (SAM, {"accumulate": 2, "lr": 0.01}),
    ],
    ids=["lbfgs", "sam"],
)
def test_an_update_of_several_passes_resumes_exactly_inside_an_epoch(train, tmp_path, at, kind, options, step):
    path = tmp_path / "run.safetensors"
    save = at("on_checkpoint", lambda t: t.state.step == step and t.state.batch and t.save_checkpoint(path))
    whole, resumed = softmax(kind, callbacks=[save], **options), softmax(kind, **options)
    history = whole.fit(train, epochs=2)
    assert resumed.fit(train, epochs=2, resume=path) == history
    assert torch.equal(weights(resumed.model), weights(whole.model))
    states = [trainer.optimizer.state_dict()["state"] for trainer in (whole, resumed)]
    assert repr(states[0]) == repr(states[1])


def test_sam_accumulates_and_learns(train):
    history = softmax(SAM, accumulate=2, lr=0.01).fit(train, epochs=5)
    assert history["train_loss"][-1] < history["train_loss"][0]


# ---- optimizers by name ----------------------------------------------------------------------------------------------


class Duel(nn.Module):
    def __init__(self):
        super().__init__()
        self.maker, self.judge = nn.Linear(4, 784), nn.Linear(784, 1)


class DuelTrainer(Trainer):
    """A WGAN in small: the judge is stepped each time, the maker every second time."""

    def configure_optimizer(self):
        return {name: torch.optim.Adam(part.parameters(), lr=0.01) for name, part in self.model.named_children()}

    def training_step(self, batch):
        made = self.model.maker(torch.randn(len(batch.images), 4))
        self.step_optimizer(
            "judge", self.model.judge(made.detach()).mean() - self.model.judge(batch.images.flatten(1)).mean()
        )
        if self.state.step % 2:
            self.skip("maker")
        return -self.model.judge(made).mean()


def duel(kind=DuelTrainer, **options):
    torch.manual_seed(2)
    return kind(Duel(), batch_size=20, progress=False, **options)


def test_a_skipped_optimizer_is_left_alone_and_its_state_too(train, at):
    seen = []

    def look(trainer):
        seen.append((weights(trainer.model.maker), len(trainer.optimizers["maker"].state)))

    trainer = duel(callbacks=[at("on_step_end", look)])
    trainer.fit(train, epochs=2)
    moved = [not torch.equal(seen[i][0], seen[i + 1][0]) for i in range(5)]
    assert moved == [False, True, False, True, False]
    assert {int(state["step"]) for state in trainer.optimizers["maker"].state.values()} == {3}
    assert {int(state["step"]) for state in trainer.optimizers["judge"].state.values()} == {6}


def test_gradients_reach_only_the_optimizer_that_is_stepped(train, at):
    seen = []

    def look(trainer):
        parts = dict(trainer.model.named_children())
        seen.append({name for name, part in parts.items() if any(p.grad is not None for p in part.parameters())})

    duel(callbacks=[at("on_gradients", look)]).fit(train, steps=2)
    # In the second step the maker is skipped, and the judge has been stepped: nothing is left to be shown.
    assert seen == [{"judge"}, {"maker"}, {"judge"}]


def test_a_plain_backward_of_ones_own_reaches_everything(train):
    reached = []

    class Own(DuelTrainer):
        def training_step(self, batch):
            loss = self.model.judge(self.model.maker(torch.ones(2, 4))).mean()
            self.backward(loss)
            reached.append(all(p.grad is not None for p in self.model.parameters()))
            return self.model.judge(self.model.maker(torch.ones(2, 4))).mean()

    duel(Own).fit(train, steps=1)
    assert reached == [True]


def test_gradients_and_steps_inside_do_not_go_together(train):
    class Both(DuelTrainer):
        def optimizer_step(self):
            self.gradients()

    with pytest.raises(ConfigError, match=r"gradients\(\) repeats a step, and this one has step_optimizer\(\)"):
        duel(Both).fit(train, steps=1)


def test_each_optimizer_has_a_learning_rate_of_its_own(train, at):
    rates = []
    look = at("on_step_end", lambda t: rates.append([o.param_groups[0]["lr"] for o in t.optimizers.values()]))
    duel(lr={"judge": lambda step, total: 0.1 * (step + 1), "maker": 0.5}, callbacks=[look]).fit(train, steps=2)
    assert rates == [[0.5, 0.1], [0.5, 0.2]]
    assert duel(lr={"judge": 0.3}).fit(train, steps=1).last["lr"] == 0.01
    with pytest.raises(
        ConfigError, match=r"got one learning rate, 0.1, for the optimizers maker, judge; give one for each"
    ):
        duel(lr=0.1).fit(train, steps=1)
    with pytest.raises(ConfigError, match="unknown optimizer 'jugde'; did you mean 'judge'"):
        duel(lr={"jugde": 0.1}).fit(train, steps=1)


def test_mixed_precision_holds_in_a_step_of_several_updates(train):
    kinds = set()

    class Look(DuelTrainer):
        def training_step(self, batch):
            kinds.add(self.model.judge(batch.images.flatten(1)).dtype)
            return super().training_step(batch)

    trainer = duel(Look, precision="bf16")
    before = weights(trainer.model)
    trainer.fit(train, epochs=1)
    assert kinds == {torch.bfloat16}
    assert not torch.equal(weights(trainer.model), before)


# ---- honest figures --------------------------------------------------------------------------------------------------


def soft(data, smoothing=0.1):
    return F.one_hot(data.labels, 10) * (1 - smoothing) + smoothing / 10


@pytest.mark.parametrize("size", [10, 60])
def test_soft_labels_count_by_their_largest(train, size):
    for labels in (soft(train), F.one_hot(train.labels, 10), F.one_hot(train.labels, 10).float()):
        data = TensorDataset(normalised(train), labels)
        hard = softmax(batch_size=None).evaluate(DataLoader(train, batch_size=size))
        result = softmax(batch_size=None).evaluate(DataLoader(data, batch_size=size))
        assert (result.score, result.count) == (hard.score, 60)
        assert 0 <= softmax(batch_size=size).fit(data, epochs=1).last["train_accuracy"] <= 1


def test_several_classes_an_image_and_numbers_have_no_accuracy(train):
    several = ((torch.arange(60)[:, None] + torch.arange(10)) % 3 == 0).float()
    several[:10] = F.one_hot(train.labels[:10], 10)  # one batch of it looks like one class an image
    for labels, loss, model in (
        (several, nn.BCEWithLogitsLoss(), create_model("softmax_regression")),
        (train.labels[:, None].float(), nn.MSELoss(), create_model("softmax_regression", classes=1)),
    ):
        trainer = Trainer(model, loss=loss, batch_size=10, progress=False)
        data = TensorDataset(normalised(train), labels)
        assert trainer.fit(data, epochs=1).columns == ["epoch", "step", "lr", "train_loss"]
        assert trainer.evaluate(data).score is None


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        (lambda loss: (loss, loss), "training_step returned a tuple, expected a loss or StepOutput"),
        (lambda loss: {"loss": loss}, "training_step returned a dict, expected a loss"),
        (lambda loss: None, "training_step returned nothing, expected a loss"),
        (lambda loss: loss.expand(3), r"the loss that training_step returned is a tensor of shape \(3,\)"),
        (lambda loss: StepOutput(loss.item()), "the loss that training_step returned is a float"),
        (lambda loss: StepOutput(loss, metrics={"x": torch.ones(2)}), r"the metric 'x' .* is a tensor of shape \(2,\)"),
        (lambda loss: StepOutput(loss, metrics={"loss": 1.0}), "a metric is named 'loss', which every run has"),
        (lambda loss: loss.detach(), "the loss depends on no parameter that is trained"),
    ],
)
def test_what_a_step_must_not_return_is_said(train, returned, message):
    class Wrong(Trainer):
        def training_step(self, batch):
            return returned(super().training_step(batch).loss)

    with pytest.raises(ConfigError, match=message):
        softmax(Wrong).fit(train, epochs=1)


def test_a_bare_loss_and_metrics_that_are_plain_numbers_will_do(train):
    class Bare(Trainer):
        def training_step(self, batch):
            return super().training_step(batch).loss

        def evaluation_step(self, batch):
            return StepOutput(super().evaluation_step(batch).loss, metrics={"size": float(len(batch.labels))})

    history = softmax(Bare).fit(train, train, epochs=1)
    assert history.columns == ["epoch", "step", "lr", "train_loss", "val_loss", "val_size"]
    assert history.last["val_size"] == 60


def test_a_wrong_monitor_costs_no_checkpoint(train, validation, tmp_path):
    with pytest.raises(ConfigError, match="unknown metric 'val_acuracy'; did you mean 'val_accuracy'"):
        softmax(callbacks=[Checkpoint(tmp_path, monitor="val_acuracy", mode="max")]).fit(train, validation, epochs=1)
    assert read_checkpoint(tmp_path / "last.safetensors").training["epoch"] == 1


@pytest.mark.parametrize("name", ["val_kl", "val_nll", "val_f1"])
def test_which_way_is_better_is_not_guessed(name):
    with pytest.raises(ConfigError, match=f"is more of '{name}' better, or less"):
        EarlyStopping(monitor=name)
    EarlyStopping(monitor=name, mode="min")
    with pytest.raises(ConfigError, match="did you mean 'val_accuracy'"):
        EarlyStopping(monitor="val_acuracy")


# ---- metrics ---------------------------------------------------------------------------------------------------------


def top2(logits, labels):
    return (logits.topk(2).indices == labels[:, None]).any(1).float().mean()


class MacroF1:
    def __call__(self, logits, labels):
        guess, truth = F.one_hot(logits.argmax(1), 10), F.one_hot(labels, 10)
        return torch.stack([guess * truth, guess + truth]).float().mean(1)

    def finish(self, mean):
        return (2 * mean[0] / mean[1].clamp(min=1e-9)).mean()


def test_metrics_are_those_of_all_images_whatever_the_batches(train, validation, tmp_path):
    from sklearn.metrics import f1_score, top_k_accuracy_score

    best = Checkpoint(tmp_path, monitor="val_macro_f1", mode="max")
    trainer = softmax(metrics={"top2": top2, "macro_f1": MacroF1()}, callbacks=[best], lr=0.01)
    history = trainer.fit(train, DataLoader(validation, batch_size=7), epochs=2)
    assert history.columns[-4:] == ["val_loss", "val_accuracy", "val_top2", "val_macro_f1"]
    assert {"train_top2", "train_macro_f1"} <= set(history.columns)
    with torch.no_grad():
        logits = trainer.model(normalised(validation))
    expected = f1_score(validation.labels, logits.argmax(1), average="macro")
    assert history.last["val_macro_f1"] == pytest.approx(expected)
    assert history.last["val_top2"] == pytest.approx(top_k_accuracy_score(validation.labels, logits, k=2))
    assert best.best == max(history["val_macro_f1"])


def test_metrics_resume_inside_an_epoch(train, tmp_path, at):
    path = tmp_path / "run.safetensors"
    save = at("on_checkpoint", lambda t: t.state.step == 4 and t.state.batch and t.save_checkpoint(path))
    options = {"metrics": {"macro_f1": MacroF1()}}
    whole = softmax(callbacks=[save], **options).fit(train, epochs=2)
    assert softmax(**options).fit(train, epochs=2, resume=path) == whole


def test_a_metric_of_many_numbers_needs_a_finish(train):
    with pytest.raises(ConfigError, match=r"the metric 'x' comes to a tensor of shape \(2,\), expected one number"):
        softmax(metrics={"x": lambda logits, labels: torch.zeros(2)}).fit(train, epochs=1)
    with pytest.raises(ConfigError, match="a metric is named 'accuracy'"):
        softmax(metrics={"accuracy": top2})


# ---- what fit takes --------------------------------------------------------------------------------------------------


class Plain(Dataset):
    """What a user writes: no tensors inside, a label as an int."""

    def __init__(self, data):
        self.data = data

    def __len__(self):
        return len(self.data)

    def __getitem__(self, index):
        return self.data[index]


def table(data):
    frame = pandas.DataFrame(data.images.flatten(1).numpy(), columns=[f"pixel{n}" for n in range(784)])
    frame.insert(0, "label", data.labels.numpy())
    return frame


SOURCES = {
    "TensorDataset": lambda data: TensorDataset(normalised(data), data.labels),
    "a data set of one's own": Plain,
    "Subset": lambda data: Subset(data, range(len(data))),
    "Subset of one's own": lambda data: Subset(Plain(data), list(range(len(data)))),
    "ConcatDataset": lambda data: ConcatDataset([data[:30], data[30:]]),
    "arrays": lambda data: (data.images[:, 0].numpy(), data.labels.numpy()),
    "tensors": lambda data: (data.images, data.labels),
    "a table": table,
}


@pytest.mark.parametrize("make", SOURCES.values(), ids=SOURCES)
def test_fit_takes_data_in_the_forms_that_people_have_it_in(train, validation, make):
    given = make(train)
    trainer = softmax(lr=0.01)
    history = trainer.fit(given, make(validation), epochs=2)
    assert history["step"] == [6, 12]
    assert history["train_loss"][1] < history["train_loss"][0]
    assert trainer.evaluate(given).count == 60


def test_subsets_and_arrays_are_trained_on_as_a_data_set(train, validation):
    part, _ = random_split(train, [40, 20])
    trainer = softmax(augment=Augment(shift=1))
    trainer.fit(part, epochs=1)
    assert isinstance(trainer.train_data, DigitDataset)
    assert torch.equal(trainer.train_data.images, train[list(part.indices)].images)
    trainer = softmax()
    trainer.fit((train.images, train.labels), (validation.images, validation.labels), epochs=1)
    assert trainer.validation_data.preprocessing == trainer.train_data.preprocessing
    assert trainer.validation_data.split == "validation"


@pytest.mark.parametrize("step", [2, 4])
def test_a_data_set_of_torchs_own_resumes_exactly_inside_an_epoch(train, tmp_path, at, step):
    class Drawing(Plain):
        def __getitem__(self, index):
            image, label = super().__getitem__(index)
            return image + 0.1 * torch.randn_like(image), label

    path = tmp_path / "run.safetensors"
    save = at("on_checkpoint", lambda t: t.state.step == step and t.save_checkpoint(path))
    whole, resumed = softmax(callbacks=[save]), softmax()
    assert whole.fit(Drawing(train), epochs=2) == resumed.fit(Drawing(train), epochs=2, resume=path)
    assert torch.equal(weights(whole.model), weights(resumed.model))


@pytest.mark.parametrize("names", [("image", "label"), ("images", "labels"), ("pixel_values", "labels")])
def test_dict_batches_with_familiar_names_train_and_evaluate(train, names):
    class Named(Plain):
        def __getitem__(self, index):
            return dict(zip(names, super().__getitem__(index), strict=True))

    for data in (Named(train), DataLoader(Named(train), batch_size=10)):
        trainer = softmax(lr=0.01, batch_size=10 if isinstance(data, Dataset) else None)
        history = trainer.fit(data, data, epochs=2)
        assert history["val_accuracy"][1] > history["val_accuracy"][0]
        assert trainer.evaluate(data).count == 60


def test_a_step_of_ones_own_gets_the_batch_as_the_loader_gave_it(train):
    seen = []

    class Pairs(Dataset):
        def __len__(self):
            return 20

        def __getitem__(self, index):
            return {"views": (train[index][0], train[index + 1][0]), "name": f"image {index}"}

    class Own(Trainer):
        def training_step(self, batch):
            seen.append((batch["name"], [view.shape for view in batch["views"]]))
            return sum(self.model(view).square().mean() for view in batch["views"])

    trainer = softmax(Own)
    trainer.fit(Pairs(), epochs=1)
    assert [shape for _, shapes in seen for shape in shapes] == [(10, 1, 28, 28)] * 4
    assert sorted(name for names, _ in seen for name in names) == sorted(f"image {n}" for n in range(20))
    assert trainer.state.train.count == 20


def test_two_loaders_at_once_resume_exactly(train, small, tmp_path, at):
    class Both(Trainer):
        def training_step(self, batch):
            (few, labels), (many, _) = batch[1], batch[0]
            logits = self.model(few)
            loss = self.loss(logits, labels) + 0.1 * self.model(many).square().mean()
            return StepOutput(loss, logits, labels=labels)

    path = tmp_path / "run.safetensors"

    def data():
        return CombinedLoader(
            TensorLoader(train, 10, shuffle=True),
            TensorLoader(small.train[:25], 5, shuffle=True, augment=Augment(shift=1)),
        )

    save = at("on_checkpoint", lambda t: t.state.step == 8 and t.save_checkpoint(path))
    options = {"batch_size": None, "metrics": {"top2": top2}}
    whole, resumed = softmax(Both, callbacks=[save], **options), softmax(Both, **options)
    assert whole.fit(data(), epochs=2) == resumed.fit(data(), epochs=2, resume=path)
    assert torch.equal(weights(whole.model), weights(resumed.model))
    # Five of the second loader beside ten of the first, in each of as many batches as the first has.
    assert whole.state.train.count == 5 * len(train) // 10


def test_figures_of_several_batches_side_by_side_are_those_of_the_labels_that_the_step_gives(train, small):
    few = small.train.take_per_class(1)

    class Semi(Trainer):
        told = True

        def training_step(self, batch):
            (unlabelled, _), (images, labels) = batch
            logits = self.model(images)
            return StepOutput(
                self.loss(logits, labels) + 0 * unlabelled.sum(), logits, labels=labels if self.told else None
            )

        def optimizer_step(self):
            pass

    both = CombinedLoader(TensorLoader(train, 10), TensorLoader(few, 10))
    trainer = softmax(Semi, batch_size=None, metrics={"top2": top2})
    row = trainer.fit(both, epochs=1).last
    expected = trainer.evaluate(few)
    assert (row["train_accuracy"], row["train_top2"]) == (expected.accuracy, expected.metrics["top2"])
    # Those of the first part would be another matter, and nobody said that they are meant.
    trainer.told = False
    assert {"train_accuracy", "train_top2"}.isdisjoint(trainer.fit(both, epochs=1).columns)


@pytest.mark.parametrize(
    "load", [lambda d: DataLoader(d, batch_size=20), lambda d: TensorLoader(d, 20)], ids=["torch", "own"]
)
def test_settings_that_a_loader_leaves_without_effect_are_refused(train, load):
    with pytest.raises(ConfigError, match=r"batch_size=10 has no effect: a \w+Loader makes the batches"):
        softmax().fit(load(train), epochs=1)
    with pytest.raises(
        ConfigError, match=r"augment= changes the images of a DigitDataset; those of a \w+Loader are ready"
    ):
        softmax(batch_size=None, augment=Augment(shift=1)).fit(load(train), epochs=1)


def batch_norm_net():
    return nn.Sequential(nn.Flatten(), nn.Linear(784, 8), nn.BatchNorm1d(8), nn.Linear(8, 10))


def test_a_last_batch_of_one_is_no_trouble_for_batch_norm(train):
    for data in (train[:41], Plain(train[:41])):
        trainer = Trainer(batch_norm_net(), batch_size=8, progress=False)
        trainer.fit(data, train[:9], epochs=1)
        assert trainer.state.train.count == 41
    with pytest.raises(
        DataError, match=r"a batch of one image, of which batch norm cannot compute a deviation.*drop_last"
    ):
        Trainer(batch_norm_net(), progress=False).fit(DataLoader(train[:41], batch_size=8), epochs=1)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (
            lambda t: DataLoader([{"a": torch.ones(2)}] * 4, batch_size=2),
            "got a dict of 'a' as a batch, expected .*override",
        ),
        (lambda t: [(torch.ones(2), torch.ones(2), torch.ones(2))], "got a tuple of Tensor, Tensor, Tensor as a batch"),
        (lambda t: Plain([("picture", 3)] * 4), "got a list of tuple, Tensor as a batch"),
        (lambda t: Plain([(object(), 3)] * 4), "Plain gives samples that make no batch.*give the data set a transform"),
        (lambda t: table(t).drop(columns="label"), "the table has 0 columns of labels among pixel0, pixel1, pixel2"),
        (lambda t: t[:0], "has too few images: expected at least one$"),
    ],
)
def test_data_that_cannot_be_used_is_said(train, data, message):
    with pytest.raises(DataError, match=message):
        softmax(batch_size=None).fit(data(train), epochs=1)


# ---- optimizers, rates, losses ---------------------------------------------------------------------------------------


def test_an_optimizer_by_name_takes_options(train):
    trainer = softmax(optimizer="sgd", optimizer_options={"momentum": 0.9, "nesterov": True}, lr=0.01)
    trainer.fit(train, steps=1)
    group = trainer.optimizer.param_groups[0]
    assert (group["momentum"], group["nesterov"], group["lr"]) == (0.9, True, 0.01)
    for options, message in (
        ({"momentun": 0.9}, "unknown option of sgd 'momentun'; did you mean 'momentum'"),
        ({"lr": 0.1}, r"give it as lr=, or, if .* with the optimizer: functools.partial\(torch.optim.SGD, lr=0.1\)"),
        ({"momentum": -1}, "sgd cannot be made with {'momentum': -1}: Invalid momentum value"),
    ):
        with pytest.raises(ConfigError, match=message):
            softmax(optimizer="sgd", optimizer_options=options).fit(train, steps=1)
    with pytest.raises(ConfigError, match="is for an optimizer by name"):
        softmax(optimizer=lambda p: torch.optim.SGD(p), optimizer_options={"momentum": 0.9})


def test_an_optimizer_that_would_train_nothing_is_refused(train):
    other = create_model("softmax_regression")
    with pytest.raises(ConfigError, match=r"the optimizer has no parameter of the MLP .*it was made for another model"):
        softmax(optimizer=torch.optim.Adam(other.parameters())).fit(train, epochs=1)
    frozen = create_model("softmax_regression").requires_grad_(False)
    with pytest.raises(ConfigError, match="has nothing to train: requires_grad is False for all of its 2 parameters"):
        Trainer(frozen, progress=False).fit(train, epochs=1)
    with pytest.raises(ConfigError, match="the model has no parameters, so there is nothing to train"):
        Trainer(nn.Flatten(), progress=False).fit(train, epochs=1)

    class Probe(Trainer):
        """Trains a layer that it holds itself."""

        def configure_optimizer(self):
            self.model.requires_grad_(False)
            self.probe = nn.Linear(10, 10)
            return torch.optim.SGD(self.probe.parameters(), lr=0.1)

        def training_step(self, batch):
            return self.loss(self.probe(self.model(batch.images)), batch.labels)

    assert len(softmax(Probe).fit(train, epochs=1)) == 1


def test_the_state_is_known_when_the_optimizer_is_made(train):
    seen = []

    class Looking(Trainer):
        def configure_optimizer(self):
            seen.append((self.state.total_steps, self.state.steps_per_epoch))
            return super().configure_optimizer()

    softmax(Looking).fit(train, epochs=3)
    assert seen == [(18, 6)]


def test_a_run_may_be_so_many_steps_long(train):
    trainer = softmax()
    assert trainer.fit(train, steps=8)["step"] == [6, 8]
    assert trainer.state.total_steps == 8
    for arguments, message in (
        ({"steps": 0}, "steps is 0, expected at least 1"),
        ({"steps": 2, "epochs": 1}, "give one of"),
    ):
        with pytest.raises(ConfigError, match=message):
            trainer.fit(train, **arguments)


def rates_of(optimizer_or_trainer, train, at, **options):
    rates = []
    look = at("on_step_start", lambda t: rates.append(t.optimizer.param_groups[0]["lr"]))
    softmax(batch_size=30, callbacks=[look], **options).fit(train, epochs=4)
    return rates


SCHEDULERS = {
    "after each epoch": (functools.partial(torch.optim.lr_scheduler.StepLR, step_size=2), [0.1] * 4 + [0.01] * 4),
    "a function": (
        lambda optimizer: torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.5),
        [0.1, 0.1, 0.05, 0.05, 0.025, 0.025, 0.0125, 0.0125],
    ),
    "on a plateau": (
        lambda optimizer: torch.optim.lr_scheduler.ReduceLROnPlateau(
            optimizer, patience=0, threshold=1e9, threshold_mode="abs"
        ),
        [0.1, 0.1, 0.1, 0.1, 0.01, 0.01, 0.001, 0.001],
    ),
}


@pytest.mark.parametrize(("make", "expected"), SCHEDULERS.values(), ids=SCHEDULERS)
def test_torchs_own_schedulers_are_stepped_as_torch_says(train, at, make, expected):
    def optimizer(parameters):
        return torch.optim.SGD(parameters, lr=0.1)

    assert rates_of(None, train, at, lr=make, optimizer=optimizer) == pytest.approx(expected)


def test_a_torch_scheduler_of_other_arguments_is_another_run(train, tmp_path):
    def fit(step_size, epochs, **options):
        scheduler = functools.partial(torch.optim.lr_scheduler.StepLR, step_size=step_size)
        trainer = softmax(lr=scheduler, callbacks=[Checkpoint(tmp_path, monitor="train_loss")])
        return trainer.fit(train, epochs=epochs, **options)

    fit(1, epochs=1)
    with pytest.raises(CheckpointMismatchError, match="step_size"):
        fit(2, epochs=2, resume=tmp_path / "last.safetensors")
    fit(1, epochs=2, resume=tmp_path / "last.safetensors")


def test_a_scheduler_that_was_made_is_taken_and_one_of_updates_is_stepped_after_each(train, at):
    model = create_model("softmax_regression")
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=0.1, total_steps=13)
    rates = []
    look = at("on_step_start", lambda t: rates.append(t.optimizer.param_groups[0]["lr"]))
    Trainer(model, optimizer=optimizer, lr=scheduler, batch_size=10, callbacks=[look], progress=False).fit(
        train, epochs=2
    )
    assert len(set(rates)) == 12
    assert max(rates) == pytest.approx(0.1, rel=0.02)
    with pytest.raises(ConfigError, match="StepLR is of another optimizer than the trainer's; give a function instead"):
        softmax(lr=torch.optim.lr_scheduler.StepLR(optimizer, 1)).fit(train, epochs=1)
    with pytest.raises(ConfigError, match=r"got the class StepLR: give its arguments, functools.partial\(StepLR"):
        softmax(lr=torch.optim.lr_scheduler.StepLR)
    with pytest.raises(ConfigError, match="a scheduler is of one optimizer, this run has maker, judge"):
        duel(lr=lambda optimizer: torch.optim.lr_scheduler.StepLR(optimizer, 1)).fit(train, steps=1)
    with pytest.raises(ConfigError, match="lr has one of torch's schedulers for 'judge'"):
        duel(lr={"maker": 0.1, "judge": lambda optimizer: torch.optim.lr_scheduler.StepLR(optimizer, 1)})


@pytest.mark.parametrize("step", [4, 6, 7])
@pytest.mark.parametrize("each", ["step", "epoch"])
def test_a_scheduler_resumes_exactly(train, tmp_path, at, step, each):
    path = tmp_path / "run.safetensors"

    def run(*callbacks, **options):
        scheduler = TorchScheduler(lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(o, T_max=12), each=each)
        trainer = softmax(lr=None, callbacks=[scheduler, *callbacks])
        return trainer.fit(train, epochs=3, **options), weights(trainer.model)

    history, whole = run(at("on_checkpoint", lambda t: t.state.step == step and t.save_checkpoint(path)))
    assert len(set(history["lr"])) == 3
    again, resumed = run(resume=path)
    assert again == history
    assert torch.equal(resumed, whole)


@pytest.mark.parametrize("options", [{}, {"momentum": 0.9}], ids=["plain", "with momentum"])
def test_one_cycle_knows_how_long_the_run_is_and_resumes_exactly_with_the_momentum_that_it_brings(
    train, tmp_path, at, options
):
    path = tmp_path / "run.safetensors"

    def run(*callbacks, **resume):
        trainer = softmax(
            optimizer=functools.partial(torch.optim.SGD, lr=0.1, **options),
            lr=functools.partial(torch.optim.lr_scheduler.OneCycleLR, max_lr=0.2),
            callbacks=callbacks,
        )
        momenta = []
        trainer.callbacks.append(
            at("on_step_start", lambda t: momenta.append(t.optimizer.param_groups[0]["momentum"]), "m")
        )
        history = trainer.fit(train, epochs=3, **resume)
        return history, weights(trainer.model), momenta

    history, whole, momenta = run(at("on_checkpoint", lambda t: t.state.step == 7 and t.save_checkpoint(path)))
    assert len(set(momenta)) > 6
    assert history["lr"][-1] < 0.01
    again, resumed, rest = run(resume=path)
    assert again == history
    assert rest == momenta[7:]
    assert torch.equal(resumed, whole)


def test_several_optimizers_have_a_scheduler_each(train, tmp_path):
    def fit(epochs, **resume):
        rates = [
            TorchScheduler(functools.partial(torch.optim.lr_scheduler.ExponentialLR, gamma=gamma), optimizer=name)
            for name, gamma in {"maker": 0.5, "judge": 0.1}.items()
        ]
        trainer = duel(lr=None, callbacks=[*rates, Checkpoint(tmp_path, monitor=None)])
        trainer.fit(train, epochs=epochs, **resume)
        return [optimizer.param_groups[0]["lr"] for optimizer in trainer.optimizers.values()]

    first = fit(1)
    assert fit(2, resume=tmp_path / "last.safetensors") == pytest.approx([first[0] * 0.5, first[1] * 0.1])
    with pytest.raises(ConfigError, match=r"unknown optimizer 'juge'; did you mean 'judge'"):
        duel(
            callbacks=[
                TorchScheduler(lambda optimizer: torch.optim.lr_scheduler.StepLR(optimizer, 1), optimizer="juge")
            ]
        ).fit(train, steps=1)


class Distilled(Trainer):
    """Has arguments of its own."""

    def __init__(self, model, teacher, temperature=1.0, **options):
        super().__init__(model, **options)
        self.teacher = teacher
        self._temperature = temperature


@pytest.mark.parametrize("now", [{"temperature": 4.0}, {"teacher": nn.Sequential(nn.Flatten(), nn.Linear(784, 10))}])
def test_the_arguments_of_a_subclass_are_compared_when_it_is_resumed(train, tmp_path, now):
    def made(teacher="lenet5", temperature=2.0, **options):
        return softmax(kind=Distilled, teacher=teacher, temperature=temperature, **options)

    last = tmp_path / "last.safetensors"
    first = made()
    first.fit(train, epochs=1)
    first.save_checkpoint(last)
    made().fit(train, epochs=1, resume=last)
    with pytest.raises(CheckpointMismatchError, match=f"trainer/{next(iter(now))}"):
        made(**now).fit(train, epochs=1, resume=last)


def test_a_hook_logs_figures_of_an_update_with_those_of_its_step(train, tmp_path):
    class Norms(Trainer):
        def on_gradients(self):
            norms.append(weights(self.model).norm().item())
            self.log({"norm": torch.tensor(norms[-1])})

    norms = []
    trainer = softmax(kind=Norms, accumulate=2)
    history = trainer.fit(train[:40], epochs=2)
    assert len(norms) == 4
    assert history["train_norm"] == pytest.approx([sum(norms[:2]) / 2, sum(norms[2:]) / 2])
    with pytest.raises(ConfigError, match="a metric is named 'loss'"):
        trainer.log({"loss": 1.0})
    with pytest.raises(ConfigError, match="no run is under way"):
        trainer.log({"norm": 1.0})


def test_lbfgs_without_a_step_of_its_own_is_told_how_to_write_it(train):
    with pytest.raises(ConfigError, match=r"override optimizer_step .*self\.optimizer\.step\(self\.gradients\)"):
        softmax(lr=None, optimizer=torch.optim.LBFGS).fit(train, steps=1)


@pytest.mark.parametrize(
    "form", [lambda data: data, lambda data: CombinedLoader(TensorLoader(data, 20))], ids=["data", "loader"]
)
def test_validation_images_are_normalised_as_the_training_images_are(train, validation, form):
    class First(Trainer):
        def training_step(self, batch):
            return super().training_step(batch if isinstance(batch, Batch) else batch[0])

    raw = train.normalized(mean=0.0, std=1.0)
    trainer = First(create_model("softmax_regression"), progress=False)
    history = trainer.fit(form(raw), validation, epochs=1)
    expected = trainer.evaluate(TensorLoader(validation.normalized(mean=0.0, std=1.0), 20))
    assert history["val_loss"] == [pytest.approx(expected.loss, abs=1e-6)]
    assert trainer.evaluate(validation).loss == pytest.approx(expected.loss, abs=1e-6)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Trainer("lenet5"), r"got 'lenet5' as the model, expected a torch module: create_model\('lenet5'\)"),
        (lambda: Trainer(nn.Flatten), r"expected a torch module: make one, Flatten\(\)"),
        (lambda: softmax(lr="auto"), "lr is 'auto', expected a number, a schedule.*find_learning_rate"),
        (lambda: softmax(loss=nn.MSELoss), r"loss is the class MSELoss: make one, MSELoss\(\)"),
        (lambda: softmax(loss="mse"), "loss is 'mse', expected a function"),
        (lambda: softmax(augment=Augment), "augment is Augment, expected a function of"),
        (
            lambda: softmax(augment=lambda images: images),
            "augment is function, expected a function of .images, generator.",
        ),
    ],
)
def test_plausible_arguments_that_cannot_be_used_are_said_at_once(make, message):
    with pytest.raises(ConfigError, match=message):
        make()


def test_a_transform_of_torchvisions_is_said_how_to_wrap():
    from torchvision import transforms

    for transform in (transforms.RandomRotation(10), transforms.Compose([transforms.RandomRotation(10)])):
        with pytest.raises(ConfigError, match=r"takes images only.*augment=lambda images, generator"):
            softmax(augment=transform)


def test_a_loss_that_does_not_take_such_labels_is_said(train):
    with pytest.raises(DataError, match=r"MSELoss cannot take outputs \(10, 10\) with torch.int64 labels \(10,\)"):
        softmax(loss=nn.MSELoss()).fit(train, epochs=1)
    with pytest.raises(DataError, match=r"BCELoss cannot take outputs"):
        softmax(loss=nn.BCELoss()).fit(train, epochs=1)


@pytest.mark.parametrize(
    "loss",
    [
        nn.CrossEntropyLoss(weight=torch.ones(10)),
        functools.partial(F.cross_entropy, weight=torch.ones(10)),
    ],
    ids=["module", "partial"],
)
def test_the_weights_of_a_loss_follow_the_model(train, loss, monkeypatch):
    # It is another device that every machine has; nothing has a value there, so that the first look at the loss ends the run.
    monkeypatch.setattr("mnistkit.training.trainer.resolve_device", lambda device: torch.device("meta"))
    monkeypatch.setattr("mnistkit.training.trainer.describe", lambda *_: {})  # which would read the weights of the loss
    places = []

    class Look(Trainer):
        def loss(self, logits, labels):
            places.append(logits.device.type)
            return super().loss(logits, labels)

    with pytest.raises(Exception, match="meta"):
        softmax(Look, loss=loss).fit(train, epochs=1)
    assert places == ["meta"]


class Tuple(nn.Linear):
    def forward(self, images):
        return (super().forward(images.flatten(1)),)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (lambda: Tuple(784, 10), "the model returned a tuple, expected a tensor of logits"),
        (
            lambda: nn.Sequential(nn.Flatten(), nn.Linear(784, 10).double()),
            r"weights of torch.float64, the images are torch.float32: call model.float\(\)",
        ),
    ],
)
def test_a_model_that_the_default_step_cannot_use_is_said(train, model, message):
    with pytest.raises(ConfigError, match=message):
        Trainer(model(), progress=False).fit(train, epochs=1)


def test_before_a_fit_there_is_no_optimizer():
    with pytest.raises(ConfigError, match=r"there is no optimizer yet: fit\(\) makes it"):
        softmax().optimizer  # noqa: B018
