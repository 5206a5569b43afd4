"""Every door through which something is learnt or chosen, and every disguise in which test images may come to it."""

import numpy as np
import pytest
import torch
from torch.utils.data import ConcatDataset, DataLoader, Subset, TensorDataset, random_split

from mnistkit import Classifier, DigitDataset, EarlyStopping, TensorLoader, Trainer, create_model
from mnistkit.data import LoaderAdapter, concatenate, overlap, refuse_test_images, sample_marks
from mnistkit.data.marks import BLANK, image_marks
from mnistkit.data.split_guard import datasets_in
from mnistkit.errors import SplitLeakError
from mnistkit.evaluation import repeat
from mnistkit.training import find_learning_rate


def normalised(data):
    return data.preprocessing.normalize(data.images)


def arrays(data, **changes):
    return DigitDataset.from_arrays(**{"images": data.images, "labels": data.labels} | changes)


# Of a good part of the data and of test images: the test images, alone or among the good ones, in something that fit takes.
DISGUISES = {
    "a slice": lambda good, bad: bad[:5],
    "a class": lambda good, bad: bad.only(3),
    "cropped by the library": lambda good, bad: bad.crop(20).resize(28),
    "a TensorLoader": lambda good, bad: TensorLoader(bad),
    "a DataLoader": lambda good, bad: DataLoader(bad),
    "a Subset": lambda good, bad: DataLoader(Subset(bad, [0, 1])),
    "a concatenation": lambda good, bad: DataLoader(ConcatDataset([good, bad])),
    "a Subset of a concatenation": lambda good, bad: DataLoader(Subset(ConcatDataset([good, bad]), [0])),
    "a random_split": lambda good, bad: DataLoader(random_split(bad, [0.5, 0.5])[0]),
    "a LoaderAdapter": lambda good, bad: LoaderAdapter(DataLoader(bad)),
    "bytes under another name": lambda good, bad: arrays(bad, split="train"),
    "one image among many": lambda good, bad: concatenate(
        good, arrays(bad[:1], mean_std=(good.mean, good.std), name="a")
    ),
    "floats": lambda good, bad: arrays(bad, images=bad.images.numpy() / 255),
    "normalised tensors": lambda good, bad: DataLoader(TensorDataset(normalised(bad), bad.labels)),
    "normalised otherwise": lambda good, bad: DataLoader(TensorDataset(bad.images / 127.5 - 1, bad.labels)),
    "16 bits": lambda good, bad: DataLoader(TensorDataset(normalised(bad).bfloat16(), bad.labels)),
    "flattened": lambda good, bad: DataLoader(TensorDataset(normalised(bad).flatten(1), bad.labels)),
    "tensors in a Subset": lambda good, bad: DataLoader(Subset(TensorDataset(normalised(bad), bad.labels), [3, 1])),
    "tensors in two Subsets": lambda good, bad: DataLoader(
        Subset(Subset(TensorDataset(normalised(bad), bad.labels), [3, 1]), [1])
    ),
    "tensors in a concatenation": lambda good, bad: DataLoader(
        ConcatDataset([good, TensorDataset(normalised(bad), bad.labels)])
    ),
    "a list of batches": lambda good, bad: [(normalised(good), good.labels), (normalised(bad), bad.labels)],
}


def fit(data, good):
    Trainer(create_model("softmax_regression"), progress=False).fit(data, epochs=1)


def validate(data, good):
    Trainer(create_model("softmax_regression"), progress=False).fit(good, data, epochs=1)


def stop_early(data, good):
    stopping = EarlyStopping(monitor="val_accuracy", patience=1)
    Trainer(create_model("softmax_regression"), callbacks=[stopping], progress=False).fit(good, data, epochs=1)


def find_a_rate(data, good):
    find_learning_rate(Trainer(create_model("softmax_regression"), progress=False), data, steps=10)


def train_with_several_seeds(data, good):
    def train_once(seed):
        trainer = Trainer(create_model("softmax_regression"), seed=seed, progress=False)
        trainer.fit(good, data, epochs=1)
        return trainer.evaluate(data)

    repeat(train_once, seeds=[0, 1])


def calibrate(data, good):
    Classifier(create_model("softmax_regression"), good.preprocessing).calibrate(data)


DOORS = {
    "calibrate": calibrate,
    "fit": fit,
    "validation": validate,
    "early stopping": stop_early,
    "learning-rate finder": find_a_rate,
    "repeat": train_with_several_seeds,
}


@pytest.mark.parametrize("door", DOORS)
def test_test_images_are_refused_at_every_door_in_every_disguise(door, small):
    said = dict.fromkeys(DISGUISES, "nothing")
    for disguise, make in DISGUISES.items():
        try:
            DOORS[door](make(small.train, small.test), small.train)
        except SplitLeakError as error:
            said[disguise] = str(error)
    assert [name for name, text in said.items() if "trainer.evaluate(test) once, at the end" not in text] == []


@pytest.mark.parametrize("disguise", DISGUISES)
def test_what_is_no_test_image_is_accepted_in_every_disguise(disguise, small):
    for other in (small.validation, small.train):
        generator = torch.get_rng_state()
        refuse_test_images(DISGUISES[disguise](small.train, other), "training")
        if disguise != "a random_split":
            assert torch.equal(torch.get_rng_state(), generator)


def test_no_training_image_of_mnist_is_taken_for_a_test_image(mnist):
    refuse_test_images((mnist.train.images, mnist.validation.images), "training")


def test_the_message_counts_test_images_and_names_their_set(small):
    some = torch.cat([small.train.images[:7], small.test.images[:3]])
    with pytest.raises(
        SplitLeakError, match=r"3 of 10 images given as calibration data are test images of mnist\. Choices made"
    ):
        refuse_test_images((some, None), "calibration")


def test_the_rest_of_a_set_that_holds_test_images_is_accepted(small):
    both = TensorDataset(torch.cat([small.train.images, small.test.images]))
    refuse_test_images(Subset(both, range(len(small.train))), "training")
    with pytest.raises(SplitLeakError, match=r"1 of 2 images"):
        refuse_test_images(Subset(both, [0, len(small.train)]), "training")


@pytest.mark.parametrize(
    "data",
    [
        None,
        [],
        [1, "a"],
        7,
        np.zeros(5),
        np.array([["a", "b"]]),
        np.array([[None]]),
        torch.zeros(3),
        torch.zeros(3, 4, dtype=torch.complex64),
        torch.zeros(3, 28, 28, device="meta"),
        torch.zeros(3, 28).to_sparse(),
        torch.zeros(0, 1, 28, 28),
        torch.full((2, 28, 28), torch.nan),
        np.full((2, 28, 28), 1e300),
        np.zeros((2, 28, 28), bool),
        DataLoader(TensorDataset(torch.zeros(2, 1))),
        (pair for pair in []),
    ],
)
def test_what_holds_no_images_is_accepted(data):
    refuse_test_images(data, "training")
    assert list(datasets_in(data)) == []


def test_a_mark_survives_what_leaves_the_image_the_same(small):
    images = small.train.images
    marks = image_marks(images)
    assert marks.dtype == np.uint64
    assert len(np.unique(marks)) == len(images)
    for same in (
        images.numpy(),
        images[:, 0],
        images.flatten(1),
        images.expand(-1, 3, -1, -1),
        images / 255,
        (images / 255).half(),
        (normalised(small.train)).double() * 7 - 3,
        images.long(),
    ):
        assert np.array_equal(image_marks(same), marks)
    changed = images.clone()
    changed[:, 0, 14, 14] = 255 - changed[:, 0, 14, 14]
    assert (image_marks(changed) != marks).mean() > 0.9


def test_blank_images_have_the_mark_of_none():
    assert image_marks(np.full((3, 5, 5), 7)).tolist() == [BLANK] * 3
    pixels = np.full((3, 5, 5), 7, np.uint8)
    blank = DigitDataset.from_arrays(pixels, [0, 0, 0], mean_std=((0.5,), (0.5,)))
    assert sample_marks(blank) == ()
    assert overlap(blank, ()) == overlap(blank, (1, 2)) == 0


def test_the_overlap_is_the_share_of_images_in_both(mnist):
    train, validation = mnist.train[:20_000], mnist.validation
    complete = sample_marks(train, count=30_000)
    assert len(complete) == 20_000
    mixed = concatenate(validation, arrays(train[:1000], split="validation", mean_std=(train.mean, train.std)))
    assert overlap(mixed, complete) == pytest.approx(1000 / 6000)
    assert overlap(validation, complete) == 0
    sample = sample_marks(train)
    assert len(sample) == 1000
    assert overlap(train, sample) == 1
    assert overlap(mixed, sample) == pytest.approx(1 / 6, abs=0.08)
