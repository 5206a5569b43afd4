"""Kernels, feature maps and weights: the numbers in the picture are the model's."""

import itertools

import numpy as np
import PIL.Image
import pytest
import torch
from torch import nn

from mnistkit import create_model
from mnistkit.errors import ConfigError, DataError, WriteError
from mnistkit.interpret import activations
from mnistkit.plots import feature_maps, kernel_evolution, kernels, save_kernel_animation, weight_histograms
from mnistkit.plots.mosaic import tile_corner


def tiles(figure, count, columns, size):
    canvas = figure.axes[0].images[0].get_array()
    corners = [tile_corner(number, size, columns, False) for number in range(count)]
    return np.stack([canvas[top : top + size[0], left : left + size[1]] for top, left in corners])


def test_one_input_map_gives_one_row_of_kernels(run):
    figure = kernels(run.model, "conv.0")
    weights = run.model.conv[0].weight.detach().numpy()
    np.testing.assert_allclose(tiles(figure, 4, 4, (5, 5)), weights[:, 0])
    low, high = figure.axes[0].images[0].get_clim()
    assert -low == high == pytest.approx(np.abs(weights).max())
    assert figure.axes[0].get_ylabel() == ""


def test_rows_are_input_maps_and_columns_are_output_maps(run):
    figure = kernels(run.model, "conv.3")
    shown = tiles(figure, 32, 8, (5, 5)).reshape(4, 8, 5, 5)
    np.testing.assert_allclose(shown, run.model.conv[3].weight.detach().numpy().transpose(1, 0, 2, 3))
    assert figure.axes[0].get_xlabel() == "output map (1 to 8)"
    assert figure.axes[0].get_ylabel() == "input map (1 to 4)"
    assert figure.axes[0].get_title() == "kernels of conv.3, 5x5"


def test_many_kernels_of_one_input_map_are_wrapped():
    figure = kernels(create_model("example_cnn"), "conv.0")
    assert figure.axes[0].images[0].get_array().shape == (4 * 3 + 3, 8 * 3 + 7)


def test_kernels_without_any_weight_are_drawn_too():
    model = nn.Sequential(nn.Conv2d(1, 2, 3))
    nn.init.zeros_(model[0].weight)
    assert kernels(model, "0").axes[0].images[0].get_clim() == (-1, 1)


def test_the_colour_bar_is_exactly_as_high_as_the_picture(run):
    figure = kernels(run.model, "conv.3")
    figure.draw_without_rendering()
    picture, bar = figure.axes[0], figure.axes[0].child_axes[0]
    np.testing.assert_allclose(bar.get_position().intervaly, picture.get_position().intervaly, atol=1e-3)


@pytest.mark.parametrize(("layer", "cmap"), [("conv.0", "RdBu_r"), ("conv.2", "viridis")])
def test_feature_maps_are_the_activations(run, layer, cmap):
    figure = feature_maps(run.model, run.images[0], layer, columns=2)
    expected = activations(run.model, run.images[:1], layer)[0].numpy()
    image = figure.axes[0].images[0]
    np.testing.assert_allclose(tiles(figure, 4, 2, expected.shape[1:]), expected)
    assert image.get_cmap().name == cmap
    low, high = image.get_clim()
    assert high == pytest.approx(np.abs(expected).max())
    assert low == (-high if expected.min() < 0 else 0)


def test_a_batch_of_one_is_an_image(run):
    one, batch = (feature_maps(run.model, image, "conv.0") for image in (run.images[0], run.images[:1]))
    assert np.array_equal(one.axes[0].images[0].get_array().filled(0), batch.axes[0].images[0].get_array().filled(0))


@pytest.mark.parametrize(
    ("count", "layer", "text"),
    [
        (2, "conv.0", r"got an image of shape \(2, 1, 28, 28\), expected one"),
        (1, "fc.0", r"layer 'fc.0' puts out \(512,\), expected maps"),
    ],
)
def test_feature_maps_need_one_image_and_maps(run, count, layer, text):
    with pytest.raises(DataError, match=text):
        feature_maps(run.model, run.images[:count], layer)


def test_kernels_form_from_left_to_right(run):
    recorder = run.recorder
    figure = kernel_evolution(recorder.kernels, recorder.steps, moments=3)
    assert len(recorder.steps) == 7
    chosen = torch.stack(recorder.kernels)[[0, 3, 6], :, 0].transpose(0, 1).numpy()
    np.testing.assert_allclose(tiles(figure, 12, 3, (5, 5)).reshape(4, 3, 5, 5), chosen)
    ax = figure.axes[0]
    assert [label.get_text() for label in ax.get_xticklabels()] == ["0", "15", "30"]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["1", "2", "3", "4"]
    assert ax.images[0].get_clim()[1] == pytest.approx(float(torch.stack(recorder.kernels).abs().max()))


def test_another_input_map_can_be_chosen():
    copies = [torch.randn(2, 3, 4, 4) for _ in range(2)]
    figure = kernel_evolution(copies, [0, 1], channel=2)
    np.testing.assert_allclose(tiles(figure, 4, 2, (4, 4))[0], copies[0][0, 2])


def test_the_animation_has_a_frame_for_each_copy(run, tmp_path):
    path = tmp_path / "kernels.gif"
    save_kernel_animation(path, run.recorder.kernels, run.recorder.steps, milliseconds=80)
    with PIL.Image.open(path) as animation:
        assert animation.n_frames == 7
        assert animation.info["loop"] == 0
        frames, times = [], []
        for number in range(7):
            animation.seek(number)
            times.append(animation.info["duration"])
            frames.append(np.asarray(animation.convert("RGB")))
    assert times == [80] * 6 + [2000]
    assert all(not np.array_equal(one, other) for one, other in itertools.pairwise(frames))
    assert len({frame.shape for frame in frames}) == 1


def test_only_the_kernels_and_the_title_move(tmp_path):
    """The frame around the kernels stays where it is when the title becomes wider."""
    copies = [torch.full((2, 1, 3, 3), 0.5)] * 2
    save_kernel_animation(tmp_path / "still.gif", copies, [1, 1_000_000])
    with PIL.Image.open(tmp_path / "still.gif") as animation:
        first = np.asarray(animation.convert("L")).astype(int)
        animation.seek(1)
        second = np.asarray(animation.convert("L")).astype(int)
    moved = np.abs(first - second).max(1) > 40
    assert moved.any()
    assert not moved[len(moved) // 3 :].any()


def test_an_animation_that_cannot_be_written_says_so(run, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(WriteError):
        save_kernel_animation(tmp_path / "file" / "k.gif", run.recorder.kernels, run.recorder.steps)


@pytest.mark.parametrize("draw", [kernel_evolution, lambda *a, **k: save_kernel_animation("never.gif", *a, **k)])
@pytest.mark.parametrize(
    ("copies", "steps", "options", "error", "text"),
    [
        ([], [], {}, DataError, "got 0 copies of kernels and 0 steps"),
        ([torch.zeros(1, 1, 3, 3)], [0, 1], {}, DataError, "got 1 copies of kernels and 2 steps"),
        ([torch.zeros(25, 784)], [0], {}, DataError, r"\[\(25, 784\)\], expected one shape \(out, in, height, width\)"),
        ([torch.zeros(1, 1, 3, 3), torch.zeros(1, 1, 5, 5)], [0, 1], {}, DataError, "expected one shape"),
        ([torch.zeros(1, 2, 3, 3)], [0], {"channel": 2}, ConfigError, "channel is 2, expected 0 to 1"),
    ],
)
def test_copies_that_are_no_kernels_are_refused(draw, copies, steps, options, error, text):
    with pytest.raises(error, match=text):
        draw(copies, steps, **options)


def test_moments_and_frames_have_limits(run):
    with pytest.raises(ConfigError, match="moments is 1, expected at least 2"):
        kernel_evolution(run.recorder.kernels, run.recorder.steps, moments=1)
    with pytest.raises(ConfigError, match="milliseconds is 10, expected at least 20"):
        save_kernel_animation("never.gif", run.recorder.kernels, run.recorder.steps, milliseconds=10)


def test_every_weight_is_counted(run):
    figure = weight_histograms(run.model)
    assert [ax.get_title() for ax in figure.axes] == ["conv.0", "conv.3", "fc.0", "fc.3"]
    for ax, layer in zip(
        figure.axes, (run.model.conv[0], run.model.conv[3], run.model.fc[0], run.model.fc[3]), strict=True
    ):
        weights = layer.weight.detach()
        assert sum(bar.get_height() for bar in ax.patches) == weights.numel()
        assert ax.get_xlabel() == f"mean {weights.mean():.3f}, std {weights.std(unbiased=False):.3f}"


def test_a_model_without_weights_has_no_histogram():
    with pytest.raises(ConfigError, match="ReLU has no layer with a matrix of weights"):
        weight_histograms(nn.ReLU())
