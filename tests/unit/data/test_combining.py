import dataclasses

import pytest
import torch

from mnistkit import Trainer, create_model
from mnistkit.data import DigitDataset, concatenate
from mnistkit.errors import DataError, SplitLeakError
from mnistkit.synthetic import draw_digits


def test_one_set_follows_the_other(small):
    drawn = draw_digits(30)
    both = concatenate(small.train, drawn, small.train)
    assert torch.equal(both.images, torch.cat([small.train.images, drawn.images, small.train.images]))
    assert torch.equal(both.labels, torch.cat([small.train.labels, drawn.labels, small.train.labels]))
    assert repr(both) == "DigitDataset(mnist+strokes train: 630 images of 1x28x28, 10 classes)"
    assert both.source == "bundled with mnistkit, drawn with seed 0"
    assert both.preprocessing == small.train.preprocessing
    assert len(small.train) == 300


def test_one_set_alone_is_itself(small):
    alone = concatenate(small.test)
    assert alone.fingerprint == small.test.fingerprint
    assert (alone.name, alone.split) == ("mnist", "test")


def test_an_empty_part_adds_nothing(small):
    assert concatenate(small.train, small.train[:0]).fingerprint == small.train.fingerprint


def test_two_splits_are_not_mixed(small):
    message = (
        r"^cannot join DigitDataset\(mnist train: 300 images of 1x28x28, 10 classes\) and DigitDataset\(mnist test: "
        r"100 images of 1x28x28, 10 classes\): split is 'train' and 'test'; images that are kept apart for validation "
    )
    with pytest.raises(DataError, match=message):
        concatenate(small.train, small.train, small.test)


def test_joined_test_images_are_still_not_trained_on(small):
    both = concatenate(small.test, draw_digits(10, split="test"))
    with pytest.raises(SplitLeakError):
        Trainer(create_model("softmax_regression"), progress=False).fit(both, epochs=1)


def test_labels_of_another_meaning_are_not_mixed(small):
    letters = dataclasses.replace(small.train, classes=tuple("ABCDEFGHIJ"))
    with pytest.raises(DataError, match=r"classes is \('0', .* and \('A', .*; a label must mean the same in both$"):
        concatenate(small.train, letters)


def test_images_that_are_normalised_otherwise_are_refused_until_they_are_the_same(small):
    own = DigitDataset.from_arrays(torch.rand(5, 28, 28), [1, 2, 3, 4, 5])
    with pytest.raises(DataError, match=r"preprocessing is Preprocessing\(.*; the second one's \.prepared_as\(first"):
        concatenate(small.train, own)
    assert len(concatenate(small.train, own.prepared_as(small.train.preprocessing))) == 305


def test_images_of_another_size_are_refused(small):
    with pytest.raises(DataError, match="preprocessing is"):
        concatenate(small.train, small.train.crop(20))
