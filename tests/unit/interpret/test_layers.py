"""What layers hold and put out."""

import pytest
import torch
from torch import nn

from mnistkit import create_model
from mnistkit.errors import ConfigError, DataError
from mnistkit.interpret import activations, convolutions, embed, kernels
from mnistkit.models import convnet


class Unused(nn.Module):
    """Has a layer that it does not run, and one that it runs twice, in place."""

    def __init__(self):
        super().__init__()
        self.idle = nn.Linear(2, 2)
        self.flat = nn.Flatten()
        self.twice = nn.Linear(4, 4)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, images):
        return self.relu(self.twice(self.relu(self.twice(self.flat(images)))))


@pytest.fixture
def images(small):
    return small.test.preprocessing.normalize(small.test.images[:5])


def test_activations_are_what_the_layers_compute(images):
    model = convnet().eval()
    with torch.no_grad():
        first, second = model.retrieve_features(images)
        torch.testing.assert_close(activations(model, images, "conv.0").relu(), first)
        torch.testing.assert_close(activations(model, images, "conv.3").relu(), second)
        torch.testing.assert_close(activations(model, images, "fc.3"), model(images))


def test_an_activation_in_place_does_not_change_what_was_kept():
    model = Unused()
    images = torch.randn(3, 1, 2, 2)
    model.twice.weight.data = -torch.eye(4)
    model.twice.bias.data.zero_()
    hidden = (-images.flatten(1)).relu()
    assert torch.equal(activations(model, images, "twice"), -hidden)
    assert torch.equal(activations(model, images, "relu"), (-hidden).relu())


def test_images_go_through_in_parts_and_come_back_in_order(small):
    model = create_model("lenet1").eval()
    images = small.train.preprocessing.normalize(small.train.images)
    assert len(images) > 256
    with torch.no_grad():
        torch.testing.assert_close(activations(model, images, "fc.0"), model(images))
    assert embed(model, images).shape == (len(images), 192)


@pytest.mark.parametrize("work", [lambda m, x: activations(m, x, "fc.0"), embed])
def test_modes_and_hooks_are_left_as_they_were(images, work):
    model = create_model("lenet5", dropout=0.5)
    model.train()
    model.conv.eval()
    torch.testing.assert_close(work(model, images), work(model, images), rtol=0, atol=0)
    assert model.training
    assert model.fc.training
    assert not model.conv.training
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())
    assert all(parameter.grad is None for parameter in model.parameters())


def test_hooks_and_modes_are_put_back_after_an_error():
    model = create_model("lenet5").train()
    for work in (
        lambda: activations(model, torch.zeros(1, 1, 5, 5), "conv.0"),
        lambda: embed(model, torch.zeros(1, 1, 5, 5)),
    ):
        with pytest.raises(DataError, match=r"expects \(N, 1, 28, 28\)"):
            work()
        assert model.training
        assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())


def test_the_features_are_what_the_last_linear_layer_gets(images):
    model = create_model("lenet5").eval()
    with torch.no_grad():
        torch.testing.assert_close(model.fc[-1](embed(model, images)), model(images))
    assert torch.equal(embed(model, images, "conv.0"), activations(model, images, "conv.0").flatten(1))


def test_kernels_are_a_copy():
    model = create_model("lenet5")
    copy = kernels(model, "conv.3")
    assert torch.equal(copy, model.conv[3].weight)
    copy.zero_()
    assert model.conv[3].weight.abs().sum() > 0
    assert not copy.requires_grad


def test_convolutions_are_found():
    assert convolutions(create_model("handwriting_cnn")) == ["conv.0", "conv.4", "conv.7", "conv.11", "conv.14"]
    assert convolutions(create_model("mlp")) == []


@pytest.mark.parametrize(
    ("work", "error", "text"),
    [
        (lambda m, x: kernels(m, "conv.1"), ConfigError, r"unknown convolution 'conv.1'; did you mean 'conv.3'\? Ava"),
        (lambda m, x: activations(m, x, "conv.9"), ConfigError, "unknown layer 'conv.9'; did you mean 'conv.5'"),
        (
            lambda m, x: activations(Unused(), x[..., :2, :2], "idle"),
            ConfigError,
            "Unused has a layer 'idle', but does not",
        ),
        (lambda m, x: embed(m, x[:0]), DataError, r"images of shape \(0, 1, 28, 28\): there are none"),
        (lambda m, x: embed(nn.Flatten(), x), ConfigError, "Flatten has no linear layer: say which layer="),
    ],
)
def test_what_cannot_be_looked_at_is_refused(images, work, error, text):
    with pytest.raises(error, match=text):
        work(create_model("lenet5"), images)
