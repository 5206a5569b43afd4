import itertools

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from mnistkit.errors import ConfigError, DataError
from mnistkit.models import (
    MLP,
    ConvNet,
    LeNet,
    convnet,
    create_model,
    digit_cnn,
    example_cnn,
    fast_cnn,
    handwriting_cnn,
    lenet1,
    lenet4,
    lenet5,
    list_models,
    mlp,
    separable_cnn,
    softmax_regression,
    vgg_cnn,
)

_FUNCTIONS = {"relu": F.relu, "tanh": torch.tanh, "sigmoid": torch.sigmoid, "gelu": F.gelu, "silu": F.silu}


def _layers(model, kind):
    return [module for module in model.modules() if isinstance(module, kind)]


def _settle(norms):
    """Give batch norms statistics of their own, as training does."""
    for norm in norms:
        norm.running_mean.normal_()
        norm.running_var.uniform_(0.5, 2)


def _count(model):
    return sum(p.numel() for p in model.parameters())


@pytest.mark.parametrize("pool", ["max", "avg"])
@pytest.mark.parametrize("activation", sorted(_FUNCTIONS))
def test_lenet5_is_convolution_activation_pooling_twice_and_three_dense_layers(activation, pool):
    model = lenet5(activation=activation, pool=pool).eval()
    conv1, conv2, fc1, fc2, fc3 = _layers(model, (nn.Conv2d, nn.Linear))
    act, pooling = _FUNCTIONS[activation], {"max": F.max_pool2d, "avg": F.avg_pool2d}[pool]
    images = torch.randn(5, 1, 28, 28)
    x = pooling(act(F.conv2d(images, conv1.weight, conv1.bias, padding=2)), 2)
    x = pooling(act(F.conv2d(x, conv2.weight, conv2.bias)), 2).flatten(1)
    x = act(fc2(act(fc1(x))))
    torch.testing.assert_close(model(images), fc3(x))


def test_a_maximum_is_taken_before_an_activation_that_never_decreases_and_after_one_that_does():
    names = {
        activation: [type(layer).__name__ for layer in lenet5(activation=activation).conv[1:3]]
        for activation in ("relu", "gelu")
    }
    assert names == {"relu": ["MaxPool2d", "ReLU"], "gelu": ["GELU", "MaxPool2d"]}


@pytest.mark.parametrize(
    ("model", "parameters"),
    [
        (lambda: lenet5(padding=0), 44_426),
        (lambda: lenet5(padding=0, image_size=32), 61_706),
        (lambda: lenet5(activation="sigmoid", pool="avg"), 61_706),
        (lambda: lenet5(classes=47), 61_706 + 37 * 85),
        (lambda: lenet5(channels=3), 61_706 + 2 * 6 * 25),
        (lambda: mlp(image_size=20), 10_575),
        (lambda: mlp(hidden=()), 7_850),
        (lambda: mlp(hidden=[300, 100]), 266_610),
        (lambda: convnet(depth=(20, 50), hidden=500), 1_256_080),
        (lambda: lenet4(image_size=32), 16_690 + 3 * 1200),
        (lambda: fast_cnn(maps=(32, 64), hidden=512), 32 * 38 + 64 * 290 + 512 * 1026 + 5130),
        (lambda: fast_cnn(channels=3, image_size=32), 105_498 + 2 * 576),
        (lambda: handwriting_cnn(channels=3, image_size=32), 194_042 + 2 * 400 + 7 * 960),
        (lambda: separable_cnn(), 941),
        (lambda: separable_cnn(repeats=1), 941 - 2 * 26),
        (lambda: separable_cnn(channels=3, image_size=32), 941 + 2 * 150 + 13 * (4 * 4 - 3 * 3)),
        (lambda: separable_cnn(first=16, stages=((24,), (40, 48, 64))), 9_498),
        (lambda: vgg_cnn(maps=(4, 6), classes=3), 9 * (4 + 16 + 24 + 36) + 2 * 20 + 49 * 6 * 3 + 3),
        (lambda: handwriting_cnn(width=2), 25 + 4 * 9 + 4 * 4 * 9 + 6 * 4 * 9 + 6 * 6 * 9 + 2 * 21 + 54 * 10 + 10),
    ],
)
def test_switches_change_the_parameter_count_as_they_should(model, parameters):
    assert _count(model()) == parameters


@pytest.mark.parametrize("name", list_models())
def test_no_two_linear_maps_collapse_into_one_and_no_softmax_ends_it(name):
    kinds = [
        module
        for module in create_model(name).modules()
        if not any(module.children())
        and not isinstance(module, (nn.Dropout, nn.AvgPool2d, nn.MaxPool2d, nn.BatchNorm1d, nn.BatchNorm2d))
        # With what mixes the maps that it filters it is one linear map, of fewer weights than that has in one piece.
        and not (isinstance(module, nn.Conv2d) and module.groups == module.out_channels > 1)
    ]
    linear = [isinstance(module, (nn.Linear, nn.Conv2d)) for module in kinds]
    assert linear[0]
    assert linear[-1]
    assert all(first != second for first, second in itertools.pairwise(linear))


@pytest.mark.parametrize(
    ("model", "probabilities"),
    [
        (lambda: lenet5(), []),
        (lambda: lenet5(dropout=0.3), [0.3, 0.3]),
        (lambda: mlp(hidden=(8, 8, 8), dropout=0.1), [0.1, 0.1, 0.1]),
        (lambda: mlp(dropout=0), []),
        (lambda: convnet(), [0.5]),
        (lambda: example_cnn(), [0.25, 0.5]),
        (lambda: example_cnn(dropout=(0.0, 1.0)), [0.0, 1.0]),
        (lambda: digit_cnn(), []),
        (lambda: handwriting_cnn(), [0.2]),
        (lambda: handwriting_cnn(dropout=0.5), [0.5]),
    ],
)
def test_dropout_is_where_it_is_said_to_be(model, probabilities):
    assert [layer.p for layer in _layers(model(), nn.Dropout)] == probabilities


def test_dropout_of_the_dense_network_comes_after_each_hidden_activation_only():
    kinds = [type(layer).__name__ for layer in mlp(dropout=0.5).layers]
    assert kinds == ["Linear", "ReLU", "Dropout", "Linear", "ReLU", "Dropout", "Linear"]


def test_mlp_takes_images_and_flat_images_alike():
    model = mlp(channels=3, image_size=8)
    images = torch.randn(4, 3, 8, 8)
    assert model.input_shape == (192,)
    assert torch.equal(model(images), model(images.flatten(1)))


def test_mlp_uses_the_activation_that_was_asked_for():
    for name, function in _FUNCTIONS.items():
        model = MLP((6, 5, 4), name)
        x = torch.randn(3, 6)
        assert torch.equal(model(x), model.layers[2](function(model.layers[0](x))))


def test_softmax_regression_is_one_linear_layer():
    model = softmax_regression(classes=26)
    assert [tuple(p.shape) for p in model.parameters()] == [(26, 784), (26,)]
    x = torch.randn(2, 1, 28, 28)
    torch.testing.assert_close(model(x), x.flatten(1) @ model.layers[0].weight.T + model.layers[0].bias)


def test_example_cnn_computes_what_the_pytorch_example_does():
    model = example_cnn().eval()
    conv1, conv2, fc1, fc2 = _layers(model, (nn.Conv2d, nn.Linear))
    x = torch.randn(3, 1, 28, 28)
    expected = fc2(F.relu(fc1(F.max_pool2d(F.relu(conv2(F.relu(conv1(x)))), 2).flatten(1))))
    torch.testing.assert_close(model(x), expected)


def test_digit_cnn_does_not_pool_after_its_second_convolution():
    model = digit_cnn().eval()
    conv1, conv2, fc1, fc2 = _layers(model, (nn.Conv2d, nn.Linear))
    x = torch.randn(3, 1, 28, 28)
    expected = fc2(F.relu(fc1(F.relu(conv2(F.relu(F.max_pool2d(conv1(x), 2)))).flatten(1))))
    torch.testing.assert_close(model(x), expected)


def test_convnet_shows_the_feature_maps_that_it_computes_with():
    model = convnet().eval()
    conv1, conv2 = _layers(model, nn.Conv2d)
    images = torch.randn(2, 1, 28, 28)
    first, second = model.retrieve_features(images)
    assert (tuple(first.shape), tuple(second.shape)) == ((2, 4, 28, 28), (2, 8, 14, 14))
    torch.testing.assert_close(first, F.relu(conv1(images)))
    torch.testing.assert_close(second, F.relu(conv2(F.max_pool2d(first, 2))))
    torch.testing.assert_close(model.fc(F.max_pool2d(second, 2).flatten(1)), model(images))


def test_the_feature_maps_of_a_wrong_shape_are_refused_like_its_logits():
    with pytest.raises(DataError, match=r"^got images of shape \(28, 28\), this ConvNet expects \(N, 1, 28, 28\)$"):
        convnet().retrieve_features(torch.zeros(28, 28))


def test_lenet4_has_pooling_with_weights_and_grouped_connections():
    conv = _layers(lenet4(), nn.Conv2d)
    assert [(layer.in_channels, layer.out_channels, layer.kernel_size[0], layer.groups) for layer in conv] == [
        (1, 4, 5, 1),
        (4, 8, 2, 4),
        (8, 16, 5, 1),
        (16, 120, 5, 4),
    ]


def test_handwriting_cnn_normalises_before_each_activation_and_after_the_first_pooling():
    model = handwriting_cnn().eval()
    convs, norms = _layers(model, nn.Conv2d), _layers(model, nn.BatchNorm2d)
    _settle(norms)
    images = torch.randn(3, 1, 28, 28)
    x = images
    for number, (conv, norm) in enumerate(zip(convs, norms, strict=True)):
        x = F.conv2d(x, conv.weight, padding=conv.kernel_size[0] // 2)
        x = F.relu(norm(F.max_pool2d(x, 2) if number == 0 else x))
        x = F.max_pool2d(x, 2) if number in (2, 4) else x
    torch.testing.assert_close(model(images), model.fc[-1](x.flatten(1)))


def test_separable_cnn_filters_each_map_mixes_them_and_weighs_what_is_left_place_by_place():
    model = separable_cnn(first=4, stages=((6, 5), (7,))).eval()
    (first, *pairs, last), norms = _layers(model, nn.Conv2d), _layers(model, nn.BatchNorm2d)
    _settle(norms)
    images = torch.randn(3, 1, 28, 28)
    x = F.relu(norms[0](F.conv2d(images, first.weight, stride=2, padding=2)))
    for number in range(3):
        alone, mixing = pairs[2 * number : 2 * number + 2]
        x = F.relu(norms[number + 1](F.conv2d(F.conv2d(x, alone.weight, padding=1, groups=x.shape[1]), mixing.weight)))
        x = F.max_pool2d(x, 2) if number > 0 else x
    assert x.shape == (3, 7, 3, 3)
    torch.testing.assert_close(model(images), model.fc[0]((x * last.weight[:, 0]).sum((2, 3))))


def test_separable_cnn_runs_a_convolution_that_keeps_the_number_of_maps_several_times():
    model = separable_cnn(first=5, stages=((5,), (7,)), repeats=2).eval()
    (first, alone, mixing, *others, last), norms = _layers(model, nn.Conv2d), _layers(model, nn.BatchNorm2d)
    _settle(norms)
    images = torch.randn(3, 1, 28, 28)
    x = F.relu(norms[0](F.conv2d(images, first.weight, stride=2, padding=2)))
    for norm in norms[1:3]:
        x = F.relu(norm(F.conv2d(F.conv2d(x, alone.weight, padding=1, groups=5), mixing.weight)))
    x = F.max_pool2d(x, 2)
    x = F.relu(norms[3](F.conv2d(F.conv2d(x, others[0].weight, padding=1, groups=5), others[1].weight)))
    x = F.max_pool2d(x, 2)
    torch.testing.assert_close(model(images), model.fc[0]((x * last.weight[:, 0]).sum((2, 3))))


def test_fast_cnn_sees_the_middle_of_the_image_only():
    model = fast_cnn().eval()
    images = torch.randn(3, 1, 28, 28)
    changed = images.clone()
    changed[..., :2] = changed[..., -2:] = changed[..., :2, :] = changed[..., -2:, :] = 9
    assert torch.equal(model(changed), model(images))
    for row, column in ((2, 13), (25, 13), (13, 2), (13, 25)):
        changed = images.clone()
        changed[..., row, column] += 5
        assert not torch.equal(model(changed), model(images))


def test_fast_cnn_trains_on_a_last_batch_of_one_image():
    model = fast_cnn().train()
    model(torch.randn(16, 1, 28, 28))
    before = {name: value.clone() for name, value in model.state_dict().items() if name.startswith("fc.")}
    model(torch.randn(1, 1, 28, 28)).sum().backward()
    assert all(parameter.grad is not None for parameter in model.parameters())
    assert all(torch.equal(model.state_dict()[name], value) for name, value in before.items())


def test_factories_return_the_class_that_they_promise():
    assert [type(make()) for make in (lenet1, lenet4, lenet5, convnet, mlp, softmax_regression)] == [
        LeNet,
        LeNet,
        LeNet,
        ConvNet,
        MLP,
        MLP,
    ]


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        (
            "lenet5",
            {"activation": "rellu"},
            r"^unknown activation 'rellu'; did you mean 'relu'\? Available: gelu, relu, ",
        ),
        ("lenet1", {"activation": "softmax"}, r"^unknown activation 'softmax'"),
        ("mlp", {"activation": "tahn"}, r"^unknown activation 'tahn'; did you mean 'tanh'\?"),
        ("lenet4", {"pool": "mean"}, r"^unknown pooling 'mean'\. Available: avg, max$"),
        ("lenet5", {"pool": "maxx"}, r"^unknown pooling 'maxx'; did you mean 'max'\? Available: avg, max$"),
        ("lenet5", {"padding": 1}, r"^padding is 1, expected 0 or 2$"),
        ("lenet5", {"classes": 0}, r"^classes is 0, expected a whole number from 1$"),
        ("lenet1", {"channels": True}, r"^channels is True, expected a whole number from 1$"),
        ("lenet4", {"image_size": 28.0}, r"^image_size is 28\.0, expected a whole number from 1$"),
        ("softmax_regression", {"classes": -3}, r"^classes is -3, expected"),
        ("mlp", {"hidden": 25}, r"^hidden is 25, expected a tuple with each hidden layer's units, such as \(25, 15\)$"),
        ("mlp", {"hidden": (25, 0)}, r"^hidden\[1\] is 0, expected a whole number from 1$"),
        ("mlp", {"dropout": 1.5}, r"^dropout is 1\.5, expected a number from 0 to 1$"),
        ("mlp", {"dropout": float("nan")}, r"^dropout is nan, expected a number from 0 to 1$"),
        ("lenet5", {"dropout": -0.1}, r"^dropout is -0\.1, expected a number from 0 to 1$"),
        ("lenet5", {"dropout": "half"}, r"^dropout is 'half', expected a number from 0 to 1$"),
        ("convnet", {"dropout": 2}, r"^dropout is 2, expected a number from 0 to 1$"),
        ("convnet", {"depth": 8}, r"^depth is 8, expected a tuple of two$"),
        ("convnet", {"depth": (4, 8, 16)}, r"^depth is \(4, 8, 16\), expected a tuple of two$"),
        ("convnet", {"depth": (4, 0)}, r"^depth\[1\] is 0, expected a whole number from 1$"),
        ("convnet", {"hidden": 0}, r"^hidden is 0, expected a whole number from 1$"),
        ("example_cnn", {"dropout": 0.5}, r"^dropout is 0\.5, expected a tuple of two$"),
        ("example_cnn", {"dropout": (0.5, 7)}, r"^dropout\[1\] is 7, expected a number from 0 to 1$"),
        ("digit_cnn", {"image_size": 0}, r"^image_size is 0, expected a whole number from 1$"),
        ("fast_cnn", {"maps": 16}, r"^maps is 16, expected a tuple of two$"),
        ("fast_cnn", {"maps": (16, 32, 96)}, r"^maps is \(16, 32, 96\), expected a tuple of two$"),
        ("fast_cnn", {"maps": (16, 0)}, r"^maps\[1\] is 0, expected a whole number from 1$"),
        ("fast_cnn", {"hidden": 0}, r"^hidden is 0, expected a whole number from 1$"),
        ("fast_cnn", {"image_size": 11}, r"^images of shape \(1, 11, 11\) are too small for these layers"),
        ("separable_cnn", {"stages": (12, 16, 20)}, r"^stages is \(12, 16, 20\), expected a tuple of two$"),
        (
            "separable_cnn",
            {"stages": (12, 16)},
            r"^stages\[0\] is 12, expected a tuple of at least one number of maps$",
        ),
        ("separable_cnn", {"stages": ((12,), ())}, r"^stages\[1\] is \(\), expected a tuple of at least one number"),
        ("separable_cnn", {"stages": ((12,), (8, 0))}, r"^stages\[1\] is 0, expected a whole number from 1$"),
        ("separable_cnn", {"first": 0}, r"^first is 0, expected a whole number from 1$"),
        ("separable_cnn", {"repeats": 0}, r"^repeats is 0, expected a whole number from 1$"),
        ("separable_cnn", {"image_size": 6}, r"^images of shape \(1, 6, 6\) are too small for these layers"),
        ("vgg_cnn", {"maps": 32}, r"^maps is 32, expected a tuple of at least one number of maps$"),
        ("vgg_cnn", {"maps": ()}, r"^maps is \(\), expected a tuple of at least one number of maps$"),
        ("vgg_cnn", {"maps": (32, 0)}, r"^maps\[1\] is 0, expected a whole number from 1$"),
        ("vgg_cnn", {"dropout": -1}, r"^dropout is -1, expected a number from 0 to 1$"),
        ("vgg_cnn", {"image_size": 7}, r"^images of shape \(1, 7, 7\) are too small for these layers"),
        ("handwriting_cnn", {"width": 31}, r"^width is 31, expected an even number: the first convolution has half"),
        ("handwriting_cnn", {"width": 0}, r"^width is 0, expected a whole number from 1$"),
        ("handwriting_cnn", {"dropout": 1.1}, r"^dropout is 1\.1, expected a number from 0 to 1$"),
        ("handwriting_cnn", {"image_size": 7}, r"^images of shape \(1, 7, 7\) are too small for these layers"),
        ("lenet5", {"image_size": 8}, r"^images of shape \(1, 8, 8\) are too small for these layers"),
        ("digit_cnn", {"image_size": 6, "channels": 3}, r"^images of shape \(3, 6, 6\) are too small for these layers"),
        ("convnet", {"image_size": 3}, r"^images of shape \(1, 3, 3\) are too small for these layers"),
    ],
)
def test_an_argument_that_cannot_be_used_is_refused_by_name(name, arguments, message):
    with pytest.raises(ConfigError, match=message):
        create_model(name, **arguments)


def test_the_number_of_features_is_found_without_touching_the_random_numbers():
    torch.manual_seed(3)
    first = example_cnn().fc[0].weight
    torch.manual_seed(3)
    nn.Conv2d(1, 32, 3), nn.Conv2d(32, 64, 3)
    assert torch.equal(nn.Linear(9216, 128).weight, first)


@pytest.mark.parametrize("name", list_models())
def test_a_new_model_is_ready_to_train(name):
    assert all(module.training for module in create_model(name).modules())


@pytest.mark.parametrize("channels", [1, 3])
def test_convolutions_see_the_channels_innermost_and_keep_their_weights(channels):
    model = create_model("lenet5", channels=channels)
    inputs, outputs = [], []
    model.conv[0].register_forward_pre_hook(lambda _, given: inputs.append(given[0]))
    model.conv[0].register_forward_hook(lambda _, given, result: outputs.append(result))
    images = torch.randn(4, channels, 28, 28)
    logits = model(images)
    assert inputs[0].stride() == (784 * channels, 1, 28 * channels, channels)
    assert outputs[0].is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(inputs[0], images)
    torch.testing.assert_close(logits, model.fc(model.conv(images).flatten(1)))
    assert all(parameter.is_contiguous() for parameter in model.parameters())


@pytest.mark.parametrize("channels", [1, 3])
def test_the_gradient_of_each_image_can_be_had_at_once(channels):
    torch.manual_seed(0)
    model, images, labels = create_model("lenet5", channels=channels), torch.randn(3, channels, 28, 28), torch.arange(3)
    weights = {name: weight.detach() for name, weight in model.named_parameters()}

    def loss(weights, image, label):
        return F.cross_entropy(torch.func.functional_call(model, weights, (image[None],)), label[None])

    slopes = torch.func.vmap(torch.func.grad(loss), (None, 0, 0))(weights, images, labels)
    for number, (image, label) in enumerate(zip(images, labels, strict=True)):
        model.zero_grad()
        F.cross_entropy(model(image[None]), label[None]).backward()
        for name, weight in model.named_parameters():
            torch.testing.assert_close(slopes[name][number], weight.grad)
