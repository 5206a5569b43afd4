"""Maps of pixels that count, and edits of ink."""

import numpy as np
import pytest
import torch

from mnistkit import interpret
from mnistkit.errors import ConfigError, DataError
from mnistkit.interpret import Edit
from mnistkit.plots import attribution_maps, smallest_edits


def test_a_row_for_each_image_a_column_for_each_method(run):
    images = run.images[:2]
    figure = attribution_maps(run.model, images, target=3)
    assert len(figure.axes) == 8
    assert [ax.get_title() for ax in figure.axes[:4]] == ["image", "saliency", "Grad-CAM", "occlusion"]
    assert {ax.get_title() for ax in figure.axes[4:]} == {""}
    methods = (interpret.saliency, interpret.grad_cam, interpret.occlusion)
    for row in range(2):
        np.testing.assert_allclose(figure.axes[4 * row].images[0].get_array(), images[row, 0])
        for column, method in enumerate(methods, 1):
            shown = figure.axes[4 * row + column].images[0]
            expected = method(run.model, images, 3)[row].numpy()
            np.testing.assert_allclose(shown.get_array(), expected, atol=1e-6)
            assert shown.get_clim()[1] == pytest.approx(expected.max(), abs=1e-6)


def test_the_digits_outline_lies_over_the_maps(run):
    figure = attribution_maps(run.model, run.images[0], methods=["saliency"])
    picture, explained = figure.axes
    assert not picture.collections
    (outline,) = explained.collections
    (level,) = outline.levels
    assert level == pytest.approx(float(run.images[0].min() + run.images[0].max()) / 2)


def test_a_blank_image_has_no_outline(run):
    figure = attribution_maps(run.model, torch.zeros(1, 28, 28), methods=["occlusion"])
    assert not figure.axes[1].collections
    assert figure.axes[1].images[0].get_clim()[1] > 0


def test_the_layer_of_grad_cam_can_be_chosen(run):
    figure = attribution_maps(run.model, run.images[:1], methods=["grad_cam"], layer="conv.0")
    expected = interpret.grad_cam(run.model, run.images[:1], layer="conv.0")[0]
    np.testing.assert_allclose(figure.axes[1].images[0].get_array(), expected, atol=1e-6)


def test_an_unknown_method_is_refused(run):
    with pytest.raises(ConfigError, match="unknown method 'gradcam'; did you mean 'grad_cam'"):
        attribution_maps(run.model, run.images[:1], methods=["gradcam"])


@pytest.fixture
def edit():
    before = torch.zeros(1, 4, 4, dtype=torch.uint8)
    before[0, 0] = 255
    after = before.clone()
    after[0, 0, 0], after[0, 3, 3] = 0, 51
    return Edit(before, after, label=1, target=7, confidence=0.9998, target_confidence=0.504)


def test_an_edit_is_before_change_and_after(edit):
    figure = smallest_edits(edit)
    before, change, after = figure.axes
    np.testing.assert_array_equal(before.images[0].get_array(), edit.before[0])
    np.testing.assert_array_equal(after.images[0].get_array(), edit.after[0])
    shown = change.images[0]
    assert shown.get_array()[0, 0] == -1
    assert shown.get_array()[3, 3] == pytest.approx(0.2)
    assert shown.get_clim() == (-1, 1)
    # What is added and what is removed is said in words too.
    assert [ax.get_title() for ax in figure.axes] == ["1 (>99%)", "+0.2 -1.0 ink", "7 (50%)"]


def test_several_edits_are_rows_and_classes_have_names(edit):
    figure = smallest_edits([edit, edit], classes=[f"class {number}" for number in range(10)])
    assert len(figure.axes) == 6
    assert figure.axes[3].get_title() == "class 1 (>99%)"


def test_no_edits_are_refused():
    with pytest.raises(DataError, match="there are no edits to draw"):
        smallest_edits([])


def test_an_edit_to_a_class_without_a_name_is_refused(edit):
    with pytest.raises(DataError, match="got 7 classes for edits of label 7"):
        smallest_edits(edit, classes=list("abcdefg"))
