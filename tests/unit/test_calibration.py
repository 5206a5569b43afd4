import dataclasses
import json
import math

import hypothesis.extra.numpy as arrays
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mnistkit.calibration import Calibration, expected_calibration_error, fit_calibration
from mnistkit.errors import ConfigError, DataError

HALVES = Calibration(2.0, True, ((0.5, 6.0), (0.9, 3.0), (0.98, 1.0), (0.999, -2.0)))


def sample(count, temperature, seed=0, classes=10):
    """Logits that are ``temperature`` times too large, and labels drawn by what they should be."""
    generator = torch.Generator().manual_seed(seed)
    logits = 2 * torch.randn(count, classes, generator=generator, dtype=torch.float64)
    labels = torch.multinomial(logits.softmax(1), 1, generator=generator)[:, 0]
    return logits * temperature, labels


def entropy_of(logits, labels, temperature=1.0):
    return torch.nn.functional.cross_entropy(logits.double() / temperature, labels).item()


logits_and_labels = st.integers(1, 40).flatmap(
    lambda count: st.integers(1, 6).flatmap(
        lambda classes: st.tuples(
            arrays.arrays(np.float32, (count, classes), elements=st.floats(-60, 60, width=32)),
            arrays.arrays(np.int64, count, elements=st.integers(0, classes - 1)),
        )
    )
)


@settings(max_examples=40, deadline=None)
@given(data=logits_and_labels, knows_none=st.booleans())
def test_calibration_is_never_worse_than_none_on_its_own_data(data, knows_none):
    logits, labels = map(torch.from_numpy, data)
    calibration = fit_calibration(logits, labels, knows_none=knows_none)
    before = expected_calibration_error(logits.double().softmax(1), labels)
    assert expected_calibration_error(calibration.probabilities(logits), labels) <= before + 1e-12
    # Golden-section search stops at the flat bottom of the valley, up to rounding.
    assert entropy_of(logits, labels, calibration.temperature) <= entropy_of(logits, labels) + 1e-6
    assert 0.05 <= calibration.temperature <= 20
    assert calibration.knows_none == knows_none


@settings(max_examples=40, deadline=None)
@given(data=logits_and_labels, knows_none=st.booleans(), temperature=st.floats(0.1, 10))
def test_probabilities_and_scores_are_those_of_their_definitions(data, knows_none, temperature):
    logits = torch.from_numpy(data[0])
    calibration = Calibration(temperature, knows_none)
    probabilities = calibration.probabilities(logits)
    assert torch.allclose(probabilities.sum(1), torch.ones(len(logits), dtype=torch.float64))
    everything = logits.double() / temperature
    if knows_none:
        everything = torch.nn.functional.pad(everything, (0, 1))
    shares = everything.softmax(1)
    best = probabilities.argmax(1)
    share = shares.gather(1, best[:, None])[:, 0]
    usual = (share > 1e-9) & (share < 1 - 1e-9)
    odds = (share / (1 - share)).log()
    assert torch.allclose(calibration.scores(logits)[usual], odds[usual], atol=1e-4)
    member = shares[:, : logits.shape[1]].sum(1)
    assert torch.allclose(calibration.membership(logits), member, atol=1e-9)


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
    assert after < 0.3 * expected_calibration_error(logits.softmax(1), labels)


def test_where_a_better_likelihood_would_cost_calibration_the_temperature_stays_1():
    """Nine at 0.75, of which seven are right, and one that was sure and wrong."""
    sure, half = [8.0, 0.0], [math.log(3), 0.0]
    logits = torch.tensor([half] * 8 + [sure])
    labels = torch.tensor([0] * 6 + [1] * 2 + [1])
    assert entropy_of(logits, labels, 1.5) < entropy_of(logits, labels)
    assert fit_calibration(logits, labels).temperature == 1.0


@pytest.fixture(scope="module")
def fitted():
    """With and without knowing none: logits, labels, and the calibration that was fitted to them."""
    logits, labels = sample(4000, 1.5, seed=4)
    return {none: (logits, labels, fit_calibration(logits, labels, knows_none=none)) for none in (False, True)}


@pytest.mark.parametrize("coverage", [0.5, 0.7, 0.8, 0.9, 0.95, 0.97, 0.98, 0.99, 0.995, 0.998, 0.999])
@pytest.mark.parametrize("knows_none", [False, True])
def test_a_threshold_gives_its_coverage_of_the_data_it_was_fitted_on(coverage, knows_none, fitted):
    logits, labels, calibration = fitted[knows_none]
    right = logits.argmax(1) == labels
    answered = calibration.evidence(logits[right]) >= calibration.least_evidence(coverage)
    assert answered.double().mean().item() == pytest.approx(coverage, abs=1 / right.sum().item())


def test_only_what_is_read_rightly_counts_as_a_good_picture():
    """Wrong answers of great certainty would raise the threshold."""
    logits = torch.cat([torch.linspace(1, 5, 100), torch.full((300,), 50.0)])
    logits = torch.stack([logits, torch.zeros(400)], 1)
    labels = torch.cat([torch.zeros(100), torch.ones(300)]).long()
    calibration = fit_calibration(logits, labels)
    answered = calibration.evidence(logits[:100]) >= calibration.least_evidence(0.5)
    assert answered.double().mean().item() == pytest.approx(0.5, abs=0.011)


def test_the_thresholds_are_those_of_good_pictures_and_the_temperature_that_of_all():
    logits, labels = sample(4000, 1.5, seed=4)
    changed = logits / 3
    fitted = fit_calibration(changed, labels, good=logits, knows_none=True)
    assert fitted.temperature == fit_calibration(changed, labels).temperature
    right = logits.argmax(1) == labels
    answered = fitted.evidence(logits[right]) >= fitted.least_evidence(0.9)
    assert answered.double().mean().item() == pytest.approx(0.9, abs=0.001)


def test_good_pictures_have_the_labels_of_the_others():
    with pytest.raises(DataError, match=r"^got logits \(3, 2\) of good pictures, expected \(4, 2\), as of the others$"):
        fit_calibration(torch.zeros(4, 2), torch.zeros(4).long(), good=torch.zeros(3, 2))


def test_a_model_that_is_never_right_can_be_calibrated():
    calibration = fit_calibration(torch.tensor([[3.0, 0.0], [2.0, 0.0]]), torch.tensor([1, 1]))
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
    message = f"^reject is {coverage}, expected the share of good pictures to answer, between 0 and 1, such as 0.98$"
    with pytest.raises(ConfigError, match=message):
        HALVES.least_evidence(coverage)


def test_without_measured_thresholds_nothing_can_be_rejected():
    with pytest.raises(ConfigError) as caught:
        Calibration().least_evidence(0.98)
    assert str(caught.value) == (
        "this model does not know how sure it must be to answer: call predictor.calibrate(validation) first, or use the "
        "weights that ship, Predictor()"
    )


@pytest.mark.parametrize(
    ("logits", "labels", "shapes"),
    [
        (torch.zeros(0, 10), torch.zeros(0), r"\(0, 10\) and labels \(0,\)"),
        (torch.zeros(3), torch.zeros(3), r"\(3,\) and labels \(3,\)"),
        (torch.zeros(3, 10), torch.zeros(2), r"\(3, 10\) and labels \(2,\)"),
        (torch.zeros(3, 10), torch.zeros(3, 1), r"\(3, 10\) and labels \(3, 1\)"),
        (torch.zeros(3, 10, 1), torch.zeros(3), r"\(3, 10, 1\) and labels \(3,\)"),
    ],
)
def test_shapes_that_do_not_belong_together_are_refused(logits, labels, shapes):
    with pytest.raises(DataError, match=rf"^got logits {shapes}, expected \(N, classes\) and \(N,\)$"):
        fit_calibration(logits, labels.long())


@settings(max_examples=50, deadline=None)
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
        {"knows_none": 1},
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


@pytest.mark.parametrize("missing", ["temperature", "knows_none", "acceptance"])
def test_an_incomplete_calibration_is_refused(missing):
    with pytest.raises(ValueError, match=r"^no calibration: \{"):
        Calibration.from_json({name: value for name, value in GOOD.items() if name != missing})


def test_a_model_that_does_not_know_none_is_sure_that_it_is_one_of_the_classes():
    assert Calibration().membership(torch.tensor([[-50.0, -60.0]])).tolist() == [1.0]
    assert Calibration(knows_none=True).membership(torch.tensor([[-50.0, -60.0]]))[0] < 1e-20


def test_none_counts_among_the_others():
    logits = torch.tensor([[2.0, -3.0]])
    assert Calibration().scores(logits).item() == pytest.approx(5.0)
    # Against the sum of exp(-3) and exp(0).
    assert Calibration(knows_none=True).scores(logits).item() == pytest.approx(2 - math.log(math.exp(-3) + 1))


def test_evidence_is_against_none_and_of_a_model_that_does_not_know_it_the_score():
    """Between two digits there is no certainty, but as much evidence as for one."""
    logits = torch.tensor([[4.0, 4.0], [4.0, -9.0], [-3.0, -2.0]])
    assert Calibration(2.0, knows_none=True).evidence(logits).tolist() == [2.0, 2.0, -1.0]
    assert torch.equal(Calibration(2.0).evidence(logits), Calibration(2.0).scores(logits))


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
    probabilities = torch.tensor([[share, 1 - share] for share in confidences], dtype=torch.float64)
    labels = torch.tensor([0 if hit else 1 for hit in right])
    assert expected_calibration_error(probabilities, labels, bins=bins) == pytest.approx(expected, abs=1e-9)
