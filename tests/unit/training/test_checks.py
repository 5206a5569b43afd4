"""What training refuses: labels that do not fit the logits."""

import functools

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, Subset, TensorDataset

from mnistkit import Trainer, create_model
from mnistkit.data import DigitDataset
from mnistkit.errors import DataError
from mnistkit.training.losses import classification_loss


def test_the_loss_is_cross_entropy():
    logits = torch.tensor([[2.0, -1.0, 0.5], [0.0, 0.0, 0.0]])
    expected = -(torch.log_softmax(logits, 1)[0, 2] + torch.log_softmax(logits, 1)[1, 0]) / 2
    torch.testing.assert_close(classification_loss(logits, torch.tensor([2, 0])), expected)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([0, 3], r"got labels from 0 to 3, but the model has 3 classes, 0 to 2; create it with classes=4"),
        ([-1, 2], r"got labels from -1 to 2, but the model has 3 classes.*number the labels from 0"),
        ([0.0, 1.0], r"torch.float32 labels \(2,\), expected \(N, classes\) and integer \(N,\).*loss= .*of its own"),
        ([[0], [1]], r"got logits \(2, 3\) and torch.int64 labels \(2, 1\)"),
        ([0, 1, 2], r"got logits \(2, 3\) and torch.int64 labels \(3,\)"),
    ],
)
def test_labels_that_do_not_fit_the_logits_are_refused(labels, message):
    with pytest.raises(DataError, match=message):
        classification_loss(torch.zeros(2, 3), torch.tensor(labels))


def test_logits_of_another_rank_are_refused():
    with pytest.raises(DataError, match=r"got logits \(2, 3, 4\) .* expected \(N, classes\)"):
        classification_loss(torch.zeros(2, 3, 4), torch.zeros(2, dtype=torch.int64))


def test_labels_on_another_device_are_not_waited_for():
    loss = classification_loss(torch.zeros(2, 3, device="meta"), torch.tensor([0, 7]).to("meta"))
    assert loss.device.type == "meta"


def test_a_model_with_too_few_classes_is_refused_in_its_first_step(small):
    trainer = Trainer(create_model("softmax_regression", classes=5), progress=False)
    with pytest.raises(DataError, match=r"labels from 0 to 9, but the model has 5 classes, 0 to 4; .* classes=10"):
        trainer.fit(small.train, epochs=1)
    assert trainer.state.step == 0


@pytest.mark.parametrize("dtype", [torch.int64, torch.int32, torch.uint8, torch.int16])
def test_integer_labels_of_any_width_come_from_a_loader(small, dtype):
    part = small.train[:20]
    data = TensorDataset(part.preprocessing.normalize(part.images), part.labels.to(dtype))
    history = Trainer(create_model("softmax_regression"), progress=False).fit(DataLoader(data, batch_size=20), epochs=1)
    assert history.last["train_loss"] > 0


def test_float_labels_from_a_loader_need_a_loss_of_their_own(small):
    part = small.train[:20]
    loader = DataLoader(
        TensorDataset(part.preprocessing.normalize(part.images), part.labels / 10), batch_size=20, shuffle=False
    )
    model = create_model("softmax_regression", classes=1)
    with pytest.raises(DataError, match=r"torch.float32 labels \(20,\).* give the Trainer a loss= of its own"):
        Trainer(model, progress=False).fit(loader, epochs=1)

    def squares(outputs, targets):
        return (outputs[:, 0] - targets).square().mean()

    losses = Trainer(model, loss=squares, lr=0.0001, progress=False).fit(loader, epochs=5)["train_loss"]
    assert losses[-1] < losses[0]


class Softmax(nn.Module):
    """The commonest mistake: softmax, and a loss that applies it again."""

    def __init__(self):
        super().__init__()
        self.network = create_model("softmax_regression")

    def forward(self, images):
        return F.softmax(self.network(images), dim=1)


@pytest.mark.parametrize(
    "loss", [None, nn.CrossEntropyLoss(), F.cross_entropy, functools.partial(F.cross_entropy, label_smoothing=0.1)]
)
def test_a_model_that_ends_in_softmax_is_refused_in_its_first_step(small, loss):
    trainer = Trainer(Softmax(), loss=loss, progress=False)
    with pytest.raises(
        DataError, match=r"outputs add up to 1 for every image: it ends in softmax.* Leave the softmax out"
    ):
        trainer.fit(small.train, epochs=1)
    assert trainer.state.step == 0


class Ending(nn.Module):
    """A network with something done to its outputs."""

    def __init__(self, end):
        super().__init__()
        self.network = create_model("softmax_regression")
        self.end = end

    def forward(self, images):
        return self.end(self.network(images))


@pytest.mark.parametrize(
    ("end", "name"), [(torch.sigmoid, "sigmoid"), (nn.Sigmoid(), "sigmoid"), (nn.Softmax(dim=0), "softmax")]
)
def test_a_model_that_ends_in_sigmoid_or_softmax_over_the_batch_is_refused_in_its_first_step(small, end, name):
    trainer = Trainer(Ending(end), progress=False)
    with pytest.raises(DataError, match=rf"^the model ends in {name}, .*Leave the {name} out; .*BCEWithLogitsLoss"):
        trainer.fit(small.train, epochs=1)
    assert trainer.state.step == 0


@pytest.mark.parametrize(
    "end",
    [lambda logits: 5 * logits.sigmoid(), lambda logits: logits / 1000 + 0.5, F.relu, nn.LogSoftmax(dim=1)],
    ids=["scaled sigmoid", "all from 0 to 1", "relu", "log softmax"],
)
def test_logits_that_only_look_like_it_are_trained_on(small, end):
    trainer = Trainer(Ending(end), progress=False)
    assert trainer.fit(small.train, epochs=1).last["step"] > 0


def test_a_loss_for_several_classes_an_image_may_have_a_model_that_ends_in_sigmoid(small):
    def loss(outputs, labels):
        return F.binary_cross_entropy(outputs, F.one_hot(labels, 10).float())

    trainer = Trainer(Ending(torch.sigmoid), loss=loss, progress=False)
    assert trainer.fit(small.train, epochs=3).last["train_accuracy"] > 0.2


def test_a_loss_for_probabilities_may_have_a_model_that_ends_in_softmax(small):
    trainer = Trainer(Softmax(), loss=lambda p, y: F.nll_loss(p.log(), y), progress=False)
    assert trainer.fit(small.train, epochs=3).last["train_accuracy"] > 0.2


def test_a_model_of_ten_outputs_for_data_without_one_digit_is_told_of_both_ways_out(small):
    without_zero = small.train.only(*range(1, 10)).with_classes("123456789")
    with pytest.raises(
        DataError, match=r"10 outputs, the data 9 classes, '1', .*classes=9.*with_classes\('0123456789'\)"
    ):
        Trainer(create_model("softmax_regression"), progress=False).fit(without_zero, epochs=1)
    ten = Trainer(create_model("softmax_regression"), progress=False)
    ten.fit(without_zero.with_classes("0123456789"), epochs=1)
    assert ten.classifier().classes == tuple("0123456789")


@pytest.mark.parametrize("form", [lambda data: data, lambda data: Subset(data, range(len(data)))])
def test_validation_images_are_numbered_by_the_classes_of_the_training_data(small, form):
    part = small.train[:200]
    backwards = part.with_classes(tuple("9876543210"))
    trainer = Trainer(create_model("softmax_regression"), progress=False)
    history = trainer.fit(small.train, form(backwards), epochs=5)
    assert history.last["val_accuracy"] == trainer.evaluate(part).accuracy > 0.3
    assert trainer.evaluate(form(backwards)).accuracy == history.last["val_accuracy"]


def test_validation_images_of_a_class_that_training_lacks_are_refused(small):
    ones = DigitDataset.from_arrays(small.train.images[:20], ["one"] * 20, classes=["one"], split="validation")
    with pytest.raises(DataError, match="has images of 'one', which is not among the classes '0', '1'"):
        Trainer(create_model("softmax_regression"), progress=False).fit(small.train, ones, epochs=1)
