import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.calibration import calibration_curve
from sklearn.metrics import confusion_matrix as sklearn_confusion
from sklearn.metrics import log_loss, precision_recall_fscore_support
from statsmodels.stats.proportion import proportion_confint

from mnistkit.evaluation.figures import (
    ClassFigures,
    ConfusedPair,
    class_figures,
    confused_pairs,
    confusion_matrix,
)

labels_and_predictions = st.integers(2, 5).flatmap(
    lambda classes: st.tuples(
        st.just(classes),
        hnp.arrays(np.int64, st.shared(st.integers(1, 60), key="n"), elements=st.integers(0, classes - 1)),
        hnp.arrays(np.int64, st.shared(st.integers(1, 60), key="n"), elements=st.integers(0, classes - 1)),
    )
)


@given(labels_and_predictions)
def test_the_confusion_matrix_and_the_class_figures_are_scikit_learns(case):
    classes, labels, predictions = case
    confusion = confusion_matrix(labels, predictions, classes)
    np.testing.assert_array_equal(confusion, sklearn_confusion(labels, predictions, labels=range(classes)))
    expected = precision_recall_fscore_support(labels, predictions, labels=range(classes), zero_division=np.nan)
    rows = class_figures(confusion, [str(c) for c in range(classes)])
    got = [[getattr(row, name) for row in rows] for name in ("precision", "recall", "f1", "support")]
    np.testing.assert_allclose(got, expected, atol=1e-12)


def test_a_report_agrees_with_scikit_learn_and_statsmodels(report):
    labels, predictions = report.labels, report.predictions
    expected = precision_recall_fscore_support(labels, predictions)
    rows = report.per_class
    got = [[getattr(row, name) for row in rows] for name in ("precision", "recall", "f1", "support")]
    np.testing.assert_allclose(got, expected, atol=1e-9)
    macro = precision_recall_fscore_support(labels, predictions, average="macro")[:3]
    np.testing.assert_allclose([report.macro.precision, report.macro.recall, report.macro.f1], macro, atol=1e-9)
    np.testing.assert_array_equal(report.confusion, sklearn_confusion(labels, predictions))
    # scikit-learn warns of rows that do not add up to 1, in the last bit.
    probabilities = report.probabilities.astype(np.float64)
    assert report.loss == pytest.approx(log_loss(labels, probabilities / probabilities.sum(1, keepdims=True)), abs=1e-6)
    assert report.score.interval == pytest.approx(
        proportion_confint(report.score.correct, report.count, method="wilson"), abs=1e-9
    )


def test_the_reliability_curve_is_scikit_learns(report):
    correct, confidence = calibration_curve(report.hits, report.confidences.astype(np.float64), n_bins=15)
    filled = report.reliability.filled
    np.testing.assert_allclose([part.score.accuracy for part in filled], correct, atol=1e-9)
    np.testing.assert_allclose([part.confidence for part in filled], confidence, atol=1e-9)
    assert sum(part.score.count for part in report.reliability.bins) == report.count
    weights = np.array([part.score.count for part in filled]) / report.count
    assert report.reliability.error == pytest.approx(float(weights @ np.abs(correct - confidence)), abs=1e-9)


def test_figures_that_do_not_exist_are_nan():
    # Class 1 never occurs and is never given, 2 occurs and is never given, 3 is given and never occurs.
    rows = class_figures(confusion_matrix(np.array([0, 2]), np.array([0, 3]), 4), "abcd")
    assert rows[0] == ClassFigures("a", 1.0, 1.0, 1.0, 1)
    assert [math.isnan(value) for value in (rows[1].precision, rows[1].recall, rows[1].f1)] == [True] * 3
    assert (math.isnan(rows[2].precision), rows[2].recall, rows[2].f1, rows[2].support) == (True, 0.0, 0.0, 1)
    assert (rows[3].precision, math.isnan(rows[3].recall), rows[3].f1) == (0.0, True, 0.0)


def test_confused_pairs_come_most_frequent_first():
    labels = np.array([0] * 10 + [1] * 4 + [2] * 2)
    predictions = np.array([0] * 7 + [1] * 2 + [2] + [0] * 3 + [1] + [2] * 2)
    assert confused_pairs(confusion_matrix(labels, predictions, 3)) == (
        ConfusedPair(1, 0, 3, 0.75),
        ConfusedPair(0, 1, 2, 0.2),
        ConfusedPair(0, 2, 1, 0.1),
    )


def test_without_mistakes_no_pair_is_confused():
    assert confused_pairs(confusion_matrix(np.arange(4), np.arange(4), 4)) == ()
