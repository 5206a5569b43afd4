"""The weights of `Predictor()` on all test images, which takes some seconds."""

from mnistkit import Classifier, evaluate, load_mnist


def test_they_get_as_many_test_images_right_as_their_card_says():
    classifier = Classifier.pretrained(device="cpu")
    assert evaluate(classifier, load_mnist().test).score.correct == classifier.card.figures["mnist test"]["correct"]
