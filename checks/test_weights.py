"""The weights that ship, on all test images, which takes some seconds."""

import pytest

from mnistkit import Classifier, evaluate
from mnistkit.models import list_pretrained


# Fashion-MNIST is not in the package, and a test downloads nothing.
@pytest.mark.parametrize("name", [name for name in list_pretrained() if name != "fashion-200k"])
def test_they_get_as_many_test_images_right_as_their_card_says(name, mnist):
    classifier = Classifier.pretrained(name, device="cpu")
    assert evaluate(classifier, mnist.test).score.correct == classifier.card.figures["mnist test"]["correct"]
