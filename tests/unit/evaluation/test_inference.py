import copy
import dataclasses

import numpy as np
import pytest
import torch
from torch import nn
from torch.ao import quantization

from mnistkit import Classifier, Predictor, Trainer, create_model, evaluate
from mnistkit.data import Preprocessing
from mnistkit.errors import ConfigError, DataError, NonFiniteLossError
from mnistkit.evaluation import robustness
from mnistkit.interpret import saliency, smallest_edit
from mnistkit.models import summary


def test_a_report_has_the_trainers_accuracy_and_loss(model, mnist):
    expected = Trainer(model, progress=False).evaluate(mnist.test)
    report = evaluate(model, mnist.test)
    assert report.score == expected.score
    assert report.loss == pytest.approx(expected.loss, abs=1e-6)


def test_the_probabilities_are_those_of_each_image_in_its_order(model, mnist):
    test = mnist.test[:37]
    with torch.no_grad():
        logits = model(test.preprocessing.normalize(test.images)).double()
    report = evaluate(model, test, batch_size=10)
    np.testing.assert_allclose(report.probabilities, logits.softmax(1), atol=1e-6)
    np.testing.assert_allclose(
        report.losses, nn.functional.cross_entropy(logits, test.labels, reduction="none"), rtol=1e-5
    )
    np.testing.assert_array_equal(report.labels, test.labels)
    assert report.probabilities.dtype == report.losses.dtype == np.float32
    assert (report.model, report.data_name) == ("softmax_regression", "mnist test")
    assert report.data is test
    assert report.fingerprint == test.fingerprint


def test_the_batch_size_changes_nothing(model, mnist):
    one, other = (evaluate(model, mnist.test[:100], batch_size=size) for size in (1, 33))
    np.testing.assert_allclose(one.probabilities, other.probabilities, atol=1e-6)


def test_every_module_keeps_its_mode_also_after_an_error(mnist):
    model = create_model("convnet").train()
    model.conv.eval()
    before = [module.training for module in model.modules()]
    first = evaluate(model, mnist.test[:20]).probabilities
    assert [module.training for module in model.modules()] == before
    # With dropout on, two evaluations would differ.
    np.testing.assert_array_equal(first, evaluate(model, mnist.test[:20]).probabilities)
    with pytest.raises(DataError, match=r"expects \(N, 1, 28, 28\)"):
        evaluate(model, mnist.test[:20].crop(20))
    assert [module.training for module in model.modules()] == before


def test_a_predictor_prepares_the_images_in_its_own_way(model, mnist):
    test = mnist.test[:50]
    plain = Preprocessing((0.0,), (1.0,))
    by_predictor = evaluate(Predictor(Classifier(model, plain)), test)
    by_hand = evaluate(model, test.normalized(0.0, 1.0))
    np.testing.assert_array_equal(by_predictor.probabilities, by_hand.probabilities)
    assert not np.array_equal(by_predictor.probabilities, evaluate(model, test).probabilities)


def test_a_predictor_crops_and_the_report_keeps_the_whole_images(mnist):
    small = create_model("mlp", image_size=20)
    cropped = mnist.test[:30].crop(20)
    predictor = Predictor(Classifier(small, cropped.preprocessing))
    report = evaluate(predictor, mnist.test[:30])
    np.testing.assert_array_equal(report.probabilities, evaluate(small, cropped).probabilities)
    assert report.data.images.shape == (30, 1, 28, 28)
    assert report.fingerprint == mnist.test[:30].fingerprint
    # Images that were prepared already are taken as they are.
    np.testing.assert_array_equal(report.probabilities, evaluate(predictor, cropped).probabilities)


def test_the_model_is_called_by_its_factory_its_class_or_as_one_likes(mnist):
    test = mnist.test[:5]
    plain = nn.Sequential(nn.Flatten(), nn.Linear(784, 10))
    assert evaluate(plain, test).model == "Sequential"
    assert evaluate(create_model("mlp"), test).model == "mlp"
    assert evaluate(plain, test, name="mine").model == "mine"


def test_classes_without_a_name_get_their_number(answering):
    model, dataset = answering([0, 1], [[9.0, 0, 0], [0, 0, 9.0]], classes=["cat", "dog"])
    report = evaluate(model, dataset)
    assert report.classes == ("cat", "dog", "2")
    assert report.predictions.tolist() == [0, 2]


def test_a_model_of_too_few_classes_is_refused(answering):
    model, dataset = answering([0, 1], [[9.0, 0], [0, 9.0]], classes=["a", "b", "c"])
    with pytest.raises(DataError, match=r"the network has 2 outputs for 3 classes: create it with classes=3"):
        evaluate(model, dataset)


def test_an_output_that_is_not_finite_is_named(answering):
    model, dataset = answering([0, 1, 0], [[1.0, 0], [float("nan"), 1], [float("inf"), 0]])
    with pytest.raises(NonFiniteLossError, match=r"not finite for 2 of 3 images, first for image 1: \[nan, 1\.0\]"):
        evaluate(model, dataset)


def test_an_output_that_is_no_logits_is_refused(mnist):
    with pytest.raises(DataError, match=r"for 4 images has shape \(4, 1, 28, 28\), expected logits \(N, classes\)"):
        evaluate(nn.Identity(), mnist.test[:4])
    with pytest.raises(DataError, match=r"has shape \(16, 196\)"):
        evaluate(nn.Sequential(nn.Flatten(0), nn.Unflatten(0, (-1, 196))), mnist.test[:4])


def test_no_images_and_no_such_device_are_refused(model, mnist):
    with pytest.raises(DataError, match="expected at least one"):
        evaluate(model, mnist.test[:0])
    with pytest.raises(ConfigError, match="'gpu' is not a device"):
        evaluate(model, mnist.test[:5], device="gpu")


def test_a_model_stays_where_it_is_unless_told_otherwise(mnist):
    model = create_model("mlp").to("meta")
    with pytest.raises(NotImplementedError, match="meta"):
        evaluate(model, mnist.test[:5])
    model = create_model("mlp")
    evaluate(model, mnist.test[:5], device="cpu")
    assert next(model.parameters()).device.type == "cpu"


def test_a_model_without_parameters_is_evaluated_on_the_cpu(mnist):
    ink = nn.Sequential(nn.Flatten(), nn.AdaptiveAvgPool1d(10))
    assert evaluate(ink, mnist.test[:5]).probabilities.shape == (5, 10)


@pytest.mark.parametrize("measure", [evaluate, robustness])
def test_another_kind_of_model_or_data_is_explained(model, mnist, measure):
    with pytest.raises(
        ConfigError, match=r"got a Splits as the data, expected a DigitDataset, such as one of train, val"
    ):
        measure(model, mnist)
    with pytest.raises(
        ConfigError, match=r"got a Trainer as the model, expected a Classifier, a Predictor or a torch module"
    ):
        measure(Trainer(model), mnist.test)


def test_a_network_that_returns_several_outputs_is_told_what_to_do(mnist):
    class Exits(nn.Module):
        def __init__(self):
            super().__init__()
            self.network = create_model("softmax_regression")

        def forward(self, images):
            return {"early": self.network(images), "late": self.network(images)}

    with pytest.raises(DataError, match=r"returned a dict, expected a tensor of logits.*returns the logits alone"):
        evaluate(Exits(), mnist.test[:5])


class Observed(nn.Module):
    """Between two stubs of quantisation, whose observers take in every image that passes."""

    def __init__(self):
        super().__init__()
        layers = [
            quantization.QuantStub(),
            nn.Flatten(),
            nn.Linear(784, 10),
            nn.BatchNorm1d(10),
            quantization.DeQuantStub(),
        ]
        self.layers = nn.Sequential(*layers)
        self.qconfig = quantization.get_default_qat_qconfig("x86")

    def forward(self, images):
        return self.layers(images)


def bright_and_dark(test):
    return dataclasses.replace(test[:100], images=255 - test.images[:100])


@pytest.mark.filterwarnings("ignore:.*torch.ao.quantization is deprecated", "ignore:.*reduce_range")
@pytest.mark.parametrize(
    "look",
    [
        lambda network, data: evaluate(network, data),
        lambda network, data: Classifier(network, data.preprocessing).probabilities(data),
        lambda network, data: saliency(network, data[0][0][None]),
        lambda network, data: smallest_edit(network, data.images[0], 3, data.preprocessing, steps=2),
        lambda network, data: summary(network, (1, 28, 28)),
    ],
    ids=["evaluate", "probabilities", "saliency", "smallest_edit", "summary"],
)
def test_looking_at_a_network_moves_no_observer_in_it(look, mnist):
    prepared = quantization.prepare_qat(Observed().train())
    prepared(mnist.train.preprocessing.normalize(mnist.train.images[:20]))
    before = copy.deepcopy(prepared.state_dict())
    look(prepared, bright_and_dark(mnist.test))
    after = prepared.state_dict()
    assert [name for name, value in before.items() if not torch.equal(value, after[name])] == []


@pytest.mark.parametrize(
    "look",
    [
        lambda networks, data: evaluate(networks, data),
        lambda networks, data: Trainer(networks, progress=False).evaluate(data),
        lambda networks, data: saliency(networks, data[0][0][None]),
    ],
    ids=["evaluate", "trainer", "saliency"],
)
def test_several_networks_that_are_no_function_are_told_what_to_do(look, mnist):
    networks = nn.ModuleDict({"one": create_model("softmax_regression")})
    with pytest.raises(
        ConfigError, match=r"the ModuleDict has no forward\(\).*override training_step.*the one network of it"
    ):
        look(networks, mnist.test[:5])
