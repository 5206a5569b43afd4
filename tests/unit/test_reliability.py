import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.calibration import calibration_curve

from mnistkit.metrics import wilson_interval
from mnistkit.reliability import Reliability, ReliabilityBin, reliability


@given(hnp.arrays(np.float64, st.integers(1, 40), elements=st.floats(0, 1)), st.data())
def test_any_reliability_curve_is_scikit_learns(confidences, data):
    correct = data.draw(hnp.arrays(bool, len(confidences)))
    expected = calibration_curve(correct, confidences, n_bins=15, strategy="uniform")
    filled = [part for part in reliability(confidences, correct).bins if part.count]
    np.testing.assert_allclose([[p.accuracy for p in filled], [p.confidence for p in filled]], expected, atol=1e-9)


def test_the_calibration_error_by_hand():
    # Two images at 0.95, one of them right; two at 0.55, both right.
    result = reliability(np.array([0.95, 0.95, 0.55, 0.55]), np.array([True, False, True, True]), bins=10)
    assert result.error == pytest.approx(0.5 * 0.45 + 0.5 * 0.45)
    assert [part.count for part in result.bins] == [0, 0, 0, 0, 0, 2, 0, 0, 0, 2]
    assert math.isnan(result.bins[0].accuracy)
    assert math.isnan(result.bins[0].confidence)
    assert result.bins[9].interval == wilson_interval(1, 2)
    assert result.bins[0].interval == (0.0, 1.0)


def test_a_bin_is_open_below_and_closed_above():
    bins = reliability(np.array([0.0, 0.5, 0.5000001, 1.0]), np.array([True] * 4), bins=2).bins
    assert [(part.low, part.high, part.count) for part in bins] == [(0.0, 0.5, 2), (0.5, 1.0, 2)]


def test_the_error_weighs_bins_by_their_images():
    parts = (ReliabilityBin(0, 0.5, 1, 0.4, 1.0), ReliabilityBin(0.5, 1, 3, 0.8, 0.7))
    assert Reliability(parts).error == pytest.approx((1 * 0.6 + 3 * 0.1) / 4)


def test_ece_of_a_model_that_is_as_sure_as_it_is_right_is_small():
    generator = torch.Generator().manual_seed(0)
    confidences = torch.rand(200_000, generator=generator).numpy()
    correct = torch.rand(200_000, generator=generator).numpy() < confidences
    assert reliability(confidences, correct).error < 0.005
    assert reliability(confidences, ~correct).error > 0.4
