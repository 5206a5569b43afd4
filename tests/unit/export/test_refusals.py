"""What cannot be put into a page is refused by its name; what only looks odd is not."""

import json
import re

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from mnistkit import Classifier, create_model
from mnistkit.data import Preprocessing
from mnistkit.errors import ConfigError
from mnistkit.export import html_page

MNIST = Preprocessing(mean=(0.1307,), std=(0.3081,))


class Network(nn.Module):
    """A linear layer behind whatever is to be tried."""

    def __init__(self, before):
        super().__init__()
        self.pool, self.head = nn.LPPool2d(2, 2), nn.Linear(784, 10)
        self.before = before

    def forward(self, images):
        return self.head(self.before(self, images).flatten(1))


def in_part(_, images):
    images = images * 1.0
    images[:, :, 3:].relu_()
    return images


def by_content(_, images):
    return images if images.sum() > 0 else -images


REFUSED = {
    "a layer": (
        lambda self, images: self.pool(images).repeat(1, 1, 2, 2),
        r"its layer 'pool' \(LPPool2d\) computes aten\.pow",
    ),
    "a function": (lambda _, images: torch.sort(images)[0], r": it computes aten\.sort"),
    "a part changed in place": (in_part, r"aten\.relu_"),
    "another padding": (lambda _, images: F.pad(images[:, :, 1:], (0, 0, 1, 0), value=0.5), r"aten\.pad"),
    "whole numbers": (lambda _, images: images.round().int(), r"aten\.round"),
    "a way of its own": (by_content, "torch.export cannot follow this network"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_an_operation_that_no_page_knows_is_refused_by_its_name(case):
    before, message = REFUSED[case]
    with pytest.raises(ConfigError, match=message):
        html_page(Classifier(Network(before), MNIST))


def test_an_output_beside_the_logits_is_refused():
    class Two(nn.Module):
        def forward(self, images):
            return images.flatten(1)[:, :10], images

    with pytest.raises(ConfigError, match=r"does not put out logits \(N, classes\) and nothing else"):
        html_page(Classifier(Two(), MNIST))


def test_normalisation_is_in_the_weights_of_the_layer_before_it_and_the_network_is_left_as_it_is():
    network = create_model("handwriting_cnn").train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    (text,) = re.findall(r'id="model">(.*?)</script>', html_page(Classifier(network, MNIST)), re.DOTALL)
    operations = [step["operation"] for step in json.loads(text)["program"]["steps"]]
    # After the first convolution the maximum is taken before it is normalised.
    assert operations.count("affine") == 1
    assert operations.count("conv") == 5
    assert network.training
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_a_value_that_two_layers_see_is_not_normalised_for_both():
    class Both(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.norm, self.head = nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Linear(4 * 26 * 26, 10)

        def forward(self, images):
            maps = self.conv(images)
            return self.head((self.norm(maps) + maps).flatten(1))

    (text,) = re.findall(r'id="model">(.*?)</script>', html_page(Classifier(Both(), MNIST)), re.DOTALL)
    assert [step["operation"] for step in json.loads(text)["program"]["steps"]] == ["conv", "affine", "pair", "linear"]
