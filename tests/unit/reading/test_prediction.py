import dataclasses
import json
import math
from types import SimpleNamespace

import numpy as np
import pytest

from mnistkit import Prediction, Predictor
from mnistkit.calibration import Calibration
from mnistkit.errors import ConfigError
from mnistkit.imaging import Preprocessing

FRAMES = np.full((1, 1, 28, 28), 9, np.uint8)
# Answers are given from a log-odds of 2 on.
KNOWING = Calibration(1.0, True, ((0.5, 4.0), (0.98, 2.0)))


def prediction_of(*probabilities, classes="abcdefgh", rejected=None):
    label = int(np.argmax(probabilities))
    names = tuple(classes[: len(probabilities)])
    frame = np.zeros((28, 28), np.uint8)
    return Prediction(label, names[label], probabilities[label], probabilities, frame, names, rejected)


def judged(*logits, calibration=KNOWING, coverage=0.98, frames=FRAMES, classes="abc"):
    """What is said of a picture for which a network has these logits."""
    channels = frames.shape[1]
    picture = np.moveaxis(frames[0], 0, -1) if channels > 1 else frames[0, 0]
    classifier = SimpleNamespace(
        classes=tuple(classes),
        calibration=calibration,
        preprocessing=Preprocessing((0.1,) * channels, (0.3,) * channels, size=frames.shape[2:], framing="resize"),
        logits=lambda _: np.array([logits]),
    )
    return Predictor(classifier).predict(picture, coverage=coverage)


def test_the_likeliest_classes_come_best_first():
    prediction = prediction_of(0.1, 0.6, 0.05, 0.25)
    assert prediction.top() == [("b", 0.6), ("d", 0.25), ("a", 0.1)]
    assert prediction.top(1) == [("b", 0.6)]
    assert prediction.top(0) == []
    assert prediction.top(9) == [("b", 0.6), ("d", 0.25), ("a", 0.1), ("c", 0.05)]


@pytest.mark.parametrize(
    ("prediction", "text"),
    [
        (prediction_of(0.1, 0.6, 0.05, 0.25), "b (60.0%; then d 25.0%, a 10.0%)"),
        (prediction_of(0.9992, 0.0004, 0.0004), "a (99.9%)"),
        (prediction_of(0.004, 0.9956, 0.0004), "b (99.6%; then a 0.4%)"),
        (prediction_of(1.0), "a (100.0%)"),
        (prediction_of(0.9, 0.1, rejected="it is a cat"), "rejected: it is a cat"),
    ],
)
def test_a_prediction_prints_as_a_line(prediction, text):
    assert str(prediction) == text


def test_a_prediction_is_written_as_json_without_its_pixels():
    prediction = prediction_of(0.25, 0.75, rejected="it is a cat")
    assert json.loads(json.dumps(prediction.to_json())) == {
        "label": 1,
        "name": "b",
        "confidence": 0.75,
        "probabilities": [0.25, 0.75],
        "classes": ["a", "b"],
        "rejected": "it is a cat",
    }


def test_the_representation_of_a_prediction_leaves_out_the_pixels():
    text = repr(prediction_of(0.25, 0.75))
    assert text == "Prediction(label=1, name='b', confidence=0.75, probabilities=(0.25, 0.75), rejected=None)"


def test_a_prediction_is_frozen_and_can_be_compared_and_kept_in_a_set():
    prediction = prediction_of(0.25, 0.75)
    with pytest.raises(dataclasses.FrozenInstanceError):
        prediction.label = 3
    assert prediction == prediction_of(0.25, 0.75)
    assert prediction != prediction_of(0.75, 0.25)
    assert prediction != prediction_of(0.25, 0.75, rejected="blank")
    assert len({prediction, prediction_of(0.25, 0.75), prediction_of(0.75, 0.25)}) == 2


def test_the_temperature_changes_the_confidence_and_not_the_label():
    cold, hot = (judged(3.0, 1.0, calibration=Calibration(t), coverage=None) for t in (0.5, 2.0))
    assert cold.label == hot.label == 0
    assert cold.confidence == pytest.approx(1 / (1 + math.exp(-4)))
    assert hot.confidence == pytest.approx(1 / (1 + math.exp(-1)))
    assert cold.rejected is hot.rejected is None


def test_the_frame_has_its_channels_last_and_one_channel_has_none():
    colours = np.arange(75, dtype=np.uint8).reshape(1, 3, 5, 5)
    assert np.array_equal(judged(1.0, 0.0, frames=colours).frame, np.moveaxis(colours[0], 0, -1))
    assert np.array_equal(judged(1.0, 0.0).frame, FRAMES[0, 0])


@pytest.mark.parametrize(("logit", "rejected"), [(2.5, False), (2.01, False), (1.99, True), (-5.0, True)])
def test_what_is_less_certain_than_the_threshold_is_rejected(logit, rejected):
    """One class against a none of logit 0: its log-odds are its logit."""
    prediction = judged(logit)
    assert (prediction.rejected is not None) == rejected
    assert (prediction.label, prediction.confidence) == (0, 1.0)


def test_a_lower_coverage_rejects_more():
    assert judged(3.0, coverage=0.98).rejected is None
    assert judged(3.0, coverage=0.5).rejected is not None
    assert judged(-9.0, coverage=None).rejected is None


def test_the_reason_of_a_rejection_is_the_likelier_one():
    none = 1 / (1 + math.exp(-4))
    assert judged(-4.0, classes="a").rejected == f"it looks like none of the classes ({none:.1%}; if it is one, a)"
    assert judged(-8.0, -9.0).rejected.startswith("it looks like none of the classes (100.0%; if it is one, a)")
    # None has 18 % of it, and b 41 %.
    assert judged(0.8, 0.79).rejected == "it may be a (50.2%) or b (49.8%)"


def test_what_surely_is_a_digit_is_answered_even_if_it_may_be_one_of_two():
    """How sure the model is between the two is its confidence."""
    prediction = judged(6.0, 5.9)
    assert prediction.rejected is None
    assert prediction.confidence == pytest.approx(0.525, abs=1e-3)


def test_a_model_of_one_class_that_knows_no_none_is_just_not_sure():
    calibration = Calibration(1.0, False, ((0.5, math.inf), (0.98, math.inf)))
    # Nothing speaks against the only class, so that only a threshold without end refuses it.
    assert judged(1.0, calibration=calibration, classes="a").rejected is None
    assert judged(0.2, calibration=KNOWING, classes="a").rejected == "the model is not sure enough"


def test_a_frame_without_ink_is_rejected_whatever_the_model_says():
    blank = np.zeros((1, 1, 28, 28), np.uint8)
    assert judged(50.0, -50.0, frames=blank).rejected == "there is no ink in it"
    assert judged(50.0, -50.0, frames=blank, coverage=None).rejected is None


def test_classes_without_a_name_are_called_by_their_number():
    prediction = judged(0.0, 0.0, 9.0, classes="a", coverage=None)
    assert prediction.name == "2"
    assert prediction.classes == ("a", "1", "2")


def test_a_coverage_is_checked_before_anything_is_predicted():
    with pytest.raises(ConfigError, match=r"^coverage is 1.5, expected the share of good pictures"):
        judged(5.0, 0.0, coverage=1.5)
    with pytest.raises(ConfigError, match=r"^this model does not know how sure it must be"):
        judged(5.0, 0.0, coverage=0.9, calibration=Calibration())
