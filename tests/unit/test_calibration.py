import dataclasses
import json
import math

import hypothesis.extra.numpy as arrays
import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.special import softmax
from sklearn.calibration import calibration_curve

from mnistkit.calibration import (
    Calibration,
    Reliability,
    ReliabilityBin,
    expected_calibration_error,
    fit_calibration,
    reliability,
)
from mnistkit.errors import ConfigError, DataError
from mnistkit.metrics import Proportion

HALVES = Calibration(2.0, True, ((0.5, 6.0), (0.9, 3.0), (0.98, 1.0), (0.999, -2.0)))


def sample(count, temperature, seed=0, classes=10):
    """Logits that are ``temperature`` times too large, and labels drawn by what they should be."""
    generator = torch.Generator().manual_seed(seed)
    logits = 2 * torch.randn(count, classes, generator=generator, dtype=torch.float64)
    labels = torch.multinomial(logits.softmax(1), 1, generator=generator)[:, 0]
    return (logits * temperature).numpy(), labels.numpy()


def entropy_of(logits, labels, temperature=1.0):
    logits, labels = torch.as_tensor(logits).double(), torch.as_tensor(labels)
    return torch.nn.functional.cross_entropy(logits / temperature, labels).item()


logits_and_labels = st.integers(1, 40).flatmap(
    lambda count: st.integers(1, 6).flatmap(
        lambda classes: st.tuples(
            arrays.arrays(np.float32, (count, classes), elements=st.floats(-60, 60, width=32)),
            arrays.arrays(np.int64, count, elements=st.integers(0, classes - 1)),
        )
    )
)


@settings(max_examples=40)
@given(data=logits_and_labels, background=st.booleans())
# A confidence of a third is on the edge of two bins: rounded another way it is in the other one.
@example(data=(np.array([[-1, 0, 0, 0], [0, -38, 0, 0]], np.float32), np.array([0, 0])), background=False)
def test_calibration_is_never_worse_than_none_on_its_own_data(data, background):
    logits, labels = data
    calibration = fit_calibration(logits, labels, background=background)
    before = expected_calibration_error(Calibration(1.0).probabilities(logits), labels)
    assert expected_calibration_error(calibration.probabilities(logits), labels) <= before + 1e-12
    # Golden-section search stops at the flat bottom of the valley, up to rounding.
    assert entropy_of(logits, labels, calibration.temperature) <= entropy_of(logits, labels) + 1e-6
    assert 0.05 <= calibration.temperature <= 20
    assert calibration.background == background


@settings(max_examples=40)
@given(data=logits_and_labels, background=st.booleans(), temperature=st.floats(0.1, 10))
def test_probabilities_and_scores_are_those_of_their_definitions(data, background, temperature):
    calibration = Calibration(temperature, background)
    logits = torch.from_numpy(data[0])
    probabilities, scores, membership = (
        torch.from_numpy(measure(data[0]))
        for measure in (calibration.probabilities, calibration.scores, calibration.membership)
    )
    assert torch.allclose(probabilities.sum(1), torch.ones(len(logits), dtype=torch.float64))
    everything = logits.double() / temperature
    if background:
        everything = torch.nn.functional.pad(everything, (0, 1))
    shares = everything.softmax(1)
    best = probabilities.argmax(1)
    share = shares.gather(1, best[:, None])[:, 0]
    usual = (share > 1e-9) & (share < 1 - 1e-9)
    odds = (share / (1 - share)).log()
    assert torch.allclose(scores[usual], odds[usual], atol=1e-4)
    member = shares[:, : logits.shape[1]].sum(1)
    assert torch.allclose(membership, member, atol=1e-9)


@pytest.mark.parametrize("temperature", [0.4, 1.0, 2.5])
def test_a_known_temperature_is_recovered(temperature):
    calibration = fit_calibration(*sample(20_000, temperature))
    assert calibration.temperature == pytest.approx(temperature, rel=0.04)


def test_the_temperature_has_the_least_loss_of_all():
    logits, labels = sample(2000, 3.0, seed=1)
    fitted = fit_calibration(logits, labels).temperature
    losses = {t: entropy_of(logits, labels, t) for t in np.geomspace(0.1, 15, 300)}
    assert fitted == pytest.approx(min(losses, key=losses.get), rel=0.02)


def test_the_temperature_helps_on_other_data_too():
    fitted = fit_calibration(*sample(5000, 3.0, seed=2))
    logits, labels = sample(5000, 3.0, seed=3)
    after = expected_calibration_error(fitted.probabilities(logits), labels)
    assert after < 0.3 * expected_calibration_error(softmax(logits, 1), labels)


def test_where_a_better_likelihood_would_cost_calibration_the_temperature_stays_1():
    """Nine at 0.75, of which seven are right, and one that was sure and wrong."""
    sure, half = [8.0, 0.0], [math.log(3), 0.0]
    logits = np.array([half] * 8 + [sure])
    labels = np.array([0] * 6 + [1] * 2 + [1])
    assert entropy_of(logits, labels, 1.5) < entropy_of(logits, labels)
    assert fit_calibration(logits, labels).temperature == 1.0


@pytest.fixture(scope="module")
def fitted():
    """With and without knowing none: logits, labels, and the calibration that was fitted to them."""
    logits, labels = sample(4000, 1.5, seed=4)
    return {none: (logits, labels, fit_calibration(logits, labels, background=none)) for none in (False, True)}


@pytest.mark.parametrize("coverage", [0.5, 0.7, 0.8, 0.9, 0.95, 0.97, 0.98, 0.99, 0.995, 0.998, 0.999])
@pytest.mark.parametrize("background", [False, True])
def test_a_threshold_gives_its_coverage_of_the_data_it_was_fitted_on(coverage, background, fitted):
    logits, labels, calibration = fitted[background]
    right = logits.argmax(1) == labels
    answered = calibration.evidence(logits[right]) >= calibration.least_evidence(coverage)
    assert answered.mean() == pytest.approx(coverage, abs=1 / right.sum())


def test_only_what_is_read_rightly_counts_as_a_good_picture():
    """Wrong answers of great certainty would raise the threshold."""
    logits = np.stack([np.concatenate([np.linspace(1, 5, 100), np.full(300, 50.0)]), np.zeros(400)], 1)
    labels = np.repeat([0, 1], [100, 300])
    calibration = fit_calibration(logits, labels)
    answered = calibration.evidence(logits[:100]) >= calibration.least_evidence(0.5)
    assert answered.mean() == pytest.approx(0.5, abs=0.011)


def test_the_thresholds_are_those_of_good_pictures_and_the_temperature_that_of_all():
    logits, labels = sample(4000, 1.5, seed=4)
    changed = logits / 3
    fitted = fit_calibration(changed, labels, good=logits, background=True)
    assert fitted.temperature == fit_calibration(changed, labels).temperature
    right = logits.argmax(1) == labels
    answered = fitted.evidence(logits[right]) >= fitted.least_evidence(0.9)
    assert answered.mean() == pytest.approx(0.9, abs=0.001)


def test_good_pictures_have_the_labels_of_the_others():
    with pytest.raises(DataError, match=r"^got logits \(3, 2\) of good pictures, expected \(4, 2\), as of the others$"):
        fit_calibration(np.zeros((4, 2)), np.zeros(4, int), good=np.zeros((3, 2)))


def test_a_model_that_is_never_right_can_be_calibrated():
    calibration = fit_calibration(np.array([[3.0, 0.0], [2.0, 0.0]]), np.array([1, 1]))
    assert math.isfinite(calibration.least_evidence(0.98))


def test_thresholds_rise_as_coverage_falls_and_are_interpolated():
    assert HALVES.least_evidence(0.98) == 1.0
    assert HALVES.least_evidence(0.94) == pytest.approx(2.0)
    assert HALVES.least_evidence(0.1) == 6.0
    assert HALVES.least_evidence(0.9999) == -2.0
    fitted = fit_calibration(*sample(1000, 1.0))
    coverages, scores = zip(*fitted.acceptance, strict=True)
    assert list(coverages) == sorted(coverages)
    assert list(scores) == sorted(scores, reverse=True)


@pytest.mark.parametrize("coverage", [1.5, 1, 1.0, 0, 0.0, -0.1, 98, math.nan, math.inf])
def test_a_coverage_is_a_share(coverage):
    message = f"^coverage is {coverage}, expected the share of good pictures to answer, between 0 and 1, such as 0.98$"
    with pytest.raises(ConfigError, match=message):
        HALVES.least_evidence(coverage)


def test_without_measured_thresholds_nothing_can_be_rejected():
    with pytest.raises(ConfigError) as caught:
        Calibration().least_evidence(0.98)
    assert str(caught.value) == (
        "this model does not know how sure it must be to answer: measure it first, with classifier.calibrate(validation), or use "
        "the weights that ship, Predictor()"
    )


@pytest.mark.parametrize(
    ("logits", "labels", "shapes"),
    [
        (
            np.zeros(
                (
                    0,
                    10,
                )
            ),
            np.zeros((0,)),
            r"\(0, 10\) and labels \(0,\)",
        ),
        (np.zeros((3,)), np.zeros((3,)), r"\(3,\) and labels \(3,\)"),
        (
            np.zeros(
                (
                    3,
                    10,
                )
            ),
            np.zeros((2,)),
            r"\(3, 10\) and labels \(2,\)",
        ),
        (
            np.zeros(
                (
                    3,
                    10,
                )
            ),
            np.zeros(
                (
                    3,
                    1,
                )
            ),
            r"\(3, 10\) and labels \(3, 1\)",
        ),
        (
            np.zeros(
                (
                    3,
                    10,
                    1,
                )
            ),
            np.zeros((3,)),
            r"\(3, 10, 1\) and labels \(3,\)",
        ),
    ],
)
def test_shapes_that_do_not_belong_together_are_refused(logits, labels, shapes):
    with pytest.raises(DataError, match=rf"^got logits {shapes}, expected \(N, classes\) and \(N,\)$"):
        fit_calibration(logits, labels.astype(int))


@settings(max_examples=50)
@given(
    calibration=st.builds(
        Calibration,
        st.floats(0.05, 20),
        st.booleans(),
        st.lists(st.tuples(st.floats(0.01, 0.99), st.floats(-50, 50)), max_size=11).map(sorted).map(tuple),
    )
)
def test_a_calibration_survives_json(calibration):
    assert Calibration.from_json(json.loads(json.dumps(calibration.to_json()))) == calibration


GOOD = HALVES.to_json()


@pytest.mark.parametrize(
    "damage",
    [
        {"temperature": "1"},
        {"temperature": None},
        {"temperature": True},
        {"temperature": 0.0},
        {"temperature": -1.0},
        {"temperature": math.nan},
        {"temperature": math.inf},
        {"background": 1},
        {"acceptance": {}},
        {"acceptance": [1.0]},
        {"acceptance": [[0.5]]},
        {"acceptance": [[0.5, "high"]]},
        {"acceptance": [["a", "b"]]},
        {"acceptance": ["ab"]},
        {"acceptance": [[0.5, 1.0, 2.0]]},
        {"acceptance": [[0.5, math.nan]]},
        {"acceptance": [[0.9, 1.0], [0.5, 2.0]]},
        {"acceptance": [[1.5, 1.0]]},
    ],
    ids=repr,
)
def test_a_damaged_calibration_is_refused(damage):
    with pytest.raises(ValueError, match=r"^no calibration: \{"):
        Calibration.from_json(GOOD | damage)


@pytest.mark.parametrize("missing", ["temperature", "background", "acceptance"])
def test_an_incomplete_calibration_is_refused(missing):
    with pytest.raises(ValueError, match=r"^no calibration: \{"):
        Calibration.from_json({name: value for name, value in GOOD.items() if name != missing})


def test_a_model_that_does_not_know_none_is_sure_that_it_is_one_of_the_classes():
    assert Calibration().membership(np.array([[-50.0, -60.0]])).tolist() == [1.0]
    assert Calibration(background=True).membership(np.array([[-50.0, -60.0]]))[0] < 1e-20


def test_none_counts_among_the_others():
    logits = np.array([[2.0, -3.0]])
    assert Calibration().scores(logits).item() == pytest.approx(5.0)
    # Against the sum of exp(-3) and exp(0).
    assert Calibration(background=True).scores(logits).item() == pytest.approx(2 - math.log(math.exp(-3) + 1))


def test_evidence_is_against_none_and_of_a_model_that_does_not_know_it_the_score():
    """Between two digits there is no certainty, but as much evidence as for one."""
    logits = np.array([[4.0, 4.0], [4.0, -9.0], [-3.0, -2.0]])
    assert Calibration(2.0, background=True).evidence(logits).tolist() == [2.0, 2.0, -1.0]
    assert np.array_equal(Calibration(2.0).evidence(logits), Calibration(2.0).scores(logits))


def test_a_calibration_is_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        HALVES.temperature = 1.0


@pytest.mark.parametrize(
    ("confidences", "right", "bins", "expected"),
    [
        ([1.0, 1.0], [True, True], 15, 0.0),
        ([1.0, 1.0], [True, False], 15, 0.5),
        ([0.8] * 5, [True] * 4 + [False], 15, 0.0),
        # In one bin an error of too much and one of too little cancel out; in two they do not.
        ([0.6, 0.9], [True, False], 1, 0.25),
        ([0.6, 0.9], [True, False], 2, 0.25),
        ([0.6, 0.9], [True, False], 10, 0.65),
        # A right edge belongs to its bin: 0.6 is in the third of five, together with 0.5.
        ([0.6, 0.5], [True, False], 5, 0.05),
    ],
)
def test_the_calibration_error_is_the_mean_gap_of_the_bins(confidences, right, bins, expected):
    probabilities = np.array([[share, 1 - share] for share in confidences])
    labels = np.array([0 if hit else 1 for hit in right])
    assert expected_calibration_error(probabilities, labels, bins=bins) == pytest.approx(expected, abs=1e-9)


# ---- reliability -------------------------------------------------------------------------------------------------------


@given(arrays.arrays(np.float64, st.integers(1, 40), elements=st.floats(0, 1)), st.data())
def test_any_reliability_curve_is_scikit_learns(confidences, data):
    correct = data.draw(arrays.arrays(bool, len(confidences)))
    expected = calibration_curve(correct, confidences, n_bins=15, strategy="uniform")
    filled = reliability(confidences, correct).filled
    np.testing.assert_allclose(
        [[p.score.accuracy for p in filled], [p.confidence for p in filled]], expected, atol=1e-9
    )


def test_the_calibration_error_by_hand():
    # Two images at 0.95, one of them right; two at 0.55, both right.
    result = reliability(np.array([0.95, 0.95, 0.55, 0.55]), np.array([True, False, True, True]), bins=10)
    assert result.error == pytest.approx(0.5 * 0.45 + 0.5 * 0.45)
    assert [part.score.count for part in result.bins] == [0, 0, 0, 0, 0, 2, 0, 0, 0, 2]
    assert math.isnan(result.bins[0].confidence)
    assert result.bins[9].score == Proportion(1, 2)


def test_a_bin_is_open_below_and_closed_above():
    bins = reliability(np.array([0.0, 0.5, 0.5000001, 1.0]), np.array([True] * 4), bins=2).bins
    assert [(part.low, part.high, part.score.count) for part in bins] == [(0.0, 0.5, 2), (0.5, 1.0, 2)]


def test_the_error_weighs_bins_by_their_images():
    parts = (ReliabilityBin(0, 0.5, 0.4, Proportion(1, 1)), ReliabilityBin(0.5, 1, 0.8, Proportion(2, 4)))
    assert Reliability(parts).error == pytest.approx((1 * 0.6 + 4 * 0.3) / 5)


def test_ece_of_a_model_that_is_as_sure_as_it_is_right_is_small():
    generator = torch.Generator().manual_seed(0)
    confidences = torch.rand(200_000, generator=generator).numpy()
    correct = torch.rand(200_000, generator=generator).numpy() < confidences
    assert reliability(confidences, correct).error < 0.005
    assert reliability(confidences, ~correct).error > 0.4
