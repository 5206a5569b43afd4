import json

import numpy as np
import pytest
import torch
from torchvision.transforms import v2

from mnistkit.errors import ConfigError
from mnistkit.imaging import Preprocessing

GREY = Preprocessing((0.25,), (0.5,))
COLOUR = Preprocessing((0.1, 0.2, 0.3), (0.4, 0.5, 0.6), (8, 6), "resize")


def frames(channels=1, height=28, width=28, count=5):
    return np.random.default_rng(0).integers(0, 256, (count, channels, height, width), np.uint8)


@pytest.mark.parametrize(
    ("preprocessing", "shape"),
    [
        (GREY, (1, 28, 28)),
        (COLOUR, (3, 8, 6)),
        (Preprocessing((0.1,), (0.3,), geometry=(("crop", 20),)), (1, 20, 20)),
        (Preprocessing((0.1,), (0.3,), geometry=(("crop", 20), ("resize", 14))), (1, 14, 14)),
        (Preprocessing((0.1,), (0.3,), geometry=(("crop", 20),), flat=True), (400,)),
        (Preprocessing((0.1,) * 3, (0.3,) * 3, (8, 6), flat=True), (144,)),
    ],
)
def test_the_input_shape_is_that_of_a_prepared_frame(preprocessing, shape):
    assert preprocessing.input_shape == shape
    given = frames(preprocessing.channels, *preprocessing.size)
    assert preprocessing.normalize(preprocessing.reshape(given)).shape == (5, *shape)


@pytest.mark.parametrize("preprocessing", [GREY, COLOUR])
def test_normalisation_equals_torchvisions(preprocessing):
    given = torch.from_numpy(frames(preprocessing.channels, *preprocessing.size))
    theirs = v2.Compose(
        [v2.ToDtype(torch.float32, scale=True), v2.Normalize(list(preprocessing.mean), list(preprocessing.std))]
    )(given)
    torch.testing.assert_close(preprocessing.normalize(given), theirs, atol=1e-6, rtol=0)
    torch.testing.assert_close(preprocessing.normalize_unit(given / 255), theirs, atol=1e-6, rtol=0)


@pytest.mark.parametrize("preprocessing", [GREY, COLOUR, Preprocessing((0.1,) * 2, (0.3,) * 2, flat=True)])
def test_arrays_are_normalised_to_the_same_bits_as_tensors(preprocessing):
    given = frames(preprocessing.channels, *preprocessing.size)
    array, tensor = preprocessing.normalize(given), preprocessing.normalize(torch.from_numpy(given))
    assert array.dtype == np.float32
    assert np.array_equal(array, tensor.numpy())
    units = given.astype(np.float32) / 255
    assert np.array_equal(preprocessing.normalize_unit(units.copy()), preprocessing.normalize_unit(torch.tensor(units)))


@pytest.mark.parametrize(
    ("height", "width", "side"), [(28, 28, 14), (28, 28, 32), (28, 28, 20), (9, 40, 13), (5, 5, 5)]
)
def test_resizing_equals_torchs_with_antialiasing(height, width, side):
    given = frames(2, height, width)
    resized = Preprocessing((0.1,) * 2, (0.3,) * 2, geometry=(("resize", side),)).reshape(given)
    floats = torch.from_numpy(given).float()
    theirs = torch.nn.functional.interpolate(floats, (side, side), mode="bilinear", antialias=True)
    # Half a grey level is rounding, and a little more where the two round the other way.
    assert np.abs(resized.astype(float) - theirs.numpy()).max() < 0.51


def test_normalising_leaves_the_bytes_alone():
    given = frames()
    before = given.copy()
    assert GREY.normalize(given).dtype == np.float32
    assert np.array_equal(given, before)


def test_flat_input_keeps_each_image_together():
    flat = Preprocessing((0.25,), (0.5,), flat=True)
    given = frames()
    assert np.array_equal(flat.normalize(given), GREY.normalize(given).reshape(5, 784))
    assert np.array_equal(flat.normalize_unit(given / 255), GREY.normalize_unit(given / 255).reshape(5, 784))


@pytest.mark.parametrize(
    ("height", "width", "side", "top", "left"), [(28, 28, 20, 4, 4), (9, 7, 4, 2, 1), (5, 5, 5, 0, 0)]
)
def test_crop_takes_the_middle(height, width, side, top, left):
    given = frames(2, height, width)
    cropped = Preprocessing((0.0, 0.0), (1.0, 1.0), geometry=(("crop", side),)).reshape(given)
    assert np.array_equal(cropped, given[:, :, top : top + side, left : left + side])
    assert cropped.flags.c_contiguous


def test_halving_an_image_weighs_neighbouring_pixels_smoothly():
    given = np.zeros((1, 1, 8, 8), np.uint8)
    given[..., 2:6, 2:6] = 200
    halved = Preprocessing((0.1,), (0.3,), geometry=(("resize", 4),)).reshape(given)
    assert halved.dtype == np.uint8
    assert np.array_equal(halved, halved.swapaxes(2, 3))
    assert np.array_equal(halved, halved[..., ::-1])
    assert 0 < halved[0, 0, 0, 1] < 50 < 150 < halved[0, 0, 1, 1] <= 200
    # Antialiased: no stroke falls between two samples.
    assert halved.mean() == pytest.approx(given.mean(), rel=0.1)


@pytest.mark.parametrize("side", [1, 5, 28, 40])
@pytest.mark.parametrize("value", [0, 1, 127, 255])
def test_an_even_image_stays_even_at_any_size(side, value):
    resized = Preprocessing((0.1,), (0.3,), geometry=(("resize", side),)).reshape(
        np.full((2, 1, 28, 28), value, np.uint8)
    )
    assert resized.shape == (2, 1, side, side)
    assert (resized == value).all()


def test_resizing_many_images_equals_resizing_each():
    given = frames(1, 6, 6, count=4097)
    resize = Preprocessing((0.1,), (0.3,), geometry=(("resize", 3),)).reshape
    resized = resize(given)
    assert resized.shape == (4097, 1, 3, 3)
    for position in (0, 4095, 4096):
        assert np.array_equal(resized[position], resize(given[position : position + 1])[0])


def test_steps_are_taken_in_their_order():
    given = frames()
    once = Preprocessing((0.1,), (0.3,), geometry=(("crop", 20),)).reshape(given)
    twice = Preprocessing((0.1,), (0.3,), geometry=(("resize", 10),)).reshape(once)
    both = Preprocessing((0.1,), (0.3,), geometry=(("crop", 20), ("resize", 10))).reshape(given)
    assert np.array_equal(both, twice)


@pytest.mark.parametrize(
    ("step", "message"),
    [
        (("crop", 29), "cannot crop 28x28 images to 29x29"),
        (("crop", 0), "geometry has"),
        (("resize", 0), "geometry has"),
        (("resize", -3), "geometry has"),
    ],
)
def test_an_impossible_size_is_refused(step, message):
    with pytest.raises(ConfigError, match=message):
        Preprocessing((0.1,), (0.3,), geometry=(step,)).reshape(frames())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (((0.1, 0.2), (0.3,)), r"mean \(0.1, 0.2\) and std \(0.3,\) need one number for each channel"),
        (((), ()), "need one number for each channel"),
        (((0.1,), (0.0,)), r"std \(0.0,\) must be positive: images that are all alike cannot be normalised"),
        (((0.1, 0.1), (0.3, -0.1)), "must be positive"),
        (((0.1,), (float("nan"),)), "must be positive"),
        (
            ((0.1,), (0.3,), (28, 28), "mnits"),
            r"unknown framing 'mnits'; did you mean 'mnist'\? Available: mnist, resize",
        ),
    ],
)
def test_what_cannot_normalise_is_refused(arguments, message):
    with pytest.raises(ConfigError, match=message):
        Preprocessing(*arguments)


@pytest.mark.parametrize(
    "preprocessing", [GREY, COLOUR, Preprocessing((0.1,), (0.3,), geometry=(("crop", 20), ("resize", 14)), flat=True)]
)
def test_it_survives_json(preprocessing):
    back = Preprocessing.from_json(json.loads(json.dumps(preprocessing.to_json())))
    assert back == preprocessing
    assert hash(back) == hash(preprocessing)
