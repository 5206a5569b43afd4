"""Grids of images: which are shown, under which words, and how mistakes stand out."""

import dataclasses
import itertools

import numpy as np
import pytest
import torch

from mnistkit import DigitDataset
from mnistkit.errors import ConfigError, DataError
from mnistkit.plots import prediction_grid, sample_grid
from mnistkit.plots.mosaic import tile_corner


def texts(figure):
    return [text.get_text() for text in figure.axes[0].texts]


def tiles(figure, count, columns, side=28):
    """The pictures in a grid with titles."""
    canvas = figure.axes[0].images[0].get_array()
    corners = [tile_corner(number, (side, side), columns, True) for number in range(count)]
    return np.stack([canvas[top : top + side, left : left + side] for top, left in corners])


def test_images_stand_under_their_labels(small):
    figure = sample_grid(small.train, rows=2, columns=3)
    assert texts(figure) == [str(label) for label in small.train.labels[:6].tolist()]
    np.testing.assert_allclose(tiles(figure, 6, 3), small.train.images[:6, 0] / 255)
    assert figure.axes[0].images[0].get_clim() == (0, 1)


def test_between_the_tiles_there_is_nothing(small):
    canvas = sample_grid(small.train, rows=2, columns=2).axes[0].images[0].get_array()
    assert np.isnan(canvas.filled(np.nan)[0]).all()
    assert canvas.count() == 4 * 28 * 28


def test_a_seed_chooses_others_and_always_the_same(small):
    first, again, plain = (sample_grid(small.train, rows=2, columns=4, seed=seed) for seed in (3, 3, None))
    assert np.array_equal(tiles(first, 8, 4), tiles(again, 8, 4))
    assert not np.array_equal(tiles(first, 8, 4), tiles(plain, 8, 4))


def test_a_small_data_set_fills_what_it_can(small):
    assert len(texts(sample_grid(small.train[:3], rows=4, columns=4))) == 3


def test_colour_stays_colour():
    pixels = np.random.default_rng(0).integers(0, 256, (4, 3, 8, 8), dtype=np.uint8)
    data = DigitDataset.from_arrays(pixels, [0, 1, 2, 3], framing="resize")
    figure = sample_grid(data, rows=2, columns=2)
    canvas = figure.axes[0].images[0].get_array()
    assert canvas.shape[-1] == 4
    top, left = tile_corner(3, (8, 8), 2, True)
    np.testing.assert_allclose(canvas[top : top + 8, left : left + 8, :3], pixels[3].transpose(1, 2, 0) / 255)
    assert canvas[..., 3].sum() == 4 * 64


def test_class_names_are_the_titles(small):
    named = dataclasses.replace(
        small.test, classes=("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
    )
    label = int(named.labels[0])
    assert texts(sample_grid(named[:1], rows=1, columns=1)) == [named.classes[label]]


def test_mistakes_have_a_cross_a_thick_frame_and_bold_words(small):
    data = small.test[:4]
    predictions = data.labels.clone()
    predictions[2] = (predictions[2] + 1) % 10
    figure = prediction_grid(data, predictions, rows=1, columns=4)
    said = [f"{label}, {label}" for label in data.labels.tolist()]
    said[2] = f"{int(data.labels[2])}, {int(predictions[2])} ✗"
    ax = figure.axes[0]
    assert texts(figure) == said
    assert [text.get_fontweight() for text in ax.texts] == ["normal", "normal", "bold", "normal"]
    widths = [frame.get_linewidth() for frame in ax.patches]
    assert widths[2] > 3 * max(widths[:2])
    assert ax.get_title() == "label, prediction (✗ wrong: 1 of 4)"


@pytest.mark.parametrize("kind", [list, np.asarray, torch.as_tensor])
def test_the_wrong_ones_alone_can_be_shown(small, kind):
    labels = small.test.labels
    predictions = labels.clone()
    predictions[[5, 17, 40]] = (predictions[[5, 17, 40]] + 1) % 10
    figure = prediction_grid(small.test, kind(predictions.tolist()), wrong_only=True)
    np.testing.assert_allclose(tiles(figure, 3, 3), small.test.images[[5, 17, 40], 0] / 255)
    assert all(text.endswith("✗") for text in texts(figure))


def test_a_model_may_say_more_classes_than_were_named(small):
    figure = prediction_grid(small.test[:1], [12], rows=1, columns=1)
    assert texts(figure) == [f"{int(small.test.labels[0])}, 12 ✗"]


@pytest.mark.parametrize(
    ("predictions", "text"),
    [
        (torch.zeros(100, 10), r"torch.float32 predictions of shape \(100, 10\) for 100 images.*logits.argmax\(1\)"),
        ([1, 2, 3], r"torch.int64 predictions of shape \(3,\) for 100 images"),
        ([0] * 99 + [-1], "got the prediction -1, expected labels from 0"),
    ],
)
def test_predictions_that_do_not_fit_are_refused(small, predictions, text):
    with pytest.raises(DataError, match=text):
        prediction_grid(small.test, predictions)


def test_nothing_to_show_is_said(small):
    with pytest.raises(DataError, match="there are no images to show"):
        prediction_grid(small.test, small.test.labels, wrong_only=True)
    with pytest.raises(DataError, match="there are no images to show"):
        sample_grid(small.test[:0])


@pytest.mark.parametrize("size", [{"rows": 0}, {"columns": -1}])
def test_a_grid_has_rows_and_columns(small, size):
    with pytest.raises(ConfigError, match="expected at least 1 of each"):
        sample_grid(small.test, **size)


def test_words_take_two_lines(small):
    named = dataclasses.replace(small.test, classes=tuple(f"class {number}" for number in range(10)))[:1]
    label = int(named.labels[0])
    figure = prediction_grid(named, [(label + 1) % 10], rows=1, columns=1)
    assert texts(figure) == [f"class {label},\nclass {(label + 1) % 10} ✗"]


@pytest.mark.parametrize("names", [tuple("0123456789"), ("T-shirt/top", "Trouser", *("Ankle boot",) * 8)])
@pytest.mark.parametrize("columns", [2, 6])
def test_titles_lie_neither_on_each_other_nor_on_the_images(small, names, columns):
    named = dataclasses.replace(small.test, classes=names)
    figure = prediction_grid(named, (named.labels + 1) % 10, rows=2, columns=columns)
    figure.draw_without_rendering()
    ax = figure.axes[0]
    assert figure.bbox.contains(*ax.title.get_window_extent().min)
    boxes = [text.get_window_extent() for text in ax.texts]
    frames = [frame.get_window_extent() for frame in ax.patches]
    assert not any(one.overlaps(other) for one, other in itertools.combinations(boxes, 2))
    assert not any(
        box.y0 + 1 < frame.y1 and box.y1 - 1 > frame.y0 and box.overlaps(frame) for box in boxes for frame in frames
    )
