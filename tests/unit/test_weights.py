"""The weights that ship: what their card says of them is true."""

from pathlib import Path

import numpy as np
import pytest

import mnistkit
from mnistkit import Augment, Classifier, Predictor, evaluate
from mnistkit.calibration import expected_calibration_error
from mnistkit.errors import ConfigError, SplitLeakError
from mnistkit.metrics import Proportion
from mnistkit.models import list_pretrained
from mnistkit.recipes import get_recipe
from mnistkit.synthetic import draw_distractors


@pytest.fixture(scope="module")
def shipped():
    return Classifier.pretrained(device="cpu")


@pytest.fixture(scope="module")
def card(shipped):
    return shipped.card


def test_all_weights_that_ship_take_less_than_5_megabytes():
    folder = Path(mnistkit.models.__file__).with_name("weights")
    assert sum(file.stat().st_size for file in folder.rglob("*.safetensors")) < 5_000_000


# How many test images each gets right is a check of the second tier.
@pytest.mark.parametrize("name", [name for name in list_pretrained() if name != "handwriting"])
def test_the_card_of_a_network_of_the_zoo_says_how_to_make_it_again(name):
    card = Classifier.pretrained(name, device="cpu").card
    assert card.recipe["command"] == f"mnistkit train --recipe {name} --seed 0"
    assert get_recipe(name).model == Classifier.pretrained(name, device="cpu").spec.name
    data = get_recipe(name).dataset
    assert (card.data["name"], card.data["count"], card.data["split"]) == (data, 55_000, "train")
    figures = card.figures[f"{data} test"]
    assert figures["interval"] == list(Proportion(figures["correct"], 10_000).interval)
    assert card.seconds > 0
    assert card.limits
    assert "MIT" in card.licence


def test_unknown_weights_get_a_suggestion():
    with pytest.raises(ConfigError, match=r"^unknown weights 'handwritting'; did you mean 'handwriting'\? Available: "):
        Classifier.pretrained("handwritting")


def test_the_card_says_where_they_come_from_and_under_which_licence(card, shipped):
    assert shipped.calibration.background
    assert (card.data["name"], card.data["count"], card.data["split"]) == ("mnist+strokes", 75_000, "train")
    assert "MIT" in card.licence
    assert {"what", "epochs", "seed"} <= card.recipe.keys()
    assert card.seconds > 0
    assert card.limits


@pytest.mark.parametrize("name", ["mnist test", "mnist validation", "drawn validation"])
def test_every_interval_of_the_card_belongs_to_its_count(card, name):
    figures = card.figures[name]
    assert figures["interval"] == list(Proportion(figures["correct"], figures["count"]).interval)
    assert figures["accuracy"] == figures["correct"] / figures["count"]


def test_the_card_says_how_many_validation_images_are_read(card, shipped, mnist):
    expected, part = card.figures["mnist validation"], mnist.validation[:1500]
    report = evaluate(shipped, part)
    assert part.split == "validation"
    assert len(part) - report.score.correct <= expected["count"] - expected["correct"]
    low, high = report.score.interval
    assert low < expected["accuracy"] < high


def test_the_card_says_how_many_distractors_are_refused(card, shipped, mnist):
    distractors = draw_distractors(7 * 60, mnist.validation, seed=5, split="validation")
    evidence = shipped.calibration.evidence(shipped.logits(distractors.images))
    refused = float((evidence < shipped.calibration.least_evidence(0.98)).mean())
    assert refused == pytest.approx(card.figures["distractors refused at coverage 0.98"], abs=0.02)


def test_the_confidence_is_right(shipped, mnist):
    """On what it was calibrated for: validation images changed as handwriting is."""
    import torch

    augment = Augment(rotate=12, scale=0.13, shear=15, shift=2, elastic=0.8, ink=0.7, erase=0.05, blur=0.6, gamma=0.6)
    part = mnist.validation[:1500]
    images = augment(part.images.float() / 255, torch.Generator().manual_seed(7))
    probabilities = shipped.probabilities((images * 255).round().byte())
    assert expected_calibration_error(probabilities, part.labels.numpy()) < 0.015


def test_they_cannot_be_calibrated_on_what_they_were_trained_on(shipped, mnist):
    with pytest.raises(SplitLeakError, match="trained on such images"):
        shipped.calibrate(mnist.train[:50])
    assert shipped.calibrate(mnist.validation[:200]).calibration.background


def test_a_predictor_without_a_classifier_takes_them_and_another_program(shipped, mnist):
    image = mnist.test.images[0, 0].numpy()
    expected = Predictor(shipped).predict(image)
    assert Predictor(device="cpu").predict(image) == expected
    openvino = Predictor(backend="openvino")
    assert openvino.classifier.backend == "openvino"
    np.testing.assert_allclose(openvino.predict(image).probabilities, expected.probabilities, atol=1e-5)


def test_a_predictor_of_a_classifier_takes_it_as_it_is(shipped, mnist):
    with pytest.raises(ConfigError, match=r"the classifier has its device and backend already; .*classifier.on\("):
        Predictor(shipped, backend="onnx")
    with pytest.raises(ConfigError, match=r"got a Sequential, expected a Classifier: Predictor\(Classifier\("):
        Predictor(__import__("torch").nn.Sequential())


def test_evaluating_judges_the_predictor_itself(shipped, mnist):
    """The probabilities of a report are those of predict, but for images that it frames anew."""
    part = mnist.test.take_per_class(40)
    report = evaluate(Predictor(shipped), part)
    predictions = Predictor(shipped).predict(part.images)
    framed_as_given = [
        np.array_equal(p.frame, image) for p, image in zip(predictions, part.images[:, 0].numpy(), strict=True)
    ]
    assert sum(framed_as_given) >= len(part) - 2
    found = np.array([prediction.probabilities for prediction in predictions])
    np.testing.assert_allclose(report.probabilities[framed_as_given], found[framed_as_given], atol=1e-5)
    assert [prediction.label for prediction in predictions] == report.predictions.tolist()
