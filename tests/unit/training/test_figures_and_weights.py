"""What a run must not lose in silence: figures that a hook logs, weights beside the model, labels, the range of images."""

import copy
import dataclasses
import functools
import warnings

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.ao import quantization
from torch.optim.lr_scheduler import OneCycleLR
from torch.utils.data import ConcatDataset, DataLoader, Dataset, TensorDataset, random_split

from mnistkit import Checkpoint, CSVLogger, TensorLoader, Trainer, create_model
from mnistkit.callbacks import PeriodicEvaluation
from mnistkit.data import CombinedLoader, LoaderAdapter
from mnistkit.errors import CheckpointMismatchError, ConfigError, DataError
from mnistkit.training import History
from mnistkit.types import Batch, StepOutput


def softmax(kind=Trainer, **options):
    torch.manual_seed(0)
    return kind(create_model("softmax_regression"), **{"batch_size": 10, "progress": False} | options)


@pytest.fixture
def train(small):
    return small.train.take_per_class(4)


@pytest.fixture
def validation(small):
    return small.validation.take_per_class(2)


# ---- figures that a hook logs ---------------------------------------------------------------------------------------


class Logging(Trainer):
    """Logs one figure at one hook, in some updates only."""

    hook = "on_step_end"

    def every(self, hook):
        if hook == self.hook and self.state.step % 2 == 0:
            self.log({"figure": self.state.step + 1})

    def on_step_start(self):
        self.every("on_step_start")

    def on_gradients(self):
        self.every("on_gradients")

    def on_step_end(self):
        self.every("on_step_end")


@pytest.mark.parametrize(("hook", "expected"), [("on_step_start", 2), ("on_gradients", 2), ("on_step_end", 4)])
def test_a_figure_is_the_mean_over_the_updates_that_logged_it(train, hook, expected):
    kind = type("At", (Logging,), {"hook": hook})
    # 40 images in 4 updates: those before steps 0 and 2, or those that end with step counters 2 and 4.
    assert softmax(kind).fit(train, epochs=1)["train_figure"] == [expected]


def test_a_metric_of_some_steps_is_the_mean_over_their_images(train, tmp_path, at):
    class Seldom(Trainer):
        def training_step(self, batch):
            step = super().training_step(batch)
            return StepOutput(step.loss, step.logits, {"size": len(batch.labels)} if self.state.step % 4 > 1 else {})

    path = tmp_path / "run.safetensors"
    save = at("on_checkpoint", lambda t: t.state.step == 3 and t.save_checkpoint(path))
    each = PeriodicEvaluation(every=1)
    whole = softmax(Seldom, batch_size=12, callbacks=[save, each]).fit(train, train[:5], epochs=1)
    # Batches of 12, 12, 12 and 4 images; the last two log it.
    assert whole["train_size"] == [(12 * 12 + 4 * 4) / 16]
    assert each.history["train_size"] == [12, 4]
    assert (
        softmax(Seldom, batch_size=12, callbacks=[PeriodicEvaluation(every=1)]).fit(
            train, train[:5], epochs=1, resume=path
        )
        == whole
    )


class AtTheEnd(Trainer):
    """Logs after an epoch's last update."""

    def on_eval_end(self):
        self.log({"evaluated": self.evaluation.count})

    def on_epoch_end(self):
        self.log({"norm": torch.tensor(self.state.epoch / 4), "epochs": self.state.epoch})


def test_what_is_logged_when_an_epoch_ends_is_in_its_row(train, validation, tmp_path):
    best = Checkpoint(tmp_path / "run", monitor="train_norm", mode="max")
    trainer = softmax(AtTheEnd, callbacks=[CSVLogger(tmp_path / "run.csv"), best])
    history = trainer.fit(train, validation, epochs=2)
    assert (history["train_norm"], history["train_epochs"]) == ([0.25, 0.5], [1, 2])
    assert history["train_evaluated"] == [20, 20]
    assert best.best == 0.5
    assert History.from_csv(tmp_path / "run.csv")["train_norm"] == [0.25, 0.5]
    trainer.save_checkpoint(tmp_path / "last.safetensors")
    again = softmax(AtTheEnd, callbacks=trainer.callbacks)
    assert again.fit(train, validation, epochs=2, resume=tmp_path / "last.safetensors") == history


@pytest.mark.parametrize("hook", ["on_fit_start", "on_epoch_start", "on_fit_end"])
def test_a_figure_of_no_update_and_no_epoch_is_refused(train, hook):
    kind = type("At", (Trainer,), {hook: lambda self: self.log({"figure": 1.0})})
    with pytest.raises(ConfigError, match=r"log\(\) got 'figure' where no update is under way .*on_epoch_end"):
        softmax(kind).fit(train, epochs=2)


# ---- weights beside the model ---------------------------------------------------------------------------------------


def network(seed):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Flatten(), nn.BatchNorm1d(784), nn.Linear(784, 10)).eval()


class Taught(Trainer):
    """Learns from a frozen teacher, who comes in one of the ways that people have."""

    def __init__(self, model, *, network, way, **options):
        super().__init__(model, **options)
        self.way, self._network = way, [] if way == "in a hook" else [network]
        if way == "an attribute":
            self.mentor = network
        self._made = lambda: network

    def on_fit_start(self):
        if self.way == "in a hook":
            self.mentor = self._made()


class TaughtLoss(nn.Module):
    def __init__(self, mentor):
        super().__init__()
        self.mentor = mentor

    def forward(self, logits, labels):
        return F.cross_entropy(logits, labels)


def near(logits, labels, mentor):
    return F.cross_entropy(logits, labels)


HELD = {
    "an attribute": lambda net: functools.partial(Taught, network=net, way="an attribute"),
    "in a hook": lambda net: functools.partial(Taught, network=net, way="in a hook"),
    "in the loss": lambda net: functools.partial(Trainer, loss=TaughtLoss(net)),
    "in a partial": lambda net: functools.partial(Trainer, loss=functools.partial(near, mentor=net)),
}


@pytest.mark.parametrize("way", HELD)
def test_a_run_is_not_resumed_with_a_teacher_of_other_weights(train, tmp_path, way):
    last = tmp_path / "last.safetensors"
    first = softmax(HELD[way](network(1)))
    first.fit(train, epochs=1)
    first.save_checkpoint(last)
    softmax(HELD[way](network(1))).fit(train, epochs=2, resume=last)
    moved = network(1)
    moved[1].running_mean += 1
    for other in (network(2), moved):
        with pytest.raises(
            CheckpointMismatchError, match=r"had other weights in .*, which the .* holds beside its model"
        ):
            softmax(HELD[way](other)).fit(train, epochs=2, resume=last)


class Moving(Trainer):
    """Its teacher changes while it trains."""

    kept = True

    def __init__(self, model, **options):
        super().__init__(model, **options)
        self.mentor = network(None or torch.seed() % 1000)

    def on_step_end(self):
        with torch.no_grad():
            self.mentor[2].weight += 0.01

    def state_dict(self):
        return {"mentor": dict(self.mentor.state_dict())} if self.kept else {}

    def load_state_dict(self, state):
        if state:
            self.mentor.load_state_dict(state["mentor"])


def test_a_teacher_that_changes_comes_back_or_is_an_error(train, tmp_path):
    last = tmp_path / "last.safetensors"
    for kind in (Moving, type("Forgetful", (Moving,), {"kept": False})):
        first = softmax(kind)
        first.fit(train, epochs=1)
        first.save_checkpoint(last)
        if kind.kept:
            resumed = softmax(kind)
            resumed.fit(train, epochs=1, resume=last)
            assert torch.equal(resumed.mentor[2].weight, first.mentor[2].weight)
        else:
            with pytest.raises(
                CheckpointMismatchError, match=r"other weights in mentor, .*return them from state_dict\(\)"
            ):
                softmax(kind).fit(train, epochs=1, resume=last)


# ---- parameters that nobody trains ----------------------------------------------------------------------------------


def test_parameters_of_the_model_that_no_optimizer_has_are_refused_unless_they_are_frozen(train):
    def made():
        return create_model("mlp", hidden=(8,))

    def last_only(model):
        return torch.optim.SGD([*model.parameters()][-2:], lr=0.1)

    model = made()
    with pytest.raises(ConfigError, match=r"layers\.\d\.weight, .*: no optimizer has these .*requires_grad_\(False\)"):
        Trainer(model, optimizer=last_only(model), progress=False).fit(train, epochs=1)
    for parameter in [*model.parameters()][:-2]:
        parameter.requires_grad_(False)
    Trainer(model, optimizer=last_only(model), progress=False).fit(train, epochs=1)


class Head(Trainer):
    """Has a layer beside the model, which the default optimizer does not know."""

    def __init__(self, model, **options):
        super().__init__(model, **options)
        self.head = nn.Linear(10, 10)

    def training_step(self, batch):
        return self.loss(self.head(self.model(batch.images)), batch.labels)


def test_a_layer_beside_the_model_that_gets_gradients_in_vain_is_refused(train):
    with pytest.raises(ConfigError, match=r"head\.weight, head\.bias: the loss depends on them.*no optimizer has them"):
        softmax(Head).fit(train, epochs=1)
    frozen = softmax(Head)
    frozen.head.requires_grad_(False)
    frozen.fit(train, epochs=1)

    class Both(Head):
        def configure_optimizer(self):
            return torch.optim.SGD([*self.model.parameters(), *self.head.parameters()], lr=0.1)

    before = (trainer := softmax(Both)).head.weight.detach().clone()
    trainer.fit(train, epochs=1)
    assert not torch.equal(before, trainer.head.weight)


def test_what_is_left_of_an_old_gradient_does_not_hide_a_layer_that_was_forgotten(train):
    trainer = softmax(Head)
    trainer.head(torch.ones(2, 10)).sum().backward()
    with pytest.raises(ConfigError, match=r"head\.weight, head\.bias: the loss depends on them"):
        trainer.fit(train, epochs=1)

    class Alone(Head):
        def training_step(self, batch):
            with torch.no_grad():
                self.head(self.model(batch.images))
            return super(Head, self).training_step(batch)

    trainer = softmax(Alone)
    trainer.head(torch.ones(2, 10)).sum().backward()
    trainer.head.bias.grad.fill_(torch.nan)
    before = trainer.head.weight.grad.clone()
    trainer.fit(train, epochs=1)
    assert torch.equal(trainer.head.weight.grad, before)


def test_a_layer_or_a_parameter_that_is_made_when_training_starts_is_not_forgotten_in_silence(train):
    class Late(Head):
        def on_fit_start(self):
            self.head = nn.Linear(10, 10)

    with pytest.raises(ConfigError, match=r"head\.weight, head\.bias: the loss depends on them"):
        softmax(Late).fit(train, epochs=1)

    class Tempered(Trainer):
        def training_step(self, batch):
            return self.loss(self.model(batch.images) * self.temperature, batch.labels)

    trainer = softmax(Tempered)
    trainer.temperature = nn.Parameter(torch.ones(()))
    with pytest.raises(ConfigError, match=r"^temperature: the loss depends on them"):
        trainer.fit(train, epochs=1)
    # One that the subclass steps itself is in an optimizer too.
    trainer.own = torch.optim.SGD([trainer.temperature], lr=0.1)
    trainer.fit(train, epochs=1)


def test_a_teacher_that_is_asked_without_gradients_need_not_be_frozen(train):
    class Soft(Trainer):
        mentor = network(1)

        def training_step(self, batch):
            with torch.no_grad():
                soft = self.mentor(batch.images).softmax(1)
            return super().training_step(Batch(batch.images, soft))

    trainer = softmax(Soft)
    trainer.mentor = network(1)
    trainer.fit(train, epochs=1)


# ---- labels that are probabilities ----------------------------------------------------------------------------------


def top2(logits, labels):
    return (logits.topk(2).indices == labels[:, None]).any(1).float().mean()


def test_metrics_of_soft_labels_get_the_most_probable_class(train):
    images = train.preprocessing.normalize(train.images)
    soft = F.one_hot(train.labels, 10) * 0.9 + 0.01
    one, another = (
        softmax(metrics={"top2": top2}, lr=1e-9).fit(TensorDataset(images, labels), train, epochs=1)
        for labels in (soft, train.labels)
    )
    assert one["train_top2"] == another["train_top2"]
    assert one["val_top2"] == another["val_top2"]


def test_rows_of_several_classes_reach_a_metric_as_they_are_whatever_they_add_up_to(train):
    seen = []

    def right(outputs, labels):
        seen.append(labels.shape)
        return ((outputs > 0).float() == labels).float().mean()

    rows = F.one_hot(train.labels, 10).float()
    rows[:5] = 1
    data = TensorDataset(train.preprocessing.normalize(train.images), rows)
    history = softmax(loss=nn.BCEWithLogitsLoss(), metrics={"right": right}).fit(data, data, epochs=1)
    assert set(seen) == {(10, 10), (40, 10)}  # validation is one batch
    assert "train_accuracy" not in history.columns


class SameDigit(Trainer):
    """Is an image's digit that of the one before? Two logits, beside labels from 0 to 9."""

    own = False

    def training_step(self, batch):
        return self.judge(self.model, batch)

    def evaluation_step(self, batch):
        return self.judge(self.inference_model, batch)

    def judge(self, model, batch):
        images, labels = batch
        same = (labels == labels.roll(1)).long()
        logits = model(images)[:, :2]
        return StepOutput(F.cross_entropy(logits, same), logits, labels=same if self.own else None)


@pytest.mark.parametrize(
    "form", [lambda data: data, lambda data: TensorDataset(data.images.float() / 255, data.labels)]
)
def test_labels_of_another_question_than_the_logits_answer_are_refused_at_once(train, validation, form):
    trainer = softmax(SameDigit)
    data, other = form(train), form(validation)
    with pytest.raises(DataError, match=r"labels up to \d with logits of 2 classes.*StepOutput\(loss, logits, labels="):
        trainer.fit(data, epochs=1)
    assert trainer.state.step == 0
    with pytest.raises(DataError, match=r"labels up to \d with logits of 2 classes"):
        trainer.evaluate(other)
    trainer.own = True
    assert trainer.fit(data, other, epochs=1).last["val_accuracy"] == trainer.evaluate(other).accuracy


def test_no_gradients_are_shown_where_the_step_has_used_them_all(train):
    class Own(Trainer):
        shown = 0

        def training_step(self, batch):
            loss = self.loss(self.model(batch.images), batch.labels)
            self.step_optimizer("optimizer", loss)
            return loss.detach()

        def on_gradients(self):
            self.shown += 1
            assert all(parameter.grad is not None for parameter in self.model.parameters())

    trainer = softmax(Own)
    trainer.fit(train, epochs=1)
    assert trainer.shown == trainer.state.step


def test_looking_at_a_model_moves_no_observer_in_it(train, validation):
    network = nn.Sequential(nn.Flatten(), nn.Linear(784, 10))
    network.qconfig = quantization.get_default_qat_qconfig("fbgemm")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that torch means to move these functions elsewhere
        prepared = quantization.prepare_qat(network.train())
        trainer = Trainer(prepared, batch_size=10, progress=False)
        trainer.fit(train, epochs=1)
        before = copy.deepcopy(prepared.state_dict())
        trainer.evaluate(validation)
    for name, value in prepared.state_dict().items():
        assert torch.equal(value, before[name]), name


def test_a_data_set_of_ours_says_where_soft_labels_go(train):
    with pytest.raises(DataError, match=r"one class an image.*probabilities, .*TensorDataset\(data.preprocessing"):
        dataclasses.replace(train, labels=F.one_hot(train.labels, 10).float())


# ---- images from 0 to 1 beside normalised ones ----------------------------------------------------------------------


class Named(Dataset):
    """Dicts, as Hugging Face has them."""

    def __init__(self, data):
        self.data = data

    def __len__(self):
        return len(self.data)

    def __getitem__(self, index):
        image, label = self.data[index]
        return {"image": image, "label": label}


FORMS = {
    "tensors": lambda data: data,
    "a part": lambda data: random_split(data, [20, len(data) - 20])[0],
    "a concatenation": lambda data: ConcatDataset([data, data]),
    "a loader": lambda data: DataLoader(data, batch_size=10),
    "dicts": Named,
}


def as_tensors(data, normalise=False):
    images = data.preprocessing.normalize(data.images) if normalise else data.images.float() / 255
    return TensorDataset(images, data.labels)


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_images_from_0_to_1_beside_normalised_ones_are_refused(train, validation, form):
    message = r"from 0 to 1, those of DigitDataset.* are normalised.*normalized\(mean=0.0, std=1.0\).*/ 0\.3"
    trainer = softmax(batch_size=None)
    with pytest.raises(DataError, match=message):
        trainer.fit(form(as_tensors(train)), validation, epochs=1)
    with pytest.raises(DataError, match=message):
        trainer.fit(train, form(as_tensors(validation)), epochs=1)
    trainer.fit(form(as_tensors(train)), validation.normalized(mean=0.0, std=1.0), epochs=1)
    with pytest.raises(DataError, match=message):
        trainer.evaluate(validation)
    softmax(batch_size=None).fit(form(as_tensors(train, normalise=True)), validation, epochs=1)


def test_both_of_two_loaders_must_be_of_one_kind(train):
    class First(Trainer):
        def training_step(self, batch):
            return super().training_step(batch[0])

    def pair(unlabelled):
        return CombinedLoader(TensorLoader(train, 10), LoaderAdapter(DataLoader(unlabelled, batch_size=10)))

    with pytest.raises(DataError, match="are from 0 to 1"):
        softmax(First, batch_size=None).fit(pair(as_tensors(train)), epochs=1)
    softmax(First, batch_size=None).fit(pair(as_tensors(train, normalise=True)), epochs=1)


def test_looking_at_images_draws_none_of_the_runs_random_numbers(train, validation):
    class Noisy(Named):
        def __getitem__(self, index):
            image, label = self.data[index]
            return image + 0.01 * torch.randn(image.shape), label

    # Beside a validation set the images are looked at, beside none they are not.
    alone = softmax().fit(Noisy(train), epochs=2)["train_loss"]
    assert softmax().fit(Noisy(train), validation, epochs=2)["train_loss"] == alone


# ---- a schedule of torch's that ends too early ----------------------------------------------------------------------


def test_a_one_cycle_that_is_shorter_than_the_run_is_refused_before_it_begins(train, tmp_path):
    def run(lr, epochs, **options):
        trainer = softmax(optimizer=functools.partial(torch.optim.SGD, lr=0.1), lr=lr)
        return trainer, trainer.fit(train, epochs=epochs, **options)

    fixed = lambda optimizer: OneCycleLR(optimizer, max_lr=0.2, total_steps=8)  # noqa: E731
    with pytest.raises(ConfigError, match=r"made for 8 steps, and the run has 12\. Leave its length out"):
        run(fixed, epochs=3)
    for lr in (fixed, functools.partial(OneCycleLR, max_lr=0.2)):
        trainer, _ = run(lr, epochs=2)
        trainer.save_checkpoint(tmp_path / "last.safetensors")
        with pytest.raises(ConfigError, match=r"made for 8 steps.* a run that is resumed cannot be made longer"):
            run(lr, epochs=3, resume=tmp_path / "last.safetensors")
