import numpy as np
import pytest
import torch

from mnistkit import Classifier
from mnistkit.card import Card
from mnistkit.errors import CheckpointError, CheckpointMismatchError
from mnistkit.finder import Finder
from mnistkit.imaging import find_characters
from mnistkit.line_reader import LineReader
from mnistkit.models import FinderNet


def test_the_finder_that_ships_sees_a_digit(mnist):
    page = np.full((128, 160), 225, np.uint8)
    image = np.kron(mnist.validation.only(3).images[0, 0].numpy(), np.ones((2, 2), np.uint8))
    page[30:86, 60:116] -= (image * 0.7).astype(np.uint8)
    finds = find_characters(page, Finder.pretrained().maps)
    best = finds.scores[:, 0].argmax()
    left, top, right, bottom = finds.boxes[best]
    assert 60 < (left + right) / 2 < 116
    assert 30 < (top + bottom) / 2 < 86
    assert finds.digits[best].argmax() == 3


def test_the_finder_that_ships_has_a_card():
    card = Finder.pretrained().card
    assert card.seconds > 0
    assert {"fonts", "name"} <= set(card.data)
    assert card.licence
    assert card.limits


def test_a_saved_finder_sees_the_same(tmp_path):
    finder = Finder(FinderNet().eval(), Card(seconds=3.0))
    finder.save(tmp_path / "finder.safetensors")
    again = Finder.load(tmp_path / "finder.safetensors")
    assert again.card.seconds == 3.0
    pages = np.random.default_rng(0).integers(0, 256, (2, 64, 96), np.uint8)
    assert again.maps(pages) == pytest.approx(finder.maps(pages), abs=0.05)
    assert next(again.network.parameters()).dtype == torch.float32


def test_a_network_of_another_width_does_not_fit(tmp_path):
    Finder(FinderNet(16)).save(tmp_path / "small.safetensors")
    with pytest.raises(CheckpointMismatchError):
        Finder.load(tmp_path / "small.safetensors")


def test_a_classifiers_file_is_no_finder(tmp_path):
    Classifier.pretrained(device="cpu").save(tmp_path / "classifier.safetensors")
    with pytest.raises(CheckpointError):
        Finder.load(tmp_path / "classifier.safetensors")


@pytest.mark.parametrize("kind", [Finder, LineReader])
def test_a_folded_copy_sees_the_same_without_batch_norms(kind):
    whole, folded = kind.pretrained(), kind.pretrained().folded()
    images = torch.rand(2, 1, 32, 96, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        assert folded.network(images).numpy() == pytest.approx(whole.network.eval()(images).numpy(), abs=1e-4)
    kinds = [{type(layer) for layer in one.network.modules()} for one in (whole, folded)]
    assert kinds[0] - kinds[1] == {torch.nn.BatchNorm2d}
