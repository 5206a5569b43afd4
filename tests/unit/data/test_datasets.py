import copy
import dataclasses
import pickle

import numpy as np
import pandas
import PIL.Image
import pytest
import torch
from torch.utils.data import ConcatDataset, DataLoader, Subset, random_split
from torchvision.transforms import v2

from mnistkit.data import DigitDataset, Preprocessing, Splits
from mnistkit.errors import ConfigError, DataError


def make(count=30, channels=1, height=6, width=5, **arguments):
    images = torch.randint(0, 256, (count, channels, height, width), dtype=torch.uint8)
    return DigitDataset.from_arrays(images, torch.arange(count) % 10, **arguments)


def direct(**changes):
    """The constructor itself, with parts that fit but for ``changes``."""
    parts = {
        "images": torch.zeros(4, 1, 8, 8, dtype=torch.uint8),
        "labels": torch.tensor([0, 1, 2, 9]),
        "classes": tuple("0123456789"),
        "preprocessing": Preprocessing((0.1,), (0.3,), (8, 8)),
        "split": "train",
        "name": "some",
    }
    return DigitDataset(**(parts | changes))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"images": torch.zeros(4, 1, 8, 8)},
            r"got torch.float32 images of shape \(4, 1, 8, 8\), expected uint8 \(N, C, H, W\) with 0 to 255; "
            r"DigitDataset.from_arrays\(\) takes other forms",
        ),
        ({"images": torch.zeros(4, 8, 8, dtype=torch.uint8)}, r"got torch.uint8 images of shape \(4, 8, 8\), expected"),
        (
            {"labels": torch.tensor([0, 1, 2])},
            r"got torch.int64 labels of shape \(3,\) for 4 images, expected int64 \(4,\)",
        ),
        ({"labels": torch.zeros(4)}, r"got torch.float32 labels of shape \(4,\) for 4 images, expected int64"),
        (
            {"labels": torch.zeros(4, 1, dtype=torch.int64)},
            r"labels of shape \(4, 1\) for 4 images, expected int64 \(4,\)",
        ),
        ({"labels": torch.tensor([0, 1, 2, 10])}, "labels from 0 to 10, expected 0 to 9 for 10 classes"),
        ({"labels": torch.tensor([-1, 1, 2, 3])}, "labels from -1 to 3, expected 0 to 9 for 10 classes"),
        ({"classes": ("a", "b")}, "labels from 0 to 9, expected 0 to 1 for 2 classes"),
        (
            {"preprocessing": Preprocessing((0.1,) * 3, (0.3,) * 3, (8, 8))},
            r"got images of shape \(1, 8, 8\), but preprocessing for \(3, 8, 8\)",
        ),
        ({"preprocessing": Preprocessing((0.1,), (0.3,))}, r"shape \(1, 8, 8\), but preprocessing for \(1, 28, 28\)"),
    ],
)
def test_parts_that_do_not_fit_are_refused(changes, message):
    with pytest.raises(DataError, match=message):
        direct(**changes)


def test_an_unknown_split_is_refused_with_the_likeliest():
    with pytest.raises(
        ConfigError, match=r"unknown split 'valid'; did you mean 'validation'\? Available: test, train, val"
    ):
        direct(split="valid")


def test_parts_that_fit_are_kept_as_they_are():
    dataset = direct()
    assert len(dataset) == 4
    assert dataset.source == "memory"
    assert dataset.mean == (0.1,)
    assert dataset.std == (0.3,)
    assert repr(dataset) == "DigitDataset(some train: 4 images of 1x8x8, 10 classes)"
    with pytest.raises(dataclasses.FrozenInstanceError):
        dataset.name = "other"


def test_bytes_are_taken_as_they_are():
    images = np.random.default_rng(0).integers(0, 256, (6, 8, 7), dtype=np.uint8)
    dataset = DigitDataset.from_arrays(images, [0, 1, 2, 3, 4, 5])
    assert torch.equal(dataset.images, torch.from_numpy(images)[:, None])
    assert dataset.labels.tolist() == [0, 1, 2, 3, 4, 5]
    assert dataset.classes == tuple("0123456789")
    assert dataset.preprocessing.size == (8, 7)
    assert (dataset.split, dataset.name, dataset.source) == ("train", "arrays", "memory")


@pytest.mark.parametrize("kind", ["float16", "float32", "float64"])
def test_floats_from_0_to_1_become_the_bytes_they_came_from(kind):
    pixels = np.arange(256, dtype=np.uint8).reshape(1, 16, 16)
    dataset = DigitDataset.from_arrays((pixels / 255).astype(kind), [0])
    np.testing.assert_array_equal(dataset.images[0, 0], pixels[0])


def test_mean_and_deviation_are_those_of_each_channel_over_all_pixels():
    images = np.random.default_rng(0).integers(0, 256, (4100, 3, 4, 5)).astype(np.uint8)
    images[:, 1] //= 3
    dataset = DigitDataset.from_arrays(images, np.zeros(4100, dtype=int))
    np.testing.assert_allclose(dataset.mean, (images / 255).mean((0, 2, 3)), rtol=1e-12)
    np.testing.assert_allclose(dataset.std, (images / 255).std((0, 2, 3)), rtol=1e-12)


def test_colour_letters_and_an_own_description():
    letters = [chr(65 + i) for i in range(26)]
    images = torch.rand(52, 3, 12, 10)
    dataset = DigitDataset.from_arrays(
        images, list(range(26)) * 2, classes=letters, split="test", name="letters", source="here", framing="resize"
    )
    assert repr(dataset) == "DigitDataset(letters test: 52 images of 3x12x10, 26 classes)"
    assert dataset.classes == tuple(letters)
    assert dataset.source == "here"
    assert dataset.preprocessing.framing == "resize"
    assert len(dataset.mean) == len(dataset.std) == 3
    image, label = dataset[51]
    assert image.shape == (3, 12, 10)
    assert label == 25
    everything = torch.stack([image for image, _ in dataset])
    torch.testing.assert_close(everything.mean((0, 2, 3)), torch.zeros(3), atol=1e-3, rtol=0)
    torch.testing.assert_close(everything.std((0, 2, 3)), torch.ones(3), atol=1e-3, rtol=0)


def test_given_mean_and_deviation_are_not_measured():
    dataset = make(mean_std=((0.5,), (0.25,)))
    assert (dataset.mean, dataset.std) == ((0.5,), (0.25,))


@pytest.mark.parametrize(
    "images",
    [
        np.frombuffer(bytes(range(48)), dtype=np.uint8).reshape(3, 4, 4),
        np.arange(48, dtype=np.uint8).reshape(3, 4, 4)[:, ::-1],
        np.arange(48, dtype=np.uint8).reshape(3, 4, 4).transpose(0, 2, 1),
        (np.arange(48).reshape(3, 4, 4) / 255).astype(">f8"),
    ],
    ids=["read-only", "flipped", "transposed", "big-endian"],
)
def test_arrays_that_torch_by_itself_refuses_are_taken(images):
    expected = images if images.dtype == np.uint8 else np.rint(images * 255)
    dataset = DigitDataset.from_arrays(images, np.array([0, 1, 2], dtype=">i4"))
    np.testing.assert_array_equal(dataset.images[:, 0], expected)
    assert dataset.labels.tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (
            np.linspace(-1, 1, 32).reshape(2, 4, 4),
            r"float64 pixels from -1 to 1, .*; a normalised image is wanted as it",
        ),
        (
            np.linspace(0, 4000, 32).reshape(2, 4, 4),
            r"float64 pixels from 0 to 4000, expected 0 to 1 or 0 to 255; scale",
        ),
        (np.linspace(0, 16, 32).reshape(2, 4, 4), r"float64 pixels from 0 to 16, .*; if 16 is white, divide by it"),
        (np.full((2, 4, 4), np.nan), "float64 pixels from nan to nan, expected 0 to 1"),
        (
            np.arange(32).reshape(2, 4, 4) // 2,
            "int64 images from 0 to 15: if 15 is white, .*, give white=15; .* white=255",
        ),
        (np.zeros((2, 4, 4), complex), "complex128 pixels, expected real numbers"),
        (np.ma.masked_array(np.zeros((2, 4, 4)), mask=True), "masked pixels"),
        (torch.zeros(2, 4, 4, device="meta"), "has no pixels to read"),
        (torch.zeros(2, 4, 4).to_sparse(), "has no pixels to read"),
        (np.zeros((2, 15), dtype=np.uint8), r"rows of 15 pixels are not square; write images.reshape\(-1, channels"),
        (
            np.zeros((2, 785), dtype=np.uint8),
            r"785 pixels are not square; if the first column is the label, give images\[:, 1:\]",
        ),
        ([np.zeros((4, 4)), np.zeros((5, 5))], r"images of 2 kinds \(<f8 \(4, 4\), <f8 \(5, 5\)\), expected one shape"),
        ("ab", "got images in a str, expected an array"),
        (np.zeros((2, 1, 1, 4, 4), dtype=np.uint8), r"got images of shape \(2, 1, 1, 4, 4\), expected"),
        (np.zeros((0, 4, 4), dtype=np.uint8), r"got images of shape \(0, 1, 4, 4\): there are none"),
        (np.zeros((0, 4, 4)), r"got images of shape \(0, 1, 4, 4\): there are none"),
        (np.zeros((2, 0, 4), dtype=np.uint8), r"got images of shape \(2, 1, 0, 4\): there are none"),
        (np.array([[["a", "b"]]]), "got <U1 pixels, expected real numbers"),
    ],
)
def test_images_of_another_kind_are_refused(images, message):
    with pytest.raises(DataError, match=message):
        DigitDataset.from_arrays(images, [0] * len(images))


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([0.5, 1.0], "got float64 labels, expected integers from 0"),
        ([np.nan, 1.0], "got float64 labels, expected integers from 0"),
        ([True, False], "got bool labels, expected integers from 0"),
        (["cat", "7"], r"none of the classes '0', '1', .*: 'cat'; give the names as classes="),
        (np.array(["7", None]), "none of the classes .*: None"),
        (np.eye(10)[[0, 1]] * 0.9, r"labels of shape \(2, 10\) that are not one-hot; .*labels\.argmax"),
        (np.zeros((2, 3), int), r"labels of shape \(2, 3\), expected \(N,\), or \(N, 10\)"),
        (7, "got labels in a int, expected an array"),
        ([0, 10], "labels from 0 to 10, expected 0 to 9 for 10 classes"),
        ([-1, 3], "labels from -1 to 3, expected 0 to 9"),
        ([0, 1, 2], r"labels of shape \(3,\) for 2 images, expected int64 \(2,\)"),
    ],
)
def test_labels_of_another_kind_are_refused(labels, message):
    with pytest.raises(DataError, match=message):
        DigitDataset.from_arrays(torch.rand(2, 4, 4), labels)


IMAGE_FORMS = {
    "rows": lambda images: images.reshape(len(images), -1),
    "int64": lambda images: images.astype(np.int64),
    "floats to 255": lambda images: images.astype(np.float32),
    "10 bits": lambda images: (images.astype(np.int32) * 1023 + 254) // 255,
    "16 bits": lambda images: images.astype(np.int32) * 257,
    "given white": lambda images: images.astype(np.float64) / 255 * 16,
    "channels last": lambda images: images[..., None],
    "channels first": lambda images: torch.from_numpy(images[:, None]),
    "bfloat16": lambda images: (torch.from_numpy(images) / 255).to(torch.bfloat16),
    "PIL images": lambda images: [PIL.Image.fromarray(image) for image in images],
    "a list of tensors": lambda images: list(torch.from_numpy(images)),
    "nested lists": lambda images: images.tolist(),
    "a data frame": lambda images: pandas.DataFrame(images.reshape(len(images), -1)),
    "a data frame of floats": lambda images: pandas.DataFrame(images.reshape(len(images), -1)).astype(float),
}
LABEL_FORMS = {
    "a column": lambda labels: labels[:, None],
    "floats": lambda labels: labels.astype(float),
    "names": lambda labels: [str(label) for label in labels],
    "names as objects": lambda labels: labels.astype(str).astype(object),
    "bytes": lambda labels: labels.astype("S1"),
    "one-hot": lambda labels: np.eye(10, dtype=int)[labels],
    "a series": lambda labels: pandas.Series(labels.astype(str), dtype="category"),
    "uint8": lambda labels: labels.astype(np.uint8),
    "a tensor": torch.from_numpy,
}


@pytest.mark.parametrize("form", IMAGE_FORMS)
def test_images_of_every_form_are_the_same_data_set(form, small):
    images = small.train.images[:12, 0].numpy()
    dataset = DigitDataset.from_arrays(
        IMAGE_FORMS[form](images), [0] * 12, white=16 if form == "given white" else None, mean_std=((0.1,), (0.3,))
    )
    difference = dataset.images[:, 0].numpy().astype(int) - images
    assert np.abs(difference).max() <= (1 if form == "bfloat16" else 0)


@pytest.mark.parametrize("form", LABEL_FORMS)
def test_labels_of_every_form_are_the_same_data_set(form, small):
    labels = small.train.labels[:12].numpy()
    dataset = DigitDataset.from_arrays(small.train.images[:12], LABEL_FORMS[form](labels))
    assert dataset.labels.tolist() == labels.tolist()


def test_colour_pictures_in_a_list_and_channels_last_keep_their_colours():
    colours = np.random.default_rng(0).integers(0, 256, (3, 6, 5, 3), np.uint8)
    for images in (colours, [PIL.Image.fromarray(image) for image in colours], list(colours.transpose(0, 3, 1, 2))):
        dataset = DigitDataset.from_arrays(images, [0, 1, 2])
        np.testing.assert_array_equal(dataset.images, colours.transpose(0, 3, 1, 2))


def test_labels_are_numbered_as_another_set_numbers_them(small):
    words = DigitDataset.from_arrays(small.train.images[:3], ["b", "a", "b"], classes=["a", "b", "never"])
    for classes in (["b", "c", "a"], ["a", "b"], ["z", "a", "y", "b"]):
        other = words.with_classes(classes)
        assert [other.classes[label] for label in other.labels] == ["b", "a", "b"]
        assert other.classes == tuple(classes)
    assert words.with_classes(["a", "b", "never"]) is words
    with pytest.raises(DataError, match=r"has images of 'a', which is not among the classes 'b', 'c'"):
        words.with_classes(["b", "c"])
    with pytest.raises(DataError, match=r"got classes a, b, a, of which one comes twice"):
        words.with_classes(["a", "b", "a"])


def test_images_that_are_all_alike_need_a_deviation():
    with pytest.raises(ConfigError, match=r"std \(0.0,\) must be positive: images that are all alike"):
        DigitDataset.from_arrays(np.zeros((2, 4, 4), dtype=np.uint8), [0, 1])
    dataset = DigitDataset.from_arrays(np.zeros((2, 4, 4), dtype=np.uint8), [0, 1], mean_std=((0.1,), (0.3,)))
    assert dataset.mean == (0.1,)


def test_an_item_is_what_torchvision_would_make_of_it(small):
    transform = v2.Compose(
        [v2.ToImage(), v2.ToDtype(torch.float32, scale=True), v2.Normalize(small.train.mean, small.train.std)]
    )
    for position in (0, 7, -1):
        image, label = small.train[position]
        theirs = transform(small.train.images[position, 0].numpy())
        torch.testing.assert_close(image, torch.as_tensor(theirs), atol=1e-6, rtol=0)
        assert type(label) is int
        assert label == small.train.labels[position]


def test_positions_count_from_the_end_too():
    dataset = make(5)
    for position in range(5):
        image, label = dataset[position - 5]
        assert torch.equal(image, dataset[position][0])
        assert label == dataset[position][1]


@pytest.mark.parametrize("one", [np.int64(3), np.array(3), torch.tensor(3), np.uint8(3)])
def test_one_position_in_any_form_is_one_item(one):
    image, label = make()[one]
    assert image.shape == (1, 6, 5)
    assert label == 3


@pytest.mark.parametrize("position", [30, -31, 1000])
def test_a_position_out_of_range_is_refused(position):
    with pytest.raises(IndexError, match=f"index {position} is out of range for 30 images"):
        make()[position]
    with pytest.raises(IndexError, match=f"index {position} is out of bounds for axis 0 with size 30"):
        make()[[0, position]]


@pytest.mark.parametrize(
    ("index", "positions"),
    [
        (slice(None), range(30)),
        (slice(3, 9), range(3, 9)),
        (slice(-4, None), range(26, 30)),
        (slice(0, 30, 7), range(0, 30, 7)),
        (slice(20, 10), []),
        ([4, 2, 2, -1], [4, 2, 2, 29]),
        ((1, 2), [1, 2]),
        (range(5, 0, -2), [5, 3, 1]),
        ([], []),
        (np.array([3, 1], dtype=np.uint8), [3, 1]),
        (np.arange(30) < 4, range(4)),
        (torch.tensor([8, -30]), [8, 0]),
        (torch.tensor([9, 8], dtype=torch.int32), [9, 8]),
        (torch.arange(30) % 10 == 3, [3, 13, 23]),
        ([True] + [False] * 29, [0]),
        (torch.zeros(30, dtype=torch.bool), []),
    ],
)
def test_several_positions_are_a_smaller_data_set(index, positions):
    dataset = make(split="validation", name="x", source="y")
    part = dataset[index]
    assert torch.equal(part.images, dataset.images[list(positions)])
    assert torch.equal(part.labels, dataset.labels[list(positions)])
    assert (part.split, part.name, part.source, part.classes) == ("validation", "x", "y", dataset.classes)
    assert part.preprocessing == dataset.preprocessing
    assert len(dataset) == 30


@pytest.mark.parametrize(
    ("index", "message"),
    [
        (np.ones(29, dtype=bool), "boolean index did not match.*30.*29"),
        (torch.ones(31, dtype=torch.bool), "boolean index did not match.*30.*31"),
        (torch.tensor([0.5]), "must be of integer|integers, slices"),
        ([[1, 2], [3, 4]], r"got positions of shape \(2, 2\), expected a flat list"),
    ],
)
def test_positions_of_another_kind_are_refused(index, message):
    with pytest.raises(IndexError, match=message):
        make()[index]


def test_iterating_gives_every_item_once():
    dataset = make(7)
    items = list(dataset)
    assert [label for _, label in items] == dataset.labels.tolist()
    assert torch.equal(torch.stack([image for image, _ in items]), dataset.preprocessing.normalize(dataset.images))


def test_only_keeps_the_labels_and_their_numbers(small):
    part = small.test.only(3, 8)
    assert part.labels.unique().tolist() == [3, 8]
    assert len(part) == 20
    assert part.classes == small.test.classes
    assert torch.equal(part.images, small.test.images[(small.test.labels == 3) | (small.test.labels == 8)])


@pytest.mark.parametrize("label", [-1, 10])
def test_only_refuses_a_label_that_no_class_has(small, label):
    with pytest.raises(ConfigError, match=f"label {label} is not one of 0 to 9"):
        small.test.only(3, label)


def test_take_per_class_draws_so_many_of_each_that_occurs(mnist):
    part = mnist.validation.only(1, 4, 7).take_per_class(11)
    assert torch.bincount(part.labels).tolist() == [0, 11, 0, 0, 11, 0, 0, 11]
    assert len(mnist.validation.take_per_class(0)) == 0


def test_take_per_class_depends_on_the_seed_and_keeps_the_order(mnist):
    validation = mnist.validation
    part = validation.take_per_class(5, seed=1)
    assert part.fingerprint == validation.take_per_class(5, seed=1).fingerprint
    assert part.fingerprint != validation.take_per_class(5, seed=2).fingerprint
    at = [int((validation.images == image).all((1, 2, 3)).nonzero()[0]) for image in part.images]
    assert at == sorted(at)


def test_take_per_class_refuses_more_than_there_are(small):
    with pytest.raises(DataError, match="class '0' has 10 images, 11 were asked for"):
        small.test.take_per_class(11)
    with pytest.raises(ConfigError, match="count is -1, expected at least 0"):
        small.test.take_per_class(-1)


def test_a_stratified_split_shares_what_rounding_leaves_over():
    labels = [0] * 10 + [1] * 5 + [2] * 5
    dataset = DigitDataset.from_arrays(torch.rand(20, 4, 4), labels)
    rest, part = dataset.stratified_split(7)
    # The shares are 3.5, 1.75 and 1.75: the last two lost most by rounding down.
    assert torch.bincount(part.labels).tolist() == [3, 2, 2]
    assert torch.bincount(rest.labels).tolist() == [7, 3, 3]


@pytest.mark.parametrize("count", [-1, 30, 31])
def test_a_split_that_leaves_nothing_is_refused(count):
    with pytest.raises(DataError, match=f"cannot take {count} images out of 30 and leave any"):
        make().stratified_split(count)


def test_nothing_can_be_split_off_even_from_nothing():
    rest, part = make()[:0].stratified_split(0)
    assert len(rest) == len(part) == 0
    with pytest.raises(DataError, match="cannot take 1 images out of 0"):
        make()[:0].stratified_split(1)


def test_cropping_to_20_keeps_most_of_the_ink(small):
    cropped = small.test.crop(20)
    assert cropped.images.shape == (100, 1, 20, 20)
    assert torch.equal(cropped.images, small.test.images[:, :, 4:24, 4:24])
    assert cropped.preprocessing.input_shape == (1, 20, 20)
    assert cropped.images.sum() > 0.95 * small.test.images.sum()
    assert small.test.images.shape == (100, 1, 28, 28)
    assert small.test.preprocessing.geometry == ()


def test_cropping_resizing_and_flattening_are_remembered_in_order(small):
    dataset = small.test.crop(20).resize(10).flatten()
    assert dataset.preprocessing.geometry == (("crop", 20), ("resize", 10))
    assert dataset.images.shape == (100, 1, 10, 10)
    np.testing.assert_array_equal(dataset.images, dataset.preprocessing.reshape(small.test.images.numpy()))
    assert dataset[0][0].shape == (100,)
    assert repr(dataset) == "DigitDataset(mnist test: 100 images of 100, 10 classes)"
    assert (dataset.mean, dataset.std) == (small.test.mean, small.test.std)


def test_an_impossible_crop_is_refused(small):
    with pytest.raises(ConfigError, match="cannot crop 28x28 images to 29x29"):
        small.test.crop(29)


def test_prepared_as_repeats_what_another_set_went_through(small):
    wanted = small.train.crop(20).resize(10).flatten()
    prepared = small.test.prepared_as(wanted.preprocessing)
    expected = small.test.crop(20).resize(10).flatten()
    assert prepared.preprocessing == wanted.preprocessing
    assert torch.equal(prepared.images, expected.images)
    assert prepared.split == "test"


def test_images_that_were_prepared_already_are_taken_as_they_are_and_in_no_other_way(small):
    wanted = small.train.crop(20)
    prepared = small.test.crop(20)
    assert torch.equal(prepared.prepared_as(wanted.preprocessing).images, prepared.images)
    with pytest.raises(ConfigError, match=r"DigitDataset\(mnist test.*is cropped or resized already; start from"):
        prepared.prepared_as(wanted.resize(10).preprocessing)


def test_prepared_as_refuses_images_of_another_size(small):
    with pytest.raises(DataError, match=r"got images of shape \(1, 6, 5\), but preprocessing for \(1, 28, 28\)"):
        make().prepared_as(small.test.preprocessing)


def test_normalized_takes_one_number_or_one_for_each_channel():
    grey, colour = make(), make(channels=3)
    torch.testing.assert_close(grey.normalized(0, 1)[3][0], grey.images[3] / 255, atol=1e-6, rtol=0)
    torch.testing.assert_close(grey.normalized(0.5, 0.5)[3][0], grey.images[3] / 127.5 - 1, atol=1e-6, rtol=0)
    assert colour.normalized(0.5, 0.25).mean == (0.5, 0.5, 0.5)
    assert colour.normalized((0.1, 0.2, 0.3), 0.25).mean == (0.1, 0.2, 0.3)
    assert colour.normalized(0.5, (0.1, 0.2, 0.3)).std == (0.1, 0.2, 0.3)
    assert grey.mean != (0.5,)


@pytest.mark.parametrize(
    ("mean", "std", "message"),
    [
        ((0.1, 0.2), 1, "got 2 means for 3 channels"),
        (0.1, (1.0, 1.0), "need one number for each channel"),
        (0.1, 0, "must be positive"),
    ],
)
def test_normalized_refuses_what_does_not_fit(mean, std, message):
    with pytest.raises(ConfigError, match=message):
        make(channels=3).normalized(mean, std)


def test_the_fingerprint_is_of_images_and_labels_and_nothing_else():
    dataset = make(20)
    images, labels = dataset.images.clone(), dataset.labels.clone()
    images[7, 0, 2, 3] ^= 1
    labels[11] = 0
    others = [
        dataclasses.replace(dataset, images=images),
        dataclasses.replace(dataset, labels=labels),
        dataset[list(range(19, -1, -1))],
        dataset[:19],
        dataset[:0],
    ]
    assert len({dataset.fingerprint, *(other.fingerprint for other in others)}) == 6
    assert dataset.flatten().normalized(0, 1).fingerprint == dataset.fingerprint
    assert make(20).images.data_ptr() != dataset.images.data_ptr()
    assert copy.deepcopy(dataset).fingerprint == dataset.fingerprint


def test_the_fingerprint_does_not_depend_on_how_the_images_lie_in_memory():
    dataset = make(20)
    strided = dataclasses.replace(dataset, images=dataset.images.mT.contiguous().mT)
    assert not strided.images.is_contiguous()
    assert strided.fingerprint == dataset.fingerprint


def test_a_torch_data_loader_takes_it(small):
    loader = DataLoader(small.train, batch_size=64, shuffle=True, drop_last=True)
    batches = list(loader)
    assert len(batches) == len(loader) == 4
    for images, labels in batches:
        assert images.shape == (64, 1, 28, 28)
        assert images.dtype == torch.float32
        assert labels.dtype == torch.int64
    ordered = torch.cat([images for images, _ in DataLoader(small.train, batch_size=64)])
    torch.testing.assert_close(ordered, small.train.preprocessing.normalize(small.train.images))


def test_torchs_own_subsets_and_concatenations_take_it(small):
    first, second = random_split(small.train, [0.9, 0.1])
    assert (len(first), len(second)) == (270, 30)
    both = ConcatDataset([Subset(small.test, [5, 6]), small.validation])
    images, labels = next(iter(DataLoader(both, batch_size=102)))
    assert images.shape == (102, 1, 28, 28)
    assert labels[:2].tolist() == small.test.labels[5:7].tolist()


def test_it_can_be_sent_to_another_process(small):
    back = pickle.loads(pickle.dumps(small.test))
    assert back.fingerprint == small.test.fingerprint
    assert back.preprocessing == small.test.preprocessing
    assert repr(back) == repr(small.test)


def test_splits_unpack_and_have_names():
    train, validation, test = splits = Splits(make(5), make(6), make(7))
    assert splits.train is train
    assert splits.validation is validation
    assert splits.test is test
