"""Every public door that asks a network about many images does so in one pass: as many calls as there are batches."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from mnistkit import Classifier, Predictor, Trainer, compare, evaluate, interpret, robustness
from mnistkit.models.network import BATCH, forward

COUNT = 2 * BATCH + 10
BATCHES = math.ceil(COUNT / BATCH)


class Counted(nn.Module):
    """A network that counts the images of each call, and notes how it was called."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 2, 3)
        self.last = nn.Linear(784, 10)
        self.calls, self.in_training, self.recording = [], [], []

    def forward(self, images):
        self.calls.append(len(images))
        self.in_training.append(self.training)
        self.recording.append(torch.is_grad_enabled())
        self.conv(images)
        return self.last(images.flatten(1))


@pytest.fixture
def network():
    torch.manual_seed(0)
    return Counted()


DOORS = {
    "Classifier.logits": (1, lambda classifier, data: classifier.logits(data.images)),
    "Classifier.probabilities": (1, lambda classifier, data: classifier.probabilities(data)),
    "Classifier.calibrate": (1, lambda classifier, data: classifier.calibrate(data)),
    "calibrate on changed images": (2, lambda classifier, data: classifier.calibrate(data, augment=lambda x, _: x)),
    "evaluate a classifier": (1, evaluate),
    "evaluate a predictor": (1, lambda classifier, data: evaluate(Predictor(classifier), data)),
    "evaluate a module": (1, lambda classifier, data: evaluate(classifier.network, data)),
    "compare": (2, lambda classifier, data: compare(classifier, Predictor(classifier), data)),
    "robustness": (
        3,
        lambda classifier, data: robustness(classifier, data, curves=[], corruptions=["fog", "stripe"], progress=False),
    ),
    "activations": (1, lambda classifier, data: interpret.activations(classifier, data.images, "conv")),
    "embed": (1, lambda classifier, data: interpret.embed(Predictor(classifier), data.images)),
    "Trainer.evaluate": (1, lambda classifier, data: Trainer(classifier.network, progress=False).evaluate(data)),
}


@pytest.mark.parametrize("door", DOORS)
def test_a_door_calls_the_network_once_for_each_batch(door, network, mnist):
    passes, use = DOORS[door]
    network.train()
    use(Classifier(network, mnist.validation.preprocessing), mnist.validation[:COUNT])
    assert len(network.calls) == passes * BATCHES
    assert sum(network.calls) == passes * COUNT
    # Without gradients, in eval mode, and left as it was.
    assert not any(network.in_training)
    assert not any(network.recording)
    assert network.training


@pytest.mark.parametrize("count", [1, 64, 65, 150])
def test_a_predictor_calls_it_once_for_each_batch_of_pictures(count, network, mnist):
    predictor = Predictor(Classifier(network, mnist.test.preprocessing))
    predictor.predict(list(mnist.test.images[:count]))
    assert network.calls == [64] * (count // 64) + [count % 64] * (count % 64 > 0)


def test_occlusion_covers_all_places_of_an_image_in_one_pass(network, mnist):
    interpret.occlusion(Classifier(network, mnist.test.preprocessing), mnist.test.images[:2], size=4, stride=4)
    assert network.calls == [2, 49, 49]


def test_what_comes_out_is_in_order_can_be_written_to_and_has_no_graph():
    layer = nn.Linear(3, 2)
    images = torch.randn(7, 3)
    outputs = forward(layer, images.split(2))
    torch.testing.assert_close(outputs, layer(images))
    assert not outputs.requires_grad
    assert not outputs.is_inference()
    outputs += 1


def test_what_is_kept_of_a_batch_can_be_something_else():
    sums = forward(nn.Identity(), [torch.ones(2, 3), torch.ones(1, 3)], lambda output: output.sum(1))
    assert np.array_equal(sums, [3, 3, 3])
