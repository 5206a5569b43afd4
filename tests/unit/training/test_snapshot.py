"""Resuming: exact where it is the same run, refused with every difference where it is not."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, Dataset

from mnistkit import Augment, Checkpoint, CSVLogger, EarlyStopping, TensorLoader, Trainer, create_model
from mnistkit.callbacks import EMA, PeriodicEvaluation
from mnistkit.checkpoint import read_checkpoint
from mnistkit.data import sample_marks
from mnistkit.distributed import World
from mnistkit.errors import CheckpointError, CheckpointMismatchError, WriteError
from mnistkit.training import Callback, Cosine, OneCycle, snapshot
from mnistkit.types import StepOutput


class SaveAt(Callback):
    """Writes the state of the run once, at a step."""

    def __init__(self, path, step, *, epoch_ended=False):
        self.path, self.step, self.epoch_ended = path, step, epoch_ended

    def on_checkpoint(self, trainer):
        if trainer.state.step == self.step and (trainer.state.batch == 0) == self.epoch_ended:
            trainer.save_checkpoint(self.path)


def trainer_of(*callbacks, model="mlp", kind=Trainer, **options):
    torch.manual_seed(7)
    arguments = {"hidden": (8,), "dropout": 0.3} if model == "mlp" else {}
    built = create_model(model, **arguments) if isinstance(model, str) else model
    return kind(built, callbacks=callbacks, **{"batch_size": 10, "progress": False} | options)


def weights(trainer):
    return nn.utils.parameters_to_vector(trainer.model.parameters()).detach()


@pytest.fixture
def train(small):
    return small.train.take_per_class(4)


@pytest.fixture
def file(tmp_path):
    return tmp_path / "run.safetensors"


# ---- exact ----------------------------------------------------------------------------------------------------------


class Noisy(Dataset):
    """Draws from torch's own generator for every image, as many a user's data set does."""

    def __init__(self, data):
        self.data = data

    def __len__(self):
        return len(self.data)

    def __getitem__(self, index):
        image, label = self.data[index]
        return image + 0.1 * torch.randn(image.shape), label


LOADERS = {
    "a data set": lambda data: data,
    "a TensorLoader": lambda data: TensorLoader(data, 10, shuffle=True, seed=5, augment=Augment(shift=2)),
    "a shuffled DataLoader": lambda data: DataLoader(data, batch_size=10, shuffle=True),
    "a DataLoader that draws random numbers": lambda data: DataLoader(Noisy(data), batch_size=10, shuffle=True),
    "a sampler": lambda data: DataLoader(
        data, batch_size=10, sampler=torch.utils.data.WeightedRandomSampler([1.0] * len(data), len(data))
    ),
}


def size_beside(load):
    """The trainer's batch size: a loader has its own."""
    return 10 if load is LOADERS["a data set"] else None


@pytest.mark.parametrize("load", LOADERS.values(), ids=LOADERS)
@pytest.mark.parametrize("step", [1, 4, 6])
def test_a_run_resumed_inside_an_epoch_ends_like_one_that_was_not_interrupted(file, train, load, step):
    size = size_beside(load)
    whole = trainer_of(SaveAt(file, step), batch_size=size)
    history = whole.fit(load(train), epochs=3)
    resumed = trainer_of(SaveAt(file, step), batch_size=size)
    assert resumed.fit(load(train), epochs=3, resume=file) == history
    assert torch.equal(weights(resumed), weights(whole))


def test_a_run_resumed_after_the_last_step_of_an_epoch_reports_that_epoch_in_full(file, small, train):
    whole = trainer_of(SaveAt(file, 4), lr=Cosine(0.01))
    history = whole.fit(train, small.validation, epochs=2)
    resumed = trainer_of(SaveAt(file, 4), lr=Cosine(0.01))
    assert resumed.fit(train, small.validation, epochs=2, resume=file) == history
    assert torch.equal(weights(resumed), weights(whole))


def test_a_resumed_epoch_is_not_started_twice(file, train):
    log = []

    class Log(Callback):
        def on_epoch_start(self, trainer):
            log.append(("epoch", trainer.state.epoch))

        def on_step_start(self, trainer):
            log.append(("step", trainer.state.step))

    trainer_of(SaveAt(file, 6)).fit(train, epochs=3)
    trainer_of(SaveAt(file, 6), Log()).fit(train, epochs=3, resume=file)
    assert log == [("step", 6), ("step", 7), ("epoch", 2), *(("step", step) for step in range(8, 12))]


@pytest.mark.parametrize("load", LOADERS.values(), ids=LOADERS)
@pytest.mark.parametrize("step", [5, 8])
def test_a_callback_that_draws_random_numbers_does_not_spoil_it(file, train, load, step):
    drawn = []

    class Drawing(Callback):
        def on_epoch_start(self, trainer):
            drawn.append((trainer.state.epoch, float(torch.rand(()))))

        on_step_start = on_step_end = on_epoch_start

    size = size_beside(load)
    whole = trainer_of(Drawing(), SaveAt(file, step, epoch_ended=step == 8), batch_size=size)
    history = whole.fit(load(train), epochs=3)
    expected = [number for epoch, number in drawn if epoch == 2]
    drawn.clear()
    resumed = trainer_of(Drawing(), SaveAt(file, step), batch_size=size)
    assert resumed.fit(load(train), epochs=3, resume=file) == history
    assert torch.equal(weights(resumed), weights(whole))
    assert [number for epoch, number in drawn if epoch == 2] == expected


def test_callbacks_get_their_state_before_the_run_goes_on(file, train):
    log = []

    class Counting(Callback):
        def __init__(self):
            self.steps = 0

        def on_fit_start(self, trainer):
            log.append((self.steps, trainer.state.step, trainer.state.lr))

        def on_step_end(self, trainer):
            self.steps += 1

        def state_dict(self):
            return {"steps": self.steps}

        def load_state_dict(self, state):
            self.steps = state["steps"]

    trainer_of(Counting(), SaveAt(file, 5), lr=0.01).fit(train, epochs=2)
    callback = Counting()
    trainer_of(callback, SaveAt(file, 5), lr=0.01).fit(train, epochs=2, resume=file)
    assert log == [(0, 0, 0.0), (5, 5, 0.01)]
    assert callback.steps == 8


def test_an_average_is_saved_for_use_and_the_trained_weights_beside_it(file, train):
    seen = {}

    class Look(Callback):
        def on_checkpoint(self, trainer):
            if trainer.state.step == 3:
                seen["model"] = weights(trainer).clone()
                seen["average"] = nn.utils.parameters_to_vector(trainer.inference_model.parameters())

        def on_fit_start(self, trainer):
            seen["resumed"] = weights(trainer).clone()
            seen["resumed average"] = nn.utils.parameters_to_vector(trainer.inference_model.parameters())

    trainer_of(EMA(0.5), SaveAt(file, 3), Look()).fit(train, epochs=1)
    content = read_checkpoint(file)
    average = torch.cat([value.flatten() for value in content.weights.values()])
    assert torch.equal(average.sort().values, seen["average"].sort().values)
    assert not torch.equal(seen["average"], seen["model"])
    trainer_of(EMA(0.5), SaveAt(file, 3), Look()).fit(train, epochs=1, resume=file)
    assert torch.equal(seen["resumed"], seen["model"])
    assert torch.equal(seen["resumed average"], seen["average"])


class Pair(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder, self.decoder = nn.Linear(784, 8), nn.Linear(8, 784)


class PairTrainer(Trainer):
    def configure_optimizer(self):
        return {
            "encoder": torch.optim.Adam(self.model.encoder.parameters()),
            "decoder": torch.optim.SGD(self.model.decoder.parameters(), lr=0.1, momentum=0.9),
        }

    def training_step(self, batch):
        images = batch.images.flatten(1)
        code = self.model.encoder(images + 0.1 * torch.randn_like(images))
        return StepOutput(F.mse_loss(self.model.decoder(F.relu(code)), images))


def test_several_optimizers_resume_exactly(file, train):
    def run(**options):
        torch.manual_seed(1)
        trainer = trainer_of(SaveAt(file, 6), model=Pair(), kind=PairTrainer)
        return trainer.fit(train, epochs=3, **options), weights(trainer)

    (history, whole), (again, resumed) = run(), run(resume=file)
    assert history == again
    assert torch.equal(whole, resumed)


def test_more_epochs_may_be_added_to_a_finished_run(file, train):
    long = trainer_of()
    history = long.fit(train, epochs=4)
    trainer_of(SaveAt(file, 8, epoch_ended=True)).fit(train, epochs=2)
    short = trainer_of()
    assert short.fit(train, epochs=4, resume=file) == history
    assert torch.equal(weights(short), weights(long))


def test_a_finished_run_resumes_to_itself(file, train):
    trainer = trainer_of(SaveAt(file, 8, epoch_ended=True))
    history = trainer.fit(train, epochs=2)
    again = trainer_of()
    assert again.fit(train, epochs=2, resume=file) == history
    assert torch.equal(weights(again), weights(trainer))


def test_a_trainer_that_has_trained_can_itself_resume(file, train):
    trainer = trainer_of(SaveAt(file, 5))
    history = trainer.fit(train, epochs=3)
    before = weights(trainer)
    assert trainer.fit(train, epochs=3, resume=file) == history
    assert torch.equal(weights(trainer), before)


def test_the_time_before_a_resume_counts(file, train, at):
    first = trainer_of(SaveAt(file, 5))
    first.fit(train, epochs=2)
    saved = read_checkpoint(file).training["seconds"]
    assert 0 < saved <= first.seconds
    starts = []
    trainer_of(at("on_fit_start", lambda t: starts.append(t.seconds))).fit(train, epochs=2, resume=file)
    assert starts[0] >= saved


def test_a_callback_that_watches_may_be_added_to_a_resumed_run(file, small, train, tmp_path):
    trainer_of(SaveAt(file, 4, epoch_ended=True)).fit(train, small.validation, epochs=2)
    watching = [CSVLogger(tmp_path / "run.csv"), PeriodicEvaluation(every=2), Checkpoint(tmp_path / "new")]
    history = trainer_of(*watching, progress=True).fit(train, small.validation, epochs=3, resume=file)
    assert watching[2].best == max(history["val_accuracy"][1:])


# ---- refused --------------------------------------------------------------------------------------------------------


@pytest.fixture
def saved(file, train):
    """A training file of a plain run."""
    trainer_of(SaveAt(file, 5), accumulate=1).fit(train, epochs=2)
    return file


def test_a_model_file_cannot_be_resumed_from(tmp_path, train):
    trainer = trainer_of()
    trainer.fit(train, epochs=1)
    trainer.save_model(tmp_path / "model.safetensors")
    with pytest.raises(
        CheckpointMismatchError,
        match=r"model\.safetensors is a model file, .*resume from the last\.safetensors .*load_model",
    ):
        trainer_of().fit(train, epochs=2, resume=tmp_path / "model.safetensors")


def test_a_missing_file_cannot_be_resumed_from(tmp_path, train):
    with pytest.raises(CheckpointError, match=r"there is no checkpoint .*none\.safetensors"):
        trainer_of().fit(train, epochs=2, resume=tmp_path / "none.safetensors")


DIFFERENCES = {
    "seed": ({"seed": 1}, "seed: 0 in the file, 1 now"),
    "batch size": ({"batch_size": 8}, "batch_size: 10 in the file, 8 now"),
    "accumulate": ({"accumulate": 2}, "accumulate: 1 in the file, 2 now"),
    "clip_norm": ({"clip_norm": 1.0}, "clip_norm: None in the file, 1.0 now"),
    "precision": ({"precision": "bf16"}, "precision: 'fp32' in the file, 'bf16' now"),
    "optimizer": ({"optimizer": "sgd"}, "optimizers/optimizer/kind: 'Adam' in the file, 'SGD' now"),
    "lr": ({"lr": Cosine(0.1)}, "lr: None in the file, {'kind': 'Cosine', 'lr': 0.1, 'final': 0.0} now"),
    "augment": ({"augment": Augment(shift=1)}, "augment: None in the file, {'kind': 'Augment'"),
}


@pytest.mark.parametrize(("options", "message"), DIFFERENCES.values(), ids=DIFFERENCES)
def test_another_setting_is_refused_by_name(saved, train, options, message):
    with pytest.raises(CheckpointMismatchError) as caught:
        trainer_of(**options).fit(train, epochs=2, resume=saved)
    assert message in str(caught.value)
    assert "Resume with the same settings; to start a new run from its weights: Trainer(load_model(path)" in str(
        caught.value
    )


OTHER_DATA = {
    "fewer": (lambda train: train[:35], "data/count: 40 in the file, 35 now"),
    "another order": (lambda train: train[torch.arange(39, -1, -1)], "data/fingerprint: '"),
    "another normalisation": (lambda train: train.normalized(0.5, 0.5), r"preprocessing/mean: .* now"),
    "flattened": (lambda train: train.flatten(), "preprocessing/flat: False in the file, True now"),
    "foreign": (lambda train: [*TensorLoader(train, 10)], "data/name: 'mnist' in the file, 'list' now"),
}


@pytest.mark.parametrize(("change", "message"), OTHER_DATA.values(), ids=OTHER_DATA)
def test_other_data_is_refused(saved, train, change, message):
    options = {"batch_size": None} if isinstance(change(train), list) else {}
    with pytest.raises(CheckpointMismatchError, match=message):
        trainer_of(**options).fit(change(train), epochs=2, resume=saved)


def test_all_differences_are_listed_at_once(file, small, train):
    class Stateful(Callback):
        def state_dict(self):
            return {"something": 1}

    trainer_of(SaveAt(file, 5), Stateful(), EMA(0.5)).fit(train, epochs=2)
    with pytest.raises(CheckpointMismatchError) as caught:
        trainer_of(seed=3, optimizer="sgd", batch_size=20).fit(small.train, epochs=1, resume=file)
    lines = str(caught.value).splitlines()
    assert lines[0] == f"{file} is of another run:"
    places = [line.strip().split(":")[0] for line in lines[1:-1]]
    assert {"batch_size", "data/count", "optimizers/optimizer/kind", "seed", "steps_per_epoch"} <= set(places)
    assert places[-3:] == ["steps_per_epoch", "callback 'EMA'", "callback 'Stateful'"]
    assert "has a state in the file, is not there now" in lines[-2]


def test_a_refused_resume_leaves_the_weights_as_they_were(saved, train):
    trainer = trainer_of(seed=4)
    before = weights(trainer).clone()
    with pytest.raises(CheckpointMismatchError):
        trainer.fit(train, epochs=2, resume=saved)
    assert torch.equal(weights(trainer), before)


@pytest.mark.parametrize("step", [3, 6])
def test_a_run_that_ends_inside_an_epoch_resumes_exactly(file, train, step):
    whole = trainer_of(SaveAt(file, step))
    whole.fit(train, epochs=1.8)
    resumed = trainer_of()
    history = resumed.fit(train, epochs=1.8, resume=file)
    assert history["step"] == [4, 7]
    assert torch.equal(weights(resumed), weights(whole))


def test_a_run_that_ended_inside_an_epoch_resumes_to_itself_and_no_further(file, train):
    trainer = trainer_of()
    history = trainer.fit(train, epochs=1.5)
    trainer.save_checkpoint(file)
    assert trainer_of().fit(train, epochs=1.5, resume=file) == history
    with pytest.raises(CheckpointMismatchError, match="epochs: it ended inside epoch 2, after 6 steps, and cannot be"):
        trainer_of().fit(train, epochs=3, resume=file)


def test_a_part_of_an_epoch_shorter_than_what_is_done_is_refused(file, train):
    trainer_of(SaveAt(file, 3)).fit(train, epochs=1)
    with pytest.raises(CheckpointMismatchError, match=r"0 done in the file, 1 wanted now \(steps: 3 and 2\)"):
        trainer_of().fit(train, epochs=0.5, resume=file)


def test_a_precision_that_was_left_to_us_stays_that_of_the_run(file, train, monkeypatch):
    images = train.images[:1].float()
    model = nn.Sequential(nn.Conv2d(1, 2, 5), nn.Flatten(), nn.Linear(2 * 24 * 24, 10))

    def cpu(*, amx):
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"amx_bf16": amx}, raising=False)

    cpu(amx=True)
    begun = trainer_of(SaveAt(file, 3), model=model, precision="auto")
    begun.fit(train, epochs=1)
    assert begun.precision.name == "bf16"
    cpu(amx=False)
    resumed = trainer_of(model=model, precision="auto")
    assert resumed.precision.name == "fp32"
    resumed.fit(train, epochs=1, resume=file)
    assert resumed.precision.name == "bf16"
    with resumed.precision.autocast():
        assert model(images).dtype == torch.bfloat16


def test_fewer_epochs_than_are_done_are_refused(file, train):
    trainer_of(SaveAt(file, 8, epoch_ended=True)).fit(train, epochs=2)
    with pytest.raises(CheckpointMismatchError, match="epochs: 2 done in the file, 1 wanted now"):
        trainer_of().fit(train, epochs=1, resume=file)


def test_another_model_is_refused(saved, train):
    with pytest.raises(
        CheckpointMismatchError, match=r"(?s)of another run.*model/name: 'mlp' in the file, 'lenet1' now"
    ):
        trainer_of(model="lenet1").fit(train, epochs=2, resume=saved)


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"batch_size": 8}, "batch_size: 10 in the file, 8 now"),
        ({"seed": 6}, r"order: \[True, 5\] in the file, \[True, 6\] now"),
        ({"shuffle": False}, r"order: \[True, 5\] in the file, \[False, 5\] now"),
        ({"augment": Augment(shift=3)}, "augment: None in the file, {'kind': 'Augment"),
    ],
)
def test_another_order_of_a_loader_of_ones_own_is_refused(file, train, other, message):
    options = {"batch_size": 10, "shuffle": True, "seed": 5}
    trainer_of(SaveAt(file, 5), batch_size=None).fit(TensorLoader(train, **options), epochs=2)
    with pytest.raises(CheckpointMismatchError, match=message):
        trainer_of(batch_size=None).fit(TensorLoader(train, **options | other), epochs=2, resume=file)


def test_a_data_loader_with_another_batch_size_is_refused(file, train):
    trainer_of(SaveAt(file, 5), batch_size=None).fit(DataLoader(train, batch_size=10), epochs=2)
    with pytest.raises(CheckpointMismatchError, match="steps_per_epoch: 4 in the file, 5 now"):
        trainer_of(batch_size=None).fit(DataLoader(train, batch_size=8), epochs=2, resume=file)


def test_functions_are_not_compared_because_every_process_has_its_own(file, train):
    def run(**options):
        return trainer_of(SaveAt(file, 5), lr=lambda step, total: 0.01, augment=lambda images, generator: images).fit(
            train, epochs=2, **options
        )

    assert run() == run(resume=file)


def test_several_processes_do_not_resume_what_one_began(saved, train):
    trainer = trainer_of()
    trainer.fit(train, epochs=1)
    trainer.world = World(rank=1, size=2)
    with pytest.raises(CheckpointMismatchError, match="processes: 1 in the file, 2 now"):
        snapshot.restore(trainer, saved)


# ---- the file -------------------------------------------------------------------------------------------------------


def test_a_checkpoint_says_what_it_was_trained_on(saved, train):
    content = read_checkpoint(saved)
    assert content.data == {
        "marks": list(sample_marks(train)),
        "name": "mnist",
        "source": train.source,
        "split": "train",
        "count": 40,
        "fingerprint": train.fingerprint,
    }
    assert content.preprocessing == train.preprocessing
    assert content.classes == train.classes
    assert content.spec.name == "mlp"
    assert content.metrics.keys() == {"epoch", "step", "lr", "train_loss", "train_accuracy"}


def test_a_checkpoint_of_foreign_data_says_its_kind(file, train):
    images = train.preprocessing.normalize(train.images)
    loader = DataLoader(torch.utils.data.TensorDataset(images, train.labels), batch_size=10)
    trainer_of(SaveAt(file, 3), batch_size=None).fit(loader, epochs=1)
    content = read_checkpoint(file)
    assert content.data == {"name": "DataLoader", "batches": 4}
    assert (content.preprocessing, content.classes) == (None, ())


def test_a_checkpoint_that_cannot_be_written_leaves_the_one_before(tmp_path, train):
    path = tmp_path / "runs"

    class Block(Callback):
        def on_epoch_end(self, trainer):
            if trainer.state.epoch == 2:
                (path / "last.safetensors").unlink()
                (path / "last.safetensors").mkdir()

    with pytest.raises(WriteError, match=r"cannot write .*last\.safetensors"):
        trainer_of(Block(), Checkpoint(path, monitor=None)).fit(train, epochs=3)
    assert [item.name for item in path.iterdir()] == ["last.safetensors"]


class Other(Trainer):
    """Does the same, but need not."""


def settings(**changed):
    return {
        "model": create_model("mlp", hidden=(8,), dropout=0.3),
        "optimizer": "sgd",
        "optimizer_options": {"momentum": 0.9},
        "lr": OneCycle(0.01),
        "loss": nn.CrossEntropyLoss(label_smoothing=0.1),
        "callbacks": [EMA(0.9), EarlyStopping(5, monitor="train_loss")],
        "augment": Augment(shift=1),
        "metrics": {"half": lambda logits, labels: torch.tensor(0.5)},
        "batch_size": 10,
        "progress": False,
    } | changed


CHANGES = {
    "hidden units": (
        {"model": create_model("mlp", hidden=(9,), dropout=0.3)},
        "model/hidden: [8] in the file, [9] now",
    ),
    "activation": (
        {"model": create_model("mlp", hidden=(8,), dropout=0.3, activation="tanh")},
        "model/activation: 'relu'",
    ),
    "dropout": ({"model": create_model("mlp", hidden=(8,))}, "model/dropout: 0.3 in the file, 0.0 now"),
    "momentum": (
        {"optimizer_options": {"momentum": 0.5}},
        "optimizers/optimizer/groups/0/momentum: 0.9 in the file, 0.5 now",
    ),
    "weight decay": ({"optimizer_options": {"momentum": 0.9, "weight_decay": 1e-4}}, "groups/0/weight_decay: 0"),
    "a factory": (
        {"optimizer": lambda p: torch.optim.SGD(p, lr=0.1), "optimizer_options": None},
        "groups/0/momentum: 0.9",
    ),
    "peak": ({"lr": OneCycle(0.02)}, "lr/peak: 0.01 in the file, 0.02 now"),
    "schedule": ({"lr": Cosine(0.01)}, "lr/kind: 'OneCycle' in the file, 'Cosine' now"),
    "smoothing": ({"loss": nn.CrossEntropyLoss(label_smoothing=0.2)}, "loss/label_smoothing: 0.1 in the file, 0.2 now"),
    "weights of the loss": ({"loss": nn.CrossEntropyLoss(torch.ones(10), label_smoothing=0.1)}, "loss/weight"),
    "another loss": ({"loss": F.cross_entropy}, "loss: {"),
    "decay": (
        {"callbacks": [EMA(0.8), EarlyStopping(5, monitor="train_loss")]},
        "callbacks/EMA/decay: 0.9 in the file",
    ),
    "patience": (
        {"callbacks": [EMA(0.9), EarlyStopping(4, monitor="train_loss")]},
        "callbacks/EarlyStopping/patience: 5",
    ),
    "monitor": (
        {"callbacks": [EMA(0.9), EarlyStopping(5, monitor="val_loss")]},
        "callbacks/EarlyStopping/monitor/metric",
    ),
    "a callback less": ({"callbacks": [EMA(0.9)]}, "callbacks/EarlyStopping: {"),
    "augmentation": ({"augment": Augment(shift=2)}, "augment/shift: 1 in the file, 2 now"),
    "an augmentation of one's own": ({"augment": lambda images, generator: images}, "augment: {'kind': 'Augment'"),
    "metrics": ({"metrics": None}, "metrics: ['half'] in the file, [] now"),
}


@pytest.fixture(scope="module")
def described(tmp_path_factory, small):
    file = tmp_path_factory.mktemp("described") / "run.safetensors"
    made = settings()
    made["callbacks"] = [*made["callbacks"], SaveAt(file, 5)]
    Trainer(**made).fit(small.train.take_per_class(4), small.validation, epochs=2)
    return file


@pytest.mark.parametrize(("changed", "message"), CHANGES.values(), ids=CHANGES)
def test_whatever_makes_another_run_is_refused_with_its_place(described, small, train, changed, message):
    with pytest.raises(CheckpointMismatchError) as caught:
        Trainer(**settings(**changed)).fit(train, small.validation, epochs=2, resume=described)
    assert message in str(caught.value)


def test_another_class_length_or_validation_set_is_refused_and_the_same_run_goes_on(described, small, train):
    with pytest.raises(CheckpointMismatchError, match="trainer: 'Trainer' in the file, 'Other' now"):
        Other(**settings()).fit(train, small.validation, epochs=2, resume=described)
    with pytest.raises(CheckpointMismatchError, match="total_steps: 8 in the file, 12 now"):
        Trainer(**settings()).fit(train, small.validation, epochs=3, resume=described)
    for validation in (None, small.validation[:50]):
        with pytest.raises(CheckpointMismatchError, match="validation: "):
            Trainer(**settings()).fit(train, validation, epochs=2, resume=described)
    assert len(Trainer(**settings()).fit(train, small.validation, epochs=2, resume=described)) == 2
