import json

import pytest
import torch
from torch import nn

from mnistkit.errors import ConfigError
from mnistkit.models import create_model, summary


def test_the_400_25_15_10_network_has_the_published_numbers():
    report = summary(create_model("mlp", image_size=20))
    linear = [layer for layer in report.layers if layer.kind == "Linear"]
    assert [layer.parameters for layer in linear] == [10_025, 390, 160]
    assert [layer.macs for layer in linear] == [10_000, 375, 150]
    assert (report.parameters, report.trainable, report.macs) == (10_575, 10_575, 10_525)


def test_lenet_without_padding_shrinks_from_28_to_24_to_12_to_8_to_4():
    report = summary(create_model("lenet5", padding=0, activation="sigmoid", pool="avg"))
    assert [layer.output_shape for layer in report.layers if layer.kind in ("Conv2d", "AvgPool2d")] == [
        (6, 24, 24),
        (6, 12, 12),
        (16, 8, 8),
        (16, 4, 4),
    ]
    assert report.layers[-1].output_shape == (10,)
    assert report.macs == 281_640


def test_layers_are_named_by_their_path_in_the_order_in_which_they_run():
    class Backwards(nn.Module):
        def __init__(self):
            super().__init__()
            self.second = nn.Linear(3, 2)
            self.first = nn.Sequential(nn.Flatten(), nn.Linear(4, 3))

        def forward(self, x):
            return self.second(self.first(x))

    report = summary(Backwards(), (2, 2))
    assert [layer.name for layer in report.layers] == ["first.0", "first.1", "second"]


def test_it_prints_as_a_table():
    assert str(summary(create_model("softmax_regression"))).splitlines() == [
        "MLP, input 784, 7,850 trainable parameters",
        "--------------------------------------------------",
        "layer              output shape  parameters   MACs",
        "--------------------------------------------------",
        "layers.0 (Linear)  10                 7,850  7,840",
        "--------------------------------------------------",
        "total                                 7,850  7,840",
    ]
    assert str(summary(create_model("lenet1"))).startswith("LeNet, input 1x28x28, 3,246 trainable parameters\n")


@pytest.mark.parametrize("groups", [1, 2, 4])
def test_the_operations_of_a_convolution_are_those_of_its_sums(groups):
    layer = nn.Conv2d(4, 8, (3, 2), stride=2, groups=groups)
    report = summary(layer, (4, 9, 8))
    height, width = report.layers[0].output_shape[1:]
    assert (height, width) == (4, 4)
    assert report.macs == layer.weight.numel() * height * width


def test_frozen_parameters_count_but_are_not_trainable():
    model = create_model("lenet5")
    model.conv.requires_grad_(False)
    report = summary(model)
    assert (report.parameters, report.trainable) == (61_706, 61_706 - 156 - 2_416)
    assert str(report).startswith("LeNet, input 1x28x28, 59,134 trainable")


def test_a_single_layer_is_a_model_too():
    report = summary(nn.Linear(5, 3), (5,))
    assert [(layer.name, layer.kind, layer.parameters, layer.macs) for layer in report.layers] == [
        ("", "Linear", 18, 15)
    ]


def test_a_model_without_parameters_has_none():
    report = summary(nn.Sequential(nn.Flatten(), nn.ReLU()), (1, 4, 4))
    assert (report.parameters, report.macs) == (0, 0)
    assert report.layers[0].output_shape == (16,)


def test_a_layer_that_returns_no_tensor_is_left_out():
    class Named(nn.Linear):
        def forward(self, x):
            return {"out": super().forward(x)}

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.named, self.out = Named(4, 3), nn.Linear(3, 2)

        def forward(self, x):
            return self.out(self.named(x)["out"])

    assert [layer.name for layer in summary(Net(), (4,)).layers] == ["out"]


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_the_image_has_the_type_of_the_weights(dtype):
    assert summary(create_model("lenet5").to(dtype)).macs == 416_520


def test_without_a_shape_anywhere_it_asks_for_one():
    with pytest.raises(ConfigError, match=r"^Sequential does not say its input_shape: give it, such as \(1, 28, 28\)$"):
        summary(nn.Sequential(nn.Linear(2, 2)))


def test_a_shape_that_is_given_goes_before_the_models_own():
    model = nn.Sequential(nn.Conv2d(1, 2, 3))
    model.input_shape = (1, 28, 28)
    assert summary(model).layers[0].output_shape == (2, 26, 26)
    assert summary(model, (1, 8, 8)).layers[0].output_shape == (2, 6, 6)


def test_modes_weights_statistics_and_random_numbers_stay_as_they_were():
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Dropout(0.5))
    model[1].eval()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    state = torch.get_rng_state()
    summary(model, (1, 8, 8))
    assert [module.training for module in model.modules()] == [True, True, False, True]
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert torch.equal(torch.get_rng_state(), state)
    assert all(p.grad is None for p in model.parameters())


def test_nothing_of_it_stays_on_a_model_that_fails():
    class Broken(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(2, 2)

        def forward(self, x):
            raise RuntimeError("broken on purpose")

    model = Broken()
    with pytest.raises(RuntimeError, match="broken on purpose"):
        summary(model, (2,))
    assert model.training
    assert not model.layer._forward_hooks


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("kind", [nn.GRU, nn.LSTM, nn.RNN])
def test_recurrent_layers_are_there(kind, first):
    class Rows(nn.Module):
        """Reads an image row for row."""

        def __init__(self):
            super().__init__()
            self.recurrent, self.out = kind(28, 16, batch_first=first), nn.Linear(16, 10)

        def forward(self, images):
            rows = images[:, 0] if first else images[:, 0].transpose(0, 1)
            return self.out(self.recurrent(rows)[0][:, -1] if first else self.recurrent(rows)[0][-1])

    layer, _ = summary(Rows(), (1, 28, 28)).layers
    gates = {nn.GRU: 3, nn.LSTM: 4, nn.RNN: 1}[kind]
    assert (layer.name, layer.kind, layer.output_shape) == ("recurrent", kind.__name__, (28, 16))
    assert layer.parameters == gates * (28 * 16 + 16 * 16 + 2 * 16)
    assert layer.macs == 28 * gates * (28 * 16 + 16 * 16)


def test_it_is_json_with_its_totals_and_a_row_for_each_layer():
    report = summary(create_model("mlp", image_size=20))
    content = json.loads(json.dumps(report.to_json()))
    assert (content["model"], content["input_shape"], content["macs"]) == ("MLP", [400], report.macs)
    assert content["layers"][0] == {
        "name": "layers.0", "kind": "Linear", "output_shape": [25], "parameters": 10_025, "macs": 10_000
    }  # fmt: skip
