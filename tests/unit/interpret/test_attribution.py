"""Saliency, Grad-CAM and occlusion: on models whose answers can be worked out by hand, and on real digits."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from mnistkit import create_model
from mnistkit.errors import ConfigError, DataError
from mnistkit.interpret import grad_cam, occlusion, saliency


def linear(weights):
    """From images to logits, one row of weights for each class."""
    model = nn.Sequential(nn.Flatten(), nn.Linear(weights.shape[1], weights.shape[0]))
    model[1].weight.data, model[1].bias.data = weights.clone(), torch.zeros(len(weights))
    return model


@pytest.fixture(scope="module")
def images(small):
    return small.test.preprocessing.normalize(small.test.images[:4])


@pytest.fixture(params=[saliency, grad_cam, occlusion])
def method(request):
    return request.param


def test_the_saliency_of_a_linear_model_is_the_size_of_its_weights():
    weights = torch.randn(3, 2 * 4 * 5)
    pictures = torch.randn(6, 2, 4, 5)
    model = linear(weights)
    largest = weights.reshape(3, 2, 4, 5).abs().amax(1)
    torch.testing.assert_close(saliency(model, pictures, 1), largest[1].expand(6, 4, 5))
    torch.testing.assert_close(saliency(model, pictures, [0, 1, 2, 2, 1, 0]), largest[[0, 1, 2, 2, 1, 0]])
    torch.testing.assert_close(saliency(model, pictures), largest[model(pictures).argmax(1)])


def test_saliency_is_a_derivative(images):
    """The largest pixel's value is the change of the logit for a small change of that pixel."""
    model = create_model("lenet5", activation="tanh", pool="avg").double().eval()
    pictures = images[:1].double()
    found = saliency(model, pictures, 3)[0]
    row, column = divmod(int(found.argmax()), 28)
    step = torch.zeros_like(pictures)
    step[0, 0, row, column] = 1e-5
    with torch.no_grad():
        slope = (model(pictures + step) - model(pictures - step))[0, 3] / 2e-5
    assert abs(slope) == pytest.approx(float(found[row, column]), rel=1e-5)


class TwoMaps(nn.Module):
    """Two maps, each the picture times a factor, then their means, then weights: what Grad-CAM's paper starts from."""

    def __init__(self, factors, weights):
        super().__init__()
        self.conv = nn.Conv2d(1, 2, 1, bias=False)
        self.conv.weight.data = torch.tensor(factors).reshape(2, 1, 1, 1)
        self.relu = nn.ReLU(inplace=True)
        self.fc = nn.Linear(2, 2, bias=False)
        self.fc.weight.data = torch.tensor(weights)

    def forward(self, pictures):
        return self.fc(self.relu(self.conv(pictures)).mean((2, 3)))


def test_grad_cam_weighs_the_maps_with_the_mean_gradient():
    pictures = torch.rand(2, 1, 3, 4) + 0.1
    model = TwoMaps([1.0, 2.0], [[3.0, -1.0], [1.0, -5.0]])
    # A logit is the sum of weight * mean(map), so the mean gradient over a map of 12 pixels is weight / 12.
    first = (3.0 * pictures - 1.0 * 2 * pictures)[:, 0] / 12
    torch.testing.assert_close(grad_cam(model, pictures, 0), first)
    torch.testing.assert_close(grad_cam(model, pictures, 0, layer="relu"), first)
    # The second class has only evidence against it, which is cut off.
    assert torch.equal(grad_cam(model, pictures, 1), torch.zeros(2, 3, 4))


def test_grad_cam_is_scaled_to_the_image_and_takes_the_last_convolution(images):
    model = create_model("lenet5")
    maps = grad_cam(model, images)
    assert maps.shape == (4, 28, 28)
    assert maps.min() >= 0
    assert torch.equal(maps, grad_cam(model, images, layer="conv.3"))
    assert not torch.equal(maps, grad_cam(model, images, layer="conv.0"))


def test_grad_cam_works_with_frozen_weights(images):
    model = create_model("lenet5")
    expected = grad_cam(model, images)
    assert torch.equal(grad_cam(model.requires_grad_(False), images), expected)


def test_occlusion_of_the_whole_image_is_what_the_answer_loses():
    weights = torch.randn(3, 12)
    model, pictures = linear(weights), torch.rand(2, 1, 3, 4)
    found = occlusion(model, pictures, 1, size=3, stride=1, fill=0.0)
    # Two patches of 3x3 in a picture of 3x4; the columns in the middle are covered by both.
    before = model(pictures).softmax(1)[:, 1]
    left, right = pictures.clone(), pictures.clone()
    left[..., :3], right[..., 1:] = 0, 0
    falls = [before - model(covered).softmax(1)[:, 1] for covered in (left, right)]
    expected = torch.stack([falls[0], (falls[0] + falls[1]) / 2, (falls[0] + falls[1]) / 2, falls[1]], dim=1)
    torch.testing.assert_close(found, expected[:, None].expand(2, 3, 4))


def test_occlusion_covers_with_the_images_darkest_value(images):
    model = create_model("lenet5")
    expected = torch.cat([occlusion(model, image[None], fill=float(image.min())) for image in images])
    torch.testing.assert_close(occlusion(model, images), expected)


def test_covering_paper_with_paper_changes_nothing(images):
    blank = torch.full((1, 1, 28, 28), -0.4242)
    torch.testing.assert_close(occlusion(create_model("lenet5"), blank), torch.zeros(1, 28, 28), rtol=0, atol=1e-7)


@given(st.integers(1, 12), st.integers(1, 12), st.integers(1, 5), st.data())
def test_patches_have_their_size_and_reach_every_border(height, width, stride, data):
    size = data.draw(st.integers(1, min(height, width)))
    model = linear(torch.zeros(2, height * width))
    seen = []
    model.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    occlusion(model, torch.zeros(1, 1, height, width), size=size, stride=stride, fill=1.0)
    masks = seen[1][:, 0] == 1
    assert (masks.sum((1, 2)) == size * size).all()
    assert len(masks.unique(dim=0)) == len(masks)
    covered = masks.any(0)
    assert covered[0, 0]
    assert covered[-1, -1]
    assert covered.all() or stride > size


def test_the_model_and_the_images_stay_as_they_are(images, method):
    model = create_model("handwriting_cnn", width=4).train()
    model.fc.eval()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    pictures = images.clone().requires_grad_()
    result = method(model, pictures)
    assert not result.requires_grad
    assert pictures.grad is None
    assert model.conv.training
    assert not model.fc.training
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())
    assert not any(module._forward_hooks for module in model.modules())


def test_each_image_is_explained_by_itself(images, method):
    model = create_model("lenet5")
    torch.testing.assert_close(method(model, images)[2:3], method(model, images[2:3]), rtol=1e-4, atol=1e-6)


def test_it_works_where_gradients_are_off(images, method):
    model = create_model("lenet5")
    expected = method(model, images)
    with torch.no_grad():
        assert torch.equal(method(model, images), expected)


@pytest.mark.parametrize("target", [10, -1, [0, 1], torch.tensor([0.0, 1.0, 2.0, 3.0]), [0, 1, 2, 10]])
def test_a_target_that_is_no_label_is_refused(images, method, target):
    with pytest.raises(ConfigError, match=r"expected a label from 0 to 9, or 4 of them"):
        method(create_model("lenet5"), images, target)


@pytest.mark.parametrize("wrong", [torch.zeros(1, 28, 28), torch.zeros(2, 784), torch.zeros(0, 1, 28, 28)])
def test_images_of_another_shape_are_refused(method, wrong):
    with pytest.raises(DataError, match=r"expected normalised float \(N, C, H, W\); of one image, image\[None\]"):
        method(create_model("lenet5"), wrong)


def test_raw_images_are_refused(small, method):
    with pytest.raises(DataError, match=r"got torch.uint8 images"):
        method(create_model("lenet5"), small.test.images[:2])


@pytest.mark.parametrize(
    ("model", "layer", "text"),
    [
        ("mlp", None, r"MLP has no convolution; use saliency\(\) or occlusion\(\)"),
        ("lenet5", "fc.0", r"layer 'fc.0' puts out \(4, 120\), expected maps"),
        ("lenet5", "conv.8", "unknown layer 'conv.8'"),
    ],
)
def test_grad_cam_needs_maps(images, model, layer, text):
    with pytest.raises(ConfigError, match=text):
        grad_cam(create_model(model), images, layer=layer)


@pytest.mark.parametrize("options", [{"size": 0}, {"size": 29}, {"stride": 0}])
def test_a_patch_that_does_not_fit_is_refused(images, options):
    with pytest.raises(ConfigError, match="do not fit 28x28 images"):
        occlusion(create_model("lenet5"), images, **options)
