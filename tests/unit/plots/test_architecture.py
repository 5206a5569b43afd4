"""The drawing says what the summary says, to scale."""

import itertools

import pytest
from matplotlib.figure import Figure
from torch import nn

from mnistkit import create_model, list_models
from mnistkit.errors import ConfigError
from mnistkit.plots import architecture


def rows(figure):
    """(layers, output, parameters) of each stage."""
    *texts, _, _, _ = [(text.get_position(), text.get_text()) for text in figure.axes[0].texts]
    found = {}
    for (_, y), text in texts:
        found.setdefault(y, []).append(text)
    return [tuple(found[y]) for y in sorted(found, reverse=True)]


def test_lenet5():
    figure = architecture(create_model("lenet5"))
    assert rows(figure) == [
        ("input", "1x28x28"),
        ("conv 5x5", "6x28x28", "156"),
        ("max pool 2 + ReLU", "6x14x14"),
        ("conv 5x5", "16x10x10", "2,416"),
        ("max pool 2 + ReLU", "16x5x5"),
        ("linear + ReLU", "120", "48,120"),
        ("linear + ReLU", "84", "10,164"),
        ("linear", "10", "850"),
    ]
    assert figure.axes[0].get_title() == "lenet5: 61,706 parameters"


def test_layers_that_keep_the_shape_join_the_one_before():
    stages = rows(architecture(create_model("handwriting_cnn")))
    assert ("max pool 2 + batch norm + ReLU", "16x14x14", "32") in stages
    # Two convolutions of one shape are two stages.
    assert stages.count(("conv 3x3 + batch norm + ReLU", "64x14x14", "36,992")) == 1
    assert ("conv 3x3 + batch norm + ReLU", "64x14x14", "9,344") in stages


def test_maps_are_drawn_to_scale():
    ax = architecture(create_model("lenet5", pool="avg")).axes[0]
    patches = ax.patches
    # One sheet of 28, six of 28, six of 14, eight of 10, eight of 5.
    widths = [patch.get_width() for patch in patches]
    assert widths[0] == pytest.approx(widths[1]) == pytest.approx(2 * widths[7])
    assert widths[13] == pytest.approx(widths[0] * 10 / 28)
    assert all(patch.get_width() == patch.get_height() for patch in patches[:29])
    assert ax.get_aspect() == 1
    assert ("mean pool 2", "6x14x14") in rows(architecture(create_model("lenet5", pool="avg")))


@pytest.mark.parametrize("name", list_models())
def test_no_text_lies_on_another_or_outside(name):
    figure = architecture(create_model(name))
    figure.draw_without_rendering()
    ax = figure.axes[0]
    boxes = [text.get_window_extent() for text in ax.texts]
    assert not any(one.overlaps(other) for number, one in enumerate(boxes) for other in boxes[number + 1 :])
    # The renderer's own margin is a pixel.
    whole = figure.bbox.padded(1)
    assert all(whole.contains(*box.min) and whole.contains(*box.max) for box in boxes)


def test_any_module_can_be_drawn_when_it_is_told_the_shape():
    model = nn.Sequential(nn.Flatten(), nn.Linear(12, 3), nn.Softplus())
    assert rows(architecture(model, (3, 4))) == [
        ("input", "3x4"),
        ("flatten", "12"),
        ("linear + Softplus", "3", "39"),
    ]
    with pytest.raises(ConfigError, match="does not say its input_shape"):
        architecture(model)


def test_on_small_axes_everything_shrinks_alike():
    figure = Figure(figsize=(7, 5))
    ax = figure.subplots(2, 2)[0, 0]
    architecture(create_model("lenet5"), ax=ax)
    figure.draw_without_rendering()
    boxes = [text.get_window_extent() for text in ax.texts]
    assert not any(one.overlaps(other) for one, other in itertools.combinations(boxes, 2))
    assert 3 < ax.texts[0].get_fontsize() < 9
