"""Activation functions and softmax: the curves are the functions."""

import math

import numpy as np
import pytest
import torch

from mnistkit.errors import ConfigError, DataError
from mnistkit.models import list_activations
from mnistkit.plots import activation_functions, softmax_bars, softmax_curves


def test_functions_and_derivatives():
    values, slopes = activation_functions(["relu", "sigmoid", "tanh"]).axes
    x = values.lines[0].get_xdata()
    expected = {
        "relu": (np.maximum(x, 0), (x > 0).astype(float)),
        "sigmoid": (1 / (1 + np.exp(-x)), np.exp(-x) / (1 + np.exp(-x)) ** 2),
        "tanh": (np.tanh(x), 1 / np.cosh(x) ** 2),
    }
    for value, slope in zip(values.lines, slopes.lines, strict=True):
        function, derivative = expected[value.get_label()]
        np.testing.assert_allclose(value.get_ydata(), function, atol=1e-12)
        np.testing.assert_allclose(slope.get_ydata(), derivative, atol=1e-12)


def test_all_activations_that_models_take_are_drawn_with_dashes_of_their_own():
    lines = activation_functions().axes[0].lines
    assert [line.get_label() for line in lines] == list_activations()
    dashes = [str(line._unscaled_dash_pattern) for line in lines]
    assert len(set(dashes)) == len(lines)


def test_an_unknown_activation_is_refused():
    with pytest.raises(ConfigError, match="unknown activation 'rely'; did you mean 'relu'"):
        activation_functions(["rely"])
    with pytest.raises(ConfigError, match="there are no activation functions to draw"):
        activation_functions([])


def test_softmax_curves_are_softmax():
    ax = softmax_curves((2, 10)).axes[0]
    for line, classes in zip(ax.lines, (2, 10), strict=True):
        logits = torch.zeros(len(line.get_xdata()), classes, dtype=torch.float64)
        logits[:, 0] = torch.from_numpy(line.get_xdata())
        np.testing.assert_allclose(line.get_ydata(), logits.softmax(1)[:, 0], atol=1e-12)
        assert line.get_label() == f"{classes} classes"


@pytest.mark.parametrize("classes", [(), (1, 2)])
def test_softmax_needs_two_classes(classes):
    with pytest.raises(ConfigError, match="expected numbers from 2"):
        softmax_curves(classes)


def test_bars_are_logits_and_their_softmax():
    logits = torch.tensor([2.0, -1.0, 0.5], requires_grad=True)
    above, below = softmax_bars(logits, classes=["a", "b", "c"]).axes
    assert [bar.get_height() for bar in above.patches] == [2.0, -1.0, 0.5]
    assert [bar.get_height() for bar in below.patches] == pytest.approx(logits.softmax(0).tolist())
    assert [text.get_text() for text in above.texts] == ["2.0", "-1.0", "0.5"]
    assert [label.get_text() for label in below.get_xticklabels()] == ["a", "b", "c"]
    # The likeliest is not told by its colour alone.
    assert [bool(bar.get_hatch()) for bar in below.patches] == [True, False, False]


def test_a_large_logit_is_no_certainty_and_does_not_overflow():
    _, below = softmax_bars([1000.0, 990.0]).axes
    assert [text.get_text() for text in below.texts] == [">99%", "<1%"]
    assert below.patches[0].get_height() == pytest.approx(1 / (1 + math.exp(-10)))


def test_many_classes_have_no_numbers():
    assert len(softmax_bars(torch.zeros(47)).axes[0].texts) == 0


@pytest.mark.parametrize(
    ("logits", "classes"), [(torch.zeros(2, 10), None), (1.0, None), ([], None), ([1.0, 2.0], ["a"])]
)
def test_logits_of_one_image_are_expected(logits, classes):
    with pytest.raises(DataError, match=r"expected those of one image, \(classes,\)"):
        softmax_bars(logits, classes=classes)


def test_long_names_stand_under_the_lower_panel_only():
    figure = softmax_bars([1.0, 2.0], classes=["Ankle boot", "Bag"])
    figure.draw_without_rendering()
    above, below = ([label.get_text() for label in ax.get_xticklabels()] for ax in figure.axes)
    assert above == []
    assert below == ["Ankle boot", "Bag"]
