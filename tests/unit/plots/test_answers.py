"""Confusion, calibration and the map of embeddings."""

import dataclasses

import numpy as np
import pytest
import torch
from matplotlib.container import ErrorbarContainer

from mnistkit import evaluate
from mnistkit.calibration import reliability
from mnistkit.errors import DataError
from mnistkit.interpret import embed, project
from mnistkit.plots import confusion_matrix, embedding_map, reliability_diagram


@pytest.fixture(scope="session")
def report(run):
    return evaluate(run.model, run.test)


def errorbars(ax):
    return next(container for container in ax.containers if isinstance(container, ErrorbarContainer))


def test_counts_stand_in_their_cells_and_zeros_are_left_out():
    ax = confusion_matrix(np.array([[50, 0, 2], [1, 40, 0], [0, 0, 30]])).axes[0]
    cells = {(int(text.get_position()[1]), int(text.get_position()[0])): text.get_text() for text in ax.texts}
    assert cells == {(0, 0): "50", (0, 2): "2", (1, 0): "1", (1, 1): "40", (2, 2): "30"}


def test_only_mistakes_are_coloured_by_their_share():
    image = confusion_matrix(torch.tensor([[8, 2], [1, 3]])).axes[0].images[0]
    np.testing.assert_allclose(image.get_array().filled(-1), [[-1, 0.2], [0.25, -1]])
    assert image.get_clim() == (0, 0.25)


def test_a_perfect_matrix_and_an_empty_row_can_be_drawn():
    image = confusion_matrix(np.diag([3, 0, 4])).axes[0].images[0]
    assert image.get_array().count() == 0


def test_a_report_brings_its_counts_and_names(report):
    ax = confusion_matrix(report).axes[0]
    table = report.confusion
    assert [text.get_text() for text in ax.texts] == [str(count) for count in table[table > 0]]
    assert [label.get_text() for label in ax.get_xticklabels()] == list("0123456789")


def test_long_names_stand_upright_and_many_classes_have_no_numbers():
    names = ["T-shirt", "Trouser"]
    ax = confusion_matrix(np.eye(2, dtype=int), classes=names).axes[0]
    assert {label.get_rotation() for label in ax.get_xticklabels()} == {90}
    assert len(confusion_matrix(np.ones((20, 20), dtype=int)).axes[0].texts) == 0


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_numbers_can_be_read_on_every_colour(theme):
    from matplotlib.colors import to_rgb

    def luminance(colour):
        parts = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(colour)]
        return float(np.dot(parts, (0.2126, 0.7152, 0.0722)))

    # Shares of every size, on the lightest colour to the darkest.
    counts = np.diag(np.full(15, 1000)) + np.triu(np.arange(1, 226).reshape(15, 15) ** 2, 1)
    ax = confusion_matrix(counts, theme=theme).axes[0]
    image = ax.images[0]
    colours = image.cmap(image.norm(image.get_array()))
    wrong = [
        (text, colours[row, column]) for text in ax.texts for column, row in [text.get_position()] if row != column
    ]
    assert len(wrong) == 105
    for text, colour in wrong:
        below, above = sorted((luminance(colour), luminance(text.get_color())))
        assert (above + 0.05) / (below + 0.05) >= 4.5


@pytest.mark.parametrize(
    ("counts", "classes"),
    [(np.ones((2, 3)), None), (np.ones(4), None), (4, None), (np.ones((0, 0)), None), (np.ones((2, 2)), ["a"])],
)
def test_a_matrix_is_square_and_has_a_name_for_each_row(counts, classes):
    with pytest.raises(DataError, match="expected a row and a column for each class"):
        confusion_matrix(counts, classes=classes)


def test_points_are_the_bins_and_bars_their_shares():
    sure = np.array([0.95, 0.95, 0.95, 0.95, 0.55, 0.55])
    right = np.array([True, True, True, False, True, False])
    ax = reliability_diagram(reliability(sure, right, bins=10)).axes[0]
    points = errorbars(ax).lines[0]
    np.testing.assert_allclose(points.get_xdata(orig=False), [0.55, 0.95])
    np.testing.assert_allclose(points.get_ydata(orig=False), [0.5, 0.75])
    np.testing.assert_allclose([bar.get_height() for bar in ax.patches], [2 / 6, 4 / 6])
    np.testing.assert_allclose([bar.get_x() + bar.get_width() / 2 for bar in ax.patches], [0.55, 0.95])
    # Four of six are off by 0.2, two by 0.05.
    assert ax.get_title() == "calibration error 15.0%"


def test_intervals_are_wilsons():
    from mnistkit.metrics import Proportion

    ax = reliability_diagram(reliability(np.full(10, 0.85), np.arange(10) < 9, bins=10)).axes[0]
    ((start, end),) = errorbars(ax).lines[2][0].get_segments()
    assert (start[1], end[1]) == pytest.approx(Proportion(9, 10).interval)


def test_a_report_is_its_calibration(report):
    one, other = reliability_diagram(report).axes[0], reliability_diagram(report.reliability).axes[0]
    np.testing.assert_array_equal(errorbars(one).lines[0].get_ydata(), errorbars(other).lines[0].get_ydata())


def test_no_images_have_no_calibration():
    empty = reliability(np.zeros(0), np.zeros(0, dtype=bool))
    with pytest.raises(DataError, match="there are no images in this reliability curve"):
        reliability_diagram(empty)


def test_each_image_is_its_label_where_the_model_puts_it(run):
    ax = embedding_map(run.model, run.test).axes[0]
    points = project(embed(run.model, run.images)).numpy()
    assert [group.get_label() for group in ax.collections] == list("0123456789")
    for label, group in enumerate(ax.collections):
        np.testing.assert_allclose(group.get_offsets(), points[run.test.labels == label], atol=1e-4)
    assert [text.get_text() for text in ax.texts] == list("0123456789")
    assert ax.get_xlabel() == "principal component 1"


def test_long_class_names_become_letters_with_a_legend(run):
    names = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
    some = dataclasses.replace(run.test, classes=names).only(2, 7)
    ax = embedding_map(run.model, some, method="tsne", layer="conv.5").axes[0]
    assert [text.get_text() for text in ax.texts] == ["A", "B"]
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["A  two", "B  seven"]
    assert ax.get_ylabel() == "t-SNE 2"
