"""Statistics of batch norm: those of the training images, of the network that is evaluated, and nothing else changed."""

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from mnistkit import Augment, Trainer
from mnistkit.callbacks import EMA, PeriodicEvaluation, PreciseBatchNorm
from mnistkit.errors import ConfigError
from mnistkit.training import Callback


@pytest.fixture
def data(small):
    return small.train.take_per_class(4), small.validation.take_per_class(1)


def normed():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 3, 3),
        nn.Dropout(0.5),
        nn.BatchNorm2d(3),
        nn.Flatten(),
        nn.Linear(3 * 26 * 26, 10),
        nn.BatchNorm1d(10),
    )


def fit(data, *callbacks, model=None, **options):
    trainer = Trainer(
        model or normed(), callbacks=callbacks, batch_size=10, lr=0.01, augment=Augment(shift=5), progress=False
    )
    trainer.fit(*data, **({"epochs": 2} | options))
    return trainer


def images_of(data):
    return data[0].preprocessing.normalize(data[0].images)


def state(model):
    return {name: value.clone() for name, value in model.state_dict().items()}


@pytest.mark.parametrize("averaging", [[], [EMA(0.9)]], ids=["the model", "an average"])
@pytest.mark.parametrize("validated", [True, False])
def test_statistics_are_those_of_the_training_images_undistorted(data, averaging, validated):
    model = fit(data if validated else data[:1], *averaging, PreciseBatchNorm(images=40)).model.eval()
    maps = model[0](images_of(data)).detach()
    norm = model[2]
    torch.testing.assert_close(norm.running_mean, maps.mean((0, 2, 3)))
    torch.testing.assert_close(norm.running_var, maps.var((0, 2, 3)))
    # Batch norm that trains makes its outputs from the batch: the second saw what the first made in this way.
    torch.testing.assert_close(model[5].num_batches_tracked, torch.tensor(1))


def test_so_many_images_are_looked_at_in_batches(data):
    model = fit(data, PreciseBatchNorm(images=15)).model
    assert int(model[2].num_batches_tracked) == 1
    seen = model[0](images_of(data)).detach()
    assert not torch.allclose(model[2].running_mean, seen.mean((0, 2, 3)), rtol=1e-5)


def test_training_is_the_same_without_it(data):
    plain, precise = fit(data).model, fit(data, PreciseBatchNorm()).model
    for (name, one), (_, other) in zip(plain.named_parameters(), precise.named_parameters(), strict=True):
        assert torch.equal(one, other), name
    assert not torch.equal(plain[2].running_mean, precise[2].running_mean)


def test_the_epoch_s_evaluation_is_of_the_statistics(data):
    for averaging in ([], [EMA(0.9)]):
        trainer = fit(data, *averaging, PreciseBatchNorm())
        assert trainer.evaluate(data[1]).loss == trainer.state.history.last["val_loss"]


def test_every_layer_is_in_the_mode_and_has_the_momentum_that_it_had(data):
    model = normed()
    model[2].momentum, seen = 0.3, []

    class Look(Callback):
        def on_step_end(self, trainer):
            seen.append(([module.training for module in model.modules()], model[2].momentum, model[5].momentum))

    fit(data, Look(), PeriodicEvaluation(every=1), PreciseBatchNorm(), model=model)
    assert seen == [([True] * 7, 0.3, 0.1)] * 8


def test_an_evaluation_after_training_changes_nothing(data):
    trainer = fit(data, PreciseBatchNorm())
    with torch.no_grad():
        trainer.model[0].weight.mul_(2)
    before = state(trainer.model)
    trainer.evaluate(data[1])
    assert all(torch.equal(value, before[name]) for name, value in trainer.model.state_dict().items())


def test_after_an_error_the_network_is_as_it_was(data):
    seen = {}

    class Fail(Callback):
        def on_step_end(self, trainer):
            seen.update(state(trainer.model))
            raise LookupError

    model = normed()
    with pytest.raises(LookupError):
        fit(data, PreciseBatchNorm(), Fail(), model=model)
    assert all(torch.equal(value, seen[name]) for name, value in model.state_dict().items())


def test_torch_s_generators_are_left_alone(data):
    class Random(torch.utils.data.Dataset):
        def __len__(self):
            return 40

        def __getitem__(self, index):
            return torch.randn(1, 28, 28), index % 10

    draws = []

    class Draw(Callback):
        def on_epoch_end(self, trainer):
            draws.append(torch.rand(1).item())

    for callbacks in ([Draw()], [Draw(), PreciseBatchNorm()]):
        Trainer(normed(), callbacks=callbacks, progress=False).fit(Random(), data[1].normalized(0.0, 1.0), epochs=2)
    assert draws[:2] == draws[2:]


def test_a_trainer_s_own_evaluation_is_what_the_network_sees(data):
    class Doubled(Trainer):
        def evaluation_step(self, batch):
            return super().evaluation_step(batch._replace(images=batch.images * 2))

    model = normed()
    Doubled(model, callbacks=[PreciseBatchNorm()], lr=0.01, progress=False).fit(*data, epochs=1)
    torch.testing.assert_close(model[2].running_mean, model[0](images_of(data) * 2).detach().mean((0, 2, 3)))


def test_what_cannot_be_fitted_is_refused(data):
    with pytest.raises(ConfigError, match="images is 1, expected at least 2"):
        PreciseBatchNorm(images=1)
    for model in (
        nn.Sequential(nn.Flatten(), nn.Linear(784, 10)),
        nn.Sequential(nn.BatchNorm2d(1, track_running_stats=False), nn.Flatten(), nn.Linear(784, 10)),
    ):
        with pytest.raises(ConfigError, match="no batch norm with statistics in the Sequential: leave it out"):
            fit(data, PreciseBatchNorm(), model=model)
    pairs = TensorDataset(images_of(data), data[0].labels.long())
    with pytest.raises(ConfigError, match="the data set, not a DataLoader"):
        Trainer(normed(), callbacks=[PreciseBatchNorm()], progress=False).fit(DataLoader(pairs, 10), epochs=1)
    Trainer(normed(), callbacks=[PreciseBatchNorm()], progress=False).fit(pairs, epochs=1)
